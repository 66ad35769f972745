//! Group commit: one batch of scores, increments, new instances and properties, from the commands to their answers.
//!
//! 1. Look up what some of the commands must know (increments, properties, chosen ids). A batch of plain scores skips this.
//! 2. Fold the commands into a plan.
//! 3. Commit it to D1 in one call, under the guard; D1 answers what was there before.
//! 4. If the outcome is unknown, take over anew: the outbox says whether the batch took effect. If not, commit once more.
//! 5. Change the cells by exactly the difference, recount those that can't be changed so, and write them with the watermark.
//! 6. Answer everybody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::cells::{Group, Watermark};
use super::changes::Changes;
use super::core::{Core, Phase};
use super::plan::{Batchable, Fate, Plan, Presence, presence, settle};
use super::protocol::Address;
use super::queue::{Waiting, Work};
use super::recovery;
use super::trouble::{Trouble, unavailable};
use crate::domain::calendar::slot_of;
use crate::domain::kpi::Kpi;
use crate::domain::segments::{ALL, Registry};
use crate::storage::StorageError;
use crate::storage::writer::{
    BatchId, Before, InstanceWrite, Known, Properties, ScoreBatch, ScoreWrite, TypeState, look_up,
    release_ids,
};

/// How often a batch that did not take effect is sent.
const ATTEMPTS_MAX: usize = 2;

/// Commits the commands and answers them.
pub async fn commit(core: &Core, kind: &Rc<TypeState>, address: &Address, now_ms: i64, group: Vec<Waiting>) {
    // (1)
    let known = match know(core, kind, now_ms, &group).await {
        Ok(known) => known,
        Err(error) => {
            core.report("look up", &Trouble::Storage(error));
            return refuse(group);
        }
    };
    // (2)
    let mut plan = Plan::new(kind, known, core.position.get().next_seq);
    let mut fates: Vec<(Waiting, Fate)> = Vec::new();
    let mut later: Vec<Waiting> = Vec::new();
    for waiting in group {
        match &waiting.work {
            Work::Batch(command) if later.is_empty() && plan.admits(command) => {
                let fate = plan.add(command, waiting.now_ms);
                fates.push((waiting, fate));
            }
            _ => later.push(waiting),
        }
    }
    core.put_back(later);
    let batch = Batch {
        news: plan.news(&core.registry()),
        next_seq: plan.next_seq(),
        instances: std::mem::take(&mut plan.instances),
        scores: std::mem::take(&mut plan.scores),
        idempotency: std::mem::take(&mut plan.idempotency),
    };
    if batch.instances.is_empty() {
        return answer(fates, &[], &|_| Presence::Missing);
    }
    // (3), (4)
    match send(core, kind, address, now_ms, &batch).await {
        Outcome::Found(before) => {
            let presence_of = |place: usize| match batch.instances.get(place) {
                Some(instance) => presence(kind.type_no, instance, place, &before),
                None => Presence::Missing,
            };
            // (5)
            if let Err(error) = take_in(core, kind, &batch, &before).await {
                core.report("take a batch in", &error);
                core.set_phase(Phase::Cold);
                // The scores are in D1: taking over recounts what this batch touched.
                if let Err(error) = recovery::load(core, address).await {
                    core.report("recover", &error);
                    return refuse(fates.into_iter().map(|(waiting, _)| waiting).collect());
                }
            }
            // (6)
            let fates = retry_released(core, kind, fates, &batch.instances, &presence_of).await;
            answer(fates, &batch.instances, &presence_of);
        }
        Outcome::Committed(present) => {
            answer(fates, &batch.instances, &|place| {
                present.get(&place).copied().unwrap_or(Presence::Missing)
            });
        }
        Outcome::Failed => refuse(fates.into_iter().map(|(waiting, _)| waiting).collect()),
    }
}

/// The rows of a batch.
struct Batch {
    next_seq: i64,
    instances: Vec<InstanceWrite>,
    scores: Vec<ScoreWrite>,
    idempotency: Vec<crate::storage::writer::IdempotencyWrite>,
    /// Properties not seen before.
    news: Vec<(String, String)>,
}

