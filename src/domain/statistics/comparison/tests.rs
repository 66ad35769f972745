//! Against scipy and statsmodels, and the rules of the verdict.

use super::*;
use crate::domain::double_double::DoubleDouble;
use crate::domain::statistics::moments_of;
use Direction::{HigherIsBetter, LowerIsBetter};
use Verdict::*;

fn trues(successes: u32, count: u32) -> Moments {
    let sum = DoubleDouble::from(f64::from(successes));
    Moments { count: u64::from(count), sum, squares: sum }
}

/// p, low, high, effect size.
fn assert_figures(found: &Comparison, expect: [f64; 4], alpha: f64, what: &str) {
    let interval = found.confidence_interval.unwrap();
    let figures = [found.p_value.unwrap(), interval.low, interval.high, found.effect_size.unwrap()];
    let scale = [1.0, expect[2] - expect[1], expect[2] - expect[1], 1.0];
    for ((found, expect), scale) in figures.iter().zip(&expect).zip(scale) {
        assert!((found - expect).abs() <= 1e-9 * scale, "{what}: {figures:?} is not {expect:?}");
    }
    assert_eq!(interval.level, 1.0 - alpha);
    assert_eq!(found.reason, None);
}

/// The verdict is that of a KPI of which more is better; of one where less is, it is the opposite.
fn assert_verdict(compared: impl Fn(Direction) -> Comparison, expect: Verdict, what: &str) {
    assert_eq!(compared(HigherIsBetter).verdict, expect, "{what}");
    let opposite = match expect {
        Improved => Worsened,
        Worsened => Improved,
        same => same,
    };
    assert_eq!(compared(LowerIsBetter).verdict, opposite, "{what}");
}

/// Expected, for (c₁, n₁) and (c₂, n₂), from statsmodels.stats.proportion: `proportions_ztest([c2, c1], [n2, n1])`,
/// `confint_proportions_2indep(c2, n2, c1, n1, method='newcomb', alpha=alpha)`, `proportion_effectsize(c2/n2, c1/n1)`.
#[test]
#[allow(clippy::approx_constant)] // from 0 to 1 is an h of π
fn two_proportions_agree_with_statsmodels() {
    #[rustfmt::skip]
    let cases = [
        ((30, 100), (45, 100), 0.05, [0.02845973691631055, 0.015852195068122632, 0.2768308539196249, 0.3113494249059283], Improved),
        ((45, 100), (30, 120), 0.05, [0.0018323362992630889, -0.31943296374053753, -0.07377017566340793, -0.42343135443673896], Worsened),
        ((0, 10), (5, 12), 0.05, [0.020227453708576967, 0.06038748742091071, 0.6804886874504502, 1.4033482475752073], Improved),
        ((10, 10), (7, 9), 0.05, [0.1150342753831828, -0.5474110308930111, 0.09762858301554589, -0.9817653565786224], NoSignificantChange),
        ((0, 2), (2, 2), 0.05, [0.04550026389635839, 0.06998519885519938, 1.0, 3.141592653589793], Improved),
        ((1, 2), (1, 2), 0.05, [1.0, -0.5734194679697172, 0.5734194679697172, 0.0], NoSignificantChange),
        ((1, 2), (0, 3), 0.05, [0.17090352023079747, -0.9054687942657693, 0.19259213090610794, -1.5707963267948968], NoSignificantChange),
        ((500000, 1000000), (501500, 1000000), 0.05, [0.033894652830001995, 0.00011409788139440978, 0.0028858939696904014, 0.0030000045000180275], Improved),
        ((3, 1000), (12, 1100), 0.01, [0.03159617790455487, -0.0025315900587561477, 0.019619116072942023, 0.09967551180895005], NoSignificantChange),
        ((70, 100), (70, 100), 0.1, [1.0, -0.10571174465997077, 0.10571174465997077, 0.0], NoSignificantChange),
        ((1, 5000), (40, 90), 0.2, [0.0, 0.3787097111935446, 0.5117689337461441, 1.4311700983125664], Improved),
    ];
    for (before, after, alpha, expect, verdict) in cases {
        let (one, two) = (trues(before.0, before.1), trues(after.0, after.1));
        let compared = |direction| compare(KpiType::Boolean, direction, &one, &two, alpha);
        let what = format!("{before:?} {after:?}");
        assert_figures(&compared(HigherIsBetter), expect, alpha, &what);
        assert_verdict(compared, verdict, &what);
        assert_eq!(compared(HigherIsBetter).test, Test::TwoProportionZ);
    }
}

