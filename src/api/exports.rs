//! `GET /api/v1/use_cases/definitions/{use_case_name}/scores`: all scores of a use case, as one answer of whatever length. It is
//! made page by page while it is sent, so memory holds one page at a time.

use std::collections::VecDeque;

use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Answer, Chunks};
use super::body::invalid;
use super::query::{encode_cursor, invalid_cursor, invalid_filter};
use super::{Context, csv, storage_failed};
use crate::aggregator::plan::find_kpi;
use crate::aggregator::protocol::KpiRef;
use crate::domain::calendar::format_timestamp;
use crate::domain::kpi::Kpi;
use crate::domain::refusal::Refusal;
use crate::storage::definitions::UseCaseType;
use crate::storage::exports::{ExportedScore, Filter, PAGE_ROWS, Place, page};
use crate::storage::writer::{json_of, kpis, read_kpis};
use crate::storage::{Database, StorageError};

/// Beyond every timestamp and key.
const BEYOND: i64 = 1 << 53;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => csv::MEDIA_TYPE,
        }
    }
}

/// 1. Everything that can be refused is: 400, 404.
/// 2. The first page is read: if D1 fails here, that is a `503`.
/// 3. The rest follows page by page; if D1 fails there, the transfer breaks off.
pub async fn scores(context: &Context<'_>) -> Result<Answer, Refusal> {
    // (1)
    let kind = context.use_case_type().await?;
    let mut export = prepare(context, &kind).await?;
    let format = export.format;
    // (2)
    let first = export.next().await.map_err(storage_failed)?;
    // (3)
    let rest = stream::try_unfold(export, |mut export| async move {
        match export.next().await {
            Ok(Some(chunk)) => Ok(Some((chunk, export))),
            Ok(None) => {
                export.sent();
                Ok(None)
            }
            Err(error) => Err(export.broken(&error)),
        }
    });
    let chunks: Chunks = stream::iter(first.map(Ok)).chain(rest).boxed_local();
    let answer = Answer::stream(chunks, format.media_type());
    Ok(match format {
        Format::Csv => answer.for_download(format!("scores-{}.csv", kind.name)),
        _ => answer,
    })
}

async fn prepare(context: &Context<'_>, kind: &UseCaseType) -> Result<Export, Refusal> {
    let query = &context.query;
    let format = match query.format(&["json", "ndjson", "csv"])? {
        "csv" => Format::Csv,
        "ndjson" => Format::Ndjson,
        _ => Format::Json,
    };
    let limit = match query.integer("limit")? {
        None => None,
        Some(limit) if limit >= 1 => Some(limit.unsigned_abs()),
        Some(limit) => {
            return Err(invalid(format!("limit {limit} must be 1 or more; leave it out to get all scores")));
        }
    };
    let filter = filter(context, kind)?;
    let list = format!("export{}", kind.type_no);
    let resumed = resumed(context, &list)?;
    let all = context.database.run(kpis(kind.type_no)).await.and_then(|answer| read_kpis(&answer));
    let mut kpis = wanted(all.map_err(storage_failed)?, context)?;
    let mut after = Place::before(filter.from_ms);
    if let Some((kpi_no, place)) = resumed {
        kpis.retain(|kpi| kpi.kpi_no >= kpi_no);
        // A KPI deleted since: go on with the next. A cursor from before `from` can't widen the range.
        if kpis.front().is_some_and(|kpi| kpi.kpi_no == kpi_no) && place.timestamp_ms >= filter.from_ms {
            after = place;
        }
    }
    let database = Database::counted(context.env, context.database.calls());
    Ok(Export {
        database,
        type_no: kind.type_no,
        list,
        request_id: context.request_id.clone(),
        format,
        filter,
        kpis,
        after,
        remaining: limit,
        last_cursor: None,
        stage: Stage::Head,
    })
}

fn filter(context: &Context<'_>, kind: &UseCaseType) -> Result<Filter, Refusal> {
    let query = &context.query;
    let zone = query.zone()?;
    let (from, to) = (query.bound("from", &zone)?, query.bound("to", &zone)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(invalid_filter(format!(
            "'from' ({}) must be before 'to' ({})",
            format_timestamp(from),
            format_timestamp(to)
        )));
    }
    let version = context.version_filter()?;
    if let Some(version) = version
        && !(1..=kind.type_version).contains(&version)
    {
        return Err(invalid_filter(format!(
            "version {version} does not exist; the latest of '{}' is {}",
            kind.name, kind.type_version
        )));
    }
    Ok(Filter {
        from_ms: from.unwrap_or(0),
        to_ms: to.unwrap_or(BEYOND),
        version,
        properties: query.property_filters()?,
    })
}

