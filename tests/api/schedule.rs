//! The scheduled jobs, run through workerd's own trigger; and the demo.

use std::process::Command;

use serde_json::{Value, json};

use crate::app;
use crate::support::{DAILY, OFTEN, Service, check_against_recount, close};

#[test]
fn crons_may_run_twice_and_while_writes_go_on() {
    let app = app();
    app.define("T", "K", "number", 10.0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let app = &app;
            scope.spawn(move || {
                for n in 0..40 {
                    let body =
                        json!({"score": n, "timestamp": format!("2026-07-{:02}T10:00:00Z", n % 28 + 1)});
                    app.score("T", &format!("i{}", (n + thread) % 50), "K", &body).ok();
                }
            });
        }
        for cron in [OFTEN, OFTEN, DAILY, DAILY] {
            app.run_cron(cron);
        }
    });
    check_against_recount(&app, "T");
    app.run_cron(OFTEN);
    check_against_recount(&app, "T");
    assert_eq!(app.post("/api/v1/admin/reconcile", &json!({})).ok()["repaired"], 0);
}

#[test]
fn what_was_deleted_is_purged() {
    let app = app();
    app.define("T", "Gone", "boolean", 0.5);
    app.define("T", "Stays", "boolean", 0.5);
    app.define("Deleted", "K", "boolean", 0.5);
    for n in 0..20 {
        for (use_case, kpi) in [("T", "Gone"), ("T", "Stays"), ("Deleted", "K")] {
            app.score(use_case, &format!("{use_case}-{n}"), kpi, &json!({"score": 1})).ok();
        }
        app.put(
            &format!("/api/v1/use_cases/instances/Deleted/Deleted-{n}/properties"),
            &json!({"properties": {"a": "b"}}),
        )
        .ok();
    }
    app.delete("/api/v1/use_cases/definitions/T/kpis/Gone").ok();
    app.delete("/api/v1/use_cases/definitions/Deleted").ok();
    app.run_cron(OFTEN);
    let database = app.service.database();
    let count = |sql: &str| -> i64 {
        let sql = sql.replace("{types}", "SELECT type_no FROM use_case_types JOIN applications USING (application_no) WHERE application_id = ?1");
        database.query_row(&sql, [&app.id], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM use_case_types WHERE type_no IN ({types})"), 1);
    assert_eq!(
        count(
            "SELECT count(*) FROM instances x JOIN applications a USING (application_no) WHERE a.application_id = ?1"
        ),
        20
    );
    assert_eq!(count("SELECT count(*) FROM scores WHERE type_no IN ({types})"), 20);
    assert_eq!(count("SELECT count(*) FROM kpis WHERE type_no IN ({types})"), 1);
    check_against_recount(&app, "T");
}

#[test]
fn the_demo_s_figures_equal_the_recount_also_when_it_runs_again() {
    let service = Service::from_environment();
    let root = service.root();
    let file = service.state_dir.join("demo.json");
    for _ in 0..2 {
        let output = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/demo.mjs"))
            .arg("--json")
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let database = service.database();
        for use_case in printed.as_array().unwrap() {
            let name = use_case["use_case_name"].as_str().unwrap();
            check_against_recount(&root, name);
            for kpi in use_case["kpis"].as_array().unwrap() {
                let (count, average): (u64, f64) = database
                    .query_row(
                        "SELECT count(*), avg(score) FROM scores s JOIN kpis k USING (kpi_no) JOIN use_case_types t ON t.type_no = k.type_no \
                         WHERE t.application_no = 1 AND t.deleted_ms IS NULL AND t.name = ?1 AND k.name = ?2",
                        (name, kpi["kpi_name"].as_str().unwrap()),
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                    .unwrap();
                assert_eq!(kpi["count"], json!(count));
                assert!(
                    count > 500 && close(kpi["average"].as_f64().unwrap(), average, 1e-9),
                    "{kpi} but {average}"
                );
            }
        }
    }
    assert_eq!(root.dashboard("Chat-Bot")["type_version"], 2);
}
