//! Whether the averages of a series rise or fall over its buckets, and by how much: the Mann–Kendall test for the first, the
//! Theil–Sen slope for the second. Neither asks for a normal distribution or a straight line, and an outlier does little
//! harm. Both take the buckets as independent; the daily or weekly rhythm of a KPI is not taken out (see `seasonality`).
//!
//! Sources: H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945); M. G. Kendall, "Rank correlation methods"
//! (1975), with the variance for ties; for the line, W. J. Conover, "Practical nonparametric statistics" (1980).

use super::distributions::normal_two_sided_p;
use super::theil_sen::{median, sort_by_inversions, theil_sen_slope};
use crate::domain::kpi::Direction;
use serde::Serialize;

/// Fewer points cannot carry a verdict: the normal approximation of the test is bad, and one outlier decides.
pub const POINTS_MIN: usize = 8;

/// A trend is significant below this p-value.
pub const SIGNIFICANT_P: f64 = 0.05;

/// In the KPI's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrendVerdict {
    Improving,
    Degrading,
    Stable,
    InsufficientData,
}

/// How trends are tested and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrendMethod {
    MannKendallTheilSen,
}

/// The figures are `None` together when there are too few buckets; `change_percent` also where it would divide by 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Trend {
    pub verdict: TrendVerdict,
    pub method: TrendMethod,
    /// Kendall's τ of the averages against time (τ-a: S over the number of pairs), −1 to 1.
    pub tau: Option<f64>,
    /// Of no trend, two-sided.
    pub p_value: Option<f64>,
    /// In the KPI's unit per bucket.
    pub slope_per_bucket: Option<f64>,
    /// From the first to the last bucket on the Theil–Sen line, in percent of the magnitude of its first value.
    pub change_percent: Option<f64>,
    /// Buckets with a score.
    pub buckets: usize,
}

/// `points` are the buckets that have a score: the bucket's place in the whole series, strictly ascending, and its average.
pub fn trend(points: &[(u64, f64)], direction: Direction) -> Trend {
    let nothing = Trend {
        verdict: TrendVerdict::InsufficientData,
        method: TrendMethod::MannKendallTheilSen,
        tau: None,
        p_value: None,
        slope_per_bucket: None,
        change_percent: None,
        buckets: points.len(),
    };
    if points.len() < POINTS_MIN {
        return nothing;
    }
    let Some(slope) = theil_sen_slope(points) else { return nothing };
    let test = mann_kendall(points.iter().map(|point| point.1));
    let verdict = match (test.p_value < SIGNIFICANT_P, test.score > 0, direction) {
        (false, _, _) => TrendVerdict::Stable,
        (true, true, Direction::HigherIsBetter) | (true, false, Direction::LowerIsBetter) => {
            TrendVerdict::Improving
        }
        (true, _, _) => TrendVerdict::Degrading,
    };
    Trend {
        verdict,
        tau: Some(test.tau),
        p_value: Some(test.p_value),
        slope_per_bucket: Some(slope),
        change_percent: change_percent(points, slope),
        ..nothing
    }
}

struct MannKendall {
    /// S: pairs that rise less pairs that fall.
    score: i64,
    tau: f64,
    p_value: f64,
}

/// With t the sizes of groups of equal values, and n ≥ 2:
/// Var S = (n(n − 1)(2n + 5) − Σ t(t − 1)(2t + 5)) / 18, z = (S ∓ 1)/√Var S.
#[allow(clippy::cast_precision_loss)] // exact up to 100,000 values
fn mann_kendall(values: impl Iterator<Item = f64>) -> MannKendall {
    let mut values: Vec<f64> = values.map(|value| value + 0.0).collect(); // -0 is 0
    let mut falling = 0_i64;
    sort_by_inversions(&mut values, &|b, a| b < a, &mut |_, passed| falling += passed.len() as i64);
    let pairs_of = |n: i64| n * (n - 1) / 2;
    let spread_of = |n: i64| n as f64 * (n - 1) as f64 * (2 * n + 5) as f64;
    let n = values.len() as i64;
    let ties = || values.chunk_by(|a, b| a == b).map(|equal| equal.len() as i64);
    let tied: i64 = ties().map(pairs_of).sum();
    let score = pairs_of(n) - tied - 2 * falling;
    let variance = (spread_of(n) - ties().map(spread_of).sum::<f64>()) / 18.0;
    let z = if score == 0 { 0.0 } else { (score - score.signum()) as f64 / variance.sqrt() };
    MannKendall { score, tau: score as f64 / pairs_of(n) as f64, p_value: normal_two_sided_p(z) }
}

