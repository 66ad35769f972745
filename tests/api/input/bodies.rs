//! Bodies that can't be read, at every route that takes one.

use edge_kpi::api::routes::ROUTES;
use serde_json::json;

use super::raw::{Body, send};
use super::{Case, Fixture};
use crate::doors::objects::request;

/// Bodies that one route is tried with.
const SHARE: usize = 8;

const MIB: usize = 1024 * 1024;

/// They take none; what they are sent is passed over.
const TAKE_NO_BODY: [&str; 3] = ["/api/v1/admin/reconcile", "/api/v1/admin/rebuild", "limit_config"];

/// Method and path of every route of an application that takes a body.
fn routes(fixture: &Fixture) -> Vec<(&'static str, String)> {
    let takes = |pattern: &str| {
        !pattern.ends_with("/**")
            && !pattern.contains("applications")
            && !TAKE_NO_BODY.iter().any(|end| pattern.ends_with(end))
    };
    let routes: Vec<_> = ROUTES
        .iter()
        .filter(|route| matches!(route.0, "POST" | "PUT") && takes(route.1))
        .map(|route| (route.0, request((route.0, route.1), &fixture.objects).path))
        .collect();
    assert!(routes.len() > 17, "{routes:?}");
    routes
}

#[test]
fn what_is_no_json_object_is_refused_at_every_route() {
    let fixture = Fixture::new();
    let digits = "9".repeat(400);
    let deep = format!("{}{}", "{\"a\":".repeat(200), "1".to_owned() + &"}".repeat(200));
    let bodies: Vec<(Vec<u8>, &str)> = [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object, not an array"),
        ("\"{}\"", "must be a JSON object, not the text"),
        ("5", "must be a JSON object, not the number 5"),
        ("null", "must be a JSON object, not null"),
        ("{} {}", "not valid JSON"),
        ("{'name': 1}", "not valid JSON"),
        ("{\"name\": \"x\",}", "not valid JSON"),
        ("{\"score\": 1, \"score\": 2}", "names the key 'score' twice"),
        ("{\"x\": {\"y\": [{\"z\": 1, \"z\": 1}]}}", "names the key 'z' twice"),
        ("{\"n\\u0061me\": 1, \"name\": 1}", "names the key 'name' twice"),
        ("\u{feff}{}", "byte order mark"),
        ("{\"x\": \"\\ud800\"}", "not valid JSON"),
        ("{\"x\": \"\\udc00\\ud800\"}", "not valid JSON"),
        ("{\"x\": \"\0\"}", "control character"),
        ("{\"x\": NaN}", "not valid JSON"),
        ("{\"x\": -Infinity}", "not valid JSON"),
        ("{\"x\": 1e999}", "number out of range"),
        ("{\"x\": 0x10}", "not valid JSON"),
        (&format!("{{\"x\": {digits}}}"), "number out of range"),
        (&format!("{{\"x\": -{digits}.{digits}}}"), "number out of range"),
        (&deep, "recursion limit"),
        (&"[".repeat(10_000), "recursion limit"),
    ]
    .into_iter()
    .map(|(text, says)| (text.as_bytes().to_vec(), says))
    .chain([(b"{\"x\": \"\xff\"}".to_vec(), "not valid JSON"), (b"\x00".to_vec(), "not valid JSON")])
    .collect();
    for (at, (method, path)) in routes(&fixture).into_iter().enumerate() {
        // The first meets all of them, the others their share, in turn.
        let share = if at == 0 { bodies.len() } else { SHARE };
        for (body, says) in bodies.iter().cycle().skip(at * SHARE).take(share) {
            let (status, code) = (400, "invalid_request");
            fixture.refuses(&Case { method, path: &path, body, headers: Case::JSON, status, code, says });
        }
    }
}

#[test]
fn other_content_types_are_refused_at_every_route() {
    let fixture = Fixture::new();
    let (status, code) = (415, "unsupported_media_type");
    for (method, path) in routes(&fixture) {
        for (content_type, says) in [
            ("text/plain", "text/plain"),
            ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
            ("multipart/form-data; boundary=x", "multipart/form-data"),
            ("application/octet-stream", "application/octet-stream"),
            ("json", "'json'"),
            ("application/json; charset=iso-8859-1", "charset 'iso-8859-1'"),
            ("application/json;charset=\"UTF-16\"", "charset 'UTF-16'"),
        ] {
            let headers = [("content-type", content_type)];
            fixture.refuses(&Case {
                method,
                path: &path,
                body: b"{\"x\": 1}",
                headers: &headers,
                status,
                code,
                says,
            });
        }
    }
    // What says less, or the same in other words, is understood.
    let (definition, ..) = fixture.paths();
    for headers in [
        &[][..],
        &[("content-type", "application/json; charset=UTF-8")],
        &[("content-type", "Application/JSON;charset=\"utf-8\"")],
        &[("content-type", "application/merge-patch+json")],
    ] {
        assert_eq!(fixture.send("PUT", &definition, b"{}", headers).status, 200, "{headers:?}");
    }
}

