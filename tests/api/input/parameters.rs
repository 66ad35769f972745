//! Query parameters that can't be.

use std::collections::BTreeMap;

use edge_kpi::api::routes::ROUTES;
use serde_json::{Value, json};

use super::{Case, Fixture};
use crate::doors::objects::request;
use crate::support::encode;

/// Values that one parameter of one route is tried with; the next gets the next ones.
const SHARE: usize = 7;

const DATES: [&str; 15] = [
    "x",
    "2026-02-30",
    "2026-13-01",
    "0000-01-01",
    "1000-01-01",
    "99999-01-01",
    "2026-1-1",
    "+9999-1-01",
    " 2026-1-01",
    "2026-11-24T10:00:00",
    "2026-11-24T24:00:00Z",
    "2026-11-24T23:59:60Z",
    "2026-11-24T10:00:00+99:99",
    "1795000000",
    "yesterday",
];

/// A parameter, values it can't have, and the code.
type Wrong = (&'static str, Vec<String>, &'static str);

fn own(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn page() -> Vec<Wrong> {
    let numbers = [
        "-1",
        "501",
        "1.5",
        "1e3",
        "x",
        "0x10",
        "NaN",
        "99999999999999999999",
        "-9223372036854775808",
        " 5",
        "5 ",
    ];
    vec![("limit", own(&numbers), "invalid_request"), ("cursor", cursors(), "invalid_cursor")]
}

/// Texts that are no cursor, whichever list.
fn cursors() -> Vec<String> {
    let made = [
        "x",
        "%",
        "AAAA",
        "\0",
        "' OR 1=1 --",
        "../..",
        "MQ",
        "MWE",
        "MWFrcGlz",
        "////",
        "=",
        "👍",
        "MWFub3doZXJlOjE",
        "MmFrcGlzOjQy",
    ];
    let mut all = own(&made);
    all.push("A".repeat(5000));
    all
}

fn order() -> Vec<Wrong> {
    vec![("sort_ascending", own(&["maybe", "2", "yes", "-1", "tru e"]), "invalid_request")]
}

fn range() -> Vec<Wrong> {
    vec![
        ("from", own(&DATES), "invalid_filter"),
        ("to", own(&DATES), "invalid_filter"),
        (
            "time_zone",
            own(&[
                "Mars",
                "europe/berlin",
                "UTC+1",
                "../etc/passwd",
                "Europe/Berlin\0",
                "' OR 1=1 --",
                "+01:00",
            ]),
            "invalid_filter",
        ),
        ("version", own(&["x", "1.5", "NaN", "99999999999999999999", "1 OR 1=1"]), "invalid_filter"),
        ("property.", own(&["v"]), "invalid_filter"),
        ("property.a\u{0}b", own(&["v"]), "invalid_filter"),
        ("property.k", vec!["v".repeat(513), "a\0b".to_owned()], "invalid_filter"),
    ]
}

fn dashboard() -> Vec<Wrong> {
    let mut all = range();
    all.push(("granularity", own(&["year", "Day", "15m", "1", "day;"]), "invalid_filter"));
    all.push((
        "version",
        own(&["-1", "0", "2", "9223372036854775807", "-9223372036854775808"]),
        "invalid_filter",
    ));
    all
}

fn alpha() -> Vec<Wrong> {
    vec![("alpha", own(&["x", "0", "1", "-0.05", "NaN", "inf", "1e999", "0.6", "0,05"]), "invalid_filter")]
}

fn search() -> Vec<Wrong> {
    let mut all = own(&["%", "a b", "a*", "ü", "a\0", "' OR 1=1 --"]);
    all.push("x".repeat(129));
    vec![("search", all, "invalid_filter")]
}

/// The parameters of a route, as far as they can be wrong.
fn wrong(pattern: &str) -> Vec<Wrong> {
    let end = pattern.strip_prefix("/api/v1/").unwrap_or(pattern);
    match end {
        "use_cases/definitions" | "applications" => [page(), order()].concat(),
        "keys" => page(),
        "dashboard" => {
            [page(), order(), range(), vec![("granularity", own(&["year"]), "invalid_filter")]].concat()
        }
        "dashboard/{use_case_name}" => {
            [dashboard(), vec![("format", own(&["xml", "CSV", "json;"]), "invalid_filter")]].concat()
        }
        "dashboard/{use_case_name}/regressions" => [dashboard(), alpha()].concat(),
        "dashboard/{use_case_name}/breakdown" => [
            dashboard(),
            alpha(),
            vec![("by", own(&["x", "property", "property:", "kpi", "property:a\0"]), "invalid_filter")],
        ]
        .concat(),
        "dashboard/{use_case_name}/compare" => {
            let by = own(&["x", "Version", "' OR 1=1 --"]);
            [
                range(),
                alpha(),
                vec![("by", by, "invalid_filter"), ("baseline", own(&["x", "1.5"]), "invalid_filter")],
            ]
            .concat()
        }
        path if path.ends_with("/scores") => [
            range(),
            vec![
                ("limit", own(&["0", "-1", "1.5", "x", "99999999999999999999"]), "invalid_request"),
                ("cursor", cursors(), "invalid_cursor"),
                ("format", own(&["xml", "CSV"]), "invalid_filter"),
            ],
        ]
        .concat(),
        path if path.ends_with("/instances") => [page(), order(), range(), search()].concat(),
        path if path.ends_with("definitions/{use_case_name}/kpis/{kpi}") => {
            vec![("include", own(&["x", "Score_Count", "score_count,", "' OR 1=1 --"]), "invalid_filter")]
        }
        path if path.ends_with("/kpis") || path.ends_with("/events") => [page(), order()].concat(),
        _ => Vec::new(),
    }
}

#[test]
fn every_parameter_refuses_what_it_can_not_be() {
    let fixture = Fixture::new();
    // How many of each list of values were sent: the next route goes on from there.
    let mut turns: BTreeMap<(&str, Vec<String>), usize> = BTreeMap::new();
    for (method, pattern, ..) in
        ROUTES.iter().filter(|route| route.0 == "GET" && route.1 != "/api/v1/applications")
    {
        let path = request((method, pattern), &fixture.objects).path;
        let (path, fixed) = path.split_once('?').unwrap_or((&path, ""));
        for (name, values, code) in wrong(pattern) {
            let sent = turns.entry((name, values.clone())).or_default();
            for value in values.iter().cycle().skip(*sent).take(values.len().min(SHARE)) {
                // The last value of a parameter counts, so this one does.
                let asked = format!("{path}?{fixed}&{}={}", encode(name), encode(value));
                let reply = fixture.send("GET", &asked, b"", &[]);
                let found = (reply.status, reply.body["xproxy_error"]["code"].as_str());
                assert_eq!(found, (400, Some(code)), "{asked}: {}", reply.text);
                let named = if name.starts_with("property.") { "property." } else { name };
                reply.refused(400, code, named);
                assert!(reply.text.len() < 2000, "{asked}: {}", reply.text);
                *sent += 1;
            }
        }
    }
    for ((name, values), sent) in turns {
        assert!(sent >= values.len(), "{sent} of {} values of {name}", values.len());
    }
    fixture.is_unchanged("reading");
}

#[test]
fn a_cursor_that_was_changed_is_refused_or_a_place_in_the_list() {
    let fixture = Fixture::new();
    let (definition, ..) = fixture.paths();
    for path in [format!("{definition}/kpis"), format!("{definition}/scores")] {
        let all = items(fixture.app.get(&path).ok());
        let cursor = fixture.app.get(&format!("{path}?limit=1")).ok()["cursor"].as_str().unwrap().to_owned();
        let mut refused = 0;
        for at in 0..cursor.len() {
            for other in ["A", "z", "-", ""] {
                let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
                let reply = fixture.send("GET", &format!("{path}?cursor={changed}"), b"", &[]);
                if reply.status == 200 {
                    assert!(all.ends_with(&items(reply.body)), "{changed}: {} of {all:?}", reply.text);
                } else {
                    reply.refused(400, "invalid_cursor", &format!("'{changed}'"));
                    refused += 1;
                }
            }
        }
        // Hardly any of them begins with the list's name and ends with numbers.
        assert!(refused > 2 * cursor.len(), "{refused} of {cursor}");
    }
    let refuses = |path: &str, key: &str| {
        let path = format!("{path}cursor={}", base64(key));
        let (status, code, says) = (400, "invalid_cursor", "cursor");
        fixture.refuses(&Case { method: "POST", path: &path, body: b"", headers: &[], status, code, says });
    };
    // Numbers beyond all that there are, as nobody would be given them.
    let name = &fixture.objects.use_case_name;
    for place in
        ["-1/9223372036854775807", "9223372036854775807/0", "-2/0", "x", "", "/", "1/", "-1/-1", "0/1/2"]
    {
        for named in ["", &format!("use_case_name={name}&")] {
            refuses(&format!("/api/v1/admin/reconcile?{named}"), &format!("1areconcile:{place}"));
        }
    }
    // A rebuild's place is the type's name; another one's is none of its own.
    let lowered = name.to_lowercase();
    for place in ["", "0", "-1/0", &lowered, &format!("{name} "), &format!("{name}/0"), &format!("{name}\0")]
    {
        refuses(&format!("/api/v1/admin/rebuild?use_case_name={name}&"), &format!("1arebuild:{place}"));
    }
    refuses(&format!("/api/v1/admin/rebuild?use_case_name={name}&"), &format!("1drebuild:{name}"));
    refuses(&format!("/api/v1/admin/rebuild?use_case_name={name}&"), &format!("1areconcile:{name}"));
    refuses("/api/v1/admin/reconcile?", "1arebuild:-1/0");
    for (key, ascending, found) in [
        ("1akpis:9223372036854775807", true, 0),
        ("1akpis:-9223372036854775808", true, 3),
        ("1dkpis:9223372036854775807", false, 3),
    ] {
        let asked = format!("{definition}/kpis?cursor={}&sort_ascending={ascending}", base64(key));
        assert_eq!(items(fixture.app.get(&asked).ok()).len(), found, "{key}");
    }
    fixture.is_unchanged("cursors");
}

/// Without what differs from answer to answer.
fn items(mut list: Value) -> Vec<Value> {
    for item in list["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("request_id");
    }
    list["items"].as_array().unwrap().clone()
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn texts_that_are_no_names_find_nothing() {
    let fixture = Fixture::new();
    let (definition, instance, _) = fixture.paths();
    let name = &fixture.objects.use_case_name;
    let long = "x".repeat(5000);
    for text in [
        "' OR 1=1 --",
        "%",
        "x'; DROP TABLE kpis; --",
        "../..",
        "\\",
        "a\0b",
        "👍\u{202e}",
        "{}",
        "\n",
        &long,
    ] {
        let value = encode(text);
        for path in [
            format!("/api/v1/use_cases/definitions?use_case_name={value}"),
            format!("{definition}/kpis?kpi_name={value}"),
            format!("{definition}/kpis?kpi_id={value}"),
            format!("{instance}/kpis?kpi_name={value}"),
            format!("{instance}/kpis?kpi_id={value}"),
        ] {
            assert_eq!(fixture.app.get(&path).ok()["items"], json!([]), "{path}");
        }
        let unknown = fixture.app.get(&format!("/api/v1/dashboard/{name}?kpi={value}"));
        unknown.refused(404, "kpi_not_found", "KPI");
        let (is_value, is_key) =
            (text.len() <= 512 && !text.contains('\0'), text.len() <= 64 && !text.contains(char::is_control));
        for (path, is_understood) in [
            (format!("{definition}/instances?property.model={value}"), is_value),
            (format!("{definition}/instances?property.{value}=m-1"), is_key),
            (format!("{definition}/scores?property.model={value}"), is_value),
            (format!("/api/v1/dashboard/{name}?property.model={value}"), is_value),
            (format!("/api/v1/dashboard/{name}/breakdown?by=property:{value}"), is_key),
        ] {
            let reply = fixture.app.get(&path);
            if is_understood {
                finds_nothing(&path, &reply.ok());
            } else {
                reply.refused(400, "invalid_filter", "property");
                assert!(reply.text.len() < 2000, "{path}");
            }
        }
        let compare = format!("/api/v1/dashboard/{name}/compare");
        let path = format!("{compare}?by=property&key=model&baseline=m-1&candidate={value}");
        let found = fixture.app.get(&path).ok();
        for of_kpi in found["comparisons"].as_array().unwrap() {
            assert_eq!(of_kpi["candidate"]["count"], 0, "{path}: {found}");
        }
        assert_eq!(kpi_of(&found, "comparisons", "Mood")["baseline"]["count"], 1, "{path}: {found}");
        fixture.app.get(&format!("{compare}?by=use_case&candidate={value}")).refused(
            400,
            "invalid_use_case_name",
            "use case name",
        );
        let reply = fixture.send("POST", &format!("/api/v1/admin/reconcile?use_case_name={value}"), b"", &[]);
        reply.refused(400, "invalid_use_case_name", "use case name");
    }
    fixture.is_unchanged("awkward texts");
}

/// In a list, a dashboard or a breakdown.
fn finds_nothing(path: &str, shown: &Value) {
    if path.contains("/breakdown") {
        // Nobody has such a property: everything is in the group without one.
        for of_kpi in shown["kpis"].as_array().unwrap() {
            let groups = of_kpi["values"].as_array().unwrap();
            assert!(groups.iter().all(|group| group["value"].is_null()), "{path}: {shown}");
        }
        assert_eq!(kpi_of(shown, "kpis", "Mood")["count"], 1, "{path}: {shown}");
    } else if path.contains("/dashboard") {
        assert_eq!(shown["use_cases"]["total"], 0, "{path}: {shown}");
        let kpis = shown["kpis"].as_array().unwrap();
        assert!(kpis.len() == 3 && kpis.iter().all(|kpi| kpi["count"] == 0), "{path}: {shown}");
    } else {
        assert_eq!(shown["items"], json!([]), "{path}");
    }
}

fn kpi_of<'v>(shown: &'v Value, list: &str, name: &str) -> &'v Value {
    shown[list].as_array().unwrap().iter().find(|kpi| kpi["kpi_name"] == name).unwrap()
}

