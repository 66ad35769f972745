//! Query parameters: pages of lists, filters, flags. Parameters nobody asks for are ignored.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::body::invalid;
use crate::config::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use crate::domain::calendar::{Zone, parse_bound};
use crate::domain::names::{PROPERTIES_PER_INSTANCE_MAX, check_property_key, check_property_value};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions::Page;

#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let text = text.unwrap_or_default();
        // What follows would put a mark in the place of each byte that is none.
        if percent_encoding::percent_decode_str(text).decode_utf8().is_err() {
            return Err(invalid("the query is not valid UTF-8 after percent-decoding"));
        }
        Ok(Self(
            form_urlencoded::parse(text.as_bytes())
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
        ))
    }

    /// The last value of a parameter; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// `property.KEY=VALUE`, in the order given.
    fn properties(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("property.")?.to_owned(), value.clone())))
            .collect()
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| invalid(format!("{name} {} is not a whole number", shown(text))))
            })
            .transpose()
    }

    /// The same, checked, in the order of the keys. One key can't have two values.
    pub fn property_filters(&self) -> Result<Vec<(String, String)>, Refusal> {
        let mut filters: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in self.properties() {
            check_property_key(&key)
                .and_then(|()| check_property_value(&value))
                .map_err(|bad| invalid_filter(format!("property.{}: {}", shown(&key), bad.0)))?;
            if filters.get(&key).is_some_and(|other| *other != value) {
                return Err(invalid_filter(format!(
                    "property.{} is given twice; an instance has one value of each property",
                    shown(&key)
                )));
            }
            filters.insert(key, value);
        }
        if filters.len() > PROPERTIES_PER_INSTANCE_MAX {
            return Err(invalid_filter(format!(
                "at most {PROPERTIES_PER_INSTANCE_MAX} property filters are taken"
            )));
        }
        Ok(filters.into_iter().collect())
    }

    /// `time_zone`, UTC by default.
    pub fn zone(&self) -> Result<Zone, Refusal> {
        let name = self.get("time_zone").unwrap_or("UTC");
        Zone::parse(name).ok_or_else(|| {
            invalid_filter(format!(
                "time_zone {} is not an IANA time zone such as Europe/Berlin",
                shown(name)
            ))
        })
    }

    /// A bound of a range: a date, which is its first instant in the zone, or an RFC 3339 time.
    pub fn bound(&self, name: &str, zone: &Zone) -> Result<Option<i64>, Refusal> {
        self.get(name)
            .map(|text| {
                parse_bound(text, zone).ok_or_else(|| {
                    invalid_filter(format!(
                        "{name} {} is neither a date (2026-11-24) nor an RFC 3339 time",
                        shown(text)
                    ))
                })
            })
            .transpose()
    }

    /// `format`: one of those allowed, the first by default.
    pub fn format<'f>(&self, allowed: &[&'f str]) -> Result<&'f str, Refusal> {
        let asked = self.get("format").or_else(|| allowed.first().copied()).unwrap_or_default();
        allowed.iter().find(|format| **format == asked).copied().ok_or_else(|| {
            invalid_filter(format!("format {} is not known; allowed: {}", shown(asked), allowed.join(", ")))
        })
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(invalid(format!("{name} {} must be true or false", shown(other)))),
        }
    }

    /// How many items a page holds: 1–500, 100 by default, which 0 means too.
    pub fn limit(&self, items_max: i64) -> Result<i64, Refusal> {
        match self.integer("limit")? {
            None | Some(0) => Ok(PAGE_ITEMS_DEFAULT.min(items_max)),
            Some(limit) if (1..=PAGE_ITEMS_MAX).contains(&limit) => Ok(limit.min(items_max)),
            Some(limit) => Err(invalid(format!("limit {limit} must be 0 to {PAGE_ITEMS_MAX}"))),
        }
    }

    /// `sort_ascending`, which is the default.
    pub fn ascending(&self) -> Result<bool, Refusal> {
        Ok(self.flag("sort_ascending")?.unwrap_or(true))
    }

    /// The page asked for. `list` says whose cursors are understood.
    pub fn page(&self, list: &str) -> Result<Page, Refusal> {
        let ascending = self.ascending()?;
        let after = self
            .cursor(list, ascending)?
            .map(|key| key.parse::<i64>().map_err(|_| invalid_cursor(self.get("cursor").unwrap_or_default())))
            .transpose()?;
        Ok(Page { after, ascending, limit: self.limit(PAGE_ITEMS_MAX)? })
    }

    /// The key in the cursor, if there is one.
    pub fn cursor(&self, list: &str, ascending: bool) -> Result<Option<String>, Refusal> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid_cursor(text))?;
        let decoded = String::from_utf8(bytes).map_err(|_| invalid_cursor(text))?;
        decoded
            .strip_prefix(&cursor_prefix(list, ascending))
            .map(|key| Some(key.to_owned()))
            .ok_or_else(|| invalid_cursor(text))
    }
}

/// The cursor behind the item with this key.
pub fn encode_cursor(list: &str, ascending: bool, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{key}", cursor_prefix(list, ascending)))
}

/// Cuts a page that was read with one item more, and tells the cursor of the next.
pub fn cut<T>(items: Vec<T>, page: Page, list: &str, key: impl Fn(&T) -> i64) -> (Vec<T>, Option<String>) {
    cut_after(items, page.limit, |item| encode_cursor(list, page.ascending, &key(item).to_string()))
}

/// The same, with the cursor behind an item.
pub fn cut_after<T>(
    mut items: Vec<T>,
    limit: i64,
    cursor: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(0);
    if items.len() <= limit {
        return (items, None);
    }
    items.truncate(limit);
    let cursor = items.last().map(cursor);
    (items, cursor)
}

fn cursor_prefix(list: &str, ascending: bool) -> String {
    format!("1{}{list}:", if ascending { 'a' } else { 'd' })
}

pub fn invalid_filter(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidFilter, message)
}

pub fn invalid_cursor(text: &str) -> Refusal {
    Refusal::new(
        Code::InvalidCursor,
        format!(
            "cursor {} is not one that this list gave out for the same sort order; start again without it",
            shown(text)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(Some(text)).unwrap()
    }

    #[test]
    fn a_page_is_read_or_refused() {
        let page = query("limit=0").page("kpis").unwrap();
        assert_eq!((page.limit, page.ascending, page.after), (100, true, None));
        let page = query("limit=7&sort_ascending=false").page("kpis").unwrap();
        assert_eq!((page.limit, page.ascending), (7, false));
        for bad in ["limit=501", "limit=-1", "limit=x", "sort_ascending=maybe"] {
            assert_eq!(query(bad).page("kpis").unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_and_order() {
        let cursor = encode_cursor("kpis", true, "42");
        assert_eq!(query(&format!("cursor={cursor}")).page("kpis").unwrap().after, Some(42));
        for (list, text) in [
            ("types", format!("cursor={cursor}")),
            ("kpis", format!("cursor={cursor}&sort_ascending=false")),
            ("kpis", "cursor=nonsense!".to_owned()),
            ("kpis", format!("cursor={}", encode_cursor("kpis", true, "x"))),
        ] {
            assert_eq!(query(&text).page(list).unwrap_err().code, Code::InvalidCursor, "{list} {text}");
        }
    }

    #[test]
    fn properties_are_found_by_their_prefix() {
        assert_eq!(
            query("property.model=gpt+4&x=1&property.a.b=").properties(),
            vec![("model".to_owned(), "gpt 4".to_owned()), ("a.b".to_owned(), String::new())]
        );
    }
}
