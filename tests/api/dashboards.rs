//! Dashboards: filters, calendars, the overview, and the check against D1.

use serde_json::{Value, json};

use crate::app;
use crate::support::{App, check_against_recount, kpi};

fn score_at(app: &App, instance: &str, score: f64, at: &str) {
    assert_eq!(app.score("T", instance, "K", &json!({"score": score, "timestamp": at})).status, 204);
}

fn series(dashboard: &Value) -> Vec<(String, u64)> {
    dashboard["kpis"][0]["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| (point["start"].as_str().unwrap()[..16].to_owned(), point["count"].as_u64().unwrap()))
        .collect()
}

#[test]
fn figures_of_the_contract_s_example_come_out() {
    let app = app();
    app.define_with("T", &json!({"name": "K", "kpi_type": "number", "goal": 10, "unit": "$", "description": "what it is worth"}));
    for (n, score) in [4.0, 9.0, 12.0, 25.0].into_iter().enumerate() {
        score_at(&app, &format!("i{n}"), score, "2026-05-05T05:05:00Z");
    }
    app.post("/api/v1/use_cases/instances/T", &json!({"timestamp": "2026-05-06T00:00:00Z"})).ok();
    let shown = app.dashboard_with("T", "from=2026-05-01&to=2026-06-01&granularity=week");
    assert_eq!(
        shown["range"],
        json!({"from": "2026-05-01T00:00:00.000Z", "to": "2026-06-01T00:00:00.000Z", "granularity": "week", "time_zone": "UTC"})
    );
    assert_eq!(shown["filters"], json!({"version": null, "properties": {}}));
    assert_eq!(shown["use_cases"], json!({"total": 5, "reviewed": 4, "reviewed_percentage": 80.0}));
    let panel = kpi(&shown, "K");
    assert_eq!(
        (&panel["description"], &panel["unit"], &panel["goal"]),
        (&json!("what it is worth"), &json!("$"), &json!(10.0))
    );
    assert_eq!((&panel["average"], &panel["display"]), (&json!(12.5), &json!("$12.50 (Goal: $10.00)")));
    assert_eq!(
        (&panel["goal_met"], &panel["percent_of_goal"], &panel["scores_meeting_goal_percentage"]),
        (&json!(true), &json!(125.0), &json!(50.0))
    );
    assert_eq!(panel["reviewed"], json!({"count": 4, "percentage": 80.0}));
    assert_eq!(panel["distribution"]["buckets"][0], json!({"from": 0.0, "to": 5.0, "count": 1}));
    assert_eq!(series(&shown).iter().map(|point| point.1).sum::<u64>(), 4);
    assert_eq!(shown["kpis"][0]["trend"]["verdict"], "insufficient_data");
}

#[test]
fn a_range_takes_its_first_instant_and_not_its_last() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    for (n, at) in [
        "2026-04-30T23:59:59.999Z",
        "2026-05-01T00:00:00Z",
        "2026-05-01T23:59:59.999Z",
        "2026-05-02T00:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        score_at(&app, &format!("i{n}"), n as f64, at);
    }
    let shown = app.dashboard_with("T", "from=2026-05-01&to=2026-05-02");
    assert_eq!((&kpi(&shown, "K")["count"], &kpi(&shown, "K")["average"]), (&json!(2), &json!(1.5)));
    assert_eq!(shown["use_cases"]["total"], 2);
    let rounded = app.dashboard_with("T", "from=2026-05-01T00:07:00Z&to=2026-05-01T23:46:00Z");
    assert_eq!(
        (&rounded["range"]["from"], &rounded["range"]["to"]),
        (&json!("2026-05-01T00:00:00.000Z"), &json!("2026-05-02T00:00:00.000Z"))
    );
}

#[test]
fn days_of_a_zone_are_right_when_clocks_change() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    // Berlin: 25 October 2026 has 25 hours, from 22:00Z to 23:00Z.
    for (n, at) in
        ["2026-10-24T21:59:00Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:00Z", "2026-10-25T23:00:00Z"]
            .into_iter()
            .enumerate()
    {
        score_at(&app, &format!("i{n}"), 1.0, at);
    }
    let berlin = app.dashboard_with("T", "from=2026-10-24&to=2026-10-27&time_zone=Europe/Berlin");
    let expect = [("2026-10-23T22:00", 1), ("2026-10-24T22:00", 2), ("2026-10-25T23:00", 1)]
        .map(|(at, n)| (at.to_owned(), n));
    assert_eq!(series(&berlin), expect);
    let hours =
        app.dashboard_with("T", "from=2026-10-25&to=2026-10-26&time_zone=Europe/Berlin&granularity=hour");
    assert_eq!(series(&hours).len(), 25);
    let kathmandu = app.dashboard_with("T", "from=2026-10-25&to=2026-10-26&time_zone=Asia/Kathmandu");
    assert_eq!(series(&kathmandu), [("2026-10-24T18:15".to_owned(), 2)]);
}