/// Expected, for (c, n) and b: `proportions_ztest(c, n, value=b, prop_var=b)`, `proportion_confint(c, n, alpha=alpha,
/// method='wilson')` less b, `proportion_effectsize(c/n, b)`.
#[test]
fn a_proportion_and_a_benchmark_agree_with_statsmodels() {
    #[rustfmt::skip]
    let cases = [
        ((30, 100), 0.25, 0.05, [0.24821307898992362, -0.03105114705067244, 0.14584854633346667, 0.11208192953081064], NoSignificantChange),
        ((45, 100), 0.3, 0.05, [0.0010631149171586014, 0.05614537979511974, 0.24755397002557872, 0.3113494249059283], Improved),
        ((0, 10), 0.3, 0.05, [0.03843393023678171, -0.3, -0.022467200137110732, -1.1592794807274085], Worsened),
        ((10, 10), 0.9, 0.05, [0.29184054514378865, -0.1775327998628894, 0.09999999999999998, 0.6435011087932843], NoSignificantChange),
        ((2, 2), 0.5, 0.05, [0.15729920705028516, -0.15761977249334702, 0.5, 1.5707963267948963], NoSignificantChange),
        ((1, 2), 0.5, 0.05, [1.0, -0.4054687942657693, 0.4054687942657693, 0.0], NoSignificantChange),
        ((0, 2), 0.01, 0.05, [0.8869743120400594, -0.01, 0.647619772493347, -0.2003348423231196], NoSignificantChange),
        ((501500, 1000000), 0.5, 0.05, [0.0026997960632611493, 0.0005200185377420841, 0.0024799699379256523, 0.0030000045000180275], Improved),
        ((12, 1100), 0.003, 0.01, [1.6154869415352088e-06, 0.0022804246887963694, 0.019402505512587043, 0.09967551180895005], Improved),
        ((7, 100), 0.07, 0.1, [1.0, -0.03160537319326315, 0.0542601130667931, 0.0], NoSignificantChange),
    ];
    for (after, benchmark, alpha, expect, verdict) in cases {
        let two = trues(after.0, after.1);
        let compared =
            |direction| compare_with_benchmark(KpiType::Boolean, direction, benchmark, &two, alpha);
        let what = format!("{benchmark} {after:?}");
        assert_figures(&compared(HigherIsBetter), expect, alpha, &what);
        assert_verdict(compared, verdict, &what);
        assert_eq!(compared(HigherIsBetter).test, Test::OneProportionZ);
    }
}

