//! Five times the load that the service can serve. It answers with 2xx, 429 or 503 only, keeps its memory in bounds, loses nothing
//! that it acknowledged, and is as fast as before right after. `OVERLOAD_SECONDS` says for how long. Memory over time and speeds are
//! asserted from a minute on: a short load says little about them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]
// Native code: clocks are there.
#![allow(clippy::disallowed_methods)]

mod checks;
mod load;
mod process;
#[path = "../support/report.rs"]
mod report;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Client, Sent, TYPES};
use running::Running;
use serde_json::{Value, json};
use support::{App, check_against_recount};

/// Of the closed loop that measures what can be served.
const CONNECTIONS: u32 = 32;

/// Of the open loop; what is due beyond that is not sent. Each is a connection. A refusal of a body that was not read ends it, and with
/// many more the queue of those that want a new one is full: then TCP itself waits, for seconds that double (seen from 1,500 on).
const UNANSWERED_MAX: usize = 800;

/// Files that are needed for other things.
const OTHER_FILES: usize = 300;

/// Offered, of what can be served.
const TIMES: f64 = 5.0;

/// Sent at least, of what can be served: what is not sent because too many are unanswered is no load.
const TIMES_SENT_MIN: f64 = 2.0;

const KEYS: usize = 4;

/// What workerd may take. It runs every isolate (the Worker with the objects, D1's, wrangler's own) without the 128 MB limit that
/// production sets each; what was measured stays well below this.
const RESIDENT_MB_MAX: u64 = 1_500;

/// From this length on a load says something about memory and speed.
const LONG: Duration = Duration::from_secs(60);

/// As many as this process may have.
fn unanswered_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let allowed: usize =
        files.split_whitespace().next().unwrap().parse().unwrap_or(UNANSWERED_MAX + OTHER_FILES);
    (allowed - OTHER_FILES).min(UNANSWERED_MAX)
}

#[test]
fn more_load_than_can_be_served_is_refused_in_order() {
    let seconds = std::env::var("OVERLOAD_SECONDS").map_or(3.0, |text| text.parse().unwrap());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/overload/wrangler.toml");
    let running = Running::temporary("overload", Some(config));
    let app = running.service.application();
    for use_case in 0..TYPES {
        app.define(&format!("T{use_case}"), "N", "number", 10.0);
    }
    let keys = (0..KEYS).map(|_| {
        let made = app.post("/api/v1/keys", &json!({"role": "editor"})).ok();
        made["api_key"].as_str().unwrap().to_owned()
    });
    let keys = keys.collect();
    let proxy_port = running.service.url.rsplit(':').next().unwrap().parse().unwrap();
    let (pid, url) = process::direct_address(&running.processes("workerd"), proxy_port).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = Client::new(&url, keys, unanswered_max());
    let run = runtime.block_on(overload(&client, pid, Duration::from_secs_f64(seconds)));
    println!("{}", report::report("overload", &run.rows()));
    run.check(&app);
    running.remove();
}

/// What was measured.
struct Run {
    length: Duration,
    /// Successes in each second of the closed loop, before and right after the load.
    before: Vec<f64>,
    after: Vec<f64>,
    /// Later measurements, made where the first was below what is asked for: other programs may have been busy.
    later: Vec<Vec<f64>>,
    offered: u64,
    not_sent: u64,
    /// During the load.
    load: Vec<Sent>,
    /// Before and after it.
    rest: Vec<Sent>,
    load_ended: Duration,
    /// MB: before, and from the start of the load on.
    resident_before: u64,
    resident: Vec<u64>,
    resident_after: Option<u64>,
    /// Processors that workerd kept busy before and during the load.
    processors: (f64, f64),
}

