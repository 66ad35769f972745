//! `kill -9` of everything in the middle of a write load, ten times, on the same state. After each restart no acknowledged
//! write is missing, and the dashboard equals the recount.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use running::Running;
use serde_json::{Value, json};
use support::{App, check_against_recount};

const KILLS: u64 = 10;
const WRITERS: u64 = 6;
const USE_CASE: &str = "Crash";

/// A score as it was last acknowledged, or (where no answer came) the two that it may be.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Known(Option<f64>),
    Either(Option<f64>, Option<f64>),
}

type Ledger = Arc<Mutex<HashMap<(String, String), Expected>>>;

#[test]
fn an_object_without_its_storage_or_with_an_older_one_counts_again() {
    let running = Running::temporary("lost", None);
    let state_dir = running.service.state_dir.clone();
    let objects = state_dir.join("v3/do");
    let databases = state_dir.join("v3/d1");
    let (old_objects, old_databases) = (state_dir.join("old-do"), state_dir.join("old-d1"));

    let app = running.service.application();
    app.define(USE_CASE, "Value", "number", 10.0);
    app.define(USE_CASE, "Mood", "likert5", 3.0);
    fill(&app, 0..60);
    running.kill();
    copy(&objects, &old_objects);
    copy(&databases, &old_databases);

    let with = |running: &Running| App { service: running.service.clone(), ..app.clone() };
    let running = Running::start(&state_dir, None);
    fill(&with(&running), 30..120);
    check_against_recount(&with(&running), USE_CASE);
    running.kill();

    // The object's storage is gone.
    std::fs::remove_dir_all(&objects).unwrap();
    let running = Running::start(&state_dir, None);
    assert_eq!(check_against_recount(&with(&running), USE_CASE), 240);
    running.kill();

    // The object's storage is older than D1.
    std::fs::remove_dir_all(&objects).unwrap();
    copy(&old_objects, &objects);
    let running = Running::start(&state_dir, None);
    assert_eq!(check_against_recount(&with(&running), USE_CASE), 240);
    fill(&with(&running), 100..130);
    assert_eq!(check_against_recount(&with(&running), USE_CASE), 260);
    running.kill();

    // D1 is older than the object's storage.
    std::fs::remove_dir_all(&databases).unwrap();
    copy(&old_databases, &databases);
    let running = Running::start(&state_dir, None);
    assert_eq!(check_against_recount(&with(&running), USE_CASE), 120);
    fill(&with(&running), 50..70);
    assert_eq!(check_against_recount(&with(&running), USE_CASE), 140);
    running.remove();
}

/// Two scores for each instance.
fn fill(app: &App, instances: std::ops::Range<u32>) {
    for n in instances {
        let at = format!("2026-08-{:02}T12:00:00Z", n % 28 + 1);
        app.score(
            USE_CASE,
            &format!("i{n}"),
            "Value",
            &json!({"score": f64::from(n) / 3.0, "timestamp": at}),
        )
        .ok();
        app.score(USE_CASE, &format!("i{n}"), "Mood", &json!({"score": n % 5 + 1})).ok();
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[test]
fn no_acknowledged_write_is_lost_and_none_counts_twice_when_everything_is_killed() {
    let ledger: Ledger = Ledger::default();
    let mut random = StdRng::seed_from_u64(20_261_124);
    let mut app: Option<App> = None;
    let mut acknowledged = 0;
    for round in 0..=KILLS {
        let running = match &app {
            Some(known) => Running::start(&known.service.state_dir, None),
            None => Running::temporary("crash", None),
        };
        let current = match &app {
            Some(known) => App { service: running.service.clone(), ..known.clone() },
            None => {
                let made = running.service.application();
                made.define(USE_CASE, "Solved", "boolean", 0.5);
                made.define(USE_CASE, "Value", "number", 10.0);
                made.define(USE_CASE, "Mood", "likert5", 3.0);
                made
            }
        };
        app = Some(current.clone());
        settle(&current, &ledger);
        let scores = check_against_recount(&current, USE_CASE);
        println!(
            "round {round}: {acknowledged} writes acknowledged so far, {scores} scores, all as they should be"
        );
        if round == KILLS {
            running.remove();
            break;
        }
        acknowledged += load_until_killed(running, &current, &ledger, round, random.random_range(50..250));
    }
}

/// Writes from several threads; kills the service, at some instant, once so many writes were acknowledged. Answers how many were.
fn load_until_killed(running: Running, app: &App, ledger: &Ledger, round: u64, enough: usize) -> usize {
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (app, ledger) = (app.clone(), Arc::clone(ledger));
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            std::thread::spawn(move || {
                let mut random = StdRng::seed_from_u64(round * 1000 + writer);
                while !stop.load(Ordering::Relaxed) {
                    let done = write_once(&app, &ledger, writer, &mut random);
                    acknowledged.fetch_add(usize::from(done), Ordering::Relaxed);
                }
            })
        })
        .collect();
    let reached = (0..60_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        acknowledged.load(Ordering::Relaxed) >= enough
    });
    running.kill();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    assert!(reached, "fewer than {enough} writes were acknowledged in a minute");
    acknowledged.load(Ordering::Relaxed)
}

