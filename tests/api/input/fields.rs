//! Fields that hold what they can't: wrong kinds, absurd times, values past every limit.

use serde_json::{Value, json};

use super::{Case, Fixture};

/// Values that one field is tried with.
const SHARE: usize = 8;

/// What a field takes. The number is the most characters of a text.
#[derive(Clone, Copy)]
enum Takes {
    Text(usize),
    Number,
    /// A number, or a flag.
    Score,
    Whole,
    Flag,
    Time,
    /// A time that is yet to come.
    Future,
    Texts,
    Objects,
}

use Takes::{Flag, Future, Number, Objects, Score, Text, Texts, Time, Whole};

/// Values that such a field can't hold.
fn wrong(takes: Takes) -> Vec<Value> {
    let object = json!({"a": 1});
    let list = json!([1]);
    match takes {
        Text(chars_max) => {
            vec![json!(5), json!(true), list, object, json!("x".repeat(chars_max + 1)), json!("a\0b")]
        }
        Number => vec![json!("5"), json!(true), list, object, json!("NaN"), json!("")],
        Score => wrong(Number).into_iter().filter(|value| *value != true).collect(),
        Whole => vec![json!("5"), json!(true), list, object, json!(1.5), json!(1e300)],
        Flag => vec![json!("true"), json!(1), json!(0), list, object],
        Texts => vec![
            json!("x"),
            json!(5),
            list,
            json!({"k": 5}),
            json!({"k": {}}),
            json!({"": "v"}),
            json!({"a\nb": "v"}),
        ],
        Objects => vec![json!("x"), json!(5), object, json!([5]), json!([[]])],
        Time => [
            "",
            "yesterday",
            "2026-11-24",
            "2026-11-24 10:00:00Z",
            "2026-11-24T10:00:00",
            "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "99999-01-01T00:00:00Z",
            "+02026-01-01T00:00:00Z",
            "-2026-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1999-12-31T23:59:59.999Z",
            "2000-01-01T00:59:59+01:00",
            "9999-12-31T23:59:59Z",
            "2099-01-01T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T10:60:00Z",
            "2016-12-31T23:59:60Z",
            "2026-11-24T10:00:00+99:99",
            "2026-11-24T10:00:00+24:00",
            "2026-11-24T10:00:00+0200",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-24T10:00:00\u{2212}01:00",
            "２０２６-11-24T10:00:00Z",
        ]
        .into_iter()
        .map(Value::from)
        .chain([json!(1_795_000_000), json!(true), list, object])
        .collect(),
        Future => {
            let is_to_come = |value: &Value| {
                ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"].iter().any(|time| value == time)
            };
            wrong(Time).into_iter().filter(|value| !is_to_come(value)).collect()
        }
    }
}

/// Every field of every body: method, path, a body that would do, the field, what it takes.
fn fields(fixture: &Fixture) -> Vec<(&'static str, String, Value, &'static str, Takes)> {
    let (definition, instance, by_id) = fixture.paths();
    let kpi = &fixture.objects.kpi;
    let name = &fixture.objects.use_case_name;
    let mut all = Vec::new();
    let mut add = |method: &'static str, path: &str, body: Value, fields: &[(&'static str, Takes)]| {
        for (field, takes) in fields {
            all.push((method, path.to_owned(), body.clone(), *field, *takes));
        }
    };
    let described = [("description", Text(2000)), ("logging_enabled", Flag)];
    add("POST", "/api/v1/use_cases/definitions", json!({"name": "New"}), &described);
    add("PUT", &definition, json!({}), &described);
    add("POST", &format!("{definition}/increment_version"), json!({}), &[("timestamp", Time)]);
    let new = json!({"name": "New", "kpi_type": "number", "goal": 1});
    let of_kpi = [
        ("name", Text(10_000)),
        ("kpi_name", Text(10_000)),
        ("description", Text(2000)),
        ("kpi_type", Text(1000)),
        ("goal", Number),
        ("direction", Text(1000)),
        ("unit", Text(16)),
        ("bucket_width", Number),
        ("benchmarks", Objects),
    ];
    add("POST", &format!("{definition}/kpis"), new.clone(), &of_kpi);
    add("POST", &format!("{definition}/kpis"), new, &[("kpi_id", Text(1000))]);
    add("PUT", &format!("{definition}/kpis/{kpi}"), json!({}), &of_kpi);
    let event = json!({"at": "2026-11-01T00:00:00Z", "title": "t"});
    add(
        "POST",
        &format!("{definition}/events"),
        event,
        &[("at", Time), ("title", Text(200)), ("description", Text(2000))],
    );
    add(
        "POST",
        "/api/v1/keys",
        json!({"role": "read"}),
        &[("role", Text(100)), ("name", Text(100)), ("expires_timestamp", Future)],
    );
    add("POST", "/api/v1/session", json!({}), &[("api_key", Text(10_000))]);
    let create =
        [("use_case_id", Text(10_000)), ("version", Whole), ("timestamp", Time), ("properties", Texts)];
    add("POST", &format!("/api/v1/use_cases/instances/{name}"), json!({"use_case_id": "new"}), &create);
    for path in [&instance, &by_id] {
        let score = format!("{path}/kpis/{kpi}");
        add(
            "PUT",
            &score,
            json!({"score": 1}),
            &[("score", Score), ("timestamp", Time), ("comment", Text(2000)), ("source", Text(200))],
        );
        add("POST", &format!("{score}/increment"), json!({"by": 1}), &[("by", Number), ("timestamp", Time)]);
        add("PUT", &format!("{path}/properties"), json!({}), &[("properties", Texts)]);
        add(
            "POST",
            &format!("{path}/properties"),
            json!({"property_name": "k"}),
            &[("property_name", Text(10_000))],
        );
    }
    all
}