#[test]
fn bodies_that_are_too_large_are_refused_however_they_come() {
    let fixture = Fixture::new();
    let refused = |method: &str, path: &str, body: Body, content_type: &str, says: &str| {
        let reply = send(&fixture.app, method, path, body, &[("content-type", content_type)]);
        assert_eq!(reply.status, 413, "{method} {path}: {}", reply.text);
        reply.refused(413, "payload_too_large", says);
    };
    let large = vec![b' '; MIB + 1];
    for (method, path) in routes(&fixture) {
        let (bytes, says) = if path == "/api/v1/session" { (16 * 1024, "16384") } else { (MIB, "1048576") };
        for body in [Body::Whole(&large[..=bytes]), Body::Chunked(&large[..=bytes])] {
            refused(method, &path, body, "application/json", says);
        }
        fixture.is_unchanged(&path);
    }
    let (definition, ..) = fixture.paths();
    let scores = format!("{definition}/scores");
    let table = vec![b' '; 10 * MIB + 1];
    for content_type in ["text/csv", "application/x-ndjson"] {
        refused("POST", &scores, Body::Whole(&table), content_type, "10485760");
        refused("POST", &scores, Body::Chunked(&table), content_type, "10485760");
    }
    fixture.is_unchanged("a body that is too large");
    // The largest that there may be, both ways.
    let mut largest = b"{}".to_vec();
    largest.resize(MIB, b' ');
    for body in [Body::Whole(&largest), Body::Chunked(&largest)] {
        assert_eq!(send(&fixture.app, "PUT", &definition, body, Case::JSON).status, 200);
    }
    let empty = send(&fixture.app, "PUT", &definition, Body::Chunked(b""), Case::JSON);
    assert_eq!(empty.status, 200, "{}", empty.text);
}

#[test]
fn tables_that_can_not_be_read_are_refused_and_their_rows_are_named() {
    let fixture = Fixture::new();
    let (definition, ..) = fixture.paths();
    let path = format!("{definition}/scores");
    for (content_type, body, status, code, says) in [
        (
            "text/csv; charset=latin1",
            &b"use_case_id,kpi_name,score\n"[..],
            415,
            "unsupported_media_type",
            "latin1",
        ),
        ("text/csv", b"", 400, "invalid_request", "the CSV is empty"),
        ("text/csv", b"\xff\xfe,score\n", 400, "invalid_request", "not valid UTF-8"),
        ("text/csv", b"use_case_id,kpi_name\n", 400, "invalid_request", "'score'"),
        ("text/csv", b"use_case_id,kpi_name,score,score\n", 400, "invalid_request", "'score' twice"),
        ("text/csv", b"\x00\x01\x02", 400, "invalid_request", "'use_case_id'"),
        ("text/csv", b"\"use_case_id,kpi_name,score\n1,2,3", 400, "invalid_request", "'use_case_id'"),
    ] {
        let headers = [("content-type", content_type)];
        fixture.refuses(&Case { method: "POST", path: &path, body, headers: &headers, status, code, says });
    }
    let kpi = &fixture.objects.kpi;
    let csv = [
        "i,K,1,2",
        "i,K",
        "' OR 1=1 --,K,1",
        "../..,K,1",
        "\0,K,1",
        ",K,1",
        "i,,1",
        "i,Nope,1",
        "i,K,NaN",
        "i,K,Infinity",
        "i,K,1e999",
        "i,K,0x10",
        "i,K,1_000",
        "i,K,one",
        "i,K,1e16",
        "i,K,\u{663}",
        "kpis,K,1",
        "👍,K,1",
    ];
    let rows = csv.len() + 2;
    let csv: String = csv.iter().map(|row| row.replace(",K,", &format!(",{kpi},")) + "\n").collect();
    let csv = format!("use_case_id,kpi_name,score\n{csv}{},{kpi},1\n\u{ff},{kpi},1\n", "x".repeat(129));
    import_nothing(&fixture, &path, "text/csv", csv.as_bytes(), rows);
    let good = json!({"use_case_id": "i", "kpi_name": kpi, "score": 1}).to_string();
    let scored = |score: &str| good.replace("\"score\":1", &format!("\"score\":{score}"));
    assert_ne!(scored("2"), good);
    let lines = [
        "{",
        "[]",
        "7",
        "{}",
        "\u{feff}\u{feff}{}",
        "{\"use_case_id\": \"i\", \"use_case_id\": \"j\", \"kpi_name\": \"K\", \"score\": 1}",
        &good.replace("\"i\"", "\"\\ud800\""),
        &scored("1e999"),
        &scored(&"9".repeat(400)),
        &scored("NaN"),
        &scored("\"1\""),
        &scored("{}"),
        &good.replace("\"i\"", "5"),
        &good.replace("\"i\"", "\"a/b\""),
        &format!("{}{}", "[".repeat(500), "]".repeat(500)),
    ];
    import_nothing(&fixture, &path, "application/x-ndjson", lines.join("\n").as_bytes(), lines.len());
}

/// Every row is refused and named, and none is stored.
fn import_nothing(fixture: &Fixture, path: &str, content_type: &str, table: &[u8], rows: usize) {
    let reply = fixture.send("POST", path, table, &[("content-type", content_type)]).ok();
    let errors = reply["errors"].as_array().unwrap();
    assert_eq!((&reply["accepted"], &reply["rejected"]), (&json!(0), &json!(rows)), "{reply}");
    assert_eq!(errors.len(), rows, "{reply}");
    for (index, error) in errors.iter().enumerate() {
        assert_eq!(error["index"], json!(index), "{reply}");
        let message = error["message"].as_str().unwrap();
        assert!((10..700).contains(&message.len()), "{message}");
    }
    fixture.is_unchanged(content_type);
}
