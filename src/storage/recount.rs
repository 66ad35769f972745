//! Counting again from the record of truth: the scores of a KPI in the order of time and instances in the order of their
//! creation, page by page, each with the tracked properties of its instance. What is made of them is the aggregator's business.

use super::writer::{SEQUENCE_BITS, json_of};
use super::{Database, Statement, StorageError, integer, text};
use crate::domain::calendar::slot_start_ms;

/// Rows in one answer, at most.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// Text in one answer, well below D1's 2 MB.
const PAGE_BYTES_MAX: usize = 1_500_000;

/// Statements in one call.
const STATEMENTS_MAX: usize = 40;

/// The tracked property keys of a type, and how much text their values take at most.
#[derive(Debug, Clone, Default)]
pub struct Tracked {
    pub keys: Vec<String>,
    pub bytes_max: usize,
}

impl Tracked {
    /// As many rows as an answer can hold, given what a row takes besides its properties.
    pub fn page_rows(&self, row_bytes: usize) -> usize {
        (PAGE_BYTES_MAX / (row_bytes + self.bytes_max)).clamp(1, PAGE_ROWS_MAX)
    }
}

/// A span of time in which scores of one KPI are asked for: `[from_ms, to_ms)`, behind the score `after` if given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub kpi_no: i64,
    pub from_ms: i64,
    pub to_ms: i64,
    /// The instance_no of the last score already read, whose timestamp is `from_ms`.
    pub after: i64,
}

/// Tracked properties of an instance: `[[key, value], …]`.
pub type Pairs = Vec<(String, String)>;

/// One score as a recount sees it: `(timestamp_ms, instance_no, version, score, tracked properties)`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct ScoreSeen(i64, i64, i64, f64, Pairs);

impl ScoreSeen {
    pub fn timestamp_ms(&self) -> i64 {
        self.0
    }
    pub fn version(&self) -> i64 {
        self.2
    }
    pub fn score(&self) -> f64 {
        self.3
    }
    pub fn pairs(&self) -> &Pairs {
        &self.4
    }
}

/// The first page of each span, and the rest of every span that has more.
pub async fn scores(
    database: &Database,
    type_no: i64,
    spans: &[Span],
    tracked: &Tracked,
) -> Result<Vec<(Vec<ScoreSeen>, Option<Span>)>, StorageError> {
    const ROW_BYTES: usize = 75;
    let rows = tracked.page_rows(ROW_BYTES);
    let keys = text(&json_of(&tracked.keys));
    let mut pages = Vec::with_capacity(spans.len());
    for chunk in spans.chunks(STATEMENTS_MAX) {
        let page = |span: &Span| {
            Statement::new(
                include_str!("sql/recount_scores.sql"),
                vec![
                    integer(span.kpi_no),
                    integer(type_no),
                    integer(span.from_ms),
                    integer(span.after),
                    integer(span.to_ms),
                    count(rows),
                    keys.clone(),
                ],
            )
        };
        let answers = database.batch(chunk.iter().map(page).collect()).await?;
        for (span, answer) in chunk.iter().zip(answers) {
            let seen: Vec<ScoreSeen> = answer.json()?;
            let rest = match seen.last() {
                Some(last) if seen.len() == rows => Some(Span { from_ms: last.0, after: last.1, ..*span }),
                _ => None,
            };
            pages.push((seen, rest));
        }
    }
    Ok(pages)
}

/// One instance as a recount sees it: `(instance_no, version, kpi_no of each live score, tracked properties)`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct InstanceSeen(i64, i64, Vec<i64>, Pairs);

impl InstanceSeen {
    /// The slot of its creation.
    pub fn slot(&self) -> i64 {
        self.0 >> SEQUENCE_BITS
    }
    pub fn version(&self) -> i64 {
        self.1
    }
    pub fn kpis(&self) -> &[i64] {
        &self.2
    }
    pub fn pairs(&self) -> &Pairs {
        &self.3
    }
}

