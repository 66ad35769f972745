//! Use case types: made once, versions that rise, deletion that leaves nothing behind.

use serde_json::{Value, json};

use crate::app;
use crate::support::kpi;

const PATH: &str = "/api/v1/use_cases/definitions";

#[test]
fn a_type_is_made_once_and_read_back() {
    let app = app();
    let made =
        app.post(PATH, &json!({"name": "Chat-Bot", "description": "first", "logging_enabled": false})).ok();
    assert_eq!(made["name"], "Chat-Bot");
    assert_eq!(made["type_version"], 1);
    assert_eq!(made["logging_enabled"], false);
    assert_eq!(made["limit_config"], Value::Null);
    assert!(made["request_id"].as_str().is_some());
    let again = app.post(PATH, &json!({"name": "Chat-Bot", "description": "second"})).ok();
    assert_eq!(again["description"], "first", "an existing definition is not changed");
    let read = app.get(&format!("{PATH}/Chat-Bot")).ok();
    assert_eq!(read["description"], "first");
}

#[test]
fn only_an_empty_description_is_filled() {
    let app = app();
    app.define("Auto", "K", "boolean", 0.5);
    assert_eq!(app.get(&format!("{PATH}/Auto")).ok()["description"], "");
    assert_eq!(
        app.post(PATH, &json!({"name": "Auto", "description": "filled"})).ok()["description"],
        "filled"
    );
    assert_eq!(
        app.post(PATH, &json!({"name": "Auto", "description": "other"})).ok()["description"],
        "filled"
    );
}

#[test]
fn an_update_changes_what_it_names() {
    let app = app();
    app.post(PATH, &json!({"name": "T", "description": "d"})).ok();
    let updated = app.put(&format!("{PATH}/T"), &json!({"logging_enabled": false})).ok();
    assert_eq!((&updated["description"], &updated["logging_enabled"]), (&json!("d"), &json!(false)));
    app.put(&format!("{PATH}/Nope"), &json!({})).refused(404, "use_case_not_found", "Nope");
}

#[test]
fn versions_rise_and_are_events_of_the_dashboard() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let at = "2026-01-05T10:00:00.000Z";
    let path = format!("{PATH}/T/increment_version");
    assert_eq!(app.post(&path, &json!({"timestamp": at})).ok()["type_version"], 2);
    app.post(&path, &json!({"timestamp": at})).refused(400, "invalid_timestamp", "2026-01-05");
    app.post(&path, &json!({"timestamp": "2099-01-01T00:00:00Z"})).refused(
        400,
        "invalid_timestamp",
        "timestamp",
    );
    assert_eq!(app.send("POST", &path, None, &[]).ok()["type_version"], 3);
    let shown = app.dashboard("T");
    assert_eq!(shown["type_version"], 3);
    let events = shown["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["at"], &events[0]["kind"], &events[0]["version"]),
        (&json!(at), &json!("version"), &json!(2))
    );
}

#[test]
fn a_deleted_type_leaves_nothing_to_a_new_one_of_its_name() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    assert_eq!(app.score("T", "i-1", "K", &json!({"score": 5})).status, 204);
    app.post(&format!("{PATH}/T/increment_version"), &json!({})).ok();
    let gone = app.delete(&format!("{PATH}/T")).ok();
    assert_eq!((&gone["name"], &gone["type_version"]), (&json!("T"), &json!(2)));
    app.get("/api/v1/dashboard/T").refused(404, "use_case_not_found", "T");
    app.score("T", "i-1", "K", &json!({"score": 5})).refused(404, "use_case_not_found", "T");
    app.get("/api/v1/use_cases/instances/i-1").refused(404, "use_case_instance_not_found", "i-1");
    assert_eq!(app.get(PATH).ok()["items"], json!([]));

    app.define("T", "K", "likert5", 3.0);
    let shown = app.dashboard("T");
    assert_eq!((&shown["type_version"], &shown["use_cases"]["total"]), (&json!(1), &json!(0)));
    assert_eq!(kpi(&shown, "K")["count"], 0);
    // The old instance's id is free, although its row may not be purged yet.
    assert_eq!(app.score("T", "i-1", "K", &json!({"score": 2})).status, 204);
    let shown = app.dashboard("T");
    assert_eq!((&kpi(&shown, "K")["count"], &kpi(&shown, "K")["maximum"]), (&json!(1), &json!(2.0)));
    app.post("/api/v1/use_cases/instances/T", &json!({"use_case_id": "i-1"})).ok();
}

#[test]
fn spending_limits_are_not_supported_and_say_so() {
    let app = app();
    app.post(PATH, &json!({"name": "T", "description": "", "limit_config": {"max": 1}})).refused(
        501,
        "limits_not_supported",
        "limit_config",
    );
    app.get(PATH).ok();
    for method in ["POST", "DELETE"] {
        app.send(method, &format!("{PATH}/T/limit_config"), None, &[]).refused(
            501,
            "limits_not_supported",
            "cost",
        );
    }
}

#[test]
fn lists_come_in_pages_that_stay_stable_while_rows_are_added() {
    let app = app();
    for n in 0..7 {
        app.post(PATH, &json!({"name": format!("T{n}"), "description": "d"})).ok();
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("{PATH}?limit=3{cursor}")).ok();
        for item in page["items"].as_array().unwrap() {
            assert!(item["request_id"].is_string());
            seen.push(item["name"].as_str().unwrap().to_owned());
        }
        if seen.len() == 3 {
            app.post(PATH, &json!({"name": "T7", "description": "d"})).ok();
        }
        match page.get("cursor") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => break,
        }
    }
    let expect: Vec<String> = (0..8).map(|n| format!("T{n}")).collect();
    assert_eq!(seen, expect);
    let page = app.get(&format!("{PATH}?limit=2&sort_ascending=false")).ok();
    assert_eq!((&page["items"][0]["name"], &page["items"][1]["name"]), (&json!("T7"), &json!("T6")));
    let page = app.get(&format!("{PATH}?use_case_name=T4")).ok();
    assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["name"]), (1, &json!("T4")));
}
