//! Keys, roles, applications.

use serde_json::json;

use crate::app;
use crate::support::{Service, unique};

#[test]
fn a_key_is_shown_once_listed_and_revoked() {
    let app = app();
    let made = app.post("/api/v1/keys", &json!({"role": "read", "name": "portal"})).ok();
    let reader = app.with_key(made["api_key"].as_str().unwrap());
    reader.get("/api/v1/dashboard").ok();
    let listed = app.get("/api/v1/keys").ok();
    let shown =
        listed["items"].as_array().unwrap().iter().find(|key| key["key_id"] == made["key_id"]).unwrap();
    assert_eq!(
        (&shown["role"], &shown["name"], shown.get("api_key")),
        (&json!("read"), &json!("portal"), None)
    );
    let path = format!("/api/v1/keys/{}", made["key_id"].as_str().unwrap());
    assert!(app.delete(&path).ok()["revoked_timestamp"].is_string());
    reader.get("/api/v1/dashboard").refused(401, "invalid_api_key", "API key");
    app.delete("/api/v1/keys/key_none").refused(404, "not_found", "key_none");
    app.post("/api/v1/keys", &json!({"role": "king"})).refused(400, "invalid_request", "king");
    app.post("/api/v1/keys", &json!({"role": "read", "expires_timestamp": "2020-01-01T00:00:00Z"})).refused(
        400,
        "invalid_timestamp",
        "expires",
    );
}

#[test]
fn both_headers_carry_a_key_and_nothing_else_does() {
    let app = app();
    let bearer = format!("Bearer {}", app.key);
    let without = app.with_key("");
    assert_eq!(without.send("GET", "/api/v1/dashboard", None, &[("Authorization", &bearer)]).status, 200);
    without.get("/api/v1/dashboard").refused(401, "invalid_api_key", "xProxy-api-key");
    app.with_key("ekpi_wrong").get("/api/v1/nowhere").refused(401, "invalid_api_key", "");
    assert_eq!(without.get("/health").status, 200);
}

#[test]
fn roles_may_do_what_the_contract_says() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.score("T", "i", "K", &json!({"score": 1})).ok();
    let definition = json!({"name": "N", "description": ""});
    for (role, reads_dashboards, writes, defines, administers) in [
        ("read", true, false, false, false),
        ("ingest", false, true, false, false),
        ("editor", true, true, true, false),
        ("admin", true, true, true, true),
    ] {
        let key = app.with_role(role);
        let check = |what: &str, status: u16, allowed: bool| {
            assert_eq!(status == 403, !allowed, "{role}: {what} gave {status}");
        };
        check("reads scores", key.get("/api/v1/use_cases/instances/T/i/kpis").status, true);
        check("reads definitions", key.get("/api/v1/use_cases/definitions").status, true);
        check("reads a dashboard", key.get("/api/v1/dashboard/T").status, reads_dashboards);
        check("reads the overview", key.get("/api/v1/dashboard").status, reads_dashboards);
        check("writes a score", key.score("T", "i", "K", &json!({"score": 1})).status, writes);
        check(
            "makes an instance",
            key.send("POST", "/api/v1/use_cases/instances/T", None, &[]).status,
            writes,
        );
        check("defines", key.post("/api/v1/use_cases/definitions", &definition).status, defines);
        check("reads keys", key.get("/api/v1/keys").status, administers);
        check("reconciles", key.post("/api/v1/admin/reconcile", &json!({})).status, administers);
        check("makes applications", key.post("/api/v1/applications", &json!({})).status, false);
    }
    app.with_role("read").score("T", "i", "K", &json!({"score": 1})).refused(403, "forbidden", "read");
}

#[test]
fn applications_never_see_each_other() {
    let (ours, theirs) = (app(), app());
    let (id, name) = (unique("same"), unique("Same"));
    for app in [&ours, &theirs] {
        app.define(&name, "K", "likert5", 3.0);
    }
    ours.score(&name, &id, "K", &json!({"score": 5})).ok();
    theirs.get(&format!("/api/v1/use_cases/instances/{id}")).refused(404, "use_case_instance_not_found", &id);
    theirs.score(&name, &id, "K", &json!({"score": 1})).ok();
    assert_eq!(ours.dashboard(&name)["kpis"][0]["average"], 5.0);
    assert_eq!(theirs.dashboard(&name)["kpis"][0]["average"], 1.0);
    let key = ours.get("/api/v1/keys").ok()["items"][0]["key_id"].as_str().unwrap().to_owned();
    theirs.delete(&format!("/api/v1/keys/{key}")).refused(404, "not_found", &key);
}

#[test]
fn only_the_root_key_makes_applications() {
    let root = Service::from_environment().root();
    let id = unique("app");
    root.post("/api/v1/applications", &json!({"application_id": id})).ok();
    root.post("/api/v1/applications", &json!({"application_id": id})).refused(
        400,
        "invalid_request",
        "taken",
    );
    root.post("/api/v1/applications", &json!({"application_id": "a b"})).refused(
        400,
        "invalid_request",
        "application_id",
    );
    assert!(
        root.get("/api/v1/applications?limit=500").ok()["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|a| a["application_id"] == "default")
    );
    app().post("/api/v1/applications", &json!({})).refused(403, "forbidden", "");
}
