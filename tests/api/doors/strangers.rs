//! What belongs to another application can't be told from what does not exist: status, code and words are the same.

use serde_json::{Value, json};

use super::expected::{KINDS, Kind, may};
use super::objects::{Objects, request};
use super::{Callers, Route, send};
use crate::app;
use crate::support::{App, Reply, unique};

/// Fields that differ from answer to answer.
const VOLATILE: [&str; 9] = [
    "request_id",
    "api_key",
    "key_id",
    "kpi_id",
    "event_id",
    "use_case_id",
    "created_timestamp",
    "updated_timestamp",
    "create_timestamp",
];

/// Checks the cells of those who come from another application; answers how many.
pub fn check(routes: &[Route], callers: &Callers, ours: &Objects) -> usize {
    let kinds: Vec<Kind> =
        KINDS.into_iter().filter(|kind| matches!(kind, Kind::Stranger | Kind::Root)).collect();
    // One after the other for each: a list must not change between two looks at it.
    std::thread::scope(|scope| {
        let each = kinds.into_iter().map(|kind| {
            scope.spawn(move || {
                let own = routes.iter().filter(|route| may(**route, kind) && kind.is_elsewhere(**route));
                own.map(|route| check_route(*route, &callers.by_kind[&kind], ours)).count()
            })
        });
        let threads: Vec<_> = each.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn check_route(route: Route, stranger: &App, ours: &Objects) {
    let invented = Objects::invent();
    let theirs = send(stranger, route, ours);
    let nothing = send(stranger, route, &invented);
    assert_eq!(without_names(&theirs, ours), without_names(&nothing, &invented), "{route:?}");
    // Nothing of ours is in the answer but what was asked.
    let asked = request(route, ours);
    let asked = format!("{} {}", asked.path, asked.body.unwrap_or_default());
    for (_, name) in ours.names() {
        assert!(
            asked.contains(name) || !theirs.text.contains(name),
            "{route:?} tells of {name}: {}",
            theirs.text
        );
    }
    // What was made by it is the stranger's own; the next cell must not find it.
    if route.0 == "POST" && theirs.status == 200 {
        for name in [&ours.use_case_name, &invented.use_case_name] {
            stranger.delete(&format!("/api/v1/use_cases/definitions/{name}"));
        }
    }
}

fn without_names(reply: &Reply, objects: &Objects) -> (u16, Value) {
    let mut text =
        if reply.body.is_null() { json!(reply.text) } else { steady(reply.body.clone()) }.to_string();
    for (what, name) in objects.names() {
        text = text.replace(name, &format!("<{what}>"));
    }
    (reply.status, serde_json::from_str(&text).unwrap())
}

/// Without what differs from answer to answer, unless it was in the question.
fn steady(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| {
                let value = if VOLATILE.contains(&key.as_str()) { json!("…") } else { steady(value) };
                (key, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(steady).collect(),
        // The default range of a dashboard ends now.
        Value::String(text) if text.len() == 24 && text.ends_with('Z') => json!("…"),
        other => other,
    }
}

#[test]
fn a_cursor_of_another_application_tells_nothing() {
    let (ours, stranger) = (app(), app());
    let name = unique("Same");
    let instances = [unique("ours"), unique("ours")];
    for app in [&ours, &stranger] {
        for kpi in ["K", "L"] {
            app.define(&name, kpi, "number", 10.0);
        }
        app.define(&unique("Other"), "K", "number", 10.0);
        app.post("/api/v1/keys", &json!({"role": "read"})).ok();
    }
    for id in &instances {
        for kpi in ["K", "L"] {
            ours.score(&name, id, kpi, &json!({"score": 1})).ok();
            let event = json!({"at": "2026-11-02T00:00:00Z", "title": "ours"});
            ours.post(&format!("/api/v1/use_cases/definitions/{name}/events"), &event).ok();
        }
    }
    let own_id = unique("theirs");
    stranger.score(&name, &own_id, "K", &json!({"score": 2})).ok();
    let definition = format!("/api/v1/use_cases/definitions/{name}");
    let lists = [
        ("/api/v1/keys".to_owned(), "/api/v1/keys".to_owned()),
        ("/api/v1/dashboard".to_owned(), "/api/v1/dashboard".to_owned()),
        ("/api/v1/use_cases/definitions".to_owned(), "/api/v1/use_cases/definitions".to_owned()),
        (format!("{definition}/kpis"), format!("{definition}/kpis")),
        (format!("{definition}/instances"), format!("{definition}/instances")),
        (format!("{definition}/events"), format!("{definition}/events")),
        (format!("{definition}/scores"), format!("{definition}/scores")),
        (
            format!("/api/v1/use_cases/instances/{}/kpis", instances[0]),
            format!("/api/v1/use_cases/instances/{own_id}/kpis"),
        ),
    ];
    let mine = ours.get("/api/v1/use_cases/definitions").ok()["items"].clone();
    for (list, own_list) in &lists {
        let cursor = ours.get(&format!("{list}?limit=1")).ok()["cursor"].as_str().unwrap().to_owned();
        let reply = stranger.get(&format!("{own_list}?cursor={cursor}"));
        // Either it is not one of theirs, or it is a place among their own rows.
        if reply.status == 200 {
            for item in reply.body["items"].as_array().unwrap() {
                let all = stranger.get(own_list).ok()["items"].clone();
                let is_own = all.as_array().unwrap().iter().any(|own| same(own, item));
                assert!(is_own, "{own_list}: {item} is not in {all}");
            }
        } else {
            reply.refused(400, "invalid_cursor", "");
        }
    }
    assert_eq!(mine, with_ids_of(&mine, ours.get("/api/v1/use_cases/definitions").ok()["items"].clone()));
}

/// Whether two answers show the same thing.
fn same(a: &Value, b: &Value) -> bool {
    let named = |value: &Value| {
        ["name", "key_id", "kpi_id", "use_case_id", "event_id", "use_case_name"]
            .map(|field| value[field].clone())
    };
    named(a) == named(b)
}

fn with_ids_of(first: &Value, mut second: Value) -> Value {
    for (item, other) in second.as_array_mut().unwrap().iter_mut().zip(first.as_array().unwrap()) {
        item["request_id"] = other["request_id"].clone();
    }
    second
}

#[test]
fn an_idempotency_key_is_known_to_its_own_application_only() {
    let (ours, stranger) = (app(), app());
    let key = unique("once");
    let name = unique("Same");
    let path = format!("/api/v1/use_cases/instances/{name}");
    let mut made = Vec::new();
    for (app, goal) in [(&ours, 10.0), (&stranger, 20.0)] {
        app.define(&name, "K", "number", goal);
        let send =
            |body: &str| app.send("POST", &path, Some(body.into()), &[("Idempotency-Key", key.as_str())]);
        let first = send("{}").ok();
        assert_eq!(send("{}").ok(), first);
        send(r#"{"version": 1}"#).refused(409, "idempotency_key_reused", &key);
        made.push(first["use_case_id"].clone());
    }
    assert_ne!(made[0], made[1]);
}

#[test]
fn a_comparison_with_another_application_s_use_case_finds_none() {
    let (ours, stranger) = (app(), app());
    let (name, own) = (unique("Ours"), unique("Theirs"));
    ours.define(&name, "K", "number", 10.0);
    stranger.define(&own, "K", "number", 10.0);
    let compare =
        |with: &str| stranger.get(&format!("/api/v1/dashboard/{own}/compare?by=use_case&candidate={with}"));
    compare(&name).refused(404, "use_case_not_found", &name);
    compare("Nothing").refused(404, "use_case_not_found", "Nothing");
    let filtered =
        |name: &str| stranger.get(&format!("/api/v1/use_cases/definitions?use_case_name={name}")).ok();
    assert_eq!(filtered(&name)["items"], filtered("Nothing")["items"]);
    // An id that is taken elsewhere is free here.
    ours.score(&name, "same", "K", &json!({"score": 1})).ok();
    stranger.score(&own, "same", "K", &json!({"score": 2})).ok();
    assert_eq!(ours.get("/api/v1/use_cases/instances/same").ok()["use_case_name"], json!(name));
}
