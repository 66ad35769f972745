//! What the scheduled jobs need: which types were written to, and the purging of what was deleted, in bounded portions.

use super::{Database, Statement, StorageError, integer, text};

/// A type as a job addresses it: `(type_no, application_no, name, object_name)`.
pub type TypeAddress = (i64, i64, String, String);

/// Live types with a batch at or after `since_ms`, in the order of their numbers, `limit` of them after `after`.
pub async fn written_types(
    database: &Database,
    since_ms: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<TypeAddress>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_group_array(json_array(type_no, application_no, name, object_name)) AS j FROM ( \
               SELECT t.* FROM use_case_types t JOIN writer_state w ON w.type_no = t.type_no \
               WHERE t.deleted_ms IS NULL AND w.batch_ms >= ?1 AND t.type_no > ?2 ORDER BY t.type_no LIMIT ?3)",
            vec![integer(since_ms), integer(after), integer(limit)],
        ))
        .await
}

/// What a job noted when it last ran.
pub async fn job_state(database: &Database, job: &str) -> Result<Option<String>, StorageError> {
    Ok(database
        .run(Statement::new("SELECT json_array(state) AS j FROM job_state WHERE job = ?1", vec![text(job)]))
        .await?
        .optional_json::<(String,)>()?
        .map(|(state,)| state))
}

pub async fn note_job_state(
    database: &Database,
    job: &str,
    state: &str,
    now_ms: i64,
) -> Result<(), StorageError> {
    database
        .run(Statement::new(
            "INSERT INTO job_state (job, state, updated_ms) VALUES (?1, ?2, ?3) \
             ON CONFLICT (job) DO UPDATE SET state = excluded.state, updated_ms = excluded.updated_ms",
            vec![text(job), text(state), integer(now_ms)],
        ))
        .await
        .map(|_| ())
}

/// Removes one portion of the scores of deleted KPIs, and the definitions that have none left. True if there is more.
pub async fn purge_kpis(database: &Database, rows_max: i64) -> Result<bool, StorageError> {
    let answers = database
        .batch(vec![
            Statement::new(include_str!("sql/purge_kpi_scores.sql"), vec![integer(rows_max)]),
            Statement::new(
                "DELETE FROM kpis WHERE deleted_ms IS NOT NULL \
                   AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.kpi_no = kpis.kpi_no)",
                vec![],
            ),
            Statement::new("SELECT json_array(count(*)) AS j FROM kpis WHERE deleted_ms IS NOT NULL", vec![]),
        ])
        .await?;
    more_left(answers.last())
}

/// Removes one portion of everything that belongs to deleted types. True if there is more.
pub async fn purge_types(database: &Database, rows_max: i64) -> Result<bool, StorageError> {
    let limit = || vec![integer(rows_max)];
    let answers = database
        .batch(vec![
            Statement::new(include_str!("sql/purge_type_scores.sql"), limit()),
            Statement::new(include_str!("sql/purge_type_properties.sql"), limit()),
            Statement::new(include_str!("sql/purge_type_instances.sql"), limit()),
            Statement::new(
                "DELETE FROM kpis WHERE type_no IN (SELECT type_no FROM use_case_types WHERE deleted_ms IS NOT NULL) \
                   AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.kpi_no = kpis.kpi_no)",
                vec![],
            ),
            Statement::new(include_str!("sql/purge_type_events.sql"), limit()),
            Statement::new(include_str!("sql/purge_type_keys.sql"), limit()),
            Statement::new(EMPTY_VERSIONS, vec![]),
            Statement::new(EMPTY_WRITERS, vec![]),
            Statement::new(
                "SELECT json_array(count(*)) AS j FROM use_case_types t WHERE t.deleted_ms IS NOT NULL \
                   AND EXISTS (SELECT 1 FROM writer_state w WHERE w.type_no = t.type_no)",
                vec![],
            ),
        ])
        .await?;
    more_left(answers.last())
}

