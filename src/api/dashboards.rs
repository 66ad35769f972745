//! `/api/v1/dashboard`: figures straight from the running aggregates; and the check of the aggregates against D1.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, List};
use super::query::cut;
use super::types::address_of;
use super::{Context, storage_failed};
use crate::aggregator::protocol::{Ask, Command, Difference, PropertyKey, Query, Reconcile, ReconcileReport};
use crate::config::{FUTURE_MAX_MS, OVERVIEW_ITEMS_MAX, RANGE_DEFAULT_MS};
use crate::domain::calendar::{Granularity, Range, Zone, format_timestamp, parse_bound, slot_start_ms};
use crate::domain::names::{PROPERTIES_PER_INSTANCE_MAX, check_property_key, check_property_value};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions::list_types;

/// Portions that one request checks at most; the answer says where to go on.
const PORTIONS_MAX: usize = 400;

pub async fn one(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let query = query(context)?;
    let ask = Command::Read(Ask::Dashboard(query));
    Ok(Answer::json(context.command(name.as_str(), ask).await?))
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
    for reply in join_all(asked).await {
        match reply {
            Ok(json) => items.push(serde_json::from_str::<Value>(&json).unwrap_or_default()),
            // Deleted since the list was read.
            Err(refusal) if refusal.code == Code::UseCaseNotFound => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let range = Range::new(query.from_ms, query.to_ms).map(|range| {
        serde_json::json!({
            "from": format_timestamp(slot_start_ms(range.from_slot)),
            "to": format_timestamp(slot_start_ms(range.to_slot)),
            "time_zone": query.time_zone,
        })
    });
    let properties: BTreeMap<String, String> = query.properties.iter().cloned().collect();
    let mut answer = serde_json::json!({
        "range": range, "filters": {"version": query.version, "properties": properties}, "items": items,
        "request_id": context.request_id,
    });
    if let (Some(cursor), Some(fields)) = (cursor, answer.as_object_mut()) {
        fields.insert("cursor".to_owned(), cursor.into());
    }
    Ok(Answer::json(answer.to_string()))
}

/// The property keys of a type, with their values and how many instances have each.
pub async fn properties(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let reply = context.command(name.as_str(), Command::Read(Ask::Properties)).await?;
    let items: Vec<PropertyKey> = serde_json::from_str(&reply)
        .map_err(|_| Refusal::new(Code::UnexpectedError, "the aggregator's answer can't be read"))?;
    Ok(Answer::of(&List { items, cursor: None, request_id: context.request_id.clone() }))
}

fn invalid(message: String) -> Refusal {
    Refusal::new(Code::InvalidFilter, message)
}

/// The time zone asked for.
pub fn zone(context: &Context<'_>) -> Result<Zone, Refusal> {
    let name = context.query.get("time_zone").unwrap_or("UTC");
    Zone::parse(name).ok_or_else(|| {
        invalid(format!("time_zone {} is not an IANA time zone such as Europe/Berlin", shown(name)))
    })
}

/// A bound of a range, if it is given.
pub fn bound(context: &Context<'_>, name: &str, zone: &Zone) -> Result<Option<i64>, Refusal> {
    let Some(text) = context.query.get(name) else { return Ok(None) };
    parse_bound(text, zone).map(Some).ok_or_else(|| {
        invalid(format!("{name} {} is neither a date (2026-11-24) nor an RFC 3339 time", shown(text)))
    })
}

/// The property filters, checked. One key can't have two values.
fn property_filters(context: &Context<'_>) -> Result<Vec<(String, String)>, Refusal> {
    let mut filters: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in context.query.properties() {
        check_property_key(&key).map_err(|bad| invalid(format!("property.{}: {}", shown(&key), bad.0)))?;
        check_property_value(&value)
            .map_err(|bad| invalid(format!("property.{}: {}", shown(&key), bad.0)))?;
        if filters.get(&key).is_some_and(|other| *other != value) {
            return Err(invalid(format!(
                "property.{} is given twice; an instance has one value of each property",
                shown(&key)
            )));
        }
        filters.insert(key, value);
    }
    if filters.len() > PROPERTIES_PER_INSTANCE_MAX {
        return Err(invalid(format!("at most {PROPERTIES_PER_INSTANCE_MAX} property filters are taken")));
    }
    Ok(filters.into_iter().collect())
}

/// What a dashboard, a breakdown or a comparison is asked for.
pub fn query(context: &Context<'_>) -> Result<Query, Refusal> {
    let asked = &context.query;
    let zone = zone(context)?;
    let granularity = match asked.get("granularity") {
        None => Granularity::Day,
        Some(text) => Granularity::parse(text).ok_or_else(|| {
            invalid(format!("granularity {} is not known; allowed: {}", shown(text), Granularity::ALLOWED))
        })?,
    };
    let (from, to) = (bound(context, "from", &zone)?, bound(context, "to", &zone)?);
    let (from_ms, to_ms) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, context.now_ms + FUTURE_MAX_MS),
        (None, Some(to)) => (to - RANGE_DEFAULT_MS, to),
        (None, None) => (context.now_ms - RANGE_DEFAULT_MS, context.now_ms + FUTURE_MAX_MS),
    };
    if from_ms >= to_ms {
        return Err(invalid(format!(
            "'from' ({}) must be before 'to' ({})",
            format_timestamp(from_ms),
            format_timestamp(to_ms)
        )));
    }
    Ok(Query {
        from_ms,
        to_ms,
        granularity,
        time_zone: zone.name().to_owned(),
        version: context.version_filter()?,
        kpis: asked.all("kpi").map(str::to_owned).collect(),
        properties: property_filters(context)?,
    })
}

