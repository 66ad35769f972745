//! What requests cost, where it is paid for and where it limits: calls of D1 and of objects, and rows read and written. Counts, not
//! times: they are the same on every machine. With a service of its own, whose entry counts (`entry.js`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

mod maxima;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use maxima::{BULK_SCORES, Cost, OVERVIEW_TYPES};
use running::Running;
use serde_json::{Value, json};
use support::App;

/// What was measured, and what of it was more than it may be.
struct Meter<'a> {
    app: &'a App,
    table: String,
    exceeded: Vec<String>,
}

impl<'a> Meter<'a> {
    fn new(app: &'a App) -> Self {
        Self { app, table: String::new(), exceeded: Vec::new() }
    }

    /// What the work costs. Nothing else may be under way.
    fn measure(&mut self, what: &str, work: impl FnOnce(&App)) -> Cost {
        let counts = || -> Cost { serde_json::from_value(self.app.get("/__cost").ok()).unwrap() };
        counts();
        work(self.app);
        let cost = counts();
        let figures = cost.counts().map(|(_, count)| count.to_string());
        self.table.push_str(&format!("| {what} | {} |\n", figures.join(" | ")));
        cost
    }

    /// The same, held against the most that it may be.
    fn check(&mut self, what: &str, max: Cost, work: impl FnOnce(&App)) {
        let cost = self.measure(what, work);
        self.hold(what, cost, max);
    }

    /// All of it is told at the end, not only what came first.
    fn hold(&mut self, what: &str, cost: Cost, max: Cost) {
        for ((name, count), (_, max)) in cost.counts().into_iter().zip(max.counts()) {
            if count > max {
                self.exceeded.push(format!("{what}: {name}: {count}, at most {max}"));
            }
        }
    }

    fn end(self, header: [(&str, u64); 8]) {
        let names = header.map(|(name, _)| name);
        println!("\n| what | {} |\n|---{}|\n{}", names.join(" | "), "|---:".repeat(names.len()), self.table);
        assert!(self.exceeded.is_empty(), "\n{}", self.exceeded.join("\n"));
    }
}

#[test]
fn requests_cost_no_more_than_they_did() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cost/wrangler.toml");
    let running = Running::temporary("cost", Some(config));
    let app = running.service.root();
    let mut meter = Meter::new(&app);
    one_at_a_time(&mut meter);
    many_at_once(&mut meter);
    in_bulk(&mut meter);
    dashboards(&mut meter);
    overview(&mut meter);
    meter.end(maxima::OF_BATCH.counts());
    running.remove();
}

/// As `scripts/build.sh` tells it.
#[test]
fn the_worker_is_small() {
    let wasm = concat!(env!("CARGO_MANIFEST_DIR"), "/build/index_bg.wasm");
    let zipped = Command::new("gzip").args(["-9", "-c", wasm]).output().unwrap();
    assert!(zipped.status.success());
    let size_kb = zipped.stdout.len() / 1024;
    println!("\nwasm, gzipped: {size_kb} KB");
    assert!(size_kb <= maxima::WASM_GZIPPED_KB, "{size_kb} KB, at most {}", maxima::WASM_GZIPPED_KB);
}

/// An instance's id must be unique in its application.
fn id_of(use_case: &str, instance: &str) -> String {
    format!("{use_case}-{instance}")
}

fn score(app: &App, use_case: &str, instance: &str, kpi: &str, score: f64) {
    let reply = app.score(use_case, &id_of(use_case, instance), kpi, &json!({"score": score}));
    assert_eq!(reply.status, 204, "{}", reply.text);
}

fn bulk(app: &App, use_case: &str, scores: &[Value]) {
    let path = format!("/api/v1/use_cases/definitions/{use_case}/scores");
    assert_eq!(app.post(&path, &json!({"scores": scores})).ok()["accepted"], scores.len());
}

fn make_instance(app: &App, use_case: &str, instance: &str, mut body: Value) {
    body["use_case_id"] = json!(id_of(use_case, instance));
    app.post(&format!("/api/v1/use_cases/instances/{use_case}"), &body).ok();
}

/// Each for itself: nothing else shares its batch. The type's object is awake, and the Worker knows the way to it.
fn one_at_a_time(meter: &mut Meter) {
    meter.app.define("Single", "Rating", "likert5", 3.0);
    meter.app.define("Single", "Turns", "number", 3.0);
    meter.app.define("Single", "Errors", "number", 3.0);
    for kpi in ["Rating", "Turns", "Errors"] {
        score(meter.app, "Single", "first", kpi, 3.0);
    }
    meter.check("a score, new instance", maxima::SCORE_NEW_INSTANCE, |app| {
        score(app, "Single", "i", "Rating", 3.0);
    });
    meter.check("a score of another KPI", maxima::SCORE_ANOTHER_KPI, |app| {
        score(app, "Single", "i", "Turns", 3.0);
    });
    // So that what is rewritten is no extreme: see below.
    score(meter.app, "Single", "least", "Turns", 1.0);
    score(meter.app, "Single", "most", "Turns", 9.0);
    meter.check("a score rewritten", maxima::SCORE_REWRITTEN, |app| {
        score(app, "Single", "i", "Turns", 4.0);
    });
    meter.check("a score repeated", maxima::SCORE_REPEATED, |app| {
        score(app, "Single", "i", "Turns", 4.0);
    });
    meter.check("a slot's only maximum rewritten", maxima::MAXIMUM_REWRITTEN, |app| {
        score(app, "Single", "most", "Turns", 8.0);
    });
    meter.check("an increment", maxima::INCREMENT, |app| {
        let path = "/api/v1/use_cases/instances/Single/Single-i/kpis/Turns/increment";
        assert_eq!(app.post(path, &json!({"by": 1})).ok()["score"], 5.0);
    });
    meter.check("a score cleared", maxima::SCORE_CLEARED, |app| {
        let path = "/api/v1/use_cases/instances/Single/Single-i/kpis/Turns";
        assert_eq!(app.delete(path).status, 204);
    });
    let properties = json!({"properties": {"model": "m-1", "tier": "gold"}});
    // The first of their kind, which become segments.
    make_instance(meter.app, "Single", "p-0", properties.clone());
    meter.check("an instance with 2 properties", maxima::INSTANCE_WITH_PROPERTIES, |app| {
        make_instance(app, "Single", "p-1", properties);
    });
    score(meter.app, "Single", "p-0", "Turns", 3.0);
    meter.check("a score, 2 properties", maxima::SCORE_WITH_PROPERTIES, |app| {
        score(app, "Single", "p-1", "Turns", 3.0);
    });
}

