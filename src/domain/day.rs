//! The packed form of aggregates: all cells of one UTC day in one blob. The format is persisted; a test pins it.
//!
//! Numbers are LEB128 varints, signed ones zigzag, doubles eight bytes little-endian. A blob: format version, kind, number of
//! slots, then each slot's number in the day (0–95) and its cell.

use super::cell::{Cell, InstanceCell};
use super::double_double::DoubleDouble;
use super::kpi::{KpiType, Rules};
use super::tally::Tally;

const FORMAT: u8 = 1;
const KIND_SCORES: u8 = 0;
const KIND_BOOLEAN: u8 = 1;
const KIND_INSTANCES: u8 = 2;

/// The blob is not what this version writes: storage was damaged, or is newer than the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// Cells of one day by slot number in the day, sorted, no empty cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Day<C> {
    pub slots: Vec<(u8, C)>,
}

impl<C> Default for Day<C> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<C: Default> Day<C> {
    /// The slot's cell, made if there is none.
    pub fn cell_mut(&mut self, slot: u8) -> Option<&mut C> {
        let at = match self.slots.binary_search_by_key(&slot, |entry| entry.0) {
            Ok(at) => at,
            Err(at) => {
                self.slots.insert(at, (slot, C::default()));
                at
            }
        };
        self.slots.get_mut(at).map(|entry| &mut entry.1)
    }

    pub fn cell(&self, slot: u8) -> Option<&C> {
        let at = self.slots.binary_search_by_key(&slot, |entry| entry.0).ok()?;
        self.slots.get(at).map(|entry| &entry.1)
    }

    /// Puts a cell in the place of whatever the slot holds.
    pub fn replace(&mut self, slot: u8, cell: C) {
        if let Some(place) = self.cell_mut(slot) {
            *place = cell;
        }
    }
}

impl Day<Cell> {
    pub fn encode(&mut self, rules: &Rules) -> Vec<u8> {
        self.slots.retain(|(_, cell)| cell.count > 0);
        let boolean = rules.kpi_type == KpiType::Boolean;
        let mut out = vec![FORMAT, if boolean { KIND_BOOLEAN } else { KIND_SCORES }];
        put(&mut out, self.slots.len() as u64);
        for (slot, cell) in &self.slots {
            out.push(*slot);
            if boolean {
                put(&mut out, cell.histogram.count_at(0));
                put(&mut out, cell.histogram.count_at(1));
            } else {
                put_cell(&mut out, cell);
            }
        }
        out
    }

    pub fn decode(blob: &[u8], rules: &Rules) -> Result<Self, Corrupt> {
        let mut input = Input(blob);
        input.expect(FORMAT)?;
        let kind = input.byte()?;
        let length = input.number()?;
        let mut slots = Vec::new();
        for _ in 0..length {
            let slot = input.byte()?;
            let cell = match kind {
                KIND_BOOLEAN => Cell::boolean(input.number()?, input.number()?, rules),
                KIND_SCORES => input.cell()?,
                _ => return Err(Corrupt),
            };
            slots.push((slot, cell));
        }
        Ok(Self { slots })
    }
}

impl Day<InstanceCell> {
    pub fn encode(&mut self) -> Vec<u8> {
        self.slots.retain(|(_, cell)| !cell.is_empty());
        let mut out = vec![FORMAT, KIND_INSTANCES];
        put(&mut out, self.slots.len() as u64);
        for (slot, cell) in &self.slots {
            out.push(*slot);
            put(&mut out, cell.instances);
            put(&mut out, cell.reviewed);
            put_tally(&mut out, &cell.reviewed_by_kpi);
        }
        out
    }

    pub fn decode(blob: &[u8]) -> Result<Self, Corrupt> {
        let mut input = Input(blob);
        input.expect(FORMAT)?;
        input.expect(KIND_INSTANCES)?;
        let length = input.number()?;
        let mut slots = Vec::new();
        for _ in 0..length {
            let slot = input.byte()?;
            let (instances, reviewed) = (input.number()?, input.number()?);
            slots.push((slot, InstanceCell { instances, reviewed, reviewed_by_kpi: input.tally()? }));
        }
        Ok(Self { slots })
    }
}

