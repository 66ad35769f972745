//! Counting everything again from D1: when the object's storage was lost, or holds what can't be read, or D1 went back in time; and
//! when an admin asks for it.
//!
//! It goes in portions, in the writer's loop, so that writes go on in between; from the latest slot to the earliest, because the
//! latest is what dashboards show first. How far it is, is kept beside the cells: an object that ends in between goes on there.
//! A slot's cells are replaced as a whole, so it does not matter what they held before, nor what writes made of them since.
//! Whoever reads days that are not counted yet is asked to come again, unless there are old cells to read from.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::Delay;

use super::cells::{BEYOND, Rebuild, Watermark, day_and_slot};
use super::core::{Core, Phase, Position};
use super::protocol::{Address, RebuildReport};
use super::recovery::{
    self, count_instance_runs, count_score_runs, put_counted_instances, put_counted_scores,
};
use super::trouble::Trouble;
use crate::domain::calendar::{SLOTS_PER_DAY, format_timestamp, slot_of, slot_start_ms};
use crate::domain::kpi::Kpi;
use crate::domain::segments::{Registry, VALUES_PER_KEY_MAX};
use crate::storage::recount::{self, HowMany};
use crate::storage::writer::TypeState;

/// Property keys that a rebuild looks at, to choose those that it tracks.
const KEYS_READ_MAX: usize = 200;

/// Scores of a KPI, and instances, in one portion, each counted once for itself and once for every tracked property, unless a single slot
/// holds more: at most so many cells of 300 bytes are in memory at once.
const PORTION_COUNTED_MAX: usize = 40_000;

/// Slots in one portion.
const PORTION_SLOTS_MAX: i64 = 64 * SLOTS_PER_DAY;

/// Portions that an object does before it answers anybody, so that a small type is whole with its first answer; and how long it
/// takes over them at most.
const AT_ONCE_MAX: usize = 8;
const AT_ONCE_TIME_MAX: Duration = Duration::from_secs(2);

/// Forgets the cells, chooses anew which properties have cells of their own, and notes that everything is to be counted.
pub async fn begin_anew(core: &Core, kind: &TypeState, mark: Watermark) -> Result<(), Trouble> {
    let found =
        recount::properties(&core.database, kind.type_no, KEYS_READ_MAX, VALUES_PER_KEY_MAX + 1).await?;
    let registry = Registry::choose(found);
    // No await from here on: one transaction.
    core.store.begin_anew(mark, &registry)?;
    core.set_registry(registry);
    core.unreadable.set(false);
    core.begun_anew.set(core.begun_anew.get() + 1);
    Ok(())
}

/// Does the first portions of what there is to do. A portion that is not finished in time is left as if it had not begun; one that
/// fails is nobody's trouble but that of those who read days that are not counted yet.
pub async fn go_on_at_once(core: &Core, kind: &TypeState) {
    let portions = std::pin::pin!(async {
        for _ in 0..AT_ONCE_MAX {
            if !go_on(core, kind).await? {
                break;
            }
        }
        Ok::<(), Trouble>(())
    });
    if let Either::Left((Err(trouble), _)) = select(portions, Delay::from(AT_ONCE_TIME_MAX)).await {
        core.report("rebuild", &trouble);
    }
}

/// One portion for an admin, who may begin a rebuild that replaces the cells and leaves the old ones to readers until then. The
/// definitions are read anew, too: D1 may have gone back in time. `None` if the type is gone.
pub async fn carry_out(
    core: &Core,
    address: &Address,
    begin: bool,
) -> Result<Option<RebuildReport>, Trouble> {
    if begin {
        recovery::load(core, address).await?;
    }
    let Phase::Ready(kind) = core.phase() else { return Ok(None) };
    // One that began after a loss goes on; one that an admin began begins again.
    if begin && core.store.rebuild().is_none_or(|rebuild| rebuild.keeps_old) {
        if knows_all_properties(core, &kind).await? {
            core.store.set_rebuild(Some(Rebuild { from_slot: BEYOND, keeps_old: true }))?;
        } else {
            let Position { epoch, batch_no, .. } = core.position.get();
            begin_anew(core, &kind, Watermark { epoch, batch_no }).await?;
        }
    }
    go_on(core, &kind).await?;
    let left = core.store.rebuild();
    let counted_from = left
        .filter(|rebuild| rebuild.from_slot < BEYOND)
        .map(|rebuild| format_timestamp(slot_start_ms(rebuild.from_slot)));
    Ok(Some(RebuildReport { complete: left.is_none(), counted_from }))
}

