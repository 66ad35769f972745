//! The object keeps its answers to reads, and an isolate what is common to all responses: neither must outlive what it says.

use serde_json::{Value, json};

use crate::app;

#[test]
fn a_dashboard_that_was_asked_for_before_shows_whatever_changed_since() {
    let app = app();
    app.define("T", "K", "number", 5.0);
    app.score("T", "a", "K", &json!({"score": 4.0})).ok();
    app.put("/api/v1/use_cases/instances/T/a/properties", &json!({"properties": {"plan": "pro"}})).ok();
    let definition = "/api/v1/use_cases/definitions/T";
    let event = || {
        app.post(&format!("{definition}/events"), &json!({"title": "E", "at": "2026-01-01T00:00:00Z"})).ok()
    };
    let made = event();
    type Change<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let changes: Vec<Change> = vec![
        ("a score", Box::new(|| drop(app.score("T", "b", "K", &json!({"score": 6.0})).ok()))),
        ("a rewrite", Box::new(|| drop(app.score("T", "b", "K", &json!({"score": 7.0})).ok()))),
        (
            "an instance",
            Box::new(|| drop(app.post("/api/v1/use_cases/instances/T", &json!({"use_case_id": "c"})).ok())),
        ),
        (
            "a goal",
            Box::new(|| {
                drop(app.put(&format!("{definition}/kpis/K"), &json!({"goal": 6.5, "unit": "$"})).ok())
            }),
        ),
        (
            "a version",
            Box::new(|| drop(app.post(&format!("{definition}/increment_version"), &json!({})).ok())),
        ),
        ("an event", Box::new(|| drop(event()))),
        (
            "an event less",
            Box::new(|| {
                drop(app.delete(&format!("{definition}/events/{}", made["event_id"].as_str().unwrap())).ok())
            }),
        ),
        ("another KPI", Box::new(|| drop(app.define("T", "L", "boolean", 0.5)))),
        ("an instance less", Box::new(|| drop(app.delete("/api/v1/use_cases/instances/T/b").ok()))),
        ("a KPI less", Box::new(|| drop(app.delete(&format!("{definition}/kpis/L")).ok()))),
    ];
    for (what, change) in changes {
        let before = app.dashboard("T");
        assert_eq!(app.dashboard("T"), before, "nothing changed before {what}");
        change();
        assert_ne!(app.dashboard("T"), before, "{what}");
    }
    let filtered = || app.dashboard_with("T", "from=2000-01-01&granularity=month&property.plan=pro");
    assert_eq!(
        (filtered()["use_cases"]["total"].clone(), filtered()["use_cases"]["total"].clone()),
        (json!(1), json!(1))
    );
    app.put("/api/v1/use_cases/instances/T/a/properties", &json!({"properties": {"plan": Value::Null}})).ok();
    assert_eq!(filtered()["use_cases"]["total"], json!(0));
}

/// Each question is asked in words of its own, so that none is answered from the texts that are kept.
#[test]
fn days_that_were_added_up_before_show_what_changed_since() {
    let app = app();
    app.define("T", "K", "number", 5.0);
    app.define("T", "B", "boolean", 0.5);
    let mut asked = 0;
    let mut figures = || {
        asked += 1;
        let shown = app.dashboard_with(
            "T",
            &format!("from=2026-01-01&to=2026-02-0{asked}&granularity=week&time_zone=Asia/Kolkata"),
        );
        let kpi = |place: usize, figure: &str| shown["kpis"][place][figure].clone();
        let headline = [kpi(0, "count"), kpi(0, "average"), kpi(1, "count"), kpi(1, "goal_met")];
        let series: u64 =
            shown["kpis"][0]["series"].as_array().unwrap().iter().map(|p| p["count"].as_u64().unwrap()).sum();
        assert_eq!(json!(series), headline[0]);
        let of_version_1 = app
            .dashboard_with("T", &format!("from=2026-01-01&to=2026-02-0{asked}&granularity=month&version=1"));
        assert_eq!(of_version_1["kpis"][0]["count"], json!(0));
        json!([headline, shown["use_cases"]["reviewed"]])
    };
    app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
    let score = |id: &str, kpi: &str, score: Value, day: u32| {
        let timestamp = format!("2026-01-{day:02}T10:20:00Z");
        app.score("T", id, kpi, &json!({"score": score, "timestamp": timestamp})).ok();
    };
    assert_eq!(figures(), json!([[0, null, 0, null], 0]));
    score("a", "K", json!(4.0), 10);
    score("b", "K", json!(6.0), 11);
    score("a", "B", json!(true), 11);
    assert_eq!(figures(), json!([[2, 5.0, 1, true], 2]));
    score("c", "K", json!(11.0), 11);
    assert_eq!(figures(), json!([[3, 7.0, 1, true], 3]));
    score("a", "K", json!(7.0), 20); // it moves to another day
    assert_eq!(figures(), json!([[3, 8.0, 1, true], 3]));
    app.delete("/api/v1/use_cases/instances/T/b").ok();
    assert_eq!(figures(), json!([[2, 9.0, 1, true], 2]));
    let lower = json!({"direction": "lower_is_better"});
    app.put("/api/v1/use_cases/definitions/T/kpis/B", &lower).ok();
    assert_eq!(figures(), json!([[2, 9.0, 1, false], 2]));
    app.delete("/api/v1/use_cases/instances/T/a").ok();
    app.delete("/api/v1/use_cases/instances/T/c").ok();
    assert_eq!(figures(), json!([[0, null, 0, null], 0]));
}

#[test]
fn the_default_range_shows_a_score_of_a_moment_ago() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    for n in 1..4 {
        app.score("T", &format!("i{n}"), "K", &json!({"score": true})).ok();
        assert_eq!(app.get("/api/v1/dashboard/T").ok()["kpis"][0]["count"], json!(n));
    }
}

#[test]
fn headers_of_one_answer_are_not_on_the_next() {
    let app = app();
    for _ in 0..20 {
        let refused = app.send("PATCH", "/api/v1/use_cases/definitions", None, &[]);
        assert_eq!(
            (refused.header("allow"), refused.header("x-should-retry")),
            (Some("POST, GET"), Some("false"))
        );
        let answered = app.get("/api/v1/use_cases/definitions");
        assert_eq!((answered.header("allow"), answered.header("x-should-retry")), (None, None));
        assert_eq!(answered.header("cache-control"), Some("no-store"));
        assert_ne!(answered.header("x-request-id"), refused.header("x-request-id"));
    }
}
