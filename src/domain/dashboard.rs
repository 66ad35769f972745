//! The figures of a dashboard, made of what the cells of a range add up to (`collector`), and the shape in which they are
//! answered. The shape is the public API's (docs/API.md); where the cells come from is not known here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calendar::{Bucket, Granularity, Range, format_timestamp, slot_start_ms};
use super::cell::Moments;
use super::collector::{Detail, KpiSum};
use super::distribution::{Distribution, distribution};
use super::kpi::{Kpi, KpiType, Rules};
use super::statistics::DEFAULT_ALPHA;
use super::statistics::comparison::{Comparison, compare_with_benchmark};
use super::statistics::seasonality::Seasonality;
use super::statistics::trend::{Trend, trend};
use super::tally::{Tally, index_at_rank, sketch_quantile};

/// Most points of a sparkline.
const SPARKLINE_POINTS_MAX: usize = 30;

/// The whole picture of one use case type.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Dashboard<'a> {
    pub use_case_name: &'a str,
    pub type_version: i64,
    pub range: RangeShown<'a>,
    pub filters: Filters,
    pub use_cases: UseCases,
    pub kpis: Vec<KpiPanel<'a>>,
    pub events: Vec<Event<'a>>,
}

/// One use case type in the overview.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Headline<'a> {
    pub use_case_name: &'a str,
    pub type_version: i64,
    pub use_cases: UseCases,
    pub kpis: Vec<KpiPanel<'a>>,
}

/// The effective range: `from` rounded down and `to` up to 15 minutes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = EffectiveRange))]
pub struct RangeShown<'a> {
    pub from: String,
    pub to: String,
    pub granularity: &'static str,
    pub time_zone: &'a str,
}

impl<'a> RangeShown<'a> {
    pub fn new(range: &Range, granularity: Granularity, time_zone: &'a str) -> Self {
        Self {
            from: format_timestamp(slot_start_ms(range.from_slot)),
            to: format_timestamp(slot_start_ms(range.to_slot)),
            granularity: granularity.as_str(),
            time_zone,
        }
    }
}

/// What the figures are narrowed to.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Filters {
    pub version: Option<i64>,
    pub properties: BTreeMap<String, String>,
}

/// Instances created in the range, and how many of them hold a score. Percentages are `null` where there is nothing to share.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = UseCaseCounts))]
pub struct UseCases {
    pub total: u64,
    pub reviewed: u64,
    pub reviewed_percentage: Option<f64>,
}

/// Instances created in the range that hold a score of the KPI.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Reviewed {
    pub count: u64,
    pub percentage: Option<f64>,
}

/// A KPI's figures.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct KpiPanel<'a> {
    pub kpi_id: &'a str,
    pub kpi_name: &'a str,
    pub kpi_type: KpiType,
    pub description: &'a str,
    pub unit: Option<&'a str>,
    pub goal: f64,
    pub direction: super::kpi::Direction,
    pub count: u64,
    pub average: Option<f64>,
    pub standard_deviation: Option<f64>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub percentiles: Percentiles,
    pub display: String,
    pub goal_met: Option<bool>,
    pub percent_of_goal: Option<f64>,
    pub scores_meeting_goal_percentage: Option<f64>,
    pub reviewed: Reviewed,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub distribution: Option<Distribution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub series: Option<Vec<Point>>,
    pub trend: Trend,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub seasonality: Option<Seasonality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub sparkline: Option<Vec<Spark>>,
    pub benchmarks: Vec<BenchmarkShown<'a>>,
}

/// A benchmark of the KPI's definition, and how the scores in the range stand against it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ComparedBenchmark))]
pub struct BenchmarkShown<'a> {
    pub name: &'a str,
    pub value: f64,
    pub comparison: Comparison,
}

/// One point of a sparkline: neighbouring buckets of the series together.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = SparklinePoint))]
pub struct Spark {
    pub start: String,
    pub count: u64,
    pub average: Option<f64>,
}

/// Nearest-rank percentiles: exact for boolean, within 1% of the value otherwise.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// One bucket of the series; `start` is the calendar bucket's own first instant.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = SeriesPoint))]
pub struct Point {
    pub start: String,
    pub count: u64,
    pub average: Option<f64>,
    pub goal_met: Option<bool>,
}

/// A rise of the version or another change of the system, and what each KPI made of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = DashboardEvent))]
pub struct Event<'a> {
    #[serde(flatten)]
    pub what: Change<'a>,
    /// Holm-adjusted over the KPIs of the event.
    pub comparisons: Vec<KpiComparison<'a>>,
}