/// The line goes through (median x, median y). `None` where it begins at 0, as far as rounding lets tell.
#[allow(clippy::cast_precision_loss)] // places < 2^53
fn change_percent(points: &[(u64, f64)], slope: f64) -> Option<f64> {
    let first = points.first()?.0 as f64;
    let last = points.last()?.0 as f64;
    let mut places: Vec<f64> = points.iter().map(|point| point.0 as f64).collect();
    let mut averages: Vec<f64> = points.iter().map(|point| point.1).collect();
    let (middle, rise) = (median(&mut averages)?, slope * (first - median(&mut places)?));
    let start = (middle + rise).abs();
    let change = 100.0 * slope * (last - first) / start;
    (change.is_finite() && start > 1e-14 * middle.abs()).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// S, τ, p, slope, change in percent.
    type Figures = (i64, f64, f64, f64, Option<f64>);

    fn check(name: &str, series: &[Option<f64>], verdict: TrendVerdict, expect: Figures) {
        let points: Vec<(u64, f64)> =
            series.iter().enumerate().filter_map(|(place, y)| y.map(|y| (place as u64, y))).collect();
        let close = |found: Option<f64>, expect: f64| {
            let found = found.unwrap();
            assert!(
                (found - expect).abs() <= 1e-9 * expect.abs().max(1e-3 * f64::from(u8::from(expect == 0.0))),
                "{name}: {found} is not {expect}"
            );
        };
        let (score, tau, p, slope, change) = expect;
        let found = trend(&points, Direction::HigherIsBetter);
        assert_eq!(mann_kendall(points.iter().map(|point| point.1)).score, score, "{name}");
        close(found.tau, tau);
        close(found.p_value, p);
        close(found.slope_per_bucket, slope);
        assert_eq!(found.change_percent.is_some(), change.is_some(), "{name}");
        close(found.change_percent.or(Some(0.0)), change.unwrap_or(0.0));
        assert_eq!(found.verdict, verdict, "{name}");
        assert_eq!(found.buckets, points.len());
        let opposite = match verdict {
            TrendVerdict::Improving => TrendVerdict::Degrading,
            TrendVerdict::Degrading => TrendVerdict::Improving,
            same => same,
        };
        assert_eq!(trend(&points, Direction::LowerIsBetter).verdict, opposite, "{name}");
    }

    /// Expected: `r = pymannkendall.original_test(series)`: `r.s, r.Tau, r.p, r.slope`, and with `first` and `last` the places
    /// of the first and last that isn't NaN: `100 * r.slope * (last - first) / abs(r.intercept + r.slope * first)`.
    #[test]
    fn figures_agree_with_pymannkendall() {
        use TrendVerdict::*;
        let all = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        check(
            "rising",
            &all(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
            Improving,
            (28, 1.0, 0.0008366271311193163, 1.0, Some(700.0)),
        );
        check(
            "noisy",
            &all(&[0.61, 0.58, 0.64, 0.6, 0.66, 0.63, 0.7, 0.65, 0.71, 0.69]),
            Improving,
            (27, 0.6, 0.020044668622627437, 0.012499999999999997, Some(19.108280254777068)),
        );
        check(
            "tied",
            &all(&[3.0, 3.0, 2.0, 4.0, 3.0, 3.0, 5.0, 4.0, 4.0, 5.0, 3.0, 5.0]),
            Improving,
            (28, 0.42424242424242425, 0.04933383027516314, 0.16666666666666666, Some(70.96774193548386)),
        );
        check(
            "gaps",
            &[
                Some(5.1),
                None,
                Some(4.8),
                None,
                None,
                Some(4.9),
                Some(4.2),
                Some(4.4),
                None,
                Some(3.9),
                Some(4.0),
                Some(3.1),
                None,
                None,
                None,
                None,
                Some(2.9),
            ],
            Degrading,
            (-30, -0.8333333333333334, 0.0024990288576112185, -0.14642857142857138, Some(-44.83937115516062)),
        );
        check(
            "flat",
            &all(&[0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]),
            Stable,
            (0, 0.0, 1.0, 0.0, Some(0.0)),
        );
        check(
            "zero score",
            &all(&[1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0]),
            Stable,
            (0, 0.0, 1.0, 0.0, Some(0.0)),
        );
        check(
            "huge",
            &all(&[
                1000000000000000.0,
                999997000000000.0,
                999999000000000.0,
                999993000000000.0,
                999995000000000.0,
                999991000000000.0,
                999992000000000.0,
                999980000000000.0,
                999990000000000.0,
            ]),
            Degrading,
            (-28, -0.7777777777777778, 0.004878564475033542, -1500000000.0, Some(-0.0012000012000012)),
        );
        check(
            "tiny",
            &all(&[1e-12, 2e-12, 1.5e-12, 3e-12, 2.5e-12, 1e-11, 1.1e-11, 9e-12]),
            Improving,
            (20, 0.7142857142857143, 0.018741136789596657, 1.3333333333333332e-12, Some(486.9565217391306)),
        );
        check(
            "billion",
            &all(&[
                999999999.0,
                1000000000.0,
                1000000001.0,
                1000000000.0,
                1000000001.0,
                1000000000.0,
                999999999.0,
                1000000001.0,
                1000000001.0,
                1000000000.0,
                1000000001.0,
            ]),
            Stable,
            (14, 0.2545454545454545, 0.269606104568209, 0.0, Some(0.0)),
        );
        check(
            "negative",
            &all(&[-4.0, -3.5, -3.9, -3.2, -3.1, -3.3, -2.0, -2.5, -2.2, -1.0]),
            Improving,
            (35, 0.7777777777777778, 0.002357527595795439, 0.27999999999999997, Some(57.14285714285713)),
        );
        check(
            "boolean",
            &all(&[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
            Stable,
            (30, 0.32967032967032966, 0.06121463495460189, 0.0, Some(0.0)),
        );
    }

    #[test]
    fn seven_buckets_are_too_few() {
        let points: Vec<(u64, f64)> = (0..7).map(|x| (x, x as f64)).collect();
        let text = serde_json::to_string(&trend(&points, Direction::HigherIsBetter)).unwrap();
        assert_eq!(
            text,
            r#"{"verdict":"insufficient_data","method":"mann_kendall_theil_sen","tau":null,"p_value":null,"slope_per_bucket":null,"change_percent":null,"buckets":7}"#
        );
        assert_eq!(trend(&[], Direction::HigherIsBetter).buckets, 0);
    }

    #[test]
    fn a_line_that_begins_at_zero_has_no_change_in_percent() {
        let points: Vec<(u64, f64)> = (0..8).map(|x| (x, x as f64)).collect();
        let found = trend(&points, Direction::HigherIsBetter);
        assert_eq!((found.change_percent, found.slope_per_bucket), (None, Some(1.0)));
        assert_eq!(found.verdict, TrendVerdict::Improving);
    }

    proptest! {
        #[test]
        fn the_score_is_that_of_all_pairs(values in proptest::collection::vec(-4i32..5, 2..80)) {
            let mut score = 0;
            for (j, b) in values.iter().enumerate() {
                score += values.iter().take(j).map(|a| i64::from((b - a).signum())).sum::<i64>();
            }
            let found = mann_kendall(values.iter().map(|v| f64::from(*v) / 3.0));
            prop_assert_eq!(found.score, score);
            prop_assert!((0.0..=1.0).contains(&found.p_value) && found.tau.abs() <= 1.0);
        }
    }
}
