//! Scores: one at a time, in bulk, and those that an instance holds.

use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, List};
use super::body::{Fields, invalid, kind_of};
use super::instances::ScoreNotes;
use super::query::cut;
use super::types::parse_instance_id;
use super::{Context, storage_failed};
use crate::aggregator::protocol::{Command, Increment, KpiRef, ScoreItem, WriteReport, WriteScores};
use crate::config::BULK_ITEMS_MAX;
use crate::domain::calendar::format_timestamp;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::instances::{RecordedScore, list_scores};

pub async fn write(context: &Context<'_>) -> Result<Answer, Refusal> {
    let fields = context.body.object()?;
    if fields.is_empty() {
        return clear(context).await;
    }
    let score = fields.score()?;
    let notes = ScoreNotes::read(&fields, context.now_ms)?;
    write_one(context, score, notes).await
}

pub async fn clear(context: &Context<'_>) -> Result<Answer, Refusal> {
    write_one(context, None, ScoreNotes { timestamp_ms: None, comment: None, source: None }).await
}

async fn write_one(context: &Context<'_>, score: Option<f64>, notes: ScoreNotes) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let item = ScoreItem {
        index: 0,
        use_case_id: id.as_str().to_owned(),
        kpi: KpiRef::NameOrId(context.kpi()),
        score,
        timestamp_ms: notes.timestamp_ms,
        comment: notes.comment,
        source: notes.source,
        earliest_ms: None,
    };
    let command = WriteScores {
        items: vec![item],
        may_create: context.parameters.use_case_name.is_some(),
        version: context.version_header(),
    };
    // On the path without a type, "no such instance" must reach the look-up, so the report is unfolded there.
    let command = Command::WriteScores(command);
    let reply = if context.parameters.use_case_name.is_some() {
        context.instance_command(&id, command).await?
    } else {
        write_by_id(context, &id, command).await?
    };
    match report(&reply)?.errors.into_iter().next() {
        None => Ok(Answer::no_content()),
        Some((_, refusal)) => Err(refusal),
    }
}

/// A write whose type is looked up: if the look-up was stale, once more.
async fn write_by_id(
    context: &Context<'_>,
    id: &crate::domain::names::InstanceId,
    command: Command,
) -> Result<String, Refusal> {
    let reply = context.instance_command(id, command.clone()).await?;
    let stale = report(&reply)?.errors.first().is_some_and(|(_, refusal)| {
        matches!(refusal.code, Code::UseCaseInstanceNotFound | Code::InstanceInOtherUseCase)
    });
    if stale && context.forget_instance(id) { context.instance_command(id, command).await } else { Ok(reply) }
}

pub async fn increment(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let fields = context.body.object()?;
    let by = fields.number("by")?.ok_or_else(|| invalid("the field 'by' is missing: a number to add"))?;
    let command = Increment {
        use_case_id: id.as_str().to_owned(),
        kpi: context.kpi(),
        by,
        may_create: context.parameters.use_case_name.is_some(),
        version: context.version_header(),
        timestamp_ms: fields.timestamp("timestamp", context.now_ms)?,
        idempotency: context.idempotency()?,
    };
    Ok(Answer::json(context.instance_command(&id, Command::Increment(command)).await?))
}

#[derive(Serialize)]
pub struct BulkAnswer {
    pub accepted: usize,
    pub rejected: usize,
    pub errors: Vec<BulkError>,
    /// More were refused than are named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub errors_truncated: bool,
    pub request_id: String,
}

#[derive(Serialize)]
pub struct BulkError {
    index: usize,
    code: Code,
    message: String,
}

impl From<(usize, Refusal)> for BulkError {
    fn from((index, refusal): (usize, Refusal)) -> Self {
        Self { index, code: refusal.code, message: refusal.message }
    }
}

