//! Whatever callers send is read or refused: no panic, no message without bound, and what is accepted is what the contract
//! allows, checked here by rules written down anew. `make fuzz` runs these for long.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::body::{Body, Fields};
use super::query::{Query, encode_cursor};
use super::routes::{ROUTES, find};
use super::table::{Format, Rows};
use super::{csv, scores};
use crate::aggregator::protocol::{Reply, decode_reply, encode_reply};
use crate::domain::calendar::{
    Granularity, Range, Zone, buckets, format_timestamp, parse_bound, parse_timestamp,
};
use crate::domain::refusal::{Code, Refusal};

const NOW_MS: i64 = 1_795_000_000_000; // in November 2026

/// A message may show a text of 80 characters, and a number with 309 digits, and say what is allowed.
const MESSAGE_CHARS_MAX: usize = 700;

fn brief(refusal: &Refusal) -> bool {
    let length = refusal.message.chars().count();
    (1..=MESSAGE_CHARS_MAX).contains(&length) && refusal.code != Code::UnexpectedError
}

/// Texts that parsers trip over.
fn text() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        "",
        " ",
        ".",
        "..",
        "\0",
        "kpis",
        "properties",
        "null",
        "true",
        "NaN",
        "-inf",
        "1e999",
        "-0",
        "' OR 1=1 --",
        "../..",
        "%2F",
        "%",
        "%zz",
        "\u{feff}x",
        "\u{202e}x",
        "\u{200b}",
        "👩‍👩‍👧",
        "\u{ffff}",
        "\r\n",
        "\"",
        "\\",
        "=1+1",
        "'=x",
        ",",
        ";",
        "Chat-Bot",
        "K",
        "a b",
    ]);
    prop_oneof![
        awkward.prop_map(str::to_owned),
        prop::collection::vec(any::<char>(), 0..12).prop_map(|all| all.into_iter().collect()),
        "[A-Za-z0-9._:@=+-]{1,20}",
        (
            prop::sample::select(vec!["x", "ü", "\u{1}"]),
            prop::sample::select(vec![63, 64, 65, 128, 129, 513, 2001])
        )
            .prop_map(|(piece, times)| piece.repeat(times)),
        any_time(),
    ]
}

/// Times, and what looks like one.
fn any_time() -> impl Strategy<Value = String> {
    let number = |low: i32, high: i32| low..=high;
    let zone = prop::sample::select(vec![
        "Z", "z", "+00:00", "-23:59", "+99:99", "+24:00", "", " 02:00", "+0200", "-00:00",
    ]);
    let fraction = prop::sample::select(vec!["", ".5", ".123456789", ".", ".0000000000001"]);
    let date = (number(-1, 10_000), number(0, 13), number(0, 32));
    (date, number(0, 25), number(0, 60), number(0, 61), fraction, zone).prop_map(
        |((year, month, day), hour, minute, second, fraction, zone)| {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
        },
    )
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        2 => prop::num::f64::ANY.prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        2 => (-2i64..12).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        6 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Objects with the fields that something asks for.
fn any_fields(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((prop::sample::select(names), any_value()), 0..names.len() + 1)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Days since 1970, from the calendar's rules: years of 365 days, leap days every 4, not 100, but 400 years.
fn days_since_1970(year: i64, month: usize, day: i64) -> Option<i64> {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(month.checked_sub(1)?)?;
    let leap_days = |before: i64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    let in_year: i64 = lengths.iter().take(month - 1).sum();
    let years = (year - 1970) * 365 + leap_days(year) - leap_days(1970);
    (1..=length).contains(&day).then_some(years + in_year + day - 1)
}

/// An RFC 3339 time read by hand; years 1 to 9999, no leap seconds.
fn by_hand(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark))
        || !matches!(bytes.get(10), Some(b'T' | b't'))
    {
        return None;
    }
    let days = days_since_1970(number(0, 4)?, usize::try_from(number(5, 7)?).ok()?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
    };
    if rest.starts_with('.') && fraction.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset = match zone {
        "Z" | "z" => 0,
        zone => {
            let sign = match zone.as_bytes() {
                [b'+', _, _, b':', _, _] => 1,
                [b'-', _, _, b':', _, _] => -1,
                _ => return None,
            };
            let at = text.len() - 5;
            let (hours, minutes) = (number(at, at + 2)?, number(at + 3, at + 5)?);
            (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))?
        }
    };
    Some((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + millis)
}

