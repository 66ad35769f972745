//! `/api/v1/keys` and `/api/v1/applications`.

use serde::Serialize;

use super::answer::{Answer, List};
use super::auth::{self, KEY_PREFIX, Role};
use super::body::{Fields, Text, invalid};
use super::query::{cut, cut_after, encode_cursor};
use super::{Context, new_id, storage_failed};
use crate::config::PAGE_ITEMS_MAX;
use crate::domain::calendar::{SLOTS_PER_DAY, format_timestamp, parse_timestamp, slot_start_ms};
use crate::domain::names::ApplicationId;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::accounts::{self as store, ApiKey, Application};

/// The application that `ROOT_API_KEY` is admin of.
pub const DEFAULT_APPLICATION_ID: &str = "default";

type KeyName = Text<100>;
type ApplicationName = Text<200>;

/// A key. The key itself is shown once, when it is made.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Key))]
pub struct KeyShown {
    key_id: String,
    name: String,
    #[cfg_attr(test, schema(value_type = Role))]
    role: String,
    /// Only in the answer to its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    api_key: Option<String>,
    created_timestamp: String,
    expires_timestamp: Option<String>,
    revoked_timestamp: Option<String>,
    /// The day on which it was last used, UTC.
    last_used: Option<String>,
    request_id: String,
}

impl KeyShown {
    fn new(key: ApiKey, api_key: Option<String>, request_id: &str) -> Self {
        Self {
            key_id: key.key_id,
            name: key.name,
            role: key.role,
            api_key,
            created_timestamp: format_timestamp(key.created_ms),
            expires_timestamp: key.expires_ms.map(format_timestamp),
            revoked_timestamp: key.revoked_ms.map(format_timestamp),
            last_used: key.last_used_day.map(date_of),
            request_id: request_id.to_owned(),
        }
    }
}

/// A new key.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewKey))]
pub struct KeyBody {
    role: Role,
    /// What the key is for.
    name: Option<KeyName>,
    /// From when on the key is refused: an RFC 3339 time ahead of now. Never, if left out.
    #[cfg_attr(test, schema(value_type = Option<String>, format = DateTime))]
    expires_timestamp: Option<i64>,
}

impl KeyBody {
    fn read(fields: &Fields, now_ms: i64) -> Result<Self, Refusal> {
        Ok(Self {
            role: role(fields)?,
            expires_timestamp: expiry(fields, now_ms)?,
            name: fields.limited("name")?,
        })
    }
}

fn role(fields: &Fields) -> Result<Role, Refusal> {
    let role = fields
        .text("role", 100)?
        .ok_or_else(|| invalid(format!("the field 'role' is missing; allowed: {}", Role::ALLOWED)))?;
    Role::parse(role)
        .ok_or_else(|| invalid(format!("role {} is not known; allowed: {}", shown(role), Role::ALLOWED)))
}

fn expiry(fields: &Fields, now_ms: i64) -> Result<Option<i64>, Refusal> {
    let Some(text) = fields.text("expires_timestamp", 100)? else { return Ok(None) };
    parse_timestamp(text).filter(|ms| *ms > now_ms).map(Some).ok_or_else(|| {
        Refusal::new(
            Code::InvalidTimestamp,
            format!("expires_timestamp {} is not an RFC 3339 time ahead of now", shown(text)),
        )
    })
}

pub async fn create_key(context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = KeyBody::read(&context.body.object()?, context.now_ms)?;
    let name = body.name.unwrap_or_default();
    let made =
        make_key(context, context.caller.application_no, name.as_str(), body.role, body.expires_timestamp)
            .await?;
    Ok(Answer::of(&made))
}

async fn make_key(
    context: &Context<'_>,
    application_no: i64,
    name: &str,
    role: Role,
    expires_ms: Option<i64>,
) -> Result<KeyShown, Refusal> {
    let secret = format!("{KEY_PREFIX}{}", random_hex()?);
    let key = ApiKey {
        key_id: format!("key_{}", new_id()),
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        created_ms: context.now_ms,
        expires_ms,
        revoked_ms: None,
        last_used_day: None,
    };
    store::insert_key(&context.database, application_no, &auth::hash(&secret), &key)
        .await
        .map_err(storage_failed)?;
    Ok(KeyShown::new(key, Some(secret), &context.request_id))
}

/// A day since the Unix epoch as a date.
fn date_of(day: i64) -> String {
    let mut text = format_timestamp(slot_start_ms(day * SLOTS_PER_DAY));
    text.truncate("2026-11-24".len());
    text
}

