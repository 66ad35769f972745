//! Whether a version's scores are better than another's, or than a benchmark: which test a KPI's type calls for, its figures,
//! and a verdict in the KPI's direction. Which scores are compared, and how often someone looks, is the caller's; so is the set
//! of comparisons that are adjusted together.

use super::distributions::holm;
use super::intervals::{
    Estimate, Proportion, Spread, cohens_d, cohens_h, one_mean, one_proportion, two_proportions, welch,
};
use super::{count_of, squared_deviations};
use crate::domain::cell::Moments;
use crate::domain::double_double::DoubleDouble;
use crate::domain::kpi::{Direction, KpiType};
use serde::Serialize;

/// Scores that the tested side, or either of two, must have.
pub const SCORES_MIN: u64 = 2;

/// What is compared with what, and what came out. `p_value`, `confidence_interval` and `effect_size` are `None` together, when
/// there is no telling; `reason` says why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Comparison {
    pub baseline: Baseline,
    pub candidate: Sample,
    /// Candidate − baseline, in the KPI's unit. `None` if a side has no score.
    pub difference: Option<f64>,
    /// In percent of the baseline's magnitude; `None` if that is 0.
    pub relative_change_percent: Option<f64>,
    /// Of the difference.
    pub confidence_interval: Option<ConfidenceInterval>,
    /// Of no difference, two-sided.
    pub p_value: Option<f64>,
    /// After Holm, where several comparisons were made at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub p_value_adjusted: Option<f64>,
    pub test: Test,
    /// Cohen's h of a boolean KPI, Cohen's d of others; of the sign of the difference.
    pub effect_size: Option<f64>,
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub reason: Option<&'static str>,
    #[serde(skip)]
    direction: Direction,
}

/// The side compared with: scores, or a fixed value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Baseline {
    Scores(Sample),
    /// `{"benchmark": 0.3}`
    Benchmark {
        benchmark: f64,
    },
}

/// A side's scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Sample {
    pub count: u64,
    /// `None` without a score.
    pub average: Option<f64>,
    /// n − 1; `None` below 2 scores, exactly 0 if all are equal.
    pub standard_deviation: Option<f64>,
}

/// Of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ConfidenceInterval {
    /// 1 − alpha.
    pub level: f64,
    pub low: f64,
    pub high: f64,
}

/// The test that the KPI's type calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schema(as = StatisticalTest))]
pub enum Test {
    TwoProportionZ,
    WelchT,
    OneProportionZ,
    OneSampleT,
}

/// In the KPI's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Improved,
    Worsened,
    NoSignificantChange,
    InsufficientData,
}

/// Two sets of scores of one KPI. `alpha`, in (0, 1), is both the significance level and 1 − the confidence level.
pub fn compare(
    kpi_type: KpiType,
    direction: Direction,
    baseline: &Moments,
    candidate: &Moments,
    alpha: f64,
) -> Comparison {
    let (before, after) = (Sample::of(baseline), Sample::of(candidate));
    let difference = mean(baseline).zip(mean(candidate)).map(|(one, two)| (two - one).to_f64());
    let (test, tested) = match kpi_type {
        KpiType::Boolean => (Test::TwoProportionZ, test_proportions(&before, &after, alpha)),
        _ => (Test::WelchT, test_means(difference, &before, &after, alpha)),
    };
    Comparison::new(Baseline::Scores(before), after, difference, test, tested, direction, alpha)
}

/// A set of scores with a fixed value: for booleans a share from 0 to 1.
pub fn compare_with_benchmark(
    kpi_type: KpiType,
    direction: Direction,
    benchmark: f64,
    candidate: &Moments,
    alpha: f64,
) -> Comparison {
    let after = Sample::of(candidate);
    let difference = mean(candidate).map(|mean| (mean - DoubleDouble::from(benchmark)).to_f64());
    let (test, tested) = match kpi_type {
        KpiType::Boolean => (Test::OneProportionZ, test_proportion(benchmark, &after, alpha)),
        _ => (Test::OneSampleT, test_mean(difference, &after, alpha)),
    };
    Comparison::new(Baseline::Benchmark { benchmark }, after, difference, test, tested, direction, alpha)
}

/// Adjusts the p-values of comparisons that are read together, so that chance finds a difference in any of them with a
/// probability of at most `alpha`; and decides anew. The confidence intervals stay those of single comparisons.
pub fn apply_holm(comparisons: &mut [Comparison], alpha: f64) {
    let p_values: Vec<Option<f64>> = comparisons.iter().map(|comparison| comparison.p_value).collect();
    for (comparison, adjusted) in comparisons.iter_mut().zip(holm(&p_values)) {
        comparison.p_value_adjusted = adjusted;
        comparison.decide(alpha);
    }
}

