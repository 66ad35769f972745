//! Aggregates that are wrong, unreadable or lost.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, DAILY, OFTEN, check_against_recount};
use crate::{change_in_object, fill, lose, object_of, restart};

const RECONCILE: &str = "/api/v1/admin/reconcile?use_case_name=";
const REBUILD: &str = "/api/v1/admin/rebuild?use_case_name=";

/// A type with scores on ten days.
fn ten_days(app: &App, use_case: &str) -> String {
    app.define(use_case, "K", "number", 3.0);
    fill(app, use_case, 200, 0);
    fill(app, use_case, 10, 1);
    check_against_recount(app, use_case);
    object_of(app, use_case)
}

/// By a question that was never asked before: the object keeps its answers, and does not know of a change behind its back. Nor
/// does it of sums of days, so that it must have started anew.
fn count(app: &App, use_case: &str) -> Value {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let hour = ASKED.fetch_add(1, Ordering::Relaxed);
    let query = format!("from=2000-01-{:02}T{:02}:00:00Z&granularity=month", 1 + hour / 24, hour % 24);
    app.dashboard_with(use_case, &query)["kpis"][0]["count"].clone()
}

/// The day with 191 scores gets the cells of a day with one.
fn corrupt(app: &App, object: &str) {
    let of_scores = "segment = 0 AND kpi_no > 0";
    let day = |which: &str| format!("SELECT {which}(day) FROM cells WHERE {of_scores}");
    let sql = format!(
        "UPDATE cells SET data = (SELECT data FROM cells WHERE {of_scores} AND day = ({})) \
         WHERE {of_scores} AND day = ({})",
        day("min"),
        day("max")
    );
    change_in_object(app, object, &sql);
    restart(app, object);
}

pub fn a_wrong_count_is_found_by_the_next_cron(app: &App) {
    let object = ten_days(app, "Cron");
    let right = count(app, "Cron");
    // Written to since the last check: the check of every 15 minutes looks there.
    corrupt(app, &object);
    assert_ne!(count(app, "Cron"), right, "the corruption has no effect");
    app.run_cron(OFTEN);
    check_against_recount(app, "Cron");
    // Not written to since: the check of once a day looks everywhere.
    corrupt(app, &object);
    app.run_cron(OFTEN);
    assert_ne!(count(app, "Cron"), right);
    app.run_cron(DAILY);
    check_against_recount(app, "Cron");
    assert_eq!(app.post(&format!("{RECONCILE}Cron"), &json!({})).ok()["repaired"], 0);
}

pub fn a_wrong_count_is_found_on_demand(app: &App) {
    let object = ten_days(app, "Demand");
    corrupt(app, &object);
    let report = app.post(&format!("{RECONCILE}Demand"), &json!({})).ok();
    assert!(report["repaired"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!(report["differences"][0]["kpi_name"], "K");
    check_against_recount(app, "Demand");
    assert_eq!(app.post(&format!("{RECONCILE}Demand"), &json!({})).ok()["repaired"], 0);
}

pub fn cells_that_can_not_be_read_are_counted_again(app: &App) {
    let object = ten_days(app, "Garbage");
    for sql in [
        "UPDATE cells SET data = x'00ff00ff' WHERE kpi_no > 0",
        "UPDATE cells SET data = x'' WHERE kpi_no = 0",
        "UPDATE cells SET data = 'text' WHERE kpi_no > 0",
    ] {
        // Whoever meets it first, reader, writer or job: what can't be read is counted again, and nobody has to do anything.
        let right = count(app, "Garbage");
        change_in_object(app, &object, sql);
        restart(app, &object);
        assert_eq!(count(app, "Garbage"), right);
        check_against_recount(app, "Garbage");
        change_in_object(app, &object, sql);
        app.score("Garbage", "next", "K", &json!({"score": 1})).ok();
        check_against_recount(app, "Garbage");
        change_in_object(app, &object, sql);
        app.run_cron(DAILY);
        assert_eq!(app.post(&format!("{RECONCILE}Garbage"), &json!({})).ok()["repaired"], 0);
        check_against_recount(app, "Garbage");
    }
}

/// Two years of scores: too many portions for the object to do all before it answers.
fn two_years(app: &App, use_case: &str) -> String {
    app.define(use_case, "K", "number", 3.0);
    fill(app, use_case, 650, 1);
    object_of(app, use_case)
}

/// Ends the other threads, also when a test fails.
struct Finished<'a>(&'a AtomicBool);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As the SDKs do: what is answered with 503 is sent again.
fn write(app: &App, instance: &str, body: &Value) {
    let answered = (0..100).any(|_| {
        let status = app.score("Lost", instance, "K", body).status;
        assert!([204, 503].contains(&status), "{status}");
        if status == 503 {
            std::thread::sleep(Duration::from_millis(50));
        }
        status == 204
    });
    assert!(answered, "never answered");
}

/// Asks until it is done; how often.
fn rebuild_until_complete(app: &App, use_case: &str) -> u32 {
    let mut cursor = String::new();
    (1..100)
        .find(|_| {
            let answer = app.post(&format!("{REBUILD}{use_case}&cursor={cursor}"), &json!({})).ok();
            cursor = answer["cursor"].as_str().unwrap_or_default().to_owned();
            assert_eq!(answer["complete"] == true, cursor.is_empty(), "{answer}");
            answer["complete"] == true
        })
        .expect("the rebuild does not come to its end")
}

pub fn a_rebuild_replaces_wrong_cells_while_everybody_reads(app: &App) {
    let object = two_years(app, "Wrong");
    change_in_object(
        app,
        &object,
        "UPDATE cells SET data = (SELECT data FROM cells WHERE kpi_no > 0 LIMIT 1) WHERE kpi_no > 0",
    );
    let done = AtomicBool::new(false);
    let reads = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let finished = Finished(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                app.get("/api/v1/dashboard/Wrong?from=2000-01-01&granularity=month").ok();
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        rebuild_until_complete(app, "Wrong");
        drop(finished);
    });
    assert!(reads.into_inner() > 0);
    check_against_recount(app, "Wrong");
    app.post(&format!("{REBUILD}Nothing"), &json!({})).refused(404, "use_case_not_found", "Nothing");
    app.post("/api/v1/admin/rebuild", &json!({})).refused(400, "invalid_request", "use_case_name");
    app.post(&format!("{REBUILD}Wrong&cursor=x"), &json!({})).refused(400, "invalid_cursor", "x");
}

