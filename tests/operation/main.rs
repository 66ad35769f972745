//! What an operator relies on: wrong, unreadable and lost aggregates are made right, what is deleted leaves nothing behind, and
//! limits hold. With a service of its own, whose entry reaches into the objects' storage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

mod deletion;
mod doors;
mod repair;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

use running::Running;
use serde_json::{Value, json};
use support::App;

/// Runs a test against a service of its own.
fn with_service(test: impl FnOnce(&App)) {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operation/wrangler.toml");
    let running = Running::temporary("operation", Some(config));
    test(&running.service.application());
    running.remove();
}

/// The internal name of a type's object.
fn object_of(app: &App, use_case: &str) -> String {
    let find = "SELECT object_name FROM use_case_types t JOIN applications a USING (application_no) \
                WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL";
    app.service.database().query_row(find, [app.id.as_str(), use_case], |row| row.get(0)).unwrap()
}

/// What a statement answers in an object's own storage.
fn in_object(app: &App, object: &str, sql: &str) -> Vec<Vec<Value>> {
    let path = format!("/__object?name={object}&sql={}", support::encode(sql));
    serde_json::from_value(app.get(&path).ok()).unwrap()
}

/// Changes rows in an object's own storage; there must be some.
fn change_in_object(app: &App, object: &str, sql: &str) {
    let changed = in_object(app, object, &format!("{sql} RETURNING 1"));
    assert!(!changed.is_empty(), "{sql} has changed nothing");
}

/// The object's storage is lost, and the object starts anew.
fn lose(app: &App, object: &str) {
    assert_eq!(app.get(&format!("/__object?name={object}&lose=1")).ok(), json!("gone"));
}

/// The object starts anew, with what it holds.
fn restart(app: &App, object: &str) {
    assert_eq!(app.get(&format!("/__object?name={object}&restart=1")).ok(), json!("gone"));
}

/// Scores of one KPI: `count` of them, spread over the days before `2026-11-01`, `every` days apart.
fn fill(app: &App, use_case: &str, count: i64, every: i64) {
    let at = |n: i64| {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap() - chrono::Duration::days(n * every);
        format!("{day}T{:02}:00:00Z", n % 24)
    };
    let scores: Vec<Value> = (0..count)
        .map(|n| {
            json!({"use_case_id": format!("{use_case}-{n}"), "kpi_name": "K", "score": n % 7, "timestamp": at(n)})
        })
        .collect();
    for portion in scores.chunks(1000) {
        let path = format!("/api/v1/use_cases/definitions/{use_case}/scores");
        assert_eq!(app.post(&path, &json!({"scores": portion})).ok()["rejected"], 0);
    }
}

#[test]
fn aggregates_that_are_wrong_are_made_right() {
    with_service(|app| {
        repair::a_wrong_count_is_found_by_the_next_cron(app);
        repair::a_wrong_count_is_found_on_demand(app);
        repair::cells_that_can_not_be_read_are_counted_again(app);
        repair::a_rebuild_replaces_wrong_cells_while_everybody_reads(app);
        repair::a_rebuild_finds_forgotten_properties(app);
        repair::a_lost_object_is_rebuilt_while_writes_go_on(app);
    });
}

#[test]
fn what_is_deleted_leaves_nothing_behind() {
    with_service(|app| {
        deletion::an_instance(app);
        deletion::a_use_case_type(app);
        deletion::an_application(app);
    });
}

#[test]
fn limits_and_origins_are_those_of_the_configuration() {
    with_service(|app| {
        doors::each_key_is_limited_by_its_role(app);
        doors::only_listed_pages_may_call(app);
        doors::the_log_tells_what_a_request_cost_and_nothing_private(app);
        doors::the_day_of_a_key_s_last_use_is_known(app);
        // Last: for a while this address may have no key looked up.
        doors::unknown_keys_are_limited_by_address(app);
    });
}
