//! Checks that a job or an admin asks for: one portion of the cells is counted again from D1 and set right where it differs. It runs
//! in the writer's loop, with no batch under way, so a portion is small.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Group, Place, StoreError, day_and_slot};
use super::changes::Changes;
use super::core::Core;
use super::protocol::{Difference, Reconcile, ReconcileReport};
use super::rebuild;
use super::recovery::{CountedInstances, CountedScores, by_day, count_instances, count_scores};
use super::trouble::Trouble;
use crate::domain::calendar::{SLOTS_PER_DAY, format_timestamp, slot_of, slot_start_ms};
use crate::domain::cell::{Cell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::kpi::Kpi;
use crate::domain::segments::Registry;
use crate::storage::recount;
use crate::storage::writer::TypeState;

/// Touched slots that one portion of a check takes.
const CHECKED_SLOTS_MAX: i64 = 96;

/// Scores of a KPI, and instances, in one portion, unless a single slot holds more: some hundred milliseconds.
const CHECKED_ROWS_MAX: usize = 20_000;

/// Differences that a report names.
const DIFFERENCES_MAX: usize = 20;

/// Compares one portion of the cells with D1 and sets right what differs.
pub async fn reconcile(core: &Core, kind: &TypeState, ask: &Reconcile) -> Result<ReconcileReport, Trouble> {
    // What is not counted again yet can't be compared.
    if rebuild::go_on(core, kind).await? {
        let next_slot = Some(ask.from_slot.unwrap_or(0));
        return Ok(ReconcileReport { next_slot, rebuilding: true, ..ReconcileReport::default() });
    }
    let (slots, next_slot) = portion(core, kind, ask).await?;
    let mut check = Check {
        kind,
        registry: &core.registry(),
        slots: &slots,
        repairs: Changes::default(),
        report: ReconcileReport { next_slot, ..ReconcileReport::default() },
    };
    if slots.is_empty() {
        return Ok(check.report);
    }
    for kpi in &kind.kpis {
        let wanted = BTreeMap::from([(kpi.kpi_no, slots.clone())]);
        let counted = count_scores(core, kind, check.registry, &wanted).await?;
        check.scores(core, kpi, &counted)?;
    }
    let counted = count_instances(core, kind, check.registry, &slots).await?;
    check.instances(core, &counted)?;
    let Check { mut repairs, report, .. } = check;
    repairs.touched.clear();
    // No await from here on: one transaction.
    core.write_changes(repairs, &kind.kpis)?;
    core.store.untouch(&slots)?;
    // What is kept in memory was not compared: it is made anew of what was.
    core.store.forget_sums();
    Ok(report)
}

/// A check of some slots under way.
struct Check<'a> {
    kind: &'a TypeState,
    registry: &'a Registry,
    slots: &'a BTreeSet<i64>,
    repairs: Changes,
    report: ReconcileReport,
}

