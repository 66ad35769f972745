//! The object's own storage: packed days of cells, the registry of segments, the watermark, and the slots touched since they
//! were last checked.
//!
//! Everything here is synchronous: writes with no `await` between them are one transaction, and the runtime holds every
//! answer and every D1 call back until they are durable. So the watermark and the cells it speaks of never part.

use std::cell;
use std::collections::BTreeSet;

use worker::{SqlStorage, SqlStorageValue, Storage};

use super::day_sums::DaySums;
use crate::domain::calendar::SLOTS_PER_DAY;
use crate::domain::cell::{Cell, InstanceCell};
use crate::domain::day::Day;
use crate::domain::kpi::{Kpi, Rules};
use crate::domain::segments::Registry;

/// Format of what is stored here. An object that finds another one counts everything again.
const FORMAT: i64 = 3;

/// A slot behind all others.
pub const BEYOND: i64 = 1 << 30;

/// The `kpi_no` under which instance cells are kept.
pub(super) const INSTANCES: i64 = 0;

/// Why the object's storage did not give what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    Failed(String),
    /// It holds what this version does not write: everything in it counts as lost. What it holds is not told: logs show this.
    Unreadable(&'static str),
    /// What was asked for is not counted again yet.
    Rebuilding,
}

impl From<worker::Error> for StoreError {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// How far the cells are: the last batch that is in them, and under which epoch it was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub epoch: i64,
    pub batch_no: i64,
}

/// A rebuild under way: it goes from the latest slot to the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// Slots from here on are counted again.
    pub from_slot: i64,
    /// Whether the slots before that hold the old cells; otherwise what they hold can't be read from.
    pub keeps_old: bool,
}

/// Whose cells: of a segment and a version.
pub type Group = (i64, i64);

/// Where a day of cells is kept, besides the KPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub segment: i64,
    pub version: i64,
    pub day: i64,
}

impl Place {
    fn key(self, kpi_no: i64) -> Vec<SqlStorageValue> {
        vec![self.segment.into(), kpi_no.into(), self.day.into(), self.version.into()]
    }
}

pub struct CellStore {
    storage: Storage,
    pub(super) sql: SqlStorage,
    /// As it is stored: every read asks for it.
    rebuild: cell::Cell<Option<Rebuild>>,
    changes: cell::Cell<u64>,
    pub(super) sums: DaySums,
}

impl CellStore {
    pub fn new(storage: Storage) -> Self {
        let sql = storage.sql();
        Self {
            storage,
            sql,
            rebuild: cell::Cell::default(),
            changes: cell::Cell::default(),
            sums: DaySums::default(),
        }
    }

    /// Removes everything the object holds, its tables too.
    pub async fn erase(&self) -> Result<()> {
        self.changes.set(self.changes.get() + 1);
        self.forget_sums();
        self.storage.delete_all().await?;
        self.rebuild.set(None);
        Ok(())
    }

    /// Makes the tables if there are none. Those of another format go.
    pub fn prepare(&self) -> Result<()> {
        self.sql.exec(
            "CREATE TABLE IF NOT EXISTS watermark (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, \
               epoch INTEGER NOT NULL, batch_no INTEGER NOT NULL)",
            None,
        )?;
        let format = self.rows("SELECT format FROM watermark", vec![])?;
        let format = format.first().and_then(|row| row.first()).map(integer).transpose()?;
        if format.is_some_and(|format| format != FORMAT) {
            self.forget_sums();
            for statement in ["DROP TABLE IF EXISTS cells", "DROP TABLE IF EXISTS touched"] {
                self.change(statement, None)?;
            }
        }
        for statement in [
            "CREATE TABLE IF NOT EXISTS cells (segment INTEGER NOT NULL, kpi_no INTEGER NOT NULL, day INTEGER NOT NULL, \
               version INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (segment, kpi_no, day, version)) WITHOUT ROWID",
            // Updates of a day's cells do not touch it.
            "CREATE INDEX IF NOT EXISTS cells_by_day ON cells (day)",
            "CREATE TABLE IF NOT EXISTS property_keys (key TEXT PRIMARY KEY, tracked INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS segments (segment INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS touched (slot INTEGER PRIMARY KEY)",
            "CREATE TABLE IF NOT EXISTS rebuild (id INTEGER PRIMARY KEY CHECK (id = 1), from_slot INTEGER NOT NULL, \
               keeps_old INTEGER NOT NULL)",
        ] {
            self.sql.exec(statement, None)?;
        }
        Ok(())
    }

