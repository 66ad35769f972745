//! The Theil–Sen slope: the median of the slopes between all pairs of points. Up to a thousand points the slopes are simply
//! listed; beyond, their median is found by counting, in n log n steps and without n² memory. Whether there is a trend at all
//! is not asked here.
//!
//! Sources: H. Theil, "A rank-invariant method of linear and polynomial regression analysis" (1950); P. K. Sen, "Estimates of
//! the regression coefficient based on Kendall's tau", JASA 63 (1968). Selection by counting inversions: R. Cole,
//! J. S. Salowe, W. L. Steiger, E. Szemerédi, "An optimal-time algorithm for slope selection", SIAM J. Comput. 18 (1989).

use crate::domain::double_double::DoubleDouble;
use std::cmp::Reverse;

/// Slopes that are listed at once: 4 MB.
const LISTED_SLOPES_MAX: u64 = 500_000;

/// Median of (yⱼ − yᵢ)/(xⱼ − xᵢ) over all pairs; with an even number of them the mean of the middle two. `None` below 2 points.
///
/// `points` are (x, y) with strictly ascending x below 2⁵³, and y of magnitude up to 1e100. Exact up to the rounding of the
/// slopes, that is 2 units in the last place.
pub fn theil_sen_slope(points: &[(u64, f64)]) -> Option<f64> {
    median_slope(points, LISTED_SLOPES_MAX)
}

/// The middle value, or the mean of the two in the middle. `None` if there are none.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (lower, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    lower.iter().copied().max_by(f64::total_cmp).map(|lower| mean_of_two(lower, upper))
}

