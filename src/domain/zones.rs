//! Time zones: the offset from UTC at an instant, and the instant at which clocks show a time. `build.rs` makes the table and
//! says how it is laid out. It holds all names of the IANA database, and every change of the clocks from 1968-11-01 to 2099;
//! before and after, the offset nearest in time holds. Abbreviations, and what is summer time, are left out.
//!
//! A zone is decoded when it is first asked for, and kept: nothing is done at load.

use std::sync::OnceLock;

/// 1968-11-01T00:00:00Z, as in `build.rs`.
const FROM_S: i64 = -36_892_800;

/// As in `build.rs`.
const UNIT_S: i64 = 30;

/// No clock is as far from UTC as this.
const DAY_S: i64 = 86_400;

static NAMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zone_names.bin"));

static STEPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zone_steps.bin"));

const ZONES: usize = match include_bytes!(concat!(env!("OUT_DIR"), "/zone_names.bin")) {
    [low, high, ..] => u16::from_le_bytes([*low, *high]) as usize,
};

/// By the place of the name.
static DECODED: [OnceLock<Vec<Span>>; ZONES] = [const { OnceLock::new() }; ZONES];

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    /// In order, without gaps, of all times.
    spans: &'static [Span],
}

/// A time in which the clocks aren't changed: `[from_s, to_s)`, seconds since the epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from_s: i64,
    to_s: i64,
    offset_s: i64,
}

impl Zone {
    /// By its exact name: `Europe/Berlin`, `UTC`.
    pub fn find(name: &str) -> Option<Self> {
        let (at, (name, list)) = names().enumerate().find(|(_, (known, _))| *known == name)?;
        Some(Self { name, spans: DECODED.get(at)?.get_or_init(|| decode(list)) })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Seconds that clocks are ahead of UTC.
    pub fn offset_s(&self, at_s: i64) -> i64 {
        self.spans.get(self.span_at(at_s)).map_or(0, |span| span.offset_s)
    }

    /// The instant at which clocks show a time (as seconds since the epoch, as if it were UTC): the first of two; `None` if they
    /// skip it.
    pub fn first_showing(&self, local_s: i64) -> Option<i64> {
        let first = self.span_at(local_s.saturating_sub(DAY_S));
        self.spans
            .iter()
            .skip(first)
            .take_while(|span| span.from_s <= local_s.saturating_add(DAY_S))
            .find_map(|span| {
                Some(local_s - span.offset_s).filter(|at_s| (span.from_s..span.to_s).contains(at_s))
            })
    }

    fn span_at(&self, at_s: i64) -> usize {
        self.spans.partition_point(|span| span.from_s <= at_s).saturating_sub(1)
    }
}

/// All names, with the places of their lists.
fn names() -> impl Iterator<Item = (&'static str, usize)> {
    let mut rest = NAMES.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let (list, after) = after.split_first_chunk()?;
        rest = after;
        Some((std::str::from_utf8(name).ok()?, usize::from(u16::from_le_bytes(*list))))
    })
}

fn decode(list: usize) -> Vec<Span> {
    let mut rest = STEPS.get(list..).unwrap_or_default();
    let mut span =
        Span { from_s: i64::MIN, to_s: i64::MAX, offset_s: signed(take(&mut rest).unwrap_or(0)) * UNIT_S };
    let mut spans = Vec::new();
    let mut changed_s = FROM_S;
    while let Some((distance, change)) = step(&mut rest) {
        changed_s += distance * UNIT_S;
        spans.push(Span { to_s: changed_s, ..span });
        span = Span { from_s: changed_s, offset_s: span.offset_s + change * UNIT_S, ..span };
    }
    spans.push(span);
    spans
}

/// The next change of the clocks: its distance from the last and the change of the offset, in units. `None` at the end of the list.
fn step(rest: &mut &[u8]) -> Option<(i64, i64)> {
    let mut distance = take(rest)?;
    if distance == 1 {
        *rest = STEPS.get(usize::try_from(take(rest)?).ok()?..)?;
        distance = take(rest)?;
    }
    Some((i64::try_from(distance.checked_sub(1)?).ok()?, signed(take(rest)?)))
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 127) << shift;
        if *byte < 128 {
            return Some(value);
        }
    }
    None
}

