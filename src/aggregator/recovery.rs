//! Making the cells right: when the object starts, and when a batch's outcome is unknown. All of it runs in the writer's loop,
//! with no batch under way.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::cells::{Group, Place, StoreError, Watermark, day_and_slot};
use super::changes::Changes;
use super::core::{Core, Phase, Position};
use super::protocol::Address;
use super::rebuild;
use super::trouble::Trouble;
use crate::domain::calendar::{slot_of, slot_start_ms};
use crate::domain::cell::{Cell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::kpi::Kpi;
use crate::domain::segments::{ALL, Registry};
use crate::storage::recount::{self, InstanceSeen, Pairs, Span, Tracked};
use crate::storage::writer::{BatchId, Touched, TypeState, WriterState, take_over};

/// Becomes the only writer and makes the cells agree with D1. After this the phase is `Ready` or `Gone`.
///
/// Raising the epoch first is what makes it safe to look: a batch of an earlier life of this object, still on its way to D1,
/// can't take effect any more once we have looked.
pub async fn load(core: &Core, address: &Address) -> Result<(), Trouble> {
    take_over_as(core, address).await.map(|_| ())
}

/// What became of a batch whose answer was lost.
pub enum Resolved {
    TookEffect,
    /// And nothing else did since: it may be sent again as it is.
    DidNot,
    /// Another writer's batches came between: what this one was worked out from (old values of increments, definitions,
    /// idempotency keys) may no longer hold.
    Overtaken,
    Gone,
}

/// Finds out whether a batch took effect; afterwards the cells are right either way.
pub async fn resolve(core: &Core, address: &Address, id: BatchId) -> Result<Resolved, Trouble> {
    core.set_phase(Phase::Cold);
    Ok(match take_over_as(core, address).await? {
        None => Resolved::Gone,
        Some(writer) if writer.batch_no == id.batch_no && writer.batch_epoch == id.epoch => {
            Resolved::TookEffect
        }
        Some(writer) if writer.batch_no + 1 == id.batch_no => Resolved::DidNot,
        Some(_) => Resolved::Overtaken,
    })
}

async fn take_over_as(core: &Core, address: &Address) -> Result<Option<WriterState>, Trouble> {
    let Some(kind) = take_over(&core.database, address.type_no, &address.object_name).await? else {
        core.set_phase(Phase::Gone);
        return Ok(None);
    };
    let kind = Rc::new(kind);
    let writer = kind.writer.clone();
    core.set_rebuilding(true);
    let made_right = make_right(core, &kind).await;
    core.set_rebuilding(false);
    made_right?;
    core.position.set(Position { epoch: writer.epoch, batch_no: writer.batch_no, next_seq: writer.next_seq });
    core.set_phase(Phase::Ready(kind));
    Ok(Some(writer))
}

/// Makes the cells agree with D1, or begins to count everything again; then sets the watermark.
async fn make_right(core: &Core, kind: &TypeState) -> Result<(), Trouble> {
    let writer = &kind.writer;
    core.store.prepare()?;
    let mark = Watermark { epoch: writer.epoch, batch_no: writer.batch_no };
    match catch_up(core, kind).await {
        Ok(Need::Rebuild) => {}
        Ok(_) => {
            core.store.set_watermark(mark)?;
            rebuild::go_on_at_once(core, kind).await;
            return Ok(());
        }
        Err(Trouble::Store(StoreError::Unreadable(cause))) => {
            core.report("read the cells", &Trouble::Store(StoreError::Unreadable(cause)));
        }
        Err(trouble) => return Err(trouble),
    }
    rebuild::begin_anew(core, kind, mark).await?;
    rebuild::go_on_at_once(core, kind).await;
    Ok(())
}

/// Takes the last batch in if it is missing. Answers what was needed; a rebuild is not done here.
async fn catch_up(core: &Core, kind: &TypeState) -> Result<Need, Trouble> {
    if core.unreadable.take() {
        return Ok(Need::Rebuild);
    }
    core.store.load_rebuild()?;
    let mark = core.store.watermark()?;
    core.set_registry(core.store.registry()?);
    let need = need(mark, &kind.writer);
    if need == Need::Recount {
        recount_touched(core, kind, &kind.writer.touched).await?;
    }
    Ok(need)
}

#[derive(Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// The last batch is in D1 but not in the cells.
    Recount,
    Rebuild,
}

