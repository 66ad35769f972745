//! `/api/v1/dashboard/{use_case_name}/compare`, `/breakdown`, `/regressions`: is it better, and is that real? The sides of a
//! comparison are read from the objects; what is concluded from them is `domain::statistics`' business.

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::answer::Answer;
use super::dashboards::query;
use super::query::invalid_filter as invalid;
use super::types::parse_use_case_name;
use crate::aggregator::protocol::{Ask, By, Command, KpiAnswer, Query, Side, Summaries};
use crate::domain::calendar::{Range, format_timestamp, slot_of, slot_start_ms};
use crate::domain::cell::Moments;
use crate::domain::dashboard::Filters;
use crate::domain::double_double::DoubleDouble;
use crate::domain::kpi::{Direction, KpiType};
use crate::domain::names::check_property_key;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::domain::statistics::DEFAULT_ALPHA;
use crate::domain::statistics::comparison::{Comparison, apply_holm, compare, compare_with_benchmark};

const HOUR_MS: i64 = 3_600_000;

/// The longest window before and after a moment.
const WINDOW_HOURS_MAX: i64 = 10 * 366 * 24;

/// All the time that scores can have.
const EVERYTHING_FROM_MS: i64 = 0;

pub async fn breakdown(context: &Context<'_>) -> Result<Answer, Refusal> {
    let by = match context.query.get("by") {
        Some("version") => By::Version,
        Some(text) => match text.strip_prefix("property:").filter(|key| check_property_key(key).is_ok()) {
            Some(key) => By::Property(key.to_owned()),
            None => return Err(invalid(format!("by {} must be version or property:KEY", shown(text)))),
        },
        None => return Err(invalid("the parameter 'by' is missing: version or property:KEY")),
    };
    let ask = Ask::Breakdown { query: query(context)?, by, alpha: alpha(context)? };
    read(context, ask).await
}

pub async fn regressions(context: &Context<'_>) -> Result<Answer, Refusal> {
    read(context, Ask::Regressions { query: query(context)?, alpha: alpha(context)? }).await
}

async fn read(context: &Context<'_>, ask: Ask) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let reply = context.command(name.as_str(), Command::Read(ask)).await?;
    Ok(Answer::with_request_id(&reply, &context.request_id))
}

/// What a comparison is by, with what distinguishes the sides.
enum Sides {
    /// Two sides of the same type.
    Two { baseline: (Side, Value), candidate: (Side, Value) },
    /// The same side of two types.
    Types { side: Side, candidate: String },
    /// Against one value, or the benchmarks of each KPI.
    Benchmark { side: Side, value: Option<f64> },
}

pub async fn compare_sides(context: &Context<'_>) -> Result<Answer, Refusal> {
    let name = context.use_case_name()?;
    let query = query(context)?;
    let alpha = alpha(context)?;
    let by = context.query.get("by").ok_or_else(|| {
        invalid("the parameter 'by' is missing: version, period, moment, property, use_case or benchmark")
    })?;
    let sides = sides(context, by, &query)?;
    let (baseline, candidate, mut found) = match sides {
        Sides::Two { baseline, candidate } => {
            let summaries =
                summaries(context, name.as_str(), vec![baseline.0, candidate.0], &query.kpis).await?;
            let found = two_sides(&summaries, alpha);
            (baseline.1, candidate.1, found)
        }
        Sides::Types { side, candidate } => {
            let ours = summaries(context, name.as_str(), vec![side.clone()], &query.kpis).await?;
            let theirs = summaries(context, &candidate, vec![side], &[]).await?;
            let found = two_types(&ours, &theirs, alpha);
            (json!({"use_case_name": name.as_str()}), json!({"use_case_name": candidate}), found)
        }
        Sides::Benchmark { side, value } => {
            let described =
                json!({"from": format_timestamp(side.from_ms), "to": format_timestamp(side.to_ms)});
            let summaries = summaries(context, name.as_str(), vec![side], &query.kpis).await?;
            let found = against_benchmarks(&summaries, value, alpha)?;
            (json!({"benchmark": value}), described, found)
        }
    };
    adjust(&mut found, alpha);
    Ok(Answer::of(&Comparisons {
        use_case_name: name.as_str(),
        by,
        alpha,
        filters: Filters { version: query.version, properties: query.properties.iter().cloned().collect() },
        baseline,
        candidate,
        comparisons: found,
        request_id: &context.request_id,
    }))
}

