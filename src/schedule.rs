//! Scheduled jobs. Each may run twice or not at all: what it does is safe to repeat, and where it stands is kept in D1.

use worker::Env;

use crate::aggregator::client;
use crate::aggregator::protocol::{Address, Call, Command, Reconcile, ReconcileReport};
use crate::config::{DATABASE_BINDING, IDEMPOTENCY_KEPT_MS};
use crate::storage::jobs::{self, TypeAddress};
use crate::storage::{Database, StorageError};

/// The cron that begins a check of everything, once a day; `wrangler.toml` says the same.
const DAILY: &str = "17 3 * * *";

/// Types that one run asks, and portions that it checks: each is a call to an object, of the 1,000 an invocation has.
const TYPES_MAX: i64 = 200;
const PORTIONS_MAX: usize = 400;

/// Rows that one statement of a purge removes, and how many portions a run does.
const PURGED_ROWS_MAX: i64 = 2_000;
const PURGES_MAX: usize = 25;

/// How long before its last run a job looks back: a batch may have been under way then.
const OVERLAP_MS: i64 = 60 * 1000;

/// Runs what the cron asks for, and logs what it found and what failed.
pub async fn run(env: &Env, cron: &str, scheduled_ms: i64) {
    let Ok(d1) = env.d1(DATABASE_BINDING) else {
        worker::console_error!(
            r#"{{"level":"error","event":"schedule_failed","cause":"no database is bound"}}"#
        );
        return;
    };
    let jobs = Jobs { env, database: Database::new(d1), now_ms: crate::api::now_ms(), scheduled_ms };
    log("check_touched", jobs.check_touched().await);
    log("check_everything", jobs.check_everything(cron == DAILY).await);
    log("purge", jobs.purge().await.map(|()| ReconcileReport::default()));
}

struct Jobs<'a> {
    env: &'a Env,
    database: Database,
    now_ms: i64,
    scheduled_ms: i64,
}

impl Jobs<'_> {
    /// Recounts the slots touched since the last run, in every type that was written to.
    async fn check_touched(&self) -> Result<ReconcileReport, StorageError> {
        const JOB: &str = "check_touched";
        let last: i64 =
            jobs::job_state(&self.database, JOB).await?.and_then(|state| state.parse().ok()).unwrap_or(0);
        let mut total = ReconcileReport::default();
        let (mut after, mut portions, mut complete) = (0, 0, true);
        loop {
            let types = jobs::written_types(&self.database, last - OVERLAP_MS, after, TYPES_MAX).await?;
            let Some(last_type) = types.last() else { break };
            after = last_type.0;
            for kind in &types {
                let mut from_slot = None;
                loop {
                    if portions >= PORTIONS_MAX {
                        complete = false;
                        break;
                    }
                    portions += 1;
                    let Some(report) = self.ask(kind, true, from_slot).await else {
                        complete = false;
                        break;
                    };
                    from_slot = report.next_slot;
                    add(&mut total, report);
                    if from_slot.is_none() {
                        break;
                    }
                }
            }
            if !complete {
                break;
            }
        }
        // What was not reached is still marked as touched in its object; the next run finds it again.
        if complete {
            jobs::note_job_state(&self.database, JOB, &self.scheduled_ms.to_string(), self.now_ms).await?;
        }
        Ok(total)
    }

    /// Recounts everything, a bounded number of portions a run; begins anew when `begin`.
    async fn check_everything(&self, begin: bool) -> Result<ReconcileReport, StorageError> {
        const JOB: &str = "check_everything";
        const DONE: &str = "done";
        let state = jobs::job_state(&self.database, JOB).await?;
        let place = match state.as_deref() {
            Some(state) if state != DONE => state,
            _ if begin => "0/0",
            _ => return Ok(ReconcileReport::default()),
        };
        let mut parts = place.split('/').map(|part| part.parse::<i64>().unwrap_or(0));
        let (mut after, mut from_slot) = (parts.next().unwrap_or(0), parts.next());
        let mut total = ReconcileReport::default();
        for _ in 0..PORTIONS_MAX {
            let types = jobs::written_types(&self.database, 0, after, 1).await?;
            let Some(kind) = types.first() else {
                jobs::note_job_state(&self.database, JOB, DONE, self.now_ms).await?;
                return Ok(total);
            };
            let Some(report) = self.ask(kind, false, from_slot).await else { break };
            from_slot = report.next_slot;
            if from_slot.is_none() {
                after = kind.0;
            }
            add(&mut total, report);
        }
        let place = format!("{after}/{}", from_slot.unwrap_or(0));
        jobs::note_job_state(&self.database, JOB, &place, self.now_ms).await?;
        Ok(total)
    }

    /// Removes what was deleted, and idempotency keys that are too old.
    async fn purge(&self) -> Result<(), StorageError> {
        for _ in 0..PURGES_MAX {
            let more_kpis = jobs::purge_kpis(&self.database, PURGED_ROWS_MAX).await?;
            let more_types = jobs::purge_types(&self.database, PURGED_ROWS_MAX).await?;
            if !more_kpis && !more_types {
                break;
            }
        }
        let before_ms = self.now_ms - IDEMPOTENCY_KEPT_MS;
        jobs::purge_idempotency(&self.database, before_ms, PURGED_ROWS_MAX * 10).await
    }

    /// One portion of one type; `None` if it could not be checked (the reason is logged).
    async fn ask(
        &self,
        kind: &TypeAddress,
        touched_only: bool,
        from_slot: Option<i64>,
    ) -> Option<ReconcileReport> {
        let (type_no, _, _, object_name) = kind.clone();
        let call = Call {
            address: Address { type_no, object_name },
            now_ms: self.now_ms,
            command: Command::Reconcile(Reconcile { touched_only, from_slot }),
        };
        match client::call(self.env, &call).await {
            Ok(json) => serde_json::from_str(&json).ok(),
            // Deleted meanwhile: nothing to check.
            Err(refusal) if refusal.code == crate::domain::refusal::Code::UseCaseNotFound => {
                Some(ReconcileReport::default())
            }
            Err(refusal) => {
                worker::console_error!(
                    "{}",
                    serde_json::json!({"level": "error", "event": "check_failed", "type_no": type_no, "cause": refusal.message})
                );
                None
            }
        }
    }
}

fn add(total: &mut ReconcileReport, report: ReconcileReport) {
    total.checked += report.checked;
    total.repaired += report.repaired;
    total.differences.extend(report.differences);
}

fn log(job: &str, outcome: Result<ReconcileReport, StorageError>) {
    match outcome {
        Ok(report) => {
            let level = if report.repaired > 0 { "warning" } else { "info" };
            worker::console_log!(
                "{}",
                serde_json::json!({"level": level, "event": "job", "job": job, "checked": report.checked,
                    "repaired": report.repaired, "differences": report.differences})
            );
        }
        Err(error) => worker::console_error!(
            "{}",
            serde_json::json!({"level": "error", "event": "job_failed", "job": job, "cause": format!("{error:?}")})
        ),
    }
}
