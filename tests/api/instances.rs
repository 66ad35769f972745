//! Instances: who makes them, when and in which version; properties; deletion; idempotent creation.

use serde_json::{Value, json};

use crate::app;
use crate::support::{check_against_recount, encode, unique};

const PATH: &str = "/api/v1/use_cases/instances";

#[test]
fn an_instance_without_a_body_gets_an_id() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let made = app.send("POST", &format!("{PATH}/T"), None, &[]).ok();
    let id = made["use_case_id"].as_str().unwrap();
    assert!(id.starts_with("uc_"));
    assert_eq!(
        (&made["use_case_name"], &made["type_version"], &made["limit_id"]),
        (&json!("T"), &json!(1), &Value::Null)
    );
    for path in [format!("{PATH}/{id}"), format!("{PATH}/T/{id}")] {
        let read = app.get(&path).ok();
        assert_eq!(
            (&read["use_case_id"], &read["create_timestamp"]),
            (&made["use_case_id"], &made["create_timestamp"])
        );
    }
}

#[test]
fn a_chosen_id_is_one_instance_of_one_type() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.define("U", "K", "boolean", 0.5);
    let body = json!({"use_case_id": "mail:a+b@c=d", "timestamp": "2026-01-02T03:04:05Z", "properties": {"model": "m1", "none": null}});
    let made = app.post(&format!("{PATH}/T"), &body).ok();
    assert_eq!(made["create_timestamp"], "2026-01-02T03:04:05.000Z");
    assert_eq!(made["properties"], json!({"model": "m1"}));
    let again = app
        .post(&format!("{PATH}/T"), &json!({"use_case_id": "mail:a+b@c=d", "properties": {"model": "m2"}}))
        .ok();
    assert_eq!(again, made, "the same id again is the existing instance");
    app.post(&format!("{PATH}/U"), &json!({"use_case_id": "mail:a+b@c=d"})).refused(
        409,
        "instance_in_other_use_case",
        "mail:a+b@c=d",
    );
    app.get(&format!("{PATH}/U/mail:a+b@c=d")).refused(404, "use_case_instance_not_found", "mail");
    app.put(&format!("{PATH}/U/mail:a+b@c=d/properties"), &json!({"properties": {"x": "y"}})).refused(
        409,
        "instance_in_other_use_case",
        "mail",
    );
    app.score("U", "mail:a+b@c=d", "K", &json!({"score": 1})).refused(
        409,
        "instance_in_other_use_case",
        "mail",
    );
    for bad in ["kpis", "properties", "a b", "a/b", ".."] {
        app.post(&format!("{PATH}/T"), &json!({"use_case_id": bad})).refused(
            400,
            "invalid_use_case_id",
            "use_case_id",
        );
    }
}

