//! All scores of a KPI with their instances, page by page in the order of time: for exports.

use super::writer::json_of;
use super::{Database, Statement, StorageError, integer, optional_integer, text};

/// Scores that one page looks at. D1 allows 1,000 queries a request: five million scores.
pub const PAGE_ROWS: usize = 5_000;

/// Bytes of a page's rows in D1's answer, but for a single longer row (an instance's properties and a comment at their longest
/// are some 200 KB): well below D1's 2 MB a text.
const PAGE_BYTES: i64 = 1_000_000;

/// Which scores are meant. All conditions hold at once.
#[derive(Debug)]
pub struct Filter {
    /// Timestamps `[from_ms, to_ms)`.
    pub from_ms: i64,
    pub to_ms: i64,
    pub version: Option<i64>,
    /// Of the instance; all must hold.
    pub properties: Vec<(String, String)>,
}

impl Filter {
    /// Whether a score may fail to pass though its time does.
    pub fn may_pass_over(&self) -> bool {
        self.version.is_some() || !self.properties.is_empty()
    }
}

/// A place between the scores of a KPI: behind the score of this instance at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub timestamp_ms: i64,
    pub instance_no: i64,
}

impl Place {
    /// Before every score from this time on.
    pub fn before(timestamp_ms: i64) -> Self {
        Self { timestamp_ms, instance_no: -1 }
    }
}

/// A score and its instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedScore {
    pub place: Place,
    pub use_case_id: String,
    pub version: i64,
    pub score: f64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub comment: Option<String>,
    pub source: Option<String>,
    /// A JSON object.
    pub properties: String,
}

type Row = (i64, i64, String, i64, f64, i64, i64, Option<String>, Option<String>, String);

/// The rows, and of the last score that was taken: its place among those seen, and its key; and how many were seen.
type PageRow = (Vec<Row>, Option<usize>, Option<i64>, Option<i64>, Option<usize>);

/// The next scores of a KPI behind `after`, and where to go on if there may be more. `rows_max` is how many are looked at.
pub async fn page(
    database: &Database,
    type_no: i64,
    kpi_no: i64,
    after: Place,
    filter: &Filter,
    rows_max: usize,
) -> Result<(Vec<ExportedScore>, Option<Place>), StorageError> {
    let rows_max = rows_max.clamp(1, PAGE_ROWS);
    #[allow(clippy::cast_possible_wrap)] // at most 5,000
    let limit = integer(rows_max as i64);
    let (rows, taken, timestamp_ms, instance_no, seen): PageRow = database
        .json(Statement::new(
            include_str!("sql/export_scores.sql"),
            vec![
                integer(kpi_no),
                integer(type_no),
                integer(after.timestamp_ms),
                integer(after.instance_no),
                integer(filter.to_ms),
                optional_integer(filter.version),
                text(&json_of(&filter.properties)),
                limit,
                integer(PAGE_BYTES),
            ],
        ))
        .await?;
    let rest = match (taken, timestamp_ms, instance_no, seen) {
        (Some(taken), Some(timestamp_ms), Some(instance_no), Some(seen))
            if taken < seen || seen == rows_max =>
        {
            Some(Place { timestamp_ms, instance_no })
        }
        _ => None,
    };
    let mut scores: Vec<ExportedScore> = rows.into_iter().map(score_from_row).collect();
    // So they come; but SQL promises no order to an aggregate.
    scores.sort_by_key(|score| (score.place.timestamp_ms, score.place.instance_no));
    Ok((scores, rest))
}