/// Sorts, and tells of every value `b` the values before it (`a` earlier, `overtakes(b, a)`) that it has to pass on the way:
/// each inversion is visited once. Merge sort.
pub(super) fn sort_by_inversions<T: Copy>(
    values: &mut [T],
    overtakes: &impl Fn(&T, &T) -> bool,
    visit: &mut impl FnMut(&T, &[T]),
) {
    if values.len() < 2 {
        return;
    }
    let mut merged = Vec::with_capacity(values.len());
    let (left, right) = values.split_at_mut(values.len() / 2);
    sort_by_inversions(left, overtakes, visit);
    sort_by_inversions(right, overtakes, visit);
    let (mut left, mut right) = (&*left, &*right);
    while let (Some((a, after_a)), Some((b, after_b))) = (left.split_first(), right.split_first()) {
        if overtakes(b, a) {
            visit(b, left);
            merged.push(*b);
            right = after_b;
        } else {
            merged.push(*a);
            left = after_a;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    values.copy_from_slice(&merged);
}

fn median_slope(points: &[(u64, f64)], listed_max: u64) -> Option<f64> {
    let count = points.len() as u64;
    let pairs = count * count.saturating_sub(1) / 2;
    if pairs <= listed_max {
        return median(&mut all_slopes(points));
    }
    let rank = pairs / 2 + 1;
    let bracket = bracket(points, rank, listed_max)?;
    let mut slopes = bracket.slopes(points, listed_max);
    let upper = bracket.slope(&mut slopes, rank);
    if pairs % 2 == 1 {
        return Some(upper);
    }
    let lower = if rank - 1 > bracket.pairs_to_low {
        bracket.slope(&mut slopes, rank - 1)
    } else {
        slope_of_rank(points, rank - 1, listed_max)?
    };
    Some(mean_of_two(lower, upper))
}

fn mean_of_two(a: f64, b: f64) -> f64 {
    if a == b { a } else { a / 2.0 + b / 2.0 }
}

fn all_slopes(points: &[(u64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    let mut rest = points;
    while let Some((first, after)) = rest.split_first() {
        slopes.extend(after.iter().map(|second| slope_between(*first, *second)));
        rest = after;
    }
    slopes
}

fn slope_between(a: (u64, f64), b: (u64, f64)) -> f64 {
    let (a, b) = if a.0 < b.0 { (a, b) } else { (b, a) };
    #[allow(clippy::cast_precision_loss)] // places < 2^53
    let distance = (b.0 - a.0) as f64;
    (b.1 - a.1) / distance
}

/// The slope that has `rank` (from 1) among those of all pairs in ascending order. `None` without points.
fn slope_of_rank(points: &[(u64, f64)], rank: u64, listed_max: u64) -> Option<f64> {
    let bracket = bracket(points, rank, listed_max)?;
    Some(bracket.slope(&mut bracket.slopes(points, listed_max), rank))
}

/// `(low, high]` holds the slope that is looked for, and either few enough pairs to list, or no number but `high`.
struct Bracket {
    low: f64,
    high: f64,
    pairs_to_low: u64,
    pairs_to_high: u64,
}

impl Bracket {
    /// Those in it; none if there are too many, all the same.
    fn slopes(&self, points: &[(u64, f64)], listed_max: u64) -> Vec<f64> {
        let few = self.pairs_to_high - self.pairs_to_low <= listed_max;
        if few { slopes_in(points, self.low, self.high) } else { Vec::new() }
    }

    fn slope(&self, slopes: &mut [f64], rank: u64) -> f64 {
        let place = usize::try_from(rank - self.pairs_to_low - 1).unwrap_or(usize::MAX);
        let slope = if place < slopes.len() {
            *slopes.select_nth_unstable_by(place, f64::total_cmp).1
        } else {
            self.high
        };
        slope + 0.0 // not -0
    }
}

/// Bisection by counting. `None` without points.
fn bracket(points: &[(u64, f64)], rank: u64, listed_max: u64) -> Option<Bracket> {
    let values = || points.iter().map(|point| point.1);
    // No slope is steeper than the whole range within one step.
    let steepest = values().max_by(f64::total_cmp)? - values().min_by(f64::total_cmp)?;
    let count = points.len() as u64;
    let (mut low, mut pairs_to_low) = ((-steepest).next_down(), 0);
    let (mut high, mut pairs_to_high) = (steepest, count * (count - 1) / 2);
    let mut guesses = guesses(points, rank, pairs_to_high).into_iter();
    let mut arithmetic = true;
    while pairs_to_high - pairs_to_low > listed_max && low.next_up() < high {
        let halfway = from_order(order(low).midpoint(order(high)));
        // Halving the values is fast where slopes are evenly spread, halving their bits always comes to an end.
        let middle = guesses.next().unwrap_or(if arithmetic { mean_of_two(low, high) } else { halfway });
        let middle = if low < middle && middle < high { middle } else { halfway };
        arithmetic = !arithmetic;
        let pairs = pairs_up_to(points, middle);
        if pairs < rank {
            (low, pairs_to_low) = (middle, pairs);
        } else {
            (high, pairs_to_high) = (middle, pairs);
        }
    }
    Some(Bracket { low, high, pairs_to_low, pairs_to_high })
}

/// From a sample of pairs, the bisection's first guesses: two slopes between which the one of this rank should be, and, as many
/// pairs may have just that slope, the most likely one with the number before it.
fn guesses(points: &[(u64, f64)], rank: u64, pairs: u64) -> Vec<f64> {
    let len = points.len();
    let partners = [(7919, 1), (104_729, 2)]; // primes, to spread the pairs
    let partner =
        |place: usize, (factor, start)| points.get(place.wrapping_mul(factor).wrapping_add(start) % len);
    let mut sample: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(place, a)| partners.iter().filter_map(move |p| Some((*a, *partner(place, *p)?))))
        .filter(|(a, b)| a.0 != b.0)
        .map(|(a, b)| slope_between(a, b))
        .collect();
    sample.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = |deviations: f64| {
        let size = sample.len() as f64;
        let place = size * (rank as f64 / pairs as f64) + deviations * 0.5 * size.sqrt();
        sample.get(place.max(0.0) as usize).copied()
    };
    [at(-4.0), at(4.0), at(0.0), at(0.0).map(f64::next_down)].into_iter().flatten().collect()
}

/// Pairs with a slope of at most `slope`: those whose residuals y − slope·x do not rise.
fn pairs_up_to(points: &[(u64, f64)], slope: f64) -> u64 {
    let mut residuals: Vec<DoubleDouble> = points.iter().map(|point| residual(*point, slope)).collect();
    let mut pairs = 0;
    sort_by_inversions(&mut residuals, &|b, a| b.total_cmp(a).is_le(), &mut |_, passed| {
        pairs += passed.len() as u64;
    });
    pairs
}

/// The slopes in `(low, high]`: of the pairs whose residuals are in another order at `low` than at `high`.
fn slopes_in(points: &[(u64, f64)], low: f64, high: f64) -> Vec<f64> {
    // Of equal residuals the later point comes first: so a slope of exactly `low` is out, one of exactly `high` is in.
    let compare = |a: &(u64, f64), b: &(u64, f64), slope: f64| {
        residual(*a, slope).total_cmp(&residual(*b, slope)).then_with(|| Reverse(a.0).cmp(&Reverse(b.0)))
    };
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| compare(a, b, low));
    let mut slopes = Vec::new();
    sort_by_inversions(&mut sorted, &|b, a| compare(b, a, high).is_lt(), &mut |b, passed| {
        slopes.extend(passed.iter().map(|a| slope_between(*a, *b)));
    });
    slopes
}

/// In 106 bits, so that points on one line have the same.
fn residual((x, y): (u64, f64), slope: f64) -> DoubleDouble {
    #[allow(clippy::cast_precision_loss)] // places < 2^53
    let x = x as f64;
    DoubleDouble::from(y) - DoubleDouble::product_of(slope, x)
}

/// The place of a number among all doubles.
fn order(value: f64) -> i64 {
    turn(value.to_bits().cast_signed())
}

fn from_order(place: i64) -> f64 {
    f64::from_bits(turn(place).cast_unsigned())
}

/// Negative doubles ascend the other way around. Its own inverse.
fn turn(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn assert_same(a: f64, b: f64) {
        assert!((a - b).abs() <= 4.0 * f64::EPSILON * a.abs().max(b.abs()), "{a} is not {b}");
    }

    /// numpy: `np.median([(y[j] - y[i]) / (x[j] - x[i]) for i in range(n) for j in range(i + 1, n)])`
    #[test]
    fn few_points() {
        assert_eq!(theil_sen_slope(&[]), None);
        assert_eq!(theil_sen_slope(&[(3, 1.0)]), None);
        assert_eq!(theil_sen_slope(&[(3, 1.0), (5, 2.0)]), Some(0.5));
        assert_eq!(theil_sen_slope(&[(0, 1.0), (1, 2.0), (5, 0.0)]), Some(-0.2));
        assert_eq!(
            theil_sen_slope(&[(0, 1.0), (1, 4.0), (2, 2.0), (7, 3.5)]),
            Some(0.328_571_428_571_428_57)
        );
    }

    #[test]
    fn thousands_of_points_are_as_if_all_slopes_were_listed() {
        let mut random = StdRng::seed_from_u64(1);
        for round in 0..4 {
            let points: Vec<(u64, f64)> = (0..1500)
                .filter(|_| random.random_bool(0.8))
                .map(|x| (x, x as f64))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|(x, trend)| {
                    let y = match round {
                        0 => 1e-3 * trend + random.random::<f64>(),
                        1 => random.random_range(1..=5) as f64,
                        2 => 1e9 + random.random::<f64>() - 1e-4 * trend,
                        _ => f64::from(u8::from(random.random_bool(0.99))),
                    };
                    (x, y)
                })
                .collect();
            assert!(points.len() > 1001);
            let listed = median(&mut all_slopes(&points)).unwrap();
            assert_same(theil_sen_slope(&points).unwrap(), listed);
        }
    }

    #[test]
    fn points_on_a_line_have_its_slope() {
        let points: Vec<(u64, f64)> = (0..3000).map(|x| (x * 3, 7.0 - 0.25 * (x * 3) as f64)).collect();
        assert_eq!(theil_sen_slope(&points), Some(-0.25));
        let flat: Vec<(u64, f64)> = (0..3000).map(|x| (x, 0.1)).collect();
        assert_eq!(theil_sen_slope(&flat), Some(0.0));
    }

    fn any_points() -> impl Strategy<Value = Vec<(u64, f64)>> {
        let value = prop_oneof![
            -10.0f64..10.0,
            (1i32..6).prop_map(f64::from),
            (0i32..100).prop_map(|v| 1e9 + f64::from(v) / 7.0),
            Just(1e15),
            Just(-0.0),
            Just(0.1),
        ];
        proptest::collection::vec((1u64..4, value), 2..40).prop_map(|steps| {
            let mut x = 0;
            steps
                .into_iter()
                .map(|(step, y)| {
                    x += step;
                    (x, y)
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn counting_finds_what_listing_finds(points in any_points(), listed_max in prop::sample::select(vec![0, 1, 10, 100])) {
            let listed = median(&mut all_slopes(&points)).unwrap();
            let counted = median_slope(&points, listed_max).unwrap();
            let scale = listed.abs().max(counted.abs());
            // Where the middle two cancel, their rounding shows.
            let slack = all_slopes(&points).len().is_multiple_of(2);
            let middle = if slack { slope_of_rank(&points, (all_slopes(&points).len() / 2) as u64, 0).unwrap().abs() } else { 0.0 };
            prop_assert!((listed - counted).abs() <= 4.0 * f64::EPSILON * scale.max(middle), "{} {}", listed, counted);
        }

        #[test]
        fn every_inversion_is_visited_once(values in proptest::collection::vec(0i32..20, 0..60)) {
            let expect = (0..values.len())
                .flat_map(|j| (0..j).map(move |i| (i, j)))
                .filter(|(i, j)| values[*j] < values[*i])
                .count();
            let mut sorted = values.clone();
            let mut found = 0;
            sort_by_inversions(&mut sorted, &|b, a| b < a, &mut |b, passed| {
                assert!(passed.iter().all(|a| b < a));
                found += passed.len();
            });
            prop_assert_eq!(found, expect);
            prop_assert!(sorted.is_sorted());
        }
    }
}
