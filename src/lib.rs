//! Edge KPI: define KPIs for GenAI use cases, record scores, read dashboards. This file wires the platform's events to the
//! code; `docs/ARCHITECTURE.md` is the map.

pub mod aggregator;
pub mod api;
pub mod config;
pub mod domain;
pub mod schedule;
pub mod storage;

use worker::{Context, Env, Request, Response, ScheduleContext, ScheduledEvent, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> worker::Result<Response> {
    api::handle(request, &env).await
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    #[allow(clippy::cast_possible_truncation)] // milliseconds since the epoch
    let scheduled_ms = event.schedule() as i64;
    schedule::run(&env, &event.cron(), scheduled_ms).await;
}
