//! What a Worker can ask of the object that owns a use case type, and how the object answers. Both sides use these types.
//!
//! A call is one text, so is its answer: `+` and the result's JSON, or `-` and a `Refusal`. Every command is safe to send
//! again when its answer was lost, unless its doc says otherwise: times ("now") are set by the sender, not by the object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::calendar::Granularity;
use crate::domain::kpi::Benchmark;
use crate::domain::refusal::{Code, Refusal};

/// Which type's object is meant. Objects are addressed by an internal name, never by the type's public one, so that a type
/// made again under the same name gets an empty object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    pub type_no: i64,
    pub object_name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    pub address: Address,
    pub now_ms: i64,
    /// Whose doing it is, for the log. Not said by Workers from before it was.
    #[serde(default)]
    pub request_id: String,
    pub command: Command,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Sets and clears scores. Answers `WriteReport`.
    WriteScores(WriteScores),
    /// Adds to a number score. Answers `{"score": …}`. Sent again it adds again, unless it has an idempotency key.
    Increment(Increment),
    /// Answers the instance.
    CreateInstance(CreateInstance),
    /// Changes properties. Answers the instance.
    SetProperties(SetProperties),
    /// Answers the deleted instance. Sent again it finds nothing.
    DeleteInstance { use_case_id: String },
    /// Answers the KPI as `KpiAnswer`.
    CreateKpi(NewKpi),
    /// Answers the changed KPI.
    UpdateKpi { kpi: String, change: KpiChange },
    /// Answers the deleted KPI. Sent again it finds nothing.
    DeleteKpi { kpi: String },
    /// Raises the version. Answers the new one: `{"type_version": …}`. Sent again it raises again.
    IncrementVersion { timestamp_ms: Option<i64>, idempotency: Option<Idempotency> },
    /// Deletes the type and everything the object holds. Answers `null`.
    DeleteType,
    /// Adds an event. Answers it as `EventAnswer`.
    CreateEvent(NewEvent),
    /// Answers the deleted event. Sent again it finds nothing.
    DeleteEvent { event_id: String },
    /// Changes nothing.
    Read(Ask),
    /// Recounts one portion and repairs what differs. Answers `ReconcileReport`.
    Reconcile(Reconcile),
    /// Counts one portion of everything again, whatever the cells hold. Answers `RebuildReport`. With `begin`, a rebuild begins unless
    /// one is under way.
    Rebuild { begin: bool },
    /// Removes what the object of a deleted type still holds. Answers `null`.
    Erase,
}

/// Stands for a version header that is no number.
pub const UNREADABLE_VERSION: i64 = i64::MIN;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteScores {
    pub items: Vec<ScoreItem>,
    /// Whether an instance that does not exist is made.
    pub may_create: bool,
    /// The version that a new instance gets instead of the latest.
    pub version: Option<i64>,
}

/// One score to set, or to clear with `score` `None`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScoreItem {
    /// Its place in the request.
    pub index: usize,
    pub use_case_id: String,
    /// A KPI's name or id.
    pub kpi: KpiRef,
    pub score: Option<f64>,
    pub timestamp_ms: Option<i64>,
    pub comment: Option<String>,
    pub source: Option<String>,
    /// The earliest timestamp that the request gives for the instance, where this is a portion of the request only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KpiRef {
    /// A name first, an id second: what a path means.
    NameOrId(String),
    Name(String),
    Id(String),
}

/// Items that were refused, in the order of their places.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WriteReport {
    pub errors: Vec<(usize, Refusal)>,
}