#[test]
fn the_version_is_fixed_when_the_instance_is_made() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let id = |body: Value| app.post(&format!("{PATH}/T"), &body).ok();
    assert_eq!(id(json!({"use_case_id": "a"}))["type_version"], 1);
    app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
    assert_eq!(id(json!({"use_case_id": "b"}))["type_version"], 2);
    assert_eq!(id(json!({"use_case_id": "c", "version": 1}))["type_version"], 1);
    app.post(&format!("{PATH}/T"), &json!({"version": 3})).refused(400, "invalid_request", "version 3");
    let with_version = |id: &str, version: &str| {
        let path = format!("{PATH}/T/{id}/kpis/K");
        app.send("PUT", &path, Some(r#"{"score":1}"#.into()), &[("xProxy-UseCase-Version", version)])
    };
    assert_eq!(with_version("d", "1").status, 204);
    assert_eq!(app.get(&format!("{PATH}/d")).ok()["type_version"], 1);
    assert_eq!(with_version("b", "1").status, 204, "on an instance that exists the header is ignored");
    assert_eq!(with_version("b", "9").status, 204);
    assert_eq!(app.get(&format!("{PATH}/b")).ok()["type_version"], 2);
    with_version("e", "9").refused(400, "invalid_request", "version 9");
    with_version("e", "x").refused(400, "invalid_request", "xProxy-UseCase-Version");
    app.get(&format!("{PATH}/e")).refused(404, "use_case_instance_not_found", "e");
    let version_1 = app.dashboard_with("T", "from=2000-01-01&granularity=month&version=1");
    assert_eq!((&version_1["use_cases"]["total"], &version_1["kpis"][0]["count"]), (&json!(3), &json!(1)));
    app.get("/api/v1/dashboard/T?version=7").refused(400, "invalid_filter", "version 7");
}

#[test]
fn properties_are_merged_and_null_removes() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let on_g3 = format!("{PATH}/T/i/properties");
    assert_eq!(
        app.put(&on_g3, &json!({"properties": {"a": "1", "b": "2"}})).ok()["properties"],
        json!({"a": "1", "b": "2"})
    );
    let on_g1 = format!("{PATH}/i/properties");
    assert_eq!(
        app.post(&on_g1, &json!({"properties": {"a": null, "c": "3"}})).ok()["properties"],
        json!({"b": "2", "c": "3"})
    );
    let one = app.put(&on_g1, &json!({"property_name": "d", "value": "4"})).ok();
    assert_eq!(one["properties"], json!({"b": "2", "c": "3", "d": "4"}));
    app.put(&format!("{PATH}/nobody/properties"), &json!({"properties": {"a": "1"}})).refused(
        404,
        "use_case_instance_not_found",
        "nobody",
    );
    app.put(&on_g3, &json!({"properties": {"a": 1}})).refused(400, "invalid_request", "'a'");
    app.put(&on_g3, &json!({"other": 1})).refused(400, "invalid_request", "properties");
    app.put(&on_g3, &json!({"properties": {"k".repeat(65): "1"}})).refused(400, "invalid_request", "64");
    app.put(&on_g3, &json!({"properties": {"k": "v".repeat(513)}})).refused(400, "invalid_request", "512");
    let many: serde_json::Map<String, Value> = (0..50).map(|n| (format!("p{n}"), json!("v"))).collect();
    app.put(&on_g3, &json!({"properties": many})).refused(400, "invalid_request", "50");
    assert_eq!(app.get(&format!("{PATH}/i")).ok()["properties"], json!({"b": "2", "c": "3", "d": "4"}));
    let listed = |query: &str| {
        app.get(&format!("/api/v1/use_cases/definitions/T/instances?{query}")).ok()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (
            listed("property.c=3"),
            listed("property.c=3&property.d=4"),
            listed("property.a=1"),
            listed("property.c=4")
        ),
        (1, 1, 0, 0)
    );
}

#[test]
fn instances_are_listed_by_time_and_version_in_pages() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    for day in 1..=6 {
        let body =
            json!({"use_case_id": format!("d{day}"), "timestamp": format!("2026-02-0{day}T12:00:00Z")});
        app.post(&format!("{PATH}/T"), &body).ok();
    }
    let ids = |query: &str| -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page =
                app.get(&format!("/api/v1/use_cases/definitions/T/instances?limit=2&{query}{cursor}")).ok();
            ids.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["use_case_id"].as_str().unwrap().to_owned()),
            );
            match page.get("cursor") {
                Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
                None => return ids,
            }
        }
    };
    assert_eq!(ids(""), ["d1", "d2", "d3", "d4", "d5", "d6"]);
    assert_eq!(ids("sort_ascending=false"), ["d6", "d5", "d4", "d3", "d2", "d1"]);
    assert_eq!(ids("from=2026-02-02&to=2026-02-05"), ["d2", "d3", "d4"]);
    assert_eq!(ids("from=2026-02-02T12:00:00.001Z&to=2026-02-04T12:00:00Z"), ["d3"]);
    assert_eq!(ids("version=1").len(), 6);
    app.get("/api/v1/use_cases/definitions/T/instances?from=yesterday").refused(
        400,
        "invalid_filter",
        "yesterday",
    );
}

