//! `/api/v1/use_cases/definitions/{use_case_name}/kpis`: KPI definitions.

use serde_json::Value;

use super::answer::{Answer, List};
use super::body::{Description, Fields, Text, Unit, invalid, kind_of};
use super::query::{cut, invalid_filter};
use super::{Context, new_id, storage_failed};
use crate::aggregator::definitions::{DEFAULT_DIRECTION, check_benchmarks, check_goal};
use crate::aggregator::protocol::{Command, KpiAnswer, KpiChange, NewKpi, Side};
use crate::config::{TIMESTAMP_MIN_MS, TITLE_CHARS_MAX};
use crate::domain::kpi::{BENCHMARKS_MAX, Benchmark, Direction, KpiType, NUMBER_MAGNITUDE_MAX};
use crate::domain::names::{KpiId, KpiName};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions as store;

/// A new KPI. `kpi_name` may stand in place of `name`, as the SDKs' older versions have it.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewKpi))]
pub struct KpiBody {
    name: KpiName,
    /// Generated if left out.
    kpi_id: Option<KpiId>,
    /// Empty, if left out.
    description: Option<Description>,
    kpi_type: KpiType,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::goal))]
    goal: f64,
    /// `higher_is_better`, if left out.
    direction: Option<Direction>,
    unit: Option<Unit>,
    /// Of the buckets of a number KPI's distribution.
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::bucket_width))]
    bucket_width: Option<f64>,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::benchmarks))]
    benchmarks: Option<Vec<Benchmark>>,
}

impl KpiBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let name = name(fields)?.ok_or_else(|| invalid("the field 'name' (or 'kpi_name') is missing"))?;
        let kpi_type = kpi_type(fields)?.ok_or_else(|| {
            invalid(format!("the field 'kpi_type' is missing; allowed: {}", KpiType::ALLOWED))
        })?;
        let goal = fields.number("goal")?.ok_or_else(|| {
            invalid(format!(
                "the field 'goal' is missing: a {} KPI takes {}",
                kpi_type.as_str(),
                kpi_type.goal_range()
            ))
        })?;
        Ok(Self {
            name,
            kpi_id: kpi_id(fields)?,
            description: fields.limited("description")?,
            kpi_type,
            goal,
            direction: direction(fields)?,
            unit: unit(fields)?,
            bucket_width: bucket_width(fields)?,
            benchmarks: benchmarks(fields)?,
        })
    }
}

pub async fn create(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let body = KpiBody::read(&context.body.object()?)?;
    check_goal(body.kpi_type, body.goal)?;
    let new = NewKpi {
        kpi_id: body.kpi_id.map(|id| id.as_str().to_owned()),
        generated_id: format!("kpi_{}", new_id()),
        name: body.name.as_str().to_owned(),
        description: body.description.unwrap_or_default().into_string(),
        kpi_type: body.kpi_type,
        goal: body.goal,
        direction: body.direction.unwrap_or(DEFAULT_DIRECTION),
        unit: body.unit.and_then(non_empty),
        bucket_width: body.bucket_width,
        benchmarks: body.benchmarks.unwrap_or_default(),
    };
    check_benchmarks(new.kpi_type, &new.benchmarks)?;
    // Client code starts with the KPI: a type that does not exist is made.
    super::definitions::ensure(context, &use_case_name, "", true).await?;
    let reply = context.command(use_case_name.as_str(), Command::CreateKpi(new)).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}

pub async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let kind = context.use_case_type().await?;
    let page = context.query.page("kpis")?;
    let (name, kpi_id) = (context.query.get("kpi_name"), context.query.get("kpi_id"));
    let found = store::list_kpis(&context.database, kind.type_no, name, kpi_id, page)
        .await
        .map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "kpis", |kpi| kpi.kpi_no);
    let items = found.iter().map(|kpi| with_request_id(KpiAnswer::new(kpi), context)).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

