//! The object's own storage: packed days of cells, the watermark, and the slots touched since they were last checked.
//!
//! Everything here is synchronous: writes with no `await` between them are one transaction, and the runtime holds every
//! answer and every D1 call back until they are durable. So the watermark and the cells it speaks of never part.

use std::collections::{BTreeMap, BTreeSet};

use worker::{SqlStorage, SqlStorageValue};

use crate::domain::calendar::SLOTS_PER_DAY;
use crate::domain::cell::{Cell, InstanceCell, Removal};
use crate::domain::day::Day;
use crate::domain::kpi::{Kpi, Rules};

/// Format of what is stored here. An object that finds another one counts everything again.
const FORMAT: i64 = 1;

/// The `kpi_no` under which instance cells are kept.
const INSTANCES: i64 = 0;

/// The object's storage failed, or holds what this version does not write.
#[derive(Debug, Clone)]
pub struct StoreError(pub String);

impl From<worker::Error> for StoreError {
    fn from(error: worker::Error) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// How far the cells are: the last batch that is in them, and under which epoch it was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub epoch: i64,
    pub batch_no: i64,
}

pub struct CellStore {
    sql: SqlStorage,
}

impl CellStore {
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql }
    }

    /// Makes the tables if there are none.
    pub fn prepare(&self) -> Result<()> {
        for statement in [
            "CREATE TABLE IF NOT EXISTS watermark (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, \
               epoch INTEGER NOT NULL, batch_no INTEGER NOT NULL)",
            "CREATE TABLE IF NOT EXISTS cells (kpi_no INTEGER NOT NULL, day INTEGER NOT NULL, version INTEGER NOT NULL, \
               data BLOB NOT NULL, PRIMARY KEY (kpi_no, day, version)) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS touched (slot INTEGER PRIMARY KEY)",
        ] {
            self.sql.exec(statement, None)?;
        }
        Ok(())
    }

    /// `None` if nothing was ever stored, or in another format, or a rebuild was not finished.
    pub fn watermark(&self) -> Result<Option<Watermark>> {
        let rows = self.rows("SELECT format, epoch, batch_no FROM watermark", vec![])?;
        Ok(match rows.first().map(Vec::as_slice) {
            Some([format, epoch, batch_no]) if integer(format)? == FORMAT => {
                let mark = Watermark { epoch: integer(epoch)?, batch_no: integer(batch_no)? };
                (mark.batch_no >= 0).then_some(mark)
            }
            _ => None,
        })
    }

    pub fn set_watermark(&self, mark: Watermark) -> Result<()> {
        self.sql.exec(
            "INSERT INTO watermark (id, format, epoch, batch_no) VALUES (1, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, epoch = excluded.epoch, batch_no = excluded.batch_no",
            vec![FORMAT.into(), mark.epoch.into(), mark.batch_no.into()],
        )?;
        Ok(())
    }

    /// Forgets all cells, and that there were any, until a watermark is set again.
    pub fn clear(&self, epoch: i64) -> Result<()> {
        self.set_watermark(Watermark { epoch, batch_no: -1 })?;
        self.sql.exec("DELETE FROM cells", None)?;
        self.sql.exec("DELETE FROM touched", None)?;
        Ok(())
    }

    pub fn scores(&self, kpi: &Kpi, version: i64, day: i64) -> Result<Day<Cell>> {
        self.blob(kpi.kpi_no, version, day)?
            .map_or(Ok(Day::default()), |blob| decode_scores(&blob, &kpi.rules))
    }

    pub fn instances(&self, version: i64, day: i64) -> Result<Day<InstanceCell>> {
        self.blob(INSTANCES, version, day)?.map_or(Ok(Day::default()), |blob| decode_instances(&blob))
    }

    /// Calls `visit(day, version, cells)` for every stored day of a KPI in `[first, last]`.
    pub fn each_scores(
        &self,
        kpi: &Kpi,
        (first, last): (i64, i64),
        mut visit: impl FnMut(i64, i64, Day<Cell>),
    ) -> Result<()> {
        self.each(kpi.kpi_no, first, last, |day, version, blob| {
            visit(day, version, decode_scores(blob, &kpi.rules)?);
            Ok(())
        })
    }

    /// The same for instance cells.
    pub fn each_instances(
        &self,
        (first, last): (i64, i64),
        mut visit: impl FnMut(i64, i64, Day<InstanceCell>),
    ) -> Result<()> {
        self.each(INSTANCES, first, last, |day, version, blob| {
            visit(day, version, decode_instances(blob)?);
            Ok(())
        })
    }

    pub fn put_scores(&self, kpi: &Kpi, version: i64, day: i64, cells: &mut Day<Cell>) -> Result<()> {
        let blob = cells.encode(&kpi.rules);
        self.put(kpi.kpi_no, version, day, cells.slots.is_empty(), blob)
    }

    pub fn put_instances(&self, version: i64, day: i64, cells: &mut Day<InstanceCell>) -> Result<()> {
        let blob = cells.encode();
        self.put(INSTANCES, version, day, cells.slots.is_empty(), blob)
    }

    pub fn remove_kpi(&self, kpi_no: i64) -> Result<()> {
        self.sql.exec("DELETE FROM cells WHERE kpi_no = ?", vec![SqlStorageValue::from(kpi_no)])?;
        Ok(())
    }

    pub fn remove_instances(&self) -> Result<()> {
        self.remove_kpi(INSTANCES)
    }

    /// The first stored day at or after `day`, of scores or instances.
    pub fn next_day(&self, day: i64) -> Result<Option<i64>> {
        let rows = self.rows("SELECT min(day) FROM cells WHERE day >= ?", vec![day.into()])?;
        match rows.first().and_then(|row| row.first()) {
            None | Some(SqlStorageValue::Null) => Ok(None),
            Some(value) => integer(value).map(Some),
        }
    }

    /// Slots touched since they were last checked, from `from_slot` on, at most `limit`.
    pub fn touched(&self, from_slot: i64, limit: i64) -> Result<Vec<i64>> {
        self.rows(
            "SELECT slot FROM touched WHERE slot >= ? ORDER BY slot LIMIT ?",
            vec![from_slot.into(), limit.into()],
        )?
        .iter()
        .filter_map(|row| row.first())
        .map(integer)
        .collect()
    }

    pub fn touch(&self, slots: &BTreeSet<i64>) -> Result<()> {
        for slot in slots {
            self.sql.exec(
                "INSERT INTO touched (slot) VALUES (?) ON CONFLICT DO NOTHING",
                vec![SqlStorageValue::from(*slot)],
            )?;
        }
        Ok(())
    }

    pub fn untouch(&self, slots: &BTreeSet<i64>) -> Result<()> {
        for slot in slots {
            self.sql.exec("DELETE FROM touched WHERE slot = ?", vec![SqlStorageValue::from(*slot)])?;
        }
        Ok(())
    }

    fn blob(&self, kpi_no: i64, version: i64, day: i64) -> Result<Option<Vec<u8>>> {
        let rows = self.rows(
            "SELECT data FROM cells WHERE kpi_no = ? AND day = ? AND version = ?",
            vec![kpi_no.into(), day.into(), version.into()],
        )?;
        match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
            None => Ok(None),
            Some(SqlStorageValue::Blob(blob)) => Ok(Some(blob)),
            Some(other) => Err(StoreError(format!("a day of cells is stored as {other:?}"))),
        }
    }

    fn put(&self, kpi_no: i64, version: i64, day: i64, empty: bool, blob: Vec<u8>) -> Result<()> {
        let key: Vec<SqlStorageValue> = vec![kpi_no.into(), day.into(), version.into()];
        if empty {
            self.sql.exec("DELETE FROM cells WHERE kpi_no = ? AND day = ? AND version = ?", key)?;
        } else {
            let mut row = key;
            row.push(SqlStorageValue::Blob(blob));
            self.sql.exec(
                "INSERT INTO cells (kpi_no, day, version, data) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (kpi_no, day, version) DO UPDATE SET data = excluded.data",
                row,
            )?;
        }
        Ok(())
    }

    fn each(
        &self,
        kpi_no: i64,
        first: i64,
        last: i64,
        mut visit: impl FnMut(i64, i64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let cursor = self.sql.exec(
            "SELECT day, version, data FROM cells WHERE kpi_no = ? AND day BETWEEN ? AND ? ORDER BY day",
            vec![SqlStorageValue::from(kpi_no), first.into(), last.into()],
        )?;
        for row in cursor.raw() {
            match row?.as_slice() {
                [day, version, SqlStorageValue::Blob(blob)] => visit(integer(day)?, integer(version)?, blob)?,
                other => return Err(StoreError(format!("a row of cells is {other:?}"))),
            }
        }
        Ok(())
    }

    /// All rows. (`one` and `next` of a cursor hang their caller when SQLite fails; the raw iterator does not.)
    fn rows(&self, sql: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<Vec<SqlStorageValue>>> {
        let cursor = self.sql.exec(sql, bindings)?;
        let rows: std::result::Result<Vec<_>, worker::Error> = cursor.raw().collect();
        Ok(rows?)
    }
}

fn integer(value: &SqlStorageValue) -> Result<i64> {
    match value {
        SqlStorageValue::Integer(number) => Ok(*number),
        other => Err(StoreError(format!("expected a whole number, found {other:?}"))),
    }
}

fn decode_scores(blob: &[u8], rules: &Rules) -> Result<Day<Cell>> {
    Day::<Cell>::decode(blob, rules).map_err(|_| StoreError("a day of cells can't be read".to_owned()))
}

fn decode_instances(blob: &[u8]) -> Result<Day<InstanceCell>> {
    Day::<InstanceCell>::decode(blob).map_err(|_| StoreError("a day of instances can't be read".to_owned()))
}

/// Day and slot in the day of a slot.
pub fn day_and_slot(slot: i64) -> (i64, u8) {
    let in_day = u8::try_from(slot.rem_euclid(SLOTS_PER_DAY)).unwrap_or_default();
    (slot.div_euclid(SLOTS_PER_DAY), in_day)
}

/// Changes to cells, made on copies; nobody sees them before `write`.
#[derive(Default)]
pub struct Changes {
    /// By `(kpi_no, version, day)`.
    scores: BTreeMap<(i64, i64, i64), Day<Cell>>,
    /// By `(version, day)`.
    instances: BTreeMap<(i64, i64), Day<InstanceCell>>,
    /// `(kpi_no, slot)` of cells that must be counted again before the changes are written.
    pub recount: BTreeSet<(i64, i64)>,
    /// The same for slots of instance cells.
    pub recount_creations: BTreeSet<i64>,
    pub touched: BTreeSet<i64>,
}

impl Changes {
    pub fn add_score(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        version: i64,
        slot: i64,
        score: f64,
    ) -> Result<()> {
        self.score_cell(store, kpi, version, slot)?.add(&kpi.rules, score);
        Ok(())
    }

    pub fn remove_score(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        version: i64,
        slot: i64,
        score: f64,
    ) -> Result<()> {
        let removal = self.score_cell(store, kpi, version, slot)?.remove(&kpi.rules, score);
        if removal == Removal::NeedsRecount {
            self.recount.insert((kpi.kpi_no, slot));
        }
        Ok(())
    }

    /// The cell to change, as it is after the changes so far.
    fn score_cell(&mut self, store: &CellStore, kpi: &Kpi, version: i64, slot: i64) -> Result<&mut Cell> {
        let (day, in_day) = day_and_slot(slot);
        self.touched.insert(slot);
        let cells = match self.scores.entry((kpi.kpi_no, version, day)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(store.scores(kpi, version, day)?)
            }
        };
        cells.cell_mut(in_day).ok_or_else(|| StoreError("a slot without a place".to_owned()))
    }

    pub fn instance_cell(&mut self, store: &CellStore, version: i64, slot: i64) -> Result<&mut InstanceCell> {
        let (day, in_day) = day_and_slot(slot);
        self.touched.insert(slot);
        let cells = match self.instances.entry((version, day)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(store.instances(version, day)?),
        };
        cells.cell_mut(in_day).ok_or_else(|| StoreError("a slot without a place".to_owned()))
    }

    /// Puts recounted cells of a KPI in place of all that its slots hold, in every version.
    pub fn replace_scores(
        &mut self,
        store: &CellStore,
        kpi: &Kpi,
        slots: &BTreeSet<i64>,
        counted: &BTreeMap<(i64, i64), Cell>,
        versions: &[i64],
    ) -> Result<()> {
        for slot in slots {
            for version in versions {
                let cell = counted.get(&(*version, *slot)).cloned().unwrap_or_default();
                *self.score_cell(store, kpi, *version, *slot)? = cell;
            }
        }
        Ok(())
    }

    pub fn replace_instances(
        &mut self,
        store: &CellStore,
        slots: &BTreeSet<i64>,
        counted: &BTreeMap<(i64, i64), InstanceCell>,
        versions: &[i64],
    ) -> Result<()> {
        for slot in slots {
            for version in versions {
                *self.instance_cell(store, *version, *slot)? =
                    counted.get(&(*version, *slot)).cloned().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Writes all changes, without an `await`: they and the watermark that follows are one transaction.
    pub fn write(mut self, store: &CellStore, kpis: &[Kpi]) -> Result<()> {
        for ((kpi_no, version, day), cells) in &mut self.scores {
            // A KPI deleted meanwhile has no cells any more.
            if let Some(kpi) = kpis.iter().find(|kpi| kpi.kpi_no == *kpi_no) {
                store.put_scores(kpi, *version, *day, cells)?;
            }
        }
        for ((version, day), cells) in &mut self.instances {
            store.put_instances(*version, *day, cells)?;
        }
        store.touch(&self.touched)
    }
}
