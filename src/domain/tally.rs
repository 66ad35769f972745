//! Counts by integer index: the histogram of a cell, and the sketch from which percentiles are read.
//! `Tally` is small and sorted, for cells; `TallySum` adds up many of them fast.
//!
//! The sketch is DDSketch: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", PVLDB 12 (2019). Every value falls into the bucket (γ^(i−1), γ^i], whose middle is within α of
//! it; buckets are counted exactly, so that a score that goes leaves the sketch as it was.

use std::collections::BTreeMap;

/// Relative accuracy of a percentile. The contract promises 1%; the difference covers rounding.
pub const SKETCH_ALPHA: f64 = 0.009;

/// Larger than the index of any positive double (ln(2^1024) / ln γ < 39,500; subnormals likewise).
const SKETCH_OFFSET: i64 = 1 << 17;

/// Sorted `(index, count)` pairs, no count 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub entries: Vec<(i64, u64)>,
}

impl Tally {
    pub fn add(&mut self, index: i64, count: u64) {
        match self.entries.binary_search_by_key(&index, |entry| entry.0) {
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    entry.1 += count;
                }
            }
            Err(at) => self.entries.insert(at, (index, count)),
        }
    }

    /// Takes one away. False if there was none: the tally and the scores have parted.
    #[must_use]
    pub fn remove(&mut self, index: i64) -> bool {
        let Ok(at) = self.entries.binary_search_by_key(&index, |entry| entry.0) else { return false };
        let Some(entry) = self.entries.get_mut(at) else { return false };
        entry.1 = entry.1.saturating_sub(1);
        if entry.1 == 0 {
            self.entries.remove(at);
        }
        true
    }

    pub fn count_at(&self, index: i64) -> u64 {
        self.entries
            .binary_search_by_key(&index, |entry| entry.0)
            .ok()
            .and_then(|at| self.entries.get(at))
            .map_or(0, |entry| entry.1)
    }

    pub fn total(&self) -> u64 {
        self.entries.iter().map(|entry| entry.1).sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (index, count) in &other.entries {
            self.add(*index, *count);
        }
    }
}

/// Adds up tallies. Neighbouring indexes live in one array; the few far out in a tree.
#[derive(Debug, Default)]
pub struct TallySum {
    base: i64,
    dense: Vec<u64>,
    sparse: BTreeMap<i64, u64>,
}

impl TallySum {
    /// Indexes on either side of the first one seen that are kept in the array.
    const REACH: i64 = 4096;

    pub fn add(&mut self, tally: &Tally) {
        for (index, count) in &tally.entries {
            self.add_one(*index, *count);
        }
    }

    fn add_one(&mut self, index: i64, count: u64) {
        if self.dense.is_empty() {
            self.base = index.saturating_sub(Self::REACH / 2);
            self.dense = vec![0; usize::try_from(Self::REACH).unwrap_or(0)];
        }
        let place = index.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
        match place.and_then(|at| self.dense.get_mut(at)) {
            Some(slot) => *slot += count,
            None => *self.sparse.entry(index).or_default() += count,
        }
    }

    pub fn into_tally(self) -> Tally {
        let mut all = self.sparse;
        for (index, count) in (self.base..).zip(self.dense) {
            if count > 0 {
                *all.entry(index).or_default() += count;
            }
        }
        Tally { entries: all.into_iter().collect() }
    }
}

/// The sketch's index of a value; the order of indexes is the order of values.
pub fn sketch_index(value: f64) -> i64 {
    if value == 0.0 {
        return 0;
    }
    #[allow(clippy::cast_possible_truncation)] // |index| < 2^17 for every finite double
    let magnitude = (value.abs().ln() / gamma().ln()).ceil() as i64 + SKETCH_OFFSET;
    if value > 0.0 { magnitude } else { -magnitude }
}

/// The value that stands for an index: within `SKETCH_ALPHA` of every value that has it.
pub fn sketch_value(index: i64) -> f64 {
    if index == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)] // small whole numbers
    let exponent = (index.abs() - SKETCH_OFFSET) as f64;
    let magnitude = (exponent * gamma().ln()).exp() * 2.0 / (gamma() + 1.0);
    if index > 0 { magnitude } else { -magnitude }
}

/// The value at nearest rank `ceil(quantile · n)`; `None` for an empty sketch. `quantile` in (0, 1].
pub fn sketch_quantile(sketch: &Tally, quantile: f64) -> Option<f64> {
    index_at_rank(sketch, quantile).map(sketch_value)
}

/// The index in which the nearest rank `ceil(quantile · n)` lies.
pub fn index_at_rank(tally: &Tally, quantile: f64) -> Option<i64> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // counts < 2^53
    let rank = ((quantile * tally.total() as f64).ceil() as u64).max(1);
    let mut seen = 0;
    for (index, count) in &tally.entries {
        seen += count;
        if seen >= rank {
            return Some(*index);
        }
    }
    None
}

fn gamma() -> f64 {
    (1.0 + SKETCH_ALPHA) / (1.0 - SKETCH_ALPHA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_magnitude_is_within_one_percent() {
        for exponent in -300..16 {
            for mantissa in [1.0, 1.5, 2.7, 9.99] {
                for sign in [1.0, -1.0] {
                    let value: f64 = sign * mantissa * 10f64.powi(exponent);
                    let back = sketch_value(sketch_index(value));
                    assert!((back - value).abs() <= 0.01 * value.abs(), "{value} came back as {back}");
                }
            }
        }
        assert_eq!(sketch_value(sketch_index(0.0)), 0.0);
        assert_eq!(sketch_value(sketch_index(-0.0)), 0.0);
    }

    #[test]
    fn sums_reach_far_indexes() {
        let mut sum = TallySum::default();
        let far = Tally { entries: vec![(-(1 << 62), 1), (0, 2), (1 << 62, 3)] };
        sum.add(&far);
        sum.add(&far);
        assert_eq!(sum.into_tally().entries, vec![(-(1 << 62), 2), (0, 4), (1 << 62, 6)]);
    }

    proptest! {
        #[test]
        fn index_order_is_value_order(a in -1e15f64..1e15, b in -1e15f64..1e15) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(sketch_index(low) <= sketch_index(high));
        }

        #[test]
        fn quantiles_are_within_one_percent_of_the_nearest_rank(
            mut values in proptest::collection::vec(prop_oneof![-1e6f64..1e6, Just(0.0), 0f64..1e-6], 1..300),
            quantile in prop_oneof![Just(0.5), Just(0.9), Just(0.95), Just(0.99), Just(1.0)],
        ) {
            let mut sketch = Tally::default();
            for v in &values {
                sketch.add(sketch_index(*v), 1);
            }
            values.sort_by(f64::total_cmp);
            let rank = ((quantile * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let estimate = sketch_quantile(&sketch, quantile).unwrap();
            prop_assert!((estimate - exact).abs() <= 0.01 * exact.abs(), "{} for {}", estimate, exact);
        }

        #[test]
        fn a_sum_of_tallies_is_their_merge(parts in proptest::collection::vec(proptest::collection::vec((-9000i64..9000, 1u64..5), 0..20), 0..8)) {
            let mut merged = Tally::default();
            let mut sum = TallySum::default();
            for part in parts {
                let mut tally = Tally::default();
                for (index, count) in part {
                    tally.add(index, count);
                }
                merged.merge(&tally);
                sum.add(&tally);
            }
            prop_assert_eq!(sum.into_tally(), merged);
        }
    }
}
