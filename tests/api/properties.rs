//! Dashboards filtered by properties: the answer reflects what the instances' properties are now, from cells or from D1.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::app;
use crate::support::{App, check_against_recount, check_filtered, kpi};

fn set(app: &App, instance: &str, properties: &Value) {
    let path = format!("/api/v1/use_cases/instances/T/{instance}/properties");
    app.put(&path, &json!({"properties": properties})).ok();
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// The count of the only KPI under a filter.
fn count(app: &App, filter: &str) -> u64 {
    let shown = app.dashboard_with("T", &format!("from=2000-01-01&granularity=month&{filter}"));
    shown["kpis"][0]["count"].as_u64().unwrap()
}

fn tracked(app: &App, key: &str) -> bool {
    let shown = app.get("/api/v1/use_cases/definitions/T/properties").ok();
    let items = shown["items"].as_array().unwrap();
    items.iter().find(|item| item["key"] == key).unwrap()["tracked"].as_bool().unwrap()
}

#[test]
fn scores_follow_the_properties_of_their_instance() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    for n in 0..4 {
        let body = json!({"score": n * 10, "timestamp": "2026-05-05T05:05:00Z"});
        app.score("T", &format!("i{n}"), "K", &body).ok();
    }
    set(&app, "i0", &json!({"model": "a", "region": "eu"}));
    set(&app, "i1", &json!({"model": "a"}));
    set(&app, "i2", &json!({"model": "b"}));
    let shown = app.dashboard_with("T", "from=2026-05-01&to=2026-06-01&granularity=month&property.model=a");
    assert_eq!(shown["filters"], json!({"version": null, "properties": {"model": "a"}}));
    assert_eq!(kpi(&shown, "K")["average"], 5.0);
    assert_eq!(kpi(&shown, "K")["maximum"], 10.0);
    set(&app, "i1", &json!({"model": "b"}));
    set(&app, "i2", &json!({"model": null}));
    assert_eq!((count(&app, "property.model=a"), count(&app, "property.model=b")), (1, 1));
    assert_eq!((count(&app, "property.model=nope"), count(&app, "property.nope=a")), (0, 0));
    // Set with the scores still to come, and by the making of an instance.
    app.post("/api/v1/use_cases/instances/T", &json!({"use_case_id": "i9", "properties": {"model": "b"}}))
        .ok();
    app.score("T", "i9", "K", &json!({"score": 1})).ok();
    assert_eq!(count(&app, "property.model=b"), 2);
    app.delete("/api/v1/use_cases/instances/T/i9").ok();
    assert_eq!(count(&app, "property.model=b"), 1);
    let listed = app.get("/api/v1/use_cases/definitions/T/properties").ok();
    assert_eq!(
        listed["items"],
        json!([
            {"key": "model", "tracked": true, "values": [{"value": "a", "count": 1}, {"value": "b", "count": 1}], "more_values": false},
            {"key": "region", "tracked": true, "values": [{"value": "eu", "count": 1}], "more_values": false},
        ])
    );
    check_against_recount(&app, "T");
}

/// Issue: a thousand random property changes after the scores.
#[test]
fn after_a_thousand_property_changes_every_filtered_dashboard_equals_the_recount() {
    let app = app();
    let mut random = StdRng::seed_from_u64(7);
    app.define("T", "N", "number", 10.0);
    app.define("T", "L", "likert5", 3.0);
    app.define("T", "B", "boolean", 0.5);
    let scores: Vec<Value> = (0..600)
        .map(|n| {
            let (name, score) = match n % 3 {
                0 => ("N", f64::from(random.random_range(-500..500)) / 7.0),
                1 => ("L", f64::from(random.random_range(1..=5))),
                _ => ("B", f64::from(random.random_range(0..2))),
            };
            let at = format!("2026-06-{:02}T{:02}:00:00Z", random.random_range(1..=9), random.random_range(0..24));
            json!({"use_case_id": format!("i{}", random.random_range(0..150)), "kpi_name": name, "score": score, "timestamp": at})
        })
        .collect();
    app.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": scores})).ok();
    app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
    let keys = ["model", "region", "kanal", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "user"];
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let app = &app;
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(100 + thread);
                for _ in 0..125 {
                    let key = keys[random.random_range(0..keys.len())];
                    let values = if key == "user" { 300 } else { 4 };
                    let value = match random.random_range(0..=values) {
                        0 => Value::Null,
                        value => json!(format!("{key} {value}")),
                    };
                    set(app, &format!("i{}", random.random_range(0..150)), &json!({key: value}));
                }
            });
        }
    });
    check_against_recount(&app, "T");
    for both in [
        vec![pair("model", "model 1"), pair("region", "region 2")],
        vec![pair("p9", "p9 1"), pair("p10", "p10 3")],
        vec![pair("model", "model 1"), pair("region", "region 2"), pair("p6", "p6 2")],
        vec![pair("model", "model 1"), pair("nope", "nope")],
    ] {
        check_filtered(&app, "T", &both);
    }
    let report = app.post("/api/v1/admin/reconcile?use_case_name=T", &json!({})).ok();
    assert_eq!((&report["repaired"], &report["differences"]), (&json!(0), &json!([])));
}

#[test]
fn a_key_with_many_values_leaves_the_aggregates_and_is_answered_all_the_same() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    for n in 0..50 {
        app.score("T", &format!("i{n}"), "K", &json!({"score": n % 5 + 1})).ok();
        set(&app, &format!("i{n}"), &json!({"user": format!("u{n}"), "model": "m"}));
    }
    assert!(tracked(&app, "user") && tracked(&app, "model"));
    app.score("T", "one-more", "K", &json!({"score": 2})).ok();
    set(&app, "one-more", &json!({"user": "u50"}));
    assert!(!tracked(&app, "user") && tracked(&app, "model"));
    assert_eq!(count(&app, "property.user=u50"), 1);
    assert_eq!(count(&app, "property.user=u7&property.model=m"), 1);
    let listed = app.get("/api/v1/use_cases/definitions/T/properties").ok();
    assert_eq!(listed["items"][1]["values"].as_array().unwrap().len(), 50);
    assert_eq!(listed["items"][1]["more_values"], true);
    // A value too long for aggregates.
    set(&app, "one-more", &json!({"note": "x".repeat(512)}));
    assert!(!tracked(&app, "note"));
    assert_eq!(count(&app, &format!("property.note={}", "x".repeat(512))), 1);
    check_against_recount(&app, "T");
}

#[test]
fn filters_that_can_not_be_are_refused() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    for (query, says) in [
        ("property.=x".to_owned(), "property key"),
        (format!("property.{}=x", "k".repeat(65)), "64"),
        (format!("property.k={}", "v".repeat(513)), "512"),
        ("property.k=a&property.k=b".to_owned(), "twice"),
    ] {
        app.get(&format!("/api/v1/dashboard/T?{query}")).refused(400, "invalid_filter", says);
    }
}
