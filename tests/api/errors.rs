//! What callers get for what can't be done: codes and words. (Codes that need a definition or a score stand with those.)

use serde_json::json;

use crate::app;

#[test]
fn bodies_that_can_not_be_read_are_refused() {
    let app = app();
    let path = "/api/v1/use_cases/definitions";
    let post = |body: &str, content_type: &str| {
        app.send("POST", path, Some(body.into()), &[("content-type", content_type)])
    };
    post("{", "application/json").refused(400, "invalid_request", "not valid JSON");
    post("[]", "application/json").refused(400, "invalid_request", "array");
    post("{}", "application/json").refused(400, "invalid_request", "'name'");
    post(r#"{"name": 5}"#, "application/json").refused(400, "invalid_request", "name must be text");
    post(r#"{"name": "a b"}"#, "application/json").refused(400, "invalid_use_case_name", "a b");
    post(r#"{"name": "T", "logging_enabled": "yes"}"#, "application/json").refused(
        400,
        "invalid_request",
        "logging_enabled",
    );
    post("name=T", "application/x-www-form-urlencoded").refused(
        415,
        "unsupported_media_type",
        "application/json",
    );
    post(&" ".repeat(1024 * 1024 + 1), "application/json").refused(413, "payload_too_large", "1048576");
    post(&"[".repeat(5000), "application/json").refused(400, "invalid_request", "recursion");
    post(r#"{"name": "T", "x": 1e999}"#, "application/json").refused(400, "invalid_request", "number");
    assert_eq!(post(r#"{"name": "T", "unknown": 1}"#, "application/json; charset=utf-8").status, 200);
}

#[test]
fn definitions_that_can_not_be_are_refused() {
    let app = app();
    let path = "/api/v1/use_cases/definitions/T/kpis";
    for (body, code, says) in [
        (json!({"kpi_type": "boolean", "goal": 0}), "invalid_request", "'name'"),
        (json!({"name": "K", "goal": 0}), "invalid_request", "kpi_type"),
        (json!({"name": "K", "kpi_type": "stars", "goal": 0}), "invalid_request", "stars"),
        (json!({"name": "K", "kpi_type": "boolean"}), "invalid_request", "goal"),
        (json!({"name": "K", "kpi_type": "boolean", "goal": "x"}), "invalid_request", "goal"),
        (json!({"name": "K", "kpi_type": "boolean", "goal": 25}), "goal_out_of_range", "25"),
        (json!({"name": "a/b", "kpi_type": "boolean", "goal": 0}), "invalid_kpi_name", "a/b"),
        (json!({"name": " K", "kpi_type": "boolean", "goal": 0}), "invalid_kpi_name", "space"),
        (
            json!({"name": "K", "kpi_name": "L", "kpi_type": "boolean", "goal": 0}),
            "invalid_request",
            "differ",
        ),
        (
            json!({"name": "K", "kpi_type": "boolean", "goal": 0, "direction": "up"}),
            "invalid_request",
            "direction",
        ),
        (
            json!({"name": "K", "kpi_type": "number", "goal": 0, "bucket_width": 0}),
            "invalid_request",
            "bucket_width",
        ),
        (json!({"name": "K", "kpi_type": "number", "goal": 0, "kpi_id": "a b"}), "invalid_request", "kpi_id"),
    ] {
        app.post(path, &body).refused(400, code, says);
    }
    app.get("/api/v1/use_cases/definitions/T").refused(404, "use_case_not_found", "T");
    app.post(
        "/api/v1/use_cases/definitions/a%20b/kpis",
        &json!({"name": "K", "kpi_type": "boolean", "goal": 0}),
    )
    .refused(400, "invalid_use_case_name", "a b");
    app.get("/api/v1/use_cases/definitions/T/kpis").refused(404, "use_case_not_found", "T");
}

#[test]
fn paths_methods_and_parameters_that_do_not_exist_are_refused() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    app.get("/api/v1/nowhere").refused(404, "not_found", "/api/v1/nowhere");
    for method in ["PATCH", "QUERY", "PROPFIND"] {
        let reply = app.send(method, "/api/v1/use_cases/definitions", None, &[]);
        reply.refused(405, "method_not_allowed", "POST");
        assert_eq!(reply.header("allow"), Some("POST, GET"), "{method}");
    }
    app.get("/api/v1/use_cases/definitions?limit=501").refused(400, "invalid_request", "501");
    app.get("/api/v1/use_cases/definitions?cursor=xyz").refused(400, "invalid_cursor", "cursor");
    for (query, says) in [
        ("from=x", "from"),
        ("granularity=year", "year"),
        ("time_zone=Mars", "Mars"),
        ("version=x", "version"),
        ("from=2026-01-02&to=2026-01-01", "before"),
        ("time_zone=europe/berlin", "europe/berlin"),
    ] {
        app.get(&format!("/api/v1/dashboard/T?{query}")).refused(400, "invalid_filter", says);
    }
    app.get("/api/v1/dashboard/T?kpi=Nope").refused(404, "kpi_not_found", "Nope");
    app.get("/api/v1/dashboard/T?from=2000-01-01&granularity=hour").refused(
        422,
        "too_many_buckets",
        "coarser",
    );
    app.get("/api/v1/dashboard/Nope").refused(404, "use_case_not_found", "Nope");
    for path in [
        "/api/v1/ingest",
        "/api/v1/limits/x/reset",
        "/api/v1/categories",
        "/api/v1/requests/r/result",
        "/api/v1/experiences/types",
    ] {
        app.send("POST", path, None, &[]).refused(501, "not_supported", "does not");
    }
}
