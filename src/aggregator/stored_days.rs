//! Reading the packed days of the storage: what is kept of them in memory (`day_sums`) first, the rest with few statements.

use std::collections::BTreeSet;
use std::rc::Rc;

use worker::SqlStorageValue;

use super::cells::{CellStore, INSTANCES, Result, StoreError, decode_instances, decode_scores, integer};
use super::day_sums::{Column, Kept, Known};
use crate::domain::cell::{Cell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::day_sum::{DaySum, instances_of};
use crate::domain::kpi::Kpi;

/// A stored day: its cells, or what they add up to.
pub enum DayOf<'a, C, S> {
    Cells(&'a Day<C>),
    Sum(&'a S),
}

/// What must be read of a range of a column's days.
struct Rest {
    days: (i64, i64),
    /// Of the days whose entries are known, those entries that are wanted.
    known: Known,
    runs: Vec<(i64, i64)>,
}

impl CellStore {
    /// Calls `visit(day, version, cells)` for every stored day of a KPI and segment in `[first, last]`: with the sum of the
    /// day where that will do.
    pub fn each_scores(
        &self,
        segment: i64,
        kpi: &Kpi,
        days: (i64, i64),
        sum_will_do: &dyn Fn(i64) -> bool,
        visit: &mut dyn FnMut(i64, i64, DayOf<'_, Cell, DaySum>),
    ) -> Result<()> {
        let column = (segment, kpi.kpi_no);
        let rest = self.rest(column, days, &mut |entry| self.take(column, entry, sum_will_do, visit))?;
        self.each(column, rest, &mut |day, version, blob| {
            // It may be kept although nothing was known of its range.
            if self.take(column, (day, version), sum_will_do, visit) {
                return Ok(());
            }
            let cells = decode_scores(blob, &kpi.rules)?;
            let kept = if sum_will_do(day) {
                let sum = Rc::new(DaySum::of(&cells));
                visit(day, version, DayOf::Sum(&sum));
                Kept::Scores(sum)
            } else {
                visit(day, version, DayOf::Cells(&cells));
                Kept::Cells(Rc::new(cells))
            };
            self.sums.keep(column, (day, version), kept);
            Ok(())
        })
    }

    /// Visits a day that is kept. False if it is not.
    fn take(
        &self,
        column: Column,
        (day, version): (i64, i64),
        sum_will_do: &dyn Fn(i64) -> bool,
        visit: &mut dyn FnMut(i64, i64, DayOf<'_, Cell, DaySum>),
    ) -> bool {
        match self.sums.find(column, (day, version), sum_will_do(day)) {
            Some(Kept::Scores(sum)) => visit(day, version, DayOf::Sum(&sum)),
            Some(Kept::Cells(cells)) => visit(day, version, DayOf::Cells(&cells)),
            _ => return false,
        }
        true
    }

    /// The same for instance cells.
    pub fn each_instances(
        &self,
        segment: i64,
        days: (i64, i64),
        sum_will_do: &dyn Fn(i64) -> bool,
        visit: &mut dyn FnMut(i64, i64, DayOf<'_, InstanceCell, InstanceCell>),
    ) -> Result<()> {
        let column = (segment, INSTANCES);
        let rest = self.rest(column, days, &mut |(day, version)| {
            match self.sums.find(column, (day, version), true) {
                Some(Kept::Instances(sum)) if sum_will_do(day) => visit(day, version, DayOf::Sum(&sum)),
                _ => return false,
            }
            true
        })?;
        self.each(column, rest, &mut |day, version, blob| {
            let cells = decode_instances(blob)?;
            if sum_will_do(day) {
                let sum = Rc::new(instances_of(&cells));
                visit(day, version, DayOf::Sum(&sum));
                self.sums.keep(column, (day, version), Kept::Instances(sum));
            } else {
                visit(day, version, DayOf::Cells(&cells));
            }
            Ok(())
        })
    }

    /// What must be read of a column's days in `[first, last]`: all but the days that are kept and good for `take`.
    fn rest(
        &self,
        column: Column,
        days: (i64, i64),
        take: &mut dyn FnMut((i64, i64)) -> bool,
    ) -> Result<Rest> {
        self.check_counted(days.0)?;
        let Some(mut known) = self.sums.known(column, days) else {
            return Ok(Rest { days, known: Known { days: (0, -1), ..Known::default() }, runs: vec![days] });
        };
        known.entries.retain(|entry| !take(*entry));
        let mut runs = runs(known.entries.iter().map(|(day, _)| *day));
        runs.extend(known.unknown(days));
        Ok(Rest { days, known, runs })
    }

    /// Calls `visit` with the rest of a column's days, as they are stored.
    fn each(
        &self,
        (segment, kpi_no): Column,
        rest: Rest,
        visit: &mut dyn FnMut(i64, i64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut read = Known { days: rest.days, entries: BTreeSet::new() };
        for (first, last) in rest.runs {
            let cursor = self.sql.exec(
                "SELECT day, version, data FROM cells WHERE segment = ? AND kpi_no = ? AND day BETWEEN ? AND ?",
                vec![SqlStorageValue::from(segment), kpi_no.into(), first.into(), last.into()],
            )?;
            for row in cursor.raw() {
                match row?.as_slice() {
                    [day, version, SqlStorageValue::Blob(blob)] => {
                        let (day, version) = (integer(day)?, integer(version)?);
                        if !rest.known.has(day) || rest.known.entries.contains(&(day, version)) {
                            read.entries.insert((day, version));
                            visit(day, version, blob)?;
                        }
                    }
                    _ => {
                        return Err(StoreError::Unreadable(
                            "a row of cells is not stored as this version does",
                        ));
                    }
                }
            }
        }
        self.sums.learn((segment, kpi_no), read);
        Ok(())
    }
}

/// Days that lie no further apart are read with one statement, and what lies between is passed over.
const RUN_GAP_DAYS: i64 = 8;

/// Days in their order, as runs of neighbours: first and last of each.
fn runs(days: impl Iterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if day - *last <= RUN_GAP_DAYS => *last = day,
            _ => runs.push((day, day)),
        }
    }
    runs
}
