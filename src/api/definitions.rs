//! `/api/v1/use_cases/definitions`: use case types.

use serde::Serialize;

use super::answer::{Answer, List};
use super::body::{Description, Fields, Text, Timestamp, invalid};
use super::query::cut;
use super::types::parse_use_case_name;
use super::{Context, new_id, storage_failed};
use crate::aggregator::protocol::{Command, Idempotency};
use crate::domain::names::UseCaseName;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::definitions::{self as store, NewType, UseCaseType};

/// A use case type, as the API shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Definition<'a> {
    name: &'a str,
    description: &'a str,
    type_version: i64,
    logging_enabled: bool,
    limit_config: Option<()>,
    request_id: &'a str,
}

impl<'a> Definition<'a> {
    fn new(found: &'a UseCaseType, request_id: &'a str) -> Self {
        Self {
            name: &found.name,
            description: &found.description,
            type_version: found.type_version,
            logging_enabled: found.logging_enabled,
            limit_config: None,
            request_id,
        }
    }
}

/// A new use case type.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewDefinition))]
pub struct DefinitionBody {
    name: UseCaseName,
    /// Empty, if left out.
    description: Option<Description>,
    /// Kept for clients that set it; `true`, if left out.
    logging_enabled: Option<bool>,
}

impl DefinitionBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        refuse_limits(fields)?;
        let name = fields.text("name", 1000)?.ok_or_else(|| invalid("the field 'name' is missing"))?;
        Ok(Self {
            name: parse_use_case_name(name)?,
            description: fields.limited("description")?,
            logging_enabled: fields.boolean("logging_enabled")?,
        })
    }
}

pub async fn create(context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = DefinitionBody::read(&context.body.object()?)?;
    let description = body.description.unwrap_or_default();
    let logging_enabled = body.logging_enabled.unwrap_or(true);
    let found = ensure(context, &body.name, description.as_str(), logging_enabled).await?;
    Ok(Answer::of(&Definition::new(&found, &context.request_id)))
}

/// The type of this name, made if there is none.
pub async fn ensure(
    context: &Context<'_>,
    name: &UseCaseName,
    description: &str,
    logging_enabled: bool,
) -> Result<UseCaseType, Refusal> {
    let new = NewType {
        application_no: context.caller.application_no,
        name: name.as_str(),
        description,
        logging_enabled,
        object_name: &new_id(),
        now_ms: context.now_ms,
    };
    store::create_type(&context.database, &new).await.map_err(storage_failed)
}

pub async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let page = context.query.page("types")?;
    let name = context.query.get("use_case_name");
    let found = store::list_types(&context.database, context.caller.application_no, name, page)
        .await
        .map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "types", |kind| kind.type_no);
    let items = found.iter().map(|kind| Definition::new(kind, &context.request_id)).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

pub async fn get(context: &Context<'_>) -> Result<Answer, Refusal> {
    let found = context.use_case_type().await?;
    Ok(Answer::of(&Definition::new(&found, &context.request_id)))
}

/// What is to change of a use case type; what is left out stays.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = DefinitionChange))]
pub struct ChangeBody {
    description: Option<Description>,
    logging_enabled: Option<bool>,
}

impl ChangeBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        refuse_limits(fields)?;
        Ok(Self {
            description: fields.limited("description")?,
            logging_enabled: fields.boolean("logging_enabled")?,
        })
    }
}

pub async fn update(context: &Context<'_>) -> Result<Answer, Refusal> {
    let change = ChangeBody::read(&context.body.object()?)?;
    let found = context.use_case_type().await?;
    let description = change.description.as_ref().map(Text::as_str);
    let (type_no, logging_enabled) = (found.type_no, change.logging_enabled);
    let updated =
        store::update_type(&context.database, type_no, description, logging_enabled, context.now_ms)
            .await
            .map_err(storage_failed)?
            .ok_or_else(|| super::types::use_case_not_found(&found.name))?;
    Ok(Answer::of(&Definition::new(&updated, &context.request_id)))
}

pub async fn delete(context: &Context<'_>) -> Result<Answer, Refusal> {
    let found = context.use_case_type().await?;
    context.command(&found.name, Command::DeleteType).await?;
    Ok(Answer::of(&Definition::new(&found, &context.request_id)))
}

/// A rise of the version.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewVersion))]
pub struct VersionBody {
    /// When the version rose: after the previous rise, not ahead of now. Now, if left out.
    timestamp: Option<Timestamp>,
}

impl VersionBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        Ok(Self { timestamp: fields.timestamp("timestamp", now_ms)? })
    }
}

pub async fn increment_version(context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = VersionBody::read(&context.body.object()?, context.now_ms)?;
    let timestamp_ms = body.timestamp.map(|timestamp| timestamp.ms);
    let name = context.use_case_name()?;
    let idempotency = context.idempotency()?;
    let reply =
        context.command(name.as_str(), Command::IncrementVersion { timestamp_ms, idempotency }).await?;
    let raised: serde_json::Value = serde_json::from_str(&reply).unwrap_or_default();
    let mut found = context.use_case_type().await?;
    // Another rise may have come between; this answer is about this one.
    if let Some(version) = raised.get("type_version").and_then(serde_json::Value::as_i64) {
        found.type_version = version;
    }
    Ok(Answer::of(&Definition::new(&found, &context.request_id)))
}

fn refuse_limits(fields: &Fields) -> Result<(), Refusal> {
    match fields.0.get("limit_config") {
        None | Some(serde_json::Value::Null) => Ok(()),
        Some(_) => Err(limits_not_supported()),
    }
}

pub fn limits_not_supported() -> Refusal {
    Refusal::new(
        Code::LimitsNotSupported,
        "spending limits (limit_config) are not supported: Edge KPI sees scores, not the cost of requests, so it could not enforce them",
    )
}

impl Context<'_> {
    /// The request's Idempotency-Key, and a hash of what it asks for.
    pub fn idempotency(&self) -> Result<Option<Idempotency>, Refusal> {
        let Some(key) = &self.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(invalid("Idempotency-Key must be 1 to 255 visible ASCII characters"));
        }
        let asked = format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{}",
            self.action,
            self.parameters,
            self.query,
            self.version,
            String::from_utf8_lossy(&self.body.bytes)
        );
        Ok(Some(Idempotency { key: key.clone(), request_hash: super::auth::hash(&asked) }))
    }
}
