//! Use case types and KPI definitions: rows, look-ups and lists. KPI definitions are written by the type's object only (see
//! `writer`); a type itself is made here, once per name.

use super::writer::{BatchId, json_of};
use super::{Answer, Database, Statement, StorageError, integer, optional_text, real, text};
use crate::domain::kpi::{Direction, Kpi, KpiType, Rules};

/// A use case type.
#[derive(Debug, Clone)]
pub struct UseCaseType {
    pub type_no: i64,
    pub name: String,
    pub description: String,
    pub logging_enabled: bool,
    pub type_version: i64,
    pub object_name: String,
}

type TypeRow = (i64, String, String, i64, i64, String);

fn type_from_row(row: TypeRow) -> UseCaseType {
    let (type_no, name, description, logging_enabled, type_version, object_name) = row;
    UseCaseType {
        type_no,
        name,
        description,
        logging_enabled: logging_enabled != 0,
        type_version,
        object_name,
    }
}

/// The live type of this name.
pub async fn find_type(
    database: &Database,
    application_no: i64,
    name: &str,
) -> Result<Option<UseCaseType>, StorageError> {
    let answer = database
        .run(Statement::new(
            "SELECT json_array(type_no, name, description, logging_enabled, type_version, object_name) AS j \
             FROM use_case_types WHERE application_no = ?1 AND name = ?2 AND deleted_ms IS NULL",
            vec![integer(application_no), text(name)],
        ))
        .await?;
    Ok(answer.optional_json::<TypeRow>()?.map(type_from_row))
}

/// What a new type starts with.
pub struct NewType<'a> {
    pub application_no: i64,
    pub name: &'a str,
    pub description: &'a str,
    pub logging_enabled: bool,
    /// Names the Durable Object; must never have been used.
    pub object_name: &'a str,
    pub now_ms: i64,
}

/// Makes the type unless one of this name exists (then only an empty description is filled), and answers what there is now.
pub async fn create_type(database: &Database, new: &NewType<'_>) -> Result<UseCaseType, StorageError> {
    let key = || vec![integer(new.application_no), text(new.name)];
    let answers = database
        .batch(vec![
            Statement::new(
                "INSERT INTO use_case_types (application_no, name, description, logging_enabled, type_version, object_name, \
                   created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?6) \
                 ON CONFLICT (application_no, name) WHERE deleted_ms IS NULL \
                 DO UPDATE SET description = excluded.description, updated_ms = excluded.updated_ms \
                 WHERE use_case_types.description = '' AND excluded.description <> ''",
                vec![
                    integer(new.application_no),
                    text(new.name),
                    text(new.description),
                    integer(i64::from(new.logging_enabled)),
                    text(new.object_name),
                    integer(new.now_ms),
                ],
            ),
            Statement::new(
                "INSERT INTO type_versions (type_no, version, started_ms) SELECT type_no, 1, created_ms FROM use_case_types \
                 WHERE application_no = ?1 AND name = ?2 AND deleted_ms IS NULL ON CONFLICT DO NOTHING",
                key(),
            ),
            Statement::new(
                "INSERT INTO writer_state (type_no, epoch, batch_no, batch_epoch, batch_ms, next_seq, touched) \
                 SELECT type_no, 0, 0, 0, 0, 1, '{}' FROM use_case_types \
                 WHERE application_no = ?1 AND name = ?2 AND deleted_ms IS NULL ON CONFLICT DO NOTHING",
                key(),
            ),
            Statement::new(
                "SELECT json_array(type_no, name, description, logging_enabled, type_version, object_name) AS j \
                 FROM use_case_types WHERE application_no = ?1 AND name = ?2 AND deleted_ms IS NULL",
                key(),
            ),
        ])
        .await?;
    let row = answers.get(3).ok_or_else(|| StorageError::Corrupt("no answer".to_owned()))?.json()?;
    Ok(type_from_row(row))
}

/// Changes what is given; `None` if there is no such live type.
pub async fn update_type(
    database: &Database,
    type_no: i64,
    description: Option<&str>,
    logging_enabled: Option<bool>,
    now_ms: i64,
) -> Result<Option<UseCaseType>, StorageError> {
    let logging = logging_enabled.map_or(wasm_bindgen::JsValue::NULL, |on| integer(i64::from(on)));
    let answer = database
        .run(Statement::new(
            "UPDATE use_case_types SET description = coalesce(?2, description), \
               logging_enabled = coalesce(?3, logging_enabled), updated_ms = ?4 \
             WHERE type_no = ?1 AND deleted_ms IS NULL \
             RETURNING json_array(type_no, name, description, logging_enabled, type_version, object_name) AS j",
            vec![integer(type_no), optional_text(description), logging, integer(now_ms)],
        ))
        .await?;
    Ok(answer.optional_json::<TypeRow>()?.map(type_from_row))
}

