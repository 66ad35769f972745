//! How often the tests are right, by simulation with a fixed seed: that they reject a true null hypothesis as often as they say,
//! and (`measure`, which prints the tables of `docs/STATISTICS.md`) how often they see an effect that is there.

use super::comparison::{Verdict, compare};
use super::moments_of;
use super::seasonality::profile;
use super::trend::{SIGNIFICANT_P, trend};
use crate::domain::cell::Moments;
use crate::domain::kpi::{Direction, KpiType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

struct Source(StdRng);

impl Source {
    fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.0.random(), self.0.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn normals(&mut self, count: usize, average: f64, deviation: f64) -> Vec<f64> {
        (0..count).map(|_| average + deviation * self.normal()).collect()
    }

    fn trues(&mut self, count: usize, share: f64) -> Moments {
        let scores: Vec<f64> =
            (0..count).map(|_| f64::from(u8::from(self.0.random::<f64>() < share))).collect();
        moments_of(&scores)
    }

    /// A series of 60 buckets with a slope, of which each carries on `memory` of the bucket before.
    fn series(&mut self, slope: f64, memory: f64) -> Vec<(u64, f64)> {
        let mut noise = self.normal();
        (0..60)
            .map(|place: u32| {
                noise = memory * noise + (1.0 - memory * memory).sqrt() * self.normal();
                (u64::from(place), slope * f64::from(place) + noise)
            })
            .collect()
    }
}

/// Share of data sets for which `positive` holds.
fn share(sets: u32, seed: u64, mut positive: impl FnMut(&mut Source) -> bool) -> f64 {
    let mut source = Source::new(seed);
    let found = (0..sets).filter(|_| positive(&mut source)).count();
    found as f64 / f64::from(sets)
}

fn trend_p(source: &mut Source, slope: f64, memory: f64) -> f64 {
    trend(&source.series(slope, memory), Direction::HigherIsBetter).p_value.unwrap()
}

const WELCH_COUNTS: (usize, usize) = (40, 25);
const WELCH_DEVIATIONS: (f64, f64) = (1.0, 2.5);

fn welch_p(source: &mut Source, effect: f64) -> f64 {
    let before = moments_of(&source.normals(WELCH_COUNTS.0, 10.0, WELCH_DEVIATIONS.0));
    let after = moments_of(&source.normals(WELCH_COUNTS.1, 10.0 + effect, WELCH_DEVIATIONS.1));
    compare(KpiType::Number, Direction::HigherIsBetter, &before, &after, 0.05).p_value.unwrap()
}

fn proportions_p(source: &mut Source, effect: f64) -> f64 {
    let (before, after) = (source.trues(400, 0.3), source.trues(300, 0.3 + effect));
    compare(KpiType::Boolean, Direction::HigherIsBetter, &before, &after, 0.05).p_value.unwrap()
}

/// Seven groups of 12 to 24 scores; the last one is off by `effect`.
fn anova_p(source: &mut Source, effect: f64) -> f64 {
    let groups: Vec<Moments> = (0..7)
        .map(|group| {
            let average = if group == 6 { effect } else { 0.0 };
            moments_of(&source.normals(12 + 2 * group, average, 1.0))
        })
        .collect();
    profile(&groups).p_value.unwrap()
}

#[test]
fn true_null_hypotheses_are_rejected_as_often_as_stated() {
    const SETS: u32 = 2000;
    let check = |name: &str, level: f64, positive: fn(&mut Source) -> bool| {
        let found = share(SETS, 7, positive);
        let error = (level * (1.0 - level) / f64::from(SETS)).sqrt();
        assert!((found - level).abs() <= 3.0 * error, "{name}: {found} is not {level}");
    };
    check("trend", 0.05, |source| trend_p(source, 0.0, 0.0) < SIGNIFICANT_P);
    check("Welch", 0.05, |source| welch_p(source, 0.0) < 0.05);
    check("two proportions", 0.05, |source| proportions_p(source, 0.0) < 0.05);
    check("analysis of variance", 0.05, |source| anova_p(source, 0.0) < 0.05);
    check("analysis of variance", 0.01, |source| anova_p(source, 0.0) < 0.01);
}

#[test]
fn intervals_hold_the_truth_as_often_as_stated() {
    const SETS: u32 = 2000;
    let holds = |before: &Moments, after: &Moments, kpi_type: KpiType, truth: f64| {
        let compared = compare(kpi_type, Direction::HigherIsBetter, before, after, 0.05);
        let interval = compared.confidence_interval.unwrap();
        (interval.low..=interval.high).contains(&truth)
    };
    let means = share(SETS, 8, |source| {
        let before = moments_of(&source.normals(12, 3.0, 1.0));
        let after = moments_of(&source.normals(30, 3.5, 3.0));
        holds(&before, &after, KpiType::Number, 0.5)
    });
    let shares = share(SETS, 9, |source| {
        let (before, after) = (source.trues(60, 0.1), source.trues(90, 0.25));
        holds(&before, &after, KpiType::Boolean, 0.15)
    });
    let error = (0.05 * 0.95 / f64::from(SETS)).sqrt();
    assert!((means - 0.95).abs() <= 3.0 * error, "{means}");
    assert!((shares - 0.95).abs() <= 3.0 * error, "{shares}");
}

/// `cargo test --lib calibration::measure -- --ignored --nocapture`
#[test]
#[ignore = "prints tables for the documentation"]
fn measure() {
    let se_slope = 1.0 / (60.0_f64 * (60.0 * 60.0 - 1.0) / 12.0).sqrt();
    let (n1, n2) = WELCH_COUNTS;
    let (s1, s2) = WELCH_DEVIATIONS;
    let se_means = (s1 * s1 / n1 as f64 + s2 * s2 / n2 as f64).sqrt();
    let se_shares = (0.3_f64 * 0.7 / 400.0 + 0.3 * 0.7 / 300.0).sqrt();
    let se_group = (1.0_f64 / 24.0).sqrt();
    let row = |name: &str, level: f64, se: f64, p: fn(&mut Source, f64) -> f64| {
        let null = share(2000, 7, |source| p(source, 0.0) < level);
        let [two, three] = [2.0, 3.0].map(|errors| share(200, 21, |source| p(source, errors * se) < level));
        println!("| {name} | {level} | {:.1}% | {:.0}% | {:.0}% |", 100.0 * null, 100.0 * two, 100.0 * three);
    };
    row("trend, 60 buckets", 0.05, se_slope, |source, effect| trend_p(source, effect, 0.0));
    row("Welch's t", 0.05, se_means, welch_p);
    row("two-proportion z", 0.05, se_shares, proportions_p);
    row("analysis of variance", 0.01, se_group, anova_p);
    for memory in [0.0, 0.2, 0.5, 0.8] {
        let found = share(2000, 31, |source| trend_p(source, 0.0, memory) < SIGNIFICANT_P);
        println!("| {memory} | {:.1}% |", 100.0 * found);
    }
    for looks in [1, 5, 20] {
        let found = share(2000, 41, |source| {
            let (mut before, mut after) = (Moments::default(), Moments::default());
            (0..looks).any(|_| {
                before = before.plus(&moments_of(&source.normals(100, 3.0, 1.0)));
                after = after.plus(&moments_of(&source.normals(100, 3.0, 1.0)));
                let compared = compare(KpiType::Number, Direction::HigherIsBetter, &before, &after, 0.05);
                compared.verdict != Verdict::NoSignificantChange
            })
        });
        println!("| looked at {looks} times | {:.1}% |", 100.0 * found);
    }
    let rare = |count: usize| {
        share(2000, 51, |source| {
            let (before, after) = (source.trues(count, 0.02), source.trues(count, 0.02));
            let compared = compare(KpiType::Boolean, Direction::HigherIsBetter, &before, &after, 0.05);
            compared.p_value.is_some_and(|p| p < 0.05)
        })
    };
    println!("| 2% true, 50 scores a side | {:.1}% |", 100.0 * rare(50));
    println!("| 2% true, 500 scores a side | {:.1}% |", 100.0 * rare(500));
}