/// Expected: `r = scipy.stats.ttest_ind(candidate, baseline, equal_var=False)`: `r.pvalue, r.confidence_interval(1 - alpha)`;
/// and the difference over `np.sqrt(((n1 - 1) * baseline.var(ddof=1) + (n2 - 1) * candidate.var(ddof=1)) / (n1 + n2 - 2))`.
/// Scores around 1e9 less 1e9, for scipy's own rounding.
#[test]
fn two_means_agree_with_scipy() {
    #[rustfmt::skip]
    let cases: [(&[f64], &[f64], f64, [f64; 4], Verdict); 10] = [
        (&[3.0, 4.0, 4.0, 5.0, 2.0, 3.0], &[4.0, 5.0, 5.0, 4.0, 5.0, 3.0, 5.0], 0.05, [0.1078312740187729, -0.24677550056294484, 2.1039183577058025, 1.0145672093902298], NoSignificantChange),
        (&[1.0, 2.0], &[1.5, 4.0], 0.05, [0.49188526844981484, -8.693165636854118, 11.193165636854118, 0.9284766908852594], NoSignificantChange),
        (&[3.0, 3.0, 3.0, 3.0], &[3.0, 4.0, 4.0, 5.0, 4.0], 0.05, [0.03410942316740963, 0.1220109669149172, 1.8779890330850828, 1.8708286933869707], Improved),
        (&[5.0, 5.0], &[1.0, 1.0001], 0.05, [7.957846627262256e-06, -4.000585310236809, -3.9993146897631915, -79999.00000000882], Worsened),
        (&[999999999.0, 1000000000.0, 1000000001.0, 1000000000.0, 999999999.0], &[1000000001.0, 1000000002.0, 1000000001.0, 1000000000.0, 1000000001.0, 1000000002.0], 0.05, [0.021799913928413153, 0.2553676360279984, 2.477965697305335, 1.727432681362447], Improved),
        (&[1e-12, 2e-12, 3e-12], &[2.5e-12, 4e-12, 6e-12, 7e-12], 0.05, [0.060950953231189146, -2.0021988732496493e-13, 5.950219887324965e-12, 1.7067500094371337], NoSignificantChange),
        (&[1000000000000000.0, -1000000000000000.0, 300000000000000.0], &[200000000000000.0, -500000000000000.0, 10000000000000.0, 700000000000000.0], 0.05, [0.9971348631940645, -2144308137944267.2, 2149308137944267.2, 0.0033419145045312363], NoSignificantChange),
        (&[-4.0, -3.5, -6.0, -2.0], &[-1.0, -0.5, 0.0, 0.25, 1.0, 0.0, -1.0], 0.01, [0.015857354651114364, -0.5716172146965044, 7.964474357553648, 3.3022573024346342], NoSignificantChange),
        (&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], &[0.4, 0.4, 0.4, 0.41], 0.1, [0.9765759414240046, -0.15618119861758942, 0.16118119861758953, 0.014171769860035903], NoSignificantChange),
        (&[2.5, 3.5, 2.5, 3.5], &[2.5, 3.5, 3.0, 3.0], 0.05, [1.0, -0.8889576800431891, 0.8889576800431891, 0.0], NoSignificantChange),
    ];
    for (before, after, alpha, expect, verdict) in cases {
        let (one, two) = (moments_of(before), moments_of(after));
        let compared = |direction| compare(KpiType::Number, direction, &one, &two, alpha);
        let what = format!("{before:?} {after:?}");
        assert_figures(&compared(HigherIsBetter), expect, alpha, &what);
        assert_verdict(compared, verdict, &what);
        assert_eq!(compared(HigherIsBetter).test, Test::WelchT);
    }
}