/// The KPIs' comparisons, with what the sides are.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Comparisons<'a> {
    use_case_name: &'a str,
    by: &'a str,
    alpha: f64,
    /// Of both sides.
    filters: Filters,
    baseline: Value,
    candidate: Value,
    comparisons: Vec<Compared>,
    request_id: &'a str,
}

/// One KPI's comparison, as the API shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ComparedKpi))]
pub struct Compared {
    kpi_id: String,
    kpi_name: String,
    kpi_type: KpiType,
    goal: f64,
    direction: Direction,
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    benchmark_name: Option<String>,
    #[serde(flatten)]
    comparison: Comparison,
}

impl Compared {
    fn new(kpi: &KpiAnswer, comparison: Comparison) -> Self {
        Self {
            kpi_id: kpi.kpi_id.clone(),
            kpi_name: kpi.name.clone(),
            kpi_type: kpi.kpi_type,
            goal: kpi.goal,
            direction: kpi.direction,
            unit: kpi.unit.clone(),
            benchmark_name: None,
            comparison,
        }
    }
}

fn adjust(found: &mut [Compared], alpha: f64) {
    if found.len() > 1 {
        let mut comparisons: Vec<Comparison> =
            found.iter().map(|compared| compared.comparison.clone()).collect();
        apply_holm(&mut comparisons, alpha);
        for (compared, comparison) in found.iter_mut().zip(comparisons) {
            compared.comparison = comparison;
        }
    }
}

fn two_sides(summaries: &Summaries, alpha: f64) -> Vec<Compared> {
    let side = |at: usize, place: usize| moments(summaries, at, place);
    let each = summaries.kpis.iter().enumerate();
    each.map(|(place, kpi)| {
        let comparison = compare(kpi.kpi_type, kpi.direction, &side(0, place), &side(1, place), alpha);
        Compared::new(kpi, comparison)
    })
    .collect()
}

/// KPIs are matched by name and type.
fn two_types(ours: &Summaries, theirs: &Summaries, alpha: f64) -> Vec<Compared> {
    let mut found = Vec::new();
    for (place, kpi) in ours.kpis.iter().enumerate() {
        let same = |other: &&KpiAnswer| other.name == kpi.name && other.kpi_type == kpi.kpi_type;
        if let Some(other) = theirs.kpis.iter().position(|other| same(&other)) {
            let (baseline, candidate) = (moments(ours, 0, place), moments(theirs, 0, other));
            let comparison = compare(kpi.kpi_type, kpi.direction, &baseline, &candidate, alpha);
            found.push(Compared::new(kpi, comparison));
        }
    }
    found
}

fn against_benchmarks(
    summaries: &Summaries,
    value: Option<f64>,
    alpha: f64,
) -> Result<Vec<Compared>, Refusal> {
    let mut found = Vec::new();
    for (place, kpi) in summaries.kpis.iter().enumerate() {
        let scores = moments(summaries, 0, place);
        let against = |value: f64| compare_with_benchmark(kpi.kpi_type, kpi.direction, value, &scores, alpha);
        match value {
            Some(value) if !kpi.kpi_type.allows_goal(value) => {
                return Err(invalid(format!(
                    "value {value} is out of range: KPI {} is of type {} and takes {}",
                    shown(&kpi.name),
                    kpi.kpi_type.as_str(),
                    kpi.kpi_type.goal_range()
                )));
            }
            Some(value) => found.push(Compared::new(kpi, against(value))),
            None => found.extend(kpi.benchmarks.iter().map(|benchmark| Compared {
                benchmark_name: Some(benchmark.name.clone()),
                ..Compared::new(kpi, against(benchmark.value))
            })),
        }
    }
    Ok(found)
}

fn moments(summaries: &Summaries, side: usize, place: usize) -> Moments {
    let found = summaries.sides.get(side).and_then(|side| side.get(place));
    found.map_or_else(Moments::default, |(count, [sum, sum_low, squares, squares_low])| Moments {
        count: *count,
        sum: DoubleDouble { high: *sum, low: *sum_low },
        squares: DoubleDouble { high: *squares, low: *squares_low },
    })
}

