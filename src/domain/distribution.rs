//! The distribution of a KPI's scores, by its type: from the histogram that the cells keep to the buckets that are shown.

use serde::Serialize;

use super::dashboard::percentage;
use super::kpi::{KpiType, PERCENTAGE_BUCKETS, Rules};
use super::tally::{Tally, index_at_rank};

/// Most buckets of a number KPI's histogram, without the two open ones.
const NUMBER_BUCKETS_MAX: i64 = 38;

/// Counts of scores, by the type of the KPI.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Distribution {
    Boolean {
        #[serde(rename = "true")]
        true_count: u64,
        #[serde(rename = "false")]
        false_count: u64,
        true_percentage: Option<f64>,
    },
    Likert {
        buckets: Vec<LikertBucket>,
    },
    Percentage {
        bucket_width: f64,
        buckets: Vec<ValueBucket>,
    },
    Number {
        bucket_width: f64,
        buckets: Vec<ValueBucket>,
    },
}

/// Scores nearest to a point, halves up.
#[derive(Debug, Serialize, PartialEq)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct LikertBucket {
    pub point: i64,
    pub count: u64,
}

/// Scores in `[from, to)`; `null` is open. The last bucket of a percentage includes 1.
#[derive(Debug, Serialize, PartialEq)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ValueBucket {
    pub from: Option<f64>,
    pub to: Option<f64>,
    pub count: u64,
}

pub fn distribution(rules: &Rules, histogram: &Tally) -> Distribution {
    match rules.kpi_type {
        KpiType::Boolean => {
            let (true_count, false_count) = (histogram.count_at(1), histogram.count_at(0));
            let true_percentage = percentage(true_count, true_count + false_count);
            Distribution::Boolean { true_count, false_count, true_percentage }
        }
        KpiType::Percentage => Distribution::Percentage {
            bucket_width: 0.05,
            buckets: (0..PERCENTAGE_BUCKETS)
                .map(|index| ValueBucket {
                    from: Some(twentieth(index)),
                    to: Some(twentieth(index + 1)),
                    count: histogram.count_at(index),
                })
                .collect(),
        },
        KpiType::Number => number_distribution(rules.bucket_width, histogram),
        KpiType::Likert5 | KpiType::Likert7 | KpiType::Likert10 => Distribution::Likert {
            buckets: (1..=rules.kpi_type.likert_points().unwrap_or_default())
                .map(|point| LikertBucket { point, count: histogram.count_at(point) })
                .collect(),
        },
    }
}

/// Equal buckets, the width doubled until the 1st to 99th percentile fits, open ends for what lies outside.
fn number_distribution(base_width: f64, histogram: &Tally) -> Distribution {
    let (Some(low), Some(high)) = (index_at_rank(histogram, 0.01), index_at_rank(histogram, 0.99)) else {
        return Distribution::Number { bucket_width: base_width, buckets: Vec::new() };
    };
    // Shifting right divides by two and rounds down, for negative indexes too.
    let mut doublings = 0_u32;
    while (high >> doublings).saturating_sub(low >> doublings) >= NUMBER_BUCKETS_MAX {
        doublings += 1;
    }
    let (low, high) = (low >> doublings, high >> doublings);
    let width = base_width * 2f64.powi(doublings.cast_signed());
    #[allow(clippy::cast_precision_loss)]
    // an index beyond 2^53 is beyond what a double's buckets can tell apart
    let edge = |index: i64| Some(round_off(index as f64 * width));
    let mut buckets: Vec<ValueBucket> =
        (low..=high).map(|index| ValueBucket { from: edge(index), to: edge(index + 1), count: 0 }).collect();
    let (mut below, mut above) = (0, 0);
    for (index, count) in &histogram.entries {
        let index = index >> doublings;
        // Compared before the place is narrowed: an index of 64 bits may be beyond the Worker's usize of 32.
        match usize::try_from(index.saturating_sub(low)).ok().and_then(|at| buckets.get_mut(at)) {
            Some(bucket) => bucket.count += count,
            None if index < low => below += count,
            None => above += count,
        }
    }
    if below > 0 {
        buckets.insert(0, ValueBucket { from: None, to: edge(low), count: below });
    }
    if above > 0 {
        buckets.push(ValueBucket { from: edge(high + 1), to: None, count: above });
    }
    Distribution::Number { bucket_width: width, buckets }
}

/// `index / 20`: the nearest double, so that an edge reads 0.15 and not 0.15000000000000002.
fn twentieth(index: i64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // 0..=20
    let index = index as f64;
    index / 20.0
}

/// An edge without the rounding of its multiplication: the number of 15 significant digits, if that is only roundings away.
fn round_off(edge: f64) -> f64 {
    let short: f64 = format!("{edge:.14e}").parse().unwrap_or(edge);
    if (short - edge).abs() <= 4.0 * f64::EPSILON * edge.abs() { short } else { edge }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::kpi::{Direction, default_bucket_width};

    fn number_buckets(goal: f64, scores: &[f64]) -> Vec<ValueBucket> {
        let rules = Rules {
            kpi_type: KpiType::Number,
            goal,
            direction: Direction::HigherIsBetter,
            bucket_width: default_bucket_width(goal),
        };
        let mut histogram = Tally::default();
        for score in scores {
            histogram.add(rules.bucket_of(*score), 1);
        }
        match distribution(&rules, &histogram) {
            Distribution::Number { buckets, .. } => buckets,
            other => panic!("{other:?}"),
        }
    }

    fn bucket(from: impl Into<Option<f64>>, to: impl Into<Option<f64>>, count: u64) -> ValueBucket {
        ValueBucket { from: from.into(), to: to.into(), count }
    }

    #[test]
    fn a_goal_of_ten_gives_buckets_of_five() {
        assert_eq!(
            number_buckets(10.0, &[1.0, 4.99, 5.0, 14.0]),
            vec![bucket(0.0, 5.0, 2), bucket(5.0, 10.0, 1), bucket(10.0, 15.0, 1)]
        );
    }

    #[test]
    fn an_outlier_goes_into_the_open_last_bucket() {
        let mut scores = vec![7.0; 200];
        scores.push(1e15);
        assert_eq!(number_buckets(10.0, &scores), vec![bucket(5.0, 10.0, 200), bucket(10.0, None, 1)]);
    }

    #[test]
    fn the_width_doubles_until_the_bulk_fits() {
        // 0..=999 in widths of 5: the 1st percentile is 9, the 99th 989; 50 ≥ 38 buckets of 20, 25 of 40.
        let scores: Vec<f64> = (0..1000).map(f64::from).collect();
        let buckets = number_buckets(10.0, &scores);
        assert_eq!(buckets.first(), Some(&bucket(0.0, 40.0, 40)));
        assert_eq!(buckets.last(), Some(&bucket(960.0, 1000.0, 40)));
        assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), 1000);
        assert_eq!(buckets.len(), 25);
    }

    #[test]
    fn the_widest_spread_there_can_be_still_fits() {
        // A width so small that the values lie beyond what an index can hold.
        let mut scores = vec![-1e15; 50];
        scores.extend(vec![1e15; 50]);
        let buckets = number_buckets(1e-300, &scores);
        assert!(buckets.len() <= 40, "{} buckets", buckets.len());
        assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), 100);
        assert_eq!((buckets[0].count, buckets[buckets.len() - 1].count), (50, 50));
    }
}
