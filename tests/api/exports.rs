//! Exports: every score exactly as D1 holds it, in three formats, narrowed, cut and resumed; and the dashboard as a table.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value, json};

use crate::app;
use crate::support::{App, encode};

const SCORES: &str = "/api/v1/use_cases/definitions/T/scores";

/// Texts that formats trip over.
pub const AWKWARD: [&str; 9] = [
    "plain",
    "a, b",
    "say \"hi\"",
    "two\r\nlines",
    "Größe 👍 日本語",
    "=1+1",
    "'=quoted",
    "\u{1}control\ttab",
    "-5",
];

/// Three KPIs, two versions, properties, awkward comments; several scores at the same time, some without comment.
pub fn filled() -> App {
    let app = app();
    app.define("T", "Deflection, \"Rate\"", "boolean", 0.25);
    app.define("T", "=Value $", "number", 10.0);
    app.define_with("T", &json!({"name": "Mood", "kpi_id": "mood", "kpi_type": "likert5", "goal": 3.5}));
    app.define("T", "Gone", "number", 1.0);
    let kpis = ["Deflection, \"Rate\"", "=Value $", "Mood", "Gone"];
    for n in 0..30_usize {
        if n == 15 {
            app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
        }
        let model = ["m-1", "m=2"][n % 2];
        app.post(
            "/api/v1/use_cases/instances/T",
            &json!({"use_case_id": id(&app, n), "properties": {"model": model, "ü \"k\"": "v\n\"w\"", "n": n.to_string()}}),
        )
        .ok();
    }
    let items: Vec<Value> = (0..30)
        .flat_map(|n| (0..4).map(move |k| (n, k)))
        .filter(|(n, k)| (n + k) % 5 != 0)
        .map(|(n, k)| {
            let score = [(n % 2) as f64, n as f64 / 7.0 - 2.0, 1.0 + n as f64 / 10.0, 1.0][k];
            let comment = (n % 10 != 9).then(|| AWKWARD[n % 9]);
            let at = format!("2026-03-{:02}T12:00:00.{:03}Z", 1 + n / 4, n % 2);
            json!({"use_case_id": id(&app, n), "kpi_name": kpis[k], "score": score, "timestamp": at, "comment": comment,
                "source": (n % 3 == 0).then_some("=cmd")})
        })
        .collect();
    let answer = app.post(SCORES, &json!({"scores": items})).ok();
    assert_eq!(answer["rejected"], 0, "{answer}");
    app.delete("/api/v1/use_cases/definitions/T/kpis/Gone").ok();
    app
}

fn id(app: &App, n: usize) -> String {
    format!("{}-{n}", app.id)
}

