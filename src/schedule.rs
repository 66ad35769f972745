//! Scheduled jobs. Each may run twice or not at all: what it does is safe to repeat, and where it stands is kept in D1.

use std::cell::Cell;

use worker::Env;

use crate::aggregator::client;
use crate::aggregator::protocol::{Address, Call, Command, Difference, Reconcile, ReconcileReport};
use crate::config::{IDEMPOTENCY_KEPT_MS, KEY_CACHE_MS};
use crate::domain::refusal::Code;
use crate::storage::jobs::{self, TypeAddress};
use crate::storage::{Database, StorageError};

/// The cron that begins a check of everything, once a day; `wrangler.toml` says the same.
const DAILY: &str = "17 3 * * *";

/// Types on a page.
const TYPES_MAX: i64 = 200;

/// Portions that one run checks: each is a call to an object. With the purges (150 calls of D1 and 100 of objects), the pages of
/// types and the notes that stays below the 1,000 calls that an invocation has.
const PORTIONS_MAX: usize = 600;

/// How many of them the check of what was touched may take, so that the check of everything also gets on.
const TOUCHED_PORTIONS_MAX: usize = 400;

/// After so many portions a job notes where it is.
const NOTED_EVERY: usize = 50;

/// Rows that one statement of a purge removes, and how many portions a run does.
const PURGED_ROWS_MAX: i64 = 2_000;
const PURGES_MAX: usize = 25;

/// The same of idempotency keys: 500,000 a run, at most 500 a second all day.
const EXPIRED_ROWS_MAX: i64 = 20_000;

/// Objects that one run has erase themselves or delete their types: each is a call.
const ERASED_MAX: i64 = 50;

/// How long before its last run a job looks back: a batch may have been under way then.
const OVERLAP_MS: i64 = 60 * 1000;

/// Runs what the cron asks for, and logs what it found and what failed.
pub async fn run(env: &Env, cron: &str, scheduled_ms: i64) {
    let portions = Cell::new(0);
    let jobs = Jobs {
        env,
        database: Database::new(env),
        now_ms: crate::api::now_ms(),
        scheduled_ms,
        run_id: format!("run_{}", crate::api::new_id()),
        portions,
    };
    // Each by itself: what fails holds up nothing else.
    jobs.log_purge("purge_applications", jobs.purge_applications().await);
    jobs.log_purge("purge_kpis", jobs.purge_kpis().await);
    jobs.log_purge("purge_types", jobs.purge_types().await);
    jobs.log_purge("erase_types", jobs.erase_types().await);
    jobs.log_purge("purge_idempotency_keys", jobs.purge_idempotency_keys().await);
    jobs.log("check_touched", jobs.check_touched().await);
    jobs.log("check_everything", jobs.check_everything(cron == DAILY).await);
}

/// In the place of an answer: the type is deleted.
const GONE: &str = "";

struct Jobs<'a> {
    env: &'a Env,
    database: Database,
    now_ms: i64,
    scheduled_ms: i64,
    /// Stands in the place of a request's id, in the log and in what the objects log.
    run_id: String,
    /// Portions checked so far.
    portions: Cell<usize>,
}

