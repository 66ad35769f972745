//! D1, the record of truth: SQL and the turning of rows into domain values. It knows no HTTP status and holds no policy.
//!
//! Rows come back as one JSON text a statement (`json_group_array`), because one string crosses the border between
//! JavaScript and WebAssembly far faster than many objects. SQLite writes and reads the doubles in it exactly; a test of the
//! whole service pins that.

pub mod accounts;
pub mod definitions;
pub mod events;
pub mod exports;
pub mod filtered;
pub mod instances;
pub mod jobs;
pub mod recount;
pub mod writer;

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Delay, Env};

use crate::config::DATABASE_BINDING;

/// A D1 call that has not answered by then counts as failed, its outcome unknown. D1's own limit is 30 s.
const CALL_MAX: Duration = Duration::from_secs(12);

/// What can go wrong with D1.
#[derive(Debug, Clone)]
pub enum StorageError {
    /// The call failed or ran out of time. A write may or may not have taken effect.
    Unknown(String),
    /// The batch's guard refused it: another epoch writes now. Nothing took effect.
    Fenced,
    /// A row is not what this version writes.
    Corrupt(String),
}

/// One statement and its parameters.
pub struct Statement {
    sql: &'static str,
    parameters: Vec<JsValue>,
}

impl Statement {
    pub fn new(sql: &'static str, parameters: Vec<JsValue>) -> Self {
        Self { sql, parameters }
    }
}

/// A whole number as a parameter. D1 binds every number as REAL, exact up to 2^53; INTEGER columns take it back.
#[allow(clippy::cast_precision_loss)] // every number of ours is below 2^53
pub fn integer(number: i64) -> JsValue {
    JsValue::from_f64(number as f64)
}

pub fn real(number: f64) -> JsValue {
    JsValue::from_f64(number)
}

pub fn text(text: &str) -> JsValue {
    JsValue::from_str(text)
}

pub fn optional_text(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

pub fn optional_integer(number: Option<i64>) -> JsValue {
    number.map_or(JsValue::NULL, integer)
}

/// The database. It counts the calls made through it.
pub struct Database {
    /// Found at the first call: most requests make none.
    d1: OnceCell<D1Database>,
    env: Env,
    calls: Rc<Cell<u32>>,
}

impl Database {
    pub fn new(env: &Env) -> Self {
        Self::counted(env, Rc::default())
    }

    /// Counts its calls here.
    pub fn counted(env: &Env, calls: Rc<Cell<u32>>) -> Self {
        Self { d1: OnceCell::new(), env: env.clone(), calls }
    }

    fn d1(&self) -> Result<&D1Database, StorageError> {
        if let Some(d1) = self.d1.get() {
            return Ok(d1);
        }
        let missing = |_| StorageError::Unknown("the database is not bound".to_owned());
        let found = self.env.d1(DATABASE_BINDING).map_err(missing)?;
        Ok(self.d1.get_or_init(|| found))
    }

    /// Where its calls are counted.
    pub fn calls(&self) -> Rc<Cell<u32>> {
        Rc::clone(&self.calls)
    }

    /// Runs the statements in one transaction.
    pub async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StorageError> {
        let d1 = self.d1()?;
        let prepared = statements
            .into_iter()
            .map(|statement| d1.prepare(statement.sql).bind(&statement.parameters))
            .collect::<Result<Vec<D1PreparedStatement>, _>>()
            .map_err(unknown)?;
        self.calls.set(self.calls.get() + 1);
        let call = std::pin::pin!(d1.batch(prepared));
        match select(call, Delay::from(CALL_MAX)).await {
            Either::Left((results, _)) => Ok(results.map_err(unknown)?.into_iter().map(Answer).collect()),
            Either::Right(_) => Err(StorageError::Unknown("no answer in time".to_owned())),
        }
    }

    /// Runs one statement.
    pub async fn run(&self, statement: Statement) -> Result<Answer, StorageError> {
        self.batch(vec![statement])
            .await?
            .pop()
            .ok_or_else(|| StorageError::Corrupt("a statement without an answer".to_owned()))
    }

    /// Runs one statement that answers one JSON text.
    pub async fn json<T: DeserializeOwned>(&self, statement: Statement) -> Result<T, StorageError> {
        self.run(statement).await?.json()
    }
}

/// What one statement of a batch answered.
pub struct Answer(D1Result);

#[derive(Deserialize)]
struct JsonRow {
    j: String,
}

impl Answer {
    /// The JSON text in column `j` of the only row.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, StorageError> {
        self.optional_json()?.ok_or_else(|| StorageError::Corrupt("a row is missing".to_owned()))
    }

    /// The same, where there may be no row.
    pub fn optional_json<T: DeserializeOwned>(&self) -> Result<Option<T>, StorageError> {
        let rows: Vec<JsonRow> = self.0.results().map_err(|error| StorageError::Corrupt(describe(&error)))?;
        rows.first()
            .map(|row| serde_json::from_str(&row.j).map_err(|error| StorageError::Corrupt(error.to_string())))
            .transpose()
    }

    /// Rows that an INSERT, UPDATE or DELETE changed.
    pub fn changes(&self) -> usize {
        self.0.meta().ok().flatten().and_then(|meta| meta.changes).unwrap_or(0)
    }
}