    pub fn registry(&self) -> Result<Registry> {
        let mut keys = Vec::new();
        for row in self.rows("SELECT key, tracked FROM property_keys", vec![])? {
            match row.as_slice() {
                [SqlStorageValue::String(key), tracked] => keys.push((key.clone(), integer(tracked)? != 0)),
                _ => {
                    return Err(StoreError::Unreadable("a property key is not stored as this version does"));
                }
            }
        }
        let mut found = Vec::new();
        for row in self.rows("SELECT segment, key, value FROM segments", vec![])? {
            match row.as_slice() {
                [segment, SqlStorageValue::String(key), SqlStorageValue::String(value)] => {
                    found.push((integer(segment)?, key.clone(), value.clone()));
                }
                _ => return Err(StoreError::Unreadable("a segment is not stored as this version does")),
            }
        }
        Ok(Registry::restore(keys, found))
    }

    /// Puts a whole registry in the place of the one there is.
    pub fn put_registry(&self, registry: &Registry) -> Result<()> {
        self.change("DELETE FROM property_keys", None)?;
        self.change("DELETE FROM segments", None)?;
        for (key, tracked) in registry.keys() {
            self.change(
                "INSERT INTO property_keys (key, tracked) VALUES (?, ?)",
                vec![key.into(), i64::from(tracked).into()],
            )?;
        }
        for (segment, key, value) in registry.segments() {
            self.change(
                "INSERT INTO segments (segment, key, value) VALUES (?, ?, ?)",
                vec![segment.into(), key.into(), value.into()],
            )?;
        }
        Ok(())
    }

    pub fn remove_segment(&self, segment: i64) -> Result<()> {
        self.forget_sums();
        self.change("DELETE FROM cells WHERE segment = ?", vec![SqlStorageValue::from(segment)])?;
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
        self.change(
            "INSERT INTO watermark (id, format, epoch, batch_no) VALUES (1, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, epoch = excluded.epoch, batch_no = excluded.batch_no",
            vec![FORMAT.into(), mark.epoch.into(), mark.batch_no.into()],
        )?;
        Ok(())
    }

    /// Forgets all cells, and notes that they are to be counted again.
    pub fn begin_anew(&self, mark: Watermark, registry: &Registry) -> Result<()> {
        self.forget_sums();
        self.change("DELETE FROM cells", None)?;
        self.change("DELETE FROM touched", None)?;
        self.put_registry(registry)?;
        self.set_rebuild(Some(Rebuild { from_slot: BEYOND, keeps_old: false }))?;
        self.set_watermark(mark)
    }

    /// The rebuild under way.
    pub fn rebuild(&self) -> Option<Rebuild> {
        self.rebuild.get()
    }

    /// Reads whether one is under way: before anything else is.
    pub fn load_rebuild(&self) -> Result<()> {
        let rows = self.rows("SELECT from_slot, keeps_old FROM rebuild", vec![])?;
        self.rebuild.set(match rows.first().map(Vec::as_slice) {
            None => None,
            Some([from_slot, keeps_old]) => {
                Some(Rebuild { from_slot: integer(from_slot)?, keeps_old: integer(keeps_old)? != 0 })
            }
            Some(_) => return Err(StoreError::Unreadable("a rebuild is not stored as this version does")),
        });
        Ok(())
    }

    /// Notes how far a rebuild is; `None` at its end.
    pub fn set_rebuild(&self, rebuild: Option<Rebuild>) -> Result<()> {
        self.change("DELETE FROM rebuild", None)?;
        if let Some(Rebuild { from_slot, keeps_old }) = rebuild {
            self.change(
                "INSERT INTO rebuild (id, from_slot, keeps_old) VALUES (1, ?, ?)",
                vec![from_slot.into(), i64::from(keeps_old).into()],
            )?;
        }
        self.rebuild.set(rebuild);
        Ok(())
    }