impl Comparison {
    fn new(
        baseline: Baseline,
        candidate: Sample,
        difference: Option<f64>,
        test: Test,
        tested: Tested,
        direction: Direction,
        alpha: f64,
    ) -> Self {
        let reference = match baseline {
            Baseline::Scores(sample) => sample.average,
            Baseline::Benchmark { benchmark } => Some(benchmark),
        };
        let relative = reference.zip(difference).map(|(before, change)| 100.0 * change / before.abs());
        let (figures, reason) = match tested {
            Ok(figures) => (Some(figures), None),
            Err(reason) => (None, Some(reason)),
        };
        let mut comparison = Self {
            baseline,
            candidate,
            difference,
            relative_change_percent: relative.filter(|percent| percent.is_finite()),
            confidence_interval: figures.map(|(estimate, _)| ConfidenceInterval {
                level: 1.0 - alpha,
                low: estimate.low,
                high: estimate.high,
            }),
            p_value: figures.map(|(estimate, _)| estimate.p_value),
            p_value_adjusted: None,
            test,
            effect_size: figures.map(|(_, effect_size)| effect_size),
            verdict: Verdict::InsufficientData,
            reason,
            direction,
        };
        comparison.decide(alpha);
        comparison
    }

    fn decide(&mut self, alpha: f64) {
        let (Some(p), Some(difference)) = (self.p_value_adjusted.or(self.p_value), self.difference) else {
            self.verdict = Verdict::InsufficientData;
            return;
        };
        self.verdict = match (p < alpha, difference > 0.0, self.direction) {
            (false, _, _) => Verdict::NoSignificantChange,
            (true, true, Direction::HigherIsBetter) | (true, false, Direction::LowerIsBetter) => {
                Verdict::Improved
            }
            (true, _, _) => Verdict::Worsened,
        };
    }
}

impl Sample {
    fn of(moments: &Moments) -> Self {
        let deviation = || (squared_deviations(moments) / (count_of(moments) - 1.0)).sqrt();
        Self {
            count: moments.count,
            average: moments.average(),
            standard_deviation: (moments.count >= SCORES_MIN).then(deviation),
        }
    }

    #[allow(clippy::cast_precision_loss)] // counts < 2^53
    fn proportion(&self) -> Option<Proportion> {
        let share = self.average?;
        (self.count >= SCORES_MIN).then_some(Proportion { count: self.count as f64, share })
    }

    #[allow(clippy::cast_precision_loss)] // counts < 2^53
    fn spread(&self) -> Option<Spread> {
        let deviation = self.standard_deviation?;
        Some(Spread { count: self.count as f64, variance: deviation * deviation })
    }
}

/// In 106 bits, so that the difference of two is right even for a spread of 1 around 1e9.
fn mean(moments: &Moments) -> Option<DoubleDouble> {
    (moments.count > 0).then(|| moments.sum.divided_by(count_of(moments)))
}

/// The estimate and the effect size, or why there are none.
type Tested = Result<(Estimate, f64), &'static str>;

fn test_proportions(before: &Sample, after: &Sample, alpha: f64) -> Tested {
    let (Some(one), Some(two)) = (before.proportion(), after.proportion()) else {
        return Err(too_few(before, after));
    };
    if one.share == two.share && (one.share <= 0.0 || one.share >= 1.0) {
        return Err("every score on both sides is the same, so there is nothing to tell apart");
    }
    Ok((two_proportions(one, two, alpha), cohens_h(one.share, two.share)))
}

fn test_means(difference: Option<f64>, before: &Sample, after: &Sample, alpha: f64) -> Tested {
    let (Some(difference), Some(one), Some(two)) = (difference, before.spread(), after.spread()) else {
        return Err(too_few(before, after));
    };
    if one.variance + two.variance == 0.0 {
        return Err(
            "on each side all scores are the same, so there is no telling how much of a difference is chance",
        );
    }
    Ok((welch(difference, one, two, alpha), cohens_d(difference, one, two)))
}

fn test_proportion(benchmark: f64, after: &Sample, alpha: f64) -> Tested {
    let Some(proportion) = after.proportion() else { return Err(CANDIDATE_TOO_FEW) };
    if benchmark <= 0.0 || benchmark >= 1.0 {
        return Err(
            "a benchmark of exactly 0% or 100% leaves nothing to chance, so there is nothing to test",
        );
    }
    Ok((one_proportion(benchmark, proportion, alpha), cohens_h(benchmark, proportion.share)))
}

fn test_mean(difference: Option<f64>, after: &Sample, alpha: f64) -> Tested {
    let (Some(difference), Some(spread)) = (difference, after.spread()) else {
        return Err(CANDIDATE_TOO_FEW);
    };
    if spread.variance == 0.0 {
        return Err("all scores are the same, so there is no telling how much of a difference is chance");
    }
    Ok((one_mean(difference, spread, alpha), difference / spread.variance.sqrt()))
}

const CANDIDATE_TOO_FEW: &str = "the candidate has fewer than 2 scores";

fn too_few(before: &Sample, after: &Sample) -> &'static str {
    match (before.count < SCORES_MIN, after.count < SCORES_MIN) {
        (true, true) => "baseline and candidate have fewer than 2 scores each",
        (true, false) => "the baseline has fewer than 2 scores",
        _ => CANDIDATE_TOO_FEW,
    }
}

#[cfg(test)]
mod tests;