/// A request's Idempotency-Key, and what it asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Idempotency {
    pub key: String,
    pub request_hash: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Increment {
    pub use_case_id: String,
    pub kpi: String,
    pub by: f64,
    pub may_create: bool,
    pub version: Option<i64>,
    pub timestamp_ms: Option<i64>,
    pub idempotency: Option<Idempotency>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateInstance {
    pub use_case_id: String,
    /// The id was generated, so it can't exist yet.
    pub generated: bool,
    pub version: Option<i64>,
    pub timestamp_ms: Option<i64>,
    pub properties: BTreeMap<String, Option<String>>,
    pub idempotency: Option<Idempotency>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetProperties {
    pub use_case_id: String,
    pub properties: BTreeMap<String, Option<String>>,
    pub may_create: bool,
    pub version: Option<i64>,
}

/// An instance, as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Instance))]
pub struct InstanceAnswer {
    pub use_case_id: String,
    pub use_case_name: String,
    pub type_version: i64,
    pub limit_id: Option<String>,
    pub properties: BTreeMap<String, String>,
    pub create_timestamp: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKpi {
    pub kpi_id: Option<String>,
    /// Used when the caller names no id.
    pub generated_id: String,
    pub name: String,
    pub description: String,
    pub kpi_type: crate::domain::kpi::KpiType,
    pub goal: f64,
    pub direction: crate::domain::kpi::Direction,
    pub unit: Option<String>,
    pub bucket_width: Option<f64>,
    pub benchmarks: Vec<Benchmark>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KpiChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub kpi_type: Option<crate::domain::kpi::KpiType>,
    pub goal: Option<f64>,
    pub direction: Option<crate::domain::kpi::Direction>,
    /// `Some(None)` removes the unit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_or_null")]
    pub unit: Option<Option<String>>,
    pub bucket_width: Option<f64>,
    pub benchmarks: Option<Vec<Benchmark>>,
}

/// Tells a field that is `null` from one that is absent.
pub mod some_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Option<String>>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
        Option::<String>::deserialize(from).map(Some)
    }
}

/// A KPI definition, as the API shows it (the API adds the request id).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Kpi))]
pub struct KpiAnswer {
    pub kpi_id: String,
    pub name: String,
    pub kpi_name: String,
    pub description: String,
    pub kpi_type: crate::domain::kpi::KpiType,
    pub goal: f64,
    pub direction: crate::domain::kpi::Direction,
    pub unit: Option<String>,
    pub bucket_width: Option<f64>,
    pub benchmarks: Vec<Benchmark>,
    pub created_timestamp: String,
    pub updated_timestamp: String,
    /// Scores that it holds, of all versions and times; only where `include=score_count` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub score_count: Option<u64>,
}

impl KpiAnswer {
    pub fn new(kpi: &crate::domain::kpi::Kpi) -> Self {
        use crate::domain::calendar::format_timestamp;
        Self {
            kpi_id: kpi.kpi_id.clone(),
            name: kpi.name.clone(),
            kpi_name: kpi.name.clone(),
            description: kpi.description.clone(),
            kpi_type: kpi.rules.kpi_type,
            goal: kpi.rules.goal,
            direction: kpi.rules.direction,
            unit: kpi.unit.clone(),
            bucket_width: crate::storage::definitions::stored_bucket_width(&kpi.rules),
            benchmarks: kpi.benchmarks.clone(),
            created_timestamp: format_timestamp(kpi.created_ms),
            updated_timestamp: format_timestamp(kpi.updated_ms),
            score_count: None,
        }
    }
}

/// What can be read from the aggregates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    /// Answers the whole dashboard.
    Dashboard(Query),
    /// Answers the figures with a sparkline in place of distributions and series.
    Headline(Query),
    /// Answers count, sum and sum of squares of every KPI on each side, as `Summaries`.
    Summaries { sides: Vec<Side>, kpis: Vec<String> },
    /// Answers every value's figures side by side, as `Breakdown`.
    Breakdown { query: Query, by: By, alpha: f64 },
    /// Answers what got worse after an event of the range, as `Regressions`.
    Regressions { query: Query, alpha: f64 },
    /// Answers the property keys with their values, as `[PropertyKey]`.
    Properties,
    /// Answers the comparisons of one event.
    Event { event_id: String },
}

/// What a breakdown is by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum By {
    Version,
    Property(String),
}

/// One side of a comparison. All conditions hold at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub from_ms: i64,
    pub to_ms: i64,
    pub version: Option<i64>,
    pub properties: Vec<(String, String)>,
}

/// What sides are compared by.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summaries {
    pub kpis: Vec<KpiAnswer>,
    /// For each side, of each KPI: count, and the two halves of sum and sum of squares.
    pub sides: Vec<Vec<(u64, [f64; 4])>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewEvent {
    pub event_id: String,
    pub at_ms: i64,
    pub title: String,
    pub description: String,
}

/// A property key and its values, as the API shows them.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct PropertyKey {
    pub key: String,
    /// Whether filters by it are answered from aggregates.
    pub tracked: bool,
    pub values: Vec<PropertyValue>,
    /// Whether there are values that are not named.
    pub more_values: bool,
}

/// A value of a property.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct PropertyValue {
    pub value: String,
    /// Instances that have it; `null` where no aggregates are kept.
    pub count: Option<u64>,
}

/// What a dashboard is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Query {
    pub from_ms: i64,
    pub to_ms: i64,
    pub granularity: Granularity,
    pub time_zone: String,
    pub version: Option<i64>,
    /// Names or ids; empty for all.
    pub kpis: Vec<String>,
    /// All must hold.
    pub properties: Vec<(String, String)>,
}

impl Query {
    /// No filter at all.
    pub fn everything() -> Self {
        Self {
            from_ms: 0,
            to_ms: 1,
            granularity: Granularity::Day,
            time_zone: "UTC".to_owned(),
            version: None,
            kpis: Vec::new(),
            properties: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reconcile {
    /// Only slots touched since they were last checked; otherwise everything.
    pub touched_only: bool,
    /// Where the last portion ended.
    pub from_slot: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RebuildReport {
    pub complete: bool,
    /// From then on everything is counted again; `null` before the first portion, and when all is done.
    pub counted_from: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// Cells compared.
    pub checked: u64,
    /// Cells that differed and were set right.
    pub repaired: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Where the next portion starts; `None` when all is done.
    pub next_slot: Option<i64>,
    /// A portion of a rebuild was done instead: until that is complete there is nothing to compare.
    #[serde(default)]
    pub rebuilding: bool,
}

/// A count in the aggregates that is not what the recount gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Difference {
    pub use_case_name: String,
    /// `null` for the counts of instances.
    pub kpi_name: Option<String>,
    pub version: i64,
    /// Key and value, where the cell counts only instances that have this property.
    pub property: Option<(String, String)>,
    pub slot_start: String,
    pub aggregate_count: u64,
    pub recount: u64,
}

/// An object's answer: JSON, or why not.
pub type Reply = Result<String, Refusal>;

/// The answer as one text.
pub fn encode_reply(reply: &Reply) -> String {
    match reply {
        Ok(json) => format!("+{json}"),
        Err(refusal) => format!("-{}", serde_json::to_string(refusal).unwrap_or_default()),
    }
}

/// The text as an answer.
pub fn decode_reply(text: &str) -> Reply {
    if let Some(json) = text.strip_prefix('+') {
        return Ok(json.to_owned());
    }
    let refusal = text.strip_prefix('-').and_then(|json| serde_json::from_str(json).ok());
    Err(refusal.unwrap_or_else(|| Refusal::new(Code::Unavailable, "the aggregator gave no answer")))
}