fn is_ascii_name(text: &str, length_max: usize, marks: &str) -> bool {
    (1..=length_max).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
        && !matches!(text, "." | "..")
}

/// What the contract asks of a score that is accepted.
fn check_item(fields: &Map<String, Value>) -> Result<(), TestCaseError> {
    match scores::item(3, Value::Object(fields.clone()), NOW_MS) {
        Err(refusal) => prop_assert!(brief(&refusal), "{}", refusal.message),
        Ok(item) => {
            prop_assert_eq!(item.index, 3);
            prop_assert!(is_ascii_name(&item.use_case_id, 128, "._:@=+-"), "{}", item.use_case_id);
            prop_assert!(!matches!(item.use_case_id.as_str(), "kpis" | "properties"));
            let is_text = |name: &str| fields.get(name).is_some_and(Value::is_string);
            prop_assert!(is_text("kpi_name") != is_text("kpi_id"));
            prop_assert!(item.score.is_none_or(f64::is_finite));
            prop_assert_eq!(item.score.is_none(), fields.get("score") == Some(&Value::Null));
            prop_assert!(
                item.comment.is_none_or(|comment| comment.chars().count() <= 2000 && !comment.contains('\0'))
            );
            prop_assert!(item.source.is_none_or(|source| source.chars().count() <= 200));
            let expect = fields.get("timestamp").and_then(Value::as_str).map(by_hand);
            prop_assert_eq!(item.timestamp_ms, expect.flatten());
            prop_assert!(
                item.timestamp_ms.is_none_or(|ms| (946_684_800_000..=NOW_MS + 300_000).contains(&ms))
            );
        }
    }
    Ok(())
}

const ITEM: &[&str] = &["use_case_id", "kpi_name", "kpi_id", "score", "timestamp", "comment", "source"];

