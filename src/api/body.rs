//! Request bodies: a JSON object, read field by field, so that an error names the field, what stood there, and what is allowed.
//! Every body is a struct (beside its handler) that `read` makes of the fields; the OpenAPI document is made of the same struct.

use serde_json::{Map, Value};

use super::json;
use crate::config::{
    COMMENT_CHARS_MAX, DESCRIPTION_CHARS_MAX, FUTURE_MAX_MS, SOURCE_CHARS_MAX, TIMESTAMP_MIN_MS,
    TITLE_CHARS_MAX, UNIT_CHARS_MAX,
};
use crate::domain::calendar::{format_timestamp, parse_timestamp};
use crate::domain::refusal::{Code, Refusal, shown};

/// The bytes of a body, and what they are said to be.
#[derive(Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub content_type: Option<String>,
}

impl Body {
    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// The JSON object; an empty body is an empty object.
    pub fn object(&self) -> Result<Fields, Refusal> {
        if self.is_empty() {
            return Ok(Fields(Map::new()));
        }
        if let Some(content_type) = &self.content_type {
            let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if media_type != "application/json" && !media_type.ends_with("+json") {
                return Err(Refusal::new(
                    Code::UnsupportedMediaType,
                    format!("content type {} is not supported; send application/json", shown(&media_type)),
                ));
            }
            check_charset(content_type)?;
        }
        match json::parse("the body", &self.bytes)? {
            Value::Object(fields) => Ok(Fields(fields)),
            other => Err(invalid(format!("the body must be a JSON object, not {}", kind_of(&other)))),
        }
    }
}

/// A text of at most so many characters, without NUL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<const CHARS_MAX: usize>(String);

impl<const CHARS_MAX: usize> Text<CHARS_MAX> {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

pub type Description = Text<DESCRIPTION_CHARS_MAX>;
pub type Comment = Text<COMMENT_CHARS_MAX>;
pub type Source = Text<SOURCE_CHARS_MAX>;
pub type Unit = Text<UNIT_CHARS_MAX>;
pub type Title = Text<TITLE_CHARS_MAX>;
/// What is looked up is not checked further: a text that names nothing is not found.
pub type Named = Text<10_000>;

/// When something measured happened: an RFC 3339 time from the year 2000, at most 5 minutes ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    pub ms: i64,
}

/// The fields of a JSON object. Fields nobody asks for are ignored.
#[derive(Debug)]
pub struct Fields(pub Map<String, Value>);

impl Fields {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A field that is there and not `null`.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Text of at most `chars_max` characters.
    pub fn text(&self, name: &str, chars_max: usize) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let Some(text) = value.as_str() else {
            return Err(invalid(format!("{name} must be text, not {}", kind_of(value))));
        };
        if text.chars().count() > chars_max {
            return Err(invalid(format!("{name} is longer than {chars_max} characters")));
        }
        if text.contains('\0') {
            return Err(invalid(format!("{name} must not contain NUL")));
        }
        Ok(Some(text))
    }

    /// Text that is at most as long as the type says.
    pub fn limited<const CHARS_MAX: usize>(&self, name: &str) -> Result<Option<Text<CHARS_MAX>>, Refusal> {
        Ok(self.text(name, CHARS_MAX)?.map(|text| Text(text.to_owned())))
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        value
            .as_f64()
            .map(Some)
            .ok_or_else(|| invalid(format!("{name} must be a number, not {}", kind_of(value))))
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| invalid(format!("{name} must be true or false, not {}", kind_of(value))))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        whole(value)
            .map(Some)
            .ok_or_else(|| invalid(format!("{name} must be a whole number, not {}", kind_of(value))))
    }

    pub fn timestamp(&self, name: &str, now_ms: i64) -> Result<Option<Timestamp>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let bad = |why: &str| Refusal::new(Code::InvalidTimestamp, format!("{name} {why}"));
        let text = value.as_str().ok_or_else(|| bad("must be text: an RFC 3339 time"))?;
        let ms = parse_timestamp(text).ok_or_else(|| {
            bad(&format!("{} is not an RFC 3339 time such as {}", shown(text), format_timestamp(now_ms)))
        })?;
        if ms < TIMESTAMP_MIN_MS || ms > now_ms + FUTURE_MAX_MS {
            return Err(bad(&format!(
                "{} must lie between the year 2000 and 5 minutes from now",
                shown(text)
            )));
        }
        Ok(Some(Timestamp { ms }))
    }

    /// A score: a number, `true`/`false` for 1/0, or `null` for none.
    pub fn score(&self) -> Result<Option<f64>, Refusal> {
        match self.0.get("score") {
            None => Err(invalid(
                "the field 'score' is missing: send a number, true, false, or null to clear the score",
            )),
            Some(Value::Null) => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(f64::from(u8::from(*yes)))),
            // Minus zero is zero.
            Some(Value::Number(number)) => Ok(number.as_f64().map(|score| score + 0.0)),
            Some(other) => {
                Err(invalid(format!("score must be a number, true, false or null, not {}", kind_of(other))))
            }
        }
    }
}

/// Bodies are UTF-8, whatever else they may be said to be.
pub fn check_charset(content_type: &str) -> Result<(), Refusal> {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(other) if !["utf-8", "utf8", "us-ascii"].contains(&other.to_ascii_lowercase().as_str()) => {
            Err(Refusal::new(
                Code::UnsupportedMediaType,
                format!("charset {} is not supported; send UTF-8", shown(other)),
            ))
        }
        _ => Ok(()),
    }
}

/// JSON does not tell 2.0 from 2.
fn whole(value: &Value) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)] // whole, and held exactly
    let of_double =
        |number: f64| (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(of_double))
}

pub fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", shown(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_point() {
        let check = |json: &str, expect: Option<i64>| {
            assert_eq!(whole(&serde_json::from_str(json).unwrap()), expect, "{json}");
        };
        check("2", Some(2));
        check("2.0", Some(2));
        check("-3e2", Some(-300));
        check("9223372036854775807", Some(i64::MAX));
        check("2.5", None);
        check("1e300", None);
        check("18446744073709551615", None);
        check("\"2\"", None);
    }
}