#[test]
fn every_field_refuses_what_it_can_not_hold() {
    let fixture = Fixture::new();
    let mut times = wrong(Time).into_iter().cycle();
    for (method, path, body, field, takes) in fields(&fixture) {
        // There are many times that are none: each field gets its share, in turn.
        let values = if matches!(takes, Time) { times.by_ref().take(SHARE).collect() } else { wrong(takes) };
        for value in &values {
            let mut body = body.clone();
            body[field] = value.clone();
            let text = body.to_string();
            let reply = fixture.send(method, &path, text.as_bytes(), Case::JSON);
            let start: String = text.chars().take(200).collect();
            let what = format!("{method} {path} {start}: {}", reply.text);
            assert_eq!(reply.status, 400, "{what}");
            let message = reply.body["message"].as_str().unwrap_or_default();
            assert!(names(message, field) && message.len() < 700, "{what}");
            let code = match takes {
                Time => "invalid_timestamp",
                Future if value.is_string() => "invalid_timestamp",
                _ => "invalid_request",
            };
            reply.refused(400, code, "");
        }
        fixture.is_unchanged(&format!("{method} {path} {field}"));
    }
}

/// Whether a message speaks of a field. `kpi_name` and `name` are one, and so are the parts of a composite.
fn names(message: &str, field: &str) -> bool {
    let also = match field {
        "kpi_name" => "name",
        "properties" | "property_name" => "property",
        "benchmarks" => "benchmark",
        other => other,
    };
    message.contains(field) || message.contains(also)
}