impl Jobs<'_> {
    /// Recounts the slots touched since the last run, in every type that was written to. A pass that a run can't finish goes on
    /// in the next one; a type that can't be checked holds up no other, and is in the next pass again.
    async fn check_touched(&self) -> Result<ReconcileReport, StorageError> {
        const JOB: &str = "check_touched";
        let state = jobs::job_state(&self.database, JOB).await?.unwrap_or_default();
        let mut pass = Pass::parse(&state).unwrap_or_default();
        if pass.after == 0 {
            pass.started_ms = self.scheduled_ms;
            pass.failed = false;
        }
        let mut total = ReconcileReport::default();
        loop {
            let types =
                jobs::written_types(&self.database, pass.since_ms - OVERLAP_MS, pass.after, TYPES_MAX)
                    .await?;
            if types.is_empty() {
                break;
            }
            for kind in &types {
                let mut from_slot = None;
                loop {
                    if self.portions.get() >= TOUCHED_PORTIONS_MAX {
                        // What is left of this type is still marked in its object.
                        self.note(JOB, &pass.to_string()).await?;
                        return Ok(total);
                    }
                    let Some(report) = self.ask(kind, true, from_slot).await else {
                        pass.failed = true;
                        break;
                    };
                    // One that is being counted again has its turn in the next pass, and holds up no other.
                    pass.failed |= report.rebuilding;
                    from_slot = report.next_slot.filter(|_| !report.rebuilding);
                    add(&mut total, report);
                    if from_slot.is_none() {
                        break;
                    }
                }
                pass.after = kind.0;
                if self.portions.get().is_multiple_of(NOTED_EVERY) {
                    self.note(JOB, &pass.to_string()).await?;
                }
            }
        }
        let since_ms = if pass.failed { pass.since_ms } else { pass.started_ms };
        self.note(JOB, &Pass { since_ms, ..Pass::default() }.to_string()).await?;
        Ok(total)
    }

    /// Recounts everything, a bounded number of portions a run; begins anew when `begin`. A type that can't be checked is left
    /// out.
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
        loop {
            let types = jobs::written_types(&self.database, 0, after, TYPES_MAX).await?;
            if types.is_empty() {
                self.note(JOB, DONE).await?;
                return Ok(total);
            }
            for kind in &types {
                loop {
                    let portions = self.portions.get();
                    if portions >= PORTIONS_MAX || portions.is_multiple_of(NOTED_EVERY) {
                        self.note(JOB, &format!("{after}/{}", from_slot.unwrap_or(0))).await?;
                    }
                    if portions >= PORTIONS_MAX {
                        return Ok(total);
                    }
                    from_slot = match self.ask(kind, false, from_slot).await {
                        None => None,
                        Some(report) => {
                            let next_slot = report.next_slot.filter(|_| !report.rebuilding);
                            add(&mut total, report);
                            next_slot
                        }
                    };
                    if from_slot.is_none() {
                        break;
                    }
                }
                after = kind.0;
            }
        }
    }

    async fn note(&self, job: &str, state: &str) -> Result<(), StorageError> {
        jobs::note_job_state(&self.database, job, state, self.now_ms).await
    }

    /// Deletes the types of deleted applications, and the applications that have none left.
    async fn purge_applications(&self) -> Result<(), StorageError> {
        for kind in jobs::types_of_deleted_applications(&self.database, ERASED_MAX).await? {
            self.call(&kind, Command::DeleteType).await;
        }
        jobs::purge_applications(&self.database, self.now_ms - KEY_CACHE_MS, PURGED_ROWS_MAX).await
    }

    /// Removes scores of deleted KPIs.
    async fn purge_kpis(&self) -> Result<(), StorageError> {
        for _ in 0..PURGES_MAX {
            if !jobs::purge_kpis(&self.database, PURGED_ROWS_MAX).await? {
                break;
            }
        }
        Ok(())
    }

    /// Removes what belongs to deleted types.
    async fn purge_types(&self) -> Result<(), StorageError> {
        for _ in 0..PURGES_MAX {
            if !jobs::purge_types(&self.database, PURGED_ROWS_MAX).await? {
                break;
            }
        }
        Ok(())
    }

    /// Removes the types of which nothing else is left, once their objects are erased, too.
    async fn erase_types(&self) -> Result<(), StorageError> {
        for kind in jobs::empty_types(&self.database, ERASED_MAX).await? {
            if self.call(&kind, Command::Erase).await.is_some() {
                jobs::remove_type(&self.database, kind.0).await?;
            }
        }
        Ok(())
    }

    /// Removes idempotency keys that are too old.
    async fn purge_idempotency_keys(&self) -> Result<(), StorageError> {
        let before_ms = self.now_ms - IDEMPOTENCY_KEPT_MS;
        for _ in 0..PURGES_MAX {
            if !jobs::purge_idempotency(&self.database, before_ms, EXPIRED_ROWS_MAX).await? {
                break;
            }
        }
        Ok(())
    }

    /// One portion of one type; `None` if it could not be checked (the reason is logged).
    async fn ask(
        &self,
        kind: &TypeAddress,
        touched_only: bool,
        from_slot: Option<i64>,
    ) -> Option<ReconcileReport> {
        self.portions.set(self.portions.get() + 1);
        match self.call(kind, Command::Reconcile(Reconcile { touched_only, from_slot })).await?.as_str() {
            // Deleted meanwhile: nothing to check.
            GONE => Some(ReconcileReport::default()),
            json => serde_json::from_str(json).ok(),
        }
    }

    /// Has a type's object carry a command out: its answer, `GONE` if the type is deleted, `None` if it failed (the reason is
    /// logged).
    async fn call(&self, kind: &TypeAddress, command: Command) -> Option<String> {
        let (type_no, _, _, object_name) = kind.clone();
        let call = Call {
            address: Address { type_no, object_name },
            now_ms: self.now_ms,
            request_id: self.run_id.clone(),
            command,
        };
        match client::call(self.env, &call).await {
            Ok(json) => Some(json),
            Err(refusal) if refusal.code == Code::UseCaseNotFound => Some(GONE.to_owned()),
            Err(refusal) => {
                worker::console_error!(
                    "{}",
                    serde_json::json!({"level": "error", "event": "job_call_failed", "request_id": self.run_id,
                        "type_no": type_no, "cause": refusal.message})
                );
                None
            }
        }
    }

    fn log_purge(&self, job: &str, outcome: Result<(), StorageError>) {
        self.log(job, outcome.map(|()| ReconcileReport::default()));
    }

    fn log(&self, job: &str, outcome: Result<ReconcileReport, StorageError>) {
        match outcome {
            Ok(report) => {
                let level = if report.repaired > 0 { "warning" } else { "info" };
                worker::console_log!(
                    "{}",
                    serde_json::json!({"level": level, "event": "job", "job": job, "request_id": self.run_id,
                        "checked": report.checked, "repaired": report.repaired,
                        "duration_ms": crate::api::now_ms() - self.now_ms, "d1_calls": self.database.calls().get(),
                        "object_calls": self.portions.get(), "differences": places(&report.differences)})
                );
            }
            Err(error) => worker::console_error!(
                "{}",
                serde_json::json!({"level": "error", "event": "job_failed", "job": job, "request_id": self.run_id,
                    "cause": format!("{error:?}")})
            ),
        }
    }
}

