//! Faults of all kinds, singly and together, under concurrent writers that know what was acknowledged. After each round every
//! acknowledgement, every refusal and every dashboard is checked. The short form is part of `make test`; with `SOAK_MINUTES`, rounds
//! are drawn until the time is over (`make soak`). `CHAOS_SEED` repeats a run's choices, though not its interleaving.

mod checks;
mod editor;
mod figures;
mod model;
mod slices;
mod stage;
mod writers;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::running::Running;
use crate::support::{App, DAILY, OFTEN};
use editor::Editor;
use figures::Figures;
use model::{Change, KPIS, Outcome, Possible, TICK_NAME, request};
use stage::{Stage, USE_CASES, add, now_ms};
use writers::{Counter, Key, Writer};

const WRITERS: usize = 6;
const COUNTERS: usize = 2;
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/wrangler.toml");

/// How long after the last fault a stalled call of D1 may still take effect (see `STALL_MS` in entry.js).
const STALLED_MAX: Duration = Duration::from_millis(13_500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// D1 refuses the calls of objects.
    Refuse,
    /// It answers after 300 ms.
    Slow,
    /// It commits, and then the connection is lost.
    Lose,
    /// It answers, or even commits, only when the service has given the call up.
    Stall,
    /// Objects are reset: before a batch is sent, while it is under way, when it is committed.
    Evict,
    /// `kill -9` of workerd and all around it, and a restart.
    Kill,
    /// Both crons, twice at once, again and again.
    Cron,
    /// Clients send every request two or three times.
    Repeat,
    /// D1 refuses the Worker's own calls (keys, look-ups, reads, crons), is slow, or stalls.
    Reads,
    /// Nothing happens for so long that objects leave the memory.
    Idle,
}

use Fault::{Cron, Evict, Idle, Kill, Lose, Reads, Refuse, Repeat, Slow, Stall};

const ALL: [Fault; 10] = [Refuse, Slow, Lose, Stall, Evict, Kill, Cron, Repeat, Reads, Idle];