/// Whether each property that instances have is known here, as it always should be: one that is not would be taken for one that
/// nobody has.
async fn knows_all_properties(core: &Core, kind: &TypeState) -> Result<bool, Trouble> {
    let found =
        recount::properties(&core.database, kind.type_no, KEYS_READ_MAX, VALUES_PER_KEY_MAX + 1).await?;
    let registry = core.registry();
    Ok(found.iter().all(|(key, values)| values.iter().all(|value| !registry.is_news(key, value))))
}

/// Counts one portion, if a rebuild is under way. False when there is nothing left to do.
pub async fn go_on(core: &Core, kind: &TypeState) -> Result<bool, Trouble> {
    let Some(rebuild) = core.store.rebuild() else { return Ok(false) };
    let Some(((from, to), how_many)) = portion(core, kind, rebuild.from_slot).await? else {
        core.store.set_rebuild(None)?;
        return Ok(false);
    };
    let registry = core.registry();
    // All KPIs in one call if they are few rows, else each by itself, so that they are not all in memory at once. The portion is done
    // when its end is noted.
    let at_once = if how_many == HowMany::Few { kind.kpis.len().max(1) } else { 1 };
    for kpis in kind.kpis.chunks(at_once) {
        let runs: Vec<_> = kpis.iter().map(|kpi| (kpi.kpi_no, (from, to))).collect();
        let scores = count_score_runs(core, kind, &registry, &runs).await?;
        for kpi in kpis {
            let of_kpi = scores.keys().filter(|(kpi_no, _, _)| *kpi_no == kpi.kpi_no);
            let slots = of_kpi.map(|(_, slot, _)| *slot);
            for (day, slots) in days(core, &registry, Some(kpi), slots, (from, to))? {
                put_counted_scores(core, &registry, kpi, day, &slots, &scores)?;
            }
        }
    }
    let instances = count_instance_runs(core, kind, &registry, &[(from, to)]).await?;
    // No await from here on: one transaction.
    let slots = instances.keys().map(|(slot, _)| *slot);
    for (day, slots) in days(core, &registry, None, slots, (from, to))? {
        put_counted_instances(core, &registry, day, &slots, &instances)?;
    }
    core.store.untouch_run((from, to))?;
    core.store.set_rebuild(Some(Rebuild { from_slot: from, ..rebuild }))?;
    Ok(true)
}

/// The days on which there is something to replace, each with its slots in `[from, to)`.
fn days(
    core: &Core,
    registry: &Registry,
    kpi: Option<&Kpi>,
    counted_slots: impl Iterator<Item = i64>,
    (from, to): (i64, i64),
) -> Result<Vec<(i64, Vec<i64>)>, Trouble> {
    let mut days: BTreeSet<i64> = counted_slots.map(|slot| day_and_slot(slot).0).collect();
    days.extend(core.store.days(registry, kpi, (day_and_slot(from).0, day_and_slot(to - 1).0))?);
    let slots_of = |day: i64| {
        let (first, next) = (day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY);
        (first.max(from)..next.min(to)).collect()
    };
    Ok(days.into_iter().map(|day| (day, slots_of(day))).collect())
}

/// The slots `[from, to)` of the next portion: the last before `before` in which there is anything, and as many in front of them
/// as do not make it too large; and how many rows that is.
async fn portion(
    core: &Core,
    kind: &TypeState,
    before: i64,
) -> Result<Option<((i64, i64), HowMany)>, Trouble> {
    let live: Vec<i64> = kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
    let before_day = day_and_slot(before + SLOTS_PER_DAY - 1).0;
    let held = core.store.previous_day(before_day)?.map(|day| ((day + 1) * SLOTS_PER_DAY).min(before));
    let scored = recount::previous_score(&core.database, &live, slot_start_ms(before)).await?;
    let created = recount::previous_creation(&core.database, kind.type_no, before).await?;
    let behind = |slot: i64| slot + 1;
    let ends = [held, scored.map(|ms| behind(slot_of(ms))), created.map(behind)];
    let Some(to) = ends.into_iter().flatten().max() else { return Ok(None) };
    let rows_max = PORTION_COUNTED_MAX / (1 + core.registry().tracked_keys().len());
    // What the last portion took tells roughly what this one can.
    let mut slots = (2 * core.portion_slots.get()).clamp(1, PORTION_SLOTS_MAX);
    let how_many = loop {
        let run = (to - slots, to);
        let how_many = recount::how_many(&core.database, kind.type_no, &live, run, rows_max).await?;
        if slots == 1 || how_many != HowMany::TooMany {
            break how_many;
        }
        slots /= 2;
    };
    core.portion_slots.set(slots);
    Ok(Some(((to - slots, to), how_many)))
}
