//! Adds up the cells of a range: in all, by the buckets of the series, by hour of the day and day of the week.

use std::collections::BTreeMap;

use super::calendar::{Bucket, LocalClock, Range, SLOTS_PER_DAY, Zone};
use super::cell::{Cell, CellSum, InstanceCell, Moments};
use super::dashboard::{KpiPanel, Reviewed, UseCases, panel, percentage};
use super::day::Day;
use super::day_sum::{DaySum, SLOTS_PER_PART};
use super::kpi::Kpi;
use super::tally::Tally;

/// How much of a KPI's figures is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything: with distribution, series and seasonality.
    Full,
    /// With a sparkline in place of them.
    Headline,
}

/// Adds up the cells of one use case type over a range.
pub struct Collector {
    range: Range,
    buckets: Vec<Bucket>,
    detail: Detail,
    clock: LocalClock,
    /// Where the parts of a day go; `None` if its sum will not do.
    places: BTreeMap<i64, Option<Vec<PartPlace>>>,
    kpis: Vec<KpiSum>,
    instances: u64,
    reviewed: u64,
    reviewed_by_kpi: Tally,
}

/// Where a part of a day goes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PartPlace {
    bucket: usize,
    hour_and_weekday: (usize, usize),
}

/// What the cells of a KPI add up to.
pub struct KpiSum {
    pub total: CellSum,
    pub series: Vec<Moments>,
    pub hours: [Moments; 24],
    pub weekdays: [Moments; 7],
}

impl Collector {
    /// `buckets` are those of the series, `zone` that of the profiles by hour and day of week.
    pub fn new(range: Range, buckets: Vec<Bucket>, zone: Zone, kpi_count: usize, detail: Detail) -> Self {
        let kpis = (0..kpi_count)
            .map(|_| KpiSum {
                total: CellSum::default(),
                series: vec![Moments::default(); buckets.len()],
                hours: Default::default(),
                weekdays: Default::default(),
            })
            .collect();
        Self {
            range,
            buckets,
            detail,
            clock: LocalClock::new(zone),
            places: BTreeMap::new(),
            kpis,
            instances: 0,
            reviewed: 0,
            reviewed_by_kpi: Tally::default(),
        }
    }

    /// Adds what lies in the range of a KPI's day; `kpi` is its place among the KPIs asked for.
    pub fn add_scores(&mut self, kpi: usize, day: i64, cells: &Day<Cell>) {
        let Some(sum) = self.kpis.get_mut(kpi) else { return };
        for (slot_in_day, cell) in &cells.slots {
            let slot = day * SLOTS_PER_DAY + i64::from(*slot_in_day);
            if !self.range.contains(slot) {
                continue;
            }
            sum.total.add(cell);
            let at = self.buckets.partition_point(|bucket| bucket.to_slot <= slot);
            if let Some(moments) = sum.series.get_mut(at) {
                moments.add(cell);
            }
            if self.detail == Detail::Full {
                let (hour, weekday) = self.clock.hour_and_weekday(slot);
                for moments in [sum.hours.get_mut(hour), sum.weekdays.get_mut(weekday)].into_iter().flatten()
                {
                    moments.add(cell);
                }
            }
        }
    }

    /// Whether the sum of a day says as much as its cells: it lies in the range whole, and no bucket or hour ends within one of
    /// its parts.
    pub fn takes_sum_of(&mut self, day: i64) -> bool {
        if let Some(places) = self.places.get(&day) {
            return places.is_some();
        }
        let places = self.places_of(day);
        let takes = places.is_some();
        self.places.insert(day, places);
        takes
    }

    fn places_of(&mut self, day: i64) -> Option<Vec<PartPlace>> {
        let (first, end) = (day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY);
        if first < self.range.from_slot || end > self.range.to_slot {
            return None;
        }
        let mut at = self.buckets.partition_point(|bucket| bucket.to_slot <= first);
        (first..end)
            .step_by(usize::from(SLOTS_PER_PART))
            .map(|slot| {
                while self.buckets.get(at).is_some_and(|bucket| bucket.to_slot <= slot) {
                    at += 1;
                }
                let last = slot + i64::from(SLOTS_PER_PART) - 1;
                let hour_and_weekday = self.clock.hour_and_weekday(slot);
                let in_one = self.buckets.get(at).is_none_or(|bucket| bucket.to_slot > last)
                    && self.clock.hour_and_weekday(last) == hour_and_weekday;
                in_one.then_some(PartPlace { bucket: at, hour_and_weekday })
            })
            .collect()
    }

    /// Adds a KPI's day of which `takes_sum_of` holds.
    pub fn add_sum(&mut self, kpi: usize, day: i64, day_sum: &DaySum) {
        let Some(sum) = self.kpis.get_mut(kpi) else { return };
        let Some(Some(places)) = self.places.get(&day) else { return };
        sum.total.add_total(&day_sum.whole);
        for (part, moments) in &day_sum.parts {
            let Some(place) = places.get(usize::from(*part)) else { continue };
            let (hour, weekday) = place.hour_and_weekday;
            let profiles = match self.detail {
                Detail::Full => [sum.hours.get_mut(hour), sum.weekdays.get_mut(weekday)],
                Detail::Headline => [None, None],
            };
            for total in profiles.into_iter().chain([sum.series.get_mut(place.bucket)]).flatten() {
                *total = total.plus(moments);
            }
        }
    }

    /// Adds instances that lie in the range.
    pub fn add_instance_sum(&mut self, cell: &InstanceCell) {
        self.instances += cell.instances;
        self.reviewed += cell.reviewed;
        self.reviewed_by_kpi.merge(&cell.reviewed_by_kpi);
    }

    /// Adds what lies in the range of a day of instances.
    pub fn add_instances(&mut self, day: i64, cells: &Day<InstanceCell>) {
        for (slot_in_day, cell) in &cells.slots {
            if self.range.contains(day * SLOTS_PER_DAY + i64::from(*slot_in_day)) {
                self.add_instance_sum(cell);
            }
        }
    }

    /// The figures. `kpis` are those of `new`, in their order.
    pub fn finish<'a>(self, kpis: &[&'a Kpi]) -> (UseCases, Vec<KpiPanel<'a>>) {
        let use_cases = UseCases {
            total: self.instances,
            reviewed: self.reviewed,
            reviewed_percentage: percentage(self.reviewed, self.instances),
        };
        let panels = kpis
            .iter()
            .zip(self.kpis)
            .map(|(kpi, sum)| {
                let reviewed = self.reviewed_by_kpi.count_at(kpi.kpi_no);
                let reviewed = Reviewed { count: reviewed, percentage: percentage(reviewed, self.instances) };
                panel(kpi, sum, &self.buckets, self.detail, reviewed)
            })
            .collect();
        (use_cases, panels)
    }
}
