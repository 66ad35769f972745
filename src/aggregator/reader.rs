//! What is read from the aggregates: dashboards, sides of comparisons, breakdowns, regressions. Where no aggregates are kept for
//! a filter, the rows are read from D1, within a limit. Nothing here changes anything.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::analysis;
use super::cells::day_and_slot;
use super::core::Core;
use super::plan::find_kpi;
use super::protocol::{Ask, By, KpiAnswer, KpiRef, PropertyKey, PropertyValue, Query, Side, Summaries};
use super::stored_days::DayOf;
use super::trouble::{Failure, unavailable};
use crate::domain::calendar::{
    Bucket, Range, SLOTS_PER_DAY, Zone, buckets, format_timestamp, slot_of, slot_start_ms,
};
use crate::domain::cell::{Cell, InstanceCell, Moments};
use crate::domain::collector::{Collector, Detail};
use crate::domain::dashboard::{Dashboard, Filters, Headline, RangeShown};
use crate::domain::day::Day;
use crate::domain::day_sum::DaySum;
use crate::domain::kpi::Kpi;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::domain::segments::{ALL, Lookup, Registry, VALUES_PER_KEY_MAX};
use crate::storage::filtered::{Filtered, ROWS_MAX, Rows};
use crate::storage::recount;
use crate::storage::writer::{SEQUENCE_BITS, TypeState, json_of};

/// Most buckets of a series.
const BUCKETS_MAX: usize = 10_000;

/// Most buckets of all series of an answer: some 100 bytes each.
const POINTS_MAX: usize = 100_000;

pub type Read<T> = Result<T, Failure>;

/// Answers what is asked, as JSON.
pub async fn read(core: &Core, kind: &TypeState, ask: &Ask, now_ms: i64) -> Read<String> {
    let reader = Reader { core, kind, registry: core.registry(), now_ms, remade: core.remade() };
    match ask {
        Ask::Dashboard(query) => reader.dashboard(query).await,
        Ask::Headline(query) => reader.headline(query).await,
        Ask::Summaries { sides, kpis } => reader.summaries(sides, kpis).await,
        Ask::Breakdown { query, by, alpha } => analysis::breakdown(&reader, query, by, *alpha).await,
        Ask::Regressions { query, alpha } => analysis::regressions(&reader, query, *alpha).await,
        Ask::Properties => reader.properties().await,
        Ask::Event { event_id } => analysis::event(&reader, event_id).await,
    }
}

pub struct Reader<'a> {
    pub core: &'a Core,
    pub kind: &'a TypeState,
    pub registry: Rc<Registry>,
    pub now_ms: i64,
    /// `Core::remade` when the reading began.
    remade: u64,
}

/// What is wanted of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    All,
    /// Not the instances.
    Scores,
}

/// Where the figures of a filter come from.
pub enum Source {
    /// The cells of a segment.
    Segment(i64),
    /// No instance has the property.
    Nobody,
    /// Cells made of rows of D1, by version and day; of scores for each KPI asked for.
    Rows { scores: Vec<Days<Cell>>, instances: Days<InstanceCell> },
}

type Days<C> = BTreeMap<(i64, i64), Day<C>>;

/// Moments of each KPI, by version.
pub type ByVersion = BTreeMap<i64, Vec<Moments>>;