pub async fn get(context: &Context<'_>) -> Result<Answer, Refusal> {
    if includes_score_count(context)? {
        return with_score_count(context).await;
    }
    let kind = context.use_case_type().await?;
    let wanted = context.kpi();
    let kpi = store::find_kpi(&context.database, kind.type_no, &wanted)
        .await
        .map_err(storage_failed)?
        .ok_or_else(|| kpi_not_found(&wanted))?;
    Ok(Answer::of(&with_request_id(KpiAnswer::new(&kpi), context)))
}

fn kpi_not_found(wanted: &str) -> Refusal {
    Refusal::new(Code::KpiNotFound, format!("there is no KPI {}", shown(wanted)))
}

fn includes_score_count(context: &Context<'_>) -> Result<bool, Refusal> {
    match context.query.get("include") {
        None => Ok(false),
        Some("score_count") => Ok(true),
        Some(other) => {
            Err(invalid_filter(format!("include {} is not known; allowed: score_count", shown(other))))
        }
    }
}

/// The KPI with how many scores it holds, both from the object: the sums of its days say it, so no score is counted.
async fn with_score_count(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let everything =
        Side { from_ms: TIMESTAMP_MIN_MS, to_ms: BEYOND_ALL_MS, version: None, properties: Vec::new() };
    let found =
        super::analysis::summaries(context, use_case_name.as_str(), vec![everything], &[context.kpi()])
            .await?;
    let score_count = found.sides.first().and_then(|side| side.first()).map(|(count, _)| *count);
    let kpi = found.kpis.into_iter().next().ok_or_else(|| kpi_not_found(&context.kpi()))?;
    Ok(Answer::of(&with_request_id(KpiAnswer { score_count, ..kpi }, context)))
}

/// 10000-01-01: no score is later, and every day before it is a whole one.
const BEYOND_ALL_MS: i64 = 253_402_300_800_000;

/// What is to change of a KPI; what is left out stays. `kpi_name` may stand in place of `name`.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = KpiChange))]
pub struct ChangeBody {
    name: Option<KpiName>,
    description: Option<Description>,
    kpi_type: Option<KpiType>,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::optional_goal))]
    goal: Option<f64>,
    direction: Option<Direction>,
    /// `null` removes it.
    #[cfg_attr(test, schema(value_type = Option<Unit>))]
    unit: Option<Option<Unit>>,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::bucket_width))]
    bucket_width: Option<f64>,
    /// All of them; `null` removes them.
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::benchmarks))]
    benchmarks: Option<Vec<Benchmark>>,
}

impl ChangeBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        Ok(Self {
            name: name(fields)?,
            description: fields.limited("description")?,
            kpi_type: kpi_type(fields)?,
            goal: fields.number("goal")?,
            direction: direction(fields)?,
            unit: if fields.has("unit") { Some(unit(fields)?) } else { None },
            bucket_width: bucket_width(fields)?,
            benchmarks: benchmarks(fields)?,
        })
    }
}

pub async fn update(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let body = ChangeBody::read(&context.body.object()?)?;
    let change = KpiChange {
        name: body.name.map(|name| name.as_str().to_owned()),
        description: body.description.map(Text::into_string),
        kpi_type: body.kpi_type,
        goal: body.goal,
        direction: body.direction,
        unit: body.unit.map(|unit| unit.and_then(non_empty)),
        bucket_width: body.bucket_width,
        benchmarks: body.benchmarks,
    };
    let command = Command::UpdateKpi { kpi: context.kpi(), change };
    let reply = context.command(use_case_name.as_str(), command).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}

pub async fn delete(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let reply = context.command(use_case_name.as_str(), Command::DeleteKpi { kpi: context.kpi() }).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}

fn with_request_id(kpi: KpiAnswer, context: &Context<'_>) -> serde_json::Value {
    let mut answer = serde_json::to_value(kpi).unwrap_or_default();
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("request_id".to_owned(), context.request_id.clone().into());
    }
    answer
}