impl Fault {
    /// Whose calls of D1 fail, how, and how many of them; and how often at most in a round (0: any number).
    fn rates(self) -> &'static [(&'static str, &'static str, f64, u32)] {
        match self {
            Refuse => &[("objects", "refuse", 0.2, 0)],
            Slow => &[("objects", "slow", 0.15, 0)],
            Lose => &[("objects", "lose", 0.2, 0)],
            // Each holds an object up for 12 s.
            Stall => &[("objects", "late", 0.1, 1), ("objects", "mute", 0.1, 1)],
            Evict => &[
                ("objects", "evict_before", 0.04, 0),
                ("objects", "evict_during", 0.07, 0),
                ("objects", "evict_after", 0.07, 0),
            ],
            Reads => {
                &[("worker", "refuse", 0.15, 0), ("worker", "slow", 0.15, 0), ("worker", "mute", 0.02, 1)]
            }
            Kill | Cron | Repeat | Idle => &[],
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_counted_twice_whatever_fails() {
    let seed = std::env::var("CHAOS_SEED").map_or(20_261_124, |text| text.parse().unwrap());
    println!("chaos: CHAOS_SEED={seed}");
    let mut run = Run::start(seed);
    match std::env::var("SOAK_MINUTES") {
        Ok(minutes) => run.soak(Duration::from_secs_f64(60.0 * minutes.parse::<f64>().unwrap())),
        Err(_) => run.every_kind_once(),
    }
    let violations = run.finish();
    assert!(violations.is_empty(), "{violations:?}, see above; CHAOS_SEED={seed}");
}

struct Run {
    seed: u64,
    random: StdRng,
    began: Instant,
    /// `None` only between a kill and the restart.
    running: Option<Running>,
    stage: Stage,
    writers: Vec<Writer>,
    counters: Vec<Counter>,
    editor: Editor,
    /// Instances that tell whether a type can be written to again.
    probes: BTreeMap<Key, Possible>,
    figures: Figures,
}

impl Run {
    fn start(seed: u64) -> Self {
        let running = Running::temporary("chaos", Some(CONFIG));
        let app = running.service.application();
        for use_case in USE_CASES {
            for (kpi, kpi_type) in KPIS {
                app.define(use_case, kpi, kpi_type, 1.0);
            }
            app.define(use_case, TICK_NAME, "number", 3.0);
            app.define(use_case, "Count", "number", 100.0);
            app.post(&format!("/api/v1/use_cases/definitions/{use_case}/increment_version"), &json!({})).ok();
        }
        Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            began: Instant::now(),
            running: Some(running),
            stage: Stage::new(app),
            writers: (0..WRITERS).map(|number| Writer::new(number, seed)).collect(),
            counters: (0..COUNTERS).map(|number| Counter::new(number, seed)).collect(),
            editor: Editor::new(seed),
            probes: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    fn every_kind_once(&mut self) {
        let length = Duration::from_millis(1_500);
        for faults in [
            &[Refuse, Evict][..],
            &[Lose, Cron],
            &[Slow, Repeat],
            &[Reads, Evict],
            &[Lose, Kill],
            &[Stall, Repeat],
        ] {
            self.round(faults, length);
        }
        self.figures.assert_every_kind_was_injected();
    }

    fn soak(&mut self, length: Duration) {
        // First each alone, then two at once, as drawn.
        let mut waiting: Vec<Vec<Fault>> = ALL.iter().map(|fault| vec![*fault]).collect();
        waiting.reverse();
        while self.began.elapsed() < length {
            let faults = waiting.pop().unwrap_or_else(|| {
                let first = ALL[self.random.random_range(0..ALL.len())];
                let others: Vec<Fault> = ALL.into_iter().filter(|fault| *fault != first).collect();
                vec![first, others[self.random.random_range(0..others.len())]]
            });
            let length = Duration::from_millis(self.random.random_range(4_000..14_000));
            self.round(&faults, length);
        }
    }

    /// Writes under faults for so long, lets them end, and checks everything.
    fn round(&mut self, faults: &[Fault], length: Duration) {
        let began = Instant::now();
        self.figures.arm(&self.stage.app(), self.random.random(), faults);
        self.stage.stop.store(false, Ordering::SeqCst);
        self.stage.repeat_all.store(faults.contains(&Repeat), Ordering::SeqCst);
        self.stage.watch_progress();
        let (stage, figures, running) = (&self.stage, &mut self.figures, &mut self.running);
        let (random, probes, seed) = (&mut self.random, &mut self.probes, self.seed);
        let (recovery, stalled) = std::thread::scope(|scope| {
            for writer in &mut self.writers {
                scope.spawn(|| writer.run(stage));
            }
            for counter in &mut self.counters {
                scope.spawn(|| counter.run(stage));
            }
            let editor = &mut self.editor;
            scope.spawn(|| editor.run(stage));
            scope.spawn(|| writers::read_dashboards(stage, seed));
            let crons = faults.contains(&Cron).then(|| scope.spawn(|| fire_crons(stage)));
            if faults.contains(&Kill) {
                std::thread::sleep(length.mul_f64(random.random_range(0.3..1.0)));
                figures.take(&stage.app());
                add(&stage.kills, 1);
                running.take().unwrap().kill();
                let restarted = Running::start(&stage.app().service.state_dir, Some(CONFIG));
                stage.moved(App { service: restarted.service.clone(), ..stage.app() });
                add(&stage.kills, 1);
                *running = Some(restarted);
                figures.arm(&stage.app(), random.random(), faults);
            }
            // Writes go on until stalled calls have taken effect, or not.
            std::thread::sleep(if faults.contains(&Stall) { length.max(STALLED_MAX) } else { length });
            let stalled = figures.disarm(&stage.app());
            stage.stop.store(true, Ordering::SeqCst);
            let recovery = write_again(stage, probes);
            figures.crons += crons.map_or(0, |crons| crons.join().unwrap());
            (recovery, stalled)
        });
        self.figures.recovery_max = self.figures.recovery_max.max(recovery);
        self.figures.rounds += 1;
        self.figures.kills += u64::from(faults.contains(&Kill));
        if stalled {
            std::thread::sleep(STALLED_MAX.saturating_sub(recovery));
        }
        if faults.contains(&Idle) {
            self.figures.idles += 1;
            std::thread::sleep(Duration::from_secs(13));
        }
        let writing = began.elapsed();
        self.check();
        println!(
            "round {}: {faults:?}, {:.1} s and {:.1} s of checks; first success {:.2} s after the faults; {}",
            self.figures.rounds,
            writing.as_secs_f64(),
            (began.elapsed() - writing).as_secs_f64(),
            recovery.as_secs_f64(),
            self.figures.line(&self.stage)
        );
    }

    /// The figures, and what must not have been.
    fn finish(self) -> BTreeMap<&'static str, usize> {
        let Self { running, stage, figures, began, seed, .. } = self;
        let table = figures.report(&stage, seed, began.elapsed());
        println!("{table}");
        running.unwrap().remove();
        stage.violations()
    }
}

/// Both crons twice, at once, until the test stops. Answers how many ran to their end.
fn fire_crons(stage: &Stage) -> u64 {
    let fire = |cron: &str| {
        // What a cron comes to is in the log only; that it does no harm is checked by everything else.
        let reply = stage.app().try_send("GET", &format!("/__scheduled?cron={cron}"), None, &[]);
        reply.is_ok_and(|reply| reply.status == 200 && reply.text == "Ran scheduled event")
    };
    let mut ran = 0;
    while !stage.stopped() {
        ran += std::thread::scope(|scope| {
            let fired: Vec<_> =
                [OFTEN, DAILY, OFTEN, DAILY].map(|cron| scope.spawn(move || fire(cron))).into();
            fired.into_iter().map(|cron| u64::from(cron.join().unwrap())).sum::<u64>()
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    ran
}

/// How long it takes from now until each type has taken a write, without anybody's help.
fn write_again(stage: &Stage, probes: &mut BTreeMap<Key, Possible>) -> Duration {
    const GIVES_UP: Duration = Duration::from_secs(60);
    let began = Instant::now();
    for (use_case, name) in USE_CASES.iter().enumerate() {
        let key = (use_case, format!("probe-{use_case}"));
        let change =
            Change::Score { kpi: 1, score: now_ms() as f64, at_ms: None, comment: None, version: None };
        let request = request(name, &key.1, &change);
        let possible = probes.entry(key).or_default();
        loop {
            let sent_ms = now_ms();
            let done = matches!(stage.send(&request, &[]).status, Some(200..300));
            let outcome = if done { Outcome::Done } else { Outcome::Unknown };
            possible.after(&change, outcome, (sent_ms, now_ms())).unwrap();
            if done {
                break;
            }
            if began.elapsed() > GIVES_UP {
                stage.violation(
                    "unavailable",
                    format!("{name} takes no writes {GIVES_UP:?} after the faults"),
                );
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    began.elapsed()
}

/// Which faults to inject, as the entry takes it.
fn armed(seed: u32, faults: &[Fault]) -> Value {
    let mut armed = json!({"seed": seed, "rates": {}, "limits": {}});
    for (calls, kind, rate, limit) in faults.iter().flat_map(|fault| fault.rates()) {
        armed["rates"][*calls][*kind] = json!(rate);
        if *limit > 0 {
            armed["limits"][format!("{calls}:{kind}")] = json!(limit);
        }
    }
    armed
}