/// A value of a property that the object has forgotten would be taken for one that nobody has.
pub fn a_rebuild_finds_forgotten_properties(app: &App) {
    app.define("Forgot", "K", "number", 3.0);
    for n in 0..6 {
        let body = json!({"use_case_id": format!("f-{n}"), "properties": {"model": format!("m{}", n % 2)}});
        app.post("/api/v1/use_cases/instances/Forgot", &body).ok();
        app.score("Forgot", &format!("f-{n}"), "K", &json!({"score": n})).ok();
    }
    let of_m1 = || app.dashboard_with("Forgot", "from=2000-01-01&granularity=month&property.model=m1");
    assert_eq!(of_m1()["kpis"][0]["count"], 3);
    let object = object_of(app, "Forgot");
    change_in_object(app, &object, "DELETE FROM segments WHERE value = 'm1'");
    change_in_object(app, &object, "DELETE FROM cells");
    restart(app, &object);
    assert_eq!(of_m1()["kpis"][0]["count"], 0, "nothing is wrong");
    rebuild_until_complete(app, "Forgot");
    assert_eq!(of_m1()["kpis"][0]["count"], 3);
    check_against_recount(app, "Forgot");
}

pub fn a_lost_object_is_rebuilt_while_writes_go_on(app: &App) {
    let object = two_years(app, "Lost");
    let (done, written, early, late) =
        (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    // So that it takes a while: every call to the database does.
    app.get("/__faults?mode=slow&every=3").ok();
    lose(app, &object);
    std::thread::scope(|scope| {
        let finished = Finished(&done);
        for thread in 0..3 {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                for n in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // Rewrites and new ones, all over the two years.
                    let (instance, day) = (n * 37 % 900, n % 28 + 1);
                    let at = format!("202{}-{:02}-{day:02}T10:00:00Z", n % 2 + 5, n % 10 + 1);
                    let body = json!({"score": n % 5, "timestamp": at});
                    let path = format!("Lost-{instance}-{}", if n % 2 == 0 { 9 } else { thread });
                    write(app, &path, &body);
                    write(app, &format!("Lost-{}", n * 13 % 650), &json!({"score": 6}));
                    written.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        let (done, early, late) = (&done, &early, &late);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let last_month = app.get("/api/v1/dashboard/Lost?from=2026-10-15");
                let all = app.get("/api/v1/dashboard/Lost?from=2000-01-01&granularity=month");
                if last_month.status != 200 {
                    last_month.refused(503, "unavailable", "");
                }
                early.fetch_add(u32::from(last_month.status == 200), Ordering::Relaxed);
                if all.status != 200 {
                    all.refused(503, "unavailable", "counted again");
                    late.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        rebuild_until_complete(app, "Lost");
        drop(finished);
    });
    app.get("/__faults?mode=none&every=1").ok();
    println!(
        "while a lost object was rebuilt: {} writes, {} reads of the last month, {} reads of everything sent away",
        written.load(Ordering::Relaxed),
        early.load(Ordering::Relaxed),
        late.load(Ordering::Relaxed)
    );
    assert!(written.into_inner() > 0 && early.into_inner() > 0);
    check_against_recount(app, "Lost");
    assert_eq!(app.post(&format!("{RECONCILE}Lost"), &json!({})).ok()["repaired"], 0);
}
