//! The probability distributions behind the tests: normal, Student's t and F, and Holm's adjustment of many p-values. What is
//! tested, and what it means, is the caller's.
//!
//! Error function, its inverse and the logarithm of Γ come from `statrs`. Its t and F distributions are off by 1e-7 and
//! their quantiles fail outright from about 1e4 degrees of freedom on, so the incomplete beta function is worked out here.
//!
//! All functions give NaN outside the domain they state, and never panic.

use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::ln_gamma;
use std::f64::consts::{LN_2, PI, SQRT_2};

/// From here on t is taken for normal: the two differ by less than 1e-10 in probability, 1e-9 relative in quantiles up to 6.
const DEGREES_OF_FREEDOM_NORMAL: f64 = 1e10;

/// Φ(z) = P(Z ≤ z), to about 1e-10 relative in either tail.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// P(|Z| ≥ |z|), in [0, 1].
pub fn normal_two_sided_p(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// The z with Φ(z) = `probability`, which lies in (0, 1).
pub fn normal_quantile(probability: f64) -> f64 {
    if !(probability > 0.0 && probability < 1.0) {
        return f64::NAN;
    }
    -SQRT_2 * erfc_inv(2.0 * probability)
}

/// P(T ≤ t) for `degrees_of_freedom` > 0, whole or not.
pub fn student_t_cdf(t: f64, degrees_of_freedom: f64) -> f64 {
    let tail = 0.5 * student_t_two_sided_p(t, degrees_of_freedom);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// P(|T| ≥ |t|), in [0, 1].
pub fn student_t_two_sided_p(t: f64, degrees_of_freedom: f64) -> f64 {
    student_t_mass(t, degrees_of_freedom).outside
}

/// The t with P(T ≤ t) = `probability`, which lies in (0, 1); 1e-12 relative as long as `probability` isn't next to ½.
///
/// Newton's method on logarithms of both sides. Either logarithm is concave in ln t, and Student's quantile lies beyond the
/// normal one, from which it starts: after at most one step the iterates move one way only, towards the root.
pub fn student_t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    if !(probability > 0.0 && probability < 1.0 && degrees_of_freedom > 0.0) {
        return f64::NAN;
    }
    let z = normal_quantile(probability);
    if z == 0.0 || degrees_of_freedom >= DEGREES_OF_FREEDOM_NORMAL {
        return z;
    }
    // Both tails together, or what lies between them, whichever is the smaller.
    let outside = 2.0 * probability.min(1.0 - probability);
    let in_tails = outside <= 0.5;
    let wanted = if in_tails { outside } else { 1.0 - outside };
    let mut ln_t = z.abs().ln();
    for _ in 0..100 {
        let t = ln_t.exp();
        let mass = student_t_mass(t, degrees_of_freedom);
        let (found, sign) = if in_tails { (mass.outside, -1.0) } else { (mass.inside, 1.0) };
        let slope = sign * 2.0 * t * student_t_density(t, degrees_of_freedom) / found;
        let step = (found / wanted).ln() / slope;
        if !step.is_finite() {
            break;
        }
        ln_t -= step;
        if step.abs() < 1e-14 {
            break;
        }
    }
    ln_t.exp().copysign(z)
}

/// P(F ≥ f) for `numerator` and `denominator` degrees of freedom, both > 0. `f` < 0 counts as 0.
pub fn f_survival(f: f64, numerator: f64, denominator: f64) -> f64 {
    if f.is_nan() || !(numerator > 0.0 && denominator > 0.0) {
        return f64::NAN;
    }
    if f == f64::INFINITY {
        return 0.0;
    }
    let (above, below) = (numerator * f.max(0.0), denominator);
    let (x, y) = (below / (below + above), above / (below + above));
    incomplete_beta(denominator / 2.0, numerator / 2.0, x, y).lower
}

/// Holm's step-down adjustment: with m p-values in ascending order, p̃ᵢ = min(1, max over j ≤ i of (m − j + 1)·pⱼ).
/// A `None` stays one and isn't counted.
///
/// Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p_values.iter().enumerate().filter_map(|(place, p)| p.map(|p| (place, p))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, (place, p)) in order.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)] // far fewer than 2^53
        let remaining = (order.len() - rank) as f64;
        largest = largest.max((remaining * p).min(1.0));
        if let Some(slot) = adjusted.get_mut(*place) {
            *slot = Some(largest);
        }
    }
    adjusted
}

/// Of Student's t, P(|T| ≥ |t|) and P(|T| < |t|); the smaller of them to full relative accuracy.
struct Mass {
    outside: f64,
    inside: f64,
}