/// Count and moments of each KPI on each side.
pub async fn summaries(
    context: &Context<'_>,
    name: &str,
    sides: Vec<Side>,
    kpis: &[String],
) -> Result<Summaries, Refusal> {
    let ask = Ask::Summaries { sides, kpis: kpis.to_vec() };
    let reply = context.command(name, Command::Read(ask)).await?;
    serde_json::from_str(&reply)
        .map_err(|_| Refusal::new(Code::UnexpectedError, "the aggregator's summaries can't be read"))
}

fn sides(context: &Context<'_>, by: &str, query: &Query) -> Result<Sides, Refusal> {
    let side = Side {
        from_ms: query.from_ms,
        to_ms: query.to_ms,
        version: query.version,
        properties: query.properties.clone(),
    };
    match by {
        "version" => by_version(context, &side),
        "period" => by_period(context, &side),
        "moment" => by_moment(context, &side),
        "property" => by_property(context, &side),
        "use_case" => {
            let candidate = required(context, "candidate", "the name of the other use case")?;
            Ok(Sides::Types { side, candidate: parse_use_case_name(candidate)?.as_str().to_owned() })
        }
        "benchmark" => {
            let value = context.query.get("value").map(number("value")).transpose()?;
            if value.is_some() && query.kpis.len() != 1 {
                return Err(invalid("a 'value' is a benchmark of one KPI: name it with 'kpi'"));
            }
            Ok(Sides::Benchmark { side, value })
        }
        other => Err(invalid(format!(
            "by {} is not known; allowed: version, period, moment, property, use_case, benchmark",
            shown(other)
        ))),
    }
}

/// Two versions, in the range if one is given, else over all time: the older one may be long ago.
fn by_version(context: &Context<'_>, side: &Side) -> Result<Sides, Refusal> {
    let version = |name: &str| -> Result<i64, Refusal> {
        let text = required(context, name, "a version number")?;
        text.parse().map_err(|_| invalid(format!("{name} {} is not a version number", shown(text))))
    };
    let named = context.query.get("from").is_some() || context.query.get("to").is_some();
    let from_ms = if named { side.from_ms } else { EVERYTHING_FROM_MS };
    let of = |version: i64| {
        (Side { version: Some(version), from_ms, ..side.clone() }, json!({"version": version}))
    };
    Ok(Sides::Two { baseline: of(version("baseline")?), candidate: of(version("candidate")?) })
}

fn by_period(context: &Context<'_>, side: &Side) -> Result<Sides, Refusal> {
    let zone = context.query.zone()?;
    // To quarters of an hour first, as every range: else the period before would share one with the period.
    let side = &widened(side);
    let own = (context.query.bound("baseline_from", &zone)?, context.query.bound("baseline_to", &zone)?);
    let (from_ms, to_ms) = match (own, context.query.get("baseline")) {
        ((Some(from), Some(to)), None) => (from, to),
        ((None, None), None | Some("previous")) => (side.from_ms - (side.to_ms - side.from_ms), side.from_ms),
        ((None, None), Some("previous_year")) => {
            (zone.year_before(side.from_ms), zone.year_before(side.to_ms))
        }
        ((None, None), Some(other)) => {
            return Err(invalid(format!("baseline {} must be previous or previous_year", shown(other))));
        }
        _ => {
            return Err(invalid(
                "give either both 'baseline_from' and 'baseline_to', or 'baseline' (previous or previous_year)",
            ));
        }
    };
    if from_ms >= to_ms {
        return Err(invalid(format!(
            "'baseline_from' ({}) must be before 'baseline_to' ({})",
            format_timestamp(from_ms),
            format_timestamp(to_ms)
        )));
    }
    let candidate = (side.clone(), span(side.from_ms, side.to_ms));
    let baseline = widened(&Side { from_ms, to_ms, ..side.clone() });
    let described = span(baseline.from_ms, baseline.to_ms);
    Ok(Sides::Two { baseline: (baseline, described), candidate })
}

