//! Scores in all four dialects, increments, bulk.

use serde_json::{Value, json};

use crate::app;
use crate::support::{App, check_against_recount, encode, kpi};

const PATH: &str = "/api/v1/use_cases/instances";

fn scores(app: &App, instance: &str) -> Vec<Value> {
    app.get(&format!("{PATH}/{instance}/kpis")).ok()["items"].as_array().unwrap().clone()
}

#[test]
fn every_dialect_writes_and_clears() {
    let app = app();
    let id = app.define("T", "My KPI", "number", 10.0)["kpi_id"].as_str().unwrap().to_owned();
    app.post(&format!("{PATH}/T"), &json!({"use_case_id": "i"})).ok();
    let name = encode("My KPI");
    let g1 = format!("{PATH}/i/kpis/{name}");
    let g3 = format!("{PATH}/T/i/kpis/{name}");
    let g4 = format!("{PATH}/T/i/kpis/{id}");
    for (n, (method, path)) in
        [("POST", &g1), ("PUT", &g1), ("PUT", &g3), ("PUT", &g4), ("POST", &g3)].into_iter().enumerate()
    {
        let reply = app.send(method, path, Some(json!({"score": n}).to_string()), &[]);
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{method} {path}");
        assert_eq!(scores(&app, "i")[0]["score"], json!(n as f64), "{method} {path}");
    }
    for path in [&g1, &g3] {
        app.put(path, &json!({"score": 7})).ok();
        assert_eq!(app.delete(path).status, 204);
        assert_eq!(scores(&app, "i").len(), 0);
        assert_eq!(app.delete(path).status, 204, "clearing what is not there is no error");
    }
    for empty in ["", "{}", r#"{"score":null}"#] {
        app.put(&g3, &json!({"score": 7})).ok();
        assert_eq!(app.send("PUT", &g3, Some(empty.into()), &[]).status, 204);
        assert_eq!(scores(&app, "i").len(), 0, "{empty:?} clears");
    }
    check_against_recount(&app, "T");
}

#[test]
fn a_misspelt_field_deletes_nothing() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    app.score("T", "i", "K", &json!({"score": 4})).ok();
    app.score("T", "i", "K", &json!({"scroe": 5})).refused(400, "invalid_request", "'score' is missing");
    for (bad, says) in [(json!("5"), "text"), (json!([5]), "array"), (json!({}), "object")] {
        app.score("T", "i", "K", &json!({"score": bad})).refused(400, "invalid_request", says);
    }
    assert_eq!(scores(&app, "i")[0]["score"], 4.0);
}

#[test]
fn a_write_makes_the_instance_only_where_the_type_is_named() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.put(&format!("{PATH}/new/kpis/K"), &json!({"score": 1})).refused(
        404,
        "use_case_instance_not_found",
        "new",
    );
    app.score("T", "new", "K", &json!({"score": null})).refused(404, "use_case_instance_not_found", "new");
    app.score("Other", "new", "K", &json!({"score": 1})).refused(404, "use_case_not_found", "Other");
    app.score("T", "new", "K", &json!({"score": 1, "timestamp": "2026-03-04T05:06:07.089Z"})).ok();
    assert_eq!(app.get(&format!("{PATH}/new")).ok()["create_timestamp"], "2026-03-04T05:06:07.089Z");
    app.put(&format!("{PATH}/new/kpis/K"), &json!({"score": 0})).ok();
}

