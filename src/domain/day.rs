//! The packed form of aggregates: all cells of one UTC day in one blob. The format is persisted; a test pins it.
//!
//! Numbers are LEB128 varints, signed ones zigzag, doubles eight bytes little-endian. A blob: format version, kind, number of
//! slots, then each slot's number in the day (0–95) and its cell.

use super::calendar::SLOTS_PER_DAY;
use super::cell::{Cell, InstanceCell};
use super::double_double::DoubleDouble;
use super::kpi::{KpiType, Rules};
use super::tally::Tally;

const FORMAT: u8 = 1;
const KIND_SCORES: u8 = 0;
const KIND_BOOLEAN: u8 = 1;
const KIND_INSTANCES: u8 = 2;

/// No count comes near it, so that sums of counts stay exact as doubles.
const COUNT_END: u64 = 1 << 48;

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
        match input.byte()? {
            KIND_BOOLEAN => input.day(|input| Ok(Cell::boolean(input.count()?, input.count()?, rules))),
            KIND_SCORES => input.day(Input::cell),
            _ => Err(Corrupt),
        }
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
        input.day(|input| {
            let (instances, reviewed) = (input.count()?, input.count()?);
            Ok(InstanceCell { instances, reviewed, reviewed_by_kpi: input.tally()? })
        })
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

    /// Slots up to the end of the blob, in their order.
    fn day<C>(&mut self, mut cell: impl FnMut(&mut Self) -> Result<C, Corrupt>) -> Result<Day<C>, Corrupt> {
        let length = self.number()?;
        let mut slots: Vec<(u8, C)> = Vec::new();
        for _ in 0..length {
            let slot = self.byte()?;
            let in_order = slots.last().is_none_or(|(last, _)| *last < slot);
            if !in_order || i64::from(slot) >= SLOTS_PER_DAY {
                return Err(Corrupt);
            }
            slots.push((slot, cell(self)?));
        }
        if self.0.is_empty() { Ok(Day { slots }) } else { Err(Corrupt) }
    }

    fn number(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if number >> shift != bits {
                return Err(Corrupt);
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Corrupt)
    }

    fn count(&mut self) -> Result<u64, Corrupt> {
        self.number().and_then(|count| if count < COUNT_END { Ok(count) } else { Err(Corrupt) })
    }

    fn double(&mut self) -> Result<f64, Corrupt> {
        let (bytes, rest) = self.0.split_first_chunk::<8>().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    fn tally(&mut self) -> Result<Tally, Corrupt> {
        let length = self.number()?;
        let mut entries: Vec<(i64, u64)> = Vec::new();
        let mut index = 0_i64;
        for _ in 0..length {
            index = index.wrapping_add(unzigzag(self.number()?));
            if entries.last().is_some_and(|(last, _)| *last >= index) {
                return Err(Corrupt);
            }
            entries.push((index, self.count()?));
        }
        Ok(Tally { entries })
    }

    fn cell(&mut self) -> Result<Cell, Corrupt> {
        let (count, meeting_goal) = (self.count()?, self.count()?);
        let (minimum_count, maximum_count) = (self.count()?, self.count()?);
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
    use crate::domain::cell::CellSum;
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
        fn instances_that_are_written_are_read(
            seen in proptest::collection::vec((0u8..96, proptest::collection::btree_set(1i64..1 << 40, 0..5)), 0..100),
        ) {
            let mut day = Day::<InstanceCell>::default();
            for (slot, kpis) in seen {
                day.cell_mut(slot).unwrap().add(&kpis.into_iter().collect::<Vec<_>>());
            }
            prop_assert_eq!(Day::<InstanceCell>::decode(&day.encode()), Ok(day));
        }

        /// Also those that look like a blob: then what is read is as sorted as what is written, and can be added up.
        #[test]
        fn any_bytes_are_read_or_refused(
            kind in 0u8..4,
            rest in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200),
        ) {
            let blob: Vec<u8> = [1, kind].into_iter().chain(rest).collect();
            for r in [rules(KpiType::Number), rules(KpiType::Boolean)] {
                if let Ok(day) = Day::<Cell>::decode(&blob, &r) {
                    prop_assert!(day.slots.is_sorted_by(|a, b| a.0 < b.0) && day.slots.iter().all(|(slot, _)| *slot < 96));
                    let mut sum = CellSum::default();
                    for (_, cell) in &day.slots {
                        prop_assert!(cell.histogram.entries.is_sorted_by(|a, b| a.0 < b.0));
                        sum.add(cell);
                    }
                }
            }
            if let Ok(day) = Day::<InstanceCell>::decode(&blob) {
                prop_assert!(day.slots.iter().all(|(_, cell)| cell.reviewed_by_kpi.total() < u64::MAX));
            }
        }

        #[test]
        fn a_blob_that_is_cut_off_or_goes_on_is_refused(
            scores in proptest::collection::vec((0u8..96, -1e15f64..1e15), 1..20),
            cut in any::<prop::sample::Index>(),
            more in any::<u8>(),
        ) {
            for kpi_type in [KpiType::Number, KpiType::Boolean] {
                let r = rules(kpi_type);
                let mut day = Day::<Cell>::default();
                for (slot, score) in &scores {
                    day.cell_mut(*slot).unwrap().add(&r, *score);
                }
                let mut blob = day.encode(&r);
                prop_assert_eq!(Day::<Cell>::decode(&blob[..cut.index(blob.len())], &r), Err(Corrupt));
                blob.push(more);
                prop_assert_eq!(Day::<Cell>::decode(&blob, &r), Err(Corrupt));
            }
        }

        /// A damaged blob is read as something, or refused; in either case at once.
        #[test]
        fn a_damaged_blob_does_no_harm(
            scores in proptest::collection::vec((0u8..96, -1e15f64..1e15), 1..20),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let r = rules(KpiType::Number);
            let mut day = Day::<Cell>::default();
            for (slot, score) in scores {
                day.cell_mut(slot).unwrap().add(&r, score);
            }
            let mut blob = day.encode(&r);
            let at = at.index(blob.len());
            blob[at] = byte;
            if let Ok(day) = Day::<Cell>::decode(&blob, &r) {
                let mut sum = CellSum::default();
                day.slots.iter().for_each(|(_, cell)| sum.add(cell));
            }
        }
    }
}
