//! A body that is a table, CSV or NDJSON, as rows that are items of a bulk request (`scores::item`). A file that an export gave
//! is such a table. A row that can't be read does not stop the others.

use ::csv::StringRecord;
use serde_json::{Map, Number, Value};

use super::body::{invalid, kind_of};
use super::csv::{NotUtf8, Reader, restored};
use super::json;
use crate::domain::refusal::{Refusal, shown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Ndjson,
}

impl Format {
    /// `None` for anything but a table.
    pub fn of(content_type: Option<&str>) -> Option<Self> {
        match content_type?.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// The rows of a table, as JSON objects.
pub enum Rows<'b> {
    Csv(CsvRows<'b>),
    Ndjson(std::slice::Split<'b, u8, fn(&u8) -> bool>),
}

impl<'b> Rows<'b> {
    pub fn new(format: Format, body: &'b [u8]) -> Result<Self, Refusal> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        Ok(match format {
            Format::Csv => Self::Csv(CsvRows::new(body)?),
            Format::Ndjson => Self::Ndjson(body.split(|byte| *byte == b'\n')),
        })
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Value, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Ndjson(lines) => {
                lines.find(|line| !line.iter().all(u8::is_ascii_whitespace)).map(object_of_line)
            }
        }
        .map(|row| row.map(one_kpi))
    }
}

/// An exported row names its KPI twice; then the id counts.
fn one_kpi(mut row: Value) -> Value {
    if let Some(fields) = row.as_object_mut() {
        let has_id = fields.get("kpi_id").is_some_and(|id| !id.is_null() && id.as_str() != Some(""));
        fields.remove(if has_id { "kpi_name" } else { "kpi_id" });
    }
    row
}

fn object_of_line(line: &[u8]) -> Result<Value, Refusal> {
    match json::parse("the line", line)? {
        Value::Object(fields) => Ok(Value::Object(fields)),
        other => Err(invalid(format!("a line must be a JSON object, not {}", kind_of(&other)))),
    }
}

/// The columns that mean something; others are passed over.
const COLUMNS: [&str; 7] = ["use_case_id", "kpi_name", "kpi_id", "score", "timestamp", "comment", "source"];

pub struct CsvRows<'b> {
    reader: Reader<'b>,
    header: StringRecord,
    /// Names of columns, and their places.
    columns: Vec<(&'static str, usize)>,
}