/// The KPIs asked for, in the order of their creation; all of them if none are named.
fn wanted(all: Vec<Kpi>, context: &Context<'_>) -> Result<VecDeque<Kpi>, Refusal> {
    let mut asked = Vec::new();
    for name_or_id in context.query.all("kpi") {
        asked.push(find_kpi(&all, &KpiRef::NameOrId(name_or_id.to_owned()))?.kpi_no);
    }
    Ok(all.into_iter().filter(|kpi| asked.is_empty() || asked.contains(&kpi.kpi_no)).collect())
}

/// Where the cursor in the query points: a KPI, and a place among its scores.
fn resumed(context: &Context<'_>, list: &str) -> Result<Option<(i64, Place)>, Refusal> {
    let Some(key) = context.query.cursor(list, true)? else { return Ok(None) };
    let numbers: Vec<i64> = key.split('/').filter_map(|part| part.parse().ok()).collect();
    match *numbers.as_slice() {
        [kpi_no, timestamp_ms, instance_no] if numbers.iter().all(|n| (0..BEYOND).contains(n)) => {
            Ok(Some((kpi_no, Place { timestamp_ms, instance_no })))
        }
        _ => Err(invalid_cursor(context.query.get("cursor").unwrap_or_default())),
    }
}

/// An export under way.
struct Export {
    database: Database,
    type_no: i64,
    /// Whose cursors these are.
    list: String,
    request_id: String,
    format: Format,
    filter: Filter,
    /// Those not finished yet.
    kpis: VecDeque<Kpi>,
    /// How far the first of them has come.
    after: Place,
    /// Rows that may still be given out; `None` for all.
    remaining: Option<u64>,
    last_cursor: Option<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Rows,
    End,
}

impl Export {
    /// The next part of the answer; `None` at its end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        if self.stage == Stage::End {
            return Ok(None);
        }
        let mut out = String::new();
        if self.stage == Stage::Head {
            self.stage = Stage::Rows;
            self.write_head(&mut out);
        }
        let (mut rows_written, mut is_cut) = (0, false);
        while rows_written == 0 && !is_cut && !self.is_satisfied() {
            let Some(kpi) = self.kpis.front().cloned() else { break };
            let mut rows = self.read(&kpi).await?;
            if let Some(remaining) = &mut self.remaining {
                let allowed = usize::try_from(*remaining).unwrap_or(usize::MAX);
                is_cut = rows.len() > allowed;
                rows.truncate(allowed);
                *remaining -= rows.len() as u64;
            }
            for row in &rows {
                self.write_row(&mut out, &kpi, row)?;
            }
            rows_written = rows.len();
        }
        if is_cut || self.kpis.is_empty() || self.is_satisfied() {
            self.stage = Stage::End;
            self.write_end(&mut out, is_cut);
        }
        Ok((!out.is_empty()).then(|| out.into_bytes()))
    }

    /// Whether nothing more need be read. JSON says at its end whether more would have followed, and looks for that.
    fn is_satisfied(&self) -> bool {
        self.remaining == Some(0) && self.format != Format::Json
    }

    /// The next page of the KPI; moves on behind it.
    async fn read(&mut self, kpi: &Kpi) -> Result<Vec<ExportedScore>, StorageError> {
        let rows_max = match self.remaining {
            Some(remaining) if !self.filter.may_pass_over() => {
                usize::try_from(remaining).unwrap_or(PAGE_ROWS).min(PAGE_ROWS) + 1
            }
            _ => PAGE_ROWS,
        };
        let (rows, rest) =
            page(&self.database, self.type_no, kpi.kpi_no, self.after, &self.filter, rows_max).await?;
        match rest {
            Some(place) => self.after = place,
            None => {
                self.kpis.pop_front();
                self.after = Place::before(self.filter.from_ms);
            }
        }
        Ok(rows)
    }

    fn write_head(&self, out: &mut String) {
        match self.format {
            Format::Json => out.push_str("{\"items\":["),
            Format::Ndjson => {}
            Format::Csv => out.push_str(
                "use_case_id,type_version,kpi_id,kpi_name,kpi_type,score,timestamp,create_timestamp,\
                 update_timestamp,comment,source,properties,cursor\n",
            ),
        }
    }

    fn write_end(&self, out: &mut String, is_cut: bool) {
        if self.format != Format::Json {
            return;
        }
        out.push_str("],");
        if let (true, Some(cursor)) = (is_cut, &self.last_cursor) {
            out.push_str(&format!("\"cursor\":\"{cursor}\","));
        }
        out.push_str(&format!("\"request_id\":\"{}\"}}", self.request_id));
    }

    fn write_row(&mut self, out: &mut String, kpi: &Kpi, score: &ExportedScore) -> Result<(), StorageError> {
        let Place { timestamp_ms, instance_no } = score.place;
        let key = format!("{}/{timestamp_ms}/{instance_no}", kpi.kpi_no);
        let cursor = encode_cursor(&self.list, true, &key);
        if self.format == Format::Csv {
            write_csv(out, kpi, score, &cursor);
        } else {
            if self.format == Format::Json && self.last_cursor.is_some() {
                out.push(',');
            }
            let properties = serde_json::from_str(&score.properties)
                .map_err(|error| StorageError::Corrupt(format!("properties: {error}")))?;
            out.push_str(&json_of(&Shown::new(kpi, score, properties, &cursor)));
            if self.format == Format::Ndjson {
                out.push('\n');
            }
        }
        self.last_cursor = Some(cursor);
        Ok(())
    }

    /// Logs what it took: the line of the request was written when the response began.
    fn sent(&self) {
        worker::console_log!(
            "{}",
            serde_json::json!({"level": "info", "event": "export_sent", "request_id": self.request_id,
                "d1_calls": self.database.calls().get()})
        );
    }

    /// What the stream ends with when D1 has failed; logged here, as the response is long on its way.
    fn broken(&self, error: &StorageError) -> worker::Error {
        worker::console_error!(
            "{}",
            serde_json::json!({"level": "error", "event": "export_broken", "request_id": self.request_id,
                "cause": format!("{error:?}")})
        );
        worker::Error::RustError("the database failed in the middle of the export".to_owned())
    }
}