async fn overload(client: &Client, pid: u32, length: Duration) -> Run {
    let long = length >= LONG;
    let window = Duration::from_secs(if long { 10 } else { 3 });
    let mut rest = client.closed_loop(CONNECTIONS, Duration::from_secs(if long { 5 } else { 1 })).await;
    let (began, used) = (client.elapsed(), process::processor_seconds(pid).unwrap());
    let before = client.closed_loop(CONNECTIONS, window).await;
    let busy_before =
        (process::processor_seconds(pid).unwrap() - used) / (client.elapsed() - began).as_secs_f64();
    let per_second_before = per_second(&before, began, window);
    let resident_before = process::resident_mb(pid).unwrap();
    rest.extend(before);

    let watch = process::Watch::memory(pid);
    let used = process::processor_seconds(pid).unwrap();
    let rate = median(&per_second_before) * TIMES;
    let mut load = client.open_loop(rate, length, unanswered_max()).await;
    let busy = (process::processor_seconds(pid).unwrap() - used) / load.length.as_secs_f64();
    let resident = watch.seen();

    // At once, while what is left of the load is still being answered.
    let after = client.closed_loop(CONNECTIONS, window).await;
    let per_second_after = per_second(&after, load.ended, window);
    rest.extend(after);
    let answers = load.answers().await;
    let mut later: Vec<Vec<f64>> = Vec::new();
    while long
        && later.len() < 5
        && later.last().map_or_else(|| recovered(&per_second_after), |rates| median(rates))
            < 0.9 * median(&per_second_before)
    {
        let began = client.elapsed();
        let again = client.closed_loop(CONNECTIONS, Duration::from_secs(5)).await;
        later.push(per_second(&again, began, Duration::from_secs(5)));
        rest.extend(again);
    }
    Run {
        length,
        before: per_second_before,
        after: per_second_after,
        later,
        offered: load.offered,
        not_sent: load.not_sent,
        load: answers,
        rest,
        load_ended: load.ended,
        resident_before,
        resident,
        resident_after: process::resident_mb(pid),
        processors: (busy_before, busy),
    }
}

