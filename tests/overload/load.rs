//! The load: who sends what, closed loop (the next request when the last one was answered) and open loop (at a rate, whatever
//! the service answers). The client is meant to cost less than the service.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout_at};

pub const TYPES: u64 = 4;
/// Instances of each type that bulk requests write, and that dashboards therefore always show.
pub const BULK_SETS: u64 = 10;
/// The service's own limit is 15 s for a call to an object; what takes longer than that and a margin hangs.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One score of an instance of its own: `n` is in its name, and is the score.
    Write,
    /// All scores of one of the sets; `n` is the score of each.
    Bulk,
    Read,
}

/// One request and what became of it. Times are measured from the start of the whole run.
#[derive(Clone, Debug)]
pub struct Sent {
    pub kind: Kind,
    pub n: u64,
    pub began: Duration,
    pub ended: Duration,
    /// `None`: no answer came.
    pub status: Option<u16>,
    pub retry_after: bool,
    /// The beginning of an error's text.
    pub text: String,
}

impl Sent {
    pub fn took(&self) -> Duration {
        self.ended - self.began
    }

    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// How many items the bulk request that writes a set has: 500 to 1,000.
pub fn items_of_set(set: u64) -> u64 {
    500 + set * 500 / (BULK_SETS - 1)
}

/// Sends to one service; cheap to copy.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Arc<str>,
    keys: Arc<[String]>,
    started: Instant,
    count: Arc<AtomicU64>,
}

impl Client {
    pub fn new(url: &str, keys: Vec<String>, connections_max: usize) -> Self {
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(connections_max)
            .timeout(ANSWER_MAX)
            .build()
            .unwrap();
        Self { http, url: url.into(), keys: keys.into(), started: Instant::now(), count: Arc::default() }
    }

    /// Half of the requests write a score, a third writes many, the others read a dashboard. (With light requests only, this machine's
    /// one thread could not even refuse five times as many as it serves.)
    pub async fn send(&self, draw: u32) -> Sent {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        let use_case = n % TYPES;
        let kind = match draw % 20 {
            0..10 => Kind::Write,
            10..17 => Kind::Bulk,
            _ => Kind::Read,
        };
        let request = match kind {
            Kind::Write => self
                .http
                .put(format!("{}/api/v1/use_cases/instances/T{use_case}/w-{n}/kpis/N", self.url))
                .header("content-type", "application/json")
                .body(json!({"score": score_of(n)}).to_string()),
            Kind::Bulk => self
                .http
                .post(format!("{}/api/v1/use_cases/definitions/T{use_case}/scores", self.url))
                .header("content-type", "application/json")
                .body(bulk_body(n)),
            Kind::Read => self.http.get(format!("{}/api/v1/dashboard/T{use_case}", self.url)),
        };
        let key = &self.keys[n as usize % self.keys.len()];
        let began = self.started.elapsed();
        let answer = request.header("xProxy-api-key", key).send().await;
        let (status, retry_after, text) = match answer {
            Ok(answer) => {
                let (status, retry) =
                    (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                match answer.bytes().await {
                    Ok(bytes) if status >= 300 => {
                        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
                        (Some(status), retry, text)
                    }
                    Ok(_) => (Some(status), retry, String::new()),
                    Err(error) => (None, false, format!("{error:?}")),
                }
            }
            Err(error) => (None, false, format!("{error:?}")),
        };
        Sent { kind, n, began, ended: self.started.elapsed(), status, retry_after, text }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// So many connections, each sending as soon as it was answered.
    pub async fn closed_loop(&self, connections: u32, length: Duration) -> Vec<Sent> {
        let end = Instant::now() + length;
        let clients = (0..connections).map(|connection| {
            let client = self.clone();
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(connection.into());
                let mut all = Vec::new();
                while Instant::now() < end {
                    all.push(client.send(random.random()).await);
                }
                all
            })
        });
        let mut all = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            all.extend(client.await.unwrap());
        }
        all
    }

    /// At a rate, for so long, with at most so many requests unanswered. What is due beyond that is not sent, but counted.
    /// Ends when the load ends: what is still unanswered then comes through the receiver.
    pub async fn open_loop(&self, per_second: f64, length: Duration, unanswered_max: usize) -> OpenLoop {
        let (sender, receiver) = mpsc::unbounded_channel();
        let unanswered = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let (mut offered, mut not_sent) = (0_u64, 0_u64);
        let mut random = StdRng::seed_from_u64(7);
        let mut tick = interval(Duration::from_millis(2));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while began.elapsed() < length {
            tick.tick().await;
            let due = (began.elapsed().as_secs_f64() * per_second) as u64;
            while offered < due {
                offered += 1;
                let draw = random.random();
                if unanswered.load(Ordering::Relaxed) >= unanswered_max {
                    not_sent += 1;
                    continue;
                }
                unanswered.fetch_add(1, Ordering::Relaxed);
                let (client, sender, unanswered) = (self.clone(), sender.clone(), Arc::clone(&unanswered));
                tokio::spawn(async move {
                    let sent = client.send(draw).await;
                    unanswered.fetch_sub(1, Ordering::Relaxed);
                    let _ = sender.send(sent);
                });
            }
        }
        OpenLoop { offered, not_sent, length: began.elapsed(), ended: self.elapsed(), receiver }
    }
}

/// A load that has ended, and what becomes of its requests.
pub struct OpenLoop {
    pub offered: u64,
    pub not_sent: u64,
    pub length: Duration,
    /// Since the start of the whole run.
    pub ended: Duration,
    receiver: mpsc::UnboundedReceiver<Sent>,
}

impl OpenLoop {
    /// All answers, once the last one came.
    pub async fn answers(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let latest = tokio::time::Instant::now() + ANSWER_MAX + Duration::from_secs(5);
        while let Ok(Some(sent)) = timeout_at(latest, self.receiver.recv()).await {
            all.push(sent);
        }
        all
    }
}

/// Seven sizes, and the number of the request behind the point: it tells which request a score came from, without making
/// histograms and extremes as wide as no real KPI has them.
pub fn score_of(n: u64) -> f64 {
    (n % 7 * 10) as f64 + n as f64 / 1e6
}

/// Which set a bulk request writes.
pub fn set_of(n: u64) -> u64 {
    n / TYPES % BULK_SETS
}

fn bulk_body(n: u64) -> String {
    let (set, score, use_case) = (set_of(n), score_of(n), n % TYPES);
    // By hand: the client must not take the processors that are measured.
    let mut body = String::with_capacity(70_000);
    body.push_str(r#"{"scores":["#);
    for item in 0..items_of_set(set) {
        let comma = if item == 0 { "" } else { "," };
        let _ = write!(
            body,
            r#"{comma}{{"use_case_id":"b-{use_case}-{set}-{item}","kpi_name":"N","score":{score}}}"#
        );
    }
    body.push_str("]}");
    body
}
