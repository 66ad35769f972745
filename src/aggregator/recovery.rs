//! Making the cells right: when the object starts, when a batch's outcome is unknown, and when a job asks for a check.
//! All of it runs in the writer's loop, with no batch under way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::cells::{Changes, Watermark, day_and_slot};
use super::core::{Core, Phase, Position, Trouble};
use super::protocol::{Address, Difference, Reconcile, ReconcileReport};
use crate::domain::calendar::{SLOT_MS, SLOTS_PER_DAY, format_timestamp, slot_of, slot_start_ms};
use crate::domain::cell::{Cell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::kpi::Kpi;
use crate::storage::recount::{self, ScoreSeen, Span};
use crate::storage::writer::{BatchId, Touched, TypeState, WriterState, take_over};

/// Touched slots that one portion of a check takes.
const CHECKED_SLOTS_MAX: i64 = 96;

/// Differences that a report names.
const DIFFERENCES_MAX: usize = 20;

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
    core.store.prepare()?;
    let Some(kind) = take_over(&core.database, address.type_no, &address.object_name).await? else {
        core.set_phase(Phase::Gone);
        return Ok(None);
    };
    let kind = Rc::new(kind);
    let writer = kind.writer.clone();
    let mark = core.store.watermark()?;
    core.rebuilding.set(true);
    match need(mark, &writer) {
        Need::Nothing => {}
        Need::Recount => recount_touched(core, &kind, &writer.touched).await?,
        Need::Rebuild => rebuild(core, &kind).await?,
    }
    core.rebuilding.set(false);
    core.store.set_watermark(Watermark { epoch: writer.epoch, batch_no: writer.batch_no })?;
    core.position.set(Position { epoch: writer.epoch, batch_no: writer.batch_no, next_seq: writer.next_seq });
    core.set_phase(Phase::Ready(kind));
    Ok(Some(writer))
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
    let mut changes = Changes::default();
    let slots: BTreeSet<(i64, i64)> = touched
        .cells
        .iter()
        .flat_map(|(kpi_no, left, entered)| {
            [left, entered].into_iter().flatten().map(|slot| (*kpi_no, *slot))
        })
        .collect();
    recount_scores(core, kind, &mut changes, &slots).await?;
    let creations: BTreeSet<i64> = touched.creations.iter().copied().collect();
    recount_instances(core, kind, &mut changes, &creations).await?;
    changes.write(&core.store, &kind.kpis)?;
    Ok(())
}

/// Counts everything again.
async fn rebuild(core: &Core, kind: &TypeState) -> Result<(), Trouble> {
    core.store.clear(kind.writer.epoch)?;
    rebuild_instances(core, kind).await?;
    for kpi in &kind.kpis {
        rebuild_kpi(core, kind, kpi).await?;
    }
    Ok(())
}

/// Makes all cells of a KPI anew, in pages of its scores in the order of time.
pub async fn rebuild_kpi(core: &Core, kind: &TypeState, kpi: &Kpi) -> Result<(), Trouble> {
    core.store.remove_kpi(kpi.kpi_no)?;
    let mut span = Some(Span { kpi_no: kpi.kpi_no, from_ms: i64::MIN >> 11, to_ms: 1 << 52, after: -1 });
    let mut current: Option<(i64, BTreeMap<i64, Day<Cell>>)> = None;
    while let Some(asked) = span {
        let mut pages = recount::scores(&core.database, kind.type_no, &[asked]).await?;
        let Some((seen, rest)) = pages.pop() else { break };
        for score in seen {
            let (day, in_day) = day_and_slot(slot_of(score.timestamp_ms()));
            if current.as_ref().is_some_and(|(other, _)| *other != day) {
                put_day(core, kpi, current.take())?;
            }
            let (_, versions) = current.get_or_insert_with(|| (day, BTreeMap::new()));
            if let Some(cell) = versions.entry(score.version()).or_default().cell_mut(in_day) {
                cell.add(&kpi.rules, score.score());
            }
        }
        span = rest;
    }
    put_day(core, kpi, current)
}

fn put_day(core: &Core, kpi: &Kpi, day: Option<(i64, BTreeMap<i64, Day<Cell>>)>) -> Result<(), Trouble> {
    if let Some((day, versions)) = day {
        for (version, mut cells) in versions {
            core.store.put_scores(kpi, version, day, &mut cells)?;
        }
    }
    Ok(())
}

