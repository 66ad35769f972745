//! What is deleted leaves nothing behind, neither in D1 nor in any object.

use serde_json::{Value, json};

use crate::support::{self, App, OFTEN};
use crate::{in_object, object_of};

/// Rows of an application in every table that has some, by the tables' own keys.
fn rows(app: &App, application_no: i64) -> Vec<(&'static str, i64)> {
    let database = app.service.database();
    let types = "SELECT type_no FROM use_case_types WHERE application_no = ?1";
    [
        ("applications", "application_no = ?1".to_owned()),
        ("api_keys", "application_no = ?1".to_owned()),
        ("use_case_types", "application_no = ?1".to_owned()),
        ("instances", "application_no = ?1".to_owned()),
        ("idempotency_keys", "application_no = ?1".to_owned()),
        ("type_versions", format!("type_no IN ({types})")),
        ("writer_state", format!("type_no IN ({types})")),
        ("kpis", format!("type_no IN ({types})")),
        ("events", format!("type_no IN ({types})")),
        ("instance_properties", format!("type_no IN ({types})")),
        ("scores", format!("type_no IN ({types})")),
    ]
    .into_iter()
    .map(|(table, condition)| {
        let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
        (table, database.query_row(&sql, [application_no], |row| row.get(0)).unwrap())
    })
    .collect()
}

/// Rows in all tables: what no longer belongs to any type would be seen here.
fn all_rows(app: &App) -> Vec<i64> {
    let database = app.service.database();
    ["instances", "idempotency_keys", "type_versions", "writer_state", "kpis", "events", "scores"]
        .iter()
        .chain(&["instance_properties", "use_case_types", "api_keys", "applications"])
        .map(|table| {
            database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        })
        .collect()
}

fn application_no(app: &App) -> i64 {
    let find = "SELECT application_no FROM applications WHERE application_id = ?1";
    app.service.database().query_row(find, [&app.id], |row| row.get(0)).unwrap()
}

/// A type with everything that one can have; instances are made with an Idempotency-Key.
fn make(app: &App, use_case: &str) -> String {
    app.define(use_case, "K", "number", 3.0);
    app.define(use_case, "L", "likert5", 3.0);
    let events = format!("/api/v1/use_cases/definitions/{use_case}/events");
    app.post(&events, &json!({"title": "New prompt", "at": "2026-10-01T00:00:00Z"})).ok();
    app.post(&format!("/api/v1/use_cases/definitions/{use_case}/increment_version"), &json!({})).ok();
    for n in 0..20 {
        let body =
            json!({"use_case_id": format!("{use_case}-{n}"), "properties": {"model": format!("m{}", n % 3)}});
        let path = format!("/api/v1/use_cases/instances/{use_case}");
        let key = format!("{use_case}-{n}");
        app.send("POST", &path, Some(body.to_string()), &[("Idempotency-Key", &key)]).ok();
        app.score(use_case, &format!("{use_case}-{n}"), "K", &json!({"score": n, "comment": "private"})).ok();
        let increment = format!("/api/v1/use_cases/instances/{use_case}/{use_case}-{n}/kpis/K/increment");
        let key = format!("increment-{use_case}-{n}");
        app.send("POST", &increment, Some(json!({"by": 1}).to_string()), &[("Idempotency-Key", &key)]).ok();
    }
    object_of(app, use_case)
}

/// The tables that an object has of its own.
fn tables(app: &App, object: &str) -> Vec<Vec<Value>> {
    in_object(
        app,
        object,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
    )
}

pub fn an_instance(app: &App) {
    make(app, "One");
    for n in 0..20 {
        app.delete(&format!("/api/v1/use_cases/instances/One/One-{n}")).ok();
    }
    let left: Vec<_> = rows(app, application_no(app));
    for table in ["instances", "idempotency_keys", "scores", "instance_properties"] {
        assert_eq!(left.iter().find(|(name, _)| *name == table), Some(&(table, 0)), "{left:?}");
    }
    let object = object_of(app, "One");
    assert_eq!(in_object(app, &object, "SELECT count(*) FROM cells"), vec![vec![json!(0)]]);
}

pub fn a_use_case_type(app: &App) {
    app.delete("/api/v1/use_cases/definitions/One").ok();
    app.run_cron(OFTEN);
    let before = all_rows(app);
    let object = make(app, "Whole");
    assert!(!tables(app, &object).is_empty());
    app.delete("/api/v1/use_cases/definitions/Whole").ok();
    assert_eq!(tables(app, &object), Vec::<Vec<Value>>::new());
    app.run_cron(OFTEN);
    app.run_cron(OFTEN);
    assert_eq!(all_rows(app), before);
    assert_eq!(tables(app, &object), Vec::<Vec<Value>>::new());
}

pub fn an_application(app: &App) {
    let root = app.service.root();
    let other = app.service.application();
    make(&other, "Kept");
    let before = all_rows(app);
    let gone = app.service.application();
    let number = application_no(&gone);
    let objects = [make(&gone, "First"), make(&gone, "Second")];
    assert!(rows(&gone, number).iter().all(|(_, rows)| *rows > 0), "{:?}", rows(&gone, number));
    let path = format!("/api/v1/applications/{}", gone.id);
    gone.delete(&path).refused(403, "forbidden", "admin");
    assert_eq!(root.delete(&path).ok()["application_id"], json!(gone.id));
    // At once: the keys are void, and the id is free.
    gone.get("/api/v1/dashboard").refused(401, "invalid_api_key", "");
    root.delete(&path).refused(404, "not_found", &gone.id);
    let listed = root.get("/api/v1/applications?limit=500").ok();
    assert!(listed["items"].as_array().unwrap().iter().all(|a| a["application_id"] != json!(gone.id)));
    root.delete("/api/v1/applications/default").refused(400, "invalid_request", "root key");
    // Some isolate may still trust a key for 30 seconds; the rest waits for that. They are over now.
    let database = support::open(&app.service.database_file(), rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let back = "UPDATE applications SET deleted_ms = deleted_ms - 60000 WHERE deleted_ms IS NOT NULL";
    assert!((0..50).any(|_| database.execute(back, []).is_ok_and(|rows| rows == 1)));
    drop(database);
    for _ in 0..3 {
        app.run_cron(OFTEN);
    }
    assert!(rows(app, number).iter().all(|(_, rows)| *rows == 0), "{:?}", rows(app, number));
    assert_eq!(all_rows(app), before);
    for object in objects {
        assert_eq!(tables(app, &object), Vec::<Vec<Value>>::new());
    }
    // The same id again is another application.
    root.post("/api/v1/applications", &json!({"application_id": gone.id})).ok();
}
