//! Paths and methods that can't be, sent as they stand: no client tidies them up.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Cycle;
use std::slice::Iter;

use edge_kpi::api::routes::ROUTES;

use super::{Case, Fixture};
use crate::doors::objects::request;

/// Texts in the place of a name, as they are in the path.
fn awkward() -> Vec<String> {
    let mut all: Vec<String> = [
        "'%20OR%201=1%20--",
        "%22;DROP%20TABLE%20scores;--",
        "%2e%2e%2f%2e%2e",
        "..%2F..",
        "%2Fetc%2Fpasswd",
        "a%5Cb",
        "%00",
        "x%00",
        "%0d%0aset-cookie:x",
        "%F0%9F%91%8D",
        "%E2%80%AEx",
        "%EF%BB%BFx",
        "a;b",
        "a%20b",
        "%20",
        "%",
        "%zz",
        "a%23b",
        "a%3Fb",
        "$%7Bx%7D",
        "%3Cscript%3E",
        "~",
        "*",
        "'",
        "%C3%BC",
    ]
    .map(str::to_owned)
    .into();
    all.extend([129, 10_000].map(|length| "x".repeat(length)));
    all
}

const ANY: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "*"];

/// Texts that one parameter of one route is tried with.
const SHARE: usize = 7;

/// Stands where the awkward text will.
const PLACE: &str = "AWKWARD";

/// Method, path and body of a request to each route in which this parameter is yet to be filled in.
fn requests(
    fixture: &Fixture,
    methods: &[&str],
) -> Vec<(&'static str, &'static str, &'static str, String, String)> {
    let mut all = Vec::new();
    for (method, pattern, ..) in ROUTES.iter().filter(|route| methods.contains(&route.0)) {
        let whole = request((method, pattern), &fixture.objects);
        let body = whole.body.map(|body| body.to_string()).unwrap_or_default();
        // Applications are the root key's.
        for parameter in
            pattern.split('/').filter(|part| part.starts_with('{') && *part != "{application_id}")
        {
            let mut objects = fixture.objects.clone();
            let place = match parameter {
                "{use_case_name}" => &mut objects.use_case_name,
                "{use_case_id}" => &mut objects.use_case_id,
                "{kpi}" => &mut objects.kpi,
                "{event_id}" => &mut objects.event_id,
                "{key_id}" => &mut objects.key_id,
                other => panic!("what can {other} be?"),
            };
            *place = PLACE.to_owned();
            let asked = request((method, pattern), &objects);
            all.push((*pattern, parameter, asked.method, asked.path, body.clone()));
        }
    }
    all
}

#[test]
fn every_name_in_every_path_refuses_what_it_can_not_be() {
    let fixture = Fixture::new();
    let texts = awkward();
    let requests = requests(&fixture, &ANY);
    // Each route gets its share, in turn, so that every kind of name meets every text; one with few routes takes more at each.
    let mut of_parameter: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, parameter, ..) in &requests {
        *of_parameter.entry(parameter).or_default() += 1;
    }
    let mut turns: BTreeMap<&str, Cycle<Iter<String>>> = BTreeMap::new();
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (pattern, parameter, method, path, body) in &requests {
        let share = SHARE.max(texts.len().div_ceil(of_parameter[parameter]));
        for text in turns.entry(parameter).or_insert_with(|| texts.iter().cycle()).take(share) {
            let path = path.replace(PLACE, text);
            let reply = fixture.send(method, &path, body.as_bytes(), Case::JSON);
            check(&format!("{method} {path}: {}", reply.text), &reply, parameter, pattern);
            met.insert((parameter, text));
        }
        fixture.is_unchanged(&format!("{method} {pattern}"));
    }
    assert_eq!(met.len(), of_parameter.len() * texts.len());
    assert_eq!(of_parameter.len(), 5, "{of_parameter:?}");
}

