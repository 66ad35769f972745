//! Commands that go alone, with no batch under way: KPI definitions, versions, the deletion of an instance or of the type.
//! Scores that wait meanwhile are checked against the new definition.
//!
//! Each is one guarded batch; its outbox says what must be counted again, so that a crash after the commit is made good by
//! `recovery::load`. A batch whose answer was lost is resolved the same way, so the answer is never a guess.

use std::rc::Rc;

use super::analysis::no_such_event;
use super::cells::Group;
use super::changes::Changes;
use super::core::{Core, Phase};
use super::plan::{find_kpi, not_found};
use super::protocol::{
    Address, Ask, Command, Idempotency, InstanceAnswer, KpiAnswer, KpiChange, KpiRef, NewEvent, NewKpi, Reply,
};
use super::trouble::{Failure, Trouble, unavailable};
use super::{recovery, write};
use crate::config::IDEMPOTENCY_KEPT_MS;
use crate::domain::calendar::{format_timestamp, slot_of};
use crate::domain::kpi::{Benchmark, Direction, Kpi, KpiType, Rules, default_bucket_width};
use crate::domain::names::KpiName;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::domain::segments::ALL;
use crate::storage::writer::{
    BatchId, IdempotencyWrite, KnownInstance, SystemEvent, Touched, TypeState, json_of, kpis, look_up,
    read_kpis, release_ids, remember,
};
use crate::storage::{Statement, definitions, events, instances};

/// Most KPIs of a type: a dashboard shows all of them.
const KPIS_MAX: usize = 200;

/// Most events of a type: its object keeps them in memory.
const EVENTS_MAX: usize = 1_000;

/// How often a batch that did not take effect is sent.
const ATTEMPTS_MAX: usize = 2;

/// Carries a command out.
pub async fn carry_out(
    core: &Core,
    kind: &Rc<TypeState>,
    address: &Address,
    now_ms: i64,
    command: Command,
) -> Reply {
    let alone = Alone { core, kind, address, now_ms };
    let done = match command {
        Command::CreateKpi(new) => alone.create_kpi(new).await,
        Command::UpdateKpi { kpi, change } => alone.update_kpi(&kpi, change).await,
        Command::DeleteKpi { kpi } => alone.delete_kpi(&kpi).await,
        Command::IncrementVersion { timestamp_ms, idempotency } => {
            alone.increment_version(timestamp_ms, idempotency).await
        }
        Command::DeleteInstance { use_case_id } => alone.delete_instance(&use_case_id).await,
        Command::DeleteType => alone.delete_type().await,
        Command::CreateEvent(new) => alone.create_event(new).await,
        Command::DeleteEvent { event_id } => alone.delete_event(&event_id).await,
        _ => Err(Refusal::new(Code::UnexpectedError, "this command does not go alone").into()),
    };
    done.map_err(|failure| match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Trouble(trouble) => {
            core.report("carry a command out", &trouble);
            core.set_phase(Phase::Cold);
            unavailable()
        }
    })
}

type Done = Result<String, Failure>;

/// One command that goes alone.
struct Alone<'a> {
    core: &'a Core,
    kind: &'a Rc<TypeState>,
    address: &'a Address,
    now_ms: i64,
}

