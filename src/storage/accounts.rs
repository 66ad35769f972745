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
             (SELECT * FROM applications WHERE application_no > ?1 AND deleted_ms IS NULL ORDER BY application_no LIMIT ?2)",
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
    /// Days since the Unix epoch.
    pub last_used_day: Option<i64>,
}

type KeyRow = (String, String, String, i64, Option<i64>, Option<i64>, Option<i64>);

fn key_from_row(row: KeyRow) -> ApiKey {
    let (key_id, name, role, created_ms, expires_ms, revoked_ms, last_used_day) = row;
    ApiKey { key_id, name, role, created_ms, expires_ms, revoked_ms, last_used_day }
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
            "SELECT json_group_array(json_array(key_id, name, role, created_ms, expires_ms, revoked_ms, last_used_day)) AS j FROM \
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
             RETURNING json_array(key_id, name, role, created_ms, expires_ms, revoked_ms, last_used_day) AS j",
            vec![integer(application_no), text(key_id), integer(now_ms)],
        ))
        .await?;
    Ok(answer.optional_json::<KeyRow>()?.map(key_from_row))
}

/// A key as it is looked up for a request.
#[derive(Debug, serde::Deserialize)]
pub struct KnownKey {
    pub key_hash: String,
    pub application_no: i64,
    pub role: String,
    pub expires_ms: Option<i64>,
    pub last_used_day: Option<i64>,
}

/// Whose key this is; `None` for an unknown, revoked or expired one, and for those of deleted applications.
pub async fn find_key(
    database: &Database,
    key_hash: &str,
    now_ms: i64,
) -> Result<Option<KnownKey>, StorageError> {
    database
        .run(Statement::new(
            "SELECT json_object('key_hash', k.key_hash, 'application_no', k.application_no, 'role', k.role, \
               'expires_ms', k.expires_ms, 'last_used_day', k.last_used_day) AS j \
             FROM api_keys k JOIN applications a ON a.application_no = k.application_no \
             WHERE k.key_hash = ?1 AND k.revoked_ms IS NULL AND a.deleted_ms IS NULL \
               AND (k.expires_ms IS NULL OR k.expires_ms > ?2)",
            vec![text(key_hash), integer(now_ms)],
        ))
        .await?
        .optional_json()
}

/// Id and name of a key, and its application's id.
pub async fn describe_key(
    database: &Database,
    key_hash: &str,
) -> Result<Option<(String, String, String)>, StorageError> {
    database
        .run(Statement::new(
            "SELECT json_array(k.key_id, k.name, a.application_id) AS j \
             FROM api_keys k JOIN applications a ON a.application_no = k.application_no WHERE k.key_hash = ?1",
            vec![text(key_hash)],
        ))
        .await?
        .optional_json()
}

/// Notes that a key was used on this day.
pub async fn note_use(database: &Database, key_hash: &str, day: i64) -> Result<(), StorageError> {
    database
        .run(Statement::new(
            "UPDATE api_keys SET last_used_day = max(coalesce(last_used_day, 0), ?2) WHERE key_hash = ?1",
            vec![text(key_hash), integer(day)],
        ))
        .await
        .map(|_| ())
}

/// Marks an application as deleted: its keys are void and its id is free at once, its data are purged by a job. `None` if there is
/// no such application.
pub async fn delete_application(
    database: &Database,
    application_id: &str,
    now_ms: i64,
) -> Result<Option<Application>, StorageError> {
    let answers = database
        .batch(vec![
            Statement::new(
                "SELECT json_array(application_no, application_id, name, created_ms) AS j FROM applications \
                 WHERE application_id = ?1 AND deleted_ms IS NULL",
                vec![text(application_id)],
            ),
            Statement::new(
                "UPDATE api_keys SET revoked_ms = ?2 WHERE revoked_ms IS NULL AND application_no = \
                   (SELECT application_no FROM applications WHERE application_id = ?1 AND deleted_ms IS NULL)",
                vec![text(application_id), integer(now_ms)],
            ),
            // No application_id can begin with '!'.
            Statement::new(
                "UPDATE applications SET deleted_ms = ?2, application_id = '!' || application_no, name = '' \
                 WHERE application_id = ?1 AND deleted_ms IS NULL",
                vec![text(application_id), integer(now_ms)],
            ),
        ])
        .await?;
    let found = answers.first().map(super::Answer::optional_json::<ApplicationRow>).transpose()?.flatten();
    Ok(found.map(application_from_row))
}
