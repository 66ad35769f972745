//! Time: slots of 15 minutes, ranges, and the calendar buckets (hours, days, weeks, months) of a time zone. All instants are
//! milliseconds since the Unix epoch, UTC. There is no clock here; "now" is an argument where it matters.

use super::zones;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The resolution of aggregates: every UTC offset in use since 2000 is a multiple of it.
pub const SLOT_MS: i64 = 15 * 60 * 1000;

const SLOT_S: i64 = SLOT_MS / 1000;

pub const SLOTS_PER_DAY: i64 = 96;

const SLOTS_PER_HOUR: i64 = 4;

/// Beyond all times: 10000-01-01.
pub const TIME_END_MS: i64 = 253_402_300_800_000;

/// The slot in which an instant lies.
pub fn slot_of(ms: i64) -> i64 {
    ms.div_euclid(SLOT_MS)
}

pub fn slot_start_ms(slot: i64) -> i64 {
    slot.saturating_mul(SLOT_MS)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    Hour,
    Day,
    Week,
    Month,
}

impl Granularity {
    pub const ALLOWED: &'static str = "hour, day, week, month";

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// A time zone of the IANA database, in slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(zones::Zone);

impl Zone {
    /// By its exact name: `Europe/Berlin`, `UTC`.
    pub fn parse(name: &str) -> Option<Self> {
        zones::Zone::find(name).map(Self)
    }

    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The offset from UTC at an instant, in slots, rounded down (before 2000 some zones had odd ones).
    fn offset_slots(&self, slot: i64) -> i64 {
        self.0.offset_s(slot.saturating_mul(SLOT_S)).div_euclid(SLOT_S)
    }

    /// The date and time that clocks show at the start of a slot, as if it were UTC.
    fn local(&self, slot: i64) -> NaiveDateTime {
        let local = slot_start_ms(slot + self.offset_slots(slot));
        DateTime::from_timestamp_millis(local).unwrap_or_default().naive_utc()
    }

    /// The instant at which clocks showed the same a year before; 29 February becomes the 28th.
    pub fn year_before(&self, ms: i64) -> i64 {
        let offset_ms = self.0.offset_s(ms.div_euclid(1000)) * 1000;
        let shown = DateTime::from_timestamp_millis(ms + offset_ms).unwrap_or_default();
        let earlier = shown.checked_sub_months(chrono::Months::new(12)).unwrap_or(shown).timestamp_millis();
        match self.0.first_showing(earlier.div_euclid(1000)) {
            Some(instant_s) => instant_s * 1000 + earlier.rem_euclid(1000),
            // Skipped by clocks: as they went on.
            None => earlier - offset_ms,
        }
    }

    /// The first instant of a local date, to the slot. Where clocks skip midnight it is the first that they show of the
    /// date, or of a later one if they skip the date; where midnight comes twice, the first.
    fn first_slot_of(&self, date: NaiveDate) -> i64 {
        let midnight_s = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        // Clocks never skip more than a day.
        (0..=SLOTS_PER_DAY)
            .find_map(|quarter| self.0.first_showing(midnight_s + quarter * SLOT_S))
            .unwrap_or(midnight_s)
            .div_euclid(SLOT_S)
    }
}

/// What clocks show, for many slots of one zone: asks the time zone database twice a UTC day, not once a slot.
#[derive(Debug)]
pub struct LocalClock {
    zone: Zone,
    /// By UTC day, the offset in slots; `None` on a day on which it changes.
    offsets: BTreeMap<i64, Option<i64>>,
}

impl LocalClock {
    pub fn new(zone: Zone) -> Self {
        Self { zone, offsets: BTreeMap::new() }
    }

    /// The hour of the day, 0 to 23, and the day of the week, 0 (Monday) to 6, at the start of a slot.
    pub fn hour_and_weekday(&mut self, slot: i64) -> (usize, usize) {
        let local = slot + self.offset_slots(slot);
        let hour = local.rem_euclid(SLOTS_PER_DAY) / SLOTS_PER_HOUR;
        let weekday = (local.div_euclid(SLOTS_PER_DAY) + 3).rem_euclid(7); // 1970-01-01 was a Thursday
        (usize::try_from(hour).unwrap_or(0), usize::try_from(weekday).unwrap_or(0))
    }

    fn offset_slots(&mut self, slot: i64) -> i64 {
        let zone = self.zone;
        let day = slot.div_euclid(SLOTS_PER_DAY);
        let of_day = self.offsets.entry(day).or_insert_with(|| {
            let first = day * SLOTS_PER_DAY;
            let offset = zone.offset_slots(first);
            // No zone moves its clocks forth and back within one day.
            (offset == zone.offset_slots(first + SLOTS_PER_DAY - 1)).then_some(offset)
        });
        of_day.unwrap_or_else(|| zone.offset_slots(slot))
    }
}

/// `[from_slot, to_slot)`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub from_slot: i64,
    pub to_slot: i64,
}

