//! Aggregates that merge: a cell sums up the scores of one KPI, version and 15-minute slot; an instance cell the instances
//! that one version created in one slot. Merging is associative and commutative, and a score that is removed leaves a cell
//! as if it had never been there; what a cell cannot know by itself (the next extreme, once the last score at the old one is
//! gone) it says, and the caller recounts it.

use super::double_double::DoubleDouble;
use super::kpi::{KpiType, Rules};
use super::tally::{Tally, TallySum, sketch_index};

/// Scores of one KPI, one version, one slot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    pub count: u64,
    /// Scores that meet the goal.
    pub meeting_goal: u64,
    pub sum: DoubleDouble,
    pub squares: DoubleDouble,
    /// Meaningless while `count` is 0.
    pub minimum: f64,
    pub minimum_count: u64,
    pub maximum: f64,
    pub maximum_count: u64,
    pub histogram: Tally,
    /// Empty for boolean KPIs: their histogram says it all.
    pub sketch: Tally,
}

/// What a removal leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Removal {
    /// The cell is right.
    Done,
    /// The cell must be recounted from the record of truth before anyone reads it.
    NeedsRecount,
}

impl Cell {
    pub fn add(&mut self, rules: &Rules, score: f64) {
        if self.count == 0 {
            (self.minimum, self.maximum) = (score, score);
        }
        if score < self.minimum {
            (self.minimum, self.minimum_count) = (score, 0);
        }
        if score > self.maximum {
            (self.maximum, self.maximum_count) = (score, 0);
        }
        self.minimum_count += u64::from(score == self.minimum);
        self.maximum_count += u64::from(score == self.maximum);
        self.count += 1;
        self.meeting_goal += u64::from(rules.meets_goal(score));
        self.sum = self.sum + DoubleDouble::from(score);
        self.squares = self.squares + DoubleDouble::square_of(score);
        self.histogram.add(rules.bucket_of(score), 1);
        if rules.kpi_type != KpiType::Boolean {
            self.sketch.add(sketch_index(score), 1);
        }
    }

    /// Takes out a score that was added under the same rules.
    pub fn remove(&mut self, rules: &Rules, score: f64) -> Removal {
        let known = self.count > 0
            && score >= self.minimum
            && score <= self.maximum
            && self.histogram.remove(rules.bucket_of(score))
            && (rules.kpi_type == KpiType::Boolean || self.sketch.remove(sketch_index(score)));
        if !known {
            return Removal::NeedsRecount;
        }
        if self.count == 1 {
            *self = Self::default();
            return Removal::Done;
        }
        self.count -= 1;
        self.meeting_goal = self.meeting_goal.saturating_sub(u64::from(rules.meets_goal(score)));
        self.sum = self.sum - DoubleDouble::from(score);
        self.squares = self.squares - DoubleDouble::square_of(score);
        self.minimum_count = self.minimum_count.saturating_sub(u64::from(score == self.minimum));
        self.maximum_count = self.maximum_count.saturating_sub(u64::from(score == self.maximum));
        if self.minimum_count > 0 && self.maximum_count > 0 {
            return Removal::Done;
        }
        if rules.kpi_type == KpiType::Boolean {
            *self = Self::boolean(self.histogram.count_at(0), self.histogram.count_at(1), rules);
            return Removal::Done;
        }
        Removal::NeedsRecount
    }

    /// The cell of a boolean KPI with these counts.
    pub fn boolean(false_count: u64, true_count: u64, rules: &Rules) -> Self {
        let mut histogram = Tally::default();
        if false_count > 0 {
            histogram.add(0, false_count);
        }
        if true_count > 0 {
            histogram.add(1, true_count);
        }
        let meets = |score: f64, count: u64| if rules.meets_goal(score) { count } else { 0 };
        let only_true = false_count == 0 && true_count > 0;
        let any_true = true_count > 0;
        #[allow(clippy::cast_precision_loss)] // counts < 2^53
        let trues = DoubleDouble::from(true_count as f64);
        Self {
            count: false_count.saturating_add(true_count),
            meeting_goal: meets(0.0, false_count).saturating_add(meets(1.0, true_count)),
            sum: trues,
            squares: trues,
            minimum: f64::from(u8::from(only_true)),
            minimum_count: if only_true { true_count } else { false_count },
            maximum: f64::from(u8::from(any_true)),
            maximum_count: if any_true { true_count } else { false_count },
            histogram,
            sketch: Tally::default(),
        }
    }