/// Successes in each whole second.
fn per_second(sent: &[Sent], began: Duration, window: Duration) -> Vec<f64> {
    let mut counts = vec![0.0; window.as_secs() as usize];
    for sent in sent.iter().filter(|sent| sent.succeeded()) {
        if let Some(count) = counts.get_mut(sent.ended.saturating_sub(began).as_secs() as usize) {
            *count += 1.0;
        }
    }
    counts
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// What is served once 5 s have passed since the end of the load.
fn recovered(after: &[f64]) -> f64 {
    median(&after[after.len() / 2..])
}

impl Run {
    fn sent(&self) -> u64 {
        self.offered - self.not_sent
    }

    /// How many times what was served before.
    fn times_sent(&self) -> f64 {
        self.sent() as f64 / self.length.as_secs_f64() / median(&self.before)
    }

    fn recovered(&self) -> f64 {
        self.later.iter().map(|rates| median(rates)).fold(recovered(&self.after), f64::max)
    }

    fn rows(&self) -> Vec<(&'static str, Value)> {
        let rate = |per_second: f64| json!(format!("{per_second:.0}/s"));
        let seconds = self.length.as_secs_f64();
        let mut by_status: BTreeMap<String, Vec<&Sent>> = BTreeMap::new();
        for sent in &self.load {
            let status = sent.status.map_or("none".to_owned(), |status| match status {
                200..300 => "2xx".to_owned(),
                status => status.to_string(),
            });
            by_status.entry(status).or_default().push(sent);
        }
        let latencies = |sent: &[&Sent]| {
            let mut took: Vec<u128> = sent.iter().map(|sent| sent.took().as_millis()).collect();
            took.sort_unstable();
            let at = |share: f64| took[((share * took.len() as f64) as usize).min(took.len() - 1)];
            format!("{} (p50 {} ms, p99 {} ms, longest {} ms)", took.len(), at(0.5), at(0.99), at(1.0))
        };
        let statuses: Vec<String> =
            by_status.iter().map(|(status, sent)| format!("{status}: {}", latencies(sent))).collect();
        let idle: Vec<&Sent> = self.rest.iter().filter(|sent| sent.succeeded()).collect();
        let served = self.load.iter().filter(|sent| sent.succeeded()).count() as f64;
        let peak = self.resident.iter().copied().max().unwrap_or_default();
        let first_back = self.after.iter().position(|count| *count >= 0.9 * median(&self.before));
        let rate_of = |count: u64| json!(format!("{count} ({:.0}/s)", count as f64 / seconds));
        let leftovers = self.load.iter().map(|sent| sent.ended.saturating_sub(self.load_ended)).max();
        vec![
            ("length of the load", json!(format!("{seconds:.0} s"))),
            ("served before, 32 connections, closed loop, median of the seconds", rate(median(&self.before))),
            ("answers outside the load", json!(latencies(&idle))),
            ("offered", rate_of(self.offered)),
            (
                "sent",
                json!(format!(
                    "{} ({:.0}/s, {:.1} times what was served before)",
                    self.sent(),
                    self.sent() as f64 / seconds,
                    self.times_sent()
                )),
            ),
            ("not sent, because too many were unanswered", json!(self.not_sent)),
            ("served during the load", json!(format!("{served} ({:.0}/s)", served / seconds))),
            ("answers during the load, by status", json!(statuses.join("; "))),
            (
                "last answer after the end of the load",
                json!(format!("{:.1} s", leftovers.unwrap_or_default().as_secs_f64())),
            ),
            ("served in each second after it", json!(format!("{:?}", self.after))),
            ("the first second with 90% of before", json!(first_back.map(|second| second + 1))),
            ("from the middle of that time on, median (or of a later measurement)", rate(self.recovered())),
            ("of before", json!(format!("{:.0}%", 100.0 * self.recovered() / median(&self.before)))),
            (
                "memory of workerd, MB: before, peak, after",
                json!(format!(
                    "{}, {peak}, {}",
                    self.resident_before,
                    self.resident_after.unwrap_or_default()
                )),
            ),
            (
                "processors that workerd used: before, during",
                json!(format!("{:.2}, {:.2}", self.processors.0, self.processors.1)),
            ),
        ]
    }

    fn check(&self, app: &App) {
        let all = || self.load.iter().chain(&self.rest);
        for sent in all() {
            assert!(sent.status.is_some(), "no answer: {sent:?}");
            assert!(sent.succeeded() || matches!(sent.status, Some(429 | 503)), "{sent:?}");
            assert!(sent.succeeded() || sent.retry_after, "without Retry-After: {sent:?}");
        }
        assert_eq!(self.load.len() as u64, self.sent(), "every request was answered");
        let served = self.load.iter().filter(|sent| sent.succeeded()).count();
        assert!(served > 0, "none of {} was served", self.load.len());
        assert!(served < self.load.len(), "all {served} were served: that was no overload");
        assert!(self.resident_after.is_some(), "workerd is gone");
        let peak = self.resident.iter().copied().max().unwrap();
        assert!(peak < RESIDENT_MB_MAX, "{peak} MB");
        if self.length >= LONG {
            assert!(self.times_sent() >= TIMES_SENT_MIN, "only {} times was sent", self.times_sent());
            let (first, second) = self.resident.split_at(self.resident.len() / 2);
            let most = |part: &[u64]| part.iter().copied().max().unwrap();
            assert!(
                most(second) < most(first) * 5 / 4 + 100,
                "memory grows on: {} MB, then {} MB",
                most(first),
                most(second)
            );
            let share = self.recovered() / median(&self.before);
            assert!(
                share >= 0.9,
                "{share} of before: {:?}, then {:?}, {:?}",
                self.before,
                self.after,
                self.later
            );
        }
        checks::everything_acknowledged_is_there(app, all());
        for use_case in 0..TYPES {
            check_against_recount(app, &format!("T{use_case}"));
        }
    }
}