#[test]
fn values_past_their_limits_are_refused() {
    let fixture = Fixture::new();
    let (definition, instance, _) = fixture.paths();
    let (kpis, scores) = (format!("{definition}/kpis"), format!("{instance}/kpis"));
    let (number, properties) = (fixture.objects.kpi.clone(), format!("{instance}/properties"));
    let of = |kpi_type: &str, goal: Value| json!({"name": "New", "kpi_type": kpi_type, "goal": goal});
    let named = |name: &str| json!({"name": name, "kpi_type": "number", "goal": 1});
    let many: Value =
        (0..51).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let benchmarks: Vec<Value> = (0..21).map(|n| json!({"name": format!("b{n}"), "value": 1})).collect();
    let with = |field: &str, value: Value| {
        let mut body = named("New");
        body[field] = value;
        body
    };
    let mut cases = vec![
        ("POST", kpis.clone(), of("boolean", json!(1.01)), "goal_out_of_range", "1.01"),
        ("POST", kpis.clone(), of("percentage", json!(-0.01)), "goal_out_of_range", "0 to 1"),
        ("POST", kpis.clone(), of("likert5", json!(0.5)), "goal_out_of_range", "1 to 5"),
        ("POST", kpis.clone(), of("number", json!(1e16)), "goal_out_of_range", "1e15"),
        ("POST", kpis.clone(), of("likert6", json!(1)), "invalid_request", "likert6"),
        ("POST", kpis.clone(), with("direction", json!("up")), "invalid_request", "direction"),
        ("POST", kpis.clone(), with("bucket_width", json!(0)), "invalid_request", "bucket_width"),
        ("POST", kpis.clone(), with("bucket_width", json!(-1)), "invalid_request", "bucket_width"),
        ("POST", kpis.clone(), with("bucket_width", json!(1e16)), "invalid_request", "bucket_width"),
        ("POST", kpis.clone(), with("benchmarks", benchmarks.into()), "invalid_request", "at most 20"),
        ("POST", kpis.clone(), with("benchmarks", json!([{"name": "b"}])), "invalid_request", "'value'"),
        (
            "POST",
            kpis.clone(),
            with("benchmarks", json!([{"name": "b", "value": 1e16}])),
            "goal_out_of_range",
            "b",
        ),
        (
            "POST",
            kpis.clone(),
            with("benchmarks", json!([{"name": "b", "value": 1}, {"name": "b", "value": 2}])),
            "invalid_request",
            "two benchmarks",
        ),
        ("POST", kpis.clone(), with("kpi_id", json!("a/b")), "invalid_request", "kpi_id"),
        ("POST", kpis.clone(), with("kpi_id", json!("x".repeat(65))), "invalid_request", "kpi_id"),
        ("PUT", format!("{scores}/Solved"), json!({"score": 0.5}), "score_out_of_range", "0 or 1"),
        ("PUT", format!("{scores}/Mood"), json!({"score": 5.01}), "score_out_of_range", "1 to 5"),
        ("PUT", format!("{scores}/Mood"), json!({"score": -1e308}), "score_out_of_range", "1 to 5"),
        ("PUT", format!("{scores}/{number}"), json!({"score": 1.1e15}), "score_out_of_range", "1e15"),
        ("PUT", format!("{scores}/{number}"), json!({"scores": 1}), "invalid_request", "'score'"),
        ("PUT", format!("{scores}/{number}"), json!({"score": "1"}), "invalid_request", "score"),
        ("POST", format!("{scores}/{number}/increment"), json!({"by": 1e308}), "score_out_of_range", "1e15"),
        ("POST", format!("{scores}/{number}/increment"), json!({}), "invalid_request", "'by'"),
        ("POST", format!("{scores}/Mood/increment"), json!({"by": 1}), "invalid_request", "likert5"),
        ("PUT", properties.clone(), json!({"properties": {"x".repeat(65): "v"}}), "invalid_request", "64"),
        ("PUT", properties.clone(), json!({"properties": {"k": "v".repeat(513)}}), "invalid_request", "512"),
        ("PUT", properties.clone(), json!({"properties": {"k": "a\0b"}}), "invalid_request", "NUL"),
        ("PUT", properties.clone(), json!({"properties": many}), "invalid_request", "at most 50"),
        ("PUT", properties.clone(), json!({"propertys": {}}), "invalid_request", "'properties'"),
        ("POST", "/api/v1/keys".into(), json!({"role": "root"}), "invalid_request", "role"),
        ("POST", "/api/v1/keys".into(), json!({"role": "Admin"}), "invalid_request", "role"),
        (
            "POST",
            "/api/v1/keys".into(),
            json!({"role": "read", "expires_timestamp": "2026-02-30T00:00:00Z"}),
            "invalid_timestamp",
            "expires_timestamp",
        ),
        (
            "POST",
            "/api/v1/keys".into(),
            json!({"role": "read", "expires_timestamp": "1999-01-01T00:00:00Z"}),
            "invalid_timestamp",
            "expires_timestamp",
        ),
        (
            "POST",
            format!("{definition}/events"),
            json!({"at": "2026-11-01T00:00:00Z", "title": " "}),
            "invalid_request",
            "title",
        ),
        (
            "POST",
            format!("{definition}/scores"),
            json!({"scores": {}}),
            "invalid_request",
            "scores must be an array",
        ),
        ("POST", format!("{definition}/scores"), json!({"scores": []}), "invalid_request", "0 items"),
        (
            "POST",
            format!("{definition}/scores"),
            json!({"scores": vec![0; 1001]}),
            "invalid_request",
            "1001 items",
        ),
        ("POST", format!("{definition}/scores"), json!({"items": []}), "invalid_request", "'scores'"),
    ];
    let long = "x".repeat(129);
    for bad in
        ["", ".", "..", "a/b", " a", "a ", "a\nb", "a\u{202e}b", "\u{feff}a", "\u{200b}", "a\u{2028}b", &long]
    {
        cases.push(("POST", kpis.clone(), named(bad), "invalid_kpi_name", "name"));
        cases.push(("PUT", format!("{kpis}/{number}"), json!({"kpi_name": bad}), "invalid_kpi_name", "name"));
    }
    // No text may hold it; names are not asked about it.
    cases.push(("POST", kpis.clone(), named("a\0b"), "invalid_request", "name must not contain NUL"));
    let path = format!("{kpis}/{number}");
    cases.push(("PUT", path, json!({"kpi_name": "a\0b"}), "invalid_request", "name must not contain NUL"));
    let create = format!("/api/v1/use_cases/instances/{}", fixture.objects.use_case_name);
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "' OR 1=1 --",
        "ü",
        "👍",
        "a;b",
        "a\\b",
        "kpis",
        "properties",
        "%00",
        &"x".repeat(129),
    ] {
        cases.push((
            "POST",
            create.clone(),
            json!({"use_case_id": bad}),
            "invalid_use_case_id",
            "use_case_id",
        ));
    }
    for bad in ["", ".", "..", "a/b", "a b", "'; DROP TABLE scores; --", "a:b", "ü", "%2e", &"x".repeat(65)]
    {
        cases.push((
            "POST",
            "/api/v1/use_cases/definitions".into(),
            json!({"name": bad}),
            "invalid_use_case_name",
            "name",
        ));
    }
    for version in [0, -1, 2, i64::MAX, i64::MIN] {
        cases.push((
            "POST",
            create.clone(),
            json!({"use_case_id": "new", "version": version}),
            "invalid_request",
            "version",
        ));
    }
    for (method, path, body, code, says) in cases {
        let (path, body) = (path.as_str(), body.to_string());
        fixture.refuses(&Case {
            method,
            path,
            body: body.as_bytes(),
            headers: Case::JSON,
            status: 400,
            code,
            says,
        });
    }
    let limits = json!({"name": "New", "limit_config": {"max": 1}}).to_string();
    let (path, body) = ("/api/v1/use_cases/definitions", limits.as_bytes());
    let (status, code, says) = (501, "limits_not_supported", "limit_config");
    fixture.refuses(&Case { method: "POST", path, body, headers: Case::JSON, status, code, says });
}

