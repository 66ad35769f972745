//! `/api/v1/use_cases/definitions/{use_case_name}/events`: changes of the system that are no new version.

use serde::Serialize;

use super::answer::{Answer, List};
use super::body::{Description, Fields, Timestamp, Title, invalid};
use super::query::cut;
use super::{Context, new_id, storage_failed};
use crate::aggregator::protocol::{Command, NewEvent};
use crate::domain::calendar::format_timestamp;
use crate::domain::refusal::Refusal;
use crate::storage::events;

/// An event in a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ListedEvent))]
pub struct EventShown {
    event_id: String,
    at: String,
    title: String,
    description: String,
    created_timestamp: String,
    request_id: String,
}

/// A change of the system.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewEvent))]
pub struct EventBody {
    at: Timestamp,
    /// What has changed; not blank.
    #[cfg_attr(test, schema(schema_with = super::openapi::schemas::title))]
    title: Title,
    /// Empty, if left out.
    description: Option<Description>,
}

impl EventBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        Ok(Self {
            at: fields
                .timestamp("at", now_ms)?
                .ok_or_else(|| invalid("the field 'at' is missing: the RFC 3339 time of the change"))?,
            title: fields
                .limited("title")?
                .filter(|title| !title.as_str().trim().is_empty())
                .ok_or_else(|| invalid("the field 'title' is missing: what has changed"))?,
            description: fields.limited("description")?,
        })
    }
}

pub async fn create(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let body = EventBody::read(&context.body.object()?, context.now_ms)?;
    let new = NewEvent {
        event_id: format!("evt_{}", new_id()),
        at_ms: body.at.ms,
        title: body.title.into_string(),
        description: body.description.unwrap_or_default().into_string(),
    };
    let reply = context.command(name.as_str(), Command::CreateEvent(new)).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}

pub async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let kind = context.use_case_type().await?;
    let page = context.query.page("events")?;
    let found = events::list(&context.database, kind.type_no, page).await.map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "events", |event| event.event_no);
    let items = found
        .into_iter()
        .map(|event| EventShown {
            event_id: event.event_id,
            at: format_timestamp(event.at_ms),
            title: event.title,
            description: event.description,
            created_timestamp: format_timestamp(event.created_ms),
            request_id: context.request_id.clone(),
        })
        .collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

pub async fn delete(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let event_id = context.parameters.event_id.clone().unwrap_or_default();
    let reply = context.command(name.as_str(), Command::DeleteEvent { event_id }).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}
