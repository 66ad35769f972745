//! Who may look at an answer: the headers that keep browsers from guessing, framing and storing, and CORS, which is closed unless
//! `ALLOWED_ORIGINS` names the pages that may call.

use worker::{Env, web_sys};

use super::border::{self, Head, More};
use crate::config::ALLOWED_ORIGINS;

/// On every answer. A page has a content security policy of its own.
const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Of answers that are data: nothing in them is to be shown or run.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What pages may send, and read of the answer.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, idempotency-key, xproxy-api-key, xproxy-usecase-version";
const EXPOSED_HEADERS: &str = "x-request-id, retry-after, x-should-retry, content-disposition";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, DELETE";

/// How long a browser need not ask again, in seconds.
const PREFLIGHT_KEPT_S: &str = "7200";

/// The page that asks, as far as its origin is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Whether any origin is allowed at all: then answers differ by it.
    varies: bool,
    allowed_origin: Option<String>,
}

impl Exposure {
    pub fn of(head: &Head, env: &Env) -> Self {
        let allowed = env.var(ALLOWED_ORIGINS).map(|origins| origins.to_string()).unwrap_or_default();
        if allowed.is_empty() {
            return Self { varies: false, allowed_origin: None };
        }
        Self::decide(&allowed, head.header("origin"))
    }

    fn decide(allowed: &str, origin: Option<&str>) -> Self {
        let mut listed = allowed.split(',').map(str::trim).filter(|listed| !listed.is_empty()).peekable();
        let varies = listed.peek().is_some();
        let allowed_origin = origin.filter(|origin| listed.any(|listed| listed == "*" || listed == *origin));
        Self { varies, allowed_origin: allowed_origin.map(str::to_owned) }
    }

    /// Whether this is a browser's question before the request, from a page that may ask.
    pub fn is_preflight(&self, head: &Head) -> bool {
        head.method() == "OPTIONS"
            && self.allowed_origin.is_some()
            && head.header("access-control-request-method").is_some()
    }

    /// What differs by the page that asks.
    pub fn write(&self, headers: &mut More) {
        if self.varies {
            headers.set("vary", "Origin");
        }
        if let Some(origin) = &self.allowed_origin {
            headers.set("access-control-allow-origin", origin);
            headers.set("access-control-expose-headers", EXPOSED_HEADERS);
        }
    }
}

/// What the answer to a preflight says.
pub fn write_preflight(headers: &mut More) {
    headers.set("access-control-allow-methods", ALLOWED_METHODS);
    headers.set("access-control-allow-headers", ALLOWED_HEADERS);
    headers.set("access-control-max-age", PREFLIGHT_KEPT_S);
}

thread_local! {
    static COMMON: web_sys::Headers = make_common();
}

/// The headers of every answer, made once an isolate. An answer that has one of them of its own puts that in its place.
pub fn with_common<T>(make: impl FnOnce(&web_sys::Headers) -> T) -> T {
    COMMON.with(make)
}

fn make_common() -> web_sys::Headers {
    let mut all = More::default();
    let more = [("cache-control", "no-store"), ("content-security-policy", DATA_POLICY)];
    for (name, value) in SECURITY_HEADERS.iter().chain(&more) {
        all.set(name, value);
    }
    border::headers(None, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_allowed_and_none_by_default() {
        let decide = |allowed: &str, origin: &str| {
            let exposure = Exposure::decide(allowed, Some(origin));
            (exposure.varies, exposure.allowed_origin.is_some())
        };
        let listed = "https://a.example, https://b.example:8443";
        assert_eq!(decide("", "https://a.example"), (false, false));
        assert_eq!(decide(" , ", "null"), (false, false));
        assert_eq!(decide(listed, "https://a.example"), (true, true));
        assert_eq!(decide(listed, "https://b.example:8443"), (true, true));
        for other in
            ["http://a.example", "https://a.example.evil", "https://b.example", "null", "https://A.example"]
        {
            assert_eq!(decide(listed, other), (true, false), "{other}");
        }
        assert_eq!(decide("*", "https://anybody.example"), (true, true));
        assert_eq!(Exposure::decide("*", None).allowed_origin, None);
    }
}
