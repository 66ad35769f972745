//! Browsers sign in: a key becomes a cookie, which counts as the key as long as both are good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_kpi::domain::calendar::{format_timestamp, parse_timestamp};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app;
use crate::support::{App, Reply, Service};

const PATH: &str = "/api/v1/session";
const HOURS_12_MS: i64 = 12 * 3_600_000;

/// A browser with a cookie.
struct Browser {
    /// Without a key.
    app: App,
    cookie: String,
}

impl Browser {
    fn sign_in(app: &App, key: &str) -> Self {
        let reply = sign_in(app, &json!({"api_key": key}));
        assert_eq!(reply.status, 200, "{}", reply.text);
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { app: app.with_key(""), cookie }
    }

    fn with_value(app: &App, value: &str) -> Self {
        Self { app: app.with_key(""), cookie: format!("edge_kpi_session={value}") }
    }

    fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, &[])
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Reply {
        let headers = [&[("cookie", self.cookie.as_str())], headers].concat();
        self.app.send(method, path, body.map(Value::to_string), &headers)
    }

    /// What was signed, and the signature.
    fn parts(&self) -> (String, String) {
        let value = self.cookie.strip_prefix("edge_kpi_session=").unwrap();
        let (payload, signature) = value.rsplit_once('.').unwrap();
        (payload.to_owned(), signature.to_owned())
    }
}

fn sign_in(app: &App, body: &Value) -> Reply {
    app.with_key("").post(PATH, body)
}

/// A new key: what was answered, and the key.
fn key_of(app: &App, body: &Value) -> (Value, String) {
    let made = app.post("/api/v1/keys", body).ok();
    let key = made["api_key"].as_str().unwrap().to_owned();
    (made, key)
}

fn revoke(app: &App, key: &Value) {
    app.delete(&format!("/api/v1/keys/{}", key["key_id"].as_str().unwrap())).ok();
}

/// The service's clock, from the time at which it says that a key was made.
fn ms(made: &Value, field: &str) -> i64 {
    parse_timestamp(made[field].as_str().unwrap()).unwrap()
}

fn without_request_id(mut body: Value) -> Value {
    body.as_object_mut().unwrap().remove("request_id").unwrap();
    body
}

#[test]
fn a_key_becomes_a_cookie_that_counts_as_the_key() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let (made, key) = key_of(&app, &json!({"role": "read", "name": "portal"}));
    let reply = sign_in(&app, &json!({"api_key": key}));
    let cookie = reply.header("set-cookie").unwrap();
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert!(value.starts_with("edge_kpi_session=") && !value.contains(&key), "{value}");
    assert_eq!(attributes, "HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=43200");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let signed_in = reply.ok();
    let ends_ms = ms(&signed_in, "expires_timestamp");
    assert!((0..60_000).contains(&(ends_ms - HOURS_12_MS - ms(&made, "created_timestamp"))), "{signed_in}");
    let mut expected = json!({"role": "read", "name": "portal", "key_id": made["key_id"], "application_id": app.id,
        "expires_timestamp": signed_in["expires_timestamp"]});
    assert_eq!(without_request_id(signed_in), expected);

    let browser = Browser::sign_in(&app, &key);
    browser.get("/api/v1/dashboard/T").ok();
    let shown = without_request_id(browser.get(PATH).ok());
    assert_eq!((&shown["role"], &shown["key_id"]), (&expected["role"], &expected["key_id"]));
    assert!(shown["expires_timestamp"].is_string());
    expected["expires_timestamp"] = Value::Null;
    assert_eq!(without_request_id(app.with_key(&key).get(PATH).ok()), expected);
    app.with_key("").get(PATH).refused(401, "invalid_api_key", "API key");
    let put = app.put(PATH, &json!({}));
    put.refused(405, "method_not_allowed", "DELETE");
    assert_eq!(put.header("allow"), Some("POST, GET, DELETE"));
}

#[test]
fn a_session_may_do_what_its_key_may() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let score = |browser: &Browser| {
        let body = json!({"score": 1});
        browser.send("PUT", "/api/v1/use_cases/instances/T/i/kpis/K", Some(&body), &[])
    };
    let browser = |role: &str| Browser::sign_in(&app, &app.with_role(role).key);
    let (reader, writer, admin) = (browser("read"), browser("ingest"), browser("admin"));
    score(&reader).refused(403, "forbidden", "'read'");
    assert_eq!(score(&writer).status, 204);
    writer.get("/api/v1/dashboard/T").refused(403, "forbidden", "'ingest'");
    assert_eq!(reader.get("/api/v1/dashboard/T").ok()["kpis"][0]["count"], 1);
    reader.get("/api/v1/keys").refused(403, "forbidden", "'read'");
    admin.get("/api/v1/keys").ok();
    admin.get("/api/v1/applications").refused(403, "forbidden", "");

    let root = Service::from_environment().root();
    let master = Browser::sign_in(&root, &root.key);
    master.get("/api/v1/applications").ok();
    let shown = master.get(PATH).ok();
    assert_eq!(
        (&shown["role"], &shown["name"], &shown["key_id"]),
        (&json!("admin"), &json!("root"), &Value::Null)
    );
    assert_eq!(shown["application_id"], "default");
    assert!(!master.cookie.contains(&root.key));
}

