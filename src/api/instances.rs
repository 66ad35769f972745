//! `/api/v1/use_cases/instances`: use case instances and their properties.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answer::{Answer, List};
use super::body::{Comment, Fields, Source, Timestamp, invalid, kind_of};
use super::query::{cut, cut_after, encode_cursor, invalid_cursor, invalid_filter};
use super::types::parse_instance_id;
use super::{Context, new_id, storage_failed};
use crate::aggregator::protocol::{
    Command, CreateInstance, InstanceAnswer, SetProperties, UNREADABLE_VERSION,
};
use crate::config::PAGE_ITEMS_MAX;
use crate::domain::calendar::format_timestamp;
use crate::domain::names::{
    InstanceId, check_instance_id_start, check_property_key, check_property_value, instance_id_range,
};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions::UseCaseType;
use crate::storage::instances::{self as store, Filter, Instance, Search};

/// Values by key; `null` removes a key.
type Properties = BTreeMap<String, Option<String>>;

/// A new use case instance.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewInstance))]
pub struct InstanceBody {
    /// Generated if left out.
    use_case_id: Option<InstanceId>,
    /// One that exists; the latest, if left out.
    version: Option<i64>,
    /// When it was created; now, if left out.
    timestamp: Option<Timestamp>,
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::optional_properties))]
    properties: Properties,
}

impl InstanceBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        Ok(Self {
            use_case_id: fields.text("use_case_id", 10_000)?.map(parse_instance_id).transpose()?,
            version: fields.integer("version")?,
            timestamp: fields.timestamp("timestamp", now_ms)?,
            properties: properties(fields.0.get("properties"))?,
        })
    }
}

pub async fn create(context: &Context<'_>) -> Result<Answer, Refusal> {
    let use_case_name = context.use_case_name()?;
    let body = InstanceBody::read(&context.body.object()?, context.now_ms)?;
    // G4 sends the id as a query parameter.
    let chosen = match body.use_case_id {
        Some(id) => Some(id),
        None => context.query.get("use_case_id").map(parse_instance_id).transpose()?,
    };
    let version = body.version.or_else(|| context.version_header());
    let command = CreateInstance {
        generated: chosen.is_none(),
        use_case_id: chosen.map_or_else(|| format!("uc_{}", new_id()), |id| id.as_str().to_owned()),
        version,
        timestamp_ms: body.timestamp.map(|timestamp| timestamp.ms),
        properties: body.properties,
        idempotency: context.idempotency()?,
    };
    let reply = context.command(use_case_name.as_str(), Command::CreateInstance(command)).await?;
    Ok(Answer::json(reply))
}

pub async fn get(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let found = context.find_instance(&id).await?;
    Ok(Answer::of(&shown_instance(found)))
}

pub async fn delete(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let command = Command::DeleteInstance { use_case_id: id.as_str().to_owned() };
    Ok(Answer::json(context.instance_command(&id, command).await?))
}

/// Properties to set and to remove; those not named stay. `property_name` and `value` may stand in place of `properties`.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = PropertyChange))]
pub struct PropertiesBody {
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::properties))]
    properties: Properties,
}

impl PropertiesBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let properties = match fields.text("property_name", 10_000)? {
            Some(name) if !fields.has("properties") => {
                let value = fields.0.get("value").unwrap_or(&Value::Null);
                BTreeMap::from([property(name, value)?])
            }
            _ if fields.has("properties") => properties(fields.0.get("properties"))?,
            _ => {
                return Err(invalid(
                    "the field 'properties' is missing: an object of texts, null to remove a key",
                ));
            }
        };
        Ok(Self { properties })
    }
}

pub async fn set_properties(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.use_case_id()?;
    let body = PropertiesBody::read(&context.body.object()?)?;
    let command = SetProperties {
        use_case_id: id.as_str().to_owned(),
        properties: body.properties,
        may_create: context.parameters.use_case_name.is_some(),
        version: context.version_header(),
    };
    Ok(Answer::json(context.instance_command(&id, Command::SetProperties(command)).await?))
}