fn check(what: &str, reply: &crate::support::Reply, parameter: &str, pattern: &str) {
    let code = reply.body["xproxy_error"]["code"].as_str().unwrap_or_default();
    let expect: &[(u16, &str)] = match parameter {
        _ if pattern.ends_with("limit_config") => &[(501, "limits_not_supported")],
        "{use_case_name}" => &[(400, "invalid_use_case_name")],
        "{use_case_id}" => &[(400, "invalid_use_case_id")],
        "{kpi}" => &[(404, "kpi_not_found")],
        _ => &[(404, "not_found")],
    };
    assert!(expect.contains(&(reply.status, code)), "{what}");
    reply.refused(reply.status, code, "");
    assert!(reply.text.len() < 2000, "{what}");
}

/// Dots are taken out of a path before anybody sees it, on the way or by the client: `DELETE …/kpis/..` must not delete what
/// stands above.
#[test]
fn dots_never_reach_what_stands_above() {
    let fixture = Fixture::new();
    for (_, parameter, method, path, body) in requests(&fixture, &["POST", "PUT", "DELETE"]) {
        for dots in ["..", "%2e%2E", ".%2e/", "x/../..", "."] {
            // An instance may be named without its use case.
            if (dots, parameter) == (".", "{use_case_name}") && path.contains("/instances/") {
                continue;
            }
            let path = path.replace(PLACE, dots);
            let reply = fixture.send(method, &path, body.as_bytes(), Case::JSON);
            assert!((400..500).contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.text);
            fixture.is_unchanged(&format!("{method} {path}"));
        }
    }
}

#[test]
fn methods_that_do_not_exist_are_refused() {
    let fixture = Fixture::new();
    let (definition, instance, by_id) = fixture.paths();
    for path in
        ["/api/v1/use_cases/definitions", &definition, &instance, &by_id, "/api/v1/dashboard", "/api/v1/keys"]
    {
        for method in ["PATCH", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "PURGE", "QUERY", "LOCK", "MERGE"] {
            let (status, code) = (405, "method_not_allowed");
            fixture.refuses(&Case { method, path, body: b"", headers: &[], status, code, says: method });
        }
        // The platform knows no others: it answers them itself.
        for method in ["get", "delete", "FOO", "G\u{0}T", "DELETE/"] {
            let reply = fixture.send(method, path, b"", &[]);
            assert!((400..=501).contains(&reply.status) && reply.status != 500, "{method}: {}", reply.status);
            fixture.is_unchanged(method);
        }
    }
}

#[test]
fn head_says_what_get_says_without_a_body() {
    let fixture = Fixture::new();
    for (method, pattern, ..) in ROUTES.iter().filter(|route| route.0 == "GET") {
        let path = request((method, pattern), &fixture.objects).path;
        let (head, get) = (fixture.send("HEAD", &path, b"", &[]), fixture.send("GET", &path, b"", &[]));
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}: {}", get.text);
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    fixture.is_unchanged("HEAD");
}

#[test]
fn paths_of_every_shape_are_answered() {
    let fixture = Fixture::new();
    let (definition, ..) = fixture.paths();
    for (path, status) in [
        ("/".to_owned(), 200),
        ("//".to_owned(), 404),
        ("/api/v1".to_owned(), 404),
        ("/API/v1/use_cases/definitions".to_owned(), 404),
        ("/api//v1/use_cases/definitions".to_owned(), 404),
        ("/api/v1/use_cases/definitions/".to_owned(), 200),
        (format!("{definition}/"), 200),
        (format!("{definition}//"), 404),
        (format!("{definition}/kpis/Mood/x"), 404),
        (format!("{definition}%20"), 400),
        (format!("{definition}%FF"), 400),
        ("/api/v1/dashboard/../keys".to_owned(), 200),
        (format!("/{}", "a/".repeat(2000)), 404),
        (format!("/{}", "x".repeat(30_000)), 404),
    ] {
        let reply = fixture.send("GET", &path, b"", &[]);
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
        assert!(status == 200 || reply.text.len() < 2000, "{path}");
    }
}