/// A rise of the version, or an event.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
#[cfg_attr(test, schema(as = SystemChange))]
pub enum Change<'a> {
    /// Compared with the version before, in the range of the dashboard.
    Version { at: String, version: i64 },
    /// Compared over two windows of equal length, before and after.
    Event { at: String, event_id: &'a str, title: &'a str, description: &'a str, window: Windows },
}

/// What lies before and after an event.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Windows {
    pub baseline: Span,
    pub candidate: Span,
}

/// `[from, to)`
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Span {
    pub from: String,
    pub to: String,
}

impl Span {
    pub fn new(range: &Range) -> Self {
        Self {
            from: format_timestamp(slot_start_ms(range.from_slot)),
            to: format_timestamp(slot_start_ms(range.to_slot)),
        }
    }
}

/// A comparison of one KPI.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct KpiComparison<'a> {
    pub kpi_id: &'a str,
    pub kpi_name: &'a str,
    pub kpi_type: KpiType,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// `100 · part / whole`, `None` where there is nothing to share.
pub fn percentage(part: u64, whole: u64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // counts < 2^53
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// A KPI's figures, of what its cells add up to.
pub fn panel<'a>(
    kpi: &'a Kpi,
    sum: KpiSum,
    buckets: &[Bucket],
    detail: Detail,
    reviewed: Reviewed,
) -> KpiPanel<'a> {
    let rules = &kpi.rules;
    let total = sum.total;
    let moments = total.moments;
    let count = moments.count;
    let (average, standard_deviation) = (total.average(), total.standard_deviation());
    let (minimum, maximum, meeting_goal) = (total.minimum, total.maximum, total.meeting_goal);
    let (histogram, sketch) = total.into_tallies();
    let boolean = rules.kpi_type == KpiType::Boolean;
    let full = detail == Detail::Full;
    KpiPanel {
        kpi_id: &kpi.kpi_id,
        kpi_name: &kpi.name,
        kpi_type: rules.kpi_type,
        description: &kpi.description,
        unit: kpi.unit.as_deref(),
        goal: rules.goal,
        direction: rules.direction,
        count,
        average,
        standard_deviation,
        minimum,
        maximum,
        percentiles: percentiles(rules, &histogram, &sketch, minimum, maximum),
        display: rules.display(average, kpi.unit.as_deref()),
        goal_met: average.map(|a| rules.meets_goal(a)),
        percent_of_goal: average.and_then(|a| rules.percent_of_goal(a)),
        scores_meeting_goal_percentage: if boolean { None } else { percentage(meeting_goal, count) },
        reviewed,
        distribution: full.then(|| distribution(rules, &histogram)),
        series: full.then(|| series(rules, buckets, &sum.series)),
        trend: trend(&points(&sum.series), rules.direction),
        seasonality: full.then(|| Seasonality::new(&sum.hours, &sum.weekdays)),
        sparkline: (!full).then(|| sparkline(buckets, &sum.series)),
        benchmarks: kpi
            .benchmarks
            .iter()
            .map(|benchmark| BenchmarkShown {
                name: &benchmark.name,
                value: benchmark.value,
                comparison: compare_with_benchmark(
                    rules.kpi_type,
                    rules.direction,
                    benchmark.value,
                    &moments,
                    DEFAULT_ALPHA,
                ),
            })
            .collect(),
    }
}

/// The averages of the buckets that hold scores, with their places.
fn points(series: &[Moments]) -> Vec<(u64, f64)> {
    (0..).zip(series).filter_map(|(place, moments)| Some((place, moments.average()?))).collect()
}

fn sparkline(buckets: &[Bucket], series: &[Moments]) -> Vec<Spark> {
    let size = buckets.len().div_ceil(SPARKLINE_POINTS_MAX).max(1);
    buckets
        .chunks(size)
        .zip(series.chunks(size))
        .map(|(buckets, series)| {
            let moments = series.iter().fold(Moments::default(), |sum, next| sum.plus(next));
            Spark {
                start: buckets.first().map(|bucket| format_timestamp(bucket.start_ms)).unwrap_or_default(),
                count: moments.count,
                average: moments.average(),
            }
        })
        .collect()
}

