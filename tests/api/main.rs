//! The API over HTTP, against real workerd with real D1 and real objects. Each test has an application of its own.
//! `make test-api` starts the service and runs these.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod analysis;
mod dashboards;
mod definitions;
mod docs;
mod doors;
mod errors;
mod exports;
mod imports;
mod input;
mod instances;
mod kept;
mod kpis;
mod portal;
mod properties;
mod recount;
mod rows;
mod schedule;
mod scores;
mod sessions;

fn app() -> support::App {
    support::Service::from_environment().application()
}