/// One write of one instance that no other writer touches. True if it was acknowledged.
fn write_once(app: &App, ledger: &Ledger, writer: u64, random: &mut StdRng) -> bool {
    let instance = format!("w{writer}-{}", random.random_range(0..40));
    // Properties move scores from one aggregate to another; the recount by property sees whether all did.
    if random.random_range(0..5) == 0 {
        let path = format!("/api/v1/use_cases/instances/{USE_CASE}/{instance}/properties");
        let model = match random.random_range(0..4) {
            0 => Value::Null,
            model => json!(format!("m{model}")),
        };
        let body = json!({"properties": {"model": model, "user": instance}}).to_string();
        return app.try_send("PUT", &path, Some(body), &[]).is_ok_and(|reply| reply.status == 200);
    }
    let (kpi, score) = match random.random_range(0..3) {
        0 => ("Solved", json!(random.random_range(0..2))),
        1 => ("Value", json!(random.random_range(-1000..1000) as f64 / 7.0)),
        _ => ("Mood", json!(random.random_range(1..=5))),
    };
    let score = if random.random_range(0..8) == 0 { Value::Null } else { score };
    let new = score.as_f64();
    let key = (instance.clone(), kpi.to_owned());
    let before = ledger.lock().unwrap().get(&key).cloned().unwrap_or(Expected::Known(None));
    let Expected::Known(old) = before else { return false };
    let path = format!("/api/v1/use_cases/instances/{USE_CASE}/{instance}/kpis/{kpi}");
    let answered = app.try_send("PUT", &path, Some(json!({"score": score}).to_string()), &[]);
    let (expected, acknowledged) = match answered {
        Ok(reply) if reply.status == 204 => (Expected::Known(new), true),
        // Clearing a score of an instance that was never made.
        Ok(reply) if reply.status == 404 && new.is_none() => (Expected::Known(old), false),
        _ => (Expected::Either(old, new), false),
    };
    ledger.lock().unwrap().insert(key, expected);
    acknowledged
}

/// Compares what was acknowledged with what is there, and takes what is there where either would do.
fn settle(app: &App, ledger: &Ledger) {
    let mut actual: HashMap<(String, String), f64> = HashMap::new();
    // Any request makes the object recover first; the dashboard is one.
    app.dashboard(USE_CASE);
    let database = app.service.database();
    let mut rows = database
        .prepare(
            "SELECT x.use_case_id, k.name, s.score FROM scores s JOIN instances x USING (type_no, instance_no) \
             JOIN kpis k USING (kpi_no)",
        )
        .unwrap();
    for row in rows.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap() {
        let (key, score) = row.unwrap();
        actual.insert(key, score);
    }
    let mut ledger = ledger.lock().unwrap();
    for (key, expected) in ledger.iter_mut() {
        let found = actual.remove(key);
        match expected {
            Expected::Known(score) => assert_eq!(found, *score, "{key:?}"),
            Expected::Either(old, new) => {
                assert!(found == *old || found == *new, "{key:?} is {found:?}, neither {old:?} nor {new:?}");
            }
        }
        *expected = Expected::Known(found);
    }
    assert!(actual.is_empty(), "scores that nobody wrote: {actual:?}");
}