pub async fn bulk(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let mut fields = context.body.object()?;
    let scores = match fields.0.remove("scores") {
        Some(Value::Array(scores)) => scores,
        None | Some(Value::Null) => {
            return Err(invalid("the field 'scores' is missing: an array of 1 to 1000 scores"));
        }
        Some(other) => {
            return Err(invalid(format!(
                "scores must be an array of 1 to {BULK_ITEMS_MAX} scores, not {}",
                kind_of(&other)
            )));
        }
    };
    if scores.is_empty() || scores.len() > BULK_ITEMS_MAX {
        return Err(invalid(format!(
            "scores holds {} items; a request takes 1 to {BULK_ITEMS_MAX}",
            scores.len()
        )));
    }
    let total = scores.len();
    context.charge_items(total).await?;
    let mut items = Vec::with_capacity(total);
    let mut errors = Vec::new();
    for (index, score) in scores.into_iter().enumerate() {
        match item(index, score, context.now_ms) {
            Ok(item) => items.push(item),
            Err(refusal) => errors.push((index, refusal)),
        }
    }
    // Without a single valid item the type must still exist.
    let command = WriteScores { items, may_create: true, version: context.version_header() };
    let reply = context.command(name.as_str(), Command::WriteScores(command)).await?;
    errors.extend(report(&reply)?.errors);
    errors.sort_by_key(|(index, _)| *index);
    Ok(Answer::of(&BulkAnswer {
        accepted: total - errors.len(),
        rejected: errors.len(),
        errors: errors.into_iter().map(Into::into).collect(),
        errors_truncated: false,
        request_id: context.request_id.clone(),
    }))
}

/// The score that an item of a bulk request (or a row of an import) stands for.
pub fn item(index: usize, value: Value, now_ms: i64) -> Result<ScoreItem, Refusal> {
    let Value::Object(fields) = value else {
        return Err(invalid(format!("a score must be an object, not {}", kind_of(&value))));
    };
    let fields = Fields(fields);
    let id =
        fields.text("use_case_id", 10_000)?.ok_or_else(|| invalid("the field 'use_case_id' is missing"))?;
    let id = parse_instance_id(id)?;
    let kpi = match (fields.text("kpi_name", 10_000)?, fields.text("kpi_id", 10_000)?) {
        (Some(name), None) => KpiRef::Name(name.to_owned()),
        (None, Some(id)) => KpiRef::Id(id.to_owned()),
        (Some(_), Some(_)) => return Err(invalid("give either 'kpi_name' or 'kpi_id', not both")),
        (None, None) => return Err(invalid("the field 'kpi_name' (or 'kpi_id') is missing")),
    };
    let score = fields.score()?;
    let notes = ScoreNotes::read(&fields, now_ms)?;
    Ok(ScoreItem {
        index,
        use_case_id: id.as_str().to_owned(),
        kpi,
        score,
        timestamp_ms: notes.timestamp_ms,
        comment: notes.comment,
        source: notes.source,
        earliest_ms: None,
    })
}

pub fn report(reply: &str) -> Result<WriteReport, Refusal> {
    serde_json::from_str(reply)
        .map_err(|_| Refusal::new(Code::UnexpectedError, "the aggregator's report can't be read"))
}

/// A score that an instance holds, as the API shows it.
#[derive(Serialize)]
struct ScoreShown {
    kpi_id: String,
    kpi_name: String,
    kpi_type: String,
    score: f64,
    create_timestamp: String,
    update_timestamp: String,
    timestamp: String,
    comment: Option<String>,
    source: Option<String>,
    request_id: String,
}

pub async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let page = context.query.page("scores")?;
    let instance = context.find_instance(&id).await?;
    let (name, kpi_id) = (context.query.get("kpi_name"), context.query.get("kpi_id"));
    let found = list_scores(&context.database, instance.type_no, instance.instance_no, name, kpi_id, page)
        .await
        .map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "scores", |score| score.kpi_no);
    let items = found.into_iter().map(|score| shown(score, &context.request_id)).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

fn shown(score: RecordedScore, request_id: &str) -> ScoreShown {
    ScoreShown {
        kpi_id: score.kpi_id,
        kpi_name: score.kpi_name,
        kpi_type: score.kpi_type,
        score: score.score,
        create_timestamp: format_timestamp(score.created_ms),
        update_timestamp: format_timestamp(score.updated_ms),
        timestamp: format_timestamp(score.timestamp_ms),
        comment: score.comment,
        source: score.source,
        request_id: request_id.to_owned(),
    }
}