enum Outcome {
    /// It took effect, and this is what it found.
    Found(Before),
    /// It took effect, its answer was lost, and the cells are right; these instances are there now.
    Committed(HashMap<usize, Presence>),
    Failed,
}

async fn send(core: &Core, kind: &TypeState, address: &Address, now_ms: i64, batch: &Batch) -> Outcome {
    let live_kpis: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    let tracked = recovery::tracked(&core.registry());
    let begun_anew = core.begun_anew.get();
    for _ in 0..ATTEMPTS_MAX {
        let position = core.position.get();
        let id = BatchId { type_no: kind.type_no, epoch: position.epoch, batch_no: position.batch_no + 1 };
        let sent = ScoreBatch {
            id,
            application_no: kind.application_no,
            now_ms,
            next_seq: batch.next_seq,
            live_kpis: &live_kpis,
            tracked_keys: &tracked.keys,
            news: &batch.news,
            instances: &batch.instances,
            scores: &batch.scores,
            idempotency: &batch.idempotency,
        }
        .commit(&core.database)
        .await;
        let error = match sent {
            Ok(before) => return Outcome::Found(before),
            Err(error) => error,
        };
        core.report("commit a batch", &Trouble::Storage(error));
        match recovery::resolve(core, address, id).await {
            Ok(recovery::Resolved::TookEffect) => return where_now(core, kind, &batch.instances).await,
            // What the batch says of properties no longer holds.
            Ok(recovery::Resolved::DidNot) if core.begun_anew.get() != begun_anew => return Outcome::Failed,
            Ok(recovery::Resolved::DidNot) => {}
            Ok(recovery::Resolved::Overtaken | recovery::Resolved::Gone) => return Outcome::Failed,
            Err(error) => {
                core.report("resolve a batch", &error);
                return Outcome::Failed;
            }
        }
    }
    // Should a sequence number be to blame, the next batch has others.
    let mut position = core.position.get();
    position.next_seq = position.next_seq.max(batch.next_seq);
    core.position.set(position);
    Outcome::Failed
}

/// Where the batch's instances are, after the fact.
async fn where_now(core: &Core, kind: &TypeState, instances: &[InstanceWrite]) -> Outcome {
    let ids: Vec<&str> = instances.iter().map(|instance| instance.use_case_id.as_str()).collect();
    match look_up(&core.database, kind.type_no, kind.application_no, &ids, &[], &[], i64::MAX >> 11).await {
        Ok(known) => Outcome::Committed(
            instances
                .iter()
                .enumerate()
                .map(|(place, instance)| {
                    let presence = match known.instances.get(&instance.use_case_id) {
                        Some(found) if found.type_no == kind.type_no => Presence::Here,
                        Some(found) => Presence::Elsewhere(found.type_no),
                        None => Presence::Missing,
                    };
                    (place, presence)
                })
                .collect(),
        ),
        Err(_) => Outcome::Failed,
    }
}

/// Changes the cells by the difference that the batch made.
async fn take_in(core: &Core, kind: &TypeState, batch: &Batch, before: &Before) -> Result<(), Trouble> {
    let mut changes = Changes::default();
    let registry = changes.learn(&core.registry(), &batch.news);
    let mut of_instance: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, write) in batch.scores.iter().enumerate() {
        of_instance.entry(write.instance).or_default().push(at);
    }
    for (place, instance) in batch.instances.iter().enumerate() {
        if presence(kind.type_no, instance, place, before) == Presence::Here {
            let writes = of_instance.get(&place).map(Vec::as_slice).unwrap_or_default();
            let difference = Difference { core, kind, batch, before, place, instance };
            difference.take_in(&registry, &mut changes, writes)?;
        }
    }
    write(core, kind, changes, &registry, batch.next_seq).await
}

/// What a batch changed of one instance.
struct Difference<'a> {
    core: &'a Core,
    kind: &'a TypeState,
    batch: &'a Batch,
    before: &'a Before,
    place: usize,
    instance: &'a InstanceWrite,
}