/// Compares the object's watermark with D1.
fn need(mark: Option<Watermark>, writer: &WriterState) -> Need {
    match mark {
        // A new type: nothing was ever written.
        None if writer.batch_no == 0 => Need::Nothing,
        None => Need::Rebuild,
        // Every epoch this object ever had was lower than the one it just took, unless D1 went back in time.
        Some(mark) if writer.epoch <= mark.epoch => Need::Rebuild,
        Some(mark) if writer.batch_no == mark.batch_no => Need::Nothing,
        Some(mark) if writer.batch_no == mark.batch_no + 1 => Need::Recount,
        // The object's storage is older than that, or newer than D1.
        Some(_) => Need::Rebuild,
    }
}

/// Counts again what the last batch touched.
async fn recount_touched(core: &Core, kind: &TypeState, touched: &Touched) -> Result<(), Trouble> {
    let mut changes = Changes::default();
    let registry = changes.learn(&core.registry(), &touched.pairs);
    for kpi_no in &touched.kpis {
        if let Some(kpi) = kind.kpis.iter().find(|kpi| kpi.kpi_no == *kpi_no) {
            rebuild_kpi(core, kind, kpi).await?;
        }
    }
    for kpi_no in &touched.removed_kpis {
        core.store.remove_kpi(*kpi_no)?;
    }
    if !touched.removed_kpis.is_empty() {
        rebuild_instances(core, kind).await?;
    }
    core.write_changes(changes, &kind.kpis)?;
    let mut wanted: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (kpi_no, left, entered) in &touched.cells {
        wanted.entry(*kpi_no).or_default().extend([left, entered].into_iter().flatten());
    }
    let counted = count_scores(core, kind, &registry, &wanted).await?;
    for kpi in &kind.kpis {
        let slots = wanted.remove(&kpi.kpi_no).unwrap_or_default();
        for (day, slots) in by_day(&slots) {
            put_counted_scores(core, &registry, kpi, day, &slots, &counted)?;
        }
    }
    let slots: BTreeSet<i64> = touched.creations.iter().copied().collect();
    let counted = count_instances(core, kind, &registry, &slots).await?;
    for (day, slots) in by_day(&slots) {
        put_counted_instances(core, &registry, day, &slots, &counted)?;
    }
    Ok(())
}

/// Puts counted cells in the place of what some slots of a day hold, in every group that has or had any. Written day by day: all
/// groups of many days at once may be more than an object can hold, and the watermark, which comes last, tells whether it was
/// finished.
pub fn put_counted_scores(
    core: &Core,
    registry: &Registry,
    kpi: &Kpi,
    day: i64,
    slots: &[i64],
    counted: &CountedScores,
) -> Result<(), Trouble> {
    let mut changes = Changes::default();
    let mut groups = core.store.groups(registry, Some(kpi), day)?;
    let in_slot = |slot: i64| {
        let (first, last) = ((kpi.kpi_no, slot, FIRST_GROUP), (kpi.kpi_no, slot, LAST_GROUP));
        counted.range(first..=last).map(|((_, _, group), _)| *group)
    };
    groups.extend(slots.iter().flat_map(|slot| in_slot(*slot)));
    for group in groups {
        for slot in slots {
            let cell = counted.get(&(kpi.kpi_no, *slot, group)).cloned().unwrap_or_default();
            changes.put_score_cell(&core.store, kpi, group, *slot, cell)?;
        }
    }
    core.write_changes(changes, std::slice::from_ref(kpi))?;
    Ok(())
}

