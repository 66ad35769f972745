//! Imports: tables of scores, good rows stored and bad ones named; an export sent back; sizes and refusals.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::app;
use crate::exports::{expected, filled, rows};
use crate::support::{App, Reply, check_against_recount};

const SCORES: &str = "/api/v1/use_cases/definitions/T/scores";

fn import(app: &App, content_type: &str, body: impl Into<String>) -> Reply {
    app.send("POST", SCORES, Some(body.into()), &[("content-type", content_type)])
}

fn errors(answer: &Value) -> Vec<(u64, &str)> {
    answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["index"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}

/// `use_case_id → score`, from D1.
fn stored(app: &App, kpi: &str) -> BTreeMap<String, f64> {
    let database = app.service.database();
    let mut statement = database
        .prepare(
            "SELECT x.use_case_id, s.score FROM scores s JOIN instances x USING (type_no, instance_no) \
             JOIN kpis k USING (kpi_no) JOIN applications a USING (application_no) \
             WHERE a.application_id = ?1 AND k.name = ?2",
        )
        .unwrap();
    statement
        .query_map((&app.id, kpi), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn twenty_thousand_rows_are_stored_but_for_the_bad_ones_which_are_named() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    app.define("T", "Mood", "likert5", 3.0);
    let mut table = "use_case_id,kpi_name,score,timestamp,comment\n".to_owned();
    let (mut good, mut bad) = (BTreeMap::new(), Vec::new());
    for n in 0..20_000_u32 {
        let at = format!("2026-0{}-{:02}T{:02}:{:02}:00Z", 1 + n % 6, 1 + n % 28, n % 24, n / 7 % 60);
        let row = match (n % 100 == 50, n / 100 % 8) {
            (false, _) => {
                good.insert(format!("{}-{n}", app.id), f64::from(n) / 8.0);
                format!("{}-{n},K,{},{at},\"row {n}, \"\"x\"\"\"", app.id, f64::from(n) / 8.0)
            }
            (true, kind) => {
                let (row, code) = [
                    (format!("bad/{n},K,1,{at},"), "invalid_use_case_id"),
                    (format!("i-{n},K,high,{at},"), "invalid_request"),
                    (format!("i-{n},K,1,{at}"), "invalid_request"),
                    (format!("i-{n},Mood,6,{at},"), "score_out_of_range"),
                    (format!("i-{n},Nope,1,{at},"), "kpi_not_found"),
                    (format!("i-{n},K,1,soon,"), "invalid_timestamp"),
                    (format!("nobody-{n},K,,{at},"), "use_case_instance_not_found"),
                    (format!("i-{n},,1,{at},"), "invalid_request"),
                ][kind as usize]
                    .clone();
                bad.push((u64::from(n), code));
                row
            }
        };
        writeln!(table, "{row}").unwrap();
    }
    let answer = import(&app, "text/csv", table).ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(19_800), &json!(200)));
    assert_eq!(errors(&answer), bad);
    assert!(answer.get("errors_truncated").is_none());
    assert!(answer["request_id"].is_string());
    assert_eq!(stored(&app, "K"), good);
    assert_eq!(stored(&app, "Mood"), BTreeMap::new());
    assert_eq!(check_against_recount(&app, "T"), 19_800);

    let all = expected(&app, "true");
    for format in ["json", "ndjson", "csv"] {
        assert!(rows(format, &app.get(&format!("{SCORES}?format={format}")).text).0 == all, "{format}");
    }
}

#[test]
fn an_export_that_is_imported_again_changes_nothing() {
    let app = filled();
    let but_the_time = |app: &App| -> Vec<Value> {
        let mut rows = expected(app, "true");
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("update_timestamp");
        }
        rows
    };
    let before = but_the_time(&app);
    let dashboard = app.dashboard("T");
    for (format, content_type) in [("csv", "text/csv; charset=utf-8"), ("ndjson", "application/x-ndjson")] {
        let file = app.get(&format!("{SCORES}?format={format}")).text;
        let answer = import(&app, content_type, file).ok();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(before.len()), &json!(0)), "{answer}");
        assert_eq!(but_the_time(&app), before, "{format}");
    }
    assert_eq!(app.dashboard("T"), dashboard);
    // An empty one, too.
    let file = app.get(&format!("{SCORES}?format=csv&to=2001-01-01")).text;
    assert_eq!(import(&app, "text/csv", file).ok()["accepted"], 0);
    assert_eq!(import(&app, "application/x-ndjson", "").ok()["accepted"], 0);
}

#[test]
fn the_cells_of_a_row_mean_what_the_fields_of_an_item_do() {
    let app = app();
    let id = app.define("T", "Yes", "boolean", 0.5)["kpi_id"].as_str().unwrap().to_owned();
    app.define("T", "N", "number", 1.0);
    app.score("T", "old", "N", &json!({"score": 1})).ok();
    let table = format!(
        "\u{feff}score,kpi_id,kpi_name,use_case_id,whatever,comment,source\r\n\
         TRUE,{id},,a,x,,\r\n\
         false,{id},N,b,x,\"'=1+1\",''@s\r\n\
         ,,N,old,x,,\r\n\
         -1.5e2,,N,a,\"x\ny\",'kept',\r\n\
         2,,N,c,x,,\r\n\
         3,,N,c,x,last,"
    );
    let answer = import(&app, "text/csv", table).ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(6), &json!(0)), "{answer}");
    let is = |n: f64| move |score: &f64| *score == n;
    assert!(stored(&app, "Yes").get("a").is_some_and(is(1.0)));
    assert!(stored(&app, "Yes").get("b").is_some_and(is(0.0)), "the id counts");
    assert_eq!(stored(&app, "N"), BTreeMap::from([("a".into(), -150.0), ("c".into(), 3.0)]));
    let all = expected(&app, "true");
    let notes: Vec<(&Value, &Value)> = all.iter().map(|row| (&row["comment"], &row["source"])).collect();
    let null = &Value::Null;
    assert_eq!(
        notes,
        [(null, null), (&json!("=1+1"), &json!("'@s")), (&json!("'kept'"), null), (&json!("last"), null)]
    );
    check_against_recount(&app, "T");
}