/// The segments of an instance before and after the batch.
struct Segments {
    /// With `ALL`, whether or not the instance is new.
    both: BTreeSet<i64>,
    left: BTreeSet<i64>,
    entered: BTreeSet<i64>,
}

impl Difference<'_> {
    fn take_in(&self, registry: &Registry, changes: &mut Changes, writes: &[usize]) -> Result<(), Trouble> {
        let store = &self.core.store;
        let segments = self.segments(registry);
        let (version, created_ms) = birth(self.instance, self.place, self.before);
        let held = self.before.held.get(&self.place).map(Vec::as_slice).unwrap_or_default();
        // KPIs of which the instance holds a score: known only where its properties change.
        let mut kpis_after: BTreeSet<i64> = held.iter().map(|(kpi_no, _, _)| *kpi_no).collect();
        let kpis_before: Vec<i64> = kpis_after.iter().copied().collect();
        let mut unwritten: BTreeMap<i64, (f64, i64)> =
            held.iter().map(|(kpi_no, score, at)| (*kpi_no, (*score, *at))).collect();
        let creation = slot_of(created_ms);
        let mut gained = 0;
        for at in writes {
            let Some(write) = self.batch.scores.get(*at) else { continue };
            let Some(kpi) = self.kind.kpis.iter().find(|kpi| kpi.kpi_no == write.kpi_no) else { continue };
            unwritten.remove(&kpi.kpi_no);
            let old = self.before.scores.get(at).copied();
            let new = write.score.map(|score| {
                // The same rule as in upsert_scores.sql.
                let at = write.timestamp_ms.or(old.map(|(_, at)| at)).unwrap_or(write.now_ms);
                (score, at)
            });
            for segment in &segments.both {
                self.change_score(changes, kpi, (*segment, version), old, new)?;
            }
            for segment in &segments.left {
                self.change_score(changes, kpi, (*segment, version), old, None)?;
            }
            for segment in &segments.entered {
                self.change_score(changes, kpi, (*segment, version), None, new)?;
            }
            match new {
                Some(_) => kpis_after.insert(kpi.kpi_no),
                None => kpis_after.remove(&kpi.kpi_no),
            };
            let gain = i64::from(new.is_some()) - i64::from(old.is_some());
            gained += gain;
            for segment in segments.both.iter().filter(|_| gain != 0) {
                let group = (*segment, version);
                let cell = changes.instance_cell(store, group, creation)?;
                if gain > 0 {
                    cell.reviewed_by_kpi.add(write.kpi_no, 1);
                } else if !cell.reviewed_by_kpi.remove(write.kpi_no) {
                    changes.recount_creations.entry(creation).or_default().insert(group);
                }
            }
        }
        for (kpi_no, old) in unwritten {
            let Some(kpi) = self.kind.kpis.iter().find(|kpi| kpi.kpi_no == kpi_no) else { continue };
            for segment in &segments.left {
                self.change_score(changes, kpi, (*segment, version), Some(old), None)?;
            }
            for segment in &segments.entered {
                self.change_score(changes, kpi, (*segment, version), None, Some(old))?;
            }
        }
        for segment in &segments.both {
            self.change_instance(changes, (*segment, version), creation, gained)?;
        }
        for segment in &segments.left {
            changes.move_instance(store, (*segment, version), creation, &kpis_before, false)?;
        }
        let kpis_after: Vec<i64> = kpis_after.into_iter().collect();
        for segment in &segments.entered {
            changes.move_instance(store, (*segment, version), creation, &kpis_after, true)?;
        }
        Ok(())
    }

    fn segments(&self, registry: &Registry) -> Segments {
        let of = |properties: &Properties| registry.segments_of(properties);
        let (before, after) = match (&self.instance.properties, self.before.instances.get(&self.place)) {
            (Some((new, _)), None) => (BTreeSet::new(), of(new)),
            (Some((new, old)), Some(_)) => (of(old), of(new)),
            (None, None) => (BTreeSet::new(), BTreeSet::new()),
            (None, Some(old)) => {
                let same = registry.segments_of(old.pairs.iter().map(|(key, value)| (key, value)));
                (same.clone(), same)
            }
        };
        Segments {
            both: before.intersection(&after).copied().chain([ALL]).collect(),
            left: before.difference(&after).copied().collect(),
            entered: after.difference(&before).copied().collect(),
        }
    }

    /// A score as it was and is, each `(score, timestamp_ms)`, in the cells of one group.
    fn change_score(
        &self,
        changes: &mut Changes,
        kpi: &Kpi,
        group: Group,
        old: Option<(f64, i64)>,
        new: Option<(f64, i64)>,
    ) -> Result<(), Trouble> {
        let placed = |(score, at): (f64, i64)| (score, slot_of(at));
        let (old, new) = (old.map(placed), new.map(placed));
        if old == new {
            return Ok(());
        }
        if let Some((score, slot)) = old {
            changes.remove_score(&self.core.store, kpi, group, slot, score)?;
        }
        if let Some((score, slot)) = new {
            changes.add_score(&self.core.store, kpi, group, slot, score)?;
        }
        Ok(())
    }

    /// An instance that is made, or that holds more or fewer scores than before, in a group in which it stays.
    fn change_instance(
        &self,
        changes: &mut Changes,
        group: Group,
        creation: i64,
        gained: i64,
    ) -> Result<(), Trouble> {
        let old = self.before.instances.get(&self.place);
        let held = old.map_or(0, |old| old.live_scores);
        let (was, is) = (held > 0, held + gained > 0);
        if old.is_some() && was == is {
            return Ok(());
        }
        let cell = changes.instance_cell(&self.core.store, group, creation)?;
        cell.instances += u64::from(old.is_none());
        match (was, is) {
            (false, true) => cell.reviewed += 1,
            (true, false) if cell.reviewed == 0 => {
                changes.recount_creations.entry(creation).or_default().insert(group);
            }
            (true, false) => cell.reviewed -= 1,
            _ => {}
        }
        Ok(())
    }
}