impl Alone<'_> {
    async fn create_kpi(&self, new: NewKpi) -> Done {
        let existing = self.kind.kpis.iter().find(|kpi| kpi.name == new.name);
        if let Some(kpi) = existing {
            return if kpi.rules.kpi_type == new.kpi_type {
                Ok(json_of(&KpiAnswer::new(kpi)))
            } else {
                Err(Refusal::new(
                    Code::KpiAlreadyExists,
                    format!(
                        "KPI {} exists with kpi_type {}, not {}",
                        shown(&new.name),
                        kpi.rules.kpi_type.as_str(),
                        new.kpi_type.as_str()
                    ),
                )
                .into())
            };
        }
        if self.kind.kpis.len() >= KPIS_MAX {
            return Err(Refusal::new(
                Code::InvalidRequest,
                format!("a use case has at most {KPIS_MAX} KPIs; delete some first"),
            )
            .into());
        }
        let kpi_id = new.kpi_id.clone().unwrap_or_else(|| new.generated_id.clone());
        self.check_free(&new.name, &kpi_id, None)?;
        let bucket_width = new.bucket_width.unwrap_or_else(|| default_bucket_width(new.goal));
        let kpi = Kpi {
            kpi_no: 0,
            kpi_id: kpi_id.clone(),
            name: new.name,
            description: new.description,
            rules: Rules { kpi_type: new.kpi_type, goal: new.goal, direction: new.direction, bucket_width },
            unit: new.unit,
            benchmarks: new.benchmarks,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
        };
        let touched = Touched::default();
        let kpis = self.commit_definition(&touched, |id| vec![definitions::insert_kpi(id, &kpi)]).await?;
        self.advance(kpis, Changes::default()).await?;
        self.answer_kpi(&kpi_id)
    }

    async fn update_kpi(&self, wanted: &str, change: KpiChange) -> Done {
        let old = find_kpi(&self.kind.kpis, &KpiRef::NameOrId(wanted.to_owned()))?;
        let new = self.changed(old, change)?;
        if new == *old {
            return Ok(json_of(&KpiAnswer::new(old)));
        }
        self.check_free(&new.name, &new.kpi_id, Some(old.kpi_no))?;
        if new.rules.kpi_type != old.rules.kpi_type {
            let count =
                definitions::count_incompatible(&self.core.database, old.kpi_no, new.rules.kpi_type).await?;
            if count > 0 {
                return Err(Refusal::new(
                    Code::ScoresIncompatible,
                    format!(
                        "{count} recorded scores of KPI {} are not valid as {}, which takes {}",
                        shown(&old.name),
                        new.rules.kpi_type.as_str(),
                        new.rules.kpi_type.score_range()
                    ),
                )
                .into());
            }
        }
        let recount = new.rules != old.rules;
        let touched = Touched { kpis: if recount { vec![old.kpi_no] } else { vec![] }, ..Touched::default() };
        let kpis = self.commit_definition(&touched, |_| vec![definitions::update_kpi(&new)]).await?;
        if recount && kpis.is_some() {
            self.rebuilding(recovery::rebuild_kpi(self.core, self.kind, &new)).await?;
        }
        self.advance(kpis, Changes::default()).await?;
        self.answer_kpi(&new.kpi_id)
    }

    async fn delete_kpi(&self, wanted: &str) -> Done {
        let kpi = find_kpi(&self.kind.kpis, &KpiRef::NameOrId(wanted.to_owned()))?;
        let touched = Touched { removed_kpis: vec![kpi.kpi_no], ..Touched::default() };
        let kpis = self
            .commit_definition(&touched, |_| vec![definitions::delete_kpi(kpi.kpi_no, self.now_ms)])
            .await?;
        if let Some(left) = &kpis {
            let kind = TypeState { kpis: left.clone(), ..TypeState::clone(self.kind) };
            self.rebuilding(async {
                self.core.store.remove_kpi(kpi.kpi_no)?;
                recovery::rebuild_instances(self.core, &kind).await
            })
            .await?;
        }
        self.advance(kpis, Changes::default()).await?;
        Ok(json_of(&KpiAnswer::new(kpi)))
    }

    async fn increment_version(&self, at_ms: Option<i64>, idempotency: Option<Idempotency>) -> Done {
        if let Some(asked) = &idempotency {
            let keys = [asked.key.as_str()];
            let after_ms = self.now_ms - IDEMPOTENCY_KEPT_MS;
            let known = look_up(
                &self.core.database,
                self.kind.type_no,
                self.kind.application_no,
                &[],
                &[],
                &keys,
                after_ms,
            )
            .await?;
            match known.idempotency.get(&asked.key) {
                Some((hash, response)) if *hash == asked.request_hash => return Ok(response.clone()),
                Some(_) => {
                    return Err(Refusal::new(
                        Code::IdempotencyKeyReused,
                        format!("the Idempotency-Key {} was used for another request", shown(&asked.key)),
                    )
                    .into());
                }
                None => {}
            }
        }
        let last_ms = self.kind.versions.last().map_or(0, |(_, started_ms)| *started_ms);
        if let Some(at_ms) = at_ms {
            // The first version stands for everything before the second, so only a rise bounds the next one from below.
            if (self.kind.type_version > 1 && at_ms <= last_ms) || at_ms > self.now_ms {
                return Err(Refusal::new(
                    Code::InvalidTimestamp,
                    format!(
                        "timestamp {} must lie after the last rise of the version ({}) and not ahead of now",
                        format_timestamp(at_ms),
                        format_timestamp(last_ms)
                    ),
                )
                .into());
            }
        }
        let started_ms = at_ms.unwrap_or_else(|| self.now_ms.max(last_ms + 1));
        let version = self.kind.type_version + 1;
        let response = serde_json::json!({ "type_version": version }).to_string();
        let remembered: Vec<IdempotencyWrite> = idempotency
            .into_iter()
            .map(|asked| IdempotencyWrite {
                key: asked.key,
                request_hash: asked.request_hash,
                response: response.clone(),
                use_case_id: None,
            })
            .collect();
        let kpis = self
            .commit_definition(&Touched::default(), |id| {
                let mut statements = definitions::raise_version(id.type_no, version, started_ms, self.now_ms);
                if !remembered.is_empty() {
                    statements.push(remember(id.type_no, self.kind.application_no, self.now_ms, &remembered));
                }
                statements
            })
            .await?;
        if let Some(kpis) = kpis {
            let mut kind = TypeState { kpis, type_version: version, ..TypeState::clone(self.kind) };
            kind.versions.push((version, started_ms));
            self.become_kind(kind, Changes::default()).await?;
        }
        Ok(response)
    }

    async fn delete_instance(&self, use_case_id: &str) -> Done {
        let ids = [use_case_id];
        let (type_no, application_no) = (self.kind.type_no, self.kind.application_no);
        let known =
            look_up(&self.core.database, type_no, application_no, &ids, &[], &[], i64::MAX >> 11).await?;
        let Some(found) = known.instances.get(use_case_id).filter(|found| found.type_no == type_no) else {
            release_ids(&self.core.database, application_no, &ids).await?;
            return Err(not_found(use_case_id).into());
        };
        let held = instances::all_scores(&self.core.database, type_no, found.instance_no).await?;
        let touched = Touched {
            cells: held.iter().map(|(kpi_no, _, at)| (*kpi_no, Some(slot_of(*at)), None)).collect(),
            creations: vec![slot_of(found.created_ms)],
            ..Touched::default()
        };
        let kpis = self
            .commit_definition(&touched, |_| {
                instances::delete(type_no, found.instance_no, use_case_id, &found.properties)
            })
            .await?;
        // Worked out only now: a batch whose outcome was unknown may have had cells counted again.
        if kpis.is_some() {
            self.advance(kpis, self.without_instance(found, &held)?).await?;
        }
        Ok(json_of(&InstanceAnswer {
            use_case_id: use_case_id.to_owned(),
            use_case_name: self.kind.name.clone(),
            type_version: found.version,
            limit_id: None,
            properties: found.properties.clone(),
            create_timestamp: format_timestamp(found.created_ms),
        }))
    }

    /// The cells without an instance and its scores.
    fn without_instance(&self, found: &KnownInstance, held: &[(i64, f64, i64)]) -> Result<Changes, Failure> {
        let store = &self.core.store;
        let mut changes = Changes::default();
        let segments = self.core.registry().segments_of(&found.properties);
        let groups: Vec<Group> =
            std::iter::once(ALL).chain(segments).map(|segment| (segment, found.version)).collect();
        let mut live = Vec::new();
        for (kpi_no, score, at) in held {
            if let Some(kpi) = self.kind.kpis.iter().find(|kpi| kpi.kpi_no == *kpi_no) {
                for group in &groups {
                    changes.remove_score(store, kpi, *group, slot_of(*at), *score)?;
                }
                live.push(*kpi_no);
            }
        }
        for group in groups {
            changes.move_instance(store, group, slot_of(found.created_ms), &live, false)?;
        }
        Ok(changes)
    }

    async fn create_event(&self, new: NewEvent) -> Done {
        // Sent again after an answer that was lost.
        if !self.kind.events.iter().any(|event| event.event_id == new.event_id) {
            if self.kind.events.len() >= EVENTS_MAX {
                return Err(Refusal::new(
                    Code::InvalidRequest,
                    format!("a use case has at most {EVENTS_MAX} events; delete some first"),
                )
                .into());
            }
            let event = SystemEvent {
                event_no: self.kind.events.iter().map(|event| event.event_no).max().unwrap_or(0) + 1,
                event_id: new.event_id.clone(),
                at_ms: new.at_ms,
                title: new.title,
                description: new.description,
                created_ms: self.now_ms,
            };
            let kpis = self
                .commit_definition(&Touched::default(), |id| vec![events::insert(id.type_no, &event)])
                .await?;
            if let Some(kpis) = kpis {
                let mut kind = TypeState { kpis, ..TypeState::clone(self.kind) };
                kind.events.push(event);
                self.become_kind(kind, Changes::default()).await?;
            }
        }
        self.answer_event(&new.event_id).await
    }

    async fn delete_event(&self, event_id: &str) -> Done {
        let found = self.kind.events.iter().find(|event| event.event_id == event_id);
        let event_no = found.ok_or_else(|| no_such_event(event_id))?.event_no;
        let answer = self.answer_event(event_id).await?;
        let kpis = self
            .commit_definition(&Touched::default(), |id| vec![events::delete(id.type_no, event_no)])
            .await?;
        if let Some(kpis) = kpis {
            let mut kind = TypeState { kpis, ..TypeState::clone(self.kind) };
            kind.events.retain(|event| event.event_no != event_no);
            self.become_kind(kind, Changes::default()).await?;
        }
        Ok(answer)
    }

    async fn answer_event(&self, event_id: &str) -> Done {
        let Phase::Ready(kind) = self.core.phase() else { return Err(unavailable().into()) };
        let ask = Ask::Event { event_id: event_id.to_owned() };
        Ok(self.core.read(&kind, &ask, self.now_ms, &self.core.request_id()).await?)
    }

    async fn delete_type(&self) -> Done {
        self.commit_definition(&Touched::default(), |id| definitions::delete_type(id.type_no, self.now_ms))
            .await?;
        self.core.set_phase(Phase::Gone);
        // What is left undone here is done by the purge.
        if let Err(error) = self.core.store.erase().await {
            self.core.report("erase", &Trouble::Store(error));
        }
        Ok("null".to_owned())
    }

    /// Commits the statements under guard and outbox. Answers the KPIs as they are then; `None` if the batch took effect but
    /// its answer was lost: then the object has been loaded anew and everything is up to date.
    async fn commit_definition(
        &self,
        touched: &Touched,
        statements: impl Fn(&BatchId) -> Vec<Statement>,
    ) -> Result<Option<Vec<Kpi>>, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let position = self.core.position.get();
            let id = BatchId {
                type_no: self.kind.type_no,
                epoch: position.epoch,
                batch_no: position.batch_no + 1,
            };
            let mut batch = vec![id.guard(), id.outbox(self.now_ms, position.next_seq, touched)];
            batch.extend(statements(&id));
            batch.push(kpis(id.type_no));
            let error = match self.core.database.batch(batch).await {
                Ok(answers) => {
                    let last = answers.last().map(read_kpis).transpose()?;
                    return Ok(Some(last.unwrap_or_default()));
                }
                Err(error) => error,
            };
            self.core.report("commit a definition", &Trouble::Storage(error));
            match recovery::resolve(self.core, self.address, id).await? {
                recovery::Resolved::TookEffect => return Ok(None),
                // A type that is gone after its own deletion: that took effect.
                recovery::Resolved::Gone => return Ok(None),
                recovery::Resolved::DidNot => {}
                recovery::Resolved::Overtaken => break,
            }
        }
        Err(unavailable().into())
    }

    /// Readers wait while cells are made anew.
    async fn rebuilding<F: Future<Output = Result<(), Trouble>>>(&self, work: F) -> Result<(), Failure> {
        self.core.set_rebuilding(true);
        let done = work.await;
        self.core.set_rebuilding(false);
        Ok(done?)
    }

    /// Takes a committed batch into the cells. `None`: that was done while its outcome was resolved.
    async fn advance(&self, kpis: Option<Vec<Kpi>>, changes: Changes) -> Result<(), Failure> {
        match kpis {
            Some(kpis) => self.become_kind(TypeState { kpis, ..TypeState::clone(self.kind) }, changes).await,
            None => Ok(()),
        }
    }

    async fn become_kind(&self, kind: TypeState, changes: Changes) -> Result<(), Failure> {
        let registry = self.core.registry();
        write::write(self.core, &kind, changes, &registry, self.core.position.get().next_seq).await?;
        self.core.set_phase(Phase::Ready(Rc::new(kind)));
        Ok(())
    }

    fn answer_kpi(&self, kpi_id: &str) -> Done {
        let Phase::Ready(kind) = self.core.phase() else { return Err(unavailable().into()) };
        let kpi = find_kpi(&kind.kpis, &KpiRef::Id(kpi_id.to_owned()))?;
        Ok(json_of(&KpiAnswer::new(kpi)))
    }

    /// No KPI's name may equal another's name or id in the same type.
    fn check_free(&self, name: &str, kpi_id: &str, except: Option<i64>) -> Result<(), Refusal> {
        let taken = |text: &str| {
            self.kind
                .kpis
                .iter()
                .filter(|kpi| Some(kpi.kpi_no) != except)
                .any(|kpi| kpi.name == text || kpi.kpi_id == text)
        };
        for (field, text) in [("name", name), ("kpi_id", kpi_id)] {
            if taken(text) {
                return Err(Refusal::new(
                    Code::KpiAlreadyExists,
                    format!("{field} {} is the name or kpi_id of another KPI of this use case", shown(text)),
                ));
            }
        }
        Ok(())
    }

    /// The definition with the changes made, checked as a whole.
    fn changed(&self, old: &Kpi, change: KpiChange) -> Result<Kpi, Refusal> {
        let mut new = old.clone();
        if let Some(name) = change.name {
            let name = KpiName::parse(&name).map_err(|invalid| {
                Refusal::new(Code::InvalidKpiName, format!("name {}: {}", shown(&name), invalid.0))
            })?;
            new.name = name.as_str().to_owned();
        }
        new.description = change.description.unwrap_or(new.description);
        new.unit = change.unit.unwrap_or(new.unit);
        new.benchmarks = change.benchmarks.unwrap_or(new.benchmarks);
        new.rules = Rules {
            kpi_type: change.kpi_type.unwrap_or(old.rules.kpi_type),
            goal: change.goal.unwrap_or(old.rules.goal),
            direction: change.direction.unwrap_or(old.rules.direction),
            bucket_width: change.bucket_width.unwrap_or(old.rules.bucket_width),
        };
        if new.rules.kpi_type != KpiType::Number {
            new.rules.bucket_width = 1.0;
        } else if old.rules.kpi_type != KpiType::Number && change.bucket_width.is_none() {
            new.rules.bucket_width = default_bucket_width(new.rules.goal);
        }
        check_goal(new.rules.kpi_type, new.rules.goal)?;
        check_benchmarks(new.rules.kpi_type, &new.benchmarks)?;
        if new != *old {
            new.updated_ms = self.now_ms.max(old.updated_ms);
        }
        Ok(new)
    }
}

/// Checks a goal against its KPI type.
pub fn check_goal(kpi_type: KpiType, goal: f64) -> Result<(), Refusal> {
    if kpi_type.allows_goal(goal) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::GoalOutOfRange,
        format!("goal {goal} is out of range: a {} KPI takes {}", kpi_type.as_str(), kpi_type.goal_range()),
    ))
}

/// Checks benchmarks against their KPI type: their values are goals.
pub fn check_benchmarks(kpi_type: KpiType, benchmarks: &[Benchmark]) -> Result<(), Refusal> {
    match benchmarks.iter().find(|benchmark| !kpi_type.allows_goal(benchmark.value)) {
        None => Ok(()),
        Some(benchmark) => Err(Refusal::new(
            Code::GoalOutOfRange,
            format!(
                "benchmark {} of {} is out of range: a {} KPI takes {}",
                shown(&benchmark.name),
                benchmark.value,
                kpi_type.as_str(),
                kpi_type.goal_range()
            ),
        )),
    }
}

/// What a definition holds unless it says otherwise.
pub const DEFAULT_DIRECTION: Direction = Direction::HigherIsBetter;
