//! Five times the load that the service can serve. It answers with 2xx, 429 or 503 only, keeps its memory, loses nothing that it
//! acknowledged, and is as fast as before right after. `OVERLOAD_SECONDS` says for how long; the comparison of speeds is asserted
//! from a minute on, because a short one says little on a busy machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]
// Native code: clocks are there.
#![allow(clippy::disallowed_methods)]

mod load;
mod process;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Client, Kind, Sent};
use running::Running;
use serde_json::json;
use support::{App, unique};

const CONNECTIONS: u32 = 32;
const UNANSWERED_MAX: usize = 1000;
const TIMES: f64 = 5.0;
const KEYS: usize = 4;

#[test]
fn more_load_than_can_be_served_is_refused_in_order() {
    let seconds = std::env::var("OVERLOAD_SECONDS").ok().map_or(4, |text| text.parse().unwrap());
    let state_dir = std::env::temp_dir().join(unique("edge-kpi-overload"));
    std::fs::create_dir_all(&state_dir).unwrap();
    let running = Running::start(&state_dir, std::env::var("OVERLOAD_CONFIG").ok().as_deref());
    let app = running.service.application();
    for use_case in 0..load::TYPES {
        app.define(&format!("T{use_case}"), "N", "number", 10.0);
    }
    let keys = (0..KEYS)
        .map(|_| {
            let made = app.post("/api/v1/keys", &json!({"role": "editor"})).ok();
            made["api_key"].as_str().unwrap().to_owned()
        })
        .collect();
    let proxy_port = running.service.url.rsplit(':').next().unwrap().parse().unwrap();
    let (pid, direct) = process::direct_address(&running.processes("workerd"), proxy_port).unwrap();
    let url = if std::env::var("OVERLOAD_PROXY").is_ok() { running.service.url.clone() } else { direct };
    let unanswered = std::env::var("OVERLOAD_UNANSWERED").ok().map_or(UNANSWERED_MAX, |t| t.parse().unwrap());
    let client = Client::new(&url, keys, unanswered);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&client, &app, pid, unanswered, Duration::from_secs(seconds)));
    running.kill();
    if std::env::var("OVERLOAD_KEEP").is_err() {
        std::fs::remove_dir_all(&state_dir).unwrap();
    }
}

async fn run(client: &Client, _app: &App, pid: u32, unanswered: usize, length: Duration) {
    let window = Duration::from_secs(if length >= Duration::from_secs(60) { 10 } else { 3 });
    client.closed_loop(CONNECTIONS, Duration::from_secs(2)).await;
    let cpu = process::processor_seconds(pid).unwrap();
    let before = client.closed_loop(CONNECTIONS, window).await;
    println!(
        "before: {} ({:.2} processors)",
        describe(&before, window),
        (process::processor_seconds(pid).unwrap() - cpu) / window.as_secs_f64()
    );
    let capacity = before.iter().filter(|sent| sent.succeeded()).count() as f64 / window.as_secs_f64();
    println!("rss before {:?}", process::resident_mb(pid));
    let watch = process::Watch::memory(pid);
    let mut load = client.open_loop(capacity * TIMES, length, unanswered).await;
    println!(
        "offered {} ({:.0}/s), not sent {} in {:?}",
        load.offered,
        load.offered as f64 / load.length.as_secs_f64(),
        load.not_sent,
        load.length
    );
    let mut seconds = Vec::new();
    for _ in 0..12 {
        let after = client.closed_loop(CONNECTIONS, Duration::from_secs(1)).await;
        seconds.push(after.iter().filter(|s| s.succeeded()).count());
    }
    println!("after, per second: {seconds:?}");
    let answers = load.answers().await;
    println!("during: {}", describe(&answers, load.length));
    let late: Vec<_> =
        answers.iter().filter(|s| s.ended > load.ended).map(|s| (s.ended - load.ended).as_millis()).collect();
    println!("{} answered after the end, the last {:?} ms after", late.len(), late.iter().max());
    let seen = watch.seen();
    let step = (seen.len() / 30).max(1);
    println!("rss: {:?}", seen.iter().step_by(step).map(|(_, mb)| *mb).collect::<Vec<_>>());
    println!("rss peak {:?} now {:?}", seen.iter().map(|(_, mb)| *mb).max(), process::resident_mb(pid));
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    for sent in answers.iter().filter(|s| !s.succeeded()) {
        let text = format!(
            "{:?} {} {}",
            sent.status,
            sent.retry_after,
            sent.text.chars().take(160).collect::<String>()
        );
        *texts.entry(text).or_default() += 1;
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (text, n) in texts.iter().take(12) {
        println!("  {n} × {text}");
    }
}

fn describe(all: &[Sent], length: Duration) -> String {
    let mut text = format!("{} answers, {:.0}/s", all.len(), all.len() as f64 / length.as_secs_f64());
    let mut by_status: BTreeMap<Option<u16>, Vec<u128>> = BTreeMap::new();
    for sent in all {
        by_status.entry(sent.status).or_default().push(sent.took().as_millis());
    }
    for (status, mut took) in by_status {
        took.sort_unstable();
        let at = |q: f64| took[((q * took.len() as f64) as usize).min(took.len() - 1)];
        text.push_str(&format!(
            "; {status:?}: {} (p50 {} ms, p99 {} ms, max {} ms)",
            took.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        ));
    }
    for kind in [Kind::Write, Kind::Bulk, Kind::Read] {
        let of = all.iter().filter(|s| s.kind == kind);
        let good = of.clone().filter(|s| s.succeeded()).count();
        text.push_str(&format!("; {kind:?} {good}/{}", of.count()));
    }
    text
}