proptest! {
    #[test]
    fn bodies_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60), content_type in prop::option::of(text())) {
        let body = Body { bytes, content_type };
        if let Err(refusal) = body.object() {
            prop_assert!(brief(&refusal) && matches!(refusal.code, Code::InvalidRequest | Code::UnsupportedMediaType));
        }
    }

    #[test]
    fn fields_of_any_kind(value in any_value(), chars_max in 0usize..100) {
        let fields = Fields(Map::from_iter([("score".to_owned(), value.clone()), ("x".to_owned(), value.clone())]));
        match fields.text("x", chars_max) {
            Ok(Some(text)) => prop_assert!(text.chars().count() <= chars_max && !text.contains('\0')),
            Ok(None) => prop_assert!(value.is_null()),
            Err(refusal) => prop_assert!(brief(&refusal) && refusal.message.starts_with('x')),
        }
        match fields.number("x") {
            Ok(Some(number)) => prop_assert!(number.is_finite() && value.is_number()),
            Ok(None) => prop_assert!(value.is_null()),
            Err(refusal) => prop_assert!(brief(&refusal) && !value.is_number()),
        }
        match fields.integer("x") {
            // JSON does not tell 2.0 from 2.
            Ok(Some(number)) => prop_assert_eq!(number as f64, value.as_f64().unwrap()),
            Ok(None) => prop_assert!(value.is_null()),
            Err(refusal) => prop_assert!(brief(&refusal)),
        }
        prop_assert_eq!(fields.boolean("x").is_ok(), value.is_null() || value.is_boolean());
        match fields.score() {
            Ok(score) => {
                prop_assert_eq!(score.is_none(), value.is_null());
                prop_assert!(score.is_none_or(|score| score.is_finite() && score.to_bits() != (-0.0f64).to_bits()));
            }
            Err(refusal) => prop_assert!(brief(&refusal) && (value.is_string() || value.is_array() || value.is_object())),
        }
        match fields.timestamp("x", NOW_MS) {
            Ok(time) => prop_assert_eq!(time.map(|time| time.ms), value.as_str().and_then(by_hand)),
            Err(refusal) => prop_assert!(brief(&refusal) && refusal.code == Code::InvalidTimestamp),
        }
    }

    #[test]
    fn times_are_read_as_by_hand(text in prop_oneof![any_time(), text()]) {
        let expect = by_hand(&text).filter(|_| !text.starts_with("0000"));
        let read = parse_timestamp(&text).filter(|_| !text.starts_with("0000"));
        prop_assert_eq!(read, expect, "{}", text);
        if let Some(ms) = read {
            prop_assert_eq!(parse_timestamp(&format_timestamp(ms)), Some(ms));
        }
    }

    #[test]
    fn items_of_any_fields(fields in any_fields(ITEM)) {
        check_item(&fields)?;
    }

    /// Mostly right, so that what stands behind the first check is reached.
    #[test]
    fn items_with_one_field_that_is_off(name in prop::sample::select(ITEM), value in any_value(), gone in any::<bool>()) {
        let mut fields = json!({"use_case_id": "i", "kpi_name": "K", "score": 1, "timestamp": "2026-11-24T10:00:00Z",
            "comment": "c", "source": "s"});
        let fields = fields.as_object_mut().unwrap();
        if gone {
            fields.remove(name);
        } else {
            fields.insert(name.to_owned(), value);
        }
        check_item(fields)?;
    }

    #[test]
    fn tables_of_any_bytes(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b','), Just(b'"'), any::<u8>()], 0..200)) {
        for format in [Format::Csv, Format::Ndjson] {
            check_table(format, &bytes, 200)?;
        }
    }

    #[test]
    fn tables_with_a_byte_that_is_off(
        cells in prop::collection::vec((text(), text(), text()), 0..6),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut table = String::from("use_case_id,kpi_name,score,comment\n");
        let mut lines = String::new();
        for (id, score, comment) in &cells {
            csv::Line::new(&mut table).text(id).text("K").text(score).text(comment).end();
            lines.push_str(&format!("{}\n", json!({"use_case_id": id, "kpi_name": "K", "score": score, "comment": comment})));
        }
        for (format, text) in [(Format::Csv, table), (Format::Ndjson, lines)] {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len().max(1));
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let rows_max = bytes.len();
            check_table(format, &bytes, rows_max)?;
        }
    }

    #[test]
    fn cells_come_back_as_they_were(cells in prop::collection::vec(text(), 1..6)) {
        let mut table = String::new();
        // A number first: a table may begin with a byte order mark, and a line that is empty is none.
        cells.iter().fold(csv::Line::new(&mut table).value(&1), |line, cell| line.text(cell)).end();
        let row = csv::Reader::new(table.as_bytes()).next().unwrap().ok().unwrap();
        let read: Vec<String> = row.iter().skip(1).map(|cell| csv::restored(cell).to_owned()).collect();
        prop_assert_eq!(read, cells);
    }

    #[test]
    fn paths_of_any_kind(method in "[A-Z]{0,7}|[a-z]{3}", segments in prop::collection::vec(any_segment(), 0..9)) {
        let path = format!("/{}", segments.join("/"));
        match find(&method, &path) {
            Ok(found) => prop_assert!(ROUTES.iter().any(|route| route.1 == found.pattern)),
            Err(refusal) => {
                prop_assert!(brief(&refusal), "{}", refusal.message);
                prop_assert!(matches!(refusal.code, Code::NotFound | Code::MethodNotAllowed | Code::InvalidRequest));
            }
        }
    }

    /// Names in a path come out as they went in, for every route.
    #[test]
    fn names_in_paths(route in prop::sample::select(ROUTES), names in prop::collection::vec(text(), 5)) {
        let (method, pattern, ..) = route;
        let encode = |text: &String| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let mut filled = Vec::new();
        let path: Vec<String> = pattern.split('/').map(|segment| {
            if !segment.starts_with('{') {
                return segment.replace("**", "x");
            }
            let name = names[filled.len() % names.len()].clone();
            filled.push(name.clone());
            encode(&name)
        }).collect();
        let found = find(if method == "*" { "POST" } else { method }, &path.join("/"));
        // An empty name makes another path.
        prop_assume!(filled.iter().all(|name| !name.is_empty()));
        let found = found.unwrap();
        prop_assert_eq!(found.pattern, pattern);
        let of = found.parameters;
        let read: BTreeSet<String> =
            [of.use_case_name, of.use_case_id, of.kpi, of.key_id, of.event_id, of.application_id].into_iter().flatten().collect();
        prop_assert_eq!(read, filled.into_iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn queries_of_any_kind(query in any_query()) {
        let Ok(query) = Query::parse(Some(&query)) else { return Ok(()) };
        match query.limit(500) {
            Ok(limit) => prop_assert!((1..=500).contains(&limit)),
            Err(refusal) => prop_assert!(brief(&refusal) && refusal.message.starts_with("limit")),
        }
        if let Err(refusal) = query.page("kpis") {
            prop_assert!(brief(&refusal));
        }
        match query.property_filters() {
            Ok(filters) => {
                prop_assert!(filters.len() <= 50);
                for (key, value) in filters {
                    prop_assert!((1..=64).contains(&key.chars().count()) && !key.chars().any(char::is_control));
                    prop_assert!(value.chars().count() <= 512 && !value.contains('\0'));
                }
            }
            Err(refusal) => prop_assert!(brief(&refusal) && refusal.code == Code::InvalidFilter),
        }
        match query.zone() {
            Ok(zone) => for name in ["from", "to"] {
                match query.bound(name, &zone) {
                    Ok(ms) => prop_assert!(ms.is_none_or(|ms| (-172_800_000..253_402_300_800_000).contains(&ms))),
                    Err(refusal) => prop_assert!(brief(&refusal) && refusal.message.starts_with(name)),
                }
            },
            Err(refusal) => prop_assert!(brief(&refusal)),
        }
        if let Err(refusal) = query.format(&["json", "csv"]) {
            prop_assert!(brief(&refusal));
        }
        if let Err(refusal) = query.integer("version") {
            prop_assert!(brief(&refusal));
        }
    }

    /// Bounds and buckets of the whole range that is understood, in every zone.
    #[test]
    fn ranges_in_every_zone(
        zone in prop::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        date in (1969i32..=10_000, 1u32..=12, 1u32..=31),
        slots in 1i64..100_000,
        granularity in prop::sample::select(vec![Granularity::Hour, Granularity::Day, Granularity::Week, Granularity::Month]),
    ) {
        let zone = Zone::parse(zone.name()).unwrap();
        let (year, month, day) = date;
        let Some(from_ms) = parse_bound(&format!("{year:04}-{month:02}-{day:02}"), &zone) else { return Ok(()) };
        let exact = days_since_1970(i64::from(year), month as usize, i64::from(day)).unwrap() * 86_400_000;
        prop_assert!((from_ms - exact).abs() <= 24 * 3_600_000, "{} {}", from_ms, exact);
        let range = Range::new(from_ms, from_ms + slots * 900_000).unwrap();
        if let Ok(all) = buckets(range, granularity, &zone, 1_000) {
            prop_assert!(all.len() <= 1_000 && all.windows(2).all(|pair| pair[0].to_slot == pair[1].from_slot));
            prop_assert_eq!(all.first().map(|bucket| bucket.from_slot), Some(range.from_slot));
            prop_assert_eq!(all.last().map(|bucket| bucket.to_slot), Some(range.to_slot));
        }
    }

    #[test]
    fn cursors_come_back_as_they_were(list in "[a-z]{1,9}[0-9]{0,3}", ascending in any::<bool>(), key in text(), other in "[a-z]{1,9}") {
        let query = Query::parse(Some(&format!("cursor={}", encode_cursor(&list, ascending, &key)))).unwrap();
        prop_assert_eq!(query.cursor(&list, ascending), Ok(Some(key)));
        prop_assert!(query.cursor(&list, !ascending).is_err());
        if other != list {
            prop_assert!(query.cursor(&other, ascending).is_err());
        }
    }

    #[test]
    fn cursors_that_are_off(key in any::<i64>(), at in any::<Index>(), c in any::<char>(), cut in any::<bool>()) {
        let mut cursor: Vec<char> = encode_cursor("kpis", true, &key.to_string()).chars().collect();
        let at = at.index(cursor.len());
        if cut {
            cursor.truncate(at);
        } else {
            cursor[at] = c;
        }
        let text: String = cursor.into_iter().collect();
        let encoded: String = form_urlencoded::Serializer::new(String::new()).append_pair("cursor", &text).finish();
        match Query::parse(Some(&encoded)).unwrap().page("kpis") {
            Ok(page) => prop_assert!(page.ascending && page.limit == 100),
            Err(refusal) => prop_assert!(brief(&refusal) && refusal.code == Code::InvalidCursor),
        }
    }

    #[test]
    fn replies_come_back_as_they_were(answer in any::<bool>(), text in text()) {
        let reply: Reply = if answer { Ok(text) } else { Err(Refusal::new(Code::KpiNotFound, text)) };
        prop_assert_eq!(decode_reply(&encode_reply(&reply)), reply);
    }

    #[test]
    fn replies_of_any_text(text in prop_oneof![text(), "[+-]?\\{[ -~]{0,30}"]) {
        if let Err(refusal) = decode_reply(&text) {
            prop_assert!(!refusal.message.is_empty() || text.starts_with('-'));
        }
    }
}

fn check_table(format: Format, bytes: &[u8], rows_max: usize) -> Result<(), TestCaseError> {
    let rows = match Rows::new(format, bytes) {
        Ok(rows) => rows,
        Err(refusal) => {
            prop_assert!(brief(&refusal), "{}", refusal.message);
            return Ok(());
        }
    };
    for (index, row) in rows.enumerate() {
        prop_assert!(index < rows_max);
        match row {
            Ok(Value::Object(fields)) => {
                prop_assert!(!(fields.contains_key("kpi_name") && fields.contains_key("kpi_id")));
                prop_assert!(fields.get("score").and_then(Value::as_f64).is_none_or(f64::is_finite));
                check_item(&fields)?;
            }
            Ok(other) => prop_assert!(false, "a row is {}", other),
            Err(refusal) => prop_assert!(brief(&refusal), "{}", refusal.message),
        }
    }
    Ok(())
}

fn any_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "api",
            "v1",
            "use_cases",
            "definitions",
            "instances",
            "kpis",
            "properties",
            "scores",
            "dashboard",
            "keys",
            "",
            "..",
            "%2e%2e",
            "%00",
            "%FF",
            "%2F",
            "%",
            "increment",
            "events",
            "limits",
        ])
        .prop_map(str::to_owned),
        text().prop_map(|text| text.replace(['/', '?', '#'], "_")),
    ]
}

fn any_query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "limit",
            "cursor",
            "sort_ascending",
            "from",
            "to",
            "time_zone",
            "version",
            "format",
            "property.",
            "property.k",
            "property.a.b",
        ])
        .prop_map(str::to_owned),
        text(),
    ];
    let value = prop_oneof![
        text(),
        any::<i64>().prop_map(|number| number.to_string()),
        (-3i64..600).prop_map(|number| number.to_string()),
        Just("2026-11-24".to_owned()),
        Just("Europe/Berlin".to_owned()),
        Just("MWFrcGlzOjQy".to_owned()),
    ];
    let encoded = prop::collection::vec((name, value), 0..6)
        .prop_map(|pairs| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    prop_oneof![4 => encoded, 1 => text()]
}
