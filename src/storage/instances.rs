//! Instances and their scores, for reading. They are written by the type's object only (see `writer`).

use wasm_bindgen::JsValue;

use super::definitions::Page;
use super::writer::{Properties, SEQUENCE_BITS, json_of, parse_properties};
use super::{Database, Statement, StorageError, integer, optional_integer, text};
use crate::domain::calendar::{SLOT_MS, slot_of};

#[derive(Debug, Clone)]
pub struct Instance {
    pub instance_no: i64,
    pub type_no: i64,
    pub use_case_id: String,
    pub use_case_name: String,
    pub version: i64,
    pub created_ms: i64,
    pub properties: Properties,
}

type InstanceRow = (i64, i64, String, String, i64, i64, String);

fn instance_from_row(row: InstanceRow) -> Result<Instance, StorageError> {
    let (instance_no, type_no, use_case_id, use_case_name, version, created_ms, properties) = row;
    let properties = parse_properties(&properties)?;
    Ok(Instance { instance_no, type_no, use_case_id, use_case_name, version, created_ms, properties })
}

/// The instance with this id, under whatever live type of the application.
pub async fn find(
    database: &Database,
    application_no: i64,
    use_case_id: &str,
) -> Result<Option<Instance>, StorageError> {
    let answer = database
        .run(Statement::new(
            "SELECT json_array(x.instance_no, x.type_no, x.use_case_id, t.name, x.version, x.created_ms, x.properties) AS j \
             FROM instances x JOIN use_case_types t ON t.type_no = x.type_no AND t.deleted_ms IS NULL \
             WHERE x.application_no = ?1 AND x.use_case_id = ?2",
            vec![integer(application_no), text(use_case_id)],
        ))
        .await?;
    answer.optional_json::<InstanceRow>()?.map(instance_from_row).transpose()
}

/// Which instances a list shows. All conditions hold at once.
#[derive(Debug, Default)]
pub struct Filter {
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    pub version: Option<i64>,
    pub properties: Vec<(String, String)>,
}

impl Filter {
    /// As the statements take it, from `?4` to `?10`.
    fn parameters(&self, use_case_name: &str) -> Vec<JsValue> {
        // A range of creation times is a range of instance numbers, to the slot; created_ms decides within it.
        let low = self.from_ms.map_or(0, |ms| slot_of(ms).max(0) << SEQUENCE_BITS);
        let high =
            self.to_ms.map_or(1 << 53, |ms| slot_of(ms.saturating_add(SLOT_MS)).max(0) << SEQUENCE_BITS);
        vec![
            text(use_case_name),
            optional_integer(self.from_ms),
            optional_integer(self.to_ms),
            optional_integer(self.version),
            text(&json_of(&self.properties)),
            integer(low),
            integer(high.min(1 << 53)),
        ]
    }
}

/// Instances of a type in the order of their creation (of the slot of it, then of their arrival).
pub async fn list(
    database: &Database,
    type_no: i64,
    use_case_name: &str,
    filter: &Filter,
    page: Page,
) -> Result<Vec<Instance>, StorageError> {
    let sql = if page.ascending {
        include_str!("sql/list_instances.sql")
    } else {
        include_str!("sql/list_instances_descending.sql")
    };
    let mut parameters = vec![integer(type_no), integer(page.bound()), integer(page.limit + 1)];
    parameters.extend(filter.parameters(use_case_name));
    let rows: Vec<InstanceRow> = database.json(Statement::new(sql, parameters)).await?;
    rows.into_iter().map(instance_from_row).collect()
}

/// Which instances are searched: those of a type, with ids in a range, from inclusive to exclusive.
pub struct Search<'a> {
    pub application_no: i64,
    pub type_no: i64,
    pub use_case_name: &'a str,
    pub ids: (String, String),
    pub ascending: bool,
    pub limit: i64,
}

