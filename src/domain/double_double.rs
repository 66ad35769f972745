//! Sums that survive cancellation: an unevaluated pair of doubles, about 106 bits of significand.
//! Scores come and go (replaced, cleared, deleted); with plain doubles the rounding of every visit would stay behind.
//!
//! Source: T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971);
//! Y. Hida, X. S. Li, D. H. Bailey, "Algorithms for quad-double precision floating point arithmetic" (2001).

use std::cmp::Ordering;
use std::ops::{Add, Neg, Sub};

/// The value `high + low`, with `|low|` at most half a unit in the last place of `high`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleDouble {
    pub high: f64,
    pub low: f64,
}

impl DoubleDouble {
    pub const ZERO: Self = Self { high: 0.0, low: 0.0 };

    /// The exact square of `x`. Exact as long as `x²` neither overflows nor falls below 2⁻⁹⁶⁹.
    pub fn square_of(x: f64) -> Self {
        product(x, x)
    }

    /// The exact product of `a` and `b`, within the same limits.
    pub fn product_of(a: f64, b: f64) -> Self {
        product(a, b)
    }

    /// By value; NaN has a place, too.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        self.high.total_cmp(&other.high).then_with(|| self.low.total_cmp(&other.low))
    }

    pub fn to_f64(self) -> f64 {
        self.high + self.low
    }

    /// `self · self`, to about 104 bits.
    pub fn squared(self) -> Self {
        let main = product(self.high, self.high);
        let cross = 2.0 * self.high * self.low;
        quick_two_sum(main.high, main.low + cross)
    }

    /// `self / divisor`, to about 104 bits. `divisor` must not be 0.
    pub fn divided_by(self, divisor: f64) -> Self {
        let first = self.high / divisor;
        let rest = self - product(first, divisor);
        let second = rest.to_f64() / divisor;
        let rest = rest - product(second, divisor);
        let third = rest.to_f64() / divisor;
        quick_two_sum(first, second) + Self::from(third)
    }
}

impl From<f64> for DoubleDouble {
    fn from(x: f64) -> Self {
        Self { high: x, low: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let high = two_sum(self.high, other.high);
        let low = two_sum(self.low, other.low);
        let first = quick_two_sum(high.high, high.low + low.high);
        quick_two_sum(first.high, first.low + low.low)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

/// Knuth's two-sum: `a + b` exactly.
fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    let b_part = high - a;
    let low = (a - (high - b_part)) + (b - b_part);
    DoubleDouble { high, low }
}

/// Dekker's fast two-sum: `a + b` exactly, for `|a| >= |b|`.
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    DoubleDouble { high, low: b - (high - a) }
}

/// Dekker's product: `a · b` exactly (WebAssembly has no fused multiply-add).
fn product(a: f64, b: f64) -> DoubleDouble {
    let high = a * b;
    let (a_high, a_low) = split(a);
    let (b_high, b_low) = split(b);
    let low = ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low;
    DoubleDouble { high, low }
}

/// Veltkamp's split into two halves of 26 bits.
fn split(a: f64) -> (f64, f64) {
    const FACTOR: f64 = 134_217_729.0; // 2^27 + 1
    let t = FACTOR * a;
    let high = t - (t - a);
    (high, a - high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_that_dwarfs_the_rest_leaves_no_trace_when_it_goes() {
        let mut sum = DoubleDouble::ZERO;
        for x in [0.1, 1e15, 0.2] {
            sum = sum + DoubleDouble::from(x);
        }
        sum = sum - DoubleDouble::from(1e15);
        assert_eq!(sum.to_f64(), 0.1 + 0.2);
    }

    #[test]
    fn squares_are_exact() {
        // (2^53 - 1)^2 = 2^106 - 2^54 + 1
        let x = 9_007_199_254_740_991.0_f64;
        let square = DoubleDouble::square_of(x);
        assert_eq!(square.high, 2f64.powi(106) - 2f64.powi(54));
        assert_eq!(square.low, 1.0);
    }

    proptest! {
        #[test]
        fn integer_sums_and_squares_agree_with_wide_integers(values in proptest::collection::vec(-1_000_000_000i64..1_000_000_000, 0..200)) {
            let mut sum = DoubleDouble::ZERO;
            let mut squares = DoubleDouble::ZERO;
            for v in &values {
                sum = sum + DoubleDouble::from(*v as f64);
                squares = squares + DoubleDouble::square_of(*v as f64);
            }
            let exact: i128 = values.iter().map(|v| i128::from(*v)).sum();
            let exact_squares: i128 = values.iter().map(|v| i128::from(*v) * i128::from(*v)).sum();
            prop_assert_eq!(sum.high as i128 + sum.low as i128, exact);
            prop_assert_eq!(squares.high as i128 + squares.low as i128, exact_squares);
        }
    }
}
