//! Rate limits, CORS and the last use of keys, as `wrangler.toml` beside this sets them.

use serde_json::{Value, json};

use crate::support::{App, Reply};

fn with_role(app: &App, role: &str) -> App {
    app.with_key(app.post("/api/v1/keys", &json!({"role": role})).ok()["api_key"].as_str().unwrap())
}

fn is_limited(reply: &Reply) -> bool {
    if reply.status == 429 {
        reply.refused(429, "rate_limited", "");
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
    reply.status == 429
}

pub fn each_key_is_limited_by_its_role(app: &App) {
    app.define("T", "K", "boolean", 0.5);
    let (reader, other) = (with_role(app, "read"), with_role(app, "read"));
    // A minute's worth is 5, whatever the minute; two periods may meet in this test.
    let answers: Vec<bool> =
        (0..15).map(|_| is_limited(&reader.get("/api/v1/use_cases/definitions"))).collect();
    let taken = answers.iter().filter(|limited| !**limited).count();
    assert!((5..=10).contains(&taken), "{answers:?}");
    assert!(!is_limited(&other.get("/api/v1/use_cases/definitions")), "each key counts for itself");
    // Of 20, a request with 1,000 scores takes 10. What is refused writes nothing.
    let ingest = with_role(app, "ingest");
    let bulk = |request: u32| {
        let scores: Vec<Value> = (0..1000)
            .map(|n| json!({"use_case_id": format!("r{request}-{n}"), "kpi_name": "K", "score": true}))
            .collect();
        ingest.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": scores}))
    };
    let mut stored = 0;
    for request in 0..6 {
        let reply = bulk(request);
        if !is_limited(&reply) {
            stored += reply.ok()["accepted"].as_u64().unwrap();
        }
    }
    assert!([2000, 3000, 4000].contains(&stored), "{stored}");
    assert_eq!(app.dashboard("T")["kpis"][0]["count"], json!(stored));
    // An import counts as it goes on, and says how far it came.
    let importer = with_role(app, "ingest");
    let rows: String = (0..5000).map(|n| format!("import-{n},K,1\n")).collect();
    let table = format!("use_case_id,kpi_name,score\n{rows}");
    let path = "/api/v1/use_cases/definitions/T/scores";
    let reply = importer.send("POST", path, Some(table), &[("content-type", "text/csv")]);
    assert!(is_limited(&reply));
    assert!(reply.text.contains("rows of this import are stored"), "{}", reply.text);
    // A role without a limiter is not limited.
    assert!((0..60).all(|_| app.get("/api/v1/use_cases/definitions").status == 200));
}

pub fn unknown_keys_are_limited_by_address(app: &App) {
    let guess = |n: u32| app.with_key(&format!("ekpi_{n:064x}")).get("/api/v1/dashboard");
    let answers: Vec<Reply> = (0..40).map(guess).collect();
    assert!(answers.iter().take(10).all(|reply| reply.status == 401));
    assert!(answers.iter().any(is_limited), "40 guesses");
    // What was never a key of this service costs nothing, and is not counted.
    assert!((0..20).all(|_| app.with_key("guess").get("/api/v1/dashboard").status == 401));
    // Those who have a key, and are known, are not concerned.
    app.get("/api/v1/dashboard").ok();
}

pub fn only_listed_pages_may_call(app: &App) {
    let listed = ("Origin", "https://kpis.example.com");
    let asks = ("Access-Control-Request-Method", "PUT");
    let path = "/api/v1/dashboard";
    let preflight = app.with_key("").send("OPTIONS", path, None, &[listed, asks]);
    assert_eq!((preflight.status, preflight.text.as_str()), (204, ""));
    let header = |reply: &Reply, name: &str| reply.header(name).unwrap_or_default().to_owned();
    assert_eq!(header(&preflight, "access-control-allow-origin"), listed.1);
    assert!(header(&preflight, "access-control-allow-methods").contains("PUT"));
    assert!(header(&preflight, "access-control-allow-headers").contains("xproxy-api-key"));
    let answer = app.send("GET", path, None, &[listed]);
    assert_eq!(header(&answer, "access-control-allow-origin"), listed.1);
    assert!(header(&answer, "vary").contains("Origin"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for other in ["https://kpis.example.com.evil.example", "http://kpis.example.com", "null"] {
        let preflight = app.send("OPTIONS", path, None, &[("Origin", other), asks]);
        preflight.refused(405, "method_not_allowed", "OPTIONS");
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        let answer = app.send("GET", path, None, &[("Origin", other)]);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    }
}

pub fn the_day_of_a_key_s_last_use_is_known(app: &App) {
    let made = app.post("/api/v1/keys", &json!({"role": "editor", "name": "rotated"})).ok();
    let shown = || {
        let listed = app.get("/api/v1/keys?limit=500").ok();
        listed["items"].as_array().unwrap().iter().find(|k| k["key_id"] == made["key_id"]).unwrap().clone()
    };
    assert_eq!(shown()["last_used"], Value::Null);
    app.with_key(made["api_key"].as_str().unwrap()).get("/api/v1/dashboard").ok();
    // By the service's own clock; midnight may pass in between.
    let day = |key: &Value| key["created_timestamp"].as_str().unwrap()[..10].to_owned();
    let after = app.post("/api/v1/keys", &json!({"role": "read"})).ok();
    let last_used = shown()["last_used"].as_str().unwrap().to_owned();
    assert!([day(&made), day(&after)].contains(&last_used), "{last_used}");
}
