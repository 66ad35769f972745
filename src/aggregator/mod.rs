//! The Durable Object that owns one use case type: the only writer of its instances, scores and KPI definitions, and the
//! keeper of its running aggregates. A thin shell over `domain`; `docs/ARCHITECTURE.md` shows why each score counts once.

pub mod aggregator_do;
pub mod analysis;
pub mod answers;
pub mod cells;
pub mod changes;
pub mod check;
pub mod client;
pub mod core;
mod day_sums;
pub mod definitions;
pub mod plan;
pub mod protocol;
pub mod queue;
pub mod reader;
mod rebuild;
pub mod recovery;
pub mod stored_days;
pub mod trouble;
pub mod write;