/// A request's rows may be far apart, and then they are stored by different batches.
#[test]
fn an_instance_is_created_at_the_earliest_time_that_the_whole_table_gives() {
    let app = app();
    app.define("T", "A", "number", 1.0);
    app.define("T", "B", "number", 1.0);
    let mut table = "use_case_id,kpi_name,score,timestamp\n".to_owned();
    for (kpi, month) in [("A", 5), ("B", 2)] {
        for n in 0..1_500 {
            writeln!(table, "{}-{n},{kpi},1,2026-0{month}-01T00:00:00Z", app.id).unwrap();
        }
    }
    assert_eq!(import(&app, "text/csv", table).ok()["accepted"], 3_000);
    let february = app.dashboard_with("T", "from=2026-02-01&to=2026-03-01&granularity=month");
    assert_eq!(february["use_cases"], json!({"total": 1500, "reviewed": 1500, "reviewed_percentage": 100.0}));
    check_against_recount(&app, "T");
}

#[test]
fn lines_of_json_are_imported() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    let lines = [
        r#"{"use_case_id": "a", "kpi_name": "K", "score": 4, "comment": "ü\n"}"#,
        "",
        r#"{"use_case_id": "b", "kpi_name": "K", "score": 9}"#,
        r#"{"use_case_id": "b", "kpi_name": "K"#,
        r#"["b"]"#,
        "  ",
        r#"{"use_case_id": "c", "kpi_name": "K", "score": 2}"#,
        r#"{"use_case_id": "c", "kpi_name": "K", "score": "2"}"#,
    ];
    let answer = import(&app, "application/x-ndjson; charset=utf-8", lines.join("\r\n")).ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(4)));
    assert_eq!(
        errors(&answer),
        [(1, "score_out_of_range"), (2, "invalid_request"), (3, "invalid_request"), (5, "invalid_request")]
    );
    assert_eq!(stored(&app, "K"), BTreeMap::from([("a".into(), 4.0), ("c".into(), 2.0)]));
}

#[test]
fn at_most_ten_thousand_errors_are_named() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    let rows: String = (0..20_001).map(|n| if n == 7 { "i,K,5\n" } else { "i,K,six\n" }).collect();
    let answer = import(&app, "text/csv", format!("use_case_id,kpi_name,score\n{rows}")).ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(20_000)));
    assert_eq!(answer["errors_truncated"], true);
    let named = errors(&answer);
    assert_eq!(
        (named.len(), named[6], named[7], named[9_999]),
        (10_000, (6, "invalid_request"), (8, "invalid_request"), (10_000, "invalid_request"))
    );
}

#[test]
fn tables_that_can_not_be_taken_are_refused_as_a_whole() {
    let app = app();
    app.define("T", "K", "likert5", 3.0);
    let csv = |body: &str| import(&app, "text/csv", body);
    csv("").refused(400, "invalid_request", "the CSV is empty");
    csv("use_case_id,kpi_name\ni,K\n").refused(400, "invalid_request", "no column 'score'");
    csv("use_case_id;kpi_name;score\ni;K;1\n").refused(400, "invalid_request", "separated by commas");
    csv("use_case_id,score\ni,1\n").refused(400, "invalid_request", "'kpi_name' (or 'kpi_id')");
    csv("use_case_id,kpi_id,score,score\n").refused(400, "invalid_request", "'score' twice");
    for (content_type, says) in
        [("text/plain", "text/csv or application/x-ndjson"), ("text/csv; charset=latin1", "'latin1'")]
    {
        import(&app, content_type, "x").refused(415, "unsupported_media_type", says);
    }
    let line = format!("i,K,4,{}\n", "c".repeat(1_000));
    let table = |bytes: usize| {
        let rows = line.repeat(bytes / line.len());
        let header = "use_case_id,kpi_name,score,comment";
        let pad = " ".repeat(bytes - rows.len() - header.len() - 1);
        format!("{header}{pad}\n{rows}")
    };
    let largest = 10 * 1024 * 1024;
    import(&app, "text/csv", table(largest + 1)).refused(
        413,
        "payload_too_large",
        "an import is at most 10485760 bytes",
    );
    import(&app, "application/json", table(largest)).refused(413, "payload_too_large", "1048576");
    app.send("POST", &SCORES.replace("/T/", "/Nope/"), Some("x".into()), &[("content-type", "text/csv")])
        .refused(404, "use_case_not_found", "Nope");
    assert_eq!(stored(&app, "K"), BTreeMap::new());
    let answer = import(&app, "text/csv", table(largest)).ok();
    assert_eq!(answer["rejected"], 0);
    assert_eq!(stored(&app, "K"), BTreeMap::from([("i".into(), 4.0)]));
    import(&app.with_role("read"), "text/csv", "x").refused(403, "forbidden", "read");
    let version = [("content-type", "text/csv"), ("xProxy-UseCase-Version", "one")];
    let table = "use_case_id,kpi_name,score\ni,K,4\nnew,K,4\n";
    let done = app.send("POST", SCORES, Some(table.into()), &version).ok();
    assert_eq!((&done["accepted"], &done["errors"][0]["index"]), (&json!(1), &json!(1)), "{done}");
    assert!(done["errors"][0]["message"].as_str().unwrap().contains("xProxy-UseCase-Version"), "{done}");
}
