//! What clients do while faults are injected. Each writer owns its instances, so that it knows what was acknowledged last.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::model::{Change, KPIS, Outcome, Possible, Request, TICK, kpi_name, request, score_fields};
use super::stage::{Answer, Stage, USE_CASES, add, now_ms, read};
use crate::support::unique;

/// How long a client goes on repeating, once it is to stop; then the outcome stays unknown.
const REPEATS_MAX: Duration = Duration::from_secs(60);

/// Index of the type, and the instance's id.
pub type Key = (usize, String);

pub struct Writer {
    number: usize,
    random: StdRng,
    pub instances: BTreeMap<Key, Possible>,
    ticks: u64,
}

impl Writer {
    pub fn new(number: usize, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(1000) + number as u64);
        Self { number, random, instances: BTreeMap::new(), ticks: 0 }
    }

    pub fn run(&mut self, stage: &Stage) {
        while !stage.stopped() {
            let use_case = self.random.random_range(0..USE_CASES.len());
            let key = (use_case, format!("w{}-{use_case}-{}", self.number, self.random.random_range(0..12)));
            match self.random.random_range(0..100) {
                0..10 => self.bulk(stage, use_case),
                10..20 => self.tick(stage, use_case),
                20..25 => self.refused(stage, key),
                25..40 => self.read_back(stage, key),
                _ => {
                    let change = self.draw_change();
                    self.carry_out(stage, &key, &change);
                }
            }
        }
    }

    fn draw_change(&mut self) -> Change {
        match self.random.random_range(0..66) {
            0..36 => self.draw_score(None),
            36..44 => Change::Clear { kpi: self.random.random_range(0..KPIS.len()) },
            44..58 => Change::Properties(self.draw_properties()),
            58..62 => {
                let version = self.draw_version();
                Change::Create { version, properties: self.draw_properties() }
            }
            _ => Change::Delete,
        }
    }

    fn draw_score(&mut self, kpi: Option<usize>) -> Change {
        let kpi = kpi.unwrap_or_else(|| self.random.random_range(0..KPIS.len()));
        let random = &mut self.random;
        let score = match kpi {
            0 => f64::from(random.random_range(2..=10)) / 2.0,
            1 => f64::from(random.random_range(-7000..7000)) / 7.0,
            _ => f64::from(random.random_range(0..2)),
        };
        // Of the last 40 days, to the second; or now.
        let at_ms =
            random.random_bool(0.7).then(|| (now_ms() / 1000 - random.random_range(60..40 * 86_400)) * 1000);
        let comment = random.random_bool(0.2).then(|| unique("note"));
        Change::Score { kpi, score, at_ms, comment, version: self.draw_version() }
    }

    fn draw_version(&mut self) -> Option<i64> {
        self.random.random_bool(0.4).then(|| self.random.random_range(1..=2))
    }

    /// `model` and `tier` have few values and are tracked; of `user` there are more than can be.
    fn draw_properties(&mut self) -> Vec<(String, Option<String>)> {
        let random = &mut self.random;
        let mut properties = Vec::new();
        let model = random.random_range(0..4);
        properties.push(("model".to_owned(), (model > 0).then(|| format!("m{model}"))));
        if random.random_bool(0.4) {
            properties
                .push(("tier".to_owned(), Some(["free", "gold"][random.random_range(0..2)].to_owned())));
        }
        if random.random_bool(0.4) {
            let user = random.random_range(0..25) * 10 + self.number;
            properties.push(("user".to_owned(), Some(format!("u{user}"))));
        }
        properties
    }

    /// Sends a change of one instance, and repeats it until it is answered; now and then it gives up.
    fn carry_out(&mut self, stage: &Stage, key: &Key, change: &Change) {
        let allowed: &[u16] =
            if matches!(change, Change::Delete | Change::Clear { .. }) { &[404] } else { &[] };
        let request = request(USE_CASES[key.0], &key.1, change);
        let gives_up = self.random.random_bool(0.1);
        self.until_answered(stage, &request, allowed, gives_up, &mut |writer, answers, under_way| {
            let statuses: Vec<u16> = answers.iter().filter_map(|answer| answer.status).collect();
            let outcome = if statuses.iter().any(|status| (200..300).contains(status)) {
                Outcome::Done
            } else if statuses.contains(&404) {
                Outcome::Missing
            } else {
                Outcome::Unknown
            };
            if outcome == Outcome::Missing {
                add(&stage.counts.refused, 1);
            }
            writer.take_in(stage, key, change, outcome, under_way);
            outcome != Outcome::Unknown
        });
    }

    fn take_in(
        &mut self,
        stage: &Stage,
        key: &Key,
        change: &Change,
        outcome: Outcome,
        under_way: (i64, i64),
    ) {
        if outcome == Outcome::Done {
            add(&stage.counts.acknowledged, 1);
        }
        let possible = self.instances.entry(key.clone()).or_default();
        if let Err(what) = possible.after(change, outcome, under_way) {
            stage.violation("lost", format!("{key:?}: {what}"));
            *possible = Possible::default();
        }
    }

    /// `settled` takes the answers in and says whether they answer the request.
    fn until_answered(
        &mut self,
        stage: &Stage,
        request: &Request,
        allowed: &[u16],
        gives_up: bool,
        settled: &mut dyn FnMut(&mut Self, &[Answer], (i64, i64)) -> bool,
    ) {
        let mut stopping_since: Option<Instant> = None;
        loop {
            let sent_ms = now_ms();
            let answers = stage.send_repeated(request, allowed, self.random.random());
            if settled(self, &answers, (sent_ms, now_ms())) || gives_up {
                return;
            }
            if stage.stopped() && stopping_since.get_or_insert_with(Instant::now).elapsed() > REPEATS_MAX {
                stage.violation(
                    "unavailable",
                    format!("{} {}: a minute without an answer", request.method, request.path),
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(self.random.random_range(5..60)));
        }
    }

    /// Some scores of some instances, a few of them out of range.
    fn bulk(&mut self, stage: &Stage, use_case: usize) {
        let mut items: Vec<(Key, Change)> = Vec::new();
        let mut bad = Vec::new();
        for _ in 0..self.random.random_range(2..15) {
            let key = (use_case, format!("w{}-{use_case}-{}", self.number, self.random.random_range(0..12)));
            let mut change = self.draw_score(None);
            if let Change::Score { version, .. } = &mut change {
                *version = None;
            }
            if self.random.random_bool(0.1) {
                bad.push((key, change));
            } else {
                items.push((key, change));
            }
        }
        let body = |key: &Key, change: &Change| {
            let Change::Score { kpi, .. } = change else { return Value::Null };
            let mut item = score_fields(change);
            item["use_case_id"] = json!(key.1);
            item["kpi_name"] = json!(kpi_name(*kpi));
            item
        };
        let mut scores: Vec<Value> = items.iter().map(|(key, change)| body(key, change)).collect();
        scores.extend(bad.iter().map(|(key, change)| {
            let mut item = body(key, change);
            item["score"] = json!(1e300);
            item
        }));
        let request = Request {
            method: "POST",
            path: format!("/api/v1/use_cases/definitions/{}/scores", USE_CASES[use_case]),
            body: Some(json!({"scores": scores})),
            headers: Vec::new(),
        };
        self.until_answered(stage, &request, &[], false, &mut |writer, answers, under_way| {
            let done = answers.iter().find(|answer| answer.status == Some(200));
            let counts =
                |answer: &Answer| (answer.body["accepted"].as_u64(), answer.body["rejected"].as_u64());
            if let Some(answer) = done
                && counts(answer) != (Some(items.len() as u64), Some(bad.len() as u64))
            {
                stage.violation("answer", format!("{} of a bulk with {} bad items", answer.text, bad.len()));
            }
            let outcome = if done.is_some() { Outcome::Done } else { Outcome::Unknown };
            add(&stage.counts.refused, if done.is_some() { bad.len() as u64 } else { 0 });
            for (key, change) in &items {
                writer.take_in(stage, key, change, outcome, under_way);
            }
            done.is_some()
        });
    }

    /// A score of an instance that never was, of a KPI whose count readers watch.
    fn tick(&mut self, stage: &Stage, use_case: usize) {
        self.ticks += 1;
        let key = (use_case, format!("t{}-{}", self.number, self.ticks));
        add(&stage.ticks[use_case].1, 1);
        let change = self.draw_score(Some(TICK));
        self.carry_out(stage, &key, &change);
        if self.instances.get(&key).is_some_and(Possible::is_certain) {
            add(&stage.ticks[use_case].0, u64::from(self.instances[&key].certainly_exists()));
        }
    }

    /// Out of range, of an instance there is or one that there must never be.
    fn refused(&mut self, stage: &Stage, key: Key) {
        let name = if self.random.random_bool(0.5) { key.1 } else { unique("refused") };
        let request = Request {
            method: "PUT",
            path: format!("/api/v1/use_cases/instances/{}/{name}/kpis/Mood", USE_CASES[key.0]),
            body: Some(json!({"score": 9})),
            headers: Vec::new(),
        };
        for answer in stage.send_repeated(&request, &[400], self.random.random()) {
            match answer.status {
                Some(400) => add(&stage.counts.refused, 1),
                Some(200..300) => stage.violation("answer", format!("{}: accepted", request.path)),
                _ => {}
            }
        }
    }

    fn read_back(&mut self, stage: &Stage, key: Key) {
        let path = format!("/api/v1/use_cases/instances/{}/{}/kpis", USE_CASES[key.0], key.1);
        let request = Request { method: "GET", path, body: None, headers: Vec::new() };
        let possible = self.instances.entry(key.clone()).or_default().clone();
        let answer = stage.send(&request, &[404]);
        match answer.status {
            Some(200) => {
                for kpi in 0..KPIS.len() {
                    let items = answer.body["items"].as_array().unwrap();
                    let shown = items.iter().find(|item| item["kpi_name"] == kpi_name(kpi));
                    let shown = shown.map(|item| item["score"].as_f64().unwrap());
                    if !possible.admits_score(kpi, shown) {
                        stage.violation("lost", format!("{key:?} shows {shown:?}, may be {possible:?}"));
                    }
                }
            }
            Some(404) if possible.certainly_exists() => {
                stage.violation("lost", format!("{key:?} is not found, may be {possible:?}"));
            }
            _ => {}
        }
    }
}

