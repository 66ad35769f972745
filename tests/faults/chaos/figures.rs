//! What was injected, sent and found: for people, and for docs/RELIABILITY.md.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Stage, read};
use super::{Fault, armed};
use crate::report::report;
use crate::support::App;

#[derive(Default)]
pub struct Figures {
    pub rounds: u64,
    pub kills: u64,
    pub crons: u64,
    pub idles: u64,
    pub dashboards: u64,
    pub scores_compared: u64,
    /// From the end of the faults until every type had taken a write.
    pub recovery_max: Duration,
    /// By whose calls and kind.
    injected: BTreeMap<String, u64>,
}

impl Figures {
    pub fn arm(&mut self, app: &App, seed: u32, faults: &[Fault]) {
        self.inject(app, &armed(seed, faults));
    }

    /// Answers whether any call of an object was stalled: it may still be under way, and take effect.
    pub fn disarm(&mut self, app: &App) -> bool {
        let injected = self.inject(app, &armed(1, &[]));
        injected.iter().any(|kind| ["objects:mute", "objects:late"].contains(&kind.as_str()))
    }

    /// Counts what was injected so far, before the service forgets it.
    pub fn take(&mut self, app: &App) {
        self.disarm(app);
    }

    /// Answers the kinds that were injected until now.
    fn inject(&mut self, app: &App, chaos: &Value) -> Vec<String> {
        let counts = app.post("/__chaos", chaos).ok();
        for (kind, count) in counts.as_object().unwrap() {
            *self.injected.entry(kind.clone()).or_default() += count.as_u64().unwrap();
        }
        counts.as_object().unwrap().keys().cloned().collect()
    }

    /// A round in which nothing failed shows nothing.
    pub fn assert_every_kind_was_injected(&self) {
        let all = |prefix: &str| {
            self.injected
                .iter()
                .filter(|(kind, _)| kind.starts_with(prefix))
                .map(|(_, count)| count)
                .sum::<u64>()
        };
        for kind in ["refuse", "slow", "lose", "late", "mute", "evict"] {
            assert!(all(&format!("objects:{kind}")) > 0, "no {kind}: {:?}", self.injected);
        }
        assert!(all("worker:") > 0, "none of the Worker's own calls failed: {:?}", self.injected);
        assert!(self.kills > 0 && self.crons > 0, "{} kills, {} crons", self.kills, self.crons);
    }

    /// Where the run is.
    pub fn line(&self, stage: &Stage) -> String {
        let counts = &stage.counts;
        format!(
            "{} requests, {} acknowledged, {} refused, {} unavailable, {} faults so far",
            read(&counts.requests),
            read(&counts.acknowledged),
            read(&counts.refused),
            read(&counts.unavailable),
            self.injected.values().sum::<u64>()
        )
    }

    /// The table for people and for docs/RELIABILITY.md.
    pub fn report(&self, stage: &Stage, seed: u64, took: Duration) -> String {
        report("soak", &self.rows(stage, seed, took))
    }

    fn rows(&self, stage: &Stage, seed: u64, took: Duration) -> Vec<(&'static str, Value)> {
        let counts = &stage.counts;
        let injected = |name: &str| json!(self.injected.get(name).copied().unwrap_or(0));
        let violations = stage.violations();
        let violated = |kind: &str| json!(violations.get(kind).copied().unwrap_or(0));
        let seconds = |time: Duration| json!(format!("{:.1} s", time.as_secs_f64()));
        vec![
            ("seed", json!(seed)),
            ("length", json!(format!("{:.0} min", took.as_secs_f64() / 60.0))),
            ("rounds", json!(self.rounds)),
            ("D1 refused", injected("objects:refuse")),
            ("D1 slow (300 ms)", injected("objects:slow")),
            ("D1 committed, connection lost", injected("objects:lose")),
            ("D1 committed, answer after 13 s", injected("objects:mute")),
            ("D1 committed only after 13 s", injected("objects:late")),
            ("object reset before a batch was sent", injected("objects:evict_before")),
            ("object reset while a batch was under way", injected("objects:evict_during")),
            ("object reset after the commit", injected("objects:evict_after")),
            ("objects left in idleness until they leave the memory", json!(self.idles)),
            ("D1 refused the Worker's own calls", injected("worker:refuse")),
            ("D1 slow for the Worker's own calls", injected("worker:slow")),
            ("D1 without an answer for the Worker's own calls", injected("worker:mute")),
            ("kills of everything (`kill -9`)", json!(self.kills)),
            ("crons fired, four at once", json!(self.crons)),
            ("requests", json!(read(&counts.requests))),
            ("of them repetitions of requests that may have been answered", json!(read(&counts.repeats))),
            ("acknowledgements checked", json!(read(&counts.acknowledged))),
            ("refused with 4xx, and not there", json!(read(&counts.refused))),
            ("answered 503 with `Retry-After`", json!(read(&counts.unavailable))),
            ("without an answer (killed)", json!(read(&counts.unanswered))),
            ("dashboards compared with a recount", json!(self.dashboards)),
            ("**lost**", violated("lost")),
            ("**double-counted**", violated("double")),
            (
                "**wrong answers, aggregates that differ, repairs**",
                json!(
                    ["answer", "aggregates", "unanswered"]
                        .iter()
                        .map(|kind| violations.get(kind).copied().unwrap_or(0))
                        .sum::<usize>()
                ),
            ),
            ("**longer than the time limit**", violated("hung")),
            ("slowest answer", json!(format!("{:.1} s", read(&counts.slowest_ms) as f64 / 1000.0))),
            (
                "longest time without any success, faults and restarts included",
                seconds(stage.longest_without_success()),
            ),
            (
                "longest time from the end of the faults until every type had taken a write",
                seconds(self.recovery_max),
            ),
        ]
    }
}