pub fn put_counted_instances(
    core: &Core,
    registry: &Registry,
    day: i64,
    slots: &[i64],
    counted: &CountedInstances,
) -> Result<(), Trouble> {
    let mut changes = Changes::default();
    let mut groups = core.store.groups(registry, None, day)?;
    let in_slot =
        |slot: i64| counted.range((slot, FIRST_GROUP)..=(slot, LAST_GROUP)).map(|((_, group), _)| *group);
    groups.extend(slots.iter().flat_map(|slot| in_slot(*slot)));
    for group in groups {
        for slot in slots {
            let cell = counted.get(&(*slot, group)).cloned().unwrap_or_default();
            changes.put_instance_cell(&core.store, group, *slot, cell)?;
        }
    }
    core.write_changes(changes, &[])?;
    Ok(())
}

/// Bounds of all groups.
const FIRST_GROUP: Group = (i64::MIN, i64::MIN);
const LAST_GROUP: Group = (i64::MAX, i64::MAX);

pub fn by_day(slots: &BTreeSet<i64>) -> BTreeMap<i64, Vec<i64>> {
    let mut days: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for slot in slots {
        days.entry(day_and_slot(*slot).0).or_default().push(*slot);
    }
    days
}

/// Makes all cells of a KPI anew, in pages of its scores in the order of time.
pub async fn rebuild_kpi(core: &Core, kind: &TypeState, kpi: &Kpi) -> Result<(), Trouble> {
    core.store.remove_kpi(kpi.kpi_no)?;
    let registry = core.registry();
    let tracked = tracked(&registry);
    let mut span = Some(Span { kpi_no: kpi.kpi_no, from_ms: i64::MIN >> 11, to_ms: 1 << 52, after: -1 });
    let mut current: Option<(i64, BTreeMap<Group, Day<Cell>>)> = None;
    while let Some(asked) = span {
        let mut pages = recount::scores(&core.database, kind.type_no, &[asked], &tracked).await?;
        let Some((seen, rest)) = pages.pop() else { break };
        for score in seen {
            let (day, in_day) = day_and_slot(slot_of(score.timestamp_ms()));
            if current.as_ref().is_some_and(|(other, _)| *other != day) {
                put_scores(core, kpi, current.take())?;
            }
            let (_, groups) = current.get_or_insert_with(|| (day, BTreeMap::new()));
            for group in groups_of(&registry, score.version(), score.pairs()) {
                if let Some(cell) = groups.entry(group).or_default().cell_mut(in_day) {
                    cell.add(&kpi.rules, score.score());
                }
            }
        }
        span = rest;
    }
    put_scores(core, kpi, current)
}

fn put_scores(core: &Core, kpi: &Kpi, day: Option<(i64, BTreeMap<Group, Day<Cell>>)>) -> Result<(), Trouble> {
    let Some((day, groups)) = day else { return Ok(()) };
    for ((segment, version), mut cells) in groups {
        core.store.put_scores(kpi, Place { segment, version, day }, &mut cells)?;
    }
    Ok(())
}

/// Makes all instance cells anew, in pages of instances in the order of their creation.
pub async fn rebuild_instances(core: &Core, kind: &TypeState) -> Result<(), Trouble> {
    core.store.remove_instances()?;
    let registry = core.registry();
    let mut current: Option<(i64, BTreeMap<Group, Day<InstanceCell>>)> = None;
    let mut range = Some((0, 1 << 53));
    while let Some(asked) = range {
        let mut pages = instances_pages(core, kind, &registry, &[asked]).await?;
        let Some((seen, rest)) = pages.pop() else { break };
        for instance in seen {
            let (day, in_day) = day_and_slot(instance.slot());
            if current.as_ref().is_some_and(|(other, _)| *other != day) {
                put_instances(core, current.take())?;
            }
            let (_, groups) = current.get_or_insert_with(|| (day, BTreeMap::new()));
            for group in groups_of(&registry, instance.version(), instance.pairs()) {
                if let Some(cell) = groups.entry(group).or_default().cell_mut(in_day) {
                    cell.add(instance.kpis());
                }
            }
        }
        range = rest;
    }
    put_instances(core, current)
}