fn percentiles(
    rules: &Rules,
    histogram: &Tally,
    sketch: &Tally,
    minimum: Option<f64>,
    maximum: Option<f64>,
) -> Percentiles {
    let at = |quantile| {
        if rules.kpi_type == KpiType::Boolean {
            return index_at_rank(histogram, quantile).map(|index| if index == 0 { 0.0 } else { 1.0 });
        }
        Some(sketch_quantile(sketch, quantile)?.clamp(minimum?, maximum?))
    };
    Percentiles { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99) }
}

fn series(rules: &Rules, buckets: &[Bucket], series: &[Moments]) -> Vec<Point> {
    buckets
        .iter()
        .zip(series)
        .map(|(bucket, moments)| {
            let average = moments.average();
            Point {
                start: format_timestamp(bucket.start_ms),
                count: moments.count,
                average,
                goal_met: average.map(|a| rules.meets_goal(a)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Zone, buckets};
    use crate::domain::cell::{Cell, InstanceCell};
    use crate::domain::collector::Collector;
    use crate::domain::day::Day;
    use crate::domain::kpi::{Direction, default_bucket_width};

    fn kpi(kpi_type: KpiType, goal: f64) -> Kpi {
        Kpi {
            kpi_no: 7,
            kpi_id: "kpi_x".into(),
            name: "X".into(),
            description: String::new(),
            rules: Rules {
                kpi_type,
                goal,
                direction: Direction::HigherIsBetter,
                bucket_width: default_bucket_width(goal),
            },
            unit: None,
            benchmarks: Vec::new(),
            created_ms: 0,
            updated_ms: 0,
        }
    }

    #[test]
    fn figures_follow_their_definitions() {
        let definition = kpi(KpiType::Percentage, 0.5);
        let mut day = Day::<Cell>::default();
        for score in [0.2, 0.6, 1.0] {
            day.cell_mut(4).unwrap().add(&definition.rules, score);
        }
        day.cell_mut(9).unwrap().add(&definition.rules, 0.9); // outside the range
        let range = Range::new(3_600_000, 7_200_000).unwrap();
        let hours = buckets(range, Granularity::Hour, &Zone::parse("UTC").unwrap(), 10).unwrap();
        let zone = Zone::parse("UTC").unwrap();
        let mut collector = Collector::new(range, hours, zone, 1, Detail::Full);
        collector.add_scores(0, 0, &day);
        let mut instances = Day::<InstanceCell>::default();
        let reviewed_by_kpi = Tally { entries: vec![(7, 3)] };
        instances.replace(4, InstanceCell { instances: 8, reviewed: 4, reviewed_by_kpi });
        collector.add_instances(0, &instances);
        let (use_cases, panels) = collector.finish(&[&definition]);
        assert_eq!((use_cases.total, use_cases.reviewed, use_cases.reviewed_percentage), (8, 4, Some(50.0)));
        let panel = &panels[0];
        assert_eq!((panel.count, panel.minimum, panel.maximum), (3, Some(0.2), Some(1.0)));
        assert!((panel.average.unwrap() - 0.6).abs() < 1e-15);
        assert!((panel.standard_deviation.unwrap() - 0.4).abs() < 1e-15);
        assert_eq!(panel.goal_met, Some(true));
        assert!((panel.percent_of_goal.unwrap() - 120.0).abs() < 1e-12);
        assert!((panel.scores_meeting_goal_percentage.unwrap() - 200.0 / 3.0).abs() < 1e-12);
        assert_eq!((panel.reviewed.count, panel.reviewed.percentage), (3, Some(37.5)));
        let series = panel.series.as_ref().unwrap();
        assert_eq!((series.len(), series[0].start.as_str()), (1, "1970-01-01T01:00:00.000Z"));
    }

    #[test]
    fn nothing_recorded_is_no_error() {
        let definition = kpi(KpiType::Number, 10.0);
        let range = Range::new(0, 86_400_000).unwrap();
        let days = buckets(range, Granularity::Day, &Zone::parse("UTC").unwrap(), 10).unwrap();
        let zone = Zone::parse("UTC").unwrap();
        let (use_cases, panels) = Collector::new(range, days, zone, 1, Detail::Full).finish(&[&definition]);
        assert_eq!((use_cases.total, use_cases.reviewed_percentage), (0, None));
        let panel = &panels[0];
        assert_eq!(
            (panel.count, panel.average, panel.goal_met, panel.percentiles.p50),
            (0, None, None, None)
        );
        assert_eq!(panel.display, "No scores (Goal: 10.00)");
        assert_eq!(panel.series.as_ref().unwrap()[0].average, None);
    }
}
