//! Counting again from the record of truth: the scores of a KPI in the order of time, page by page, and instances by the slot
//! of their creation. What is made of them is the aggregator's business.

use super::writer::{SEQUENCE_BITS, json_of};
use super::{Database, Statement, StorageError, integer, text};

/// Scores in one answer: some 60 bytes each, well below D1's 2 MB a text.
pub const PAGE_ROWS: usize = 10_000;

/// Statements in one call.
const STATEMENTS_MAX: usize = 40;

/// A span of time in which scores of one KPI are asked for: `[from_ms, to_ms)`, behind the score `after` if given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub kpi_no: i64,
    pub from_ms: i64,
    pub to_ms: i64,
    /// The instance_no of the last score already read, whose timestamp is `from_ms`.
    pub after: i64,
}

/// One score as a recount sees it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
pub struct ScoreSeen(pub i64, pub i64, pub i64, pub f64);

impl ScoreSeen {
    pub fn timestamp_ms(&self) -> i64 {
        self.0
    }
    pub fn instance_no(&self) -> i64 {
        self.1
    }
    pub fn version(&self) -> i64 {
        self.2
    }
    pub fn score(&self) -> f64 {
        self.3
    }
}

/// The first page of each span, and the rest of every span that has more.
pub async fn scores(
    database: &Database,
    type_no: i64,
    spans: &[Span],
) -> Result<Vec<(Vec<ScoreSeen>, Option<Span>)>, StorageError> {
    let mut pages = Vec::with_capacity(spans.len());
    for chunk in spans.chunks(STATEMENTS_MAX) {
        let answers = database.batch(chunk.iter().map(|span| page(type_no, span)).collect()).await?;
        for (span, answer) in chunk.iter().zip(answers) {
            let seen: Vec<ScoreSeen> = answer.json()?;
            let rest = match seen.last() {
                Some(last) if seen.len() == PAGE_ROWS => {
                    Some(Span { from_ms: last.timestamp_ms(), after: last.instance_no(), ..*span })
                }
                _ => None,
            };
            pages.push((seen, rest));
        }
    }
    Ok(pages)
}

fn page(type_no: i64, span: &Span) -> Statement {
    #[allow(clippy::cast_possible_wrap)] // 10,000
    let limit = integer(PAGE_ROWS as i64);
    Statement::new(
        include_str!("sql/recount_scores.sql"),
        vec![
            integer(span.kpi_no),
            integer(type_no),
            integer(span.from_ms),
            integer(span.after),
            integer(span.to_ms),
            limit,
        ],
    )
}

/// `(slot, version, kpi_no, count)`: kpi_no 0 counts all instances, −1 those with any live score.
pub type InstancesSeen = (i64, i64, i64, u64);

/// Instances created in these runs of slots, `[from_slot, to_slot)` each; all in one call, or a few.
pub async fn instances(
    database: &Database,
    type_no: i64,
    runs: &[(i64, i64)],
    live_kpis: &[i64],
) -> Result<Vec<InstancesSeen>, StorageError> {
    let live = text(&json_of(live_kpis));
    let statement = |(from_slot, to_slot): &(i64, i64)| {
        Statement::new(
            include_str!("sql/recount_instances.sql"),
            vec![
                integer(type_no),
                integer(from_slot << SEQUENCE_BITS),
                integer(to_slot << SEQUENCE_BITS),
                live.clone(),
            ],
        )
    };
    let mut all = Vec::new();
    for chunk in runs.chunks(STATEMENTS_MAX) {
        for answer in database.batch(chunk.iter().map(statement).collect()).await? {
            all.extend(answer.json::<Vec<InstancesSeen>>()?);
        }
    }
    Ok(all)
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
            vec![integer(type_no), integer(slot << SEQUENCE_BITS)],
        ))
        .await
        .map(|(slot,): (Option<i64>,)| slot)
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