    /// Agrees with another count of the same scores: counts, extremes and buckets exactly, sums to rounding.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let close = |a: DoubleDouble, b: DoubleDouble, scale: f64| (a - b).to_f64().abs() <= 1e-12 * scale;
        let scale = self.minimum.abs().max(self.maximum.abs()).max(f64::MIN_POSITIVE);
        #[allow(clippy::cast_precision_loss)] // counts < 2^53
        let n = self.count as f64;
        self.count == other.count
            && (self.count == 0
                || (self.minimum == other.minimum
                    && self.minimum_count == other.minimum_count
                    && self.maximum == other.maximum
                    && self.maximum_count == other.maximum_count))
            && self.meeting_goal == other.meeting_goal
            && self.histogram == other.histogram
            && self.sketch == other.sketch
            && close(self.sum, other.sum, n * scale)
            && close(self.squares, other.squares, n * scale * scale)
    }
}

/// What many cells add up to, packed: a `CellSum` that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    pub moments: Moments,
    pub meeting_goal: u64,
    /// `None` without scores.
    pub extremes: Option<(f64, f64)>,
    pub histogram: Tally,
    pub sketch: Tally,
}

/// The sum of many cells, and the figures read from it.
#[derive(Debug, Default)]
pub struct CellSum {
    pub moments: Moments,
    pub meeting_goal: u64,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    histogram: TallySum,
    sketch: TallySum,
}

impl CellSum {
    pub fn add(&mut self, cell: &Cell) {
        if cell.count == 0 {
            return;
        }
        self.moments.add(cell);
        self.meeting_goal += cell.meeting_goal;
        self.widen(cell.minimum, cell.maximum);
        self.histogram.add(&cell.histogram);
        self.sketch.add(&cell.sketch);
    }

    pub fn add_total(&mut self, total: &Total) {
        self.moments = self.moments.plus(&total.moments);
        self.meeting_goal += total.meeting_goal;
        if let Some((minimum, maximum)) = total.extremes {
            self.widen(minimum, maximum);
        }
        self.histogram.add(&total.histogram);
        self.sketch.add(&total.sketch);
    }

    fn widen(&mut self, minimum: f64, maximum: f64) {
        self.minimum = Some(self.minimum.map_or(minimum, |m| m.min(minimum)));
        self.maximum = Some(self.maximum.map_or(maximum, |m| m.max(maximum)));
    }

    pub fn into_total(self) -> Total {
        Total {
            moments: self.moments,
            meeting_goal: self.meeting_goal,
            extremes: self.minimum.zip(self.maximum),
            histogram: self.histogram.into_tally(),
            sketch: self.sketch.into_tally(),
        }
    }

    /// The histogram and the sketch.
    pub fn into_tallies(self) -> (Tally, Tally) {
        (self.histogram.into_tally(), self.sketch.into_tally())
    }

    /// Mean, held within the extremes: a rounding must not put it outside.
    pub fn average(&self) -> Option<f64> {
        Some(self.moments.average()?.clamp(self.minimum?, self.maximum?))
    }

    /// Sample standard deviation (n − 1); `None` below 2 scores; exactly 0 when all scores are equal.
    pub fn standard_deviation(&self) -> Option<f64> {
        let deviation = self.moments.sample_variance()?.sqrt();
        Some(if self.minimum == self.maximum { 0.0 } else { deviation })
    }
}

/// Count, sum and sum of squares: all that an average and a deviation need.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    pub count: u64,
    pub sum: DoubleDouble,
    pub squares: DoubleDouble,
}

impl Moments {
    pub fn add(&mut self, cell: &Cell) {
        self.count += cell.count;
        self.sum = self.sum + cell.sum;
        self.squares = self.squares + cell.squares;
    }

    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    /// What remains of a whole without one of its parts. The rounding of the whole's sums stays in it.
    #[must_use]
    pub fn minus(&self, part: &Self) -> Self {
        Self {
            count: self.count.saturating_sub(part.count),
            sum: self.sum - part.sum,
            squares: self.squares - part.squares,
        }
    }

