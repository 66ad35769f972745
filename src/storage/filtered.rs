//! Scores and instances that have certain properties, read from the record of truth through an index, within a limit of rows:
//! for filters that no aggregates are kept for.

use super::recount::{InTime, count, rows_in_time};
use super::writer::json_of;
use super::{Database, Statement, StorageError, integer, text};

/// Most instances that may have the rarest of the properties; or, if more have it, most scores of a KPI, and most instances,
/// in the range of time.
pub const ROWS_MAX: usize = 20_000;

/// Text in one answer, well below D1's 2 MB.
const PORTION_BYTES_MAX: usize = 1_500_000;

/// What is asked for.
#[derive(Debug)]
pub struct Filtered<'a> {
    pub type_no: i64,
    pub properties: &'a [(String, String)],
    pub kpis: &'a [i64],
    pub live_kpis: &'a [i64],
    /// `[from, to)` of the scores' timestamps.
    pub times_ms: (i64, i64),
    /// `[from, to)` of the instances' numbers; `None`: no instances are asked for.
    pub numbers: Option<(i64, i64)>,
}

/// `(timestamp_ms, version, score)`
pub type Score = (i64, i64, f64);

/// `(instance_no, version, kpi_no of each live score)`
pub type Instance = (i64, i64, Vec<i64>);

#[derive(Debug)]
pub struct Rows {
    /// Of each KPI asked for, in their order.
    pub scores: Vec<Vec<Score>>,
    pub instances: Vec<Instance>,
}

/// Where a query starts from, so that it reads at most `ROWS_MAX` rows.
enum Start<'a> {
    Property(&'a (String, String)),
    Time,
}

impl Filtered<'_> {
    /// The rows, all read in one transaction; `None` if there are too many.
    pub async fn read(&self, database: &Database) -> Result<Option<Rows>, StorageError> {
        let Some(start) = self.start(database).await? else { return Ok(None) };
        const SCORE_BYTES: usize = 50;
        const INSTANCE_BYTES: usize = 45;
        const KPI_BYTES: usize = 8;
        let (scores_sql, instances_sql) = match start {
            Start::Property(_) => {
                (include_str!("sql/filtered_scores.sql"), include_str!("sql/filtered_instances.sql"))
            }
            Start::Time => (
                include_str!("sql/filtered_scores_in_time.sql"),
                include_str!("sql/filtered_instances_in_time.sql"),
            ),
        };
        let mut statements = Vec::new();
        for kpi_no in self.kpis {
            let middle = integer(*kpi_no);
            statements.extend(self.portions(scores_sql, &start, &middle, self.times_ms, SCORE_BYTES));
        }
        let per_kpi = portions_of(SCORE_BYTES).count();
        let live = text(&json_of(self.live_kpis));
        let row_bytes = INSTANCE_BYTES + KPI_BYTES * self.live_kpis.len();
        if let Some(numbers) = self.numbers {
            statements.extend(self.portions(instances_sql, &start, &live, numbers, row_bytes));
        }
        if statements.is_empty() {
            return Ok(Some(Rows { scores: Vec::new(), instances: Vec::new() }));
        }
        let mut answers = database.batch(statements).await?.into_iter();
        let mut scores = Vec::with_capacity(self.kpis.len());
        for _ in self.kpis {
            let mut all: Vec<Score> = Vec::new();
            for answer in answers.by_ref().take(per_kpi) {
                all.extend(answer.json::<Vec<Score>>()?);
            }
            scores.push(all);
        }
        let mut instances: Vec<Instance> = Vec::new();
        for answer in answers {
            instances.extend(answer.json::<Vec<Instance>>()?);
        }
        Ok(Some(Rows { scores, instances }))
    }

    async fn start(&self, database: &Database) -> Result<Option<Start<'_>>, StorageError> {
        let numbers = self.numbers.unwrap_or((0, 0));
        let answers = database
            .batch(vec![
                Statement::new(
                    include_str!("sql/count_by_property.sql"),
                    vec![integer(self.type_no), text(&json_of(self.properties)), count(ROWS_MAX + 1)],
                ),
                rows_in_time(self.type_no, self.kpis, self.times_ms, numbers, ROWS_MAX + 1),
            ])
            .await?;
        let [by_property, in_time] = answers.as_slice() else {
            return Err(StorageError::Corrupt("a batch of two without two answers".to_owned()));
        };
        let by_property: Vec<usize> = by_property.json()?;
        let (scores, instances, _): InTime = in_time.json()?;
        let in_time = scores.unwrap_or(0).max(instances);
        let rarest = self.properties.iter().zip(by_property).min_by_key(|(_, rows)| *rows);
        Ok(match rarest {
            Some((property, rows)) if rows <= ROWS_MAX && rows <= in_time => Some(Start::Property(property)),
            _ if in_time <= ROWS_MAX => Some(Start::Time),
            Some((property, rows)) if rows <= ROWS_MAX => Some(Start::Property(property)),
            _ => None,
        })
    }

    /// The statement once for each portion of its rows.
    fn portions(
        &self,
        sql: &'static str,
        start: &Start<'_>,
        middle: &wasm_bindgen::JsValue,
        (low, high): (i64, i64),
        row_bytes: usize,
    ) -> Vec<Statement> {
        let (key, value) = match start {
            Start::Property((key, value)) => (key.as_str(), value.as_str()),
            Start::Time => ("", ""),
        };
        portions_of(row_bytes)
            .map(|(limit, offset)| {
                let parameters = vec![
                    integer(self.type_no),
                    text(key),
                    text(value),
                    text(&json_of(self.properties)),
                    middle.clone(),
                    integer(low),
                    integer(high),
                    count(limit),
                    count(offset),
                ];
                Statement::new(sql, parameters)
            })
            .collect()
    }
}

/// `(limit, offset)` of each portion of `ROWS_MAX` rows.
fn portions_of(row_bytes: usize) -> impl Iterator<Item = (usize, usize)> {
    let limit = (PORTION_BYTES_MAX / row_bytes).clamp(1, ROWS_MAX);
    (0..ROWS_MAX).step_by(limit).map(move |offset| (limit.min(ROWS_MAX - offset), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_cover_all_rows_once() {
        for row_bytes in [1, 50, 75, 500, 4_000, 100_000] {
            let portions: Vec<_> = portions_of(row_bytes).collect();
            let mut next = 0;
            for (limit, offset) in portions {
                assert_eq!(offset, next);
                assert!(limit * row_bytes <= PORTION_BYTES_MAX || limit == 1);
                next += limit;
            }
            assert_eq!(next, ROWS_MAX);
        }
    }
}
