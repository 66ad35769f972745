//! Events, comparisons, breakdowns, benchmarks, the overview's trends: shapes, windows and refusals. The figures themselves are
//! held against scipy and others in tests/oracle.

use serde_json::{Value, json};

use crate::app;
use crate::support::{App, kpi};

const DEFINITIONS: &str = "/api/v1/use_cases/definitions/T";

/// `n` scores a day for each day of June 2026, as `score(day, place in the day)` has them.
fn fill(app: &App, name: &str, n: u32, version: i64, score: impl Fn(u32, u32) -> f64) {
    for day in 1..=30 {
        let scores: Vec<Value> = (0..n)
            .map(|place| {
                let at = format!("2026-06-{day:02}T{:02}:00:00Z", place % 24);
                json!({"use_case_id": format!("{name}-{version}-{day}-{place}"), "kpi_name": name, "score": score(day, place), "timestamp": at})
            })
            .collect();
        let body = Some(json!({"scores": scores}).to_string());
        let header = [("xProxy-UseCase-Version", version.to_string())];
        let headers: Vec<(&str, &str)> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let done = app.send("POST", &format!("{DEFINITIONS}/scores"), body, &headers).ok();
        assert_eq!(done["rejected"], 0, "{done}");
    }
}

const JUNE: &str = "from=2026-06-01&to=2026-07-01";

#[test]
fn an_event_is_answered_with_before_and_after_and_stands_on_the_dashboard() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    fill(&app, "K", 6, 1, |day, place| f64::from(place) + if day >= 15 { 5.0 } else { 10.0 });
    let made = app
        .post(
            &format!("{DEFINITIONS}/events"),
            &json!({"at": "2026-06-15T00:00:00Z", "title": "New prompt", "description": "shorter"}),
        )
        .ok();
    assert_eq!(
        made["window"],
        json!({"baseline": {"from": "2026-06-08T00:00:00.000Z", "to": "2026-06-15T00:00:00.000Z"},
               "candidate": {"from": "2026-06-15T00:00:00.000Z", "to": "2026-06-22T00:00:00.000Z"}})
    );
    let comparison = &made["comparisons"][0];
    assert_eq!((&comparison["kpi_name"], &comparison["test"]), (&json!("K"), &json!("welch_t")));
    assert_eq!((&comparison["difference"], &comparison["verdict"]), (&json!(-5.0), &json!("worsened")));
    assert_eq!(
        (&comparison["baseline"]["count"], &comparison["candidate"]["average"]),
        (&json!(42), &json!(7.5))
    );
    let shown = app.dashboard_with("T", JUNE);
    let event = &shown["events"][0];
    assert_eq!(
        (&event["kind"], &event["title"], &event["event_id"]),
        (&json!("event"), &json!("New prompt"), &made["event_id"])
    );
    assert_eq!(event["comparisons"][0]["verdict"], "worsened");
    let worse = app.get(&format!("/api/v1/dashboard/T/regressions?{JUNE}")).ok();
    assert_eq!(worse["regressions"][0]["event"]["title"], "New prompt");
    assert_eq!(worse["regressions"][0]["kpi_name"], "K");
    let listed = app.get(&format!("{DEFINITIONS}/events")).ok();
    assert_eq!(listed["items"][0]["description"], "shorter");
    let id = made["event_id"].as_str().unwrap();
    assert_eq!(app.delete(&format!("{DEFINITIONS}/events/{id}")).ok()["title"], "New prompt");
    app.delete(&format!("{DEFINITIONS}/events/{id}")).refused(404, "not_found", id);
    assert_eq!(app.dashboard_with("T", JUNE)["events"], json!([]));
    app.post(&format!("{DEFINITIONS}/events"), &json!({"title": "x"})).refused(400, "invalid_request", "at");
    app.post(&format!("{DEFINITIONS}/events"), &json!({"at": "2026-06-15T00:00:00Z"})).refused(
        400,
        "invalid_request",
        "title",
    );
    app.post(&format!("{DEFINITIONS}/events"), &json!({"at": "soon", "title": "x"})).refused(
        400,
        "invalid_timestamp",
        "soon",
    );
}