/// What an export must hold: plain SQL, rows without their cursors.
pub fn expected(app: &App, condition: &str) -> Vec<Value> {
    let database = app.service.database();
    let mut statement = database
        .prepare(&format!(
            "SELECT x.use_case_id, x.version AS type_version, k.kpi_id, k.name AS kpi_name, k.kpi_type, s.score, \
               strftime('%Y-%m-%dT%H:%M:%fZ', s.timestamp_ms / 1000.0, 'unixepoch') AS timestamp, \
               strftime('%Y-%m-%dT%H:%M:%fZ', s.created_ms / 1000.0, 'unixepoch') AS create_timestamp, \
               strftime('%Y-%m-%dT%H:%M:%fZ', s.updated_ms / 1000.0, 'unixepoch') AS update_timestamp, \
               s.comment, s.source, x.properties \
             FROM scores s, instances x, kpis k, use_case_types t, applications a \
             WHERE x.type_no = s.type_no AND x.instance_no = s.instance_no AND k.kpi_no = s.kpi_no AND k.deleted_ms IS NULL \
               AND t.type_no = s.type_no AND t.name = 'T' AND t.deleted_ms IS NULL \
               AND a.application_no = t.application_no AND a.application_id = ?1 AND {condition} \
             ORDER BY s.kpi_no, s.timestamp_ms, s.instance_no"
        ))
        .unwrap();
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    statement
        .query_map([&app.id], |row| {
            let mut fields = Map::new();
            for (place, name) in names.iter().enumerate() {
                let value = match row.get(place)? {
                    Sql::Text(text) if name == "properties" => serde_json::from_str(&text).unwrap(),
                    Sql::Text(text) => json!(text),
                    Sql::Integer(number) => json!(number),
                    Sql::Real(number) => json!(number),
                    _ => Value::Null,
                };
                fields.insert(name.clone(), value);
            }
            Ok(Value::Object(fields))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// The rows of an answer, in whatever format, and their cursors. CSV can't tell an empty text from none.
pub fn rows(format: &str, text: &str) -> (Vec<Value>, Vec<String>) {
    let mut rows: Vec<Value> = match format {
        "json" => serde_json::from_str::<Value>(text).unwrap()["items"].as_array().unwrap().clone(),
        "ndjson" => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        _ => csv_rows(text),
    };
    let cursors =
        rows.iter_mut().map(|row| text_of(&row.as_object_mut().unwrap().remove("cursor").unwrap())).collect();
    (rows, cursors)
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn csv_rows(text: &str) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    reader
        .records()
        .map(|record| {
            let cells = record.unwrap();
            let fields = names.iter().zip(&cells).map(|(name, cell)| {
                let value = match name {
                    "type_version" | "score" | "properties" => serde_json::from_str(cell).unwrap(),
                    _ if cell.is_empty() => Value::Null,
                    _ => json!(unquoted(cell)),
                };
                (name.to_owned(), value)
            });
            Value::Object(fields.collect())
        })
        .collect()
}

/// What a reader of an export has to do: take the apostrophe off that stands before what looks like a formula.
fn unquoted(cell: &str) -> &str {
    let bare = cell.trim_start_matches('\'');
    assert!(bare == cell || cell.starts_with('\''));
    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?} is a formula");
    if bare.starts_with(['=', '+', '-', '@', '\t', '\r']) { &cell[1..] } else { cell }
}

fn export(app: &App, query: &str) -> String {
    let reply = app.get(&format!("{SCORES}?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

#[test]
fn an_export_is_what_the_database_holds_in_every_format() {
    let app = filled();
    let all = expected(&app, "true");
    assert!(all.len() > 60);
    for (format, media_type) in
        [("json", "application/json"), ("ndjson", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")]
    {
        let reply = app.get(&format!("{SCORES}?format={format}"));
        assert_eq!(reply.header("content-type"), Some(media_type));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
        assert_eq!(
            reply.header("content-disposition"),
            (format == "csv").then_some("attachment; filename=\"scores-T.csv\"")
        );
        assert_eq!(rows(format, &reply.text).0, all, "{format}");
        if format == "json" {
            assert_eq!(reply.header("x-request-id"), reply.body["request_id"].as_str());
            assert!(reply.body.get("cursor").is_none());
        }
    }
    assert_eq!(rows("json", &app.get(SCORES).text).0, all, "json is the default");
    let head = app.send("HEAD", &format!("{SCORES}?format=csv"), None, &[]);
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[test]
fn filters_narrow_an_export() {
    let app = filled();
    let ms = |text: &str| format!("(unixepoch('{text}') * 1000)");
    let model = "json_extract(x.properties, '$.model')";
    for (query, condition) in [
        ("kpi=Mood".to_owned(), "k.name = 'Mood'".to_owned()),
        ("kpi=mood".to_owned(), "k.name = 'Mood'".to_owned()),
        (format!("kpi=mood&kpi={}", encode("=Value $")), "k.name IN ('Mood', '=Value $')".to_owned()),
        ("version=1".to_owned(), "x.version = 1".to_owned()),
        ("version=2&kpi=mood".to_owned(), "x.version = 2 AND k.name = 'Mood'".to_owned()),
        (
            "from=2026-03-03&to=2026-03-05".to_owned(),
            format!("s.timestamp_ms >= {} AND s.timestamp_ms < {}", ms("2026-03-03"), ms("2026-03-05")),
        ),
        // Both ends to the millisecond.
        (
            "from=2026-03-02T12:00:00.001Z&to=2026-03-04T12:00:00.001Z".to_owned(),
            format!(
                "s.timestamp_ms > {} AND s.timestamp_ms <= {}",
                ms("2026-03-02 12:00"),
                ms("2026-03-04 12:00")
            ),
        ),
        (
            "from=2026-03-03&time_zone=Asia/Tokyo".to_owned(),
            format!("s.timestamp_ms >= {}", ms("2026-03-02 15:00")),
        ),
        ("to=2026-03-02".to_owned(), format!("s.timestamp_ms < {}", ms("2026-03-02"))),
        (format!("property.model={}", encode("m=2")), format!("{model} = 'm=2'")),
        (
            "property.model=m-1&property.n=4".to_owned(),
            format!("{model} = 'm-1' AND json_extract(x.properties, '$.n') = '4'"),
        ),
        (
            "property.model=m-1&version=2&limit=3&kpi=mood".to_owned(),
            format!("{model} = 'm-1' AND x.version = 2 AND k.name = 'Mood'"),
        ),
        ("property.model=none".to_owned(), "false".to_owned()),
        ("to=2001-01-01".to_owned(), "false".to_owned()),
    ] {
        let mut all = expected(&app, &condition);
        assert!(!all.is_empty() || condition == "false", "{condition} leaves nothing to compare");
        if query.contains("limit=3") {
            all.truncate(3);
        }
        for format in ["json", "ndjson", "csv"] {
            let text = export(&app, &format!("{query}&format={format}"));
            assert_eq!(rows(format, &text).0, all, "{format} {query}");
        }
    }
}

#[test]
fn a_cursor_resumes_behind_any_row() {
    let app = filled();
    let all = expected(&app, "true");
    let cursors = rows("ndjson", &export(&app, "format=ndjson")).1;
    for (place, cursor) in cursors.iter().enumerate() {
        let format = ["json", "ndjson", "csv"][place % 3];
        let rest = export(&app, &format!("format={format}&cursor={cursor}"));
        assert_eq!(rows(format, &rest).0, all[place + 1..], "behind row {place}");
    }
    // Limit by limit.
    for limit in [1, 7, all.len() - 1, all.len(), all.len() + 1] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{SCORES}?limit={limit}&cursor={cursor}")).ok();
            let items = rows("json", &page.to_string()).0;
            assert!(items.len() == limit || page.get("cursor").is_none());
            seen.extend(items);
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(seen, all, "in steps of {limit}");
        for format in ["ndjson", "csv"] {
            let text = export(&app, &format!("limit={limit}&format={format}"));
            assert_eq!(rows(format, &text).0, all[..limit.min(all.len())]);
        }
    }
    let narrowed = expected(&app, "x.version = 2");
    let page = app.get(&format!("{SCORES}?version=2&limit=5")).ok();
    let rest = export(&app, &format!("version=2&cursor={}", page["cursor"].as_str().unwrap()));
    assert_eq!(rows("json", &rest).0, narrowed[5..]);
}

#[test]
fn what_an_export_can_not_be_asked_for_is_refused() {
    let app = filled();
    app.define("U", "K", "number", 1.0);
    let cursor = app.get(&format!("{SCORES}?limit=1")).ok()["cursor"].as_str().unwrap().to_owned();
    let other = SCORES.replace("/T/", "/U/");
    app.get(&format!("{other}?cursor={cursor}")).refused(400, "invalid_cursor", "cursor");
    let lists = app.get("/api/v1/use_cases/definitions/T/kpis?limit=1").ok()["cursor"].clone();
    for (query, code, says) in [
        ("format=xml".to_owned(), "invalid_filter", "json, ndjson, csv"),
        ("limit=0".to_owned(), "invalid_request", "1 or more"),
        ("limit=-1".to_owned(), "invalid_request", "-1"),
        ("limit=x".to_owned(), "invalid_request", "'x'"),
        ("from=yesterday".to_owned(), "invalid_filter", "yesterday"),
        ("from=2026-01-02&to=2026-01-02".to_owned(), "invalid_filter", "before"),
        ("time_zone=Mars".to_owned(), "invalid_filter", "Mars"),
        ("version=3".to_owned(), "invalid_filter", "version 3"),
        ("version=0".to_owned(), "invalid_filter", "version 0"),
        ("version=two".to_owned(), "invalid_filter", "two"),
        ("cursor=abc".to_owned(), "invalid_cursor", "abc"),
        (format!("cursor={}", lists.as_str().unwrap()), "invalid_cursor", "cursor"),
    ] {
        app.get(&format!("{SCORES}?{query}")).refused(400, code, says);
    }
    app.get(&format!("{SCORES}?kpi=Mood&kpi=Gone")).refused(404, "kpi_not_found", "Gone");
    app.get(&SCORES.replace("/T/", "/Nope/")).refused(404, "use_case_not_found", "Nope");
    app.get(&SCORES.replace("/T/", "/a%20b/")).refused(400, "invalid_use_case_name", "a b");
    assert_eq!(rows("json", &app.get(&other).text).0, Vec::<Value>::new());
    assert_eq!(app.get(&format!("{other}?format=ndjson")).text, "");
    assert_eq!(app.get(&format!("{other}?format=csv")).text.lines().count(), 1);
}

#[test]
fn every_role_but_ingest_may_export() {
    let app = filled();
    for (role, status) in [("read", 200), ("editor", 200), ("admin", 200), ("ingest", 403)] {
        let with_role = app.with_role(role);
        assert_eq!(with_role.get(SCORES).status, status, "{role}");
        assert_eq!(with_role.get("/api/v1/dashboard/T?format=csv").status, status, "{role}");
    }
}

#[test]
fn a_dashboard_s_series_comes_as_a_table() {
    let app = filled();
    let query = "from=2026-03-01&to=2026-03-08&granularity=day";
    let shown = app.dashboard_with("T", query);
    let reply = app.get(&format!("/api/v1/dashboard/T?{query}&format=csv"));
    assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"dashboard-T.csv\""));
    let mut lines = csv::Reader::from_reader(reply.text.as_bytes());
    assert_eq!(
        lines.headers().unwrap().iter().collect::<Vec<_>>().join(","),
        "use_case_name,kpi_id,kpi_name,kpi_type,unit,goal,start,count,average,goal_met"
    );
    let mut lines = lines.records();
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with('=') => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for kpi in shown["kpis"].as_array().unwrap() {
        for point in kpi["series"].as_array().unwrap() {
            let fields = ["kpi_id", "kpi_name", "kpi_type", "unit", "goal"].map(|name| cell(&kpi[name]));
            let points = ["start", "count", "average", "goal_met"].map(|name| cell(&point[name]));
            let line = lines.next().unwrap().unwrap();
            let expect: Vec<String> = ["T".to_owned()].into_iter().chain(fields).chain(points).collect();
            assert_eq!(line.iter().collect::<Vec<_>>(), expect);
        }
    }
    assert!(lines.next().is_none());
    assert!(reply.text.contains("'=Value $"), "{}", reply.text);
    app.get("/api/v1/dashboard/T?format=ndjson").refused(400, "invalid_filter", "json, csv");
    assert_eq!(app.get("/api/v1/dashboard/T?format=json").ok()["use_case_name"], "T");
}
