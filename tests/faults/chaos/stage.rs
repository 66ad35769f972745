//! What all threads of a chaos test share: the service as it runs now, how a request is sent and timed, and what was counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::model::Request;
use crate::support::{App, Reply};

/// No request may take longer. The Worker's own reads of D1 end after 12 s at the latest and end the request; those that succeed
/// take 300 ms at most here (a slow D1), a few a request. The call to an object, which comes last, ends after 15 s. The rest is
/// for a busy machine.
pub const ANSWER_MAX: Duration = Duration::from_secs(20);

pub const USE_CASES: [&str; 3] = ["Chat", "Image", "Mail"];

/// Counted over the whole run.
#[derive(Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub acknowledged: AtomicU64,
    /// Answered 4xx, as they should be.
    pub refused: AtomicU64,
    pub unavailable: AtomicU64,
    /// No answer: the service was killed.
    pub unanswered: AtomicU64,
    pub repeats: AtomicU64,
    pub slowest_ms: AtomicU64,
}

pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub struct Stage {
    app: RwLock<App>,
    /// How often the service was killed.
    pub kills: AtomicU64,
    /// Writers finish what they are at, and stop.
    pub stop: AtomicBool,
    /// Every request goes out two or three times.
    pub repeat_all: AtomicBool,
    pub counts: Counts,
    /// What must not be, by kind. Collected, so that one run shows all of it.
    violations: Mutex<BTreeMap<&'static str, Vec<String>>>,
    /// The last success, and the longest time without one while requests were sent.
    progress: Mutex<(Instant, Duration)>,
    /// By type: instances with a score of the KPI "Tick" that were acknowledged, and that were asked for.
    pub ticks: [(AtomicU64, AtomicU64); USE_CASES.len()],
}

pub struct Answer {
    /// `None`: none came.
    pub status: Option<u16>,
    pub body: Value,
    pub text: String,
}

impl Stage {
    pub fn new(app: App) -> Self {
        Self {
            app: RwLock::new(app),
            kills: AtomicU64::default(),
            stop: AtomicBool::default(),
            repeat_all: AtomicBool::default(),
            counts: Counts::default(),
            violations: Mutex::default(),
            progress: Mutex::new((Instant::now(), Duration::ZERO)),
            ticks: Default::default(),
        }
    }

    pub fn app(&self) -> App {
        self.app.read().unwrap().clone()
    }

    /// The service runs elsewhere now.
    pub fn moved(&self, app: App) {
        *self.app.write().unwrap() = app;
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn violation(&self, kind: &'static str, what: String) {
        println!("VIOLATION ({kind}): {what}");
        self.violations.lock().unwrap().entry(kind).or_default().push(what);
    }

    pub fn violations(&self) -> BTreeMap<&'static str, usize> {
        self.violations.lock().unwrap().iter().map(|(kind, all)| (*kind, all.len())).collect()
    }

    /// From now on time counts as without success.
    pub fn watch_progress(&self) {
        self.progress.lock().unwrap().0 = Instant::now();
    }

    pub fn longest_without_success(&self) -> Duration {
        self.progress.lock().unwrap().1
    }

    /// Sends a request; `allowed` are the statuses besides 2xx and 503 that it may get.
    pub fn send(&self, request: &Request, allowed: &[u16]) -> Answer {
        let app = self.app();
        let kills = read(&self.kills);
        add(&self.counts.requests, 1);
        let began = Instant::now();
        let body = request.body.as_ref().map(Value::to_string);
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = app.try_send(request.method, &request.path, body, &headers);
        let took = began.elapsed();
        let killed = read(&self.kills) != kills;
        if took > ANSWER_MAX && !killed {
            let status = reply.as_ref().map(|reply| reply.status);
            self.violation("hung", format!("{} {}: {status:?} after {took:?}", request.method, request.path));
        }
        if !killed {
            self.counts.slowest_ms.fetch_max(took.as_millis() as u64, Ordering::Relaxed);
        }
        match reply {
            Ok(reply) => self.judge(request, reply, allowed, killed),
            Err(error) => {
                add(&self.counts.unanswered, 1);
                if !killed && !self.waits_for_restart() {
                    self.violation("unanswered", format!("{} {}: {error}", request.method, request.path));
                }
                std::thread::sleep(Duration::from_millis(200));
                Answer { status: None, body: Value::Null, text: error }
            }
        }
    }

    fn judge(&self, request: &Request, reply: Reply, allowed: &[u16], killed: bool) -> Answer {
        match reply.status {
            200..300 => {
                let mut progress = self.progress.lock().unwrap();
                progress.1 = progress.1.max(progress.0.elapsed());
                progress.0 = Instant::now();
            }
            503 => {
                add(&self.counts.unavailable, 1);
                if reply.header("retry-after").is_none() {
                    self.violation("answer", format!("a 503 without Retry-After: {}", reply.text));
                }
            }
            status if allowed.contains(&status) => {}
            // What stands before the service may answer for it while it dies.
            _ if killed => return Answer { status: None, body: Value::Null, text: reply.text },
            status => self.violation(
                "answer",
                format!("{} {} {:?}: {status} {}", request.method, request.path, request.body, reply.text),
            ),
        }
        Answer { status: Some(reply.status), body: reply.body, text: reply.text }
    }

    /// Between a kill and the restart nobody answers.
    fn waits_for_restart(&self) -> bool {
        // The number is raised before the kill and again after the restart: odd means down.
        read(&self.kills) % 2 == 1
    }

    /// Sends it once, or (where clients repeat everything) two or three times, at once or one after the other.
    pub fn send_repeated(&self, request: &Request, allowed: &[u16], draw: u32) -> Vec<Answer> {
        let copies = if self.repeat_all.load(Ordering::Relaxed) { 2 + draw % 2 } else { 1 };
        add(&self.counts.repeats, u64::from(copies - 1));
        if copies > 1 && draw % 4 < 2 {
            return std::thread::scope(|scope| {
                let sent: Vec<_> = (0..copies).map(|_| scope.spawn(|| self.send(request, allowed))).collect();
                sent.into_iter().map(|answer| answer.join().unwrap()).collect()
            });
        }
        (0..copies).map(|_| self.send(request, allowed)).collect()
    }
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