/// From rounded down to a slot, to rounded up.
fn widened(side: &Side) -> Side {
    Range::new(side.from_ms, side.to_ms).map_or_else(
        || side.clone(),
        |range| Side {
            from_ms: slot_start_ms(range.from_slot),
            to_ms: slot_start_ms(range.to_slot),
            ..side.clone()
        },
    )
}

fn by_moment(context: &Context<'_>, side: &Side) -> Result<Sides, Refusal> {
    required(context, "at", "a date or an RFC 3339 time")?;
    let at = context.query.bound("at", &context.query.zone()?)?.unwrap_or_default();
    // The slot in which it lies belongs to the side after it only.
    let at = slot_start_ms(slot_of(at));
    let window = window(context.query.get("window").unwrap_or("7d"))?;
    let of = |from_ms: i64, to_ms: i64| (Side { from_ms, to_ms, ..side.clone() }, span(from_ms, to_ms));
    Ok(Sides::Two { baseline: of(at - window, at), candidate: of(at, at + window) })
}

fn by_property(context: &Context<'_>, side: &Side) -> Result<Sides, Refusal> {
    let key = required(context, "key", "a property key")?;
    check_property_key(key).map_err(|bad| invalid(format!("key {}: {}", shown(key), bad.0)))?;
    let of = |name: &str| -> Result<(Side, Value), Refusal> {
        let value = required(context, name, "a value of the property")?;
        let mut properties = side.properties.clone();
        properties.push((key.to_owned(), value.to_owned()));
        Ok((Side { properties, ..side.clone() }, json!({"key": key, "value": value})))
    };
    Ok(Sides::Two { baseline: of("baseline")?, candidate: of("candidate")? })
}

fn span(from_ms: i64, to_ms: i64) -> Value {
    json!({"from": format_timestamp(from_ms), "to": format_timestamp(to_ms)})
}

/// `12h`, `7d`, `2w`.
fn window(text: &str) -> Result<i64, Refusal> {
    let bad =
        || invalid(format!("window {} must be a number of hours, days or weeks: 12h, 7d, 2w", shown(text)));
    let unit = text.chars().last().ok_or_else(bad)?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return Err(bad()),
    };
    let count: i64 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or_else(bad)?;
    count
        .checked_mul(hours)
        .filter(|hours| (1..=WINDOW_HOURS_MAX).contains(hours))
        .map(|hours| hours * HOUR_MS)
        .ok_or_else(bad)
}

/// The level of significance asked for.
fn alpha(context: &Context<'_>) -> Result<f64, Refusal> {
    let Some(text) = context.query.get("alpha") else { return Ok(DEFAULT_ALPHA) };
    let alpha = number("alpha")(text)?;
    if (0.0001..=0.5).contains(&alpha) {
        Ok(alpha)
    } else {
        Err(invalid(format!("alpha {} must be from 0.0001 to 0.5", shown(text))))
    }
}

fn number(name: &'static str) -> impl Fn(&str) -> Result<f64, Refusal> {
    move |text| {
        let parsed: Option<f64> = text.parse().ok();
        parsed
            .filter(|number| number.is_finite())
            .ok_or_else(|| invalid(format!("{name} {} is not a number", shown(text))))
    }
}

fn required<'c>(context: &'c Context<'_>, name: &str, what: &str) -> Result<&'c str, Refusal> {
    context.query.get(name).ok_or_else(|| invalid(format!("the parameter '{name}' is missing: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_hours_days_or_weeks() {
        for (text, hours) in [("1h", 1), ("7d", 168), ("2w", 336)] {
            assert_eq!(window(text), Ok(hours * HOUR_MS));
        }
        for bad in ["", "d", "0d", "-1d", "7", "7m", "7.5d", "1000000w", "7ü"] {
            assert_eq!(window(bad).map_err(|refusal| refusal.code), Err(Code::InvalidFilter), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn windows_of_any_text(text in "[+-]?[0-9]{0,20}[hdw.]?|\\PC{0,5}") {
            if let Ok(ms) = window(&text) {
                proptest::prop_assert!((HOUR_MS..=WINDOW_HOURS_MAX * HOUR_MS).contains(&ms));
            }
        }
    }
}
