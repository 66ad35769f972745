//! What D1 holds of one application, by plain SQL: to tell that a refused request has changed nothing.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::support::App;

/// How far the type's object is, not what it was told: a refused command may go through the queue, too.
const NOT_DATA: [&str; 2] = ["writer_state", "job_state"];

pub struct Rows {
    database: Connection,
    application_no: i64,
    /// One a table; answers every row as JSON.
    queries: Vec<String>,
}

impl Rows {
    pub fn of(app: &App) -> Self {
        let database = app.service.database();
        let application_no = database
            .query_row(
                "SELECT application_no FROM applications WHERE application_id = ?1",
                [&app.id],
                |row| row.get(0),
            )
            .unwrap();
        let tables: Vec<String> = strings(
            &database,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' \
             AND name NOT LIKE 'd1%'",
        );
        let data = tables.iter().filter(|table| !NOT_DATA.contains(&table.as_str()));
        let queries = data.map(|table| query(&database, table)).collect();
        Self { database, application_no, queries }
    }

    pub fn now(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for query in &self.queries {
            let mut statement = self.database.prepare_cached(query).unwrap();
            let rows = statement.query_map([self.application_no], |row| row.get::<_, String>(0)).unwrap();
            all.extend(rows.map(Result::unwrap));
        }
        all
    }

    /// Panics with what differs.
    pub fn assert_still(&self, before: &BTreeSet<String>, what: &str) {
        let after = self.now();
        let gone: Vec<_> = before.difference(&after).collect();
        let new: Vec<_> = after.difference(before).collect();
        assert!(gone.is_empty() && new.is_empty(), "{what} changed D1: gone {gone:#?}, new {new:#?}");
    }
}

fn query(database: &Connection, table: &str) -> String {
    let columns = strings(
        database,
        // When a key was used last is no data either.
        &format!(
            "SELECT name FROM pragma_table_info('{table}') WHERE name NOT LIKE 'last_used%' ORDER BY cid"
        ),
    );
    let has = |name: &str| columns.iter().any(|column| column == name);
    let of_application = match (has("application_no"), has("type_no")) {
        (true, _) => "application_no = ?1",
        (false, true) => "type_no IN (SELECT type_no FROM use_case_types WHERE application_no = ?1)",
        (false, false) => panic!("whose are the rows of {table}?"),
    };
    format!("SELECT json_array('{table}', {}) FROM {table} WHERE {of_application}", columns.join(", "))
}

fn strings(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
