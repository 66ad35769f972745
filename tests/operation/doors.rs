//! Rate limits, CORS and the last use of keys, as `wrangler.toml` beside this sets them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, Reply, unique};

fn is_limited(reply: &Reply) -> bool {
    if reply.status == 429 {
        reply.refused(429, "rate_limited", "");
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
    reply.status == 429
}

pub fn each_key_is_limited_by_its_role(app: &App) {
    app.define("T", "K", "boolean", 0.5);
    let (reader, other) = (app.with_role("read"), app.with_role("read"));
    // A minute's worth is 5, whatever the minute; two periods may meet in this test.
    let answers: Vec<bool> =
        (0..15).map(|_| is_limited(&reader.get("/api/v1/use_cases/definitions"))).collect();
    let taken = answers.iter().filter(|limited| !**limited).count();
    assert!((5..=10).contains(&taken), "{answers:?}");
    assert!(!is_limited(&other.get("/api/v1/use_cases/definitions")), "each key counts for itself");
    // Of 20, a request with 1,000 scores takes 10. What is refused writes nothing.
    let ingest = app.with_role("ingest");
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
    let importer = app.with_role("ingest");
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
    // It may be written a moment after the answer.
    let last_used = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        shown()["last_used"].as_str().map(str::to_owned)
    });
    let last_used = last_used.expect("the use is not known");
    assert!([day(&made), day(&after)].contains(&last_used), "{last_used}");
}

/// What the service itself wrote into its log: `wrangler dev` adds lines of its own, and decorates errors.
fn log_lines(app: &App) -> Vec<Value> {
    let log = std::fs::read_to_string(app.service.state_dir.join("wrangler.log")).unwrap();
    // The last line may be half-written.
    let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
    whole
        .lines()
        .filter(|line| line.contains("\"event\":"))
        .map(|line| {
            let json = &line[line.find('{').unwrap()..=line.rfind('}').unwrap()];
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {line}"))
        })
        .collect()
}

pub fn the_log_tells_what_a_request_cost_and_nothing_private(app: &App) {
    app.define("Logged", "K", "number", 3.0);
    let (instance, comment) = (unique("private"), unique("secret"));
    let body = json!({"score": 8_765.432_1, "comment": comment});
    let path = format!("/api/v1/use_cases/instances/Logged/{instance}/kpis/K");
    let written = app.put(&path, &body);
    let refused = app.put(&path, &json!({"score": "8765.4321", "comment": comment}));
    let request_id = |reply: &Reply| reply.header("x-request-id").unwrap().to_owned();
    let line_of = |reply: &Reply| {
        let id = request_id(reply);
        // The log may be written a moment after the answer.
        (0..100)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(50));
                log_lines(app).into_iter().find(|line| line["request_id"] == json!(id))
            })
            .expect("the request has no line")
    };
    let line = line_of(&written);
    assert_eq!(
        (&line["event"], &line["level"], &line["method"], &line["status"]),
        (&json!("request"), &json!("info"), &json!("PUT"), &json!(204))
    );
    assert_eq!(line["route"], "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}");
    // The type was just made, so it is looked up once.
    assert_eq!(line["object_calls"], 1);
    assert!(line["d1_calls"].as_u64().unwrap() <= 1 && line["duration_ms"].is_u64(), "{line}");
    assert!(line["application_no"].is_u64());
    assert_eq!(line_of(&refused)["status"], 400);
    for line in log_lines(app) {
        let line = line.to_string();
        for private in [app.key.as_str(), &app.service.root_key, &instance, &comment, "8765.4321", "Logged"] {
            assert!(!line.contains(private), "{private} is in {line}");
        }
    }
}