#[test]
fn headers_that_can_not_be_are_refused() {
    let fixture = Fixture::new();
    let path = format!("/api/v1/use_cases/instances/{}", fixture.objects.use_case_name);
    let long = "k".repeat(256);
    for (name, value) in
        [("idempotency-key", long.as_str()), ("idempotency-key", "a b"), ("idempotency-key", "schlüssel")]
    {
        let (status, code, says) = (400, "invalid_request", "Idempotency-Key");
        fixture.refuses(&Case {
            method: "POST",
            path: &path,
            body: b"{}",
            headers: &[(name, value)],
            status,
            code,
            says,
        });
    }
    for version in ["x", "1.5", "-1", "99999999999999999999", "0"] {
        let headers = [("xProxy-UseCase-Version", version)];
        let (status, code, says) = (400, "invalid_request", "version");
        fixture.refuses(&Case {
            method: "POST",
            path: &path,
            body: b"",
            headers: &headers,
            status,
            code,
            says,
        });
    }
}

#[test]
fn of_a_bulk_request_only_what_can_be_is_stored() {
    let fixture = Fixture::new();
    let (definition, ..) = fixture.paths();
    let kpi = &fixture.objects.kpi;
    let good = json!({"use_case_id": "new", "kpi_name": kpi, "score": 1});
    let mut bad = vec![json!(5), json!("x"), json!(null), json!([]), json!({})];
    for (field, values) in [
        (
            "use_case_id",
            vec![json!(5), json!(null), json!(""), json!("a/b"), json!("kpis"), json!("x".repeat(129))],
        ),
        ("kpi_name", vec![json!(5), json!(null), json!(""), json!("Nope"), json!(" Mood")]),
        ("kpi_id", vec![json!("both"), json!(5)]),
        ("score", vec![json!("1"), json!([]), json!({}), json!(1e16), json!(-1e300)]),
        ("timestamp", wrong(Time)),
        ("comment", wrong(Text(2000))),
        ("source", wrong(Text(200))),
    ] {
        for value in values {
            let mut item = good.clone();
            item[field] = value;
            bad.push(item);
        }
    }
    let body = json!({"scores": bad}).to_string();
    let reply = fixture.send("POST", &format!("{definition}/scores"), body.as_bytes(), Case::JSON).ok();
    let places: Vec<_> =
        reply["errors"].as_array().unwrap().iter().map(|error| error["index"].as_u64().unwrap()).collect();
    assert_eq!(places, (0..bad.len() as u64).collect::<Vec<_>>(), "{reply}");
    assert_eq!((&reply["accepted"], &reply["rejected"]), (&json!(0), &json!(bad.len())));
    fixture.is_unchanged("a bulk request of bad items");
}