#[test]
fn a_timestamp_stays_until_another_is_named_or_the_score_is_cleared() {
    let app = app();
    app.define("T", "K", "number", 1.0);
    let stamp = |app: &App| scores(app, "i")[0]["timestamp"].as_str().unwrap().to_owned();
    app.score(
        "T",
        "i",
        "K",
        &json!({"score": 1, "timestamp": "2026-01-01T00:00:00Z", "comment": "c", "source": "s"}),
    )
    .ok();
    assert_eq!(scores(&app, "i")[0]["comment"], "c");
    app.score("T", "i", "K", &json!({"score": 2})).ok();
    assert_eq!(stamp(&app), "2026-01-01T00:00:00.000Z");
    let item = scores(&app, "i")[0].clone();
    assert_eq!(
        (&item["comment"], &item["source"]),
        (&Value::Null, &Value::Null),
        "a rewrite drops the old notes"
    );
    assert!(item["update_timestamp"].as_str() >= item["create_timestamp"].as_str());
    app.score("T", "i", "K", &json!({"score": 2, "timestamp": "2026-02-01T00:00:00+02:00"})).ok();
    assert_eq!(stamp(&app), "2026-01-31T22:00:00.000Z");
    let months: Vec<u64> = app.dashboard_with("T", "from=2026-01-01&to=2026-03-01&granularity=month")["kpis"]
        [0]["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["count"].as_u64().unwrap())
        .collect();
    assert_eq!(months, [1, 0], "the score moved");
    app.score("T", "i", "K", &json!({"score": null})).ok();
    app.score("T", "i", "K", &json!({"score": 3})).ok();
    assert!(stamp(&app).as_str() > "2026-06", "a cleared score forgets its timestamp");
    for bad in [json!("1999-12-31T23:59:59Z"), json!("2099-01-01T00:00:00Z"), json!("yesterday"), json!(5)] {
        app.score("T", "i", "K", &json!({"score": 1, "timestamp": bad})).refused(
            400,
            "invalid_timestamp",
            "timestamp",
        );
    }
    check_against_recount(&app, "T");
}

#[test]
fn scores_outside_the_type_are_refused() {
    let app = app();
    for (kpi_type, goal, good, bad) in [
        ("boolean", 0.5, vec![json!(0), json!(true)], vec![json!(0.5), json!(2)]),
        ("number", 5.0, vec![json!(-1e15), json!(1e15)], vec![json!(1.1e15)]),
        ("percentage", 0.5, vec![json!(0), json!(1.0)], vec![json!(-0.01), json!(25)]),
        ("likert5", 3.0, vec![json!(1), json!(4.5)], vec![json!(0), json!(5.5)]),
        ("likert7", 3.0, vec![json!(7)], vec![json!(8)]),
        ("likert10", 3.0, vec![json!(10)], vec![json!(11)]),
    ] {
        app.define("T", kpi_type, kpi_type, goal);
        for score in good {
            assert_eq!(
                app.score("T", "i", kpi_type, &json!({"score": score})).status,
                204,
                "{kpi_type} {score}"
            );
        }
        for score in bad {
            app.score("T", "i", kpi_type, &json!({"score": score})).refused(
                400,
                "score_out_of_range",
                kpi_type,
            );
        }
    }
    check_against_recount(&app, "T");
}

#[test]
fn doubles_come_back_as_they_were_sent() {
    let app = app();
    app.define("T", "K", "number", 1.0);
    for score in [0.1 + 0.2, 1e-300, 123_456_789.123_456_79, -2.5e-9, 999_999_999_999_999.9, 0.1, 5e-324] {
        app.score("T", "i", "K", &json!({"score": score})).ok();
        assert_eq!(scores(&app, "i")[0]["score"].as_f64(), Some(score));
        assert_eq!(kpi(&app.dashboard("T"), "K")["maximum"].as_f64(), Some(score), "{score:e}");
    }
}

#[test]
fn increments_add_up_however_many_come_at_once() {
    let app = app();
    app.define("T", "N", "number", 10.0);
    app.define("T", "B", "boolean", 0.5);
    let path = format!("{PATH}/T/i/kpis/N/increment");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..25).for_each(|_| {
                    app.post(&path, &json!({"by": 0.5})).ok();
                })
            });
        }
    });
    assert_eq!(app.post(&format!("{PATH}/i/kpis/N/increment"), &json!({"by": -1})).ok()["score"], 99.0);
    app.post(&path, &json!({"by": 1e15})).refused(400, "score_out_of_range", "1e15");
    app.post(&path, &json!({})).refused(400, "invalid_request", "'by'");
    app.post(&format!("{PATH}/T/i/kpis/B/increment"), &json!({"by": 1})).refused(
        400,
        "invalid_request",
        "boolean",
    );
    app.post(&format!("{PATH}/nobody/kpis/N/increment"), &json!({"by": 1})).refused(
        404,
        "use_case_instance_not_found",
        "nobody",
    );
    check_against_recount(&app, "T");
}

