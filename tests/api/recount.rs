//! Thousands of random writes at once, and then every figure equals plain SQL over D1.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::app;
use crate::support::{App, check_against_recount};

const KPIS: &[(&str, &str, f64)] = &[
    ("Solved", "boolean", 0.5),
    ("Value $", "number", 10.0),
    ("Share", "percentage", 0.3),
    ("Mood", "likert5", 3.0),
    ("Recommend", "likert10", 8.0),
];

#[test]
fn after_concurrent_random_writes_the_dashboard_equals_the_recount() {
    let app = app();
    for (name, kpi_type, goal) in KPIS {
        app.define("T", name, kpi_type, *goal);
    }
    for round in 0..3 {
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let app = app.clone();
                scope.spawn(move || work(&app, &mut StdRng::seed_from_u64(round * 100 + thread), 120));
            }
        });
        let scores = check_against_recount(&app, "T");
        assert!(scores > 300, "only {scores} scores");
        if round == 0 {
            app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
        }
    }
    let report = app.post("/api/v1/admin/reconcile?use_case_name=T", &json!({})).ok();
    assert_eq!((&report["repaired"], &report["differences"]), (&json!(0), &json!([])));
    assert!(report["checked"].as_u64().unwrap() > 100);
}

#[test]
fn definitions_may_change_while_scores_come_in() {
    let app = app();
    app.define("T", "Value $", "number", 10.0);
    app.define("T", "Mood", "likert5", 3.0);
    let kpis = "/api/v1/use_cases/definitions/T/kpis";
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..5 {
            let (app, done) = (app.clone(), &done);
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(thread);
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let instance = format!("i{}", random.random_range(0..60));
                    let kpi = ["Value $", "Mood", "Extra"][random.random_range(0..3)];
                    let mut body = json!({"score": random.random_range(1..=5)});
                    maybe_timestamp(&mut random, &mut body);
                    let reply = app.score("T", &instance, kpi, &body);
                    // A score waiting while its KPI is made anew as another type is checked against that.
                    assert!([204, 404, 400].contains(&reply.status), "{}", reply.text);
                }
            });
        }
        for round in 0..6 {
            app.define("T", "Extra", "likert10", 5.0);
            app.put(&format!("{kpis}/Value%20%24"), &json!({"goal": round + 2, "bucket_width": round + 1}))
                .ok();
            app.put(&format!("{kpis}/Mood"), &json!({"kpi_type": "likert7", "direction": "lower_is_better"}))
                .ok();
            app.put(
                &format!("{kpis}/Mood"),
                &json!({"kpi_type": "likert5", "direction": "higher_is_better"}),
            )
            .ok();
            app.post("/api/v1/use_cases/definitions/T/increment_version", &json!({})).ok();
            app.delete(&format!("{kpis}/Extra")).ok();
            app.put(&format!("{kpis}/Mood"), &json!({"kpi_type": "boolean", "goal": 0.5})).refused(
                409,
                "scores_incompatible",
                "boolean",
            );
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(check_against_recount(&app, "T") > 60);
}

/// Writes, replacements, moves, clears, deletions, bulk, properties: over few instances, so that they meet.
fn work(app: &App, random: &mut StdRng, steps: usize) {
    for _ in 0..steps {
        let instance = format!("i{}", random.random_range(0..300));
        match random.random_range(0..100) {
            0..75 => {
                let (kpi, score) = any_score(random);
                let mut body = json!({"score": score});
                maybe_timestamp(random, &mut body);
                let status = app.score("T", &instance, kpi, &body).status;
                assert!([204, 404].contains(&status), "{status}");
            }
            75..85 => {
                let (kpi, _) = any_score(random);
                let path =
                    format!("/api/v1/use_cases/instances/{instance}/kpis/{}", crate::support::encode(kpi));
                assert!([204, 404].contains(&app.delete(&path).status));
            }
            85..90 => {
                let status = app.delete(&format!("/api/v1/use_cases/instances/T/{instance}")).status;
                assert!([200, 404].contains(&status), "{status}");
            }
            90..93 => {
                let path = format!("/api/v1/use_cases/instances/T/{instance}/properties");
                app.put(&path, &json!({"properties": any_properties(random)})).ok();
            }
            93..96 => {
                let path = format!("/api/v1/use_cases/instances/T/{instance}/kpis/Value%20%24/increment");
                app.post(&path, &json!({"by": f64::from(random.random_range(-500..500)) / 3.0})).ok();
            }
            _ => bulk(app, random),
        }
    }
}

fn bulk(app: &App, random: &mut StdRng) {
    let scores: Vec<Value> = (0..random.random_range(1..60))
        .map(|_| {
            let (kpi, score) = any_score(random);
            let mut item = json!({"use_case_id": format!("i{}", random.random_range(0..300)), "kpi_name": kpi, "score": score});
            maybe_timestamp(random, &mut item);
            item
        })
        .collect();
    app.post("/api/v1/use_cases/definitions/T/scores", &json!({"scores": scores})).ok();
}

/// Of few values each, but for the user.
fn any_properties(random: &mut StdRng) -> Value {
    let mut any = |key: &str, values: u32| match random.random_range(0..=values) {
        0 => Value::Null,
        value => json!(format!("{key} {value}")),
    };
    json!({"model": any("m", 3), "region, of \"it\"": any("r", 2), "user": any("u", 400)})
}

fn any_score(random: &mut StdRng) -> (&'static str, Value) {
    let (name, kpi_type, _) = KPIS[random.random_range(0..KPIS.len())];
    if random.random_range(0..10) == 0 {
        return (name, Value::Null);
    }
    let score = match kpi_type {
        "boolean" => json!(random.random_range(0..2)),
        "number" if random.random_range(0..20) == 0 => json!(random.random_range(-1e15..1e15)),
        "number" => json!(f64::from(random.random_range(-300..3000)) / 7.0),
        "percentage" => json!(f64::from(random.random_range(0..=1000)) / 1000.0),
        "likert5" => json!(random.random_range(1..=5)),
        _ => json!(1.0 + 9.0 * random.random::<f64>()),
    };
    (name, score)
}

fn maybe_timestamp(random: &mut StdRng, body: &mut Value) {
    if random.random_range(0..3) > 0 {
        let (day, hour, minute) =
            (random.random_range(1..=5), random.random_range(0..24), random.random_range(0..60));
        body["timestamp"] = json!(format!("2026-06-0{day}T{hour:02}:{minute:02}:00Z"));
    }
}
