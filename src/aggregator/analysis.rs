//! What a read concludes from the figures: what each event made of the KPIs, what got worse, and how the values of a property (or
//! the versions) stand against each other. The methods are in `domain::statistics`.

use serde::Serialize;

use super::protocol::{By, Query};
use super::reader::{ByVersion, Read, Reader, Source, Wanted, filters};
use super::trouble::Failure;
use crate::domain::calendar::{Range, SLOT_MS, format_timestamp, slot_of};
use crate::domain::cell::Moments;
use crate::domain::dashboard::{Change, Event, Filters, KpiComparison, RangeShown, Span, Windows};
use crate::domain::kpi::{Direction, Kpi, KpiType};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::domain::statistics::DEFAULT_ALPHA;
use crate::domain::statistics::comparison::{Comparison, Verdict, apply_holm, compare};
use crate::storage::writer::{SystemEvent, json_of};

/// Length of the windows before and after an event, unless less time has passed since.
const WINDOW_SLOTS_MAX: i64 = 7 * 96;

/// Events that a dashboard compares, the latest ones: each reads two windows.
const EVENTS_COMPARED_MAX: usize = 50;

/// The same where the windows must be read from D1.
const EVENTS_READ_MAX: usize = 5;

/// The events of a dashboard's range, in the order of time.
pub async fn events<'a>(
    reader: &'a Reader<'a>,
    query: &Query,
    source: &Source,
    kpis: &[&'a Kpi],
    range: Range,
) -> Read<Vec<Event<'a>>> {
    let mut events = Vec::new();
    for (change, mut comparisons) in compared(reader, query, source, kpis, range, DEFAULT_ALPHA).await? {
        apply_holm(&mut comparisons, DEFAULT_ALPHA);
        let comparisons =
            kpis.iter().zip(comparisons).map(|(kpi, comparison)| named(kpi, comparison)).collect();
        events.push(Event { what: change, comparisons });
    }
    Ok(events)
}

fn named(kpi: &Kpi, comparison: Comparison) -> KpiComparison<'_> {
    KpiComparison { kpi_id: &kpi.kpi_id, kpi_name: &kpi.name, kpi_type: kpi.rules.kpi_type, comparison }
}

/// Every event of the range with a comparison for each KPI, not adjusted yet.
async fn compared<'a>(
    reader: &'a Reader<'a>,
    query: &Query,
    source: &Source,
    kpis: &[&'a Kpi],
    range: Range,
    alpha: f64,
) -> Read<Vec<(Change<'a>, Vec<Comparison>)>> {
    let in_range = |ms: i64| range.contains(slot_of(ms));
    let versions: Vec<(i64, i64)> = reader
        .kind
        .versions
        .iter()
        .copied()
        .filter(|(version, started_ms)| *version > 1 && in_range(*started_ms))
        .collect();
    let mut others: Vec<&SystemEvent> =
        reader.kind.events.iter().filter(|event| in_range(event.at_ms)).collect();
    others.sort_by_key(|event| event.at_ms);
    let latest = others.len().saturating_sub(EVENTS_COMPARED_MAX);
    let from_rows = matches!(source, Source::Rows { .. });
    let uncompared = if from_rows { (others.len() - latest).saturating_sub(EVENTS_READ_MAX) } else { 0 };
    let mut all: Vec<(i64, Change, Vec<Comparison>)> = Vec::new();
    if !versions.is_empty() {
        let moments = reader.by_version(source, kpis, range)?;
        let from = versions.len().saturating_sub(EVENTS_COMPARED_MAX);
        for (version, started_ms) in versions.into_iter().skip(from) {
            let change = Change::Version { at: format_timestamp(started_ms), version };
            all.push((started_ms, change, of_version(&moments, kpis, version, alpha)));
        }
    }
    for (place, event) in others.into_iter().skip(latest).enumerate() {
        let (before, after) = windows(event.at_ms, reader.now_ms);
        let comparisons = if place < uncompared {
            Vec::new()
        } else {
            match before_and_after(reader, query, kpis, before, after, alpha).await {
                // The windows may lie outside the range that was asked for: what they hold must not make it fail.
                Err(Failure::Refused(refusal)) if refusal.code == Code::TooManyRows => Vec::new(),
                comparisons => comparisons?,
            }
        };
        all.push((event.at_ms, change_of(event, before, after), comparisons));
    }
    all.sort_by_key(|(at_ms, _, _)| *at_ms);
    Ok(all.into_iter().map(|(_, change, comparisons)| (change, comparisons)).collect())
}

fn of_version(moments: &ByVersion, kpis: &[&Kpi], version: i64, alpha: f64) -> Vec<Comparison> {
    let of = |version: i64, place: usize| {
        moments.get(&version).and_then(|all| all.get(place)).copied().unwrap_or_default()
    };
    kpis.iter()
        .enumerate()
        .map(|(place, kpi)| compared_sides(kpi, &of(version - 1, place), &of(version, place), alpha))
        .collect()
}