/// Instances of a type in the order of their ids, through the index of ids. That holds all ids of the application: those of other
/// types that begin alike are passed over in it.
pub async fn search(
    database: &Database,
    search: &Search<'_>,
    filter: &Filter,
) -> Result<Vec<Instance>, StorageError> {
    let sql = if search.ascending {
        include_str!("sql/search_instances.sql")
    } else {
        include_str!("sql/search_instances_descending.sql")
    };
    let mut parameters =
        vec![integer(search.type_no), integer(search.application_no), integer(search.limit + 1)];
    parameters.extend(filter.parameters(search.use_case_name));
    parameters.extend([text(&search.ids.0), text(&search.ids.1)]);
    let rows: Vec<InstanceRow> = database.json(Statement::new(sql, parameters)).await?;
    rows.into_iter().map(instance_from_row).collect()
}

/// A score of an instance, as the list of its KPIs shows it.
#[derive(Debug, Clone)]
pub struct RecordedScore {
    pub kpi_no: i64,
    pub kpi_id: String,
    pub kpi_name: String,
    pub kpi_type: String,
    pub score: f64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub timestamp_ms: i64,
    pub comment: Option<String>,
    pub source: Option<String>,
}

type ScoreRow = (i64, String, String, String, f64, i64, i64, i64, Option<String>, Option<String>);

/// The scores of an instance, in the order of its type's KPIs.
pub async fn list_scores(
    database: &Database,
    type_no: i64,
    instance_no: i64,
    name: Option<&str>,
    kpi_id: Option<&str>,
    page: Page,
) -> Result<Vec<RecordedScore>, StorageError> {
    let sql = if page.ascending {
        include_str!("sql/list_scores.sql")
    } else {
        include_str!("sql/list_scores_descending.sql")
    };
    let rows: Vec<ScoreRow> = database
        .json(Statement::new(
            sql,
            vec![
                integer(type_no),
                integer(instance_no),
                integer(page.bound()),
                super::optional_text(name),
                super::optional_text(kpi_id),
                integer(page.limit + 1),
            ],
        ))
        .await?;
    Ok(rows.into_iter().map(score_from_row).collect())
}

fn score_from_row(row: ScoreRow) -> RecordedScore {
    let (kpi_no, kpi_id, kpi_name, kpi_type, score, created_ms, updated_ms, timestamp_ms, comment, source) =
        row;
    RecordedScore {
        kpi_no,
        kpi_id,
        kpi_name,
        kpi_type,
        score,
        created_ms,
        updated_ms,
        timestamp_ms,
        comment,
        source,
    }
}

/// All scores of an instance: `(kpi_no, score, timestamp_ms)`.
pub async fn all_scores(
    database: &Database,
    type_no: i64,
    instance_no: i64,
) -> Result<Vec<(i64, f64, i64)>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_group_array(json_array(kpi_no, score, timestamp_ms)) AS j FROM scores \
             WHERE type_no = ?1 AND instance_no = ?2",
            vec![integer(type_no), integer(instance_no)],
        ))
        .await
}

/// Deletes an instance with everything it holds, and what is kept of answers about it: to be run in a batch with its guard.
pub fn delete(type_no: i64, instance_no: i64, use_case_id: &str, properties: &Properties) -> Vec<Statement> {
    let key = || vec![integer(type_no), integer(instance_no)];
    let index: Vec<_> = properties.iter().map(|(key, value)| (instance_no, key, value)).collect();
    vec![
        Statement::new("DELETE FROM scores WHERE type_no = ?1 AND instance_no = ?2", key()),
        Statement::new(
            include_str!("sql/unindex_properties.sql"),
            vec![text(&json_of(&index)), integer(type_no)],
        ),
        Statement::new(
            "DELETE FROM idempotency_keys WHERE type_no = ?1 AND use_case_id = ?2",
            vec![integer(type_no), text(use_case_id)],
        ),
        Statement::new("DELETE FROM instances WHERE type_no = ?1 AND instance_no = ?2", key()),
    ]
}
