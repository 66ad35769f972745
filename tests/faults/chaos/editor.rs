//! Definitions that change while scores are written: goals and bucket widths (the object makes a KPI's cells anew), KPIs that
//! come, get scores and go.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::model::Request;
use super::stage::{Answer, Stage, USE_CASES, add};
use crate::support::App;

/// A field of a KPI as it may be.
struct Field {
    use_case: usize,
    kpi: &'static str,
    name: &'static str,
    possible: Vec<f64>,
}

pub struct Editor {
    random: StdRng,
    fields: Vec<Field>,
    /// KPIs made so far, by type; none of them stays.
    made: Vec<(usize, String)>,
}

impl Editor {
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed.wrapping_mul(1000) + 800),
            fields: Vec::new(),
            made: Vec::new(),
        }
    }

    pub fn run(&mut self, stage: &Stage) {
        while !stage.stopped() {
            let use_case = self.random.random_range(0..USE_CASES.len());
            match self.random.random_range(0..6) {
                0 => self.set(stage, use_case, "Mood", "goal"),
                1 => self.set(stage, use_case, "Value", "goal"),
                2 => self.set(stage, use_case, "Value", "bucket_width"),
                3 => self.come_and_go(stage, use_case),
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(self.random.random_range(100..500)));
        }
    }

    fn set(&mut self, stage: &Stage, use_case: usize, kpi: &'static str, name: &'static str) {
        let value = f64::from(self.random.random_range(2..9)) / 2.0;
        let path = format!("{}/{kpi}", kpis_path(use_case));
        let done = self.until_answered(stage, "PUT", &path, json!({name: value}), &[]);
        let same = |field: &&mut Field| (field.use_case, field.kpi, field.name) == (use_case, kpi, name);
        match self.fields.iter_mut().find(same) {
            Some(field) if !done => field.possible.push(value),
            Some(field) => field.possible = vec![value],
            None if done => self.fields.push(Field { use_case, kpi, name, possible: vec![value] }),
            None => {}
        }
    }

    fn come_and_go(&mut self, stage: &Stage, use_case: usize) {
        let name = format!("X{}", self.made.len());
        self.made.push((use_case, name.clone()));
        let kpis = kpis_path(use_case);
        self.until_answered(
            stage,
            "POST",
            &kpis,
            json!({"name": name, "kpi_type": "number", "goal": 3}),
            &[],
        );
        let scores: Vec<Value> = (0..6)
            .map(|n| json!({"use_case_id": format!("x-{use_case}-{n}"), "kpi_name": name, "score": n}))
            .collect();
        let bulk = format!("/api/v1/use_cases/definitions/{}/scores", USE_CASES[use_case]);
        self.until_answered(stage, "POST", &bulk, json!({"scores": scores}), &[]);
        self.until_answered(stage, "DELETE", &format!("{kpis}/{name}"), Value::Null, &[404]);
    }

    /// Whether it was done. Also where the test stops meanwhile, for a few times, so that little is left open.
    fn until_answered(
        &mut self,
        stage: &Stage,
        method: &'static str,
        path: &str,
        body: Value,
        allowed: &[u16],
    ) -> bool {
        let body = (!body.is_null()).then_some(body);
        let request = Request { method, path: path.to_owned(), body, headers: Vec::new() };
        for _ in 0..400 {
            let answers = stage.send_repeated(&request, allowed, self.random.random());
            let settled = |answer: &Answer| {
                answer.status.is_some_and(|status| status < 300 || allowed.contains(&status))
            };
            if answers.iter().any(settled) {
                add(&stage.counts.acknowledged, 1);
                return true;
            }
            std::thread::sleep(Duration::from_millis(self.random.random_range(20..200)));
        }
        stage.violation("unavailable", format!("{method} {path}: never answered"));
        false
    }

    /// What the definitions say now must be what was acknowledged.
    pub fn check(&self, stage: &Stage, app: &App) {
        for (use_case, _) in USE_CASES.iter().enumerate() {
            let list = app.get(&format!("{}?limit=500", kpis_path(use_case))).ok();
            let kpis = list["items"].as_array().unwrap();
            for field in self.fields.iter().filter(|field| field.use_case == use_case) {
                let kpi = kpis.iter().find(|kpi| kpi["name"] == field.kpi).unwrap();
                if !field.possible.iter().any(|value| kpi[field.name] == json!(value)) {
                    stage.violation(
                        "lost",
                        format!("{} of {kpi}, acknowledged: {:?}", field.name, field.possible),
                    );
                }
            }
            for (_, name) in self.made.iter().filter(|(of, _)| *of == use_case) {
                if kpis.iter().any(|kpi| kpi["name"] == json!(name)) {
                    stage.violation("double", format!("the deleted KPI {name} is there"));
                }
            }
        }
    }
}

fn kpis_path(use_case: usize) -> String {
    format!("/api/v1/use_cases/definitions/{}/kpis", USE_CASES[use_case])
}