fn signed(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Offset, TimeZone};
    use chrono_tz::{TZ_VARIANTS, Tz};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    const HOUR_S: i64 = 3600;

    /// 10000-01-01, the end of the times that may be asked for.
    const END_S: i64 = 253_402_300_800;

    fn offset_s(zone: Tz, at_s: i64) -> i64 {
        let at = DateTime::from_timestamp(at_s, 0).unwrap().naive_utc();
        zone.offset_from_utc_datetime(&at).fix().local_minus_utc().into()
    }

    /// At an instant, and at the time that clocks would show then if they were `by_s` ahead of UTC.
    fn check(zone: &Zone, known: Tz, at_s: i64, by_s: i64) {
        assert_eq!(zone.offset_s(at_s), offset_s(known, at_s), "{} at {at_s}", zone.name);
        let local = DateTime::from_timestamp(at_s + by_s, 0).unwrap().naive_utc();
        let expect = known.from_local_datetime(&local).earliest().map(|at| at.timestamp());
        assert_eq!(zone.first_showing(at_s + by_s), expect, "{} showing {local}", zone.name);
    }

    #[test]
    fn the_names_are_those_of_chrono_tz_exactly() {
        let known: std::collections::BTreeSet<_> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        assert!(names().map(|(name, _)| name).eq(known.iter().copied()));
        assert_eq!((ZONES, TZ_VARIANTS.len()), (known.len(), known.len()));
        for name in known {
            assert_eq!(Zone::find(name).map(|zone| zone.name()), Some(name));
        }
        for bad in ["", "utc", "Europe", "Europe/Berlin ", "europe/berlin", "Europe/", "Z", "+01:00"] {
            assert_eq!((Zone::find(bad), bad.parse::<Tz>().ok()), (None, None), "{bad}");
        }
    }

    /// Every hour of two days around each change, and the seconds next to it. Of names with the same list, one.
    #[test]
    fn clocks_change_as_in_chrono_tz() {
        let lists: std::collections::BTreeMap<_, _> = names().map(|(name, list)| (list, name)).collect();
        for name in lists.into_values() {
            let (zone, known) = (Zone::find(name).unwrap(), name.parse::<Tz>().unwrap());
            for pair in zone.spans.windows(2) {
                let (changed_s, before_s, after_s) = (pair[1].from_s, pair[0].offset_s, pair[1].offset_s);
                assert!(pair[0].to_s == changed_s && before_s != after_s, "{}", known.name());
                let hours = (-24..=24).map(|hour| hour * HOUR_S);
                for by_s in hours.chain([-1, 1, after_s - before_s - 1, before_s - after_s - 1]) {
                    check(&zone, known, changed_s + by_s, before_s);
                    check(&zone, known, changed_s + by_s, after_s);
                }
            }
        }
    }

    /// The table's own changes aren't asked: one that is missing shows here.
    #[test]
    fn clocks_show_the_same_as_in_chrono_tz_every_few_days_and_at_random() {
        let mut random = StdRng::seed_from_u64(7);
        for known in TZ_VARIANTS {
            let zone = Zone::find(known.name()).unwrap();
            let mut at_s = FROM_S;
            // A year more than chrono-tz knows of.
            while at_s < 4_133_980_800 {
                check(&zone, known, at_s, zone.offset_s(at_s));
                at_s += random.random_range(1..12 * 24 * HOUR_S);
            }
            for _ in 0..200 {
                check(&zone, known, random.random_range(FROM_S..END_S), random.random_range(-50_400..50_400));
            }
        }
    }

    #[test]
    fn before_the_first_change_and_after_the_last_the_nearest_offset_holds() {
        for (name, first_s, last_s) in
            [("Europe/Berlin", HOUR_S, HOUR_S), ("Africa/Monrovia", -2670, 0), ("UTC", 0, 0)]
        {
            let zone = Zone::find(name).unwrap();
            assert_eq!([i64::MIN, FROM_S].map(|at_s| zone.offset_s(at_s)), [first_s; 2], "{name}");
            assert_eq!([END_S, i64::MAX].map(|at_s| zone.offset_s(at_s)), [last_s; 2], "{name}");
        }
    }
}