/// Makes all instance cells anew, a day of creations at a time.
pub async fn rebuild_instances(core: &Core, kind: &TypeState) -> Result<(), Trouble> {
    core.store.remove_instances()?;
    let mut from_slot = 0;
    while let Some(slot) = recount::next_creation(&core.database, kind.type_no, from_slot).await? {
        let (day, _) = day_and_slot(slot);
        let slots: BTreeSet<i64> = (day * SLOTS_PER_DAY..(day + 1) * SLOTS_PER_DAY).collect();
        let mut changes = Changes::default();
        recount_instances(core, kind, &mut changes, &slots).await?;
        changes.touched.clear();
        changes.write(&core.store, &kind.kpis)?;
        from_slot = (day + 1) * SLOTS_PER_DAY;
    }
    Ok(())
}

/// Puts counted cells in place of what the changes (and the store) have for these `(kpi_no, slot)`.
pub async fn recount_scores(
    core: &Core,
    kind: &TypeState,
    changes: &mut Changes,
    cells: &BTreeSet<(i64, i64)>,
) -> Result<(), Trouble> {
    for kpi in &kind.kpis {
        let slots: BTreeSet<i64> =
            cells.iter().filter(|(kpi_no, _)| *kpi_no == kpi.kpi_no).map(|(_, slot)| *slot).collect();
        if !slots.is_empty() {
            let counted = count_scores(core, kind, kpi, &slots).await?;
            changes.replace_scores(&core.store, kpi, &slots, &counted, &version_numbers(kind))?;
        }
    }
    Ok(())
}

pub async fn recount_instances(
    core: &Core,
    kind: &TypeState,
    changes: &mut Changes,
    slots: &BTreeSet<i64>,
) -> Result<(), Trouble> {
    if !slots.is_empty() {
        let counted = count_instances(core, kind, slots).await?;
        changes.replace_instances(&core.store, slots, &counted, &version_numbers(kind))?;
    }
    Ok(())
}

fn version_numbers(kind: &TypeState) -> Vec<i64> {
    kind.versions.iter().map(|(version, _)| *version).collect()
}

/// Counts a KPI's scores in these slots, by `(version, slot)`.
async fn count_scores(
    core: &Core,
    kind: &TypeState,
    kpi: &Kpi,
    slots: &BTreeSet<i64>,
) -> Result<BTreeMap<(i64, i64), Cell>, Trouble> {
    let mut counted: BTreeMap<(i64, i64), Cell> = BTreeMap::new();
    let mut spans: Vec<Span> = runs(slots)
        .into_iter()
        .map(|(from, to)| Span {
            kpi_no: kpi.kpi_no,
            from_ms: slot_start_ms(from),
            to_ms: slot_start_ms(to),
            after: -1,
        })
        .collect();
    while !spans.is_empty() {
        let pages = recount::scores(&core.database, kind.type_no, &spans).await?;
        spans.clear();
        for (seen, rest) in pages {
            for score in &seen {
                count_in(&mut counted, kpi, score);
            }
            spans.extend(rest);
        }
    }
    Ok(counted)
}

fn count_in(counted: &mut BTreeMap<(i64, i64), Cell>, kpi: &Kpi, score: &ScoreSeen) {
    counted
        .entry((score.version(), slot_of(score.timestamp_ms())))
        .or_default()
        .add(&kpi.rules, score.score());
}

async fn count_instances(
    core: &Core,
    kind: &TypeState,
    slots: &BTreeSet<i64>,
) -> Result<BTreeMap<(i64, i64), InstanceCell>, Trouble> {
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    let mut counted: BTreeMap<(i64, i64), InstanceCell> = BTreeMap::new();
    let seen = recount::instances(&core.database, kind.type_no, &runs(slots), &live).await?;
    for (slot, version, kpi_no, count) in seen {
        let cell = counted.entry((version, slot)).or_default();
        match kpi_no {
            0 => cell.instances = count,
            -1 => cell.reviewed = count,
            kpi_no => cell.reviewed_by_kpi.add(kpi_no, count),
        }
    }
    Ok(counted)
}

/// Slots as runs `[from, to)`.
fn runs(slots: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for slot in slots {
        match runs.last_mut() {
            Some((_, to)) if *to == *slot => *to += 1,
            _ => runs.push((*slot, slot + 1)),
        }
    }
    runs
}