    pub fn average(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)] // counts < 2^53
        (self.count > 0).then(|| self.sum.divided_by(self.count as f64).to_f64())
    }

    /// `(Σx² − (Σx)²/n) / (n − 1)`, in 106 bits, so that it stands cancellation up to a spread of 1 around 1e12.
    pub fn sample_variance(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // counts < 2^53
        let n = self.count as f64;
        let centred = self.squares - self.sum.squared().divided_by(n);
        Some((centred.to_f64() / (n - 1.0)).max(0.0))
    }
}

/// Instances of one version, created in one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceCell {
    pub instances: u64,
    /// Those that hold at least one current score.
    pub reviewed: u64,
    /// Those that hold a current score of a KPI, by `kpi_no`.
    pub reviewed_by_kpi: Tally,
}

impl InstanceCell {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts an instance that holds scores of these KPIs (each named once).
    pub fn add(&mut self, kpis: &[i64]) {
        self.instances += 1;
        self.reviewed += u64::from(!kpis.is_empty());
        for kpi_no in kpis {
            self.reviewed_by_kpi.add(*kpi_no, 1);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.instances += other.instances;
        self.reviewed += other.reviewed;
        self.reviewed_by_kpi.merge(&other.reviewed_by_kpi);
    }

    /// Takes such an instance out. False if it can't have been in: then the cell must be recounted.
    #[must_use]
    pub fn remove(&mut self, kpis: &[i64]) -> bool {
        let mut consistent = self.instances > 0 && (kpis.is_empty() || self.reviewed > 0);
        self.instances = self.instances.saturating_sub(1);
        self.reviewed = self.reviewed.saturating_sub(u64::from(!kpis.is_empty()));
        for kpi_no in kpis {
            consistent &= self.reviewed_by_kpi.remove(*kpi_no);
        }
        consistent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::kpi::{Direction, default_bucket_width};
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn rules(kpi_type: KpiType) -> Rules {
        let goal = if kpi_type == KpiType::Number { 10.0 } else { 1.0 };
        Rules {
            kpi_type,
            goal,
            direction: Direction::HigherIsBetter,
            bucket_width: default_bucket_width(goal),
        }
    }

    fn count(rules: &Rules, scores: &[f64]) -> Cell {
        let mut cell = Cell::default();
        for score in scores {
            cell.add(rules, *score);
        }
        cell
    }

    fn sum(cells: &[&Cell]) -> CellSum {
        let mut sum = CellSum::default();
        for cell in cells {
            sum.add(cell);
        }
        sum
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * a.abs().max(b.abs())
    }

    #[test]
    fn a_spread_of_one_around_a_billion_keeps_its_deviation() {
        let scores: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 3) - 1.0).collect();
        let deviation = sum(&[&count(&rules(KpiType::Number), &scores)]).standard_deviation().unwrap();
        // Python: statistics.stdev(i % 3 - 1 for i in range(1000))
        assert!(close(deviation, 0.817_108_723_895_826_9, 1e-6), "{deviation}");
    }

    #[test]
    fn a_whole_without_a_part_is_the_other_part() {
        let r = rules(KpiType::Number);
        let part = |scores: &[f64]| sum(&[&count(&r, scores)]).moments;
        let (old, new) = (part(&[0.1, 1e15, -3.7]), part(&[0.3, 1e9 + 0.5]));
        assert_eq!(old.plus(&new).count, 5);
        let rest = old.plus(&new).minus(&old);
        assert_eq!(rest.count, 2);
        assert!(close(rest.average().unwrap(), 500_000_000.4, 1e-15));
        assert_eq!(old.minus(&old), Moments::default());
    }

    #[test]
    fn removing_the_last_extreme_asks_for_a_recount() {
        let r = rules(KpiType::Number);
        let mut cell = count(&r, &[1.0, 5.0, 5.0, 9.0]);
        assert_eq!(cell.remove(&r, 5.0), Removal::Done);
        assert_eq!(cell.remove(&r, 9.0), Removal::NeedsRecount);
        let mut tied = count(&r, &[1.0, 1.0, 5.0]);
        assert_eq!(tied.remove(&r, 1.0), Removal::Done);
        assert_eq!(tied, count(&r, &[1.0, 5.0]));
        let mut unknown = count(&r, &[1.0, 5.0]);
        assert_eq!(unknown.remove(&r, 3.0), Removal::NeedsRecount);
    }