impl Range {
    /// From rounded down to a slot, to rounded up. `None` unless `from_ms < to_ms`.
    pub fn new(from_ms: i64, to_ms: i64) -> Option<Self> {
        let to_slot = -(-to_ms).div_euclid(SLOT_MS);
        (from_ms < to_ms).then(|| Self { from_slot: slot_of(from_ms), to_slot })
    }

    pub fn contains(&self, slot: i64) -> bool {
        (self.from_slot..self.to_slot).contains(&slot)
    }
}

/// One calendar bucket, as far as it lies in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's own first instant; the first bucket of a range may begin before it.
    pub start_ms: i64,
    pub from_slot: i64,
    pub to_slot: i64,
}

/// A range has more buckets than asked for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyBuckets;

/// All buckets that meet the range, in order, without gaps, empty ones too.
///
/// An hour begins at every whole hour that clocks show, and where they jump: the hour that comes twice is two buckets.
pub fn buckets(
    range: Range,
    granularity: Granularity,
    zone: &Zone,
    buckets_max: usize,
) -> Result<Vec<Bucket>, TooManyBuckets> {
    let mut buckets = Vec::new();
    let mut start = bucket_start(range.from_slot, granularity, zone);
    while start < range.to_slot {
        if buckets.len() == buckets_max {
            return Err(TooManyBuckets);
        }
        let next = next_start(start, granularity, zone).max(start + 1);
        if next > range.from_slot {
            buckets.push(Bucket {
                start_ms: slot_start_ms(start),
                from_slot: start.max(range.from_slot),
                to_slot: next.min(range.to_slot),
            });
        }
        start = next;
    }
    Ok(buckets)
}

/// The start of the bucket in which a slot lies.
fn bucket_start(slot: i64, granularity: Granularity, zone: &Zone) -> i64 {
    match granularity {
        Granularity::Hour => {
            let past = (slot + zone.offset_slots(slot)).rem_euclid(SLOTS_PER_HOUR);
            // Not beyond a jump of the clocks within the hour.
            (slot - past..=slot)
                .find(|start| zone.offset_slots(*start) == zone.offset_slots(slot))
                .unwrap_or(slot)
        }
        _ => {
            let start = zone.first_slot_of(first_date(zone.local(slot).date(), granularity));
            start.min(slot)
        }
    }
}

fn next_start(start: i64, granularity: Granularity, zone: &Zone) -> i64 {
    if granularity == Granularity::Hour {
        let offset = zone.offset_slots(start);
        let past = (start + offset).rem_euclid(SLOTS_PER_HOUR);
        let whole = start + SLOTS_PER_HOUR - past;
        if zone.offset_slots(whole) == offset {
            return whole;
        }
        return (start + 1..whole).find(|slot| zone.offset_slots(*slot) != offset).unwrap_or(whole);
    }
    let mut date = first_date(zone.local(start).date(), granularity);
    // A date that clocks skip begins where the one after it does: go on until the bucket has an extent.
    for _ in 0..3 {
        date = following(date, granularity);
        let next = zone.first_slot_of(date);
        if next > start {
            return next;
        }
    }
    start + SLOTS_PER_DAY
}

/// The first date of the bucket in which a date lies.
fn first_date(date: NaiveDate, granularity: Granularity) -> NaiveDate {
    match granularity {
        Granularity::Hour | Granularity::Day => date,
        Granularity::Week => {
            let past = i64::from(date.weekday().num_days_from_monday());
            date.checked_sub_signed(TimeDelta::days(past)).unwrap_or(date)
        }
        Granularity::Month => date.with_day(1).unwrap_or(date),
    }
}

fn following(date: NaiveDate, granularity: Granularity) -> NaiveDate {
    let next = match granularity {
        Granularity::Hour | Granularity::Day => date.succ_opt(),
        Granularity::Week => date.checked_add_signed(TimeDelta::days(7)),
        Granularity::Month => date.checked_add_months(chrono::Months::new(1)),
    };
    next.unwrap_or(NaiveDate::MAX)
}

/// An RFC 3339 time; fractions finer than a millisecond are dropped.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    // chrono takes a space for the T; RFC 3339 times of this API have the T.
    let separator = text.as_bytes().get(10)?;
    if !separator.eq_ignore_ascii_case(&b'T') || !text.is_ascii() {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    (instant.timestamp_subsec_nanos() < 1_000_000_000).then(|| instant.timestamp_millis())
}

