//! What is checked after each round, when nothing fails any more.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use serde_json::{Value, json};

use super::model::{Found, KPIS, TICK, TICK_NAME, kpi_name, rfc3339};
use super::stage::{USE_CASES, now_ms};
use super::writers::Key;
use super::{Run, slices};
use crate::support::{App, check_against_recount};

/// Answers of `GET …/kpis` compared in each round, of instances drawn anew; the export compares all.
const SAMPLE: usize = 12;

/// Index of the KPI "Count", of shared instances.
const COUNT: usize = TICK + 1;

impl Run {
    pub fn check(&mut self) {
        let app = self.stage.app();
        let found = found(&app);
        self.compare_with_acknowledged(&found);
        self.compare_sums(&found);
        self.compare_with_api(&app, &found);
        self.editor.check(&self.stage, &app);
        for use_case in USE_CASES {
            check_against_recount(&app, use_case);
            self.figures.dashboards += 10 + slices::check_slices(&app, use_case, now_ms());
        }
        let reconciled = app.post("/api/v1/admin/reconcile", &json!({})).ok();
        if reconciled["repaired"] != 0 {
            self.stage.violation("aggregates", reconciled.to_string());
        }
    }

    fn compare_with_acknowledged(&mut self, found: &BTreeMap<Key, Found>) {
        let stage = &self.stage;
        let mut known = 0;
        let owned = self.writers.iter_mut().map(|writer| &mut writer.instances).chain([&mut self.probes]);
        for (key, possible) in owned.flatten() {
            let there = found.get(key);
            known += usize::from(there.is_some());
            if let Err(what) = possible.settle(there) {
                stage.violation("lost", format!("{key:?} {what}"));
                *possible = Default::default();
            }
        }
        // Of the counters and of the editor.
        let of_others = |name: &str| name.starts_with("shared-") || name.starts_with("x-");
        let others = found.keys().filter(|(_, name)| of_others(name)).count();
        if known + others != found.len() {
            let is_known = |key: &Key| {
                self.writers.iter().any(|writer| writer.instances.contains_key(key))
                    || self.probes.contains_key(key)
            };
            let strays: Vec<&Key> = found.keys().filter(|key| !is_known(key) && !of_others(&key.1)).collect();
            stage
                .violation("double", format!("instances that nobody made, or that were refused: {strays:?}"));
        }
    }

    fn compare_sums(&self, found: &BTreeMap<Key, Found>) {
        let mut sums: BTreeMap<&Key, u64> = BTreeMap::new();
        for (key, sum) in self.counters.iter().flat_map(|counter| &counter.sums) {
            *sums.entry(key).or_default() += sum;
        }
        for (key, sum) in sums {
            let score = found.get(key).and_then(|instance| instance.scores.get(&COUNT));
            let there = score.map_or(0.0, |(score, ..)| *score);
            if there != sum as f64 {
                let kind = if there < sum as f64 { "lost" } else { "double" };
                self.stage.violation(
                    kind,
                    format!("{key:?} counts {there}; increments of {sum} were acknowledged"),
                );
            }
        }
    }

    /// What the API shows is what D1 holds.
    fn compare_with_api(&mut self, app: &App, found: &BTreeMap<Key, Found>) {
        // Of its own: how much is drawn here depends on what is there, and the run's choices must not.
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_mul(1000) + 900 + self.figures.rounds);
        for (use_case, name) in USE_CASES.iter().enumerate() {
            let export = app.get(&format!("/api/v1/use_cases/definitions/{name}/scores?format=json")).ok();
            let mut exported: BTreeMap<(String, String), (Value, Value)> = BTreeMap::new();
            for row in export["items"].as_array().unwrap() {
                let text = |field: &str| row[field].as_str().unwrap().to_owned();
                let shown = (row["score"].clone(), row["timestamp"].clone());
                if exported.insert((text("use_case_id"), text("kpi_name")), shown).is_some() {
                    self.stage.violation("double", format!("exported twice: {row}"));
                }
            }
            let of_type = || found.iter().filter(|((of, _), _)| *of == use_case);
            let scores = of_type().map(|(_, instance)| instance.scores.len()).sum::<usize>();
            if exported.len() != scores {
                let kind = if exported.len() < scores { "lost" } else { "double" };
                self.stage.violation(kind, format!("{} scores exported of {scores}", exported.len()));
            }
            for ((_, id), instance) in of_type() {
                for (kpi, (score, at, _)) in &instance.scores {
                    let shown = exported.get(&(id.clone(), name_of(*kpi).to_owned()));
                    if shown != Some(&(json!(score), json!(rfc3339(*at)))) {
                        self.stage.violation("lost", format!("{id} {}: {shown:?} exported", name_of(*kpi)));
                    }
                }
            }
            self.figures.scores_compared += scores as u64;
            let with_scores = of_type().filter(|(_, instance)| !instance.scores.is_empty());
            for ((_, id), instance) in with_scores.choose_multiple(&mut random, SAMPLE) {
                let shown = app.get(&format!("/api/v1/use_cases/instances/{name}/{id}/kpis")).ok();
                let items = shown["items"].as_array().unwrap();
                let agrees = |(kpi, (score, at, comment)): (&usize, &(f64, i64, Option<String>))| {
                    items.iter().any(|item| {
                        item["kpi_name"] == name_of(*kpi)
                            && item["score"] == json!(score)
                            && item["timestamp"] == json!(rfc3339(*at))
                            && item["comment"] == json!(comment)
                    })
                };
                if items.len() != instance.scores.len() || !instance.scores.iter().all(agrees) {
                    self.stage.violation("lost", format!("{id} is {instance:?} and shown as {shown}"));
                }
            }
        }
    }
}

fn name_of(kpi: usize) -> &'static str {
    if kpi == COUNT { "Count" } else { kpi_name(kpi) }
}

/// Everything in D1, by plain SQL.
fn found(app: &App) -> BTreeMap<Key, Found> {
    let database = app.service.database();
    let mut statement = database
        .prepare(
            "SELECT t.name, x.use_case_id, x.version, x.properties, k.name, s.score, s.timestamp_ms, s.comment \
             FROM instances x JOIN use_case_types t USING (type_no) JOIN applications a ON a.application_no = t.application_no \
             LEFT JOIN (scores s JOIN kpis k ON k.kpi_no = s.kpi_no AND k.deleted_ms IS NULL) \
               ON s.type_no = x.type_no AND s.instance_no = x.instance_no \
             WHERE a.application_id = ?1 AND t.deleted_ms IS NULL",
        )
        .unwrap();
    let mut rows = statement.query([&app.id]).unwrap();
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let name: String = row.get(0).unwrap();
        let use_case = USE_CASES.iter().position(|use_case| *use_case == name).unwrap();
        let properties: String = row.get(3).unwrap();
        let instance = found.entry((use_case, row.get(1).unwrap())).or_default();
        instance.version = row.get(2).unwrap();
        instance.properties = serde_json::from_str(&properties).unwrap();
        let Some(kpi) = row.get::<_, Option<String>>(4).unwrap() else { continue };
        let kpi = match kpi.as_str() {
            TICK_NAME => TICK,
            "Count" => COUNT,
            name => KPIS.iter().position(|(kpi, _)| *kpi == name).unwrap(),
        };
        instance.scores.insert(kpi, (row.get(5).unwrap(), row.get(6).unwrap(), row.get(7).unwrap()));
    }
    found
}