    /// That cells from this day on can be read.
    pub(super) fn check_counted(&self, first_day: i64) -> Result<()> {
        match self.rebuild() {
            Some(Rebuild { from_slot, keeps_old: false }) if first_day * SLOTS_PER_DAY < from_slot => {
                Err(StoreError::Rebuilding)
            }
            _ => Ok(()),
        }
    }

    pub fn scores(&self, kpi: &Kpi, place: Place) -> Result<Day<Cell>> {
        self.blob(kpi.kpi_no, place)?.map_or(Ok(Day::default()), |blob| decode_scores(&blob, &kpi.rules))
    }

    pub fn instances(&self, place: Place) -> Result<Day<InstanceCell>> {
        self.blob(INSTANCES, place)?.map_or(Ok(Day::default()), |blob| decode_instances(&blob))
    }

    /// Sums of days may be others, though no day was written.
    pub fn forget_sums(&self) {
        self.sums.forget();
    }

    pub fn put_scores(&self, kpi: &Kpi, place: Place, cells: &mut Day<Cell>) -> Result<()> {
        let blob = cells.encode(&kpi.rules);
        self.put(kpi.kpi_no, place, cells.slots.is_empty(), blob)
    }

    pub fn put_instances(&self, place: Place, cells: &mut Day<InstanceCell>) -> Result<()> {
        let blob = cells.encode();
        self.put(INSTANCES, place, cells.slots.is_empty(), blob)
    }

    pub fn remove_kpi(&self, kpi_no: i64) -> Result<()> {
        self.forget_sums();
        self.change("DELETE FROM cells WHERE kpi_no = ?", vec![SqlStorageValue::from(kpi_no)])?;
        Ok(())
    }

    pub fn remove_instances(&self) -> Result<()> {
        self.remove_kpi(INSTANCES)
    }

    /// The groups that have cells of a KPI (of instances, without one) on a day.
    pub fn groups(&self, registry: &Registry, kpi: Option<&Kpi>, day: i64) -> Result<BTreeSet<Group>> {
        let kpi_no = kpi.map_or(INSTANCES, |kpi| kpi.kpi_no);
        self.rows(
            "SELECT c.segment, c.version FROM json_each(?) s CROSS JOIN cells c \
               ON c.segment = s.value AND c.kpi_no = ? AND c.day = ?",
            vec![numbers_json(registry).into(), kpi_no.into(), day.into()],
        )?
        .iter()
        .map(|row| match row.as_slice() {
            [segment, version] => Ok((integer(segment)?, integer(version)?)),
            _ => Err(StoreError::Unreadable("a group of cells is not stored as this version does")),
        })
        .collect()
    }

    /// The days in `[first, last]` that have cells of a KPI (of instances, without one).
    pub fn days(
        &self,
        registry: &Registry,
        kpi: Option<&Kpi>,
        (first, last): (i64, i64),
    ) -> Result<BTreeSet<i64>> {
        let kpi_no = kpi.map_or(INSTANCES, |kpi| kpi.kpi_no);
        self.rows(
            "SELECT DISTINCT c.day FROM json_each(?) s CROSS JOIN cells c \
               ON c.segment = s.value AND c.kpi_no = ? AND c.day BETWEEN ? AND ?",
            vec![numbers_json(registry).into(), kpi_no.into(), first.into(), last.into()],
        )?
        .iter()
        .filter_map(|row| row.first())
        .map(integer)
        .collect()
    }