#[test]
fn a_version_is_compared_with_the_one_before() {
    let app = app();
    app.define("T", "Solved", "boolean", 0.5);
    app.post(&format!("{DEFINITIONS}/increment_version"), &json!({"timestamp": "2026-06-16T00:00:00Z"})).ok();
    fill(&app, "Solved", 10, 1, |_, place| f64::from(u8::from(place < 8)));
    fill(&app, "Solved", 10, 2, |_, place| f64::from(u8::from(place < 4)));
    let event = &app.dashboard_with("T", JUNE)["events"][0];
    assert_eq!((&event["kind"], &event["version"]), (&json!("version"), &json!(2)));
    assert_eq!(event["comparisons"][0]["verdict"], "worsened");
    let shown = app.get("/api/v1/dashboard/T/compare?by=version&baseline=1&candidate=2").ok();
    assert_eq!((&shown["baseline"], &shown["candidate"]), (&json!({"version": 1}), &json!({"version": 2})));
    let compared = &shown["comparisons"][0];
    assert_eq!((&compared["test"], &compared["verdict"]), (&json!("two_proportion_z"), &json!("worsened")));
    assert_eq!((&compared["baseline"]["average"], &compared["difference"]), (&json!(0.8), &json!(-0.4)));
    assert!(compared.get("p_value_adjusted").is_none(), "one KPI needs no adjustment");
    let shown = app.get(&format!("/api/v1/dashboard/T/breakdown?by=version&{JUNE}")).ok();
    let values = shown["kpis"][0]["values"].as_array().unwrap();
    assert_eq!(
        (&values[0]["value"], &values[0]["rank"], &values[0]["share_percentage"]),
        (&json!(1), &json!(1), &json!(50.0))
    );
    assert_eq!(values[1]["against_others"]["verdict"], "worsened");
}