#[test]
fn bulk_stores_what_is_valid_and_names_what_is_not() {
    let app = app();
    let id = app.define("T", "K", "likert5", 3.0)["kpi_id"].clone();
    app.define("U", "K", "likert5", 3.0);
    app.score("U", "elsewhere", "K", &json!({"score": 1})).ok();
    let answer = app.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": [
        {"use_case_id": "a", "kpi_name": "K", "score": 5, "timestamp": "2026-05-02T00:00:00Z"},
        {"use_case_id": "a", "kpi_id": id, "score": 1, "timestamp": "2026-05-01T00:00:00Z", "comment": "last wins"},
        {"use_case_id": "b", "kpi_name": "K", "score": 9},
        {"use_case_id": "elsewhere", "kpi_name": "K", "score": 2},
        {"use_case_id": "b/c", "kpi_name": "K", "score": 2},
        {"use_case_id": "b", "kpi_name": "Nope", "score": 2},
        {"use_case_id": "b", "kpi_name": "K"},
        {"use_case_id": "b", "score": 1},
        "nonsense",
        {"use_case_id": "c", "kpi_name": "K", "score": 4, "timestamp": "never"},
        {"use_case_id": "d", "kpi_name": "K", "score": 3},
    ]})).ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(3), &json!(8)));
    let errors: Vec<(u64, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["index"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            (2, "score_out_of_range"),
            (3, "instance_in_other_use_case"),
            (4, "invalid_use_case_id"),
            (5, "kpi_not_found"),
            (6, "invalid_request"),
            (7, "invalid_request"),
            (8, "invalid_request"),
            (9, "invalid_timestamp")
        ]
    );
    let a = scores(&app, "a")[0].clone();
    assert_eq!(
        (&a["score"], &a["comment"], &a["timestamp"]),
        (&json!(1.0), &json!("last wins"), &json!("2026-05-01T00:00:00.000Z"))
    );
    assert_eq!(
        app.get(&format!("{PATH}/a")).ok()["create_timestamp"],
        "2026-05-01T00:00:00.000Z",
        "the earliest timestamp of the request"
    );
    app.get(&format!("{PATH}/b")).refused(404, "use_case_instance_not_found", "b");
    assert_eq!(check_against_recount(&app, "T"), 2);
    let bulk = |body: Value| app.post("/api/v1/use_cases/definitions/T/scores", &body);
    bulk(json!({"scores": []})).refused(400, "invalid_request", "1 to 1000");
    bulk(json!({"scores": vec![0; 1001]})).refused(400, "invalid_request", "1001");
    bulk(json!({})).refused(400, "invalid_request", "'scores'");
    app.post(
        "/api/v1/use_cases/definitions/Nope/scores",
        &json!({"scores": [{"use_case_id": "a", "kpi_name": "K", "score": 1}]}),
    )
    .refused(404, "use_case_not_found", "Nope");
}

#[test]
fn a_cleared_score_beside_a_set_one_makes_the_instance_in_either_order() {
    let app = app();
    app.define("T", "N", "number", 10.0);
    app.define("T", "L", "likert5", 3.0);
    let (cleared, set) = (json!({"kpi_name": "N", "score": null}), json!({"kpi_name": "L", "score": 3}));
    for (id, items) in [("a", [&cleared, &set]), ("b", [&set, &cleared])] {
        let items: Vec<Value> = items
            .into_iter()
            .map(|item| {
                let mut item = item.clone();
                item["use_case_id"] = json!(id);
                item
            })
            .collect();
        let done = app.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": items})).ok();
        assert_eq!(done["errors"], json!([]), "{id}");
        assert_eq!(scores(&app, id).len(), 1);
    }
}
