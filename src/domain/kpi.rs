//! KPI types, goals and scores: what values are allowed, in which bucket a score falls, when a goal is met, and how an
//! average is shown. Where definitions come from and where they are kept is not known here.

use serde::{Deserialize, Serialize};

/// Largest magnitude of a number score and of a number goal.
pub const NUMBER_MAGNITUDE_MAX: f64 = 1e15;

/// Buckets of a percentage KPI: twenty of 0.05, the last one closed.
pub const PERCENTAGE_BUCKETS: i64 = 20;

/// What scores a KPI takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum KpiType {
    Boolean,
    Number,
    Percentage,
    Likert5,
    Likert7,
    Likert10,
}

impl KpiType {
    pub const ALLOWED: &'static str = "boolean, number, percentage, likert5, likert7, likert10";

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "boolean" => Self::Boolean,
            "number" => Self::Number,
            "percentage" => Self::Percentage,
            "likert5" => Self::Likert5,
            "likert7" => Self::Likert7,
            "likert10" => Self::Likert10,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Percentage => "percentage",
            Self::Likert5 => "likert5",
            Self::Likert7 => "likert7",
            Self::Likert10 => "likert10",
        }
    }

    /// The points of a Likert scale.
    pub fn likert_points(self) -> Option<i64> {
        match self {
            Self::Likert5 => Some(5),
            Self::Likert7 => Some(7),
            Self::Likert10 => Some(10),
            Self::Boolean | Self::Number | Self::Percentage => None,
        }
    }

    /// The scores this type allows, in words.
    pub fn score_range(self) -> &'static str {
        match self {
            Self::Boolean => "0 or 1 (or false, true)",
            Self::Number => "a finite number of magnitude at most 1e15",
            Self::Percentage => "a number from 0 to 1 (0.25 is 25%)",
            Self::Likert5 => "a number from 1 to 5",
            Self::Likert7 => "a number from 1 to 7",
            Self::Likert10 => "a number from 1 to 10",
        }
    }

    /// The goals this type allows, in words.
    pub fn goal_range(self) -> &'static str {
        match self {
            Self::Boolean | Self::Percentage => "a number from 0 to 1 (0.25 is 25%)",
            other => other.score_range(),
        }
    }

    /// Whether `value` is a valid score.
    pub fn allows_score(self, value: f64) -> bool {
        match self {
            Self::Boolean => value == 0.0 || value == 1.0,
            other => other.allows_goal(value),
        }
    }

    /// Whether `value` is a valid goal.
    pub fn allows_goal(self, value: f64) -> bool {
        match self {
            Self::Boolean | Self::Percentage => (0.0..=1.0).contains(&value),
            Self::Number => value.is_finite() && value.abs() <= NUMBER_MAGNITUDE_MAX,
            Self::Likert5 => (1.0..=5.0).contains(&value),
            Self::Likert7 => (1.0..=7.0).contains(&value),
            Self::Likert10 => (1.0..=10.0).contains(&value),
        }
    }
}

/// Whether more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    HigherIsBetter,
    LowerIsBetter,
}

impl Direction {
    pub const ALLOWED: &'static str = "higher_is_better, lower_is_better";

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "higher_is_better" => Some(Self::HigherIsBetter),
            "lower_is_better" => Some(Self::LowerIsBetter),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::HigherIsBetter => "higher_is_better",
            Self::LowerIsBetter => "lower_is_better",
        }
    }
}

/// The part of a definition on which the aggregates depend: when it changes, the KPI's cells are made anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    pub kpi_type: KpiType,
    pub goal: f64,
    pub direction: Direction,
    /// Width of a number KPI's buckets; of no meaning for the other types.
    pub bucket_width: f64,
}

/// A KPI definition: what its owner said, and the number under which the service keeps its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Kpi {
    pub kpi_no: i64,
    pub kpi_id: String,
    pub name: String,
    pub description: String,
    pub rules: Rules,
    pub unit: Option<String>,
    pub benchmarks: Vec<Benchmark>,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// What a KPI is held against: an industry's average, a competitor, last year.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Benchmark {
    pub name: String,
    /// In the range of the KPI's goals.
    pub value: f64,
}

/// Most benchmarks of a KPI.
pub const BENCHMARKS_MAX: usize = 20;