const WRITERS: u64 = 40;
const SCORES_EACH: u64 = 5;

/// How many share a batch is up to the machine; what they cost then is not.
fn many_at_once(meter: &mut Meter) {
    meter.app.define("Crowd", "Rating", "likert5", 3.0);
    score(meter.app, "Crowd", "first", "Rating", 3.0);
    let scores = WRITERS * SCORES_EACH;
    let what = format!("{scores} scores, {WRITERS} at once, new instances");
    let cost = meter.measure(&what, |app| {
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                scope.spawn(move || {
                    for n in 0..SCORES_EACH {
                        score(app, "Crowd", &format!("{writer}-{n}"), "Rating", 3.0);
                    }
                });
            }
        });
    });
    let batches = cost.d1_calls.min(scores / maxima::AT_ONCE_SCORES_A_BATCH);
    let max = maxima::OF_BATCH.times(batches).plus(maxima::OF_NEW_INSTANCE.times(scores));
    meter.hold(&what, cost, max);
}

/// A thousand new instances within an hour.
fn in_bulk(meter: &mut Meter) {
    meter.app.define("Bulk", "Turns", "number", 3.0);
    score(meter.app, "Bulk", "first", "Turns", 3.0);
    let item = |n: u64| {
        let at = format!("2026-11-18T09:{:02}:{:02}Z", n * 60 / BULK_SCORES, n % 60);
        json!({"use_case_id": id_of("Bulk", &n.to_string()), "kpi_name": "Turns", "score": n % 10, "timestamp": at})
    };
    let scores: Vec<Value> = (0..BULK_SCORES).map(item).collect();
    meter.check("1,000 scores in bulk, new instances, one hour", maxima::BULK, |app| {
        bulk(app, "Bulk", &scores)
    });
}

/// Slots that the scores of a dashboard lie in, of 30 days.
const SLOTS: u64 = 100;

/// The same slots, with few scores and with fifty times as many.
fn dashboards(meter: &mut Meter) {
    let (few, many) = (SLOTS, 50 * SLOTS);
    for (use_case, count) in [("Few", few), ("Many", many)] {
        fill(meter.app, use_case, count);
        for (how, filter, new_score, max) in [
            ("", "", 4.0, maxima::DASHBOARD),
            (", filtered by a property", "&property.model=m-1", 5.0, maxima::DASHBOARD_FILTERED),
        ] {
            // So that the dashboard is not an answer given before.
            meter.check(
                &format!("a score rewritten among {count}, 1 property"),
                maxima::SCORE_REWRITTEN_AMONG_OTHERS,
                |app| score(app, use_case, "1", "Turns", new_score),
            );
            meter.check(&format!("a dashboard of 30 days, {count} scores{how}"), max, |app| {
                let range = format!("from=2026-10-20&to=2026-11-19&granularity=day{filter}");
                let shown = app.dashboard_with(use_case, &range);
                assert_eq!(shown["kpis"][0]["count"], if filter.is_empty() { count } else { SLOTS });
            });
        }
    }
}

/// Scores in all of the slots; the first in each is of an instance with a property.
fn fill(app: &App, use_case: &str, count: u64) {
    app.define(use_case, "Turns", "number", 3.0);
    let at = |n: u64| {
        let (day, hour) = (n % SLOTS % 30, n % SLOTS / 30 * 6);
        let date = chrono::NaiveDate::from_ymd_opt(2026, 10, 20).unwrap() + chrono::Days::new(day);
        format!("{date}T{hour:02}:00:00Z")
    };
    for n in 0..SLOTS {
        let body = json!({"timestamp": at(n), "properties": {"model": "m-1"}});
        make_instance(app, use_case, &n.to_string(), body);
    }
    let item = |n: u64| {
        let id = id_of(use_case, &n.to_string());
        json!({"use_case_id": id, "kpi_name": "Turns", "score": n / SLOTS % 10, "timestamp": at(n)})
    };
    let scores: Vec<Value> = (0..count).map(item).collect();
    for portion in scores.chunks(BULK_SCORES as usize) {
        bulk(app, use_case, portion);
    }
}

fn overview(meter: &mut Meter) {
    let app = meter.app.service.application();
    for n in 0..OVERVIEW_TYPES {
        let use_case = format!("T{n}");
        app.define(&use_case, "Turns", "number", 3.0);
        score(&app, &use_case, "i", "Turns", 3.0);
    }
    meter.check(&format!("the overview of {OVERVIEW_TYPES} use case types"), maxima::OVERVIEW, |_| {
        let shown = app.get("/api/v1/dashboard").ok();
        assert_eq!(shown["items"].as_array().unwrap().len() as u64, OVERVIEW_TYPES);
    });
}
