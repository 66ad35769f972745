//! Makes the table of time zones that `src/domain/zones.rs` reads, out of chrono-tz, which itself never gets into the Worker: its
//! own table, of all times since 1850 with abbreviations, would be a quarter of what is deployed.
//!
//! Two files. `zone_names.bin`: how many names there are (u16, little-endian); then each name, in order: its length (one byte),
//! its bytes, and where its list begins in the other file (u16, little-endian). Names that are links, or that agree since
//! `FROM_S`, have the same list.
//!
//! `zone_steps.bin`: lists of variable-length integers (7 bits a byte, the lowest first, the top bit set if more follow). A list
//! is the offset at `FROM_S`, then for every change of the clocks its distance from the one before plus one (at first, from
//! `FROM_S`) and the change of the offset; then 0. For a distance, 1 means: on at the place that follows, in the end of another
//! list. Summer time by the same rules ends many lists in the same way; without this they would be 25 times as long. Times and
//! offsets are in units of `UNIT_S`; those that can be negative are mapped to 0, -1, 1, -2, 2 …

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::PathBuf;

/// 1968-11-01T00:00:00Z. The first time that may be asked for is 1969-12-30 (`calendar::parse_bound`), a year before it
/// 1968-12-30 (`Zone::year_before`); the month of that begins at the latest 12 hours before 1968-12-01 UTC.
const FROM_S: i64 = -36_892_800;

/// 2150-01-01T00:00:00Z: chrono-tz knows changes until 2099.
const TO_S: i64 = 5_680_281_600;

/// All changes since `FROM_S`, and all offsets, are multiples of it: Liberia had 44.5 minutes until 1972.
const UNIT_S: i64 = 30;

/// Between two changes lie 6.9 days or more, so that none hides in a step.
const PROBE_S: i64 = 2 * 86_400;

/// A change of the clocks: units since the one before, and units by which the offset changes.
type Step = (i64, i64);

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let mut names_of_lists: BTreeMap<(Vec<Step>, i64), Vec<Tz>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        let mut steps = steps(zone)?;
        // From the last to the first: lists that end alike are then neighbours, which compresses best.
        steps.reverse();
        names_of_lists.entry((steps, units(offset_s(zone, FROM_S)?)?)).or_default().push(zone);
    }

    let mut lists = Vec::new();
    let mut places = HashMap::new();
    let mut names = BTreeMap::new();
    for ((mut steps, offset), zones) in names_of_lists {
        steps.reverse();
        let place = u16::try_from(lists.len())?;
        names.extend(zones.into_iter().map(|zone| (zone.name(), place)));
        put_list(&mut lists, &mut places, offset, &steps)?;
    }

    let mut index = u16::try_from(names.len())?.to_le_bytes().to_vec();
    for (name, place) in names {
        index.push(u8::try_from(name.len())?);
        index.extend(name.bytes());
        index.extend(place.to_le_bytes());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("zone_names.bin"), index)?;
    std::fs::write(out.join("zone_steps.bin"), lists)?;
    Ok(())
}

/// All changes of a zone's clocks from `FROM_S` to `TO_S`.
fn steps(zone: Tz) -> Result<Vec<Step>, Box<dyn Error>> {
    let mut steps = Vec::new();
    let (mut changed, mut probed) = (FROM_S, FROM_S);
    let mut offset = offset_s(zone, FROM_S)?;
    while probed < TO_S {
        let (mut before, mut after) = (probed, probed + PROBE_S);
        if offset_s(zone, after)? == offset {
            probed = after;
            continue;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset_s(zone, middle)? == offset { before = middle } else { after = middle }
        }
        let changed_to = offset_s(zone, after)?;
        steps.push((units(after - changed)?, units(changed_to - offset)?));
        (changed, probed, offset) = (after, after, changed_to);
    }
    Ok(steps)
}

/// `places`: where the ends of the lists so far begin.
fn put_list(
    lists: &mut Vec<u8>,
    places: &mut HashMap<Vec<Step>, usize>,
    offset: i64,
    steps: &[Step],
) -> Result<(), Box<dyn Error>> {
    put(lists, signed(offset));
    let mut rest = steps;
    while let [(distance, change), after @ ..] = rest {
        if let Some(place) = places.get(rest) {
            put(lists, 1);
            put(lists, u64::try_from(*place)?);
            return Ok(());
        }
        places.insert(rest.to_vec(), lists.len());
        put(lists, u64::try_from(*distance)? + 1);
        put(lists, signed(*change));
        rest = after;
    }
    put(lists, 0);
    Ok(())
}

fn offset_s(zone: Tz, at_s: i64) -> Result<i64, Box<dyn Error>> {
    let at = DateTime::from_timestamp(at_s, 0).ok_or("no such time")?;
    Ok(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

fn units(seconds: i64) -> Result<i64, String> {
    (seconds % UNIT_S == 0)
        .then_some(seconds / UNIT_S)
        .ok_or_else(|| format!("{seconds} s is no multiple of {UNIT_S} s"))
}

fn signed(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        bytes.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}
