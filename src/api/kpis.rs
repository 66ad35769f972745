//! `/api/v1/use_cases/definitions/{use_case_name}/kpis`: KPI definitions.

use serde_json::Value;

use super::answer::{Answer, List};
use super::body::{Fields, invalid, kind_of};
use super::query::cut;
use super::{Context, new_id, storage_failed};
use crate::aggregator::definitions::{DEFAULT_DIRECTION, check_benchmarks, check_goal};
use crate::aggregator::protocol::{Command, KpiAnswer, KpiChange, NewKpi};
use crate::config::{DESCRIPTION_CHARS_MAX, TITLE_CHARS_MAX, UNIT_CHARS_MAX};
use crate::domain::kpi::{BENCHMARKS_MAX, Benchmark, Direction, Kpi, KpiType, NUMBER_MAGNITUDE_MAX};
use crate::domain::names::{KpiId, KpiName};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions as store;

pub async fn create(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let fields = context.body.object()?;
    let name = name(&fields)?.ok_or_else(|| invalid("the field 'name' (or 'kpi_name') is missing"))?;
    let kpi_type = kpi_type(&fields)?
        .ok_or_else(|| invalid(format!("the field 'kpi_type' is missing; allowed: {}", KpiType::ALLOWED)))?;
    let goal = fields.number("goal")?.ok_or_else(|| {
        invalid(format!(
            "the field 'goal' is missing: a {} KPI takes {}",
            kpi_type.as_str(),
            kpi_type.goal_range()
        ))
    })?;
    check_goal(kpi_type, goal)?;
    let new = NewKpi {
        kpi_id: kpi_id(&fields)?,
        generated_id: format!("kpi_{}", new_id()),
        name,
        description: fields.text("description", DESCRIPTION_CHARS_MAX)?.unwrap_or_default().to_owned(),
        kpi_type,
        goal,
        direction: direction(&fields)?.unwrap_or(DEFAULT_DIRECTION),
        unit: unit(&fields)?,
        bucket_width: bucket_width(&fields)?,
        benchmarks: benchmarks(&fields)?.unwrap_or_default(),
    };
    check_benchmarks(kpi_type, &new.benchmarks)?;
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
    let items = found.iter().map(|kpi| with_request_id(kpi, context)).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

pub async fn get(context: &Context<'_>) -> Result<Answer, Refusal> {
    let kind = context.use_case_type().await?;
    let wanted = context.kpi();
    let kpi = store::find_kpi(&context.database, kind.type_no, &wanted)
        .await
        .map_err(storage_failed)?
        .ok_or_else(|| Refusal::new(Code::KpiNotFound, format!("there is no KPI {}", shown(&wanted))))?;
    Ok(Answer::of(&with_request_id(&kpi, context)))
}

pub async fn update(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let fields = context.body.object()?;
    let change = KpiChange {
        name: name(&fields)?,
        description: fields.text("description", DESCRIPTION_CHARS_MAX)?.map(str::to_owned),
        kpi_type: kpi_type(&fields)?,
        goal: fields.number("goal")?,
        direction: direction(&fields)?,
        unit: if fields.has("unit") { Some(unit(&fields)?) } else { None },
        bucket_width: bucket_width(&fields)?,
        benchmarks: benchmarks(&fields)?,
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

fn with_request_id(kpi: &Kpi, context: &Context<'_>) -> serde_json::Value {
    let mut answer = serde_json::to_value(KpiAnswer::new(kpi)).unwrap_or_default();
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("request_id".to_owned(), context.request_id.clone().into());
    }
    answer
}

/// `name` and `kpi_name` are the same field.
fn name(fields: &Fields) -> Result<Option<String>, Refusal> {
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
        .map(|name| Some(name.as_str().to_owned()))
        .map_err(|invalid| Refusal::new(Code::InvalidKpiName, format!("name {}: {}", shown(text), invalid.0)))
}

fn kpi_id(fields: &Fields) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text("kpi_id", 1000)? else { return Ok(None) };
    KpiId::parse(text)
        .map(|id| Some(id.as_str().to_owned()))
        .map_err(|bad| invalid(format!("kpi_id {}: {}", shown(text), bad.0)))
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

fn unit(fields: &Fields) -> Result<Option<String>, Refusal> {
    Ok(fields.text("unit", UNIT_CHARS_MAX)?.filter(|unit| !unit.is_empty()).map(str::to_owned))
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