impl Rules {
    /// Whether one value (a score or an average) meets the goal.
    pub fn meets_goal(&self, value: f64) -> bool {
        match self.direction {
            Direction::HigherIsBetter => value >= self.goal,
            Direction::LowerIsBetter => value <= self.goal,
        }
    }

    /// `100·average/goal`, or `100·goal/average` where lower is better; `None` where that divides by zero.
    pub fn percent_of_goal(&self, average: f64) -> Option<f64> {
        let (part, whole) = match self.direction {
            Direction::HigherIsBetter => (average, self.goal),
            Direction::LowerIsBetter => (self.goal, average),
        };
        (whole != 0.0).then(|| 100.0 * (part / whole)).filter(|x| x.is_finite())
    }

    /// The index of the bucket a score falls into. Boolean: 0 or 1. Likert: the nearest point, halves up. Percentage: 0–19.
    /// Number: `floor(score / bucket_width)`; beyond ±2⁶² widths (a width many powers of ten too small) the outermost index.
    pub fn bucket_of(&self, score: f64) -> i64 {
        match self.kpi_type {
            KpiType::Boolean => i64::from(score >= 0.5),
            KpiType::Percentage => to_index(floor_of_quotient(score * 20.0)).min(PERCENTAGE_BUCKETS - 1),
            KpiType::Number => to_index(floor_of_quotient(score / self.bucket_width)),
            KpiType::Likert5 | KpiType::Likert7 | KpiType::Likert10 => to_index((score + 0.5).floor()),
        }
    }

    /// An average as people read it, beside the goal: `5.23% True (Goal: 5.00%)`.
    pub fn display(&self, average: Option<f64>, unit: Option<&str>) -> String {
        let goal = self.display_value(self.goal, unit);
        match (average, self.kpi_type) {
            (None, _) => format!("No scores (Goal: {goal})"),
            (Some(average), KpiType::Boolean) => {
                format!("{} True (Goal: {goal})", self.display_value(average, unit))
            }
            (Some(average), kpi_type) => {
                let value = self.display_value(average, unit);
                let scale =
                    kpi_type.likert_points().map(|points| format!(" / {points}.00")).unwrap_or_default();
                format!("{value}{scale} (Goal: {goal})")
            }
        }
    }

    fn display_value(&self, value: f64, unit: Option<&str>) -> String {
        match self.kpi_type {
            KpiType::Boolean | KpiType::Percentage => format!("{:.2}%", value * 100.0),
            KpiType::Number => with_unit(value, unit.unwrap_or_default()),
            KpiType::Likert5 | KpiType::Likert7 | KpiType::Likert10 => format!("{value:.2}"),
        }
    }
}

/// The bucket width of a number KPI whose definition names none: the largest of 1, 2, 5 × 10ⁿ that is at most half the goal's
/// magnitude; 1 for a goal of 0.
pub fn default_bucket_width(goal: f64) -> f64 {
    let half = goal.abs() / 2.0;
    if half == 0.0 {
        return 1.0;
    }
    let exponent = to_index(half.log10().floor());
    let mut best = f64::MIN_POSITIVE;
    // One decade more on either side: log10 may be off by a rounding.
    for n in exponent - 1..=exponent + 1 {
        for step in [1, 2, 5] {
            // Parsing gives the double nearest to the decimal number; 5.0 * 10f64.powi(n) may not.
            let width = format!("{step}e{n}").parse::<f64>().unwrap_or(0.0);
            if width <= half && width > best {
                best = width;
            }
        }
    }
    best
}

fn with_unit(value: f64, unit: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let magnitude = value.abs();
    match unit {
        "" => format!("{sign}{magnitude:.2}"),
        "$" | "€" => format!("{sign}{unit}{magnitude:.2}"),
        "%" | "°" => format!("{sign}{magnitude:.2}{unit}"),
        other => format!("{sign}{magnitude:.2} {other}"),
    }
}

/// `floor`, except that a quotient within four roundings of a whole number counts as that number: 0.3 lies on the edge of
/// buckets 0.1 wide although 0.3 / 0.1 is 2.9999999999999996 in doubles.
fn floor_of_quotient(quotient: f64) -> f64 {
    let nearest = quotient.round();
    if (quotient - nearest).abs() <= 4.0 * f64::EPSILON * quotient.abs() { nearest } else { quotient.floor() }
}

