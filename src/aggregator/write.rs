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

use super::cells::{Changes, Watermark};
use super::core::{Core, Phase, Trouble, Waiting, Work, report, unavailable};
use super::plan::{Batchable, Fate, Plan, Presence, presence, settle};
use super::protocol::Address;
use super::recovery;
use crate::domain::calendar::slot_of;
use crate::storage::StorageError;
use crate::storage::writer::{
    BatchId, Before, InstanceWrite, Known, ScoreBatch, ScoreWrite, TypeState, look_up, release_ids,
};

/// How often a batch that did not take effect is sent.
const ATTEMPTS_MAX: usize = 2;

/// Commits the commands and answers them.
pub async fn commit(core: &Core, kind: &Rc<TypeState>, address: &Address, now_ms: i64, group: Vec<Waiting>) {
    // (1)
    let known = match know(core, kind, now_ms, &group).await {
        Ok(known) => known,
        Err(error) => {
            report("look up", address, &Trouble::Storage(error));
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
                report("take a batch in", address, &error);
                core.set_phase(Phase::Cold);
                // The scores are in D1: taking over recounts what this batch touched.
                if let Err(error) = recovery::load(core, address).await {
                    report("recover", address, &error);
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
    for _ in 0..ATTEMPTS_MAX {
        let position = core.position.get();
        let id = BatchId { type_no: kind.type_no, epoch: position.epoch, batch_no: position.batch_no + 1 };
        let sent = ScoreBatch {
            id,
            application_no: kind.application_no,
            now_ms,
            next_seq: batch.next_seq,
            live_kpis: &live_kpis,
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
        report("commit a batch", address, &Trouble::Storage(error));
        match recovery::resolve(core, address, id).await {
            Ok(recovery::Resolved::TookEffect) => return where_now(core, kind, &batch.instances).await,
            Ok(recovery::Resolved::DidNot) => {}
            Ok(recovery::Resolved::Overtaken | recovery::Resolved::Gone) => return Outcome::Failed,
            Err(error) => {
                report("resolve a batch", address, &error);
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
    let mut gained: BTreeMap<usize, i64> = BTreeMap::new();
    for (at, write) in batch.scores.iter().enumerate() {
        let Some(instance) = batch.instances.get(write.instance) else { continue };
        if presence(kind.type_no, instance, write.instance, before) != Presence::Here {
            continue;
        }
        let Some(kpi) = kind.kpis.iter().find(|kpi| kpi.kpi_no == write.kpi_no) else { continue };
        let (version, created_ms) = birth(instance, write.instance, before);
        let old = before.scores.get(&at).copied();
        let new = write.score.map(|score| {
            // The same rule as in upsert_scores.sql.
            let at = write.timestamp_ms.or(old.map(|(_, at)| at)).unwrap_or(write.now_ms);
            (score, at)
        });
        let placed = |(score, at): (f64, i64)| (score, slot_of(at));
        if old.map(placed) != new.map(placed) {
            if let Some((score, slot)) = old.map(placed) {
                changes.remove_score(&core.store, kpi, version, slot, score)?;
            }
            if let Some((score, slot)) = new.map(placed) {
                changes.add_score(&core.store, kpi, version, slot, score)?;
            }
        }
        let gain = i64::from(new.is_some()) - i64::from(old.is_some());
        if gain != 0 {
            *gained.entry(write.instance).or_default() += gain;
            let slot = slot_of(created_ms);
            let cell = changes.instance_cell(&core.store, version, slot)?;
            if gain > 0 {
                cell.reviewed_by_kpi.add(write.kpi_no, 1);
            } else if !cell.reviewed_by_kpi.remove(write.kpi_no) {
                changes.recount_creations.insert(slot);
            }
        }
    }
    for (place, instance) in batch.instances.iter().enumerate() {
        if presence(kind.type_no, instance, place, before) != Presence::Here {
            continue;
        }
        let (version, created_ms) = birth(instance, place, before);
        let held = before.instances.get(&place).map_or(0, |old| old.live_scores);
        let holds = held + gained.get(&place).copied().unwrap_or(0);
        let made = !before.instances.contains_key(&place);
        if made || (held > 0) != (holds > 0) {
            let slot = slot_of(created_ms);
            let cell = changes.instance_cell(&core.store, version, slot)?;
            cell.instances += u64::from(made);
            match (held > 0, holds > 0) {
                (false, true) => cell.reviewed += 1,
                (true, false) if cell.reviewed == 0 => {
                    changes.recount_creations.insert(slot);
                }
                (true, false) => cell.reviewed -= 1,
                _ => {}
            }
        }
    }
    write(core, kind, changes, batch.next_seq).await
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
    next_seq: i64,
) -> Result<(), Trouble> {
    let slots = std::mem::take(&mut changes.recount);
    recovery::recount_scores(core, kind, &mut changes, &slots).await?;
    let slots = std::mem::take(&mut changes.recount_creations);
    recovery::recount_instances(core, kind, &mut changes, &slots).await?;
    let mut position = core.position.get();
    position.batch_no += 1;
    position.next_seq = next_seq;
    // No await from here on: one transaction.
    changes.write(&core.store, &kind.kpis)?;
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
    if !foreign.is_empty() && release_ids(&core.database, kind.application_no, &foreign).await? > 0 {
        let again =
            look_up(&core.database, kind.type_no, kind.application_no, &ids, &[], &[], keys_after_ms).await?;
        known.instances = again.instances;
    }
    Ok(known)
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
    if foreign.is_empty()
        || release_ids(&core.database, kind.application_no, &foreign).await.unwrap_or(0) == 0
    {
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