fn put_instances(core: &Core, day: Option<(i64, BTreeMap<Group, Day<InstanceCell>>)>) -> Result<(), Trouble> {
    let Some((day, groups)) = day else { return Ok(()) };
    for ((segment, version), mut cells) in groups {
        core.store.put_instances(Place { segment, version, day }, &mut cells)?;
    }
    Ok(())
}

/// Puts counted cells in place of what the changes (and the store) have: by `(kpi_no, slot)`, whose cells.
pub async fn recount_scores(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    changes: &mut Changes,
    cells: &BTreeMap<(i64, i64), BTreeSet<Group>>,
) -> Result<(), Trouble> {
    let mut wanted: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (kpi_no, slot) in cells.keys() {
        wanted.entry(*kpi_no).or_default().insert(*slot);
    }
    let counted = count_scores(core, kind, registry, &wanted).await?;
    for ((kpi_no, slot), groups) in cells {
        // A KPI deleted meanwhile has no cells any more.
        let Some(kpi) = kind.kpis.iter().find(|kpi| kpi.kpi_no == *kpi_no) else { continue };
        for group in groups {
            let cell = counted.get(&(*kpi_no, *slot, *group)).cloned().unwrap_or_default();
            changes.put_score_cell(&core.store, kpi, *group, *slot, cell)?;
        }
    }
    Ok(())
}

pub async fn recount_instances(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    changes: &mut Changes,
    slots: &BTreeMap<i64, BTreeSet<Group>>,
) -> Result<(), Trouble> {
    if slots.is_empty() {
        return Ok(());
    }
    let counted = count_instances(core, kind, registry, &slots.keys().copied().collect()).await?;
    for (slot, groups) in slots {
        for group in groups {
            let cell = counted.get(&(*slot, *group)).cloned().unwrap_or_default();
            changes.put_instance_cell(&core.store, *group, *slot, cell)?;
        }
    }
    Ok(())
}

/// The groups in which an instance, and every score of it, is counted.
pub fn groups_of(registry: &Registry, version: i64, pairs: &Pairs) -> impl Iterator<Item = Group> {
    let segments = registry.segments_of(pairs.iter().map(|(key, value)| (key, value)));
    std::iter::once(ALL).chain(segments).map(move |segment| (segment, version))
}

pub fn tracked(registry: &Registry) -> Tracked {
    Tracked {
        keys: registry.tracked_keys().into_iter().map(str::to_owned).collect(),
        bytes_max: registry.pairs_bytes_max(),
    }
}

/// Counted cells of scores by KPI, slot and group.
pub type CountedScores = BTreeMap<(i64, i64, Group), Cell>;

/// Counted cells of instances by slot and group.
pub type CountedInstances = BTreeMap<(i64, Group), InstanceCell>;

/// Slots `[from, to)`.
pub type Run = (i64, i64);

/// Counts the scores of KPIs in these slots of each. All in one call, unless there are many.
pub async fn count_scores(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    wanted: &BTreeMap<i64, BTreeSet<i64>>,
) -> Result<CountedScores, Trouble> {
    let of_kpi = |(kpi_no, slots): (&i64, &BTreeSet<i64>)| {
        let kpi_no = *kpi_no;
        runs(slots).into_iter().map(move |run| (kpi_no, run))
    };
    let runs: Vec<(i64, Run)> = wanted.iter().flat_map(of_kpi).collect();
    count_score_runs(core, kind, registry, &runs).await
}

