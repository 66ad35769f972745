//! `/api/v1/admin`: the aggregates against D1. What is asked for here the scheduled jobs and the objects also do by themselves.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::body::invalid;
use super::query::{encode_cursor, invalid_cursor};
use super::types::parse_use_case_name;
use super::{Context, now_ms, storage_failed};
use crate::aggregator::protocol::{Command, Difference, RebuildReport, Reconcile, ReconcileReport};
use crate::domain::calendar::{TIME_END_MS, slot_of};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::definitions::{Page, list_types};

/// Portions that one request does at most; the answer says where to go on.
const PORTIONS_MAX: usize = 400;

/// How long one request goes on with a rebuild.
const REBUILD_MS_MAX: i64 = 20 * 1000;

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ReconcileReport))]
pub struct Reconciled {
    checked: u64,
    repaired: u64,
    differences: Vec<Difference>,
    /// Where to go on; absent when everything was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    cursor: Option<String>,
    request_id: String,
}

/// Recounts everything (of one type, or of all) from D1 and repairs what differs.
pub async fn reconcile(context: &Context<'_>) -> Result<Answer, Refusal> {
    let (mut after, mut from_slot) = match context.query.cursor("reconcile", true)? {
        None => (None, None),
        Some(key) => {
            let place =
                place(&key).ok_or_else(|| invalid_cursor(context.query.get("cursor").unwrap_or_default()))?;
            (Some(place.0), Some(place.1))
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
        let name = parse_use_case_name(name)?;
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
        let page = Page { after, ascending: true, limit: 1 };
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
            let report: ReconcileReport = read(&reply)?;
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
                total.cursor = Some(encode_cursor("reconcile", true, &place));
                return Ok(Answer::of(&total));
            }
        }
        after = Some(kind.type_no);
        from_slot = None;
    }
    Ok(Answer::of(&total))
}

/// Where a cursor of `reconcile` points: behind a type, and to a slot of the next one. Slots are those that times can have.
fn place(key: &str) -> Option<(i64, i64)> {
    let (after, from_slot) = key.split_once('/')?;
    let (after, from_slot) = (after.parse().ok()?, from_slot.parse().ok()?);
    ((-1..1 << 53).contains(&after) && (0..slot_of(TIME_END_MS)).contains(&from_slot))
        .then_some((after, from_slot))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = RebuildReport))]
pub struct Rebuilt {
    use_case_name: String,
    /// If not, ask again with the cursor.
    complete: bool,
    /// From then on everything is counted again.
    counted_from: Option<String>,
    /// Asked with it, the request goes on with this rebuild; asked without, it begins another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    cursor: Option<String>,
    request_id: String,
}

/// Counts everything of one type again from D1, whatever its aggregates hold, while reads and writes go on.
pub async fn rebuild(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.query.get("use_case_name").ok_or_else(|| {
        invalid("the parameter 'use_case_name' is missing: whose aggregates are to be counted again")
    })?;
    let name = parse_use_case_name(name)?;
    let begin = match context.query.cursor("rebuild", true)? {
        None => true,
        Some(key) if key == name.as_str() => false,
        Some(_) => return Err(invalid_cursor(context.query.get("cursor").unwrap_or_default())),
    };
    let mut report: RebuildReport = read(&context.command(name.as_str(), Command::Rebuild { begin }).await?)?;
    for _ in 1..PORTIONS_MAX {
        if report.complete || now_ms() - context.now_ms > REBUILD_MS_MAX {
            break;
        }
        report = read(&context.command(name.as_str(), Command::Rebuild { begin: false }).await?)?;
    }
    Ok(Answer::of(&Rebuilt {
        use_case_name: name.as_str().to_owned(),
        complete: report.complete,
        counted_from: report.counted_from,
        cursor: (!report.complete).then(|| encode_cursor("rebuild", true, name.as_str())),
        request_id: context.request_id.clone(),
    }))
}

fn read<T: DeserializeOwned>(reply: &str) -> Result<T, Refusal> {
    serde_json::from_str(reply).map_err(|_| Refusal::new(Code::UnexpectedError, "a report can't be read"))
}
