//! Scores: one at a time, in bulk, and those that an instance holds.

use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, List};
use super::body::{Fields, Named, Text, Timestamp, invalid, kind_of};
use super::instances::ScoreNotes;
use super::query::cut;
use super::types::parse_instance_id;
use super::{Context, storage_failed};
use crate::aggregator::protocol::{Command, Increment, KpiRef, ScoreItem, WriteReport, WriteScores};
use crate::config::BULK_ITEMS_MAX;
use crate::domain::calendar::format_timestamp;
use crate::domain::names::InstanceId;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::instances::{RecordedScore, list_scores};

/// A score. An empty object, or no body at all, clears the score like `null`.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewScore))]
pub struct ScoreBody {
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::score))]
    score: Option<f64>,
    #[cfg_attr(test, serde(flatten))]
    notes: ScoreNotes,
}

impl ScoreBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        if fields.is_empty() {
            return Ok(Self::none());
        }
        Ok(Self { score: fields.score()?, notes: ScoreNotes::read(fields, now_ms)? })
    }

    fn none() -> Self {
        Self { score: None, notes: ScoreNotes::default() }
    }
}

pub async fn write(context: &Context<'_>) -> Result<Answer, Refusal> {
    write_one(context, ScoreBody::read(&context.body.object()?, context.now_ms)?).await
}

pub async fn clear(context: &Context<'_>) -> Result<Answer, Refusal> {
    write_one(context, ScoreBody::none()).await
}

async fn write_one(context: &Context<'_>, body: ScoreBody) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let item = ScoreItem {
        index: 0,
        use_case_id: id.as_str().to_owned(),
        kpi: KpiRef::NameOrId(context.kpi()),
        score: body.score,
        timestamp_ms: body.notes.timestamp.map(|timestamp| timestamp.ms),
        comment: body.notes.comment.map(Text::into_string),
        source: body.notes.source.map(Text::into_string),
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

/// What is added to a score.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Increment))]
pub struct IncrementBody {
    by: f64,
    timestamp: Option<Timestamp>,
}

impl IncrementBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        let by = fields.number("by")?.ok_or_else(|| invalid("the field 'by' is missing: a number to add"))?;
        Ok(Self { by, timestamp: fields.timestamp("timestamp", now_ms)? })
    }
}

pub async fn increment(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let body = IncrementBody::read(&context.body.object()?, context.now_ms)?;
    let command = Increment {
        use_case_id: id.as_str().to_owned(),
        kpi: context.kpi(),
        by: body.by,
        may_create: context.parameters.use_case_name.is_some(),
        version: context.version_header(),
        timestamp_ms: body.timestamp.map(|timestamp| timestamp.ms),
        idempotency: context.idempotency()?,
    };
    Ok(Answer::json(context.instance_command(&id, Command::Increment(command)).await?))
}

/// How many scores were stored, and why the others were not.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = BulkReport))]
pub struct BulkAnswer {
    pub accepted: usize,
    pub rejected: usize,
    pub errors: Vec<BulkError>,
    /// More were refused than are named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub errors_truncated: bool,
    pub request_id: String,
}

/// A score that was refused; `index` is its place in the request, from 0.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
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

/// Scores in bulk.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewScores))]
pub struct BulkBody {
    /// Read one by one: an item that is refused does not stop the others.
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::bulk_items))]
    scores: Vec<Value>,
}

impl BulkBody {
    fn read(mut fields: Fields) -> Result<Self, Refusal> {
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
        Ok(Self { scores })
    }
}

pub async fn bulk(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let BulkBody { scores } = BulkBody::read(context.body.object()?)?;
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

/// One score of many: of `kpi_name` and `kpi_id` exactly one.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewScoreItem))]
pub struct ItemBody {
    use_case_id: InstanceId,
    kpi_name: Option<Named>,
    kpi_id: Option<Named>,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::score))]
    score: Option<f64>,
    #[cfg_attr(test, serde(flatten))]
    notes: ScoreNotes,
}

impl ItemBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        let id = fields.text("use_case_id", 10_000)?;
        Ok(Self {
            use_case_id: parse_instance_id(id.ok_or_else(|| invalid("the field 'use_case_id' is missing"))?)?,
            kpi_name: fields.limited("kpi_name")?,
            kpi_id: fields.limited("kpi_id")?,
            score: fields.score()?,
            notes: ScoreNotes::read(fields, now_ms)?,
        })
    }
}

/// The score that an item of a bulk request (or a row of an import) stands for.
pub fn item(index: usize, value: Value, now_ms: i64) -> Result<ScoreItem, Refusal> {
    let Value::Object(fields) = value else {
        return Err(invalid(format!("a score must be an object, not {}", kind_of(&value))));
    };
    let item = ItemBody::read(&Fields(fields), now_ms)?;
    let kpi = match (item.kpi_name, item.kpi_id) {
        (Some(name), None) => KpiRef::Name(name.into_string()),
        (None, Some(id)) => KpiRef::Id(id.into_string()),
        (Some(_), Some(_)) => return Err(invalid("give either 'kpi_name' or 'kpi_id', not both")),
        (None, None) => return Err(invalid("the field 'kpi_name' (or 'kpi_id') is missing")),
    };
    Ok(ScoreItem {
        index,
        use_case_id: item.use_case_id.as_str().to_owned(),
        kpi,
        score: item.score,
        timestamp_ms: item.notes.timestamp.map(|timestamp| timestamp.ms),
        comment: item.notes.comment.map(Text::into_string),
        source: item.notes.source.map(Text::into_string),
        earliest_ms: None,
    })
}

pub fn report(reply: &str) -> Result<WriteReport, Refusal> {
    serde_json::from_str(reply)
        .map_err(|_| Refusal::new(Code::UnexpectedError, "the aggregator's report can't be read"))
}

/// A score that an instance holds, as the API shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Score))]
pub struct ScoreShown {
    kpi_id: String,
    kpi_name: String,
    #[cfg_attr(test, schema(value_type = crate::domain::kpi::KpiType))]
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