/// The same for runs of slots, each of a KPI.
pub async fn count_score_runs(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    runs: &[(i64, Run)],
) -> Result<CountedScores, Trouble> {
    let mut counted = CountedScores::new();
    let tracked = tracked(registry);
    let span = |(kpi_no, (from, to)): &(i64, Run)| Span {
        kpi_no: *kpi_no,
        from_ms: slot_start_ms(*from),
        to_ms: slot_start_ms(*to),
        after: -1,
    };
    let mut spans: Vec<Span> = runs.iter().map(span).collect();
    while !spans.is_empty() {
        let pages = recount::scores(&core.database, kind.type_no, &spans, &tracked).await?;
        let asked = std::mem::take(&mut spans);
        for ((seen, rest), span) in pages.into_iter().zip(asked) {
            let Some(kpi) = kind.kpis.iter().find(|kpi| kpi.kpi_no == span.kpi_no) else { continue };
            for score in &seen {
                let slot = slot_of(score.timestamp_ms());
                for group in groups_of(registry, score.version(), score.pairs()) {
                    counted.entry((kpi.kpi_no, slot, group)).or_default().add(&kpi.rules, score.score());
                }
            }
            spans.extend(rest);
        }
    }
    Ok(counted)
}

pub async fn count_instances(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    slots: &BTreeSet<i64>,
) -> Result<CountedInstances, Trouble> {
    count_instance_runs(core, kind, registry, &runs(slots)).await
}

/// The same for runs of slots.
pub async fn count_instance_runs(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    runs: &[Run],
) -> Result<CountedInstances, Trouble> {
    let mut counted = CountedInstances::new();
    let first = recount::first_number;
    let mut ranges: Vec<(i64, i64)> = runs.iter().map(|(from, to)| (first(*from), first(*to))).collect();
    while !ranges.is_empty() {
        let pages = instances_pages(core, kind, registry, &ranges).await?;
        ranges.clear();
        for (seen, rest) in pages {
            for instance in &seen {
                for group in groups_of(registry, instance.version(), instance.pairs()) {
                    counted.entry((instance.slot(), group)).or_default().add(instance.kpis());
                }
            }
            ranges.extend(rest);
        }
    }
    Ok(counted)
}

/// A page of instances, and the range of numbers that is left.
type InstancesPage = (Vec<InstanceSeen>, Option<(i64, i64)>);

async fn instances_pages(
    core: &Core,
    kind: &TypeState,
    registry: &Registry,
    ranges: &[(i64, i64)],
) -> Result<Vec<InstancesPage>, Trouble> {
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    Ok(recount::instances(&core.database, kind.type_no, ranges, &live, &tracked(registry)).await?)
}

/// Slots as runs.
fn runs(slots: &BTreeSet<i64>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for slot in slots {
        match runs.last_mut() {
            Some((_, to)) if *to == *slot => *to += 1,
            _ => runs.push((*slot, slot + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_knows_when_it_is_behind_and_when_it_must_start_over() {
        let check = |mark: Option<(i64, i64)>, epoch, batch_no, expect| {
            let mark = mark.map(|(epoch, batch_no)| Watermark { epoch, batch_no });
            let writer =
                WriterState { epoch, batch_no, batch_epoch: 0, next_seq: 1, touched: Touched::default() };
            assert_eq!(need(mark, &writer), expect, "{mark:?} against epoch {epoch}, batch {batch_no}");
        };
        check(None, 1, 0, Need::Nothing);
        check(None, 1, 5, Need::Rebuild);
        check(Some((4, 5)), 5, 5, Need::Nothing);
        check(Some((4, 5)), 9, 6, Need::Recount);
        check(Some((4, 5)), 5, 7, Need::Rebuild);
        check(Some((4, 5)), 5, 4, Need::Rebuild);
        check(Some((4, 5)), 4, 5, Need::Rebuild);
    }

    #[test]
    fn slots_become_runs() {
        let slots = [1, 2, 3, 7, 9, 10].into_iter().collect();
        assert_eq!(runs(&slots), vec![(1, 4), (7, 8), (9, 11)]);
    }
}