#[test]
fn what_is_no_good_key_signs_nobody_in() {
    let app = app();
    let (revoked, revoked_key) = key_of(&app, &json!({"role": "read"}));
    revoke(&app, &revoked);
    for key in [&format!("ekpi_{}", "0123456789abcdef".repeat(4)), "ekpi_short", "", " ", &revoked_key] {
        let reply = sign_in(&app, &json!({"api_key": key}));
        reply.refused(401, "invalid_api_key", "API key");
        assert_eq!(reply.header("set-cookie"), None);
    }
    for (body, says) in [
        (json!({}), "'api_key' is missing"),
        (json!({"api_key": null}), "'api_key' is missing"),
        (json!({"key": app.key}), "'api_key' is missing"),
        (json!({"api_key": 5}), "api_key must be text"),
        (json!({"api_key": [app.key]}), "api_key must be text"),
        (json!({"api_key": "a\0b"}), "api_key"),
    ] {
        sign_in(&app, &body).refused(400, "invalid_request", says);
    }
    // The key is in the body, and there only.
    app.post(PATH, &json!({})).refused(400, "invalid_request", "api_key");
}

#[test]
fn a_session_ends_with_its_key() {
    let app = app();
    let (made, key) = key_of(&app, &json!({"role": "read"}));
    let browser = Browser::sign_in(&app, &key);
    browser.get("/api/v1/dashboard").ok();
    revoke(&app, &made);
    browser.get("/api/v1/dashboard").refused(401, "invalid_api_key", "API key");
    browser.get(PATH).refused(401, "invalid_api_key", "API key");

    let expires_ms = ms(&made, "created_timestamp") + 3_600_000;
    let (_, key) = key_of(&app, &json!({"role": "read", "expires_timestamp": format_timestamp(expires_ms)}));
    let reply = sign_in(&app, &json!({"api_key": key}));
    let cookie = reply.header("set-cookie").unwrap();
    let kept_s: i64 = cookie.rsplit_once("Max-Age=").unwrap().1.parse().unwrap();
    assert!((3_500..=3_600).contains(&kept_s), "{cookie}");
    assert_eq!(ms(&reply.ok(), "expires_timestamp"), expires_ms);
}

/// A cookie's value, made here from the description in docs/ARCHITECTURE.md.
fn signed(secret: &str, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("edge-kpi session 1\n{payload}").as_bytes());
    format!("{payload}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn hash(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn cookies_that_were_not_given_out_are_refused() {
    let app = app();
    let (made, key) = key_of(&app, &json!({"role": "read"}));
    let secret = app.service.root_key.as_str();
    let now_ms = ms(&made, "created_timestamp");
    let (ours, later) = (hash(&key), now_ms + HOURS_12_MS);
    let check = |value: &str, is_good: bool| {
        let reply = Browser::with_value(&app, value).get("/api/v1/dashboard");
        if is_good {
            reply.ok();
        } else {
            reply.refused(401, "invalid_api_key", "API key");
        }
    };
    let good = signed(secret, &format!("{ours}.{later}"));
    check(&good, true);
    // Its time is over.
    check(&signed(secret, &format!("{ours}.{}", now_ms - 1)), false);
    // Forged: with another secret, or what everybody knows, or who can read D1.
    for other in ["", "root-key", &ours, &key, &hash(secret)] {
        check(&signed(other, &format!("{ours}.{later}")), false);
        check(&signed(other, &format!("root.{later}")), false);
    }
    // Changed: another's key, root, a later end; cut off; in other letters.
    let browser = Browser::sign_in(&app, &key);
    let (payload, signature) = browser.parts();
    let ends = payload.split_once('.').unwrap().1;
    for changed in [
        format!("{}.{ends}.{signature}", hash(&app.key)),
        format!("root.{ends}.{signature}"),
        format!("{ours}.{}.{signature}", later + 1_000_000),
        format!("{payload}.{}", &signature[..signature.len() - 1]),
        format!("{payload}.{}", &signature[..8]),
        format!("{payload}."),
        payload.clone(),
        format!("{payload}.{signature}="),
        format!("{payload}.{signature}.{signature}"),
        format!("{}.{ends}.{signature}", ours.to_uppercase()),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "x".repeat(5000),
        "\u{fc}.\u{fc}.\u{fc}".to_owned(),
    ] {
        check(&changed, false);
    }
    // Well signed, but there is no such key.
    check(&signed(secret, &format!("{}.{later}", hash("nobody's"))), false);
    check(&signed(secret, &format!("x.{later}")), false);
    // The key itself is no cookie.
    check(&key, false);
}