/// Compares one portion of the cells with D1 and sets right what differs.
pub async fn reconcile(core: &Core, kind: &TypeState, ask: &Reconcile) -> Result<ReconcileReport, Trouble> {
    let (slots, next_slot) = portion(core, kind, ask).await?;
    let mut report = ReconcileReport { next_slot, ..ReconcileReport::default() };
    if slots.is_empty() {
        return Ok(report);
    }
    let versions = version_numbers(kind);
    let mut repairs = Changes::default();
    for kpi in &kind.kpis {
        let counted = count_scores(core, kind, kpi, &slots).await?;
        let mut days: BTreeMap<(i64, i64), Day<Cell>> = BTreeMap::new();
        let mut differing = BTreeSet::new();
        for (version, slot) in pairs(&versions, &slots) {
            let (day, in_day) = day_and_slot(slot);
            let cells = match days.entry((version, day)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(core.store.scores(kpi, version, day)?),
            };
            let empty = Cell::default();
            let held = cells.cell(in_day).unwrap_or(&empty);
            let right = counted.get(&(version, slot)).unwrap_or(&empty);
            if held.count == 0 && right.count == 0 {
                continue;
            }
            report.checked += 1;
            if !right.agrees_with(held) {
                differing.insert(slot);
                note(&mut report, kind, Some(kpi), version, slot, (held.count, right.count));
            }
        }
        repairs.replace_scores(&core.store, kpi, &differing, &counted, &versions)?;
    }
    let counted = count_instances(core, kind, &slots).await?;
    let mut differing = BTreeSet::new();
    let mut days: BTreeMap<(i64, i64), Day<InstanceCell>> = BTreeMap::new();
    for (version, slot) in pairs(&versions, &slots) {
        let (day, in_day) = day_and_slot(slot);
        let cells = match days.entry((version, day)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(core.store.instances(version, day)?),
        };
        let empty = InstanceCell::default();
        let held = cells.cell(in_day).unwrap_or(&empty);
        let right = counted.get(&(version, slot)).unwrap_or(&empty);
        if held.is_empty() && right.is_empty() {
            continue;
        }
        report.checked += 1;
        if held != right {
            differing.insert(slot);
            note(&mut report, kind, None, version, slot, (held.instances, right.instances));
        }
    }
    repairs.replace_instances(&core.store, &differing, &counted, &versions)?;
    repairs.touched.clear();
    // No await from here on: one transaction.
    repairs.write(&core.store, &kind.kpis)?;
    core.store.untouch(&slots)?;
    Ok(report)
}

fn pairs<'a>(versions: &'a [i64], slots: &'a BTreeSet<i64>) -> impl Iterator<Item = (i64, i64)> + 'a {
    slots.iter().flat_map(move |slot| versions.iter().map(move |version| (*version, *slot)))
}

fn note(
    report: &mut ReconcileReport,
    kind: &TypeState,
    kpi: Option<&Kpi>,
    version: i64,
    slot: i64,
    (aggregate_count, recount): (u64, u64),
) {
    report.repaired += 1;
    if report.differences.len() < DIFFERENCES_MAX {
        report.differences.push(Difference {
            use_case_name: kind.name.clone(),
            kpi_name: kpi.map(|kpi| kpi.name.clone()),
            version,
            slot_start: format_timestamp(slot_start_ms(slot)),
            aggregate_count,
            recount,
        });
    }
}

/// The slots of the next portion, and where the one after starts.
async fn portion(
    core: &Core,
    kind: &TypeState,
    ask: &Reconcile,
) -> Result<(BTreeSet<i64>, Option<i64>), Trouble> {
    let from_slot = ask.from_slot.unwrap_or(0);
    if ask.touched_only {
        let slots = core.store.touched(from_slot, CHECKED_SLOTS_MAX)?;
        let full = i64::try_from(slots.len()).is_ok_and(|length| length == CHECKED_SLOTS_MAX);
        let next = slots.last().filter(|_| full).map(|last| last + 1);
        return Ok((slots.into_iter().collect(), next));
    }
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    let (from_day, _) = day_and_slot(from_slot);
    let held = core.store.next_day(from_day)?;
    let scored = recount::next_score(&core.database, &live, from_day * SLOTS_PER_DAY * SLOT_MS).await?;
    let created = recount::next_creation(&core.database, kind.type_no, from_day * SLOTS_PER_DAY).await?;
    let day_of = |slot: i64| day_and_slot(slot).0;
    let day = [held, scored.map(|ms| day_of(slot_of(ms))), created.map(day_of)].into_iter().flatten().min();
    Ok(match day {
        None => (BTreeSet::new(), None),
        Some(day) => {
            let next = (day + 1) * SLOTS_PER_DAY;
            ((day * SLOTS_PER_DAY..next).collect(), Some(next))
        }
    })
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
