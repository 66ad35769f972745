//! Applications and their API keys. A key is known by its SHA-256 only.

use super::{Database, Statement, StorageError, integer, optional_integer, text};

#[derive(Debug, Clone)]
pub struct Application {
    pub application_no: i64,
    pub application_id: String,
    pub name: String,
    pub created_ms: i64,
}

type ApplicationRow = (i64, String, String, i64);

fn application_from_row((application_no, application_id, name, created_ms): ApplicationRow) -> Application {
    Application { application_no, application_id, name, created_ms }
}

/// Makes an application; `None` if the id is taken.
pub async fn create_application(
    database: &Database,
    application_id: &str,
    name: &str,
    now_ms: i64,
) -> Result<Option<Application>, StorageError> {
    let answer = database
        .run(Statement::new(
            "INSERT INTO applications (application_id, name, created_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING \
             RETURNING json_array(application_no, application_id, name, created_ms) AS j",
            vec![text(application_id), text(name), integer(now_ms)],
        ))
        .await?;
    Ok(answer.optional_json::<ApplicationRow>()?.map(application_from_row))
}

pub async fn list_applications(
    database: &Database,
    page: super::definitions::Page,
) -> Result<Vec<Application>, StorageError> {
    let rows: Vec<ApplicationRow> = database
        .json(Statement::new(
            "SELECT json_group_array(json_array(application_no, application_id, name, created_ms)) AS j FROM \
             (SELECT * FROM applications WHERE application_no > ?1 ORDER BY application_no LIMIT ?2)",
            vec![integer(page.bound()), integer(page.limit + 1)],
        ))
        .await?;
    Ok(rows.into_iter().map(application_from_row).collect())
}

#[derive(Debug, Clone)]
pub struct ApiKey {
    pub key_id: String,
    pub name: String,
    pub role: String,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

type KeyRow = (String, String, String, i64, Option<i64>, Option<i64>);

fn key_from_row((key_id, name, role, created_ms, expires_ms, revoked_ms): KeyRow) -> ApiKey {
    ApiKey { key_id, name, role, created_ms, expires_ms, revoked_ms }
}

pub async fn insert_key(
    database: &Database,
    application_no: i64,
    key_hash: &str,
    key: &ApiKey,
) -> Result<(), StorageError> {
    database
        .run(Statement::new(
            "INSERT INTO api_keys (key_hash, key_id, application_no, name, role, created_ms, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            vec![
                text(key_hash),
                text(&key.key_id),
                integer(application_no),
                text(&key.name),
                text(&key.role),
                integer(key.created_ms),
                optional_integer(key.expires_ms),
            ],
        ))
        .await
        .map(|_| ())
}

/// Keys of an application, revoked ones too, in the order of their ids (that is, of their making).
pub async fn list_keys(
    database: &Database,
    application_no: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<ApiKey>, StorageError> {
    let rows: Vec<KeyRow> = database
        .json(Statement::new(
            "SELECT json_group_array(json_array(key_id, name, role, created_ms, expires_ms, revoked_ms)) AS j FROM \
             (SELECT * FROM api_keys WHERE application_no = ?1 AND key_id > ?2 ORDER BY key_id LIMIT ?3)",
            vec![integer(application_no), text(after), integer(limit + 1)],
        ))
        .await?;
    Ok(rows.into_iter().map(key_from_row).collect())
}

/// Revokes a key (again, if it was revoked already); `None` if the application has no such key.
pub async fn revoke_key(
    database: &Database,
    application_no: i64,
    key_id: &str,
    now_ms: i64,
) -> Result<Option<ApiKey>, StorageError> {
    let answer = database
        .run(Statement::new(
            "UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, ?3) WHERE application_no = ?1 AND key_id = ?2 \
             RETURNING json_array(key_id, name, role, created_ms, expires_ms, revoked_ms) AS j",
            vec![integer(application_no), text(key_id), integer(now_ms)],
        ))
        .await?;
    Ok(answer.optional_json::<KeyRow>()?.map(key_from_row))
}

/// Whose key this is: `(application_no, role, expires_ms)`; `None` for an unknown or revoked one.
pub async fn find_key(
    database: &Database,
    key_hash: &str,
) -> Result<Option<(i64, String, Option<i64>)>, StorageError> {
    database
        .run(Statement::new(
            "SELECT json_array(application_no, role, expires_ms) AS j FROM api_keys WHERE key_hash = ?1 AND revoked_ms IS NULL",
            vec![text(key_hash)],
        ))
        .await?
        .optional_json()
}
