//! What a day of cells adds up to, in the shape in which dashboards use it: the whole of the day, and its half hours. Of a range
//! of many days all but the first and the last lie in it whole, and nearly all clocks differ from UTC by whole half hours.

use super::cell::{Cell, CellSum, InstanceCell, Moments, Total};
use super::day::Day;
use super::tally::Tally;

/// 15-minute slots that stand together.
pub const SLOTS_PER_PART: u8 = 2;

/// Scores of one KPI, version and UTC day.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySum {
    pub whole: Total,
    /// By the number of the part in the day, sorted; those without scores are left out.
    pub parts: Vec<(u8, Moments)>,
}

impl DaySum {
    pub fn of(day: &Day<Cell>) -> Self {
        let mut whole = CellSum::default();
        let mut parts: Vec<(u8, Moments)> = Vec::new();
        for (slot, cell) in &day.slots {
            whole.add(cell);
            let part = slot / SLOTS_PER_PART;
            match parts.last_mut() {
                Some((last, moments)) if *last == part => moments.add(cell),
                _ => {
                    let mut moments = Moments::default();
                    moments.add(cell);
                    parts.push((part, moments));
                }
            }
        }
        parts.shrink_to_fit();
        Self { whole: whole.into_total(), parts }
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.parts.as_slice())
            + tally_bytes(&self.whole.histogram)
            + tally_bytes(&self.whole.sketch)
    }
}

/// All instances of a day.
pub fn instances_of(day: &Day<InstanceCell>) -> InstanceCell {
    let mut sum = InstanceCell::default();
    for (_, cell) in &day.slots {
        sum.merge(cell);
    }
    sum
}

/// Memory that a tally takes.
pub fn tally_bytes(tally: &Tally) -> usize {
    tally.entries.capacity() * size_of::<(i64, u64)>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Granularity, Range, SLOTS_PER_DAY, Zone, buckets};
    use crate::domain::collector::{Collector, Detail};
    use crate::domain::kpi::{Direction, Kpi, KpiType, Rules, default_bucket_width};
    use proptest::prelude::*;

    /// Clocks go back on 2026-10-25 in Berlin; Kolkata is half an hour off, Kathmandu three quarters.
    const FIRST_DAY: i64 = 20_750;
    const DAYS: i64 = 4;
    const ZONES: [&str; 5] =
        ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"];

    fn kpi(kpi_type: KpiType) -> Kpi {
        let rules = Rules {
            kpi_type,
            goal: 1.0,
            direction: Direction::HigherIsBetter,
            bucket_width: default_bucket_width(1.0),
        };
        Kpi {
            kpi_no: 7,
            kpi_id: "kpi_x".into(),
            name: "X".into(),
            description: String::new(),
            rules,
            unit: None,
            benchmarks: Vec::new(),
            created_ms: 0,
            updated_ms: 0,
        }
    }

    fn days_of(rules: &Rules, scores: &[(i64, f64)]) -> Vec<(i64, Day<Cell>)> {
        (FIRST_DAY..FIRST_DAY + DAYS)
            .map(|day| {
                let mut cells = Day::<Cell>::default();
                for (slot, score) in scores {
                    if slot.div_euclid(SLOTS_PER_DAY) == day {
                        let in_day = u8::try_from(slot.rem_euclid(SLOTS_PER_DAY)).unwrap();
                        cells.cell_mut(in_day).unwrap().add(rules, *score);
                    }
                }
                (day, cells)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_dashboard_of_sums_is_that_of_the_cells(
            scores in prop::collection::vec((0..DAYS * SLOTS_PER_DAY, 0_u8..=2), 0..200),
            (from, length) in (0..DAYS * SLOTS_PER_DAY, 1..DAYS * SLOTS_PER_DAY),
            zone in 0..ZONES.len(),
            (boolean, full, hourly) in (any::<bool>(), any::<bool>(), any::<bool>()),
        ) {
            let first = FIRST_DAY * SLOTS_PER_DAY;
            let range = Range { from_slot: first + from, to_slot: first + from + length };
            let zone = Zone::parse(ZONES[zone]).unwrap();
            let granularity = if hourly { Granularity::Hour } else { Granularity::Day };
            let detail = if full { Detail::Full } else { Detail::Headline };
            let kpi = kpi(if boolean { KpiType::Boolean } else { KpiType::Number });
            // Small numbers, so that all sums are exact.
            let score = |value: u8| f64::from(if boolean { value.min(1) } else { value });
            let scores: Vec<(i64, f64)> = scores.iter().map(|(slot, value)| (first + slot, score(*value))).collect();
            let collector = || {
                let series = buckets(range, granularity, &zone, 1000).unwrap();
                Collector::new(range, series, zone, 1, detail)
            };
            let (mut of_cells, mut of_sums) = (collector(), collector());
            let mut summed = 0;
            for (day, cells) in days_of(&kpi.rules, &scores) {
                of_cells.add_scores(0, day, &cells);
                if of_sums.takes_sum_of(day) {
                    summed += 1;
                    of_sums.add_sum(0, day, &DaySum::of(&cells));
                } else {
                    of_sums.add_scores(0, day, &cells);
                }
            }
            let whole = (range.to_slot.min(first + DAYS * SLOTS_PER_DAY).div_euclid(SLOTS_PER_DAY)
                - (range.from_slot - 1).div_euclid(SLOTS_PER_DAY) - 1).max(0);
            prop_assert!(summed <= whole);
            if ["UTC", "Asia/Kolkata"].contains(&zone.name()) {
                prop_assert_eq!(summed, whole);
            }
            let shown = |collector: Collector| serde_json::to_string(&collector.finish(&[&kpi]).1).unwrap();
            prop_assert_eq!(shown(of_cells), shown(of_sums));
        }
    }
}
