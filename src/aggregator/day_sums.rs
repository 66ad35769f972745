//! Sums of whole days, kept in memory beside the packed days of the storage: a dashboard adds them up instead of unpacking every
//! slot again. Only the days that scores are written to change, so of a month all but today is there the next time, and what a
//! dashboard costs does not depend on how many scores its days hold. Of days that are asked for in part, the cells are kept.
//!
//! Nothing here is a record: whatever is missing is read and added up again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::cells::Place;
use crate::domain::cell::{Cell as ScoreCell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::day_sum::{DaySum, tally_bytes};

/// Kept by an object: a year of a dozen KPIs.
const BYTES_MAX: usize = 8 << 20;

/// And by all objects of an isolate, which share its 128 MB.
const ISOLATE_BYTES_MAX: usize = 24 << 20;

/// Stored days that are known of, at some 30 bytes each.
const KNOWN_MAX: usize = 50_000;

/// What an entry costs besides its sum.
const ENTRY_BYTES: usize = 96;

thread_local! {
    static KEPT_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// A stored day, or what it adds up to.
#[derive(Debug, Clone)]
pub enum Kept {
    Scores(Rc<DaySum>),
    Cells(Rc<Day<ScoreCell>>),
    Instances(Rc<InstanceCell>),
}

impl Kept {
    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Scores(sum) => sum.bytes(),
                Self::Cells(day) => {
                    let tallies = |(_, cell): &(u8, ScoreCell)| {
                        tally_bytes(&cell.histogram) + tally_bytes(&cell.sketch)
                    };
                    day.slots.capacity() * size_of::<(u8, ScoreCell)>()
                        + day.slots.iter().map(tallies).sum::<usize>()
                }
                Self::Instances(sum) => size_of::<InstanceCell>() + tally_bytes(&sum.reviewed_by_kpi),
            }
    }
}

/// Day, version, whose, and whether it is the sum: the earliest days go first when there is no room.
type Key = (i64, i64, Column, bool);

/// Segment and `kpi_no`.
pub type Column = (i64, i64);

#[derive(Default)]
pub struct DaySums(RefCell<Sums>);

/// All days and versions of a column that are stored between two days, both included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub days: (i64, i64),
    pub entries: BTreeSet<(i64, i64)>,
}

impl Known {
    pub fn has(&self, day: i64) -> bool {
        (self.days.0..=self.days.1).contains(&day)
    }

    /// The parts of a range of days that are not known.
    pub fn unknown(&self, (first, last): (i64, i64)) -> Vec<(i64, i64)> {
        let (before, behind) = ((first, last.min(self.days.0 - 1)), (first.max(self.days.1 + 1), last));
        [before, behind].into_iter().filter(|(first, last)| first <= last).collect()
    }
}

#[derive(Default)]
struct Sums {
    bytes: usize,
    /// What is known of what is stored.
    known: BTreeMap<Column, Known>,
    kept: BTreeMap<Key, Kept>,
}

impl DaySums {
    /// Everything may be different.
    pub fn forget(&self) {
        self.0.take();
    }

    /// A stored day was written or, being empty, removed.
    pub fn changed(&self, kpi_no: i64, place: Place, empty: bool) {
        let mut sums = self.0.borrow_mut();
        let column = (place.segment, kpi_no);
        for is_sum in [false, true] {
            sums.remove(&(place.day, place.version, column, is_sum));
        }
        if let Some(known) = sums.known.get_mut(&column).filter(|known| known.has(place.day)) {
            let entry = (place.day, place.version);
            if empty {
                known.entries.remove(&entry)
            } else {
                known.entries.insert(entry)
            };
        }
    }

    /// What is known of a range of days, if that is anything.
    pub fn known(&self, column: Column, (first, last): (i64, i64)) -> Option<Known> {
        let sums = self.0.borrow();
        let known = sums.known.get(&column).filter(|known| first <= known.days.1 && known.days.0 <= last)?;
        let entries = known.entries.range((first, i64::MIN)..=(last, i64::MAX)).copied().collect();
        Some(Known { days: known.days, entries })
    }

    /// A range of days was read, all of it.
    pub fn learn(&self, column: Column, read: Known) {
        let mut sums = self.0.borrow_mut();
        let all: usize = sums.known.values().map(|known| known.entries.len()).sum();
        if all + read.entries.len() > KNOWN_MAX {
            sums.known.clear();
        }
        match sums.known.get_mut(&column) {
            Some(known) if read.days.0 <= known.days.1 + 1 && known.days.0 <= read.days.1 + 1 => {
                known.days = (known.days.0.min(read.days.0), known.days.1.max(read.days.1));
                known.entries.extend(read.entries);
            }
            // Else there would be a gap.
            _ => drop(sums.known.insert(column, read)),
        }
    }

    /// The sum of a day, or its cells.
    pub fn find(&self, column: Column, (day, version): (i64, i64), is_sum: bool) -> Option<Kept> {
        self.0.borrow().kept.get(&(day, version, column, is_sum)).cloned()
    }

