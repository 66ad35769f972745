//! Tables as CSV (RFC 4180, comma, UTF-8): written line by line, read row by row. What the columns mean is known elsewhere.
//!
//! Spreadsheets run a cell that starts with `=`, `+`, `-` or `@` as a formula. Texts here are other people's, so such a text is
//! written with an apostrophe in front, and read without it: `=x` is `'=x` in the file, `'=x` is `''=x`.

use std::fmt::Write;

use serde::Serialize;

use crate::storage::writer::json_of;

pub const MEDIA_TYPE: &str = "text/csv; charset=utf-8";

/// What a spreadsheet takes for the start of a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// One line, cell by cell.
pub struct Line<'o> {
    out: &'o mut String,
    begun: bool,
}

impl<'o> Line<'o> {
    pub fn new(out: &'o mut String) -> Self {
        Self { out, begun: false }
    }

    /// A text that is no formula, whatever it says.
    pub fn text(mut self, text: &str) -> Self {
        self.separate();
        let quoted = text.contains([',', '"', '\n', '\r']);
        if quoted {
            self.out.push('"');
        }
        if is_formula(text) {
            self.out.push('\'');
        }
        if quoted {
            // Writing into a text can't fail.
            let _ = write!(self.out, "{}\"", text.replace('"', "\"\""));
        } else {
            self.out.push_str(text);
        }
        self
    }

    /// A number or `true` or `false` as in JSON; an empty cell for `None`.
    pub fn value<T: Serialize>(mut self, value: &T) -> Self {
        self.separate();
        let json = json_of(value);
        if json != "null" {
            self.out.push_str(&json);
        }
        self
    }

    pub fn end(self) {
        self.out.push('\n');
    }

    fn separate(&mut self) {
        if self.begun {
            self.out.push(',');
        }
        self.begun = true;
    }
}

/// The text that a cell stands for: without the apostrophe that was put before a formula.
pub fn restored(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(cell) => rest,
        _ => cell,
    }
}

/// Whether a text, after any apostrophes, starts like a formula.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_STARTS)
}

/// The rows of a table, each as long as it is. Empty lines are passed over.
pub struct Reader<'b>(::csv::Reader<&'b [u8]>);

/// A row that is not UTF-8, in the cell with this number.
pub struct NotUtf8(pub usize);

impl<'b> Reader<'b> {
    pub fn new(table: &'b [u8]) -> Self {
        Self(::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<::csv::StringRecord, NotUtf8>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = ::csv::StringRecord::new();
        match self.0.read_record(&mut row) {
            Ok(true) => Some(Ok(row)),
            Ok(false) => None,
            Err(error) => match error.kind() {
                ::csv::ErrorKind::Utf8 { err, .. } => Some(Err(NotUtf8(err.field()))),
                // Rows may be of any length, and a slice can be read.
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let mut out = String::new();
        Line::new(&mut out).text(text).value(&1).end();
        out
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (text, expect) in [
            ("", ",1\n"),
            ("plain", "plain,1\n"),
            ("a,b", "\"a,b\",1\n"),
            ("say \"hi\"", "\"say \"\"hi\"\"\",1\n"),
            ("two\nlines", "\"two\nlines\",1\n"),
            ("cr\r", "\"cr\r\",1\n"),
            ("Größe 👍", "Größe 👍,1\n"),
        ] {
            assert_eq!(line(text), expect);
        }
        let mut out = String::new();
        Line::new(&mut out).value(&-2.5).value(&None::<f64>).value(&true).value(&1e-300).value(&3.0).end();
        assert_eq!(out, "-2.5,,true,1e-300,3.0\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for (text, expect) in [
            ("=1+1", "'=1+1,1\n"),
            ("+49", "'+49,1\n"),
            ("-", "'-,1\n"),
            ("@x", "'@x,1\n"),
            ("\tx", "'\tx,1\n"),
            ("\rx", "\"'\rx\",1\n"),
            ("=HYPERLINK(\"u\",\"v\")", "\"'=HYPERLINK(\"\"u\"\",\"\"v\"\")\",1\n"),
            ("''=x", "'''=x,1\n"),
            ("'quoted'", "'quoted',1\n"),
            ("a=b", "a=b,1\n"),
        ] {
            assert_eq!(line(text), expect);
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        for text in ["", "'", "''", "=", "'=", "''=x", "'x", "-1", "a\r\nb", "\"", ",", " padded ", "\t", "ü"]
        {
            let table = line(text);
            let row = Reader::new(table.as_bytes()).next().unwrap().ok().unwrap();
            assert_eq!((row.len(), restored(&row[0]), &row[1]), (2, text, "1"), "{table:?}");
        }
    }

    #[test]
    fn a_row_that_is_not_utf_8_does_not_stop_the_others() {
        let rows: Vec<_> = Reader::new(b"a,b\n\nc,\xff\r\nd\n")
            .map(|row| row.map(|row| row.len()).map_err(|NotUtf8(cell)| cell))
            .collect();
        assert_eq!(rows, [Ok(2), Err(1), Ok(1)]);
    }
}