impl<'b> CsvRows<'b> {
    fn new(table: &'b [u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(table);
        let header = match reader.next() {
            Some(Ok(header)) => header,
            Some(Err(_)) => return Err(invalid("the CSV header is not valid UTF-8")),
            None => {
                return Err(invalid(
                    "the CSV is empty: its first line must name the columns use_case_id, kpi_name or kpi_id, score",
                ));
            }
        };
        let mut columns: Vec<(&'static str, usize)> = Vec::new();
        for (place, cell) in header.iter().enumerate() {
            let Some(name) = COLUMNS.into_iter().find(|name| *name == cell.trim()) else { continue };
            if columns.iter().any(|(other, _)| *other == name) {
                return Err(invalid(format!("the CSV header names the column '{name}' twice")));
            }
            columns.push((name, place));
        }
        let has = |name: &str| columns.iter().any(|(other, _)| *other == name);
        let missing = |name: &str| {
            let there = shown(&header.iter().collect::<Vec<_>>().join(","));
            invalid(format!(
                "the CSV header has no column {name}; columns are separated by commas, and it is {there}"
            ))
        };
        for required in ["use_case_id", "score"] {
            if !has(required) {
                return Err(missing(&format!("'{required}'")));
            }
        }
        if !has("kpi_name") && !has("kpi_id") {
            return Err(missing("'kpi_name' (or 'kpi_id')"));
        }
        Ok(Self { reader, header, columns })
    }

    fn next(&mut self) -> Option<Result<Value, Refusal>> {
        Some(match self.reader.next()? {
            Ok(row) => self.object(&row),
            Err(NotUtf8(cell)) => {
                let column = self.header.get(cell).unwrap_or_default();
                Err(invalid(format!("the cell in column {} is not valid UTF-8", shown(column))))
            }
        })
    }

    fn object(&self, row: &StringRecord) -> Result<Value, Refusal> {
        if row.len() != self.header.len() {
            let breaks = row.iter().map(|cell| cell.matches('\n').count()).sum::<usize>();
            let hint = match breaks {
                0 => String::new(),
                _ => format!("; it spans {} lines: perhaps a quote is not closed", breaks + 1),
            };
            return Err(invalid(format!(
                "the row has {} cells where the header has {}{hint}",
                row.len(),
                self.header.len()
            )));
        }
        let mut fields = Map::new();
        for (name, place) in &self.columns {
            let cell = row.get(*place).unwrap_or_default();
            let value = match *name {
                "score" => score_of_cell(cell)?,
                _ if cell.is_empty() => Value::Null,
                "timestamp" => Value::from(cell),
                _ => Value::from(restored(cell)),
            };
            fields.insert((*name).to_owned(), value);
        }
        Ok(Value::Object(fields))
    }
}

/// A number, `true` or `false`; an empty cell clears the score.
fn score_of_cell(cell: &str) -> Result<Value, Refusal> {
    let text = cell.trim();
    if cell.is_empty() {
        return Ok(Value::Null);
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Ok(Value::Bool(text.eq_ignore_ascii_case("true")));
    }
    // Rust reads `inf` and `nan` as numbers, too; the latter are none in JSON.
    text.parse().ok().and_then(Number::from_f64).map(Value::Number).ok_or_else(|| {
        invalid(format!(
            "score {} is not a number (such as 12.5), true or false; an empty cell clears the score",
            shown(cell)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(format: Format, body: &str) -> Vec<Result<String, String>> {
        Rows::new(format, body.as_bytes())
            .unwrap_or_else(|refusal| panic!("{refusal:?}"))
            .map(|row| row.map(|row| row.to_string()).map_err(|refusal| refusal.message))
            .collect()
    }

    fn ok(json: &str) -> Result<String, String> {
        Ok(json.to_owned())
    }

    #[test]
    fn csv_rows_are_read_as_items() {
        let table = "\u{feff}kpi_name, use_case_id ,score,extra,comment\r\n\
            K,i,1.50,x,\"a, \"\"b\"\"\nc\"\r\n\
            \r\n\
            K,'+i,TRUE,,'=x\n\
            K,i,,,'plain'\n\
            K,i,-1e3,,";
        assert_eq!(
            rows(Format::Csv, table),
            [
                ok(r#"{"comment":"a, \"b\"\nc","kpi_name":"K","score":1.5,"use_case_id":"i"}"#),
                ok(r#"{"comment":"=x","kpi_name":"K","score":true,"use_case_id":"+i"}"#),
                ok(r#"{"comment":"'plain'","kpi_name":"K","score":null,"use_case_id":"i"}"#),
                ok(r#"{"comment":null,"kpi_name":"K","score":-1000.0,"use_case_id":"i"}"#),
            ]
        );
    }

    #[test]
    fn a_row_that_can_not_be_read_says_why() {
        for (row, says) in [
            ("i,K", "2 cells where the header has 3"),
            ("i,K,1,2", "4 cells"),
            ("i,\"K,1\ni,K,2\n", "a quote is not closed"),
            ("i,K,high", "'high' is not a number"),
            ("i,K,nan", "'nan'"),
            ("i,K,inf", "'inf'"),
            ("i,K,1e999", "'1e999'"),
            ("i,K, ", "' ' is not a number"),
        ] {
            let all = rows(Format::Csv, &format!("use_case_id,kpi_name,score\n{row}"));
            let refused = all.first().and_then(|row| row.as_ref().err()).unwrap();
            assert!(refused.contains(says), "{row:?}: {refused}");
        }
    }

    #[test]
    fn a_table_without_its_columns_is_refused() {
        for (table, says) in [
            ("", "empty"),
            ("use_case_id,kpi_name\n", "'score'"),
            ("kpi_id,score\n", "'use_case_id'"),
            ("use_case_id,score\n", "'kpi_name' (or 'kpi_id')"),
            ("use_case_id;kpi_name;score\n", "separated by commas"),
            ("use_case_id,kpi_id,score,score\n", "'score' twice"),
        ] {
            let refusal = Rows::new(Format::Csv, table.as_bytes()).err().unwrap();
            assert!(refusal.message.contains(says), "{table:?}: {}", refusal.message);
        }
    }

    #[test]
    fn of_two_kpis_the_id_counts() {
        let lines = "{\"kpi_id\":\"a\",\"kpi_name\":\"b\"}\n \r\n{\"kpi_id\":\"\",\"kpi_name\":\"b\"}\r\n{\"kpi_name\":\"b\"}\n7\n{";
        let all = rows(Format::Ndjson, lines);
        assert_eq!(all[..3], [ok(r#"{"kpi_id":"a"}"#), ok(r#"{"kpi_name":"b"}"#), ok(r#"{"kpi_name":"b"}"#)]);
        assert!(all[3].as_ref().unwrap_err().contains("number 7"));
        assert!(all[4].as_ref().unwrap_err().contains("not valid JSON"));
        let exported = rows(Format::Csv, "use_case_id,kpi_id,kpi_name,score\ni,k1,K,1\ni,,K,1\n");
        assert!(
            exported[0].as_ref().unwrap().contains("kpi_id")
                && exported[1].as_ref().unwrap().contains("kpi_name")
        );
    }

    #[test]
    fn media_types_are_told_apart() {
        for (content_type, expect) in [
            ("text/csv", Some(Format::Csv)),
            ("Text/CSV; charset=UTF-8", Some(Format::Csv)),
            ("application/x-ndjson", Some(Format::Ndjson)),
            ("application/json", None),
        ] {
            assert_eq!(Format::of(Some(content_type)), expect, "{content_type}");
        }
    }
}