impl Check<'_> {
    fn scores(&mut self, core: &Core, kpi: &Kpi, counted: &CountedScores) -> Result<(), Trouble> {
        let empty = Cell::default();
        let mut groups: BTreeSet<Group> = counted.keys().map(|(_, _, group)| *group).collect();
        for day in by_day(self.slots).into_keys() {
            groups.extend(core.store.groups(self.registry, Some(kpi), day)?);
        }
        for group in groups {
            let mut day = Loaded::default();
            for slot in self.slots {
                let held =
                    day.cell(*slot, |day| core.store.scores(kpi, place(group, day)))?.unwrap_or(&empty);
                let right = counted.get(&(kpi.kpi_no, *slot, group)).unwrap_or(&empty);
                if held.count == 0 && right.count == 0 {
                    continue;
                }
                self.report.checked += 1;
                if !right.agrees_with(held) {
                    let counts = (held.count, right.count);
                    self.repairs.put_score_cell(&core.store, kpi, group, *slot, right.clone())?;
                    self.note(Some(kpi), group, *slot, counts);
                }
            }
        }
        Ok(())
    }

    fn instances(&mut self, core: &Core, counted: &CountedInstances) -> Result<(), Trouble> {
        let empty = InstanceCell::default();
        let mut groups: BTreeSet<Group> = counted.keys().map(|(_, group)| *group).collect();
        for day in by_day(self.slots).into_keys() {
            groups.extend(core.store.groups(self.registry, None, day)?);
        }
        for group in groups {
            let mut day = Loaded::default();
            for slot in self.slots {
                let held = day.cell(*slot, |day| core.store.instances(place(group, day)))?.unwrap_or(&empty);
                let right = counted.get(&(*slot, group)).unwrap_or(&empty);
                if held.is_empty() && right.is_empty() {
                    continue;
                }
                self.report.checked += 1;
                if held != right {
                    let counts = (held.instances, right.instances);
                    self.repairs.put_instance_cell(&core.store, group, *slot, right.clone())?;
                    self.note(None, group, *slot, counts);
                }
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        kpi: Option<&Kpi>,
        (segment, version): Group,
        slot: i64,
        (aggregate_count, recount): (u64, u64),
    ) {
        self.report.repaired += 1;
        if self.report.differences.len() < DIFFERENCES_MAX {
            let property = self.registry.segments().find(|(number, _, _)| *number == segment);
            self.report.differences.push(Difference {
                use_case_name: self.kind.name.clone(),
                kpi_name: kpi.map(|kpi| kpi.name.clone()),
                version,
                property: property.map(|(_, key, value)| (key.to_owned(), value.to_owned())),
                slot_start: format_timestamp(slot_start_ms(slot)),
                aggregate_count,
                recount,
            });
        }
    }
}

fn place((segment, version): Group, day: i64) -> Place {
    Place { segment, version, day }
}

/// The last day of cells that was loaded.
struct Loaded<C>(Option<(i64, Day<C>)>);

impl<C> Default for Loaded<C> {
    fn default() -> Self {
        Self(None)
    }
}

impl<C: Default> Loaded<C> {
    fn cell(
        &mut self,
        slot: i64,
        load: impl FnOnce(i64) -> Result<Day<C>, StoreError>,
    ) -> Result<Option<&C>, Trouble> {
        let (day, in_day) = day_and_slot(slot);
        if self.0.as_ref().is_none_or(|(other, _)| *other != day) {
            self.0 = Some((day, load(day)?));
        }
        Ok(self.0.as_ref().and_then(|(_, cells)| cells.cell(in_day)))
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
        return fewer_rows(core, kind, slots.into_iter().collect(), next).await;
    }
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    let (from_day, _) = day_and_slot(from_slot);
    let held = core.store.next_day(from_day)?;
    let scored = recount::next_score(&core.database, &live, slot_start_ms(from_slot)).await?;
    let created = recount::next_creation(&core.database, kind.type_no, from_slot).await?;
    let day_of = |slot: i64| day_and_slot(slot).0;
    let day = [held, scored.map(|ms| day_of(slot_of(ms))), created.map(day_of)].into_iter().flatten().min();
    match day {
        None => Ok((BTreeSet::new(), None)),
        Some(day) => {
            let next = (day + 1) * SLOTS_PER_DAY;
            let slots = (from_slot.max(day * SLOTS_PER_DAY)..next).collect();
            fewer_rows(core, kind, slots, Some(next)).await
        }
    }
}

/// As many of the slots as do not hold too many rows, at least one: everything else waits while a portion is checked.
async fn fewer_rows(
    core: &Core,
    kind: &TypeState,
    mut slots: BTreeSet<i64>,
    mut next: Option<i64>,
) -> Result<(BTreeSet<i64>, Option<i64>), Trouble> {
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    while let (Some(first), Some(last)) = (slots.first().copied(), slots.last().copied()) {
        let run = (first, last + 1);
        if first == last
            || recount::at_most(&core.database, kind.type_no, &live, run, CHECKED_ROWS_MAX).await?
        {
            break;
        }
        let middle = slots.iter().nth(slots.len() / 2).copied().unwrap_or(last);
        slots.split_off(&middle);
        next = Some(middle);
    }
    Ok((slots, next))
}
