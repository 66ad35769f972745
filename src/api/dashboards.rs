//! `/api/v1/dashboard`: figures straight from the running aggregates.

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, List};
use super::csv;
use super::query::{cut, invalid_filter as invalid};
use super::types::address_of;
use super::{Context, storage_failed};
use crate::aggregator::protocol::{Ask, Command, PropertyKey, Query};
use crate::config::{FUTURE_MAX_MS, OVERVIEW_ITEMS_MAX, RANGE_DEFAULT_MS};
use crate::domain::calendar::{Granularity, Range, format_timestamp, slot_start_ms};
use crate::domain::dashboard::{Filters, RangeShown};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions::list_types;

pub async fn one(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let query = query(context)?;
    let format = context.query.format(&["json", "csv"])?;
    let reply = context.command(name.as_str(), Command::Read(Ask::Dashboard(query))).await?;
    if format == "csv" {
        return Ok(Answer::text(series_csv(&reply)?, csv::MEDIA_TYPE)
            .for_download(format!("dashboard-{}.csv", name.as_str())));
    }
    Ok(Answer::json(reply))
}

/// What a table of the series takes of a dashboard.
#[derive(Deserialize)]
struct Charted {
    use_case_name: String,
    kpis: Vec<ChartedKpi>,
}

#[derive(Deserialize)]
struct ChartedKpi {
    kpi_id: String,
    kpi_name: String,
    kpi_type: String,
    unit: Option<String>,
    goal: f64,
    series: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    start: String,
    count: u64,
    average: Option<f64>,
    goal_met: Option<bool>,
}

/// The series of a dashboard: a line for each KPI and bucket.
fn series_csv(dashboard: &str) -> Result<String, Refusal> {
    let charted: Charted = serde_json::from_str(dashboard).map_err(|_| unreadable())?;
    let mut table =
        String::from("use_case_name,kpi_id,kpi_name,kpi_type,unit,goal,start,count,average,goal_met\n");
    for kpi in &charted.kpis {
        for point in &kpi.series {
            csv::Line::new(&mut table)
                .text(&charted.use_case_name)
                .text(&kpi.kpi_id)
                .text(&kpi.kpi_name)
                .text(&kpi.kpi_type)
                .text(kpi.unit.as_deref().unwrap_or_default())
                .value(&kpi.goal)
                .text(&point.start)
                .value(&point.count)
                .value(&point.average)
                .value(&point.goal_met)
                .end();
        }
    }
    Ok(table)
}

/// Every use case type's headline figures. The objects are asked side by side.
pub async fn overview(context: &Context<'_>) -> Result<Answer, Refusal> {
    let query = query(context)?;
    let mut page = context.query.page("overview")?;
    page.limit = page.limit.min(OVERVIEW_ITEMS_MAX);
    let found = list_types(&context.database, context.caller.application_no, None, page)
        .await
        .map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "overview", |kind| kind.type_no);
    let asked =
        found.iter().map(|kind| context.call(address_of(kind), Command::Read(Ask::Headline(query.clone()))));
    let mut items = Vec::with_capacity(found.len());
    let mut answered = false;
    let mut failed = None;
    for (kind, reply) in found.iter().zip(join_all(asked).await) {
        let item = match reply {
            Ok(json) => {
                answered = true;
                RawValue::from_string(json)
            }
            // Deleted since the list was read.
            Err(refusal) if refusal.code == Code::UseCaseNotFound => continue,
            // One type that can't be read does not hide the others.
            Err(refusal) => {
                let item = Unread { use_case_name: &kind.name, error: &refusal };
                let item = serde_json::value::to_raw_value(&item);
                failed.get_or_insert(refusal);
                item
            }
        };
        items.push(item.map_err(|_| unreadable())?);
    }
    if let (false, Some(refusal)) = (answered, failed) {
        return Err(refusal);
    }
    let range = Range::new(query.from_ms, query.to_ms)
        .map(|range| RangeShown::new(&range, query.granularity, &query.time_zone));
    Ok(Answer::of(&Overview {
        range,
        filters: Filters { version: query.version, properties: query.properties.iter().cloned().collect() },
        items,
        cursor,
        request_id: &context.request_id,
    }))
}

/// The headline figures of use case types.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Overview<'a> {
    range: Option<RangeShown<'a>>,
    filters: Filters,
    /// As the objects answered.
    #[cfg_attr(test, schema(value_type = Vec<super::openapi::OverviewItem>))]
    items: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    cursor: Option<String>,
    request_id: &'a str,
}

/// An item whose figures could not be read.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = UnreadUseCase))]
pub struct Unread<'a> {
    use_case_name: &'a str,
    error: &'a Refusal,
}

fn unreadable() -> Refusal {
    Refusal::new(Code::UnexpectedError, "the aggregator's answer can't be read")
}

/// The property keys of a type, with their values and how many instances have each.
pub async fn properties(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let reply = context.command(name.as_str(), Command::Read(Ask::Properties)).await?;
    let items: Vec<PropertyKey> = serde_json::from_str(&reply).map_err(|_| unreadable())?;
    Ok(Answer::of(&List { items, cursor: None, request_id: context.request_id.clone() }))
}

/// What a dashboard, a breakdown or a comparison is asked for.
pub fn query(context: &Context<'_>) -> Result<Query, Refusal> {
    let asked = &context.query;
    let zone = asked.zone()?;
    let granularity = match asked.get("granularity") {
        None => Granularity::Day,
        Some(text) => Granularity::parse(text).ok_or_else(|| {
            invalid(format!("granularity {} is not known; allowed: {}", shown(text), Granularity::ALLOWED))
        })?,
    };
    let (from, to) = (asked.bound("from", &zone)?, asked.bound("to", &zone)?);
    let (from_ms, to_ms) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, context.now_ms + FUTURE_MAX_MS),
        (None, Some(to)) => (to - RANGE_DEFAULT_MS, to),
        (None, None) => (context.now_ms - RANGE_DEFAULT_MS, context.now_ms + FUTURE_MAX_MS),
    };
    let range = Range::new(from_ms, to_ms).ok_or_else(|| {
        invalid(format!(
            "'from' ({}) must be before 'to' ({})",
            format_timestamp(from_ms),
            format_timestamp(to_ms)
        ))
    })?;
    Ok(Query {
        // Rounded here already: who asks for "up to now" asks the same within a slot, and the object keeps its answer.
        from_ms: slot_start_ms(range.from_slot),
        to_ms: slot_start_ms(range.to_slot),
        granularity,
        time_zone: zone.name().to_owned(),
        version: context.version_filter()?,
        kpis: asked.all("kpi").map(str::to_owned).collect(),
        properties: asked.property_filters()?,
    })
}