/// `2026-11-24T10:00:00.000Z`
pub fn format_timestamp(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `2026-11-24`, with all its digits.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let is_date = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    // By a pattern chrono would read it too, with all that its patterns can hold.
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// A bound of a range: a date, which is its first instant in the zone, or an RFC 3339 time. A `+` that URL decoding has turned
/// into a space is understood. Years 1970 to 9999.
pub fn parse_bound(text: &str, zone: &Zone) -> Option<i64> {
    let ms = match parse_date(text) {
        Some(date) => slot_start_ms(zone.first_slot_of(date)),
        None => parse_timestamp(text).or_else(|| parse_timestamp(&text.replace(' ', "+")))?,
    };
    (-2 * SLOTS_PER_DAY * SLOT_MS..TIME_END_MS).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Timelike;
    use proptest::prelude::*;

    fn starts(zone: &str, from: &str, to: &str, granularity: Granularity) -> Vec<String> {
        let zone = Zone::parse(zone).unwrap();
        let bound = |text| parse_bound(text, &zone).unwrap();
        let range = Range::new(bound(from), bound(to)).unwrap();
        buckets(range, granularity, &zone, 1000)
            .unwrap()
            .iter()
            .map(|bucket| format_timestamp(bucket.start_ms)[..16].to_owned())
            .collect()
    }

    /// Expected instants: Python, `datetime(y, m, d, tzinfo=ZoneInfo(zone)).astimezone(UTC)`.
    #[test]
    fn days_are_right_when_clocks_change() {
        let check = |zone, from, to, expect: &[&str]| {
            assert_eq!(starts(zone, from, to, Granularity::Day), expect, "{zone}");
        };
        check(
            "Europe/Berlin",
            "2026-03-28",
            "2026-03-31",
            &["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00"],
        );
        check(
            "Europe/Berlin",
            "2026-10-24",
            "2026-10-27",
            &["2026-10-23T22:00", "2026-10-24T22:00", "2026-10-25T23:00"],
        );
        check(
            "America/New_York",
            "2026-03-07",
            "2026-03-10",
            &["2026-03-07T05:00", "2026-03-08T05:00", "2026-03-09T04:00"],
        );
        check(
            "America/New_York",
            "2026-10-31",
            "2026-11-03",
            &["2026-10-31T04:00", "2026-11-01T04:00", "2026-11-02T05:00"],
        );
        check("Asia/Kolkata", "2026-06-01", "2026-06-03", &["2026-05-31T18:30", "2026-06-01T18:30"]);
        check("Asia/Kathmandu", "2026-06-01", "2026-06-03", &["2026-05-31T18:15", "2026-06-01T18:15"]);
        check(
            "Australia/Lord_Howe",
            "2026-04-04",
            "2026-04-07",
            &["2026-04-03T13:00", "2026-04-04T13:00", "2026-04-05T13:30"],
        );
        check(
            "Australia/Lord_Howe",
            "2026-10-03",
            "2026-10-06",
            &["2026-10-02T13:30", "2026-10-03T13:30", "2026-10-04T13:00"],
        );
        // No midnight on 2026-03-29: clocks go from 00:00 to 01:00.
        check(
            "Asia/Beirut",
            "2026-03-28",
            "2026-03-31",
            &["2026-03-27T22:00", "2026-03-28T22:00", "2026-03-29T21:00"],
        );
        // No 30 December 2011 at all.
        check("Pacific/Apia", "2011-12-29", "2012-01-01", &["2011-12-29T10:00", "2011-12-30T10:00"]);
    }

    #[test]
    fn hours_are_right_when_clocks_change() {
        let hours = |zone, from, to| starts(zone, from, to, Granularity::Hour);
        let utc: Vec<String> = (0..4).map(|h| format!("2026-10-25T{h:02}:00")).collect();
        assert_eq!(hours("Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T04:00:00Z"), utc);
        assert_eq!(
            hours("Asia/Kathmandu", "2026-06-01T00:00:00Z", "2026-06-01T02:00:00Z"),
            ["2026-05-31T23:15", "2026-06-01T00:15", "2026-06-01T01:15"]
        );
        // 02:00 (+11:00) becomes 01:30 (+10:30) at 15:00 UTC: half an hour that comes twice.
        assert_eq!(
            hours("Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z"),
            ["2026-04-04T14:00", "2026-04-04T15:00", "2026-04-04T15:30"]
        );
        // 02:00 (+10:30) becomes 02:30 (+11:00) at 15:30 UTC: the hour has 30 minutes.
        assert_eq!(
            hours("Australia/Lord_Howe", "2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z"),
            ["2026-10-03T14:30", "2026-10-03T15:30", "2026-10-03T16:00"]
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        assert_eq!(
            starts("UTC", "2026-11-24", "2026-12-08", Granularity::Week),
            ["2026-11-23T00:00", "2026-11-30T00:00", "2026-12-07T00:00"]
        );
        assert_eq!(
            starts("Europe/Berlin", "2026-09-30", "2026-12-02", Granularity::Month),
            ["2026-08-31T22:00", "2026-09-30T22:00", "2026-10-31T23:00", "2026-11-30T23:00"]
        );
    }

    /// Expected: Python, `d = instant.astimezone(ZoneInfo(zone))`: `d.hour, d.weekday()`.
    #[test]
    fn a_local_clock_is_right_when_clocks_change() {
        for (zone, instant, hour, weekday) in [
            ("UTC", "1970-01-01T00:00:00Z", 0, 3),
            ("UTC", "1969-12-31T23:45:00Z", 23, 2),
            ("UTC", "2026-11-24T13:45:00Z", 13, 1),
            ("Europe/Berlin", "2026-03-28T22:45:00Z", 23, 5),
            ("Europe/Berlin", "2026-03-28T23:00:00Z", 0, 6),
            ("Europe/Berlin", "2026-03-29T00:45:00Z", 1, 6),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", 3, 6),
            ("Europe/Berlin", "2026-03-29T21:45:00Z", 23, 6),
            ("Europe/Berlin", "2026-03-29T22:00:00Z", 0, 0),
            ("Europe/Berlin", "2026-10-25T00:00:00Z", 2, 6),
            ("Europe/Berlin", "2026-10-25T00:45:00Z", 2, 6),
            ("Europe/Berlin", "2026-10-25T01:00:00Z", 2, 6),
            ("Europe/Berlin", "2026-10-25T22:45:00Z", 23, 6),
            ("Europe/Berlin", "2026-10-25T23:00:00Z", 0, 0),
            ("Asia/Kathmandu", "2026-06-01T00:00:00Z", 5, 0),
            ("Asia/Kathmandu", "2026-06-01T00:15:00Z", 6, 0),
            ("Asia/Kathmandu", "2026-06-07T18:00:00Z", 23, 6),
            ("Asia/Kathmandu", "2026-06-07T18:15:00Z", 0, 0),
            ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", 0, 6),
            ("Australia/Lord_Howe", "2026-04-04T14:45:00Z", 1, 6),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", 1, 6),
            ("Australia/Lord_Howe", "2026-04-04T15:30:00Z", 2, 6),
            ("Australia/Lord_Howe", "2026-04-05T13:15:00Z", 23, 6),
            ("Australia/Lord_Howe", "2026-04-05T13:30:00Z", 0, 0),
            ("Australia/Lord_Howe", "2026-10-03T15:15:00Z", 1, 6),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", 2, 6),
            ("Australia/Lord_Howe", "2026-10-03T15:45:00Z", 2, 6),
            ("Australia/Lord_Howe", "2026-10-04T12:45:00Z", 23, 6),
            ("Australia/Lord_Howe", "2026-10-04T13:00:00Z", 0, 0),
            ("America/New_York", "2026-03-08T06:45:00Z", 1, 6),
            ("America/New_York", "2026-03-08T07:00:00Z", 3, 6),
            ("America/New_York", "2026-11-01T05:45:00Z", 1, 6),
            ("America/New_York", "2026-11-01T06:00:00Z", 1, 6),
            ("Pacific/Apia", "2011-12-30T09:45:00Z", 23, 3),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", 0, 5),
        ] {
            let mut clock = LocalClock::new(Zone::parse(zone).unwrap());
            let slot = slot_of(parse_timestamp(instant).unwrap());
            assert_eq!(clock.hour_and_weekday(slot), (hour, weekday), "{zone} {instant}");
            // Nor does it matter what it was asked before.
            for other in slot - 200..slot + 200 {
                clock.hour_and_weekday(other);
            }
            assert_eq!(clock.hour_and_weekday(slot), (hour, weekday), "{zone} {instant}");
        }
    }

    #[test]
    fn a_range_with_too_many_buckets_is_refused_at_once() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let range = Range::new(0, 253_402_300_000_000).unwrap();
        assert_eq!(buckets(range, Granularity::Hour, &zone, 10_000), Err(TooManyBuckets));
        let range = Range::new(0, 10_000 * 3_600_000).unwrap();
        let utc = Zone::parse("UTC").unwrap();
        assert_eq!(buckets(range, Granularity::Hour, &utc, 10_000).map(|b| b.len()), Ok(10_000));
        assert_eq!(buckets(range, Granularity::Hour, &utc, 9_999), Err(TooManyBuckets));
    }

    #[test]
    fn timestamps_are_rfc_3339() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(parse_timestamp(text).map(format_timestamp).as_deref(), expect, "{text}");
        };
        check("2026-11-24T10:00:00Z", Some("2026-11-24T10:00:00.000Z"));
        check("2026-11-24t10:00:00.123456z", Some("2026-11-24T10:00:00.123Z"));
        check("2026-11-24T10:00:00+05:45", Some("2026-11-24T04:15:00.000Z"));
        for bad in [
            "2026-11-24",
            "2026-11-24 10:00:00Z",
            "2026-11-24T10:00:00",
            "2026-11-24T25:00:00Z",
            "",
            "x",
            "2026-02-30T00:00:00Z",
            " 2026-11-24T10:00:00Z",
            "2026-11-24T23:59:60Z",
            "+12026-11-24T10:00:00Z",
        ] {
            check(bad, None);
        }
        let zone = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(parse_bound("2026-11-24T10:00:00 02:00", &zone), parse_timestamp("2026-11-24T08:00:00Z"));
        assert_eq!(parse_bound("2026-07-01", &zone), parse_timestamp("2026-06-30T22:00:00Z"));
        for bad in [
            "2026-7-1",
            "+9999-1-01",
            " 2026-1-01",
            "2026- 1- 1",
            "2026-02-30",
            "0000-01-01",
            "2026-11-2\u{661}",
        ] {
            assert_eq!(parse_bound(bad, &zone), None, "{bad}");
        }
        assert_eq!(parse_bound("99999-01-01", &zone), None);
    }

    #[test]
    fn ranges_are_rounded_to_slots() {
        assert_eq!(Range::new(1, SLOT_MS), Some(Range { from_slot: 0, to_slot: 1 }));
        assert_eq!(Range::new(SLOT_MS, SLOT_MS + 1), Some(Range { from_slot: 1, to_slot: 2 }));
        assert_eq!(Range::new(5, 5), None);
        assert_eq!(slot_of(-1), -1);
    }

    fn any_zone() -> impl Strategy<Value = Zone> {
        prop::sample::select(vec![
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kolkata",
            "Asia/Kathmandu",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Beirut",
            "America/Havana",
            "America/Sao_Paulo",
            "Africa/Casablanca",
            "Pacific/Chatham",
        ])
        .prop_map(|name| Zone::parse(name).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_local_clock_shows_what_the_zone_does(zone in any_zone(), from_slot in 0i64..2_000_000) {
            let mut clock = LocalClock::new(zone);
            for slot in from_slot..from_slot + 300 {
                let shown = zone.local(slot);
                let expect = (shown.hour() as usize, shown.weekday().num_days_from_monday() as usize);
                prop_assert_eq!(clock.hour_and_weekday(slot), expect);
            }
        }

        #[test]
        fn buckets_cover_the_range_and_each_is_one_hour_day_week_or_month(
            zone in any_zone(),
            from_slot in 1_051_200i64..2_000_000, // 2000 to 2027
            length in 1i64..4000,
            granularity in prop::sample::select(vec![Granularity::Hour, Granularity::Day, Granularity::Week, Granularity::Month]),
        ) {
            let range = Range { from_slot, to_slot: from_slot + length };
            let all = buckets(range, granularity, &zone, 10_000).unwrap();
            prop_assert_eq!(all.first().map(|b| b.from_slot), Some(range.from_slot));
            prop_assert_eq!(all.last().map(|b| b.to_slot), Some(range.to_slot));
            let key = |slot: i64| {
                let shown = zone.local(slot);
                let hour = (shown.date(), shown.time().hour() as i64, zone.offset_slots(slot));
                match granularity {
                    Granularity::Hour => hour,
                    other => (first_date(shown.date(), other), 0, 0),
                }
            };
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].to_slot, pair[1].from_slot);
                prop_assert!(key(pair[0].to_slot - 1) != key(pair[1].from_slot));
            }
            for bucket in &all {
                prop_assert!(bucket.from_slot < bucket.to_slot);
                prop_assert!(slot_of(bucket.start_ms) <= bucket.from_slot);
                prop_assert_eq!(key(slot_of(bucket.start_ms)), key(bucket.from_slot));
                for slot in bucket.from_slot..bucket.to_slot {
                    prop_assert_eq!(key(slot), key(bucket.from_slot));
                }
            }
        }
    }
}