/// The first page of the instances in each range of numbers `[from, to)`, and the rest of every range that has more.
pub async fn instances(
    database: &Database,
    type_no: i64,
    ranges: &[(i64, i64)],
    live_kpis: &[i64],
    tracked: &Tracked,
) -> Result<Vec<(Vec<InstanceSeen>, Option<(i64, i64)>)>, StorageError> {
    const ROW_BYTES: usize = 45;
    const KPI_BYTES: usize = 8;
    let rows = tracked.page_rows(ROW_BYTES + KPI_BYTES * live_kpis.len());
    let (live, keys) = (text(&json_of(live_kpis)), text(&json_of(&tracked.keys)));
    let mut pages = Vec::with_capacity(ranges.len());
    for chunk in ranges.chunks(STATEMENTS_MAX) {
        let page = |(from_no, to_no): &(i64, i64)| {
            Statement::new(
                include_str!("sql/recount_instances.sql"),
                vec![
                    integer(type_no),
                    integer(*from_no),
                    integer(*to_no),
                    live.clone(),
                    count(rows),
                    keys.clone(),
                ],
            )
        };
        let answers = database.batch(chunk.iter().map(page).collect()).await?;
        for ((_, to_no), answer) in chunk.iter().zip(answers) {
            let seen: Vec<InstanceSeen> = answer.json()?;
            let rest = seen.last().filter(|_| seen.len() == rows).map(|last| (last.0 + 1, *to_no));
            pages.push((seen, rest));
        }
    }
    Ok(pages)
}

/// The last slot whose instance numbers cross as whole numbers: some time in the year 2209.
const SLOT_MAX: i64 = (1 << (53 - SEQUENCE_BITS)) - 1;

/// The first instance number of a slot.
pub fn first_number(slot: i64) -> i64 {
    slot << SEQUENCE_BITS
}

/// The property keys of a type with their distinct values: at most `keys_max` keys, at most `values_max` values each.
pub async fn properties(
    database: &Database,
    type_no: i64,
    keys_max: usize,
    values_max: usize,
) -> Result<Vec<(String, Vec<String>)>, StorageError> {
    let keys = property_keys(database, type_no, keys_max).await?;
    let mut all = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(STATEMENTS_MAX) {
        let statements = chunk.iter().map(|key| values(type_no, key, values_max)).collect();
        for (key, answer) in chunk.iter().zip(database.batch(statements).await?) {
            all.push((key.clone(), answer.json()?));
        }
    }
    Ok(all)
}

/// The first property keys of a type.
pub async fn property_keys(
    database: &Database,
    type_no: i64,
    keys_max: usize,
) -> Result<Vec<String>, StorageError> {
    let parameters = vec![integer(type_no), count(keys_max)];
    database.json(Statement::new(include_str!("sql/property_keys.sql"), parameters)).await
}

fn values(type_no: i64, key: &str, values_max: usize) -> Statement {
    Statement::new(
        include_str!("sql/property_values.sql"),
        vec![integer(type_no), text(key), count(values_max)],
    )
}

/// The first distinct values of a property key.
pub async fn values_of(
    database: &Database,
    type_no: i64,
    key: &str,
    values_max: usize,
) -> Result<Vec<String>, StorageError> {
    database.json(values(type_no, key, values_max)).await
}

pub(super) fn count(number: usize) -> wasm_bindgen::JsValue {
    integer(i64::try_from(number).unwrap_or(i64::MAX >> 11))
}

/// Scores of the KPI with the most, instances, scores of all KPIs.
pub(super) type InTime = (Option<usize>, usize, Option<usize>);

