//! What is wrong or missing because somebody wrote into D1 behind the service's back. These tests write into D1's file, which may
//! lock it for a moment: they have a service of their own.

use serde_json::{Value, json};

use crate::support::{self, App, check_against_recount};
use crate::with_faulty_service;

#[test]
fn what_was_written_behind_the_service_is_found() {
    with_faulty_service(|app| {
        too_many_rows_for_several_properties_say_how_to_narrow_them(app);
        a_day_with_many_rows_is_checked_in_portions(app);
    });
}

/// The count of the only KPI of `Rows` under a filter.
fn count(app: &App, filter: &str) -> u64 {
    let shown = app.dashboard_with("Rows", &format!("from=2000-01-01&granularity=month&{filter}"));
    shown["kpis"][0]["count"].as_u64().unwrap()
}

fn too_many_rows_for_several_properties_say_how_to_narrow_them(app: &App) {
    app.define("Rows", "K", "boolean", 0.5);
    for request in 0..21 {
        let scores: Vec<Value> = (0..1000)
            .map(|n| {
                let at = format!("2026-06-{:02}T10:00:00Z", request + 1);
                json!({"use_case_id": format!("i{request}-{n}"), "kpi_name": "K", "score": n % 2, "timestamp": at})
            })
            .collect();
        app.post("/api/v1/use_cases/definitions/Rows/scores", &json!({"scores": scores})).ok();
    }
    // As a bulk of properties would leave it; the next request makes the object count again.
    let database = support::open(&app.service.database_file(), rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let of_type = "type_no = (SELECT type_no FROM use_case_types JOIN applications a USING (application_no) WHERE application_id = ?1 AND use_case_types.name = 'Rows')";
    let properties = r#"{"a":"1","b":"1"}"#;
    for (sql, key) in [
        (format!("UPDATE instances SET properties = '{properties}' WHERE {of_type}"), ""),
        (
            format!(
                "INSERT INTO instance_properties SELECT type_no, ?2, '1', instance_no FROM instances WHERE {of_type}"
            ),
            "a",
        ),
        (
            format!(
                "INSERT INTO instance_properties SELECT type_no, ?2, '1', instance_no FROM instances WHERE {of_type}"
            ),
            "b",
        ),
        (format!("UPDATE writer_state SET epoch = epoch + 1, batch_no = batch_no + 5 WHERE {of_type}"), ""),
    ] {
        let write = || {
            if key.is_empty() {
                database.execute(&sql, [&app.id])
            } else {
                database.execute(&sql, [app.id.as_str(), key])
            }
        };
        let done = (0..50).any(|_| write().is_ok());
        assert!(done, "{sql}");
    }
    drop(database);
    // Overtaken, the object refuses one write and starts anew.
    assert!((0..10).any(|_| app.score("Rows", "last", "K", &json!({"score": 1})).status == 204));
    assert_eq!(count(app, "property.a=1"), 21_000);
    let both = "property.a=1&property.b=1";
    app.get(&format!("/api/v1/dashboard/Rows?from=2026-01-01&granularity=month&{both}")).refused(
        422,
        "too_many_rows",
        "shorter range",
    );
    let day = app.dashboard_with("Rows", &format!("from=2026-06-02&to=2026-06-04&{both}"));
    assert_eq!((&day["kpis"][0]["count"], &day["use_cases"]["reviewed"]), (&json!(2000), &json!(2000)));
}

/// A day with more rows than a portion takes is checked in several, and what is wrong in any of them is found.
fn a_day_with_many_rows_is_checked_in_portions(app: &App) {
    app.define("Day", "K", "likert5", 3.0);
    for request in 0..24_u32 {
        let scores: Vec<Value> = (0..1000)
            .map(|n| {
                let at = format!("2026-06-01T{request:02}:{:02}:00Z", n % 60);
                json!({"use_case_id": format!("d{request}-{n}"), "kpi_name": "K", "score": n % 5 + 1, "timestamp": at})
            })
            .collect();
        let done = app.post("/api/v1/use_cases/definitions/Day/scores", &json!({"scores": scores})).ok();
        assert_eq!(done["rejected"], 0);
    }
    let first = app.post("/api/v1/admin/reconcile?use_case_name=Day", &json!({})).ok();
    assert_eq!(
        (&first["checked"], &first["repaired"]),
        (&json!(192), &json!(0)),
        "96 slots of scores and of instances"
    );
    // Behind the service's back, at both ends of the day.
    let database = support::open(&app.service.database_file(), rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    for instance in ["d0-0", "d23-59"] {
        let remove = || {
            database.execute(
                "DELETE FROM scores WHERE (type_no, instance_no) IN (SELECT type_no, instance_no FROM instances x \
                 JOIN applications a USING (application_no) WHERE a.application_id = ?1 AND x.use_case_id = ?2)",
                [app.id.as_str(), instance],
            )
        };
        assert!((0..50).any(|_| remove().is_ok_and(|rows| rows == 1)));
    }
    drop(database);
    let second = app.post("/api/v1/admin/reconcile?use_case_name=Day", &json!({})).ok();
    assert_eq!(second["repaired"], 4, "{second}");
    check_against_recount(app, "Day");
}