fn compared_sides(kpi: &Kpi, baseline: &Moments, candidate: &Moments, alpha: f64) -> Comparison {
    compare(kpi.rules.kpi_type, kpi.rules.direction, baseline, candidate, alpha)
}

fn change_of<'e>(event: &'e SystemEvent, before: Range, after: Range) -> Change<'e> {
    Change::Event {
        at: format_timestamp(event.at_ms),
        event_id: &event.event_id,
        title: &event.title,
        description: &event.description,
        window: Windows { baseline: Span::new(&before), candidate: Span::new(&after) },
    }
}

/// Equal windows before and after an event, at the resolution of the aggregates, at least one slot long.
fn windows(at_ms: i64, now_ms: i64) -> (Range, Range) {
    let at = slot_of(at_ms);
    let passed = (now_ms + SLOT_MS - 1).div_euclid(SLOT_MS) - at;
    let length = passed.clamp(1, WINDOW_SLOTS_MAX);
    (Range { from_slot: at - length, to_slot: at }, Range { from_slot: at, to_slot: at + length })
}

async fn before_and_after(
    reader: &Reader<'_>,
    query: &Query,
    kpis: &[&Kpi],
    before: Range,
    after: Range,
    alpha: f64,
) -> Read<Vec<Comparison>> {
    let baseline = reader.moments(kpis, before, query.version, &query.properties).await?;
    let candidate = reader.moments(kpis, after, query.version, &query.properties).await?;
    Ok(kpis
        .iter()
        .zip(baseline.iter().zip(&candidate))
        .map(|(kpi, (baseline, candidate))| compared_sides(kpi, baseline, candidate, alpha))
        .collect())
}

/// The answer to the making of an event, and to its deletion.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ComparedEvent))]
pub struct EventAnswer<'a> {
    event_id: &'a str,
    at: String,
    title: &'a str,
    description: &'a str,
    created_timestamp: String,
    window: Windows,
    comparisons: Vec<KpiComparison<'a>>,
}

/// One event, before and after.
pub async fn event(reader: &Reader<'_>, event_id: &str) -> Read<String> {
    let found = reader.kind.events.iter().find(|event| event.event_id == event_id);
    let event = found.ok_or_else(|| no_such_event(event_id))?;
    let kpis: Vec<&Kpi> = reader.kind.kpis.iter().collect();
    let (before, after) = windows(event.at_ms, reader.now_ms);
    let everything = Query::everything();
    let mut comparisons = before_and_after(reader, &everything, &kpis, before, after, DEFAULT_ALPHA).await?;
    apply_holm(&mut comparisons, DEFAULT_ALPHA);
    Ok(json_of(&EventAnswer {
        event_id: &event.event_id,
        at: format_timestamp(event.at_ms),
        title: &event.title,
        description: &event.description,
        created_timestamp: format_timestamp(event.created_ms),
        window: Windows { baseline: Span::new(&before), candidate: Span::new(&after) },
        comparisons: kpis.iter().zip(comparisons).map(|(kpi, comparison)| named(kpi, comparison)).collect(),
    }))
}

pub fn no_such_event(event_id: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no event {}", shown(event_id)))
}

/// What got significantly worse, worst first.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Regressions<'a> {
    use_case_name: &'a str,
    alpha: f64,
    range: RangeShown<'a>,
    filters: Filters,
    regressions: Vec<Regression<'a>>,
}

/// A KPI that got worse after an event.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Regression<'a> {
    event: Change<'a>,
    #[serde(flatten)]
    kpi: KpiComparison<'a>,
}

/// What got significantly worse after an event of the range, worst first. Adjusted over all events and KPIs.
pub async fn regressions(reader: &Reader<'_>, query: &Query, alpha: f64) -> Read<String> {
    let (range, _, kpis) = reader.look_up(query)?;
    let source = reader.source(&kpis, range, &query.properties, Wanted::Scores).await?;
    let mut pairs: Vec<(Change, &Kpi)> = Vec::new();
    let mut comparisons: Vec<Comparison> = Vec::new();
    for (change, of_event) in compared(reader, query, &source, &kpis, range, alpha).await? {
        for (kpi, comparison) in kpis.iter().zip(of_event) {
            pairs.push((change.clone(), kpi));
            comparisons.push(comparison);
        }
    }
    apply_holm(&mut comparisons, alpha);
    let mut found: Vec<Regression> = pairs
        .into_iter()
        .zip(comparisons)
        .filter(|(_, comparison)| comparison.verdict == Verdict::Worsened)
        .map(|((event, kpi), comparison)| Regression { event, kpi: named(kpi, comparison) })
        .collect();
    let size = |regression: &Regression| regression.kpi.comparison.effect_size.unwrap_or(0.0).abs();
    found.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Ok(json_of(&Regressions {
        use_case_name: &reader.kind.name,
        alpha,
        range: RangeShown::new(&range, query.granularity, &query.time_zone),
        filters: filters(query),
        regressions: found,
    }))
}