#[test]
fn of_several_cookies_the_good_one_counts() {
    let app = app();
    let mut browser = Browser::sign_in(&app, &app.key);
    browser.cookie = format!("a=1; edge_kpi_session=forged; {};b=2", browser.cookie);
    assert_eq!(browser.get(PATH).ok()["application_id"], json!(app.id));
}

#[test]
fn a_key_in_a_header_counts_before_a_cookie() {
    let (app, other) = (app(), app());
    let browser = Browser::sign_in(&app, &app.key);
    let asked = |headers: &[(&str, &str)]| browser.send("GET", PATH, None, headers);
    let bearer = format!("Bearer {}", other.key);
    for header in [("xProxy-api-key", other.key.as_str()), ("Authorization", &bearer)] {
        let shown = asked(&[header]).ok();
        assert_eq!((&shown["application_id"], &shown["expires_timestamp"]), (&json!(other.id), &Value::Null));
        // Whatever page it comes from: no page can have it sent without the key.
        asked(&[header, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]).ok();
    }
    for wrong in [
        ("xProxy-api-key", "ekpi_wrong"),
        ("Authorization", "Bearer ekpi_wrong"),
        ("authorization", "bearer x"),
    ] {
        asked(&[wrong]).refused(401, "invalid_api_key", "API key");
    }
    // These are no keys.
    for none in [("Authorization", "Basic dTpw"), ("xProxy-api-key", "")] {
        assert_eq!(asked(&[none]).ok()["application_id"], json!(app.id), "{none:?}");
    }
}

#[test]
fn requests_from_elsewhere_are_refused_with_a_session() {
    let app = app();
    app.define("T", "K", "boolean", 0.5);
    let browser = Browser::sign_in(&app, &app.key);
    let own = app.service.url.clone();
    let port = own.rsplit_once(':').unwrap().1;
    let score = |value: u8, headers: &[(&str, &str)]| {
        let body = json!({"score": value});
        browser.send("PUT", "/api/v1/use_cases/instances/T/i/kpis/K", Some(&body), headers)
    };
    // What the portal's own pages send, and what is typed into the address bar.
    assert_eq!(score(1, &[("origin", &own), ("sec-fetch-site", "same-origin")]).status, 204);
    browser.send("GET", "/api/v1/dashboard", None, &[("sec-fetch-site", "none")]).ok();
    // Programs that are no browsers.
    assert_eq!(score(1, &[]).status, 204);

    let is_refused = |reply: Reply| {
        reply.refused(403, "forbidden", "own pages only");
        assert!(
            !reply.headers.iter().any(|(name, _)| name.starts_with("access-control")),
            "{:?}",
            reply.headers
        );
    };
    for site in ["cross-site", "same-site", "Same-Origin", "x", ""] {
        is_refused(score(0, &[("sec-fetch-site", site)]));
        is_refused(score(0, &[("origin", &own), ("sec-fetch-site", site)]));
        is_refused(browser.send("GET", "/api/v1/dashboard", None, &[("sec-fetch-site", site)]));
        is_refused(browser.send("GET", "/api/v1/nowhere", None, &[("sec-fetch-site", site)]));
        assert_eq!(browser.send("HEAD", "/api/v1/dashboard", None, &[("sec-fetch-site", site)]).status, 403);
        is_refused(browser.send("DELETE", PATH, None, &[("sec-fetch-site", site)]));
        let body = json!({"api_key": app.key});
        is_refused(browser.send("POST", PATH, Some(&body), &[("sec-fetch-site", site)]));
    }
    // (The local platform takes another scheme with the same host for its own: a unit test has that.)
    for origin in [
        "https://evil.example",
        "null",
        &format!("http://localhost:{port}"),
        "http://127.0.0.1",
        &format!("{own}0"),
        &format!("{own}/"),
    ] {
        is_refused(score(0, &[("origin", origin)]));
        is_refused(browser.send("DELETE", PATH, None, &[("origin", origin)]));
        is_refused(browser.send("POST", PATH, Some(&json!({"api_key": app.key})), &[("origin", origin)]));
        // Reading is no deed: who asks can't see the answer.
        let read = browser.send("GET", "/api/v1/dashboard", None, &[("origin", origin)]);
        assert!(
            !read.headers.iter().any(|(name, _)| name.starts_with("access-control")),
            "{:?}",
            read.headers
        );
        read.ok();
    }
    assert_eq!(app.dashboard("T")["kpis"][0]["average"], 1.0);
}

#[test]
fn who_signs_out_keeps_no_cookie() {
    let app = app();
    let browser = Browser::sign_in(&app, &app.key);
    let strangers = [Browser::with_value(&app, ""), Browser::with_value(&app, "forged")];
    for browser in strangers.iter().chain([&browser]) {
        let reply = browser.send("DELETE", PATH, None, &[]);
        assert_eq!((reply.status, reply.text.as_str()), (204, ""));
        let expected = "edge_kpi_session=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0";
        assert_eq!(reply.header("set-cookie"), Some(expected));
    }
    assert_eq!(app.with_key("").delete(PATH).status, 204);
    app.with_key("ekpi_wrong").delete(PATH).ok();
}