/// A score, as the API shows it in JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ExportedScore))]
pub struct Shown<'a> {
    use_case_id: &'a str,
    type_version: i64,
    kpi_id: &'a str,
    kpi_name: &'a str,
    #[cfg_attr(test, schema(value_type = crate::domain::kpi::KpiType))]
    kpi_type: &'a str,
    score: f64,
    timestamp: String,
    create_timestamp: String,
    update_timestamp: String,
    comment: Option<&'a str>,
    source: Option<&'a str>,
    #[cfg_attr(test, schema(value_type = std::collections::BTreeMap<String, String>))]
    properties: &'a RawValue,
    cursor: &'a str,
}

impl<'a> Shown<'a> {
    fn new(kpi: &'a Kpi, score: &'a ExportedScore, properties: &'a RawValue, cursor: &'a str) -> Self {
        Self {
            use_case_id: &score.use_case_id,
            type_version: score.version,
            kpi_id: &kpi.kpi_id,
            kpi_name: &kpi.name,
            kpi_type: kpi.rules.kpi_type.as_str(),
            score: score.score,
            timestamp: format_timestamp(score.place.timestamp_ms),
            create_timestamp: format_timestamp(score.created_ms),
            update_timestamp: format_timestamp(score.updated_ms),
            comment: score.comment.as_deref(),
            source: score.source.as_deref(),
            properties,
            cursor,
        }
    }
}

fn write_csv(out: &mut String, kpi: &Kpi, score: &ExportedScore, cursor: &str) {
    csv::Line::new(out)
        .text(&score.use_case_id)
        .value(&score.version)
        .text(&kpi.kpi_id)
        .text(&kpi.name)
        .text(kpi.rules.kpi_type.as_str())
        .value(&score.score)
        .text(&format_timestamp(score.place.timestamp_ms))
        .text(&format_timestamp(score.created_ms))
        .text(&format_timestamp(score.updated_ms))
        .text(score.comment.as_deref().unwrap_or_default())
        .text(score.source.as_deref().unwrap_or_default())
        .text(&score.properties)
        .text(cursor)
        .end();
}