const EMPTY_VERSIONS: &str = "DELETE FROM type_versions WHERE type_no IN (SELECT t.type_no FROM use_case_types t \
  WHERE t.deleted_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM instances x WHERE x.type_no = t.type_no) \
  AND NOT EXISTS (SELECT 1 FROM instance_properties p WHERE p.type_no = t.type_no) \
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.type_no = t.type_no) \
  AND NOT EXISTS (SELECT 1 FROM idempotency_keys i WHERE i.type_no = t.type_no) \
  AND NOT EXISTS (SELECT 1 FROM kpis k WHERE k.type_no = t.type_no))";
const EMPTY_WRITERS: &str = "DELETE FROM writer_state WHERE type_no IN (SELECT t.type_no FROM use_case_types t \
  WHERE t.deleted_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM type_versions v WHERE v.type_no = t.type_no))";
/// Deleted types of which only their own row is left: that stays until their object is erased, too.
pub async fn empty_types(database: &Database, limit: i64) -> Result<Vec<TypeAddress>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_group_array(json_array(type_no, application_no, name, object_name)) AS j FROM ( \
               SELECT t.* FROM use_case_types t WHERE t.deleted_ms IS NOT NULL \
                 AND NOT EXISTS (SELECT 1 FROM writer_state w WHERE w.type_no = t.type_no) ORDER BY random() LIMIT ?1)",
            vec![integer(limit)],
        ))
        .await
}

/// Removes the last row of a deleted type.
pub async fn remove_type(database: &Database, type_no: i64) -> Result<(), StorageError> {
    database
        .run(Statement::new(
            "DELETE FROM use_case_types WHERE type_no = ?1 AND deleted_ms IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM writer_state w WHERE w.type_no = ?1)",
            vec![integer(type_no)],
        ))
        .await
        .map(|_| ())
}

/// Live types of deleted applications, `limit` of them: any, so that those that fail hold up no others.
pub async fn types_of_deleted_applications(
    database: &Database,
    limit: i64,
) -> Result<Vec<TypeAddress>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_group_array(json_array(type_no, application_no, name, object_name)) AS j FROM ( \
               SELECT t.* FROM applications a JOIN use_case_types t ON t.application_no = a.application_no \
               WHERE a.deleted_ms IS NOT NULL AND t.deleted_ms IS NULL ORDER BY random() LIMIT ?1)",
            vec![integer(limit)],
        ))
        .await
}

/// Removes what is left of applications deleted before `before_ms` (until then a key may still be trusted somewhere) that have no
/// types any more: a portion of their idempotency keys, their API keys, and themselves.
pub async fn purge_applications(
    database: &Database,
    before_ms: i64,
    rows_max: i64,
) -> Result<(), StorageError> {
    database
        .batch(vec![
            Statement::new(include_str!("sql/purge_application_keys.sql"), vec![integer(before_ms), integer(rows_max)]),
            Statement::new(
                "DELETE FROM api_keys WHERE application_no IN (SELECT a.application_no FROM applications a \
                   WHERE a.deleted_ms < ?1 AND NOT EXISTS (SELECT 1 FROM use_case_types t WHERE t.application_no = a.application_no))",
                vec![integer(before_ms)],
            ),
            Statement::new(
                "DELETE FROM applications WHERE deleted_ms < ?1 \
                   AND NOT EXISTS (SELECT 1 FROM use_case_types t WHERE t.application_no = applications.application_no) \
                   AND NOT EXISTS (SELECT 1 FROM idempotency_keys i WHERE i.application_no = applications.application_no)",
                vec![integer(before_ms)],
            ),
        ])
        .await
        .map(|_| ())
}

/// Removes idempotency keys made before `before_ms`, a portion of them. True if there may be more.
pub async fn purge_idempotency(
    database: &Database,
    before_ms: i64,
    rows_max: i64,
) -> Result<bool, StorageError> {
    database
        .run(Statement::new(
            include_str!("sql/purge_expired_keys.sql"),
            vec![integer(before_ms), integer(rows_max)],
        ))
        .await
        .map(|answer| i64::try_from(answer.changes()).is_ok_and(|changes| changes >= rows_max))
}

fn more_left(answer: Option<&super::Answer>) -> Result<bool, StorageError> {
    let answer = answer.ok_or_else(|| StorageError::Corrupt("no answer".to_owned()))?;
    Ok(answer.json::<(i64,)>()?.0 > 0)
}