fn score_from_row(row: Row) -> ExportedScore {
    let (
        timestamp_ms,
        instance_no,
        use_case_id,
        version,
        score,
        created_ms,
        updated_ms,
        comment,
        source,
        properties,
    ) = row;
    ExportedScore {
        place: Place { timestamp_ms, instance_no },
        use_case_id,
        version,
        score,
        created_ms,
        updated_ms,
        comment,
        source,
        properties,
    }
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use rusqlite::types::Value;

    const SQL: &str = include_str!("sql/export_scores.sql");

    /// One KPI's scores of ten instances, three at each time; odd instances are of version 2.
    fn filled() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("../../migrations/0001_core.sql")).unwrap();
        for n in 0..10 {
            database
                .execute("INSERT INTO instances VALUES (7, ?1, 1, 'i' || ?1, 1 + ?1 % 2, 0, '{}')", [n])
                .unwrap();
            database
                .execute("INSERT INTO scores VALUES (7, ?1, 3, 0.5, ?1 / 3, 0, 0, 'a\"b', NULL)", [n])
                .unwrap();
        }
        database
    }

    fn ask(
        database: &Connection,
        after: (i64, i64),
        version: Option<i64>,
        rows: i64,
        bytes: i64,
    ) -> (Vec<i64>, PageRow) {
        let parameters: [Value; 9] = [
            3.into(),
            7.into(),
            after.0.into(),
            after.1.into(),
            (1_i64 << 53).into(),
            version.map_or(Value::Null, Value::from),
            "[]".to_owned().into(),
            rows.into(),
            bytes.into(),
        ];
        let json: String = database.query_row(SQL, parameters, |row| row.get(0)).unwrap();
        let page: PageRow = serde_json::from_str(&json).unwrap();
        (page.0.iter().map(|row| row.1).collect(), page)
    }

    #[test]
    fn a_page_ends_where_rows_or_bytes_do_and_says_where() {
        let database = filled();
        let check = |after, version, rows, bytes, expect: &[i64], taken, last, seen| {
            let (instances, page) = ask(&database, after, version, rows, bytes);
            assert_eq!(instances, expect);
            assert_eq!((page.1, page.3, page.4), (taken, last, seen));
        };
        let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        check((0, -1), None, 100, 1_000_000, &all, Some(10), Some(9), Some(10));
        check((0, -1), None, 4, 1_000_000, &all[..4], Some(4), Some(3), Some(4));
        check((1, 3), None, 4, 1_000_000, &all[4..8], Some(4), Some(7), Some(4));
        check((0, -1), None, 100, 0, &all[..1], Some(1), Some(0), Some(10));
        // Looked at, and passed over: the last one counts as the place to go on from.
        check((0, -1), Some(2), 3, 1_000_000, &[1], Some(3), Some(2), Some(3));
        check((0, -1), Some(9), 100, 0, &[], Some(10), Some(9), Some(10));
        check((9, 0), None, 100, 1_000_000, &[], None, None, None);
    }

    /// A file of a date only: all its scores are of the same time. No page may begin by reading past what came before.
    #[test]
    fn scores_of_the_same_time_are_found_by_key() {
        let database = filled();
        let mut explained = database.prepare(&format!("EXPLAIN QUERY PLAN {SQL}")).unwrap();
        let steps: Vec<String> = explained
            .query_map([const { Value::Null }; 9], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(steps.iter().any(|step| step.contains("(timestamp_ms,type_no,instance_no)>")), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("RIGHT PART OF ORDER BY")), "{steps:#?}");
    }

    #[test]
    fn the_bytes_counted_are_not_fewer_than_those_answered() {
        let database = filled();
        let long = "\u{1}ü\"".repeat(600);
        database.execute("UPDATE scores SET comment = ?1, source = ?1", [&long]).unwrap();
        database.execute("UPDATE instances SET properties = json_object('k', ?1)", [&long]).unwrap();
        let one = ask(&database, (0, -1), None, 1, 0).1;
        let bytes = json_of(&one.0).len() as i64;
        assert!(bytes > 10_000);
        assert_eq!(ask(&database, (0, -1), None, 100, 3 * bytes).0.len(), 2, "of three, each counted higher");
        assert_eq!(ask(&database, (0, -1), None, 100, 3 * bytes + 400).0.len(), 3);
    }
}