/// A page of a list: what comes after (or, descending, before) a key.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Key of the last item already seen.
    pub after: Option<i64>,
    pub ascending: bool,
    /// One more than this is read, to know whether there is another page.
    pub limit: i64,
}

impl Page {
    /// The bound that the key is compared with.
    pub fn bound(&self) -> i64 {
        const BEYOND: i64 = 1 << 53;
        self.after.unwrap_or(if self.ascending { -1 } else { BEYOND })
    }
}

/// Types in the order in which they were made; `name` narrows to one.
pub async fn list_types(
    database: &Database,
    application_no: i64,
    name: Option<&str>,
    page: Page,
) -> Result<Vec<UseCaseType>, StorageError> {
    let sql = if page.ascending {
        "SELECT json_group_array(json_array(type_no, name, description, logging_enabled, type_version, object_name)) AS j \
         FROM (SELECT * FROM use_case_types WHERE application_no = ?1 AND deleted_ms IS NULL AND type_no > ?2 \
           AND (?3 IS NULL OR name = ?3) ORDER BY type_no LIMIT ?4)"
    } else {
        "SELECT json_group_array(json_array(type_no, name, description, logging_enabled, type_version, object_name)) AS j \
         FROM (SELECT * FROM use_case_types WHERE application_no = ?1 AND deleted_ms IS NULL AND type_no < ?2 \
           AND (?3 IS NULL OR name = ?3) ORDER BY type_no DESC LIMIT ?4)"
    };
    let rows: Vec<TypeRow> = database
        .json(Statement::new(
            sql,
            vec![
                integer(application_no),
                integer(page.bound()),
                optional_text(name),
                integer(page.limit + 1),
            ],
        ))
        .await?;
    Ok(rows.into_iter().map(type_from_row).collect())
}

/// `(kpi_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width, created_ms, updated_ms, benchmarks)`
pub type KpiRow =
    (i64, String, String, String, String, f64, String, Option<String>, Option<f64>, i64, i64, String);

/// A row as a definition.
pub fn kpi_from_row(row: KpiRow) -> Result<Kpi, StorageError> {
    let (
        kpi_no,
        kpi_id,
        name,
        description,
        kpi_type,
        goal,
        direction,
        unit,
        bucket_width,
        created_ms,
        updated_ms,
        benchmarks,
    ) = row;
    let (Some(kpi_type), Some(direction)) = (KpiType::parse(&kpi_type), Direction::parse(&direction)) else {
        return Err(StorageError::Corrupt(format!(
            "KPI {kpi_no} has type {kpi_type}, direction {direction}"
        )));
    };
    let rules = Rules { kpi_type, goal, direction, bucket_width: bucket_width.unwrap_or(1.0) };
    let benchmarks =
        serde_json::from_str(&benchmarks).map_err(|error| StorageError::Corrupt(error.to_string()))?;
    Ok(Kpi { kpi_no, kpi_id, name, description, rules, unit, benchmarks, created_ms, updated_ms })
}

/// The bucket width as it is stored and shown: of number KPIs only.
pub fn stored_bucket_width(rules: &Rules) -> Option<f64> {
    (rules.kpi_type == KpiType::Number).then_some(rules.bucket_width)
}

/// Inserts a KPI; its number comes with the list of KPIs that follows in the same batch.
pub fn insert_kpi(id: &BatchId, kpi: &Kpi) -> Statement {
    let rules = &kpi.rules;
    Statement::new(
        "INSERT INTO kpis (type_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width, created_ms, \
           updated_ms, benchmarks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)",
        vec![
            integer(id.type_no),
            text(&kpi.kpi_id),
            text(&kpi.name),
            text(&kpi.description),
            text(rules.kpi_type.as_str()),
            real(rules.goal),
            text(rules.direction.as_str()),
            optional_text(kpi.unit.as_deref()),
            stored_bucket_width(rules).map_or(wasm_bindgen::JsValue::NULL, real),
            integer(kpi.created_ms),
            text(&json_of(&kpi.benchmarks)),
        ],
    )
}

/// Writes a KPI's definition over the old one.
pub fn update_kpi(kpi: &Kpi) -> Statement {
    let rules = &kpi.rules;
    Statement::new(
        "UPDATE kpis SET name = ?2, description = ?3, kpi_type = ?4, goal = ?5, direction = ?6, unit = ?7, \
           bucket_width = ?8, updated_ms = ?9, benchmarks = ?10 WHERE kpi_no = ?1",
        vec![
            integer(kpi.kpi_no),
            text(&kpi.name),
            text(&kpi.description),
            text(rules.kpi_type.as_str()),
            real(rules.goal),
            text(rules.direction.as_str()),
            optional_text(kpi.unit.as_deref()),
            stored_bucket_width(rules).map_or(wasm_bindgen::JsValue::NULL, real),
            integer(kpi.updated_ms),
            text(&json_of(&kpi.benchmarks)),
        ],
    )
}