/// 256 bits of randomness, in hexadecimal.
fn random_hex() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Refusal::new(Code::UnexpectedError, "no source of randomness"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub async fn list_keys(context: &Context<'_>) -> Result<Answer, Refusal> {
    let limit = context.query.limit(PAGE_ITEMS_MAX)?;
    let after = context.query.cursor("keys", true)?.unwrap_or_default();
    let found = store::list_keys(&context.database, context.caller.application_no, &after, limit)
        .await
        .map_err(storage_failed)?;
    let (found, cursor) = cut_after(found, limit, |key| encode_cursor("keys", true, &key.key_id));
    let items = found.into_iter().map(|key| KeyShown::new(key, None, &context.request_id)).collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}

pub async fn revoke_key(context: &Context<'_>) -> Result<Answer, Refusal> {
    let key_id = context.parameters.key_id.clone().unwrap_or_default();
    let revoked =
        store::revoke_key(&context.database, context.caller.application_no, &key_id, context.now_ms)
            .await
            .map_err(storage_failed)?
            .ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no key {}", shown(&key_id))))?;
    auth::forget_all();
    Ok(Answer::of(&KeyShown::new(revoked, None, &context.request_id)))
}

/// An application: the owner of keys and of everything else.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Application))]
pub struct ApplicationShown {
    application_id: String,
    name: String,
    created_timestamp: String,
    /// An admin key, only in the answer to its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    admin_key: Option<KeyShown>,
    request_id: String,
}

impl ApplicationShown {
    fn new(application: Application, admin_key: Option<KeyShown>, request_id: &str) -> Self {
        Self {
            application_id: application.application_id,
            name: application.name,
            created_timestamp: format_timestamp(application.created_ms),
            admin_key,
            request_id: request_id.to_owned(),
        }
    }
}

/// A new application.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewApplication))]
pub struct ApplicationBody {
    /// Generated if left out.
    application_id: Option<ApplicationId>,
    /// The id, if left out.
    name: Option<ApplicationName>,
}

impl ApplicationBody {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let parse = |id: &str| {
            ApplicationId::parse(id)
                .map_err(|bad| invalid(format!("application_id {}: {}", shown(id), bad.0)))
        };
        Ok(Self {
            application_id: fields.text("application_id", 1000)?.map(parse).transpose()?,
            name: fields.limited("name")?,
        })
    }
}

pub async fn create_application(context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = ApplicationBody::read(&context.body.object()?)?;
    let generated = format!("app_{}", new_id());
    let id = body.application_id.as_ref().map_or(generated.as_str(), ApplicationId::as_str);
    let name = body.name.as_ref().map_or(id, Text::as_str);
    let made = store::create_application(&context.database, id, name, context.now_ms)
        .await
        .map_err(storage_failed)?
        .ok_or_else(|| invalid(format!("application_id {} is taken", shown(id))))?;
    let key = make_key(context, made.application_no, "first admin key", Role::Admin, None).await?;
    Ok(Answer::of(&ApplicationShown::new(made, Some(key), &context.request_id)))
}

/// Deletes an application with everything in it: its keys are void and its id is free at once; the data go in portions, with the
/// next runs of the scheduled jobs.
pub async fn delete_application(context: &Context<'_>) -> Result<Answer, Refusal> {
    let id = context.parameters.application_id.clone().unwrap_or_default();
    if id == DEFAULT_APPLICATION_ID {
        return Err(invalid(format!(
            "the application '{DEFAULT_APPLICATION_ID}' belongs to the root key and can't be deleted; delete its use cases"
        )));
    }
    let deleted = store::delete_application(&context.database, &id, context.now_ms)
        .await
        .map_err(storage_failed)?
        .ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no application {}", shown(&id))))?;
    auth::forget_all();
    Ok(Answer::of(&ApplicationShown::new(deleted, None, &context.request_id)))
}

pub async fn list_applications(context: &Context<'_>) -> Result<Answer, Refusal> {
    let page = context.query.page("applications")?;
    let found = store::list_applications(&context.database, page).await.map_err(storage_failed)?;
    let (found, cursor) = cut(found, page, "applications", |application| application.application_no);
    let items = found
        .into_iter()
        .map(|application| ApplicationShown::new(application, None, &context.request_id))
        .collect();
    Ok(Answer::of(&List { items, cursor, request_id: context.request_id.clone() }))
}