/// Where the check of what was touched is: a pass over all types written to since `since_ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pass {
    since_ms: i64,
    /// The last type that is done; 0 before a pass begins.
    after: i64,
    started_ms: i64,
    /// A type could not be checked: the next pass looks back as far.
    failed: bool,
}

impl Pass {
    fn parse(state: &str) -> Option<Self> {
        let mut parts = state.split('/').map(|part| part.parse::<i64>().ok());
        let mut next = || parts.next().flatten();
        Some(Self { since_ms: next()?, after: next()?, started_ms: next()?, failed: next()? != 0 })
    }
}

impl std::fmt::Display for Pass {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}/{}/{}/{}", self.since_ms, self.after, self.started_ms, i64::from(self.failed))
    }
}

fn add(total: &mut ReconcileReport, report: ReconcileReport) {
    total.checked += report.checked;
    total.repaired += report.repaired;
    total.differences.extend(report.differences);
}

/// Where cells differed, and by how much; neither the names nor the properties that they are about.
fn places(differences: &[Difference]) -> Vec<serde_json::Value> {
    let place = |d: &Difference| {
        serde_json::json!({"slot_start": d.slot_start, "version": d.version, "aggregate_count": d.aggregate_count,
            "recount": d.recount})
    };
    differences.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_pass_is_read_as_it_was_written() {
        let pass = Pass { since_ms: 5, after: 7, started_ms: 9, failed: true };
        assert_eq!(pass.to_string(), "5/7/9/1");
        assert_eq!(Pass::parse("5/7/9/1"), Some(pass));
        assert_eq!(Pass::parse(""), None);
    }
}