/// Expected: `r = scipy.stats.ttest_1samp(candidate, b)`: `r.pvalue, r.confidence_interval(1 - alpha)` less b; and the
/// difference over `candidate.std(ddof=1)`. Scores around 1e9 less 1e9, for scipy's own rounding.
#[test]
fn a_mean_and_a_benchmark_agree_with_scipy() {
    #[rustfmt::skip]
    let cases: [(&[f64], f64, f64, [f64; 4], Verdict); 7] = [
        (&[3.0, 4.0, 4.0, 5.0, 2.0, 3.0], 3.0, 0.05, [0.2955586447345286, -0.600657384708013, 1.600657384708013, 0.4767312946227961], NoSignificantChange),
        (&[1.0, 2.0], 5.0, 0.05, [0.0903344706017331, -9.853102368087347, 2.853102368087347, -4.949747468305833], NoSignificantChange),
        (&[4.0, 4.0, 4.0, 4.001], 3.9, 0.01, [3.420014168542529e-08, 0.09878977267256639, 0.1017102273274344, 200.49999999993383], Improved),
        (&[1000000001.0, 1000000002.0, 1000000001.0, 1000000000.0, 1000000001.0, 1000000002.0], 1000000000.0, 0.05, [0.01267660247801449, 0.3766802161747148, 1.9566531171586186, 1.5498260496951668], Improved),
        (&[1e-12, 2e-12, 3e-12], 0.0, 0.05, [0.07417990022744855, -4.841377117503303e-13, 4.48413771175033e-12, 2.0], NoSignificantChange),
        (&[-4.0, -3.5, -6.0, -2.0], -4.0, 0.1, [0.8893188075853525, -1.8189005150330075, 2.0689005150330066, 0.07566499084579774], NoSignificantChange),
        (&[0.2, 0.4], 0.3, 0.05, [1.0, -1.2706204736174695, 1.2706204736174695, 0.0], NoSignificantChange),
    ];
    for (after, benchmark, alpha, expect, verdict) in cases {
        let two = moments_of(after);
        let compared =
            |direction| compare_with_benchmark(KpiType::Likert7, direction, benchmark, &two, alpha);
        let what = format!("{benchmark} {after:?}");
        assert_figures(&compared(HigherIsBetter), expect, alpha, &what);
        assert_verdict(compared, verdict, &what);
        assert_eq!(compared(HigherIsBetter).test, Test::OneSampleT);
    }
}

fn assert_untested(found: &Comparison, reason: &str) {
    assert_eq!((found.p_value, found.effect_size), (None, None), "{reason}");
    assert_eq!(found.confidence_interval, None, "{reason}");
    assert_eq!(found.verdict, InsufficientData, "{reason}");
    assert!(found.reason.unwrap().contains(reason), "{:?} is not {reason}", found.reason);
}

#[test]
fn without_enough_scores_or_any_variance_there_is_no_verdict() {
    let booleans = |one: &Moments, two: &Moments| compare(KpiType::Boolean, HigherIsBetter, one, two, 0.05);
    let numbers = |one: &[f64], two: &[f64]| {
        compare(KpiType::Number, HigherIsBetter, &moments_of(one), &moments_of(two), 0.05)
    };
    let benchmark = |value: f64, two: &Moments| {
        compare_with_benchmark(KpiType::Boolean, HigherIsBetter, value, two, 0.05)
    };
    assert_untested(&booleans(&trues(1, 1), &trues(1, 3)), "the baseline has fewer than 2 scores");
    assert_untested(&booleans(&trues(1, 3), &trues(0, 0)), "the candidate has fewer than 2 scores");
    assert_untested(&booleans(&trues(0, 0), &trues(1, 1)), "baseline and candidate have fewer");
    assert_untested(&booleans(&trues(5, 5), &trues(9, 9)), "every score on both sides is the same");
    assert_untested(&booleans(&trues(0, 5), &trues(0, 9)), "every score on both sides is the same");
    assert_untested(&numbers(&[1.0], &[1.0, 2.0]), "the baseline has fewer than 2 scores");
    assert_untested(&numbers(&[3.0, 3.0], &[5.0; 4]), "on each side all scores are the same");
    // Sums of these leave a variance of about 1e-30 behind.
    assert_untested(&numbers(&[0.1; 1001], &[0.7; 1003]), "on each side all scores are the same");
    assert_untested(&benchmark(1.0, &trues(3, 9)), "a benchmark of exactly 0% or 100%");
    assert_untested(&benchmark(0.0, &trues(3, 9)), "a benchmark of exactly 0% or 100%");
    assert_untested(&benchmark(0.5, &trues(1, 1)), "the candidate has fewer than 2 scores");
    let constant = moments_of(&[0.3; 77]);
    let compared = compare_with_benchmark(KpiType::Percentage, HigherIsBetter, 0.2, &constant, 0.05);
    assert_untested(&compared, "all scores are the same");
    assert_eq!(compared.candidate.standard_deviation, Some(0.0));
    let none = booleans(&trues(0, 0), &trues(1, 3));
    assert_eq!((none.difference, none.relative_change_percent), (None, None));
}