    pub fn keep(&self, column: Column, (day, version): (i64, i64), sum: Kept) {
        let key = (day, version, column, !matches!(sum, Kept::Cells(_)));
        let bytes = sum.bytes();
        if bytes > BYTES_MAX {
            return;
        }
        let mut sums = self.0.borrow_mut();
        sums.remove(&key);
        while sums.bytes + bytes > BYTES_MAX || KEPT_BYTES.get() + bytes > ISOLATE_BYTES_MAX {
            match sums.kept.first_key_value().map(|(first, _)| *first) {
                Some(first) if first < key => sums.remove(&first),
                _ => return,
            }
        }
        sums.bytes += bytes;
        KEPT_BYTES.set(KEPT_BYTES.get() + bytes);
        sums.kept.insert(key, sum);
    }
}

impl Sums {
    fn remove(&mut self, key: &Key) {
        if let Some(sum) = self.kept.remove(key) {
            self.bytes -= sum.bytes();
            KEPT_BYTES.set(KEPT_BYTES.get().saturating_sub(sum.bytes()));
        }
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        KEPT_BYTES.set(KEPT_BYTES.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN: Column = (0, 7);

    fn sum(instances: u64) -> Kept {
        Kept::Instances(Rc::new(InstanceCell { instances, ..Default::default() }))
    }

    fn instances(sums: &DaySums, day: i64) -> Option<u64> {
        match sums.find(COLUMN, (day, 1), true)? {
            Kept::Instances(sum) => Some(sum.instances),
            _ => None,
        }
    }

    #[test]
    fn a_sum_is_kept_until_its_day_changes() {
        let sums = DaySums::default();
        let entries =
            |days| sums.known(COLUMN, days).map(|known| known.entries.into_iter().collect::<Vec<_>>());
        assert_eq!(sums.known(COLUMN, (0, 9)), None);
        sums.learn(COLUMN, Known { days: (2, 12), entries: [(3, 1), (4, 1), (4, 2), (12, 1)].into() });
        assert_eq!(entries((4, 12)), Some(vec![(4, 1), (4, 2), (12, 1)]));
        sums.keep(COLUMN, (3, 1), sum(30));
        sums.keep(COLUMN, (4, 1), sum(40));
        let place = |day| Place { segment: 0, version: 1, day };
        sums.changed(8, place(3), false); // of another KPI
        assert_eq!((instances(&sums, 3), instances(&sums, 4)), (Some(30), Some(40)));
        sums.changed(7, place(3), false);
        assert_eq!((instances(&sums, 3), instances(&sums, 4)), (None, Some(40)));
        sums.changed(7, place(4), true);
        sums.changed(7, place(5), false);
        assert_eq!(instances(&sums, 4), None);
        sums.changed(7, place(1), false); // before what is known
        assert_eq!(entries((0, 9)), Some(vec![(3, 1), (4, 2), (5, 1)]));
        sums.forget();
        assert_eq!(sums.known(COLUMN, (0, 9)), None);
    }

    #[test]
    fn what_is_known_grows_without_gaps() {
        let sums = DaySums::default();
        sums.learn(COLUMN, Known { days: (1, 2), entries: BTreeSet::new() });
        assert_eq!(sums.known(COLUMN, (0, 0)), None);
        let learn = |days, day| sums.learn(COLUMN, Known { days, entries: [(day, 1)].into() });
        let days = || sums.known(COLUMN, (i64::MIN, i64::MAX)).map(|known| known.days);
        learn((10, 20), 15);
        assert_eq!(days(), Some((10, 20)));
        let known = sums.known(COLUMN, (5, 25)).unwrap();
        assert_eq!(known.unknown((5, 25)), [(5, 9), (21, 25)]);
        assert_eq!(known.unknown((12, 20)), []);
        assert_eq!(sums.known(COLUMN, (21, 25)), None);
        learn((21, 25), 22);
        learn((5, 12), 6);
        assert_eq!(days(), Some((5, 25)));
        assert_eq!(sums.known(COLUMN, (0, 99)).unwrap().entries, [(6, 1), (15, 1), (22, 1)].into());
        learn((30, 31), 30);
        assert_eq!(days(), Some((30, 31)));
    }

    #[test]
    fn the_latest_days_are_kept_when_not_all_have_room() {
        let heavy = |day| {
            let entries = (0..100_000).map(|kpi_no| (kpi_no, 1)).collect();
            let reviewed_by_kpi = crate::domain::tally::Tally { entries };
            Kept::Instances(Rc::new(InstanceCell { instances: day, reviewed: 0, reviewed_by_kpi }))
        };
        let fitting = i64::try_from(BYTES_MAX / heavy(0).bytes()).unwrap();
        let objects: Vec<DaySums> = (0..4).map(|_| DaySums::default()).collect();
        for sums in &objects {
            for day in [1, 2, 3, 9, 8, 7, 6, 5, 4] {
                sums.keep(COLUMN, (day, 1), heavy(u64::try_from(day).unwrap()));
            }
        }
        let kept =
            |sums: &DaySums| (1..=9).filter(|day| instances(sums, *day).is_some()).collect::<Vec<i64>>();
        assert_eq!(kept(&objects[0]), (10 - fitting..=9).collect::<Vec<i64>>());
        let in_all = KEPT_BYTES.get();
        assert!(in_all <= ISOLATE_BYTES_MAX && in_all > ISOLATE_BYTES_MAX - heavy(0).bytes() * 2, "{in_all}");
        drop(objects);
        assert_eq!(KEPT_BYTES.get(), 0);
    }
}
