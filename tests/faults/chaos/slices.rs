//! Dashboards narrowed by version, properties and time, held against plain rows of D1. `support::check_against_recount` does the
//! whole range, every figure; this does what it leaves out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::rfc3339;
use crate::support::{App, close, kpi};

struct Instance {
    version: i64,
    created_ms: i64,
    properties: BTreeMap<String, String>,
    /// KPI, score, timestamp.
    scores: Vec<(String, f64, i64)>,
}

struct Slice<'s> {
    version: Option<i64>,
    properties: &'s [(&'s str, &'s str)],
    from_ms: i64,
    to_ms: i64,
    granularity: &'s str,
}

/// Answers how many dashboards it compared.
pub fn check_slices(app: &App, use_case: &str, now_ms: i64) -> u64 {
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    let (instances, kpis) = (instances(app, use_case), kpis(app, use_case));
    let to_ms = now_ms - now_ms % HOUR + HOUR;
    let all = Slice { version: None, properties: &[], from_ms: to_ms - 60 * DAY, to_ms, granularity: "day" };
    let slices = [
        Slice { version: Some(1), ..all },
        Slice { version: Some(2), granularity: "week", ..all },
        Slice { version: Some(2), properties: &[("model", "m1")], ..all },
        Slice { properties: &[("model", "m2"), ("tier", "gold")], granularity: "month", ..all },
        Slice { properties: &[("user", "u10")], ..all },
        Slice { from_ms: to_ms - 20 * DAY, to_ms: to_ms - 5 * DAY + 7 * HOUR, ..all },
        Slice { from_ms: to_ms - 36 * HOUR, granularity: "hour", ..all },
        Slice { properties: &[("tier", "free")], from_ms: to_ms - 10 * DAY, granularity: "hour", ..all },
    ];
    for slice in &slices {
        check(app, use_case, &kpis, &instances, slice);
    }
    slices.len() as u64
}

fn check(app: &App, use_case: &str, kpis: &[String], instances: &[Instance], slice: &Slice) {
    let mut query = format!(
        "from={}&to={}&granularity={}",
        rfc3339(slice.from_ms),
        rfc3339(slice.to_ms),
        slice.granularity
    );
    if let Some(version) = slice.version {
        query.push_str(&format!("&version={version}"));
    }
    for (key, value) in slice.properties {
        query.push_str(&format!("&property.{key}={value}"));
    }
    let shown = app.dashboard_with(use_case, &query);
    let inside = |ms: i64| (slice.from_ms..slice.to_ms).contains(&ms);
    let chosen: Vec<&Instance> = instances
        .iter()
        .filter(|instance| slice.version.is_none_or(|version| version == instance.version))
        .filter(|i| {
            slice.properties.iter().all(|(key, value)| i.properties.get(*key).is_some_and(|v| v == value))
        })
        .collect();
    let created = || chosen.iter().filter(|instance| inside(instance.created_ms));
    assert_eq!(shown["use_cases"]["total"], json!(created().count()), "{use_case} {query}");
    let reviewed = created().filter(|instance| !instance.scores.is_empty()).count();
    assert_eq!(shown["use_cases"]["reviewed"], json!(reviewed), "{use_case} {query}");
    assert_eq!(shown["kpis"].as_array().unwrap().len(), kpis.len(), "{use_case} {query}");
    for name in kpis {
        let of_kpi = kpi(&shown, name);
        let holds = |instance: &&&Instance| instance.scores.iter().any(|(kpi, ..)| kpi == name);
        let reviewed = created().filter(holds).count();
        assert_eq!(of_kpi["reviewed"]["count"], json!(reviewed), "{use_case} {query} {name}");
        let scores: Vec<(f64, i64)> = chosen
            .iter()
            .flat_map(|instance| &instance.scores)
            .filter(|(kpi, _, at)| kpi == name && inside(*at))
            .map(|(_, score, at)| (*score, *at))
            .collect();
        check_scores(of_kpi, &scores, &format!("{use_case} {query} {name}"));
    }
}