pub async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let kind = context.use_case_type().await?;
    let zone = context.query.zone()?;
    let filter = Filter {
        from_ms: context.query.bound("from", &zone)?,
        to_ms: context.query.bound("to", &zone)?,
        version: context.version_filter()?,
        properties: context.query.property_filters()?,
    };
    let (found, cursor) = match context.query.get("search") {
        Some(start) => search(context, &kind, start, &filter).await?,
        None => {
            let page = context.query.page("instances")?;
            let found = store::list(&context.database, kind.type_no, &kind.name, &filter, page)
                .await
                .map_err(storage_failed)?;
            cut(found, page, "instances", |instance| instance.instance_no)
        }
    };
    let items = found.into_iter().map(shown_instance).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

/// A page of the instances whose ids begin so. In the order of the ids, which is that of their index: in any other, all of them
/// would have to be read for each page.
async fn search(
    context: &Context<'_>,
    kind: &UseCaseType,
    start: &str,
    filter: &Filter,
) -> Result<(Vec<Instance>, Option<String>), Refusal> {
    const LIST: &str = "found_instances";
    check_instance_id_start(start)
        .map_err(|bad| invalid_filter(format!("search {}: {}", shown(start), bad.0)))?;
    let (ascending, limit) = (context.query.ascending()?, context.query.limit(PAGE_ITEMS_MAX)?);
    let beyond = context.query.cursor(LIST, ascending)?;
    if beyond.as_deref().is_some_and(|id| InstanceId::parse(id).is_err()) {
        return Err(invalid_cursor(context.query.get("cursor").unwrap_or_default()));
    }
    let wanted = Search {
        application_no: context.caller.application_no,
        type_no: kind.type_no,
        use_case_name: &kind.name,
        ids: instance_id_range(start, beyond.as_deref(), ascending),
        ascending,
        limit,
    };
    let found = store::search(&context.database, &wanted, filter).await.map_err(storage_failed)?;
    Ok(cut_after(found, limit, |instance| encode_cursor(LIST, ascending, &instance.use_case_id)))
}

fn shown_instance(found: Instance) -> InstanceAnswer {
    InstanceAnswer {
        use_case_id: found.use_case_id,
        use_case_name: found.use_case_name,
        type_version: found.version,
        limit_id: None,
        properties: found.properties,
        create_timestamp: format_timestamp(found.created_ms),
    }
}

fn properties(value: Option<&Value>) -> Result<Properties, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(fields)) => fields.iter().map(|(key, value)| property(key, value)).collect(),
        Some(other) => Err(invalid(format!(
            "properties must be an object of texts, null to remove a key, not {}",
            kind_of(other)
        ))),
    }
}

fn property(key: &str, value: &Value) -> Result<(String, Option<String>), Refusal> {
    check_property_key(key).map_err(|bad| invalid(format!("property {}: {}", shown(key), bad.0)))?;
    let value = match value {
        Value::Null => None,
        Value::String(text) => {
            check_property_value(text)
                .map_err(|bad| invalid(format!("property {}: {}", shown(key), bad.0)))?;
            Some(text.clone())
        }
        other => {
            return Err(invalid(format!(
                "the value of property {} must be text or null, not {}",
                shown(key),
                kind_of(other)
            )));
        }
    };
    Ok((key.to_owned(), value))
}

impl Context<'_> {
    /// The version that the header asks for, for an instance that the request makes. One that is no number is like one that does
    /// not exist: on an instance that exists the header is ignored, so only the object can refuse it.
    pub fn version_header(&self) -> Option<i64> {
        let text = self.version.as_deref().filter(|text| !text.is_empty())?;
        Some(text.trim().parse().unwrap_or(UNREADABLE_VERSION))
    }

    /// The version that a list or a dashboard is narrowed to.
    pub fn version_filter(&self) -> Result<Option<i64>, Refusal> {
        self.query.integer("version").map_err(|refusal| Refusal { code: Code::InvalidFilter, ..refusal })
    }
}

/// The fields of a body that make up a score, besides the score itself.
#[derive(Default)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ScoreNotes {
    /// By default now at the first write; later writes that name none leave it unchanged.
    pub timestamp: Option<Timestamp>,
    pub comment: Option<Comment>,
    /// Who or what gave the score.
    pub source: Option<Source>,
}

impl ScoreNotes {
    pub fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        Ok(Self {
            timestamp: fields.timestamp("timestamp", now_ms)?,
            comment: fields.limited("comment")?,
            source: fields.limited("source")?,
        })
    }
}
