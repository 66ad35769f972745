//! Statistics over aggregates: whether a series has a trend, whether a KPI depends on the hour or the weekday, whether two
//! sets of scores differ. All of it works on moments and averages, never on single scores; which cells go into them, and
//! what is shown of the results, is the caller's. `docs/STATISTICS.md` says when not to trust a figure.

pub mod comparison;
pub mod distributions;
pub mod intervals;
pub mod seasonality;
pub mod theil_sen;
pub mod trend;

use super::cell::Moments;
use super::double_double::DoubleDouble;

/// The level of significance unless a caller asks for another.
pub const DEFAULT_ALPHA: f64 = 0.05;

#[cfg(test)]
mod calibration;

/// Sum of squared deviations from the mean, Σx² − (Σx)²/n; exactly 0 where it cannot be told from rounding.
fn squared_deviations(moments: &Moments) -> f64 {
    let mean_part = moments.sum.squared().divided_by(count_of(moments).max(1.0));
    beyond_rounding(moments.squares - mean_part, moments)
}

/// A sum of squares, or 0 where it is no larger than what the sums may have lost.
///
/// An addition in pairs of doubles is right to 3·2⁻¹⁰⁶ = 4e-32 (M. Joldes, J.-M. Muller, V. Popescu, "Tight and rigorous error
/// bounds for basic building blocks of double-word arithmetic", ACM TOMS 44, 2017), so n of them, and the mean's part, to
/// n·1.2e-31 of Σx². The threshold is n·1e-30·Σx²: in terms of a variance about n·1e-30 of the mean's square. It takes a
/// spread of 1 around 1e9 for real up to 1e12 scores, and one around 1e12 up to 1e6.
fn beyond_rounding(squares: DoubleDouble, whole: &Moments) -> f64 {
    let squares = squares.to_f64();
    if squares <= 1e-30 * count_of(whole) * whole.squares.to_f64() { 0.0 } else { squares }
}

#[allow(clippy::cast_precision_loss)] // counts < 2^53
fn count_of(moments: &Moments) -> f64 {
    moments.count as f64
}

#[cfg(test)]
fn moments_of(scores: &[f64]) -> Moments {
    scores.iter().fold(Moments::default(), |sum, score| {
        sum.plus(&Moments {
            count: 1,
            sum: DoubleDouble::from(*score),
            squares: DoubleDouble::square_of(*score),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_have_no_deviation_and_close_ones_do() {
        for constant in [0.1, 1.0 / 3.0, 0.7, 1e9 + 1.0 / 3.0, 1e15 / 7.0, 1e-9, 0.0] {
            for count in [1, 2, 3, 7, 1000, 12_345] {
                assert_eq!(
                    squared_deviations(&moments_of(&vec![constant; count])),
                    0.0,
                    "{count} of {constant}"
                );
            }
        }
        for centre in [1.0, 1e9, 1e12] {
            let scores: Vec<f64> = (0..999).map(|i| centre + f64::from(i % 3) - 1.0).collect();
            assert!((squared_deviations(&moments_of(&scores)) - 666.0).abs() < 1e-6);
        }
    }
}