#[test]
fn instances_are_found_by_how_their_ids_begin() {
    let app = app();
    let (ours, other) = (unique("Ours"), unique("Other"));
    app.define(&ours, "K", "boolean", 0.5);
    app.define(&other, "K", "boolean", 0.5);
    // In no order of time.
    let ids = [
        "chat-2",
        "chat-10",
        "chat_1",
        "chat",
        "Chat-1",
        "chat-1",
        "chat-1:a+b@c=d",
        "chatX1",
        "cha",
        "mail-1",
    ];
    for (day, id) in (1..).zip(ids) {
        let body = json!({"use_case_id": id, "timestamp": format!("2026-02-{day:02}T12:00:00Z"),
            "properties": {"parity": (day % 2).to_string()}});
        app.post(&format!("{PATH}/{ours}"), &body).ok();
    }
    app.post(&format!("{PATH}/{other}"), &json!({"use_case_id": "chat-1-of-another-type"})).ok();
    let path = format!("/api/v1/use_cases/definitions/{ours}/instances");
    let listed = |query: &str| -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}?{query}{cursor}")).ok();
            let items = page["items"].as_array().unwrap();
            found.extend(items.iter().map(|item| item["use_case_id"].as_str().unwrap().to_owned()));
            match page.get("cursor") {
                Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
                None => return found,
            }
        }
    };
    for start in [
        "c",
        "chat",
        "chat-",
        "chat-1",
        "chat_",
        "chat-1:a+b@",
        "Chat",
        "mail-1",
        "nothing",
        "chat-1-of",
        "at",
    ] {
        let mut expected: Vec<&str> = ids.into_iter().filter(|id| id.starts_with(start)).collect();
        expected.sort_unstable();
        let query = format!("search={}", encode(start));
        for limit in ["", "&limit=1", "&limit=2", "&limit=3"] {
            assert_eq!(listed(&format!("{query}{limit}")), expected, "{start}{limit}");
            let mut reversed = listed(&format!("{query}{limit}&sort_ascending=false"));
            reversed.reverse();
            assert_eq!(reversed, expected, "{start}{limit}, descending");
        }
    }
    // With other filters.
    assert_eq!(listed("search=chat-1&property.parity=1&limit=1"), ["chat-1:a+b@c=d"]);
    assert_eq!(listed("search=chat-&from=2026-02-02&to=2026-02-07"), ["chat-1", "chat-10"]);
    assert_eq!(listed("search=chat-&from=2026-02-02T12:00:00.001Z&limit=1"), ["chat-1", "chat-1:a+b@c=d"]);
    assert_eq!((listed("search=chat&version=1").len(), listed("search=chat&version=2").len()), (7, 0));
    // Nothing asked for is nothing searched for.
    assert_eq!(listed("search=").len(), ids.len());
    // What would stand for something else in another language stands for nothing here.
    for wrong in ["%", "chat%", "chat*", "chat 1", "chat/1", "ü", &"x".repeat(129)] {
        app.get(&format!("{path}?search={}", encode(wrong))).refused(400, "invalid_filter", "search");
    }
    // A cursor of the whole list is none of a search's, nor the other way round.
    let cursor =
        |query: &str| app.get(&format!("{path}?limit=1{query}")).ok()["cursor"].as_str().unwrap().to_owned();
    let (of_list, of_search) = (cursor(""), cursor("&search=chat"));
    app.get(&format!("{path}?search=chat&cursor={of_list}")).refused(400, "invalid_cursor", &of_list);
    app.get(&format!("{path}?cursor={of_search}")).refused(400, "invalid_cursor", &of_search);
    app.get(&format!("{path}?search=chat&sort_ascending=false&cursor={of_search}")).refused(
        400,
        "invalid_cursor",
        &of_search,
    );
    app.get("/api/v1/use_cases/definitions/None/instances?search=c").refused(
        404,
        "use_case_not_found",
        "None",
    );
}