/// How many scores of the KPI with the most lie in a span of time, and how many instances in a range of numbers; counted up to
/// `rows_max`. Answers `InTime`.
pub(super) fn rows_in_time(
    type_no: i64,
    kpis: &[i64],
    (from_ms, to_ms): (i64, i64),
    (from_no, to_no): (i64, i64),
    rows_max: usize,
) -> Statement {
    Statement::new(
        include_str!("sql/count_in_time.sql"),
        vec![
            integer(type_no),
            text(&json_of(kpis)),
            integer(from_ms),
            integer(to_ms),
            integer(from_no),
            integer(to_no),
            count(rows_max),
        ],
    )
}

/// Whether the slots `[from, to)` hold at most so many scores of each KPI, and so many instances.
pub async fn at_most(
    database: &Database,
    type_no: i64,
    kpis: &[i64],
    (from_slot, to_slot): (i64, i64),
    rows_max: usize,
) -> Result<bool, StorageError> {
    Ok(how_many(database, type_no, kpis, (from_slot, to_slot), rows_max).await? != HowMany::TooMany)
}

/// What is in some slots, against a bound of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowMany {
    /// All KPIs together hold no more.
    Few,
    /// Each KPI by itself holds no more.
    FewOfEach,
    TooMany,
}

/// The same, told apart.
pub async fn how_many(
    database: &Database,
    type_no: i64,
    kpis: &[i64],
    (from_slot, to_slot): (i64, i64),
    rows_max: usize,
) -> Result<HowMany, StorageError> {
    let times = (slot_start_ms(from_slot), slot_start_ms(to_slot));
    let numbers = (first_number(from_slot.max(0)), first_number(to_slot.max(0)));
    let (most, instances, all): InTime =
        database.json(rows_in_time(type_no, kpis, times, numbers, rows_max + 1)).await?;
    Ok(match (most.unwrap_or(0).max(instances), all.unwrap_or(0)) {
        (most, _) if most > rows_max => HowMany::TooMany,
        (_, all) if all > rows_max => HowMany::FewOfEach,
        _ => HowMany::Few,
    })
}

/// The first slot at or after `slot` in which an instance was created.
pub async fn next_creation(
    database: &Database,
    type_no: i64,
    slot: i64,
) -> Result<Option<i64>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_array(min(instance_no) >> 30) AS j FROM instances WHERE type_no = ?1 AND instance_no >= ?2",
            vec![integer(type_no), integer(first_number(slot))],
        ))
        .await
        .map(|(slot,): (Option<i64>,)| slot)
}

/// The last slot before `slot` in which an instance was created.
pub async fn previous_creation(
    database: &Database,
    type_no: i64,
    slot: i64,
) -> Result<Option<i64>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_array(max(instance_no) >> 30) AS j FROM instances WHERE type_no = ?1 AND instance_no < ?2",
            vec![integer(type_no), integer(first_number(slot.min(SLOT_MAX)))],
        ))
        .await
        .map(|(slot,): (Option<i64>,)| slot)
}

/// The last timestamp before `before_ms` of any of the KPIs' scores.
pub async fn previous_score(
    database: &Database,
    kpis: &[i64],
    before_ms: i64,
) -> Result<Option<i64>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_array(max((SELECT max(timestamp_ms) FROM scores WHERE kpi_no = k.value AND timestamp_ms < ?2))) AS j \
             FROM json_each(?1) k",
            vec![text(&json_of(kpis)), integer(before_ms)],
        ))
        .await
        .map(|(timestamp_ms,): (Option<i64>,)| timestamp_ms)
}

/// The first timestamp at or after `from_ms` of any of the KPIs' scores.
pub async fn next_score(
    database: &Database,
    kpis: &[i64],
    from_ms: i64,
) -> Result<Option<i64>, StorageError> {
    database
        .json(Statement::new(
            "SELECT json_array(min((SELECT min(timestamp_ms) FROM scores WHERE kpi_no = k.value AND timestamp_ms >= ?2))) AS j \
             FROM json_each(?1) k",
            vec![text(&json_of(kpis)), integer(from_ms)],
        ))
        .await
        .map(|(timestamp_ms,): (Option<i64>,)| timestamp_ms)
}