    /// The last stored day before `day`, of scores or instances.
    pub fn previous_day(&self, day: i64) -> Result<Option<i64>> {
        let rows = self.rows("SELECT max(day) FROM cells WHERE day < ?", vec![day.into()])?;
        match rows.first().and_then(|row| row.first()) {
            None | Some(SqlStorageValue::Null) => Ok(None),
            Some(value) => integer(value).map(Some),
        }
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
            self.change(
                "INSERT INTO touched (slot) VALUES (?) ON CONFLICT DO NOTHING",
                vec![SqlStorageValue::from(*slot)],
            )?;
        }
        Ok(())
    }

    pub fn untouch(&self, slots: &BTreeSet<i64>) -> Result<()> {
        for slot in slots {
            self.change("DELETE FROM touched WHERE slot = ?", vec![SqlStorageValue::from(*slot)])?;
        }
        Ok(())
    }

    /// The same for all slots `[from, to)`.
    pub fn untouch_run(&self, (from, to): (i64, i64)) -> Result<()> {
        self.change(
            "DELETE FROM touched WHERE slot >= ? AND slot < ?",
            vec![SqlStorageValue::from(from), to.into()],
        )?;
        Ok(())
    }

    fn blob(&self, kpi_no: i64, place: Place) -> Result<Option<Vec<u8>>> {
        let rows = self.rows(
            "SELECT data FROM cells WHERE segment = ? AND kpi_no = ? AND day = ? AND version = ?",
            place.key(kpi_no),
        )?;
        match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
            None => Ok(None),
            Some(SqlStorageValue::Blob(blob)) => Ok(Some(blob)),
            Some(_) => Err(StoreError::Unreadable("a day of cells is not stored as this version does")),
        }
    }

    fn put(&self, kpi_no: i64, place: Place, empty: bool, blob: Vec<u8>) -> Result<()> {
        let key = place.key(kpi_no);
        self.sums.changed(kpi_no, place, empty);
        if empty {
            self.change(
                "DELETE FROM cells WHERE segment = ? AND kpi_no = ? AND day = ? AND version = ?",
                key,
            )?;
        } else {
            let mut row = key;
            row.push(SqlStorageValue::Blob(blob));
            self.change(
                "INSERT INTO cells (segment, kpi_no, day, version, data) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT (segment, kpi_no, day, version) DO UPDATE SET data = excluded.data",
                row,
            )?;
        }
        Ok(())
    }

    /// All rows. (`one` and `next` of a cursor hang their caller when SQLite fails; the raw iterator does not.)
    /// The only way in which something stored changes.
    fn change(&self, sql: &str, parameters: impl Into<Option<Vec<SqlStorageValue>>>) -> Result<()> {
        self.changes.set(self.changes.get() + 1);
        self.sql.exec(sql, parameters)?;
        Ok(())
    }

    /// How often something was changed: what was read is good as long as this stays.
    pub fn changes(&self) -> u64 {
        self.changes.get()
    }

    fn rows(&self, sql: &str, bindings: Vec<SqlStorageValue>) -> Result<Vec<Vec<SqlStorageValue>>> {
        let cursor = self.sql.exec(sql, bindings)?;
        let rows: std::result::Result<Vec<_>, worker::Error> = cursor.raw().collect();
        Ok(rows?)
    }
}

/// The numbers of all segments, as JSON.
fn numbers_json(registry: &Registry) -> String {
    let numbers: Vec<String> = registry.numbers().iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

pub(super) fn integer(value: &SqlStorageValue) -> Result<i64> {
    match value {
        SqlStorageValue::Integer(number) => Ok(*number),
        _ => Err(StoreError::Unreadable("a whole number is not stored as one")),
    }
}

pub(super) fn decode_scores(blob: &[u8], rules: &Rules) -> Result<Day<Cell>> {
    Day::<Cell>::decode(blob, rules).map_err(|_| StoreError::Unreadable("a day of cells can't be read"))
}

pub(super) fn decode_instances(blob: &[u8]) -> Result<Day<InstanceCell>> {
    Day::<InstanceCell>::decode(blob).map_err(|_| StoreError::Unreadable("a day of instances can't be read"))
}

/// Day and slot in the day of a slot.
pub fn day_and_slot(slot: i64) -> (i64, u8) {
    let in_day = u8::try_from(slot.rem_euclid(SLOTS_PER_DAY)).unwrap_or_default();
    (slot.div_euclid(SLOTS_PER_DAY), in_day)
}