fn student_t_mass(t: f64, degrees_of_freedom: f64) -> Mass {
    let valid = degrees_of_freedom > 0.0 && !t.is_nan();
    if !valid {
        return Mass { outside: f64::NAN, inside: f64::NAN };
    }
    if degrees_of_freedom >= DEGREES_OF_FREEDOM_NORMAL {
        let outside = normal_two_sided_p(t);
        return Mass { outside, inside: 1.0 - outside };
    }
    // t²/(ν + t²), and its complement without the cancellation; in ratios, because t² may overflow.
    let ratio = (t.abs() / degrees_of_freedom.sqrt()).powi(2);
    let (x, y) = (1.0 / (1.0 + ratio), 1.0 / (1.0 + 1.0 / ratio));
    let beta = incomplete_beta(degrees_of_freedom / 2.0, 0.5, x, y);
    Mass { outside: beta.lower, inside: beta.upper }
}

fn student_t_density(t: f64, degrees_of_freedom: f64) -> f64 {
    let kernel = -0.5 * (degrees_of_freedom + 1.0) * (t * t / degrees_of_freedom).ln_1p();
    (kernel - 0.5 * degrees_of_freedom.ln() - ln_beta(degrees_of_freedom / 2.0, 0.5)).exp()
}

/// The regularised incomplete beta function Iₓ(a, b) and 1 − Iₓ(a, b).
struct IncompleteBeta {
    lower: f64,
    upper: f64,
}

/// Of `x` and `y = 1 − x` both are given, so that the smaller one has all its digits.
///
/// Continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, on the side of the mean where it
/// converges fast (of the order of √max(a, b) terms at worst).
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> IncompleteBeta {
    if x <= 0.0 {
        return IncompleteBeta { lower: 0.0, upper: 1.0 };
    }
    if y <= 0.0 {
        return IncompleteBeta { lower: 1.0, upper: 0.0 };
    }
    let ln_x = if x < 0.5 { x.ln() } else { (-y).ln_1p() };
    let ln_y = if y < 0.5 { y.ln() } else { (-x).ln_1p() };
    let front = (a * ln_x + b * ln_y - ln_beta(a, b)).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = (front / beta_fraction(a, b, x, y)).min(1.0);
        IncompleteBeta { lower, upper: 1.0 - lower }
    } else {
        let upper = (front / beta_fraction(b, a, y, x)).min(1.0);
        IncompleteBeta { lower: 1.0 - upper, upper }
    }
}

/// The denominator of Iₓ(a, b) = xᵃ(1 − x)ᵇ/B(a, b) / (β₀ + α₁/(β₁ + α₂/(β₂ + …))), by the modified Lentz method.
///
/// Two terms of 8.17.22 in one: so there is no 1 − x in which digits of a small `y` could be lost.
///
/// Source: DiDonato and Morris (at `ln_beta`), formula 9; W. J. Lentz, "Generating Bessel functions in Mie scattering
/// calculations using continued fractions", Applied Optics 15 (1976).
fn beta_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    const TERMS_MAX: u32 = 200_000;
    const TINY: f64 = 1e-300;
    let nonzero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let beta = |n: f64| {
        n + n * (b - n) * x / (a + 2.0 * n - 1.0)
            + (a + n) * (a * y - b * x + 1.0 + n * (1.0 + y)) / (a + 2.0 * n + 1.0)
    };
    let mut fraction = nonzero(a * (a * y - b * x + 1.0) / (a + 1.0));
    let (mut c, mut d) = (fraction, 0.0);
    for term in 1..TERMS_MAX {
        let n = f64::from(term);
        let step = x / (a + 2.0 * n - 1.0);
        let alpha = (a + n - 1.0) * step * ((a + b + n - 1.0) * step) * n * (b - n);
        d = 1.0 / nonzero(beta(n) + alpha * d);
        c = nonzero(beta(n) + alpha / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 4.0 * f64::EPSILON {
            break;
        }
    }
    fraction
}

/// ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b), without the cancellation of the large terms.
///
/// Source: A. R. DiDonato, A. H. Morris, "Significant digit computation of the incomplete beta function ratios", ACM TOMS
/// 18 (1992), functions BETALN, ALGDIV and BCORR.
fn ln_beta(a: f64, b: f64) -> f64 {
    const STIRLING_MIN: f64 = 10.0;
    let (a, b) = (a.min(b), a.max(b));
    if b < STIRLING_MIN {
        return ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    }
    let ln_ratio = (a / b).ln_1p(); // ln((a + b) / b)
    if a < STIRLING_MIN {
        let rest = stirling_rest(b) - stirling_rest(a + b);
        return ln_gamma(a) + rest + a - a * (a + b).ln() - (b - 0.5) * ln_ratio;
    }
    let rest = stirling_rest(a) + stirling_rest(b) - stirling_rest(a + b);
    rest + 0.5 * (LN_2 + PI.ln() - b.ln()) + (a - 0.5) * (a / (a + b)).ln() - b * ln_ratio
}

/// ln Γ(x) − [(x − ½) ln x − x + ½ ln 2π] for `x` ≥ 10, to 1e-16.
fn stirling_rest(x: f64) -> f64 {
    let s = 1.0 / (x * x);
    (1.0 / 12.0
        - s * (1.0 / 360.0
            - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s * (1.0 / 1188.0 - s * 691.0 / 360_360.0)))))
        / x
}

#[cfg(test)]
mod tests;