/// The KPIs by version, or by the values of a property.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Breakdown<'a> {
    use_case_name: &'a str,
    by: String,
    alpha: f64,
    range: RangeShown<'a>,
    filters: Filters,
    kpis: Vec<KpiBreakdown<'a>>,
}

/// A KPI's scores by value.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct KpiBreakdown<'a> {
    kpi_id: &'a str,
    kpi_name: &'a str,
    kpi_type: KpiType,
    goal: f64,
    direction: Direction,
    unit: Option<&'a str>,
    count: u64,
    average: Option<f64>,
    values: Vec<ValueShown>,
}

/// The scores that have one value.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = BrokenDownValue))]
pub struct ValueShown {
    /// `null` for the scores whose instance has no such property.
    value: Option<serde_json::Value>,
    /// From 1, the best average first; `null` without scores.
    rank: Option<usize>,
    count: u64,
    share_percentage: Option<f64>,
    average: Option<f64>,
    standard_deviation: Option<f64>,
    goal_met: Option<bool>,
    percent_of_goal: Option<f64>,
    display: String,
    against_others: Comparison,
}

/// Every value's figures side by side, each against all other scores together.
pub async fn breakdown(reader: &Reader<'_>, query: &Query, by: &By, alpha: f64) -> Read<String> {
    let (range, _, kpis) = reader.look_up(query)?;
    let groups = reader.groups(query, by, &kpis, range).await?;
    let shown = kpis.iter().enumerate().map(|(place, kpi)| of_kpi(kpi, place, &groups, alpha)).collect();
    Ok(json_of(&Breakdown {
        use_case_name: &reader.kind.name,
        by: match by {
            By::Version => "version".to_owned(),
            By::Property(key) => format!("property:{key}"),
        },
        alpha,
        range: RangeShown::new(&range, query.granularity, &query.time_zone),
        filters: filters(query),
        kpis: shown,
    }))
}

fn of_kpi<'a>(
    kpi: &'a Kpi,
    place: usize,
    groups: &[(Option<serde_json::Value>, Vec<Moments>)],
    alpha: f64,
) -> KpiBreakdown<'a> {
    let held: Vec<(Option<serde_json::Value>, Moments)> = groups
        .iter()
        .map(|(value, moments)| (value.clone(), moments.get(place).copied().unwrap_or_default()))
        .filter(|(_, moments)| moments.count > 0)
        .collect();
    let total = held.iter().fold(Moments::default(), |sum, (_, moments)| sum.plus(moments));
    let all_but = |place: usize| {
        let others = held.iter().enumerate().filter(|(other, _)| *other != place);
        others.fold(Moments::default(), |sum, (_, (_, moments))| sum.plus(moments))
    };
    // Added up anew for each: taking one away from the whole would keep the whole's rounding.
    let mut comparisons: Vec<Comparison> = held
        .iter()
        .enumerate()
        .map(|(place, (_, moments))| compared_sides(kpi, &all_but(place), moments, alpha))
        .collect();
    apply_holm(&mut comparisons, alpha);
    let rules = &kpi.rules;
    let mut values: Vec<ValueShown> = held
        .into_iter()
        .zip(comparisons)
        .map(|((value, moments), against_others)| {
            let average = moments.average();
            ValueShown {
                value,
                rank: None,
                count: moments.count,
                share_percentage: crate::domain::dashboard::percentage(moments.count, total.count),
                average,
                standard_deviation: against_others.candidate.standard_deviation,
                goal_met: average.map(|a| rules.meets_goal(a)),
                percent_of_goal: average.and_then(|a| rules.percent_of_goal(a)),
                display: rules.display(average, kpi.unit.as_deref()),
                against_others,
            }
        })
        .collect();
    let sign = if rules.direction == Direction::HigherIsBetter { -1.0 } else { 1.0 };
    let key = |value: &ValueShown| sign * value.average.unwrap_or(0.0);
    values.sort_by(|a, b| key(a).total_cmp(&key(b)));
    for (at, value) in values.iter_mut().enumerate() {
        value.rank = Some(at + 1);
    }
    KpiBreakdown {
        kpi_id: &kpi.kpi_id,
        kpi_name: &kpi.name,
        kpi_type: rules.kpi_type,
        goal: rules.goal,
        direction: rules.direction,
        unit: kpi.unit.as_deref(),
        count: total.count,
        average: total.average(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::slot_start_ms;

    #[test]
    fn windows_are_equal_and_end_by_now() {
        let at = 1_780_000_000_000 / SLOT_MS * SLOT_MS;
        let check = |passed_slots: i64, length: i64| {
            let (before, after) = windows(at + 1, at + passed_slots * SLOT_MS);
            assert_eq!(slot_start_ms(after.from_slot), at);
            assert_eq!((before.to_slot, before.to_slot - before.from_slot), (after.from_slot, length));
            assert_eq!(after.to_slot - after.from_slot, length);
        };
        check(0, 1);
        check(4, 4);
        check(671, 671);
        check(10_000, 672);
    }
}