#[derive(Serialize)]
struct Reconciled {
    checked: u64,
    repaired: u64,
    differences: Vec<Difference>,
    /// Where to go on; absent when everything was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    request_id: String,
}

/// Recounts everything (of one type, or of all) from D1 and repairs what differs.
pub async fn reconcile(context: &Context<'_>) -> Result<Answer, Refusal> {
    let (mut after, mut from_slot) = match context.query.cursor("reconcile", true)? {
        None => (None, None),
        Some(place) => {
            let mut parts = place.split('/').map(|part| part.parse::<i64>().ok());
            (parts.next().flatten(), parts.next().flatten())
        }
    };
    let mut total = Reconciled {
        checked: 0,
        repaired: 0,
        differences: Vec::new(),
        cursor: None,
        request_id: context.request_id.clone(),
    };
    let named = context.query.get("use_case_name");
    if let Some(name) = named {
        let name = super::types::parse_use_case_name(name)?;
        // Says that it does not exist rather than that all is well.
        context
            .command(
                name.as_str(),
                Command::Reconcile(Reconcile { touched_only: true, from_slot: Some(i64::MAX >> 11) }),
            )
            .await?;
    }
    let mut portions = 0;
    loop {
        let page = crate::storage::definitions::Page { after, ascending: true, limit: 1 };
        let mut kinds = list_types(&context.database, context.caller.application_no, named, page)
            .await
            .map_err(storage_failed)?;
        if kinds.is_empty() {
            break;
        }
        let kind = kinds.remove(0);
        loop {
            let ask = Command::Reconcile(Reconcile { touched_only: false, from_slot });
            let reply = match context.command(&kind.name, ask).await {
                // Deleted since it was listed.
                Err(refusal) if refusal.code == Code::UseCaseNotFound => break,
                reply => reply?,
            };
            let report: ReconcileReport = serde_json::from_str(&reply)
                .map_err(|_| Refusal::new(Code::UnexpectedError, "a report can't be read"))?;
            total.checked += report.checked;
            total.repaired += report.repaired;
            total.differences.extend(report.differences);
            portions += 1;
            from_slot = report.next_slot;
            if from_slot.is_none() {
                break;
            }
            if portions >= PORTIONS_MAX {
                let place = format!("{}/{}", after.unwrap_or(-1), from_slot.unwrap_or(0));
                total.cursor = Some(super::query::encode_cursor("reconcile", true, &place));
                return Ok(Answer::of(&total));
            }
        }
        after = Some(kind.type_no);
        from_slot = None;
    }
    Ok(Answer::of(&total))
}
