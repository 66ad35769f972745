//! `POST /api/v1/use_cases/definitions/{use_case_name}/scores` with a table of scores: CSV, or NDJSON, one object a line. What
//! a row means is what an item of the JSON body means (`scores`), how rows are read is the business of `table`; here they are
//! sent in portions. A row that can't be read or stored is named and passed over; the others are stored.

use std::collections::HashMap;

use super::Context;
use super::answer::Answer;
use super::body::check_charset;
use super::scores::{BulkAnswer, bulk, item, report};
use super::table::{Format, Rows};
use crate::aggregator::protocol::{Command, ScoreItem, WriteScores};
use crate::config::{BODY_BYTES_MAX, BULK_ITEMS_MAX, IMPORT_ERRORS_MAX};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::writer::json_of;

/// Scores in bulk, in whatever format.
pub async fn write(context: &Context<'_>) -> Result<Answer, Refusal> {
    let content_type = context.body.content_type.as_deref();
    match Format::of(content_type) {
        Some(format) => {
            check_charset(content_type.unwrap_or_default())?;
            import(context, format).await
        }
        None => bulk(context).await.map_err(|refusal| match refusal.code {
            Code::UnsupportedMediaType => Refusal {
                message: format!("{}, text/csv or application/x-ndjson", refusal.message),
                ..refusal
            },
            _ => refusal,
        }),
    }
}

/// 1. The type must exist, and the table must have its columns: 404, 400, and nothing is stored.
/// 2. All rows are read once, for the earliest timestamp of each instance: no portion sees the whole request.
/// 3. They are sent portion by portion: 429 or 503 if one can't be stored, saying how much was before.
async fn import(context: &Context<'_>, format: Format) -> Result<Answer, Refusal> {
    // (1)
    let name = context.use_case_type().await?.name;
    let version = context.version_header();
    let rows = || Rows::new(format, &context.body.bytes);
    // (2)
    let earliest = earliest(rows()?, context.now_ms);
    // (3)
    let mut outcome = Outcome::default();
    let mut portion = Portion::default();
    for (index, row) in rows()?.enumerate() {
        outcome.rows += 1;
        let mut item = match row.and_then(|row| item(index, row, context.now_ms)) {
            Ok(item) => item,
            Err(refusal) => {
                outcome.refused(index, refusal);
                continue;
            }
        };
        item.earliest_ms = earliest.get(&item.use_case_id).copied();
        let bytes = json_of(&item).len();
        if portion.is_full_for(bytes) {
            send(context, &name, version, std::mem::take(&mut portion), &mut outcome).await?;
        }
        portion.bytes += bytes;
        portion.items.push(item);
    }
    if !portion.items.is_empty() {
        send(context, &name, version, portion, &mut outcome).await?;
    }
    Ok(Answer::of(&outcome.shown(context)))
}

/// The earliest timestamp that the rows give for each instance: a new one is created then.
fn earliest(rows: Rows<'_>, now_ms: i64) -> HashMap<String, i64> {
    let mut earliest = HashMap::new();
    for (index, row) in rows.enumerate() {
        if let Ok(ScoreItem { use_case_id, score: Some(_), timestamp_ms: Some(at), .. }) =
            row.and_then(|row| item(index, row, now_ms))
        {
            earliest.entry(use_case_id).and_modify(|ms: &mut i64| *ms = at.min(*ms)).or_insert(at);
        }
    }
    earliest
}

/// Scores that go to the object together: no more than a JSON body could hold.
#[derive(Default)]
struct Portion {
    items: Vec<ScoreItem>,
    bytes: usize,
}

impl Portion {
    fn is_full_for(&self, bytes: usize) -> bool {
        !self.items.is_empty() && (self.items.len() >= BULK_ITEMS_MAX || self.bytes + bytes > BODY_BYTES_MAX)
    }
}

async fn send(
    context: &Context<'_>,
    name: &str,
    version: Option<i64>,
    portion: Portion,
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    let sent = portion.items.len();
    context.charge_items(sent).await.map_err(|refusal| outcome.interrupted(refusal))?;
    let command = WriteScores { items: portion.items, may_create: true, version };
    let reply = context
        .command(name, Command::WriteScores(command))
        .await
        .map_err(|refusal| outcome.interrupted(refusal))?;
    let errors = report(&reply)?.errors;
    outcome.stored += sent - errors.len().min(sent);
    for (index, refusal) in errors {
        outcome.refused(index, refusal);
    }
    Ok(())
}

/// What became of the rows so far.
#[derive(Default)]
struct Outcome {
    rows: usize,
    stored: usize,
    /// The first of those refused, by their places.
    errors: Vec<(usize, Refusal)>,
}

impl Outcome {
    /// Keeps the first ones by their places, whatever order they come in (portions report late), and some more, so as not to
    /// sort every time.
    fn refused(&mut self, index: usize, refusal: Refusal) {
        self.errors.push((index, refusal));
        if self.errors.len() > IMPORT_ERRORS_MAX + 4 * BULK_ITEMS_MAX {
            self.errors.sort_by_key(|(index, _)| *index);
            self.errors.truncate(IMPORT_ERRORS_MAX);
        }
    }

    /// Why the import ends here, and what of it is done.
    fn interrupted(&self, refusal: Refusal) -> Refusal {
        if self.stored == 0 {
            return refusal;
        }
        Refusal {
            message: format!(
                "{}; {} rows of this import are stored, of the next ones that is not known: repeat the whole import, scores are \
                 replaced and never count twice",
                refusal.message, self.stored
            ),
            ..refusal
        }
    }

    fn shown(mut self, context: &Context<'_>) -> BulkAnswer {
        let rejected = self.rows - self.stored;
        self.errors.sort_by_key(|(index, _)| *index);
        self.errors.truncate(IMPORT_ERRORS_MAX);
        BulkAnswer {
            accepted: self.stored,
            rejected,
            errors_truncated: self.errors.len() < rejected,
            errors: self.errors.into_iter().map(Into::into).collect(),
            request_id: context.request_id.clone(),
        }
    }
}