#[test]
fn sides_are_compared_in_every_way() {
    let app = app();
    app.define_with("T", &json!({"name": "K", "kpi_type": "number", "goal": 10, "benchmarks": [{"name": "industry", "value": 12.5}]}));
    app.define("T", "Other", "likert5", 3.0);
    fill(&app, "K", 8, 1, |day, place| f64::from(day) + f64::from(place) / 10.0);
    for day in 1..=30 {
        let (model, path) = (if day % 2 == 0 { "a" } else { "b" }, "/api/v1/use_cases/instances/T");
        for place in 0..8 {
            app.put(
                &format!("{path}/K-1-{day}-{place}/properties"),
                &json!({"properties": {"model": model}}),
            )
            .ok();
        }
    }
    let compare = |query: &str| app.get(&format!("/api/v1/dashboard/T/compare?{query}")).ok();
    let shown = compare("by=period&from=2026-06-11&to=2026-06-21&baseline=previous&kpi=K");
    assert_eq!(
        shown["baseline"],
        json!({"from": "2026-06-01T00:00:00.000Z", "to": "2026-06-11T00:00:00.000Z"})
    );
    assert!((shown["comparisons"][0]["difference"].as_f64().unwrap() - 10.0).abs() < 1e-9);
    let shown = compare(
        "by=period&from=2026-06-11&to=2026-06-21&baseline=previous_year&kpi=K&time_zone=Europe/Berlin",
    );
    assert_eq!(
        shown["baseline"],
        json!({"from": "2025-06-10T22:00:00.000Z", "to": "2025-06-20T22:00:00.000Z"})
    );
    assert_eq!(shown["comparisons"][0]["verdict"], "insufficient_data");
    assert!(shown["comparisons"][0]["reason"].as_str().unwrap().len() > 10);
    let shown = compare(
        "by=period&from=2026-06-11&to=2026-06-21&baseline_from=2026-06-01&baseline_to=2026-06-02&kpi=K",
    );
    assert_eq!(shown["comparisons"][0]["baseline"]["count"], 8);
    let shown = compare("by=moment&at=2026-06-16T10:07:00Z&window=1h&kpi=K");
    let counts =
        [&shown["comparisons"][0]["baseline"]["count"], &shown["comparisons"][0]["candidate"]["count"]];
    assert_eq!(counts, [&json!(0), &json!(0)], "the eight scores of the day are given before 8 o'clock");
    let shown = compare("by=moment&at=2026-06-16T07:07:00Z&window=1h&kpi=K");
    assert_eq!(
        shown["candidate"],
        json!({"from": "2026-06-16T07:00:00.000Z", "to": "2026-06-16T08:00:00.000Z"})
    );
    let counts =
        [&shown["comparisons"][0]["baseline"]["count"], &shown["comparisons"][0]["candidate"]["count"]];
    assert_eq!(counts, [&json!(1), &json!(1)], "no score is on both sides");
    let shown = compare("by=moment&at=2026-06-16&window=3d");
    assert_eq!(
        shown["baseline"],
        json!({"from": "2026-06-13T00:00:00.000Z", "to": "2026-06-16T00:00:00.000Z"})
    );
    assert_eq!(shown["comparisons"].as_array().unwrap().len(), 2);
    assert!(shown["comparisons"][0]["p_value_adjusted"].is_number());
    let shown = compare(&format!("by=property&key=model&baseline=b&candidate=a&kpi=K&{JUNE}"));
    assert!((shown["comparisons"][0]["difference"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let shown = compare(&format!("by=benchmark&{JUNE}"));
    assert_eq!(
        (&shown["comparisons"][0]["benchmark_name"], &shown["comparisons"][0]["baseline"]),
        (&json!("industry"), &json!({"benchmark": 12.5}))
    );
    let shown = compare(&format!("by=benchmark&value=15.85&kpi=K&{JUNE}"));
    assert_eq!(shown["comparisons"][0]["verdict"], "no_significant_change");
    let other = json!({"name": "K", "kpi_type": "number", "goal": 1});
    app.define_with("Other-Type", &other);
    let shown = compare(&format!("by=use_case&candidate=Other-Type&{JUNE}"));
    assert_eq!(shown["comparisons"].as_array().unwrap().len(), 1);
    assert_eq!(shown["candidate"], json!({"use_case_name": "Other-Type"}));
    let panel = app.dashboard_with("T", JUNE);
    let panel = kpi(&panel, "K");
    assert_eq!(
        (&panel["benchmarks"][0]["name"], &panel["benchmarks"][0]["comparison"]["verdict"]),
        (&json!("industry"), &json!("improved"))
    );
    assert_eq!(
        (&panel["trend"]["verdict"], &panel["trend"]["buckets"], &panel["trend"]["tau"]),
        (&json!("improving"), &json!(30), &json!(1.0))
    );
    assert_eq!(panel["seasonality"]["day_of_week"]["profile"][0]["day"], "monday");
    let shown = app.get(&format!("/api/v1/dashboard/T/breakdown?by=property:model&kpi=K&{JUNE}")).ok();
    let values: Vec<&Value> =
        shown["kpis"][0]["values"].as_array().unwrap().iter().map(|v| &v["value"]).collect();
    assert_eq!(values, [&json!("a"), &json!("b")]);
    let overview = app.get(&format!("/api/v1/dashboard?{JUNE}")).ok();
    let item = &overview["items"][0]["kpis"][0];
    assert_eq!(
        (item["sparkline"].as_array().unwrap().len(), &item["trend"]["verdict"]),
        (30, &json!("improving"))
    );
}

#[test]
fn comparisons_that_can_not_be_are_refused() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    for (query, says) in [
        ("", "by"),
        ("by=mood", "mood"),
        ("by=version&baseline=1", "candidate"),
        ("by=version&baseline=1&candidate=x", "x"),
        ("by=version&baseline=1&candidate=7", "7"),
        ("by=period&baseline=next", "next"),
        ("by=period&baseline_from=2026-01-01", "baseline_to"),
        ("by=period&baseline_from=2026-01-02&baseline_to=2026-01-01", "before"),
        ("by=moment", "at"),
        ("by=moment&at=2026-01-01&window=7x", "7x"),
        ("by=property&baseline=a&candidate=b", "key"),
        ("by=property&key=k&baseline=a", "candidate"),
        ("by=use_case", "candidate"),
        ("by=benchmark&value=0.3", "kpi"),
        ("by=benchmark&kpi=K&value=3", "3"),
        ("by=benchmark&kpi=K&value=x", "x"),
        ("by=benchmark&alpha=2", "alpha"),
    ] {
        app.get(&format!("/api/v1/dashboard/T/compare?{query}")).refused(400, "invalid_filter", says);
    }
    app.get("/api/v1/dashboard/T/compare?by=use_case&candidate=Nope").refused(
        404,
        "use_case_not_found",
        "Nope",
    );
    app.get("/api/v1/dashboard/T/breakdown").refused(400, "invalid_filter", "by");
    app.get("/api/v1/dashboard/T/breakdown?by=property:").refused(400, "invalid_filter", "property:");
    let kpis = format!("{DEFINITIONS}/kpis");
    for (benchmarks, code, says) in [
        (json!([{"name": "x"}]), "invalid_request", "value"),
        (json!([{"name": "x", "value": 2}]), "goal_out_of_range", "2"),
        (json!("x"), "invalid_request", "array"),
        (json!([{"name": "x", "value": 0.1}, {"name": "x", "value": 0.2}]), "invalid_request", "two"),
    ] {
        let body = json!({"name": "B", "kpi_type": "boolean", "goal": 0.5, "benchmarks": benchmarks});
        app.post(&kpis, &body).refused(400, code, says);
    }
}