#[test]
fn kpis_can_be_picked_and_the_reviewed_count_stays_whole() {
    let app = app();
    for name in ["A", "B", "C"] {
        app.define("T", name, "boolean", 0.5);
    }
    app.score("T", "i", "A", &json!({"score": 1})).ok();
    app.score("T", "j", "B", &json!({"score": 1})).ok();
    let shown = app.dashboard_with("T", "from=2000-01-01&granularity=month&kpi=C&kpi=A");
    let names: Vec<&Value> = shown["kpis"].as_array().unwrap().iter().map(|kpi| &kpi["kpi_name"]).collect();
    assert_eq!(names, ["C", "A"]);
    assert_eq!(shown["use_cases"]["reviewed"], 2);
    assert_eq!(kpi(&shown, "C")["average"], Value::Null);
}

#[test]
fn the_default_range_is_the_last_thirty_days_and_five_minutes() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.score("T", "now", "K", &json!({"score": 1})).ok();
    let shown = app.get("/api/v1/dashboard/T").ok();
    assert_eq!(kpi(&shown, "K")["count"], 1);
    assert!((30..=32).contains(&series(&shown).len()));
}

#[test]
fn the_overview_sums_up_every_type_and_is_paged() {
    let app = app();
    for n in 0..5 {
        app.define(&format!("T{n}"), "K", "likert5", 3.0);
        app.score(&format!("T{n}"), &format!("i{n}"), "K", &json!({"score": n % 5 + 1})).ok();
    }
    let first = app.get("/api/v1/dashboard?limit=3").ok();
    let rest =
        app.get(&format!("/api/v1/dashboard?limit=3&cursor={}", first["cursor"].as_str().unwrap())).ok();
    let items: Vec<&Value> =
        first["items"].as_array().unwrap().iter().chain(rest["items"].as_array().unwrap()).collect();
    assert_eq!(items.len(), 5);
    assert_eq!(rest.get("cursor"), None);
    for (n, item) in items.iter().enumerate() {
        assert_eq!(item["use_case_name"], format!("T{n}"));
        assert_eq!(
            (&item["kpis"][0]["average"], &item["kpis"][0]["count"]),
            (&json!((n % 5 + 1) as f64), &json!(1))
        );
        assert_eq!(item["use_cases"]["reviewed"], 1);
    }
}

#[test]
fn reconcile_finds_nothing_to_repair_after_ordinary_work() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    app.define("U", "K", "number", 10.0);
    for n in 0..30 {
        score_at(&app, &format!("i{n}"), f64::from(n), &format!("2026-0{}-11T10:00:00Z", n % 9 + 1));
    }
    let report = app.post("/api/v1/admin/reconcile?use_case_name=T", &json!({})).ok();
    // Nine slots of scores, nine of creations.
    assert_eq!(
        (&report["checked"], &report["repaired"], &report["differences"]),
        (&json!(18), &json!(0), &json!([]))
    );
    assert_eq!(app.post("/api/v1/admin/reconcile", &json!({})).ok()["checked"], 18);
    app.post("/api/v1/admin/reconcile?use_case_name=Nope", &json!({})).refused(
        404,
        "use_case_not_found",
        "Nope",
    );
}

#[test]
fn a_value_that_leaves_gives_the_extremes_back() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    let at = "2026-05-05T05:05:00Z";
    for (n, score) in [1.0, 2.0, 3.0, 1e15].into_iter().enumerate() {
        score_at(&app, &format!("i{n}"), score, at);
    }
    score_at(&app, "i3", 2.5, at);
    check_against_recount(&app, "T");
    app.score("T", "i0", "K", &json!({"score": null})).ok();
    check_against_recount(&app, "T");
    let shown = app.dashboard("T");
    assert_eq!(
        (&kpi(&shown, "K")["minimum"], &kpi(&shown, "K")["maximum"], &kpi(&shown, "K")["average"]),
        (&json!(2.0), &json!(3.0), &json!(2.5))
    );
}

#[test]
fn an_outlier_falls_into_the_open_bucket_on_its_side() {
    let app = app();
    for (name, far) in [("above", 1e12), ("below", -1e12)] {
        app.define("T", name, "number", 7.0);
        for n in 0..200 {
            let score = if n == 0 { far } else { 7.0 };
            let body = json!({"score": score, "timestamp": "2026-05-05T05:05:00Z"});
            app.score("T", &format!("i{n}"), name, &body).ok();
        }
        let shown = app.dashboard_with("T", "from=2026-05-01&to=2026-06-01&granularity=week");
        let buckets = kpi(&shown, name)["distribution"]["buckets"].clone();
        let middle = json!({"from": 6.0, "to": 8.0, "count": 199});
        let expect = if far > 0.0 {
            json!([middle, {"from": 8.0, "to": null, "count": 1}])
        } else {
            json!([{"from": null, "to": 6.0, "count": 1}, middle])
        };
        assert_eq!(buckets, expect);
    }
}

#[test]
fn a_spread_of_one_around_a_billion_is_seen() {
    let app = app();
    app.define("T", "K", "number", 1e9);
    let scores: Vec<Value> = (0..300)
        .map(|n| json!({"use_case_id": format!("i{n}"), "kpi_name": "K", "score": 1e9 + f64::from(n % 3)}))
        .collect();
    app.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": scores})).ok();
    // Python: statistics.stdev(n % 3 for n in range(300))
    let deviation = kpi(&app.dashboard("T"), "K")["standard_deviation"].as_f64().unwrap();
    assert!((deviation - 0.817_860_820_1).abs() < 1e-6, "{deviation}");
    check_against_recount(&app, "T");
}