fn check_scores(shown: &Value, scores: &[(f64, i64)], what: &str) {
    let agrees = |shown: &Value, scores: &[f64]| {
        let average = scores.iter().sum::<f64>() / scores.len() as f64;
        // Sums of values of both signs: relative to the values, not to what remains of them.
        let size = scores.iter().map(|score| score.abs()).sum::<f64>() / scores.len() as f64;
        shown["count"] == json!(scores.len())
            && match shown["average"].as_f64() {
                None => scores.is_empty(),
                Some(shown) => close(shown, average, 1e-9) || (shown - average).abs() <= 1e-12 * size,
            }
    };
    let values: Vec<f64> = scores.iter().map(|(score, _)| *score).collect();
    assert!(
        agrees(shown, &values),
        "{what}: {} and {}, of {} scores",
        shown["count"],
        shown["average"],
        values.len()
    );
    assert_eq!(shown["minimum"].as_f64(), values.iter().copied().reduce(f64::min), "{what}");
    assert_eq!(shown["maximum"].as_f64(), values.iter().copied().reduce(f64::max), "{what}");
    let series = shown["series"].as_array().unwrap();
    // Also those that lie before the first bucket.
    let in_series: u64 = series.iter().map(|point| point["count"].as_u64().unwrap()).sum();
    assert_eq!(in_series, scores.len() as u64, "{what}: {series:?}");
    let start = |point: &Value| {
        chrono::DateTime::parse_from_rfc3339(point["start"].as_str().unwrap()).unwrap().timestamp_millis()
    };
    for (at, point) in series.iter().enumerate() {
        let end = series.get(at + 1).map_or(i64::MAX, start);
        let of_bucket: Vec<f64> = scores
            .iter()
            .filter(|(_, ms)| (start(point)..end).contains(ms))
            .map(|(score, _)| *score)
            .collect();
        assert!(agrees(point, &of_bucket), "{what}: {point}, of {} scores", of_bucket.len());
    }
}

/// The names of those that are not deleted.
fn kpis(app: &App, use_case: &str) -> Vec<String> {
    let database = app.service.database();
    let mut rows = database
        .prepare(
            "SELECT k.name FROM kpis k JOIN use_case_types t USING (type_no) JOIN applications a USING (application_no) \
             WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL AND k.deleted_ms IS NULL",
        )
        .unwrap();
    rows.query_map((&app.id, use_case), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn instances(app: &App, use_case: &str) -> Vec<Instance> {
    let database = app.service.database();
    let mut found: BTreeMap<i64, Instance> = BTreeMap::new();
    let of_type = "JOIN use_case_types t USING (type_no) JOIN applications a ON a.application_no = t.application_no \
        WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL";
    let mut rows = database
        .prepare(&format!(
            "SELECT x.instance_no, x.version, x.created_ms, x.properties FROM instances x {of_type}"
        ))
        .unwrap();
    let mut rows = rows.query((&app.id, use_case)).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let properties: String = row.get(3).unwrap();
        let instance = Instance {
            version: row.get(1).unwrap(),
            created_ms: row.get(2).unwrap(),
            properties: serde_json::from_str(&properties).unwrap(),
            scores: Vec::new(),
        };
        found.insert(row.get(0).unwrap(), instance);
    }
    let mut rows = database
        .prepare(
            "SELECT s.instance_no, k.name, s.score, s.timestamp_ms FROM scores s \
             JOIN kpis k ON k.kpi_no = s.kpi_no AND k.deleted_ms IS NULL JOIN use_case_types t ON t.type_no = s.type_no \
             JOIN applications a ON a.application_no = t.application_no \
             WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL",
        )
        .unwrap();
    let mut rows = rows.query((&app.id, use_case)).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let instance: i64 = row.get(0).unwrap();
        let score = (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        found.get_mut(&instance).unwrap().scores.push(score);
    }
    found.into_values().collect()
}
