//! KPI definitions: names and ids, changes that keep scores, changes that recount them.

use serde_json::{Value, json};

use crate::app;
use crate::support::{App, check_against_recount, encode, kpi};

fn path(kpi: &str) -> String {
    format!("/api/v1/use_cases/definitions/T/kpis/{}", encode(kpi))
}

fn score_all(app: &App, kpi: &str, scores: &[f64]) {
    for (n, score) in scores.iter().enumerate() {
        assert_eq!(app.score("T", &format!("i{n}"), kpi, &json!({"score": score})).status, 204);
    }
}

#[test]
fn a_kpi_makes_its_type_and_answers_all_its_fields() {
    let app = app();
    let made = app.define_with("T", &json!({"name": "Conversion $ Value", "kpi_type": "number", "goal": 10, "unit": "$", "description": "d"}));
    assert_eq!(made["name"], "Conversion $ Value");
    assert_eq!(made["kpi_name"], made["name"]);
    assert!(made["kpi_id"].as_str().unwrap().starts_with("kpi_"));
    assert_eq!(
        (&made["goal"], &made["unit"], &made["bucket_width"]),
        (&json!(10.0), &json!("$"), &json!(5.0))
    );
    assert_eq!((&made["direction"], &made["description"]), (&json!("higher_is_better"), &json!("d")));
    assert!(made["created_timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(made["request_id"].is_string());
    assert_eq!(app.get("/api/v1/use_cases/definitions/T").ok()["name"], "T");
}

#[test]
fn a_kpi_is_found_by_name_first_and_id_second() {
    let app = app();
    app.define_with(
        "T",
        &json!({"kpi_name": "50% Größe 👍", "kpi_id": "size", "kpi_type": "percentage", "goal": 0.5}),
    );
    for wanted in ["50% Größe 👍", "size"] {
        assert_eq!(app.get(&path(wanted)).ok()["kpi_id"], "size", "{wanted}");
        assert_eq!(app.score("T", "i", wanted, &json!({"score": 0.25})).status, 204);
    }
    app.get(&path("other")).refused(404, "kpi_not_found", "other");
    app.post(
        "/api/v1/use_cases/definitions/T/kpis",
        &json!({"name": "size", "kpi_type": "boolean", "goal": 0}),
    )
    .refused(409, "kpi_already_exists", "size");
    app.post(
        "/api/v1/use_cases/definitions/T/kpis",
        &json!({"name": "new", "kpi_id": "50% Größe 👍", "kpi_type": "boolean", "goal": 0}),
    )
    .refused(400, "invalid_request", "kpi_id");
}

#[test]
fn an_existing_kpi_is_answered_unless_its_type_differs() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    app.put(&path("K"), &json!({"goal": 4})).ok();
    assert_eq!(app.define("T", "K", "likert5", 3.0)["goal"], 4.0);
    app.post(
        "/api/v1/use_cases/definitions/T/kpis",
        &json!({"name": "K", "kpi_type": "boolean", "goal": 0.5}),
    )
    .refused(409, "kpi_already_exists", "likert5");
}

#[test]
fn a_kpi_says_how_many_scores_it_holds_if_asked() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    app.define("T", "Other", "number", 10.0);
    let plain = app.get(&path("K")).ok();
    assert!(plain.get("score_count").is_none(), "{plain}");
    let counts = |expected: u64| {
        let mut shown = app.get(&format!("{}?include=score_count", path("K"))).ok();
        let mut plain = app.get(&path("K")).ok();
        plain["score_count"] = json!(expected);
        plain["request_id"] = shown["request_id"].take();
        shown["request_id"] = plain["request_id"].clone();
        assert_eq!(shown, plain);
        let database = app.service.database();
        let recounted: u64 = database
            .query_row(
                "SELECT count(*) FROM scores JOIN kpis USING (kpi_no) WHERE kpis.kpi_id = ?1",
                [shown["kpi_id"].as_str().unwrap()],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(recounted, expected);
    };
    counts(0);
    score_all(&app, "Other", &[1.0]);
    score_all(&app, "K", &[1.0, 2.0, 3.0]);
    counts(3);
    // However long ago, and in another version.
    for (id, at) in [("old", "2000-01-01T00:00:00Z"), ("older", "2011-05-06T07:08:09Z")] {
        app.score("T", id, "K", &json!({"score": 5, "timestamp": at})).ok();
    }
    app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
    app.score("T", "new", "K", &json!({"score": 5})).ok();
    counts(6);
    // Rewritten, cleared, gone with its instance.
    app.score("T", "new", "K", &json!({"score": 7})).ok();
    counts(6);
    app.score("T", "old", "K", &json!({"score": null})).ok();
    counts(5);
    app.delete("/api/v1/use_cases/instances/T/i0").ok();
    counts(4);
    app.put(&path("K"), &json!({"goal": 1, "bucket_width": 2})).ok();
    counts(4);
    assert_eq!(app.get(&format!("{}?include=score_count", path("Other"))).ok()["score_count"], 0);
    for wrong in ["scores", "Score_Count", "score_count,x"] {
        app.get(&format!("{}?include={wrong}", path("K"))).refused(400, "invalid_filter", wrong);
    }
    app.get(&format!("{}?include=score_count", path("None"))).refused(404, "kpi_not_found", "None");
    app.get("/api/v1/use_cases/definitions/None/kpis/K?include=score_count").refused(
        404,
        "use_case_not_found",
        "None",
    );
    assert_eq!(app.get(&format!("{}?include=", path("K"))).ok().get("score_count"), None);
    app.with_role("ingest").get(&format!("{}?include=score_count", path("K"))).ok();
}

#[test]
fn a_rename_keeps_id_scores_and_history() {
    let app = app();
    let id = app.define("T", "Old", "likert5", 3.0)["kpi_id"].clone();
    score_all(&app, "Old", &[4.0, 5.0]);
    let renamed = app.put(&path("Old"), &json!({"kpi_name": "New"})).ok();
    assert_eq!((&renamed["name"], &renamed["kpi_id"]), (&json!("New"), &id));
    app.get(&path("Old")).refused(404, "kpi_not_found", "Old");
    let shown = app.dashboard("T");
    assert_eq!((&kpi(&shown, "New")["count"], &kpi(&shown, "New")["average"]), (&json!(2), &json!(4.5)));
}

#[test]
fn a_new_goal_direction_or_width_recounts_what_depends_on_it() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    score_all(&app, "K", &[1.0, 7.0, 12.0, 30.0]);
    let share = |app: &App| kpi(&app.dashboard("T"), "K")["scores_meeting_goal_percentage"].clone();
    assert_eq!(share(&app), 50.0);
    app.put(&path("K"), &json!({"goal": 7})).ok();
    assert_eq!(share(&app), 75.0);
    app.put(&path("K"), &json!({"direction": "lower_is_better"})).ok();
    assert_eq!(share(&app), 50.0);
    assert_eq!(
        kpi(&app.dashboard("T"), "K")["distribution"]["bucket_width"],
        5.0,
        "a width changes only explicitly"
    );
    app.put(&path("K"), &json!({"bucket_width": 10, "unit": "min"})).ok();
    let shown = app.dashboard("T");
    let buckets = &kpi(&shown, "K")["distribution"]["buckets"];
    assert_eq!(buckets[0], json!({"from": 0.0, "to": 10.0, "count": 2}));
    assert_eq!(kpi(&shown, "K")["display"], "12.50 min (Goal: 7.00 min)");
    assert_eq!(app.put(&path("K"), &json!({"unit": null})).ok()["unit"], Value::Null);
    check_against_recount(&app, "T");
}