/// A whole double as an index, held within ±2⁶².
#[allow(clippy::cast_possible_truncation)] // in range after the clamp
fn to_index(whole: f64) -> i64 {
    const LIMIT: f64 = 4_611_686_018_427_387_904.0;
    whole.clamp(-LIMIT, LIMIT) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(kpi_type: KpiType, goal: f64) -> Rules {
        Rules {
            kpi_type,
            goal,
            direction: Direction::HigherIsBetter,
            bucket_width: default_bucket_width(goal),
        }
    }

    #[test]
    fn averages_read_as_the_contract_shows_them() {
        let check = |kpi_type, goal, average, unit, expect: &str| {
            assert_eq!(rules(kpi_type, goal).display(Some(average), unit), expect);
        };
        check(KpiType::Boolean, 0.05, 0.0523, None, "5.23% True (Goal: 5.00%)");
        check(KpiType::Number, 10.0, 12.47, Some("$"), "$12.47 (Goal: $10.00)");
        check(KpiType::Number, 10.0, -2.5, Some("€"), "-€2.50 (Goal: €10.00)");
        check(KpiType::Number, 10.0, 2.5, Some("min"), "2.50 min (Goal: 10.00 min)");
        check(KpiType::Number, 10.0, 2.5, None, "2.50 (Goal: 10.00)");
        check(KpiType::Percentage, 0.3, 0.25, None, "25.00% (Goal: 30.00%)");
        check(KpiType::Likert5, 3.5, 3.85, None, "3.85 / 5.00 (Goal: 3.50)");
        check(KpiType::Likert10, 7.0, 8.0, None, "8.00 / 10.00 (Goal: 7.00)");
        assert_eq!(rules(KpiType::Boolean, 0.25).display(None, None), "No scores (Goal: 25.00%)");
    }

    #[test]
    fn default_widths_are_at_most_half_the_goal() {
        let check = |goal, expect: f64| assert_eq!(default_bucket_width(goal), expect, "goal {goal}");
        check(10.0, 5.0);
        check(-10.0, 5.0);
        check(0.0, 1.0);
        check(1.0, 0.5);
        check(2.0, 1.0);
        check(3.0, 1.0);
        check(4.0, 2.0);
        check(0.3, 0.1);
        check(0.02, 0.01);
        check(1999.0, 500.0);
        check(2000.0, 1000.0);
        check(1e15, 5e14);
    }

    #[test]
    fn scores_fall_into_the_bucket_that_people_expect() {
        let check = |kpi_type, width, score, expect| {
            let rules = Rules { bucket_width: width, ..rules(kpi_type, 0.5) };
            assert_eq!(rules.bucket_of(score), expect, "{kpi_type:?} {score} in {width}");
        };
        for k in 0..20 {
            check(KpiType::Percentage, 1.0, f64::from(k) / 20.0, i64::from(k));
        }
        check(KpiType::Percentage, 1.0, 1.0, 19);
        check(KpiType::Percentage, 1.0, 0.149_999, 2);
        check(KpiType::Likert5, 1.0, 1.0, 1);
        check(KpiType::Likert5, 1.0, 2.5, 3);
        check(KpiType::Likert5, 1.0, 2.499, 2);
        check(KpiType::Likert5, 1.0, 5.0, 5);
        check(KpiType::Number, 5.0, 4.999_999, 0);
        check(KpiType::Number, 5.0, 5.0, 1);
        check(KpiType::Number, 5.0, -0.1, -1);
        check(KpiType::Number, 5.0, -5.0, -1);
        check(KpiType::Number, 0.1, 0.3, 3);
        check(KpiType::Number, 0.1, 0.7, 7);
        check(KpiType::Number, 1e-300, 1e15, 1 << 62);
        check(KpiType::Boolean, 1.0, 1.0, 1);
        check(KpiType::Boolean, 1.0, 0.0, 0);
    }

    #[test]
    fn percent_of_goal_never_divides_by_zero() {
        let mut r = rules(KpiType::Number, 0.0);
        assert_eq!(r.percent_of_goal(5.0), None);
        r.direction = Direction::LowerIsBetter;
        assert_eq!(r.percent_of_goal(5.0), Some(0.0));
        assert_eq!(r.percent_of_goal(0.0), None);
        r = Rules { goal: 10.0, ..r };
        assert_eq!(r.percent_of_goal(20.0), Some(50.0));
    }
}