/// Marks a KPI as deleted; its scores are purged later.
pub fn delete_kpi(kpi_no: i64, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE kpis SET deleted_ms = ?2 WHERE kpi_no = ?1",
        vec![integer(kpi_no), integer(now_ms)],
    )
}

/// How many scores of a KPI another type would not allow.
pub async fn count_incompatible(
    database: &Database,
    kpi_no: i64,
    kpi_type: KpiType,
) -> Result<u64, StorageError> {
    let (low, high, only_ends) = match kpi_type {
        KpiType::Boolean => (0.0, 1.0, 1),
        KpiType::Percentage => (0.0, 1.0, 0),
        KpiType::Number => return Ok(0),
        KpiType::Likert5 => (1.0, 5.0, 0),
        KpiType::Likert7 => (1.0, 7.0, 0),
        KpiType::Likert10 => (1.0, 10.0, 0),
    };
    database
        .json(Statement::new(
            "SELECT json_array(count(*)) AS j FROM scores INDEXED BY scores_by_time WHERE kpi_no = ?1 \
               AND (score < ?2 OR score > ?3 OR (?4 AND score <> ?2 AND score <> ?3))",
            vec![integer(kpi_no), real(low), real(high), integer(only_ends)],
        ))
        .await
        .map(|(count,): (u64,)| count)
}

/// The live KPIs of a type, a page of them.
pub async fn list_kpis(
    database: &Database,
    type_no: i64,
    name: Option<&str>,
    kpi_id: Option<&str>,
    page: Page,
) -> Result<Vec<Kpi>, StorageError> {
    let sql = if page.ascending {
        "SELECT json_group_array(json_array(kpi_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width, \
           created_ms, updated_ms, benchmarks)) AS j FROM (SELECT * FROM kpis WHERE type_no = ?1 AND deleted_ms IS NULL \
           AND kpi_no > ?2 AND (?3 IS NULL OR name = ?3) AND (?4 IS NULL OR kpi_id = ?4) ORDER BY kpi_no LIMIT ?5)"
    } else {
        "SELECT json_group_array(json_array(kpi_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width, \
           created_ms, updated_ms, benchmarks)) AS j FROM (SELECT * FROM kpis WHERE type_no = ?1 AND deleted_ms IS NULL \
           AND kpi_no < ?2 AND (?3 IS NULL OR name = ?3) AND (?4 IS NULL OR kpi_id = ?4) ORDER BY kpi_no DESC LIMIT ?5)"
    };
    let rows: Vec<KpiRow> = database
        .json(Statement::new(
            sql,
            vec![
                integer(type_no),
                integer(page.bound()),
                optional_text(name),
                optional_text(kpi_id),
                integer(page.limit + 1),
            ],
        ))
        .await?;
    rows.into_iter().map(kpi_from_row).collect()
}

/// The KPI that a path segment means: a name first, a kpi_id second.
pub async fn find_kpi(
    database: &Database,
    type_no: i64,
    name_or_id: &str,
) -> Result<Option<Kpi>, StorageError> {
    let answer: Answer = database
        .run(Statement::new(
            "SELECT json_array(kpi_no, kpi_id, name, description, kpi_type, goal, direction, unit, bucket_width, created_ms, \
               updated_ms, benchmarks) AS j FROM kpis WHERE type_no = ?1 AND deleted_ms IS NULL AND (name = ?2 OR kpi_id = ?2) \
             ORDER BY name <> ?2 LIMIT 1",
            vec![integer(type_no), text(name_or_id)],
        ))
        .await?;
    answer.optional_json::<KpiRow>()?.map(kpi_from_row).transpose()
}

/// Raises the version: to be run in a batch with its guard.
pub fn raise_version(type_no: i64, version: i64, started_ms: i64, now_ms: i64) -> Vec<Statement> {
    vec![
        Statement::new(
            "UPDATE use_case_types SET type_version = ?2, updated_ms = ?3 WHERE type_no = ?1",
            vec![integer(type_no), integer(version), integer(now_ms)],
        ),
        Statement::new(
            "INSERT INTO type_versions (type_no, version, started_ms) VALUES (?1, ?2, ?3)",
            vec![integer(type_no), integer(version), integer(started_ms)],
        ),
    ]
}

/// Marks a type as deleted and shuts its writer out: to be run in a batch with its guard.
pub fn delete_type(type_no: i64, now_ms: i64) -> Vec<Statement> {
    vec![
        Statement::new(
            "UPDATE use_case_types SET deleted_ms = ?2 WHERE type_no = ?1 AND deleted_ms IS NULL",
            vec![integer(type_no), integer(now_ms)],
        ),
        Statement::new(
            "UPDATE writer_state SET epoch = epoch + 1 WHERE type_no = ?1",
            vec![integer(type_no)],
        ),
    ]
}