#[test]
fn a_new_type_is_taken_only_if_every_score_fits() {
    let app = app();
    app.define("T", "K", "number", 1.0);
    score_all(&app, "K", &[0.0, 1.0, 0.5, 7.0]);
    app.put(&path("K"), &json!({"kpi_type": "percentage", "goal": 0.5})).refused(
        409,
        "scores_incompatible",
        "1 recorded",
    );
    assert_eq!(app.get(&path("K")).ok()["kpi_type"], "number");
    app.put(&path("K"), &json!({"kpi_type": "boolean", "goal": 0.5})).refused(
        409,
        "scores_incompatible",
        "2 recorded",
    );
    app.score("T", "i3", "K", &json!({"score": 1})).ok();
    let changed = app.put(&path("K"), &json!({"kpi_type": "percentage", "goal": 0.5})).ok();
    assert_eq!((&changed["kpi_type"], &changed["bucket_width"]), (&json!("percentage"), &Value::Null));
    app.put(&path("K"), &json!({"goal": 1.5})).refused(400, "goal_out_of_range", "1.5");
    assert_eq!(kpi(&app.dashboard("T"), "K")["distribution"]["kind"], "percentage");
    check_against_recount(&app, "T");
}

#[test]
fn a_deleted_kpi_takes_its_scores_out_of_every_aggregate() {
    let app = app();
    app.define("T", "A", "boolean", 0.5);
    app.define("T", "B", "boolean", 0.5);
    score_all(&app, "A", &[1.0, 0.0, 1.0]);
    app.score("T", "i0", "B", &json!({"score": 1})).ok();
    assert_eq!(app.dashboard("T")["use_cases"]["reviewed"], 3);
    assert_eq!(app.delete(&path("A")).ok()["name"], "A");
    let shown = app.dashboard("T");
    assert_eq!((&shown["use_cases"]["reviewed"], &shown["use_cases"]["total"]), (&json!(1), &json!(3)));
    app.delete(&path("A")).refused(404, "kpi_not_found", "A");
    assert_eq!(app.get("/api/v1/use_cases/instances/T/i0/kpis").ok()["items"].as_array().unwrap().len(), 1);
    // Made again, it starts with nothing.
    app.define("T", "A", "boolean", 0.5);
    assert_eq!(kpi(&app.dashboard("T"), "A")["count"], 0);
    app.score("T", "i1", "A", &json!({"score": 0})).ok();
    check_against_recount(&app, "T");
}

#[test]
fn lists_of_kpis_can_be_narrowed_and_paged() {
    let app = app();
    for n in 0..5 {
        app.define_with("T", &json!({"name": format!("K {n}"), "kpi_id": format!("id-{n}"), "kpi_type": "boolean", "goal": 0.5}));
    }
    let list = "/api/v1/use_cases/definitions/T/kpis";
    let first = app.get(&format!("{list}?limit=2")).ok();
    let rest = app.get(&format!("{list}?cursor={}", first["cursor"].as_str().unwrap())).ok();
    assert_eq!((first["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 3));
    assert_eq!(rest.get("cursor"), None);
    assert_eq!(app.get(&format!("{list}?kpi_name=K%203")).ok()["items"][0]["kpi_id"], "id-3");
    assert_eq!(app.get(&format!("{list}?kpi_id=id-4")).ok()["items"][0]["name"], "K 4");
}
