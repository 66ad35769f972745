//! Tests and confidence intervals for one or two sets of scores, from counts, averages and variances. What they mean for a KPI
//! is `comparison`'s.
//!
//! All functions take counts of at least 2 and a variance that isn't 0 (for proportions: that of the null hypothesis), and give
//! the difference's two-sided p-value and interval for `alpha` in (0, 1).

use super::distributions::{normal_quantile, normal_two_sided_p, student_t_quantile, student_t_two_sided_p};

/// p-value of no difference; bounds of the difference with confidence 1 − alpha.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub p_value: f64,
    pub low: f64,
    pub high: f64,
}

/// Scores of a boolean KPI: how many, and the share of true ones, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportion {
    pub count: f64,
    pub share: f64,
}

/// Other scores: how many, and their sample variance (n − 1). Averages come as their difference, which the caller knows better
/// than two rounded averages would.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub count: f64,
    pub variance: f64,
}

/// z = (p₂ − p₁)/√(p(1 − p)(1/n₁ + 1/n₂)) with the pooled share p; the interval is Newcombe's hybrid of Wilson's two, so the
/// two may disagree at the edge of significance.
///
/// Sources: K. Pearson, "On the criterion …", Phil. Mag. 50 (1900), for the pooled test; R. G. Newcombe, "Interval estimation
/// for the difference between independent proportions", Statist. Med. 17 (1998), method 10.
pub fn two_proportions(baseline: Proportion, candidate: Proportion, alpha: f64) -> Estimate {
    let (n1, n2) = (baseline.count, candidate.count);
    let pooled = (n1 * baseline.share + n2 * candidate.share) / (n1 + n2);
    let difference = candidate.share - baseline.share;
    let z = difference / (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let (low1, high1) = wilson(baseline, alpha);
    let (low2, high2) = wilson(candidate, alpha);
    Estimate {
        p_value: normal_two_sided_p(z),
        low: difference - (candidate.share - low2).hypot(high1 - baseline.share),
        high: difference + (high2 - candidate.share).hypot(baseline.share - low1),
    }
}

/// Score test z = (p − p₀)/√(p₀(1 − p₀)/n); Wilson's interval less p₀.
pub fn one_proportion(benchmark: f64, candidate: Proportion, alpha: f64) -> Estimate {
    let error = (benchmark * (1.0 - benchmark) / candidate.count).sqrt();
    let (low, high) = wilson(candidate, alpha);
    Estimate {
        p_value: normal_two_sided_p((candidate.share - benchmark) / error),
        low: low - benchmark,
        high: high - benchmark,
    }
}

/// Bounds of a share, within [0, 1].
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
pub fn wilson(proportion: Proportion, alpha: f64) -> (f64, f64) {
    let Proportion { count, share } = proportion;
    let z = normal_quantile(1.0 - alpha / 2.0);
    let shrink = 1.0 + z * z / count;
    let centre = (share + z * z / (2.0 * count)) / shrink;
    let half = z / shrink * (share * (1.0 - share) / count + z * z / (4.0 * count * count)).sqrt();
    // At a share of 0 or 1 the bound is that share: rounding must not move it.
    let low = if share <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if share >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// t = (x̄₂ − x̄₁)/√(s₁²/n₁ + s₂²/n₂), with Satterthwaite's degrees of freedom. One of the variances may be 0.
///
/// Sources: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
/// involved", Biometrika 34 (1947); F. E. Satterthwaite, Biometrics Bulletin 2 (1946).
pub fn welch(difference: f64, baseline: Spread, candidate: Spread, alpha: f64) -> Estimate {
    let (v1, v2) = (baseline.variance / baseline.count, candidate.variance / candidate.count);
    let total = v1 + v2;
    // In shares of the total: their squares neither overflow nor vanish.
    let inverse =
        (v1 / total).powi(2) / (baseline.count - 1.0) + (v2 / total).powi(2) / (candidate.count - 1.0);
    student(difference, total.sqrt(), 1.0 / inverse, alpha)
}

/// t = (x̄ − μ₀)/(s/√n) with n − 1 degrees of freedom.
///
/// Source: Student, "The probable error of a mean", Biometrika 6 (1908).
pub fn one_mean(difference: f64, candidate: Spread, alpha: f64) -> Estimate {
    let error = (candidate.variance / candidate.count).sqrt();
    student(difference, error, candidate.count - 1.0, alpha)
}

fn student(difference: f64, error: f64, degrees_of_freedom: f64, alpha: f64) -> Estimate {
    let reach = student_t_quantile(1.0 - alpha / 2.0, degrees_of_freedom) * error;
    Estimate {
        p_value: student_t_two_sided_p(difference / error, degrees_of_freedom),
        low: difference - reach,
        high: difference + reach,
    }
}

/// Cohen's h = 2·asin √p₂ − 2·asin √p₁.
///
/// Source: J. Cohen, "Statistical power analysis for the behavioral sciences" (1988), chapter 6.
pub fn cohens_h(baseline: f64, candidate: f64) -> f64 {
    let angle = |share: f64| 2.0 * share.clamp(0.0, 1.0).sqrt().asin();
    angle(candidate) - angle(baseline)
}

/// Cohen's d = (x̄₂ − x̄₁)/s, s² = ((n₁ − 1)s₁² + (n₂ − 1)s₂²)/(n₁ + n₂ − 2).
///
/// Source: as for `cohens_h`, chapter 2.
pub fn cohens_d(difference: f64, baseline: Spread, candidate: Spread) -> f64 {
    let (f1, f2) = (baseline.count - 1.0, candidate.count - 1.0);
    let pooled = (f1 * baseline.variance + f2 * candidate.variance) / (f1 + f2);
    difference / pooled.sqrt()
}