#[test]
fn queries_of_every_shape_are_read() {
    let fixture = Fixture::new();
    let (definition, ..) = fixture.paths();
    let name = &fixture.objects.use_case_name;
    let kpis = format!("{definition}/kpis");
    let long = "x".repeat(20_000);
    let many = "kpi=Mood&".repeat(1500);
    let filters: String = (0..51).map(|n| format!("property.k{n}=v&")).collect();
    for query in [
        "",
        "&",
        "&&&=&",
        "=",
        "==",
        "limit=",
        "limit=&cursor=&sort_ascending=",
        "x",
        "limit=x&limit=2",
        "limit=0",
        "unknown=1",
        "%00=%00",
        &long,
    ] {
        assert_eq!(fixture.send("GET", &format!("{kpis}?{query}"), b"", &[]).status, 200, "{query}");
    }
    for (path, code, says) in [
        (format!("{kpis}?limit=2&limit=x"), "invalid_request", "limit"),
        (format!("{kpis}?kpi_name=%ff"), "invalid_request", "UTF-8"),
        (format!("/api/v1/dashboard/{name}?property.k=a&property.k=b"), "invalid_filter", "property."),
        (format!("/api/v1/dashboard/{name}?{filters}"), "invalid_filter", "at most 50"),
        (format!("/api/v1/dashboard/{name}?property.{}=v", "k".repeat(65)), "invalid_filter", "64"),
        (format!("/api/v1/dashboard/{name}?from=2026-01-02&to=2026-01-02"), "invalid_filter", "before"),
        (format!("/api/v1/dashboard/{name}/compare"), "invalid_filter", "'by'"),
        (format!("/api/v1/dashboard/{name}/compare?by=version&baseline=1"), "invalid_filter", "'candidate'"),
        (format!("/api/v1/dashboard/{name}/compare?by=moment&at=x"), "invalid_filter", "at"),
        (
            format!("/api/v1/dashboard/{name}/compare?by=moment&at=2026-11-01&window=9999999w"),
            "invalid_filter",
            "window",
        ),
        (
            format!("/api/v1/dashboard/{name}/compare?by=benchmark&value=1e999&kpi=Mood"),
            "invalid_filter",
            "value",
        ),
        (format!("/api/v1/dashboard/{name}/compare?by=period&baseline=never"), "invalid_filter", "baseline"),
        (format!("/api/v1/dashboard/{name}/breakdown"), "invalid_filter", "'by'"),
    ] {
        fixture.refuses(&Case {
            method: "GET",
            path: &path,
            body: b"",
            headers: &[],
            status: 400,
            code,
            says,
        });
    }
    // The extremes of what is understood.
    let too_long = format!("/api/v1/dashboard/{name}?from=1970-01-01&to=9999-12-31&granularity=month");
    fixture.app.get(&too_long).refused(422, "too_many_buckets", "buckets");
    for (query, kpis, buckets) in [
        ("from=1970-01-01&to=2200-01-01&granularity=month", 3, 230 * 12),
        // Its days begin at 11:00, so the end of the last one is beyond all time.
        ("from=9999-12-30&to=9999-12-31T23:59:59Z&time_zone=Pacific/Apia", 3, 3),
        ("from=1970-01-01&to=1970-01-02&time_zone=Pacific/Kiritimati", 3, 1),
        // 26 hours more than a day.
        ("from=2026-01-01T00:00:00%2B14:00&to=2026-01-02T00:00:00-12:00", 3, 3),
        (&format!("from=2026-11-01&to=2026-11-11&{many}"), 1, 10),
    ] {
        let reply = fixture.send("GET", &format!("/api/v1/dashboard/{name}?{query}"), b"", &[]);
        let shown = reply.ok();
        let shown = shown["kpis"].as_array().unwrap();
        assert_eq!(shown.len(), kpis, "{query}");
        for kpi in shown {
            assert_eq!(kpi["series"].as_array().unwrap().len(), buckets, "{query}");
        }
    }
    let period = "by=period&from=1970-01-01&to=9999-12-31";
    let compared = fixture.app.get(&format!("/api/v1/dashboard/{name}/compare?{period}")).ok();
    assert_eq!(kpi_of(&compared, "comparisons", "Mood")["candidate"]["count"], 1, "{compared}");
    fixture.is_unchanged("queries");
}