#[test]
fn a_change_is_relative_to_the_magnitude_of_the_baseline() {
    let change = |one: &[f64], two: &[f64]| {
        compare(KpiType::Number, HigherIsBetter, &moments_of(one), &moments_of(two), 0.05)
            .relative_change_percent
    };
    assert_eq!(change(&[2.0, 2.0], &[3.0, 2.0]), Some(25.0));
    assert_eq!(change(&[-2.0, -2.0], &[-3.0, -2.0]), Some(-25.0));
    assert_eq!(change(&[-1.0, 1.0], &[3.0, 2.0]), None);
}

/// Expected: `statsmodels.stats.multitest.multipletests(p, method='holm')[1]` is `min(1, max(...))` of 3·p₁, 2·p₂, p₃.
#[test]
fn of_many_comparisons_each_must_be_the_more_convincing() {
    let against =
        |candidate: Moments| compare(KpiType::Boolean, HigherIsBetter, &trues(300, 1000), &candidate, 0.05);
    let mut all = [
        against(trues(345, 1000)),
        against(trues(1, 1)),
        against(trues(400, 1000)),
        against(trues(302, 1000)),
    ];
    assert_eq!(
        all.each_ref().map(|c| c.verdict),
        [Improved, InsufficientData, Improved, NoSignificantChange]
    );
    let p = all.each_ref().map(|c| c.p_value);
    assert!((0.025..0.05).contains(&p[0].unwrap()));
    apply_holm(&mut all, 0.05);
    assert_eq!(
        all.each_ref().map(|c| c.verdict),
        [NoSignificantChange, InsufficientData, Improved, NoSignificantChange]
    );
    assert_eq!(all.each_ref().map(|c| c.p_value), p);
    assert_eq!(all[0].p_value_adjusted, p[0].map(|p| 2.0 * p));
    assert_eq!(all[1].p_value_adjusted, None);
    assert_eq!(all[2].p_value_adjusted, p[2].map(|p| 3.0 * p));
}

#[test]
fn the_wire_format_is_unchanged() {
    let mut compared =
        compare(KpiType::Number, LowerIsBetter, &moments_of(&[1.0, 3.0]), &moments_of(&[2.0, 2.0]), 0.05);
    assert_eq!(
        serde_json::to_value(&compared).unwrap(),
        serde_json::json!({
            "baseline": {"count": 2, "average": 2.0, "standard_deviation": 2f64.sqrt()},
            "candidate": {"count": 2, "average": 2.0, "standard_deviation": 0.0},
            "difference": 0.0,
            "relative_change_percent": 0.0,
            "confidence_interval": {
                "level": 0.95,
                "low": compared.confidence_interval.unwrap().low,
                "high": compared.confidence_interval.unwrap().high,
            },
            "p_value": 1.0,
            "test": "welch_t",
            "effect_size": 0.0,
            "verdict": "no_significant_change",
        })
    );
    apply_holm(std::slice::from_mut(&mut compared), 0.05);
    assert_eq!(serde_json::to_value(&compared).unwrap()["p_value_adjusted"], 1.0);
    let compared = compare_with_benchmark(KpiType::Boolean, LowerIsBetter, 0.3, &trues(0, 0), 0.05);
    assert_eq!(
        serde_json::to_string(&compared).unwrap(),
        concat!(
            r#"{"baseline":{"benchmark":0.3},"candidate":{"count":0,"average":null,"standard_deviation":null},"#,
            r#""difference":null,"relative_change_percent":null,"confidence_interval":null,"p_value":null,"#,
            r#""test":"one_proportion_z","effect_size":null,"verdict":"insufficient_data","#,
            r#""reason":"the candidate has fewer than 2 scores"}"#
        )
    );
}