/// The statement in `sql/guard.sql` fails with this when the epoch has moved on.
const GUARD_FAILED: &str = "malformed JSON";

fn unknown(error: worker::Error) -> StorageError {
    let description = describe(&error);
    if description.contains(GUARD_FAILED) { StorageError::Fenced } else { StorageError::Unknown(description) }
}

/// Formatting a `D1Error` with `{}` aborts the instance; its cause does not.
fn describe(error: &worker::Error) -> String {
    match error {
        worker::Error::D1(d1) => d1.cause(),
        other => other.to_string(),
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    fn migrated() -> rusqlite::Result<rusqlite::Connection> {
        let database = rusqlite::Connection::open_in_memory()?;
        database.execute_batch(include_str!("../../migrations/0001_core.sql"))?;
        database.execute_batch(include_str!("../../migrations/0002_analysis.sql"))?;
        database.execute_batch(include_str!("../../migrations/0003_operation.sql"))?;
        Ok(database)
    }

    /// How SQLite goes about each longer statement. Without statistics it may well drive a join from the wrong side, and then
    /// every score costs a scan of its type; CROSS JOIN keeps it from that, and this test keeps the CROSS JOINs.
    #[test]
    fn every_statement_finds_its_rows_by_key() {
        let database = migrated().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/sql");
        let mut checked = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let sql = std::fs::read_to_string(&path).unwrap();
            let mut explained = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nothing = vec![rusqlite::types::Value::Text("[]".into()); explained.parameter_count()];
            let steps: Vec<String> = explained
                .query_map(rusqlite::params_from_iter(nothing), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            for step in &steps {
                // Lists of parameters and results of subqueries are scanned; tables never.
                let scans_table = step.starts_with("SCAN ")
                    && !step.contains("VIRTUAL TABLE")
                    && !step.contains("(subquery")
                    // A recursive query's own rows, a leap each.
                    && !["SCAN found", "SCAN CONSTANT ROW"].contains(&step.as_str());
                // Nor all rows of a type or an application, but for lists and recounts, which go through a range of them.
                let only_owner = step.ends_with("(type_no=?)") || step.ends_with("(application_no=?)");
                // min(), which reads one row.
                let smallest = path.ends_with("property_keys.sql");
                // A purge looks for the few that are deleted among types, KPIs or applications, of which there are few.
                let of_few = ["SCAN t", "SCAN k", "SCAN a"].contains(&step.as_str());
                let is_purge =
                    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("purge_"));
                if is_purge && of_few {
                    continue;
                }
                // Of one deleted type, KPI or application: up to a limit. (What a purge removes, it finds by the whole key.)
                let of_deleted = is_purge && step.split(' ').nth(1).is_some_and(|alias| alias.len() == 1);
                let of_few_rows = step.contains("kpis") || smallest || of_deleted;
                // A page of a search costs what it shows, not what there is.
                let is_search =
                    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("search_"));
                assert!(!(is_search && step.contains("TEMP B-TREE")), "{}: {steps:#?}", path.display());
                assert!(!scans_table && (!only_owner || of_few_rows), "{}: {steps:#?}", path.display());
            }
            checked += 1;
        }
        assert!(checked > 20);
    }

    #[test]
    fn the_guard_ends_every_batch_but_the_next_one_of_the_current_epoch() {
        let database = migrated().unwrap();
        database
            .execute_batch(
                "INSERT INTO use_case_types VALUES (7, 1, 'T', '', 1, 1, 'object', 0, 0, NULL); \
                 INSERT INTO writer_state VALUES (7, 3, 10, 3, 0, 1, '{}')",
            )
            .unwrap();
        // (type_no, epoch, batch_no)
        let guard = |parameters: (f64, f64, f64)| {
            database.query_row(include_str!("sql/guard.sql"), parameters, |row| row.get::<_, i64>(0))
        };
        assert_eq!(guard((7.0, 3.0, 11.0)), Ok(1));
        for refused in
            [(7.0, 2.0, 11.0), (7.0, 4.0, 11.0), (7.0, 3.0, 10.0), (7.0, 3.0, 12.0), (8.0, 3.0, 11.0)]
        {
            let error = guard(refused).unwrap_err().to_string();
            assert!(error.contains(super::GUARD_FAILED), "{refused:?}: {error}");
        }
    }
}