    #[test]
    fn a_boolean_cell_never_needs_a_recount() {
        let r = rules(KpiType::Boolean);
        let mut cell = count(&r, &[1.0, 0.0, 0.0]);
        assert_eq!(cell.remove(&r, 1.0), Removal::Done);
        assert_eq!(cell, count(&r, &[0.0, 0.0]));
        assert_eq!(cell, Cell::boolean(2, 0, &r));
    }

    fn any_type() -> impl Strategy<Value = KpiType> {
        prop_oneof![
            Just(KpiType::Boolean),
            Just(KpiType::Number),
            Just(KpiType::Percentage),
            Just(KpiType::Likert5),
            Just(KpiType::Likert10)
        ]
    }

    fn score_of(kpi_type: KpiType, seed: u32) -> f64 {
        let unit = f64::from(seed % 1000) / 999.0;
        match kpi_type {
            KpiType::Boolean => f64::from(seed % 2),
            KpiType::Percentage => unit,
            KpiType::Number if seed.is_multiple_of(17) => 1e15 * (unit - 0.5),
            KpiType::Number => 200.0 * unit - 100.0,
            KpiType::Likert5 => 1.0 + 4.0 * unit,
            KpiType::Likert7 => 1.0 + 6.0 * unit,
            KpiType::Likert10 => f64::from(1 + seed % 10),
        }
    }

    fn assert_same(a: CellSum, b: CellSum) -> Result<(), TestCaseError> {
        prop_assert_eq!(a.moments.count, b.moments.count);
        prop_assert_eq!(a.meeting_goal, b.meeting_goal);
        prop_assert_eq!((a.minimum, a.maximum), (b.minimum, b.maximum));
        match (a.average(), b.average()) {
            (Some(x), Some(y)) => prop_assert!(close(x, y, 1e-9), "{} {}", x, y),
            (x, y) => prop_assert_eq!(x, y),
        }
        match (a.standard_deviation(), b.standard_deviation()) {
            (Some(x), Some(y)) => prop_assert!(close(x, y, 1e-6), "{} {}", x, y),
            (x, y) => prop_assert_eq!(x, y),
        }
        prop_assert_eq!(a.into_tallies(), b.into_tallies());
        Ok(())
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(
            kpi_type in any_type(),
            parts in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..30), 3),
        ) {
            let r = rules(kpi_type);
            let cells: Vec<Cell> = parts.iter().map(|seeds| {
                let scores: Vec<f64> = seeds.iter().map(|s| score_of(kpi_type, *s)).collect();
                count(&r, &scores)
            }).collect();
            let all: Vec<f64> = parts.iter().flatten().map(|s| score_of(kpi_type, *s)).collect();
            let whole = || sum(&[&count(&r, &all)]);
            assert_same(sum(&[&cells[0], &cells[1], &cells[2]]), whole())?;
            assert_same(sum(&[&cells[2], &cells[0], &cells[1]]), whole())?;
            assert_same(sum(&[&cells[1], &cells[2], &cells[0]]), whole())?;
        }

        #[test]
        fn any_sequence_of_set_replace_and_clear_equals_a_recount(
            kpi_type in any_type(),
            steps in proptest::collection::vec((0u32..12, proptest::option::weighted(0.75, any::<u32>())), 1..200),
        ) {
            let r = rules(kpi_type);
            let mut truth: HashMap<u32, f64> = HashMap::new();
            let mut cell = Cell::default();
            for (instance, seed) in steps {
                let old = truth.remove(&instance);
                let mut recount = false;
                if let Some(old) = old {
                    recount = cell.remove(&r, old) == Removal::NeedsRecount;
                }
                if let Some(seed) = seed {
                    truth.insert(instance, score_of(kpi_type, seed));
                    if !recount {
                        cell.add(&r, score_of(kpi_type, seed));
                    }
                }
                let scores: Vec<f64> = truth.values().copied().collect();
                if recount {
                    cell = count(&r, &scores);
                }
                prop_assert!(cell.agrees_with(&count(&r, &scores)), "{:?} for {:?}", cell, scores);
            }
        }
    }
}
