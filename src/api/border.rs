//! The border to the platform: requests come in and responses go out in one crossing each, without the objects that a crossing for
//! every header would make.

use wasm_bindgen::prelude::*;
use worker::js_sys::Array;
use worker::web_sys;

/// Headers that the service reads, in the order of `Head`'s values. `border.js` knows that the first two carry keys.
const NAMES: [&str; 12] = [
    "xproxy-api-key",
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
    "origin",
    "access-control-request-method",
    "xproxy-usecase-version",
    "idempotency-key",
    "cf-connecting-ip",
    "cookie",
    "sec-fetch-site",
];

/// How many of them come last and belong to a browser's session: where there is a key, they are not read.
const OF_SESSIONS: usize = 2;

#[wasm_bindgen(module = "/src/api/border.js")]
extern "C" {
    #[wasm_bindgen(js_name = head)]
    fn js_head(request: &web_sys::Request, names: &Array, session_names: &Array) -> String;

    #[wasm_bindgen(js_name = headers)]
    fn js_headers(common: Option<&web_sys::Headers>, more: &str) -> web_sys::Headers;

    #[wasm_bindgen(js_name = respond)]
    fn js_respond(
        status: u16,
        bytes: Option<&[u8]>,
        common: &web_sys::Headers,
        more: &str,
    ) -> web_sys::Response;
}

thread_local! {
    static JS_NAMES: [Array; 2] = {
        let (names, of_sessions) = NAMES.split_at(NAMES.len() - OF_SESSIONS);
        [names, of_sessions].map(|names| names.iter().map(|name| JsValue::from_str(name)).collect())
    };
}

/// What a request says before its body.
#[derive(Debug, Default)]
pub struct Head {
    text: String,
    /// Where each line ends: method, path, query, the values of `NAMES`, and the origin of the URL; without what belongs to a
    /// session where there is a key.
    ends: Vec<usize>,
}

/// Stands for a header that is not there.
const ABSENT: &str = "\0";

impl Head {
    pub fn of(request: &web_sys::Request) -> Self {
        Self::parse(JS_NAMES.with(|[names, of_sessions]| js_head(request, names, of_sessions)))
    }

    fn parse(text: String) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).chain([text.len()]).collect();
        Self { text, ends }
    }

    /// As a test wants it, with a URL of this origin.
    #[cfg(test)]
    pub fn with(method: &str, headers: &[(&str, &str)], own_origin: &str) -> Self {
        let value =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map_or(ABSENT, |(_, value)| value);
        let mut lines = vec![method, "/", ""];
        lines.extend(NAMES.map(value));
        lines.push(own_origin);
        Self::parse(lines.join("\n"))
    }

    fn line(&self, number: usize) -> Option<&str> {
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before)? + 1,
            None => 0,
        };
        self.text.get(start..*self.ends.get(number)?)
    }

    /// As it was sent, in capitals where the platform knows it.
    pub fn method(&self) -> &str {
        self.line(0).unwrap_or_default()
    }

    /// Of the URL, as the URL standard writes it.
    pub fn path(&self) -> &str {
        self.line(1).unwrap_or_default()
    }

    /// Without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.line(2)?.strip_prefix('?')
    }

    /// A header's value. Only those in `NAMES` are known here.
    pub fn header(&self, name: &str) -> Option<&str> {
        let place = NAMES.iter().position(|known| *known == name);
        debug_assert!(place.is_some(), "{name} is not in NAMES");
        self.line(place? + 3).filter(|value| *value != ABSENT)
    }

    /// The origin that the request was sent to, as a browser spells it. Not known where there is a key.
    pub fn own_origin(&self) -> Option<&str> {
        self.line(NAMES.len() + 3)
    }
}

/// Headers of a response besides the common ones, as `border.js` takes them.
#[derive(Debug, Default)]
pub struct More(String);

impl More {
    /// A line break in a value would be another header: it becomes a space.
    pub fn set(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.0.extend(part.chars().map(|char| if char == '\n' { ' ' } else { char }));
            self.0.push('\n');
        }
    }
}

/// A response with a body of bytes, or without any.
pub fn respond(
    status: u16,
    bytes: Option<&[u8]>,
    common: &web_sys::Headers,
    more: &More,
) -> web_sys::Response {
    js_respond(status, bytes, common, &more.0)
}

/// The common headers, and more.
pub fn headers(common: Option<&web_sys::Headers>, more: &More) -> web_sys::Headers {
    js_headers(common, &more.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_line_by_line() {
        let mut lines = vec!["PUT", "/a/b", "?x=1"];
        lines.extend(NAMES.map(|name| if name == "origin" { "https://a.example" } else { ABSENT }));
        lines.push("https://b.example");
        let head = Head::parse(lines.join("\n"));
        assert_eq!((head.method(), head.path(), head.query()), ("PUT", "/a/b", Some("x=1")));
        assert_eq!(head.header("origin"), Some("https://a.example"));
        assert_eq!(head.header("cf-connecting-ip"), None);
        assert_eq!(head.own_origin(), Some("https://b.example"));
        lines.truncate(3 + NAMES.len() - OF_SESSIONS);
        let head = Head::parse(lines.join("\n"));
        assert_eq!((head.header("cookie"), head.own_origin()), (None, None));
    }

    #[test]
    fn no_value_makes_another_header() {
        let mut more = More::default();
        more.set("a", "b\nset-cookie: c");
        assert_eq!(more.0, "a\nb set-cookie: c\n");
    }
}