fn put_cell(out: &mut Vec<u8>, cell: &Cell) {
    for number in [cell.count, cell.meeting_goal, cell.minimum_count, cell.maximum_count] {
        put(out, number);
    }
    for double in
        [cell.sum.high, cell.sum.low, cell.squares.high, cell.squares.low, cell.minimum, cell.maximum]
    {
        out.extend_from_slice(&double.to_le_bytes());
    }
    put_tally(out, &cell.histogram);
    put_tally(out, &cell.sketch);
}

fn put_tally(out: &mut Vec<u8>, tally: &Tally) {
    put(out, tally.entries.len() as u64);
    let mut previous = 0_i64;
    for (index, count) in &tally.entries {
        put(out, zigzag(index.wrapping_sub(previous)));
        put(out, *count);
        previous = *index;
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, Corrupt> {
        let (first, rest) = self.0.split_first().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(*first)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Corrupt> {
        if self.byte()? == byte { Ok(()) } else { Err(Corrupt) }
    }

    fn number(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Corrupt)
    }

    fn double(&mut self) -> Result<f64, Corrupt> {
        let (bytes, rest) = self.0.split_first_chunk::<8>().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    fn tally(&mut self) -> Result<Tally, Corrupt> {
        let length = self.number()?;
        let mut entries = Vec::new();
        let mut index = 0_i64;
        for _ in 0..length {
            index = index.wrapping_add(unzigzag(self.number()?));
            entries.push((index, self.number()?));
        }
        Ok(Tally { entries })
    }

    fn cell(&mut self) -> Result<Cell, Corrupt> {
        let (count, meeting_goal) = (self.number()?, self.number()?);
        let (minimum_count, maximum_count) = (self.number()?, self.number()?);
        let sum = DoubleDouble { high: self.double()?, low: self.double()? };
        let squares = DoubleDouble { high: self.double()?, low: self.double()? };
        let (minimum, maximum) = (self.double()?, self.double()?);
        let (histogram, sketch) = (self.tally()?, self.tally()?);
        Ok(Cell {
            count,
            meeting_goal,
            sum,
            squares,
            minimum,
            minimum_count,
            maximum,
            maximum_count,
            histogram,
            sketch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::kpi::Direction;
    use proptest::prelude::*;

    fn rules(kpi_type: KpiType) -> Rules {
        Rules { kpi_type, goal: 1.0, direction: Direction::HigherIsBetter, bucket_width: 0.5 }
    }

    #[test]
    fn day_format_unchanged() {
        let r = rules(KpiType::Number);
        let mut day = Day::<Cell>::default();
        day.cell_mut(3).unwrap().add(&r, 1.0);
        day.cell_mut(3).unwrap().add(&r, -2.0);
        let mut expect = vec![1, 0, 1, 3, 2, 1, 1, 1];
        for double in [-1.0, 0.0, 5.0, 0.0, -2.0, 1.0_f64] {
            expect.extend_from_slice(&double.to_le_bytes());
        }
        // Buckets -4 and 2; sketch indexes -(2^17 + 39) and 2^17.
        expect.extend_from_slice(&[2, 7, 1, 12, 1]);
        expect.extend_from_slice(&[2, 0xcd, 0x80, 0x10, 1, 0xce, 0x80, 0x20, 1]);
        assert_eq!(day.encode(&r), expect);

        let b = rules(KpiType::Boolean);
        let mut day = Day::<Cell>::default();
        day.replace(95, Cell::boolean(300, 2, &b));
        assert_eq!(day.encode(&b), vec![1, 1, 1, 95, 0xac, 2, 2]);

        let mut day = Day::<InstanceCell>::default();
        day.replace(
            0,
            InstanceCell { instances: 5, reviewed: 2, reviewed_by_kpi: Tally { entries: vec![(7, 2)] } },
        );
        assert_eq!(day.encode(), vec![1, 2, 1, 0, 5, 2, 1, 14, 2]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(scores in proptest::collection::vec((0u8..96, -1e15f64..1e15), 0..100)) {
            let r = rules(KpiType::Number);
            let mut day = Day::<Cell>::default();
            for (slot, score) in scores {
                day.cell_mut(slot).unwrap().add(&r, score);
            }
            let blob = day.encode(&r);
            prop_assert_eq!(Day::<Cell>::decode(&blob, &r), Ok(day));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let r = rules(KpiType::Number);
            let _ = Day::<Cell>::decode(&bytes, &r);
            let _ = Day::<InstanceCell>::decode(&bytes);
        }
    }
}
