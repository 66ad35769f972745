//! Changes to cells and to the registry of segments, made on copies and written as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{CellStore, Group, Place, Result, StoreError, day_and_slot};
use crate::domain::cell::{Cell, InstanceCell, Removal};
use crate::domain::day::Day;
use crate::domain::kpi::Kpi;
use crate::domain::segments::{Learned, Registry};

/// Changes to cells, made on copies; nobody sees them before `write`.
#[derive(Default)]
pub struct Changes {
    /// By `kpi_no`.
    scores: BTreeMap<(i64, Place), Day<Cell>>,
    instances: BTreeMap<Place, Day<InstanceCell>>,
    /// Cells that must be counted again before the changes are written: whose they are, by `(kpi_no, slot)`.
    pub recount: BTreeMap<(i64, i64), BTreeSet<Group>>,
    /// The same for slots of instance cells.
    pub recount_creations: BTreeMap<i64, BTreeSet<Group>>,
    pub touched: BTreeSet<i64>,
    /// The registry from now on, if it changes, and the segments that go.
    registry: Option<(Registry, BTreeSet<i64>)>,
}

impl Changes {
    /// Takes properties in that were not seen before. Answers the registry as it is then.
    pub fn learn(&mut self, registry: &Registry, news: &[(String, String)]) -> Registry {
        let mut learned = registry.clone();
        let mut gone = BTreeSet::new();
        let mut changed = false;
        for (key, value) in news {
            match learned.learn(key, value) {
                Learned::Nothing => {}
                Learned::NewSegment(_) | Learned::NewKeyUntracked => changed = true,
                Learned::Dropped(segments) => {
                    gone.extend(segments);
                    changed = true;
                }
            }
        }
        if changed {
            self.registry = Some((learned.clone(), gone));
        }
        learned
    }

    pub fn add_score(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        group: Group,
        slot: i64,
        score: f64,
    ) -> Result<()> {
        self.score_cell(store, kpi, group, slot)?.add(&kpi.rules, score);
        Ok(())
    }

    pub fn remove_score(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        group: Group,
        slot: i64,
        score: f64,
    ) -> Result<()> {
        let removal = self.score_cell(store, kpi, group, slot)?.remove(&kpi.rules, score);
        if removal == Removal::NeedsRecount {
            self.recount.entry((kpi.kpi_no, slot)).or_default().insert(group);
        }
        Ok(())
    }

    /// The cell to change, as it is after the changes so far.
    fn score_cell(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        (segment, version): Group,
        slot: i64,
    ) -> Result<&mut Cell> {
        let (day, in_day) = day_and_slot(slot);
        self.touched.insert(slot);
        let place = Place { segment, version, day };
        let cells = match self.scores.entry((kpi.kpi_no, place)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(store.scores(kpi, place)?),
        };
        cells.cell_mut(in_day).ok_or(StoreError::Unreadable("a slot without a place"))
    }

    pub fn instance_cell(
        &mut self,
        store: &CellStore,
        (segment, version): Group,
        slot: i64,
    ) -> Result<&mut InstanceCell> {
        let (day, in_day) = day_and_slot(slot);
        self.touched.insert(slot);
        let place = Place { segment, version, day };
        let cells = match self.instances.entry(place) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(store.instances(place)?),
        };
        cells.cell_mut(in_day).ok_or(StoreError::Unreadable("a slot without a place"))
    }

    /// An instance that comes into or goes out of a group, holding scores of these KPIs.
    pub fn move_instance(
        &mut self,
        store: &CellStore,
        group: Group,
        slot: i64,
        kpis: &[i64],
        comes: bool,
    ) -> Result<()> {
        let cell = self.instance_cell(store, group, slot)?;
        let consistent = if comes {
            cell.add(kpis);
            true
        } else {
            cell.remove(kpis)
        };
        if !consistent {
            self.recount_creations.entry(slot).or_default().insert(group);
        }
        Ok(())
    }

    /// Puts a recounted cell of a KPI in the place of what there is.
    pub fn put_score_cell(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        group: Group,
        slot: i64,
        cell: Cell,
    ) -> Result<()> {
        *self.score_cell(store, kpi, group, slot)? = cell;
        Ok(())
    }

    pub fn put_instance_cell(
        &mut self,
        store: &CellStore,
        group: Group,
        slot: i64,
        cell: InstanceCell,
    ) -> Result<()> {
        *self.instance_cell(store, group, slot)? = cell;
        Ok(())
    }

    /// Writes all changes, without an `await`: they and the watermark that follows are one transaction. Answers the registry if
    /// it changed.
    pub fn write(mut self, store: &CellStore, kpis: &[Kpi]) -> Result<Option<Registry>> {
        let mut changed = None;
        if let Some((registry, gone)) = self.registry.take() {
            store.put_registry(&registry)?;
            for segment in gone {
                store.remove_segment(segment)?;
            }
            changed = Some(registry);
        }
        for ((kpi_no, place), cells) in &mut self.scores {
            // A KPI deleted meanwhile has no cells any more.
            if let Some(kpi) = kpis.iter().find(|kpi| kpi.kpi_no == *kpi_no) {
                store.put_scores(kpi, *place, cells)?;
            }
        }
        for (place, cells) in &mut self.instances {
            store.put_instances(*place, cells)?;
        }
        store.touch(&self.touched)?;
        Ok(changed)
    }
}