/// Version and creation time of an instance of the batch.
fn birth(instance: &InstanceWrite, place: usize, before: &Before) -> (i64, i64) {
    before
        .instances
        .get(&place)
        .map_or((instance.version, instance.created_ms), |old| (old.version, old.created_ms))
}

/// Recounts what the changes could not settle, then writes them together with the watermark: the batch after the last one is
/// in the cells now.
pub async fn write(
    core: &Core,
    kind: &TypeState,
    mut changes: Changes,
    registry: &Registry,
    next_seq: i64,
) -> Result<(), Trouble> {
    let cells = std::mem::take(&mut changes.recount);
    recovery::recount_scores(core, kind, registry, &mut changes, &cells).await?;
    let slots = std::mem::take(&mut changes.recount_creations);
    recovery::recount_instances(core, kind, registry, &mut changes, &slots).await?;
    let mut position = core.position.get();
    position.batch_no += 1;
    position.next_seq = next_seq;
    // No await from here on: one transaction.
    core.write_changes(changes, &kind.kpis)?;
    core.store.set_watermark(Watermark { epoch: position.epoch, batch_no: position.batch_no })?;
    core.position.set(position);
    Ok(())
}

/// What the commands of a group must know beforehand; nothing, and no call, for plain scores.
async fn know(core: &Core, kind: &TypeState, now_ms: i64, group: &[Waiting]) -> Result<Known, StorageError> {
    let (mut ids, mut pairs, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for waiting in group {
        let Work::Batch(command) = &waiting.work else { continue };
        match command {
            Batchable::Scores(_) => {}
            Batchable::Increment(increment) => {
                ids.insert(increment.use_case_id.as_str());
                let wanted = super::protocol::KpiRef::NameOrId(increment.kpi.clone());
                if let Ok(kpi) = super::plan::find_kpi(&kind.kpis, &wanted) {
                    pairs.insert((increment.use_case_id.as_str(), kpi.kpi_no));
                }
                keys.extend(increment.idempotency.as_ref().map(|i| i.key.as_str()));
            }
            Batchable::Create(create) => {
                if !create.generated {
                    ids.insert(create.use_case_id.as_str());
                }
                keys.extend(create.idempotency.as_ref().map(|i| i.key.as_str()));
            }
            Batchable::Properties(set) => {
                ids.insert(set.use_case_id.as_str());
            }
        }
    }
    if ids.is_empty() && pairs.is_empty() && keys.is_empty() {
        return Ok(Known::default());
    }
    let ids: Vec<&str> = ids.into_iter().collect();
    let pairs: Vec<(&str, i64)> = pairs.into_iter().collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    let keys_after_ms = now_ms - crate::config::IDEMPOTENCY_KEPT_MS;
    let mut known =
        look_up(&core.database, kind.type_no, kind.application_no, &ids, &pairs, &keys, keys_after_ms)
            .await?;
    let foreign: Vec<&str> = ids
        .iter()
        .copied()
        .filter(|id| known.instances.get(*id).is_some_and(|found| found.type_no != kind.type_no))
        .collect();
    if !foreign.is_empty() {
        release_ids(&core.database, kind.application_no, &foreign).await?;
        // Looked up anew also if nothing was freed: the purge may have come first.
        let again =
            look_up(&core.database, kind.type_no, kind.application_no, &ids, &[], &[], keys_after_ms).await?;
        known.instances = again.instances;
    }
    Ok(known)
}

/// Whether any of these ids, found under another type, is free after all: that type was deleted, and what it held is purged here or
/// was a moment ago.
async fn any_free(core: &Core, kind: &TypeState, ids: &[&str]) -> Result<bool, StorageError> {
    release_ids(&core.database, kind.application_no, ids).await?;
    let known =
        look_up(&core.database, kind.type_no, kind.application_no, ids, &[], &[], i64::MAX >> 11).await?;
    let is_free = |id: &&str| known.instances.get(*id).is_none_or(|found| found.type_no == kind.type_no);
    Ok(ids.iter().any(is_free))
}

/// Scores refused because their instance is under another type are tried again if that type was deleted and only its data
/// were not purged yet: then the ids are free. Answers the fates that remain.
async fn retry_released(
    core: &Core,
    kind: &TypeState,
    fates: Vec<(Waiting, Fate)>,
    instances: &[InstanceWrite],
    presence_of: &dyn Fn(usize) -> Presence,
) -> Vec<(Waiting, Fate)> {
    let foreign: Vec<&str> = instances
        .iter()
        .enumerate()
        .filter(|(place, _)| matches!(presence_of(*place), Presence::Elsewhere(_)))
        .map(|(_, instance)| instance.use_case_id.as_str())
        .collect();
    if foreign.is_empty() {
        return fates;
    }
    if !any_free(core, kind, &foreign).await.unwrap_or(false) {
        return fates;
    }
    let (mut settled, mut again) = (Vec::new(), Vec::new());
    for (mut waiting, fate) in fates {
        let Fate::Scores { errors, items } = fate else {
            settled.push((waiting, fate));
            continue;
        };
        let (retried, rest): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|(_, place, _)| matches!(presence_of(*place), Presence::Elsewhere(_)));
        if retried.is_empty() {
            settled.push((waiting, Fate::Scores { errors, items: rest }));
            continue;
        }
        waiting.errors.extend(errors);
        for (item, place, missing) in rest {
            if presence_of(place) == Presence::Missing {
                waiting.errors.push((item.index, missing));
            }
        }
        if let Work::Batch(Batchable::Scores(write)) = &mut waiting.work {
            write.items = retried.into_iter().map(|(item, _, _)| item).collect();
        }
        again.push(waiting);
    }
    core.put_back(again);
    settled
}

fn answer(fates: Vec<(Waiting, Fate)>, instances: &[InstanceWrite], presence_of: &dyn Fn(usize) -> Presence) {
    for (waiting, mut fate) in fates {
        if let Fate::Scores { errors, .. } = &mut fate {
            errors.extend(waiting.errors.iter().cloned());
        }
        let reply = settle(fate, instances, presence_of);
        waiting.answer(reply);
    }
}

fn refuse(group: Vec<Waiting>) {
    for waiting in group {
        waiting.answer(Err(unavailable()));
    }
}