/// Increments of shared instances. Each has a key and is repeated until it is answered, so the sums are known exactly.
pub struct Counter {
    random: StdRng,
    pub sums: HashMap<Key, u64>,
}

impl Counter {
    pub fn new(number: usize, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(1000) + 500 + number as u64);
        Self { random, sums: HashMap::new() }
    }

    pub fn run(&mut self, stage: &Stage) {
        while !stage.stopped() {
            let use_case = self.random.random_range(0..USE_CASES.len());
            let key = (use_case, format!("shared-{use_case}-{}", self.random.random_range(0..3)));
            let by = self.random.random_range(1..6_u64);
            let request = Request {
                method: "POST",
                path: format!(
                    "/api/v1/use_cases/instances/{}/{}/kpis/Count/increment",
                    USE_CASES[use_case], key.1
                ),
                body: Some(json!({"by": by})),
                headers: vec![("Idempotency-Key", unique("once"))],
            };
            self.until_answered(stage, &request);
            *self.sums.entry(key).or_default() += by;
        }
    }

    /// All answers to one key are the same.
    fn until_answered(&mut self, stage: &Stage, request: &Request) {
        let mut stopping_since: Option<Instant> = None;
        loop {
            let answers = stage.send_repeated(request, &[], self.random.random());
            let mut sums = answers.iter().filter(|a| a.status == Some(200)).map(|a| &a.body["score"]);
            if let Some(first) = sums.next() {
                add(&stage.counts.acknowledged, 1);
                if sums.any(|other| other != first) {
                    stage.violation("double", format!("one key, several answers: {}", request.path));
                }
                return;
            }
            if stage.stopped() && stopping_since.get_or_insert_with(Instant::now).elapsed() > REPEATS_MAX {
                stage.violation("unavailable", format!("{}: a minute without an answer", request.path));
                return;
            }
            std::thread::sleep(Duration::from_millis(self.random.random_range(5..60)));
        }
    }
}

/// Holds the dashboards against what was acknowledged, while writes go on.
pub fn read_dashboards(stage: &Stage, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1000) + 900);
    while !stage.stopped() {
        let use_case = random.random_range(0..USE_CASES.len());
        let (acknowledged, asked) = &stage.ticks[use_case];
        let path =
            format!("/api/v1/dashboard/{}?from=2000-01-01&granularity=month&kpi=Tick", USE_CASES[use_case]);
        let request = Request { method: "GET", path, body: None, headers: Vec::new() };
        let before = read(acknowledged);
        let answer = stage.send(&request, &[]);
        if answer.status == Some(200) {
            let shown = answer.body["kpis"][0]["count"].as_u64().unwrap();
            let (least, most) = (before, asked.load(Ordering::SeqCst));
            if shown < least {
                stage.violation("lost", format!("{}: {shown} of {least} acknowledged", request.path));
            }
            if shown > most {
                stage.violation("double", format!("{}: {shown} of {most} ever asked for", request.path));
            }
        }
        std::thread::sleep(Duration::from_millis(random.random_range(20..120)));
    }
}