#[test]
fn a_deleted_instance_leaves_the_aggregates() {
    let app = app();
    app.define("T", "A", "number", 10.0);
    app.define("T", "B", "boolean", 0.5);
    for (id, a) in [("x", 5.0), ("y", 50.0), ("z", 7.0)] {
        app.score("T", id, "A", &json!({"score": a})).ok();
    }
    app.score("T", "y", "B", &json!({"score": true})).ok();
    let gone = app.delete(&format!("{PATH}/T/y")).ok();
    assert_eq!(gone["use_case_id"], "y");
    app.delete(&format!("{PATH}/T/y")).refused(404, "use_case_instance_not_found", "y");
    app.delete(&format!("{PATH}/y")).refused(404, "use_case_instance_not_found", "y");
    assert_eq!(check_against_recount(&app, "T"), 2);
    app.delete(&format!("{PATH}/x")).ok();
    assert_eq!(check_against_recount(&app, "T"), 1);
}

#[test]
fn a_retried_post_with_an_idempotency_key_returns_the_first_answer() {
    let app = app();
    app.define("T", "N", "number", 10.0);
    let key = unique("key");
    let post = |path: &str, body: &str, key: &str| {
        app.send("POST", path, Some(body.into()), &[("Idempotency-Key", key)])
    };
    let made = post(&format!("{PATH}/T"), "", &key).ok();
    assert_eq!(post(&format!("{PATH}/T"), "", &key).ok(), made);
    assert_eq!(app.dashboard("T")["use_cases"]["total"], 1);
    post(&format!("{PATH}/T"), r#"{"use_case_id":"other"}"#, &key).refused(
        409,
        "idempotency_key_reused",
        &key,
    );

    let increment = format!("{PATH}/T/i/kpis/N/increment");
    let key = unique("key");
    assert_eq!(post(&increment, r#"{"by":2.5}"#, &key).ok()["score"], 2.5);
    assert_eq!(post(&increment, r#"{"by":2.5}"#, &key).ok()["score"], 2.5);
    assert_eq!(post(&increment, r#"{"by":2.5}"#, &unique("key")).ok()["score"], 5.0);
    post(&increment, r#"{"by":1}"#, &key).refused(409, "idempotency_key_reused", &key);
    post(&increment, r#"{"by":1}"#, "with space").refused(400, "invalid_request", "Idempotency-Key");

    // Many at once: one instance.
    let key = unique("key");
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| post(&format!("{PATH}/T"), "", &key).ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn a_refused_request_makes_no_instance() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let properties: serde_json::Map<String, Value> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    for body in [json!({"properties": properties}), json!({"use_case_id": "i", "properties": properties})] {
        app.post("/api/v1/use_cases/instances/T", &body).refused(400, "invalid_request", "50");
    }
    assert_eq!(app.dashboard("T")["use_cases"]["total"], 0);
    app.get("/api/v1/use_cases/instances/T/i").refused(404, "use_case_instance_not_found", "i");
}

#[test]
fn an_idempotency_key_is_good_for_one_request_only() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let send = |path: &str| app.send("POST", path, None, &[("Idempotency-Key", "run-42")]);
    assert_eq!(send("/api/v1/use_cases/definitions/T/increment_version").ok()["type_version"], 2);
    for other in [
        "/api/v1/use_cases/instances/T",
        "/api/v1/use_cases/instances/T?use_case_id=a",
        "/api/v1/use_cases/definitions/T/increment_version?x=1",
    ] {
        send(other).refused(409, "idempotency_key_reused", "run-42");
    }
    assert_eq!(send("/api/v1/use_cases/definitions/T/increment_version").ok()["type_version"], 2);
}

#[test]
fn the_version_header_is_ignored_on_an_instance_that_exists() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.score("T", "i", "K", &json!({"score": 1})).ok();
    for header in ["latest", "7"] {
        let put = |instance: &str| {
            let path = format!("/api/v1/use_cases/instances/T/{instance}/kpis/K");
            let body = json!({"score": 0}).to_string();
            app.send("PUT", &path, Some(body), &[("xProxy-UseCase-Version", header)])
        };
        assert_eq!(put("i").status, 204);
        put("new").refused(400, "invalid_request", "does not exist");
    }
}