/// `name` and `kpi_name` are the same field.
fn name(fields: &Fields) -> Result<Option<KpiName>, Refusal> {
    const CHARS_READ_MAX: usize = 10_000;
    let (name, kpi_name) = (fields.text("name", CHARS_READ_MAX)?, fields.text("kpi_name", CHARS_READ_MAX)?);
    if let (Some(name), Some(kpi_name)) = (name, kpi_name)
        && name != kpi_name
    {
        return Err(invalid(format!(
            "name {} and kpi_name {} differ; they are the same field",
            shown(name),
            shown(kpi_name)
        )));
    }
    let Some(text) = name.or(kpi_name) else { return Ok(None) };
    KpiName::parse(text)
        .map(Some)
        .map_err(|invalid| Refusal::new(Code::InvalidKpiName, format!("name {}: {}", shown(text), invalid.0)))
}

fn kpi_id(fields: &Fields) -> Result<Option<KpiId>, Refusal> {
    let Some(text) = fields.text("kpi_id", 1000)? else { return Ok(None) };
    KpiId::parse(text).map(Some).map_err(|bad| invalid(format!("kpi_id {}: {}", shown(text), bad.0)))
}

fn kpi_type(fields: &Fields) -> Result<Option<KpiType>, Refusal> {
    let Some(text) = fields.text("kpi_type", 1000)? else { return Ok(None) };
    KpiType::parse(text).map(Some).ok_or_else(|| {
        invalid(format!("kpi_type {} is not known; allowed: {}", shown(text), KpiType::ALLOWED))
    })
}

fn direction(fields: &Fields) -> Result<Option<Direction>, Refusal> {
    let Some(text) = fields.text("direction", 1000)? else { return Ok(None) };
    Direction::parse(text).map(Some).ok_or_else(|| {
        invalid(format!("direction {} is not known; allowed: {}", shown(text), Direction::ALLOWED))
    })
}

fn unit(fields: &Fields) -> Result<Option<Unit>, Refusal> {
    fields.limited("unit")
}

fn non_empty<const CHARS_MAX: usize>(text: Text<CHARS_MAX>) -> Option<String> {
    Some(text.into_string()).filter(|text| !text.is_empty())
}

/// `[{name, value}, …]`; names are unique. `null` is none at all.
fn benchmarks(fields: &Fields) -> Result<Option<Vec<Benchmark>>, Refusal> {
    let items = match fields.0.get("benchmarks") {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(Vec::new())),
        Some(Value::Array(items)) if items.len() <= BENCHMARKS_MAX => items,
        Some(Value::Array(items)) => {
            return Err(invalid(format!(
                "benchmarks holds {} items; a KPI has at most {BENCHMARKS_MAX}",
                items.len()
            )));
        }
        Some(other) => {
            return Err(invalid(format!(
                "benchmarks must be an array of objects with 'name' and 'value', not {}",
                kind_of(other)
            )));
        }
    };
    let mut found: Vec<Benchmark> = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(item) = item else {
            return Err(invalid(format!(
                "a benchmark must be an object with 'name' and 'value', not {}",
                kind_of(item)
            )));
        };
        let item = Fields(item.clone());
        let name = item.text("name", TITLE_CHARS_MAX)?.unwrap_or_default().trim();
        let value = item.number("value")?;
        let (false, Some(value)) = (name.is_empty(), value) else {
            return Err(invalid("a benchmark needs a 'name' and a 'value'"));
        };
        if found.iter().any(|other| other.name == name) {
            return Err(invalid(format!("there are two benchmarks {}", shown(name))));
        }
        found.push(Benchmark { name: name.to_owned(), value });
    }
    Ok(Some(found))
}

fn bucket_width(fields: &Fields) -> Result<Option<f64>, Refusal> {
    match fields.number("bucket_width")? {
        Some(width) if !(width > 0.0 && width <= NUMBER_MAGNITUDE_MAX) => {
            Err(invalid(format!("bucket_width {width} must be greater than 0 and at most 1e15")))
        }
        width => Ok(width),
    }
}