impl Reader<'_> {
    async fn dashboard(&self, query: &Query) -> Read<String> {
        let (range, zone, kpis) = self.look_up(query)?;
        let series = series_of(range, query, &zone, kpis.len())?;
        let source = self.source(&kpis, range, &query.properties, Wanted::All).await?;
        let collector = self.collect(&source, &kpis, range, series, zone, query.version, Detail::Full)?;
        let events = analysis::events(self, query, &source, &kpis, range).await?;
        let (use_cases, panels) = collector.finish(&kpis);
        Ok(json_of(&Dashboard {
            use_case_name: &self.kind.name,
            type_version: self.kind.type_version,
            range: RangeShown::new(&range, query.granularity, &query.time_zone),
            filters: filters(query),
            use_cases,
            kpis: panels,
            events,
        }))
    }

    /// One line of the overview of all types: a KPI or version that this one does not have is no error here.
    async fn headline(&self, query: &Query) -> Read<String> {
        let has = |name: &&String| find_kpi(&self.kind.kpis, &KpiRef::NameOrId((*name).clone())).is_ok();
        let wanted: Vec<String> = query.kpis.iter().filter(has).cloned().collect();
        let (range, zone) = (range_of(query.from_ms, query.to_ms)?, self.zone(query)?);
        let kpis = if wanted.is_empty() && !query.kpis.is_empty() { Vec::new() } else { self.kpis(&wanted)? };
        let series = series_of(range, query, &zone, kpis.len())?;
        let source = self.source(&kpis, range, &query.properties, Wanted::All).await?;
        let collector = self.collect(&source, &kpis, range, series, zone, query.version, Detail::Headline)?;
        let (use_cases, panels) = collector.finish(&kpis);
        Ok(json_of(&Headline {
            use_case_name: &self.kind.name,
            type_version: self.kind.type_version,
            use_cases,
            kpis: panels,
        }))
    }

    async fn summaries(&self, sides: &[Side], wanted: &[String]) -> Read<String> {
        let kpis = self.kpis(wanted)?;
        let mut all = Vec::with_capacity(sides.len());
        for side in sides {
            self.check_version(side.version)?;
            let range = range_of(side.from_ms, side.to_ms)?;
            let moments = self.moments(&kpis, range, side.version, &side.properties).await?;
            let halves = |m: &Moments| (m.count, [m.sum.high, m.sum.low, m.squares.high, m.squares.low]);
            all.push(moments.iter().map(halves).collect());
        }
        Ok(json_of(&Summaries { kpis: kpis.iter().map(|kpi| KpiAnswer::new(kpi)).collect(), sides: all }))
    }

    /// Property keys with their values and how many instances have each: of tracked keys from the cells.
    async fn properties(&self) -> Read<String> {
        let (database, type_no) = (&self.core.database, self.kind.type_no);
        let all = if self.registry.is_full() {
            const KEYS_SHOWN_MAX: usize = 200;
            recount::property_keys(database, type_no, KEYS_SHOWN_MAX).await?
        } else {
            self.registry.keys().map(|(key, _)| key.to_owned()).collect()
        };
        let mut keys = Vec::with_capacity(all.len());
        for key in all {
            let tracked = self.registry.is_tracked(&key);
            let (values, more_values) = if tracked {
                (self.tracked_values(&key)?, false)
            } else {
                let mut found = recount::values_of(database, type_no, &key, VALUES_PER_KEY_MAX + 1).await?;
                let more = found.len() > VALUES_PER_KEY_MAX;
                found.truncate(VALUES_PER_KEY_MAX);
                (found.into_iter().map(|value| PropertyValue { value, count: None }).collect(), more)
            };
            if !values.is_empty() {
                keys.push(PropertyKey { key, tracked, values, more_values });
            }
        }
        Ok(json_of(&keys))
    }

    fn tracked_values(&self, key: &str) -> Read<Vec<PropertyValue>> {
        let mut values = Vec::new();
        for (value, segment) in self.registry.values(key) {
            let mut instances = 0;
            let all = (0, i64::MAX >> 11);
            self.core.store.each_instances(segment, all, &|_| true, &mut |_, _, day| {
                instances += match day {
                    DayOf::Sum(day) => day.instances,
                    DayOf::Cells(day) => day.slots.iter().map(|(_, cell)| cell.instances).sum(),
                };
            })?;
            if instances > 0 {
                values.push(PropertyValue { value: value.to_owned(), count: Some(instances) });
            }
        }
        Ok(values)
    }

    /// The parts of a query, looked up and checked.
    pub fn look_up(&self, query: &Query) -> Read<(Range, Zone, Vec<&Kpi>)> {
        let range = range_of(query.from_ms, query.to_ms)?;
        let zone = self.zone(query)?;
        self.check_version(query.version)?;
        Ok((range, zone, self.kpis(&query.kpis)?))
    }

    fn zone(&self, query: &Query) -> Read<Zone> {
        Zone::parse(&query.time_zone)
            .ok_or_else(|| Refusal::new(Code::InvalidFilter, "the time zone is not known").into())
    }

    fn check_version(&self, version: Option<i64>) -> Read<()> {
        match version {
            Some(version) if !self.kind.versions.iter().any(|known| known.0 == version) => Err(Refusal::new(
                Code::InvalidFilter,
                format!(
                    "version {version} does not exist; the latest of {} is {}",
                    shown(&self.kind.name),
                    self.kind.type_version
                ),
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// The KPIs that are meant, all of them without any named.
    fn kpis(&self, wanted: &[String]) -> Read<Vec<&Kpi>> {
        if wanted.is_empty() {
            return Ok(self.kind.kpis.iter().collect());
        }
        let mut found: Vec<&Kpi> = Vec::new();
        for name in wanted {
            let kpi = find_kpi(&self.kind.kpis, &KpiRef::NameOrId(name.clone()))?;
            if !found.iter().any(|other| other.kpi_no == kpi.kpi_no) {
                found.push(kpi);
            }
        }
        Ok(found)
    }

    /// Where the figures of a property filter come from.
    pub async fn source(
        &self,
        kpis: &[&Kpi],
        range: Range,
        properties: &[(String, String)],
        wanted: Wanted,
    ) -> Read<Source> {
        match properties {
            [] => return Ok(Source::Segment(ALL)),
            all => {
                let lookups = all.iter().map(|(key, value)| self.registry.lookup(key, value));
                if lookups.clone().any(|lookup| lookup == Lookup::Nobody) {
                    return Ok(Source::Nobody);
                }
                if let ([_], Some(Lookup::Segment(segment))) = (all, lookups.clone().next()) {
                    return Ok(Source::Segment(segment));
                }
            }
        }
        let ids: Vec<i64> = kpis.iter().map(|kpi| kpi.kpi_no).collect();
        let live: Vec<i64> = self.kind.kpis.iter().map(|kpi| kpi.kpi_no).collect();
        let filtered = Filtered {
            type_no: self.kind.type_no,
            properties,
            kpis: &ids,
            live_kpis: &live,
            times_ms: (slot_start_ms(range.from_slot), slot_start_ms(range.to_slot)),
            numbers: (wanted == Wanted::All).then(|| {
                (
                    recount::first_number(range.from_slot.max(0)),
                    recount::first_number(range.to_slot.max(0)).min(1 << 53),
                )
            }),
        };
        let rows = filtered.read(&self.core.database).await?.ok_or_else(too_many_rows)?;
        Ok(cells_of(kpis, rows))
    }

    #[allow(clippy::too_many_arguments)]
    fn collect(
        &self,
        source: &Source,
        kpis: &[&Kpi],
        range: Range,
        series: Vec<Bucket>,
        zone: Zone,
        version: Option<i64>,
        detail: Detail,
    ) -> Read<Collector> {
        let collector = RefCell::new(Collector::new(range, series, zone, kpis.len(), detail));
        let wanted = |other: i64| version.is_none_or(|only| only == other);
        let sum_will_do = |day| collector.borrow_mut().takes_sum_of(day);
        self.each_scores(source, kpis, range, &sum_will_do, &mut |place, day, other, cells| {
            if wanted(other) {
                match cells {
                    DayOf::Cells(cells) => collector.borrow_mut().add_scores(place, day, cells),
                    DayOf::Sum(sum) => collector.borrow_mut().add_sum(place, day, sum),
                }
            }
        })?;
        self.each_instances(source, range, &mut |day, other, cells| {
            if wanted(other) {
                match cells {
                    DayOf::Cells(cells) => collector.borrow_mut().add_instances(day, cells),
                    DayOf::Sum(sum) => collector.borrow_mut().add_instance_sum(sum),
                }
            }
        })?;
        Ok(collector.into_inner())
    }

    /// Calls `visit(place of the KPI, day, version, cells)` for every day that the range touches.
    fn each_scores(
        &self,
        source: &Source,
        kpis: &[&Kpi],
        range: Range,
        sum_will_do: &dyn Fn(i64) -> bool,
        visit: &mut dyn FnMut(usize, i64, i64, DayOf<'_, Cell, DaySum>),
    ) -> Read<()> {
        match source {
            Source::Nobody => {}
            Source::Segment(segment) => {
                // A definition may have changed while D1 was asked: what is read here is kept, and must not be read by the old one.
                // The caller drops this answer and asks again.
                if self.core.remade() != self.remade {
                    return Err(unavailable().into());
                }
                for (place, kpi) in kpis.iter().enumerate() {
                    self.core.store.each_scores(
                        *segment,
                        kpi,
                        days(range),
                        sum_will_do,
                        &mut |day, version, cells| visit(place, day, version, cells),
                    )?;
                }
            }
            Source::Rows { scores, .. } => {
                for (place, days) in scores.iter().enumerate() {
                    for ((day, version), cells) in days {
                        visit(place, *day, *version, DayOf::Cells(cells));
                    }
                }
            }
        }
        Ok(())
    }

    fn each_instances(
        &self,
        source: &Source,
        range: Range,
        visit: &mut dyn FnMut(i64, i64, DayOf<'_, InstanceCell, InstanceCell>),
    ) -> Read<()> {
        match source {
            Source::Nobody => {}
            Source::Segment(segment) => {
                self.core.store.each_instances(*segment, days(range), &|day| is_whole(range, day), visit)?;
            }
            Source::Rows { instances, .. } => {
                for ((day, version), cells) in instances {
                    visit(*day, *version, DayOf::Cells(cells));
                }
            }
        }
        Ok(())
    }

    /// Moments of each KPI, by version.
    pub fn by_version(&self, source: &Source, kpis: &[&Kpi], range: Range) -> Read<ByVersion> {
        let mut all = ByVersion::new();
        let sum_will_do = |day| is_whole(range, day);
        self.each_scores(source, kpis, range, &sum_will_do, &mut |place, day, version, cells| {
            let moments = all.entry(version).or_insert_with(|| vec![Moments::default(); kpis.len()]);
            let Some(sum) = moments.get_mut(place) else { return };
            match cells {
                DayOf::Sum(day) => *sum = sum.plus(&day.whole.moments),
                DayOf::Cells(cells) => {
                    for (slot, cell) in &cells.slots {
                        if range.contains(day * SLOTS_PER_DAY + i64::from(*slot)) {
                            sum.add(cell);
                        }
                    }
                }
            }
        })?;
        Ok(all)
    }

    /// Moments of each KPI.
    pub async fn moments(
        &self,
        kpis: &[&Kpi],
        range: Range,
        version: Option<i64>,
        properties: &[(String, String)],
    ) -> Read<Vec<Moments>> {
        let source = self.source(kpis, range, properties, Wanted::Scores).await?;
        let all = self.by_version(&source, kpis, range)?;
        let mut sum = vec![Moments::default(); kpis.len()];
        for (other, moments) in all {
            if version.is_none_or(|only| only == other) {
                for (sum, next) in sum.iter_mut().zip(&moments) {
                    *sum = sum.plus(next);
                }
            }
        }
        Ok(sum)
    }

    /// The groups of a breakdown: by their value, `None` for what has none.
    pub async fn groups(
        &self,
        query: &Query,
        by: &By,
        kpis: &[&Kpi],
        range: Range,
    ) -> Read<Vec<(Option<serde_json::Value>, Vec<Moments>)>> {
        let source = self.source(kpis, range, &query.properties, Wanted::Scores).await?;
        let all = self.by_version(&source, kpis, range)?;
        let By::Property(key) = by else {
            return Ok(all
                .into_iter()
                .filter(|(version, _)| query.version.is_none_or(|only| only == *version))
                .map(|(version, moments)| (Some(version.into()), moments))
                .collect());
        };
        let mut rest = self.moments(kpis, range, query.version, &query.properties).await?;
        let mut groups = Vec::new();
        for value in self.values_of(key).await? {
            let mut properties = query.properties.clone();
            properties.push((key.clone(), value.clone()));
            let moments = self.moments(kpis, range, query.version, &properties).await?;
            for (rest, taken) in rest.iter_mut().zip(&moments) {
                *rest = rest.minus(taken);
            }
            groups.push((Some(value.into()), moments));
        }
        groups.push((None, rest));
        Ok(groups)
    }

    /// The values of a property key, if they are few enough to stand side by side.
    async fn values_of(&self, key: &str) -> Read<Vec<String>> {
        if self.registry.is_tracked(key) {
            return Ok(self.registry.values(key).map(|(value, _)| value.to_owned()).collect());
        }
        let found =
            recount::values_of(&self.core.database, self.kind.type_no, key, VALUES_PER_KEY_MAX + 1).await?;
        if found.len() > VALUES_PER_KEY_MAX {
            return Err(Refusal::new(
                Code::TooManyRows,
                format!(
                    "the property {} has more than {VALUES_PER_KEY_MAX} values, too many to stand side by side; filter by property.KEY=VALUE instead",
                    shown(key)
                ),
            )
            .into());
        }
        Ok(found)
    }
}

pub fn filters(query: &Query) -> Filters {
    Filters { version: query.version, properties: query.properties.iter().cloned().collect() }
}

pub fn range_of(from_ms: i64, to_ms: i64) -> Read<Range> {
    Range::new(from_ms, to_ms)
        .ok_or_else(|| Refusal::new(Code::InvalidFilter, "'from' must be before 'to'").into())
}

fn series_of(range: Range, query: &Query, zone: &Zone, kpi_count: usize) -> Read<Vec<Bucket>> {
    let buckets_max = BUCKETS_MAX.min(POINTS_MAX / kpi_count.max(1));
    buckets(range, query.granularity, zone, buckets_max).map_err(|_| {
        Refusal::new(
            Code::TooManyBuckets,
            format!(
                "from {} to {} there are more than {buckets_max} buckets of one {}, the most that {kpi_count} KPIs can have; \
                 ask for a shorter range, a coarser granularity or fewer KPIs",
                format_timestamp(slot_start_ms(range.from_slot)),
                format_timestamp(slot_start_ms(range.to_slot)),
                query.granularity.as_str()
            ),
        )
        .into()
    })
}

/// The UTC days that a range touches, both ends included.
fn days(range: Range) -> (i64, i64) {
    (range.from_slot.div_euclid(SLOTS_PER_DAY), (range.to_slot - 1).div_euclid(SLOTS_PER_DAY))
}

/// Whether all of a UTC day lies in a range.
fn is_whole(range: Range, day: i64) -> bool {
    range.from_slot <= day * SLOTS_PER_DAY && (day + 1) * SLOTS_PER_DAY <= range.to_slot
}

fn too_many_rows() -> Refusal {
    Refusal::new(
        Code::TooManyRows,
        format!(
            "more than {ROWS_MAX} rows would have to be read for these property filters; ask for a shorter range, for a rarer property, \
             or filter by a single property with few values"
        ),
    )
}

/// Rows of D1 as cells, so that everything behind is the same.
fn cells_of(kpis: &[&Kpi], rows: Rows) -> Source {
    let scores = kpis
        .iter()
        .zip(rows.scores)
        .map(|(kpi, rows)| {
            let mut days: Days<Cell> = BTreeMap::new();
            for (timestamp_ms, version, score) in rows {
                let (day, in_day) = day_and_slot(slot_of(timestamp_ms));
                if let Some(cell) = days.entry((day, version)).or_default().cell_mut(in_day) {
                    cell.add(&kpi.rules, score);
                }
            }
            days
        })
        .collect();
    let mut instances: Days<InstanceCell> = BTreeMap::new();
    for (instance_no, version, kpis) in rows.instances {
        let (day, in_day) = day_and_slot(instance_no >> SEQUENCE_BITS);
        if let Some(cell) = instances.entry((day, version)).or_default().cell_mut(in_day) {
            cell.add(&kpis);
        }
    }
    Source::Rows { scores, instances }
}
