//! `/api/v1/session`: a browser signs in. A key is exchanged for a cookie that no script can read, so that the portal keeps no key.
//!
//! The cookie names the key by its hash and says until when it is good, under an HMAC with `ROOT_API_KEY`: nothing is stored, and
//! nobody who can only read D1 can make one. Without that secret there are no sessions. The key is looked up at every request
//! (`auth`), so what ends it ends its sessions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::answer::Answer;
use super::auth::Caller;
use super::body::{Fields, Named, invalid};
use super::border::Head;
use super::{Context, storage_failed};
use crate::config::SESSION_MS;
use crate::domain::calendar::format_timestamp;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::{Database, accounts as store};

const COOKIE: &str = "edge_kpi_session";

/// For this service's own pages only, over TLS only (browsers take their own machine for safe), and for no script.
const ATTRIBUTES: &str = "HttpOnly; Secure; SameSite=Strict; Path=/";

/// What is signed begins with this, so that a signature says nothing else, nor of another format.
const FORMAT: &str = "edge-kpi session 1";

/// Stands for the hash of `ROOT_API_KEY`.
const ROOT: &str = "root";

/// What a cookie says.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// The key's hash; `None` for `ROOT_API_KEY`.
    pub key_hash: Option<String>,
    pub expires_ms: i64,
}

impl Session {
    /// The cookie's value; `None` without a secret.
    fn sign(&self, secret: &str) -> Option<String> {
        let payload = format!("{}.{}", self.key_hash.as_deref().unwrap_or(ROOT), self.expires_ms);
        let signature = signature_of(secret, &payload)?.finalize().into_bytes();
        Some(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Reads a cookie's value: `None` unless it was signed with this secret and its time is not over.
    fn verify(value: &str, secret: &str, now_ms: i64) -> Option<Self> {
        let (payload, signature) = value.rsplit_once('.')?;
        // Compares in constant time.
        signature_of(secret, payload)?.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let (subject, expires_ms) = payload.split_once('.')?;
        let expires_ms = expires_ms.parse::<i64>().ok().filter(|expires_ms| now_ms < *expires_ms)?;
        Some(Self { key_hash: (subject != ROOT).then(|| subject.to_owned()), expires_ms })
    }
}

/// What is shorter could be found out by trying, against a cookie.
const SECRET_BYTES_MIN: usize = 16;

/// `None` without a secret that is long enough: then nothing is signed.
fn signature_of(secret: &str, payload: &str) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .ok()
        .filter(|_| secret.len() >= SECRET_BYTES_MIN)?;
    Some(mac.chain_update(FORMAT).chain_update([b'\n']).chain_update(payload))
}

/// The session that a request's cookie tells of. Of several cookies of the name (a page of a sibling domain can set one) the one
/// that was signed here counts.
///
/// Should several be, of different keys, none does: a page of a sibling domain whose owner has a key here must not have others work
/// in its application.
pub fn presented(head: &Head, secret: &str, now_ms: i64) -> Option<Session> {
    chosen(head.header("cookie")?, secret, now_ms)
}

fn chosen(cookies: &str, secret: &str, now_ms: i64) -> Option<Session> {
    let mut signed = values(cookies).filter_map(|value| Session::verify(value, secret, now_ms));
    let first = signed.next()?;
    signed.all(|other| other.key_hash == first.key_hash).then_some(first)
}

fn values(cookies: &str) -> impl Iterator<Item = &str> {
    cookies.split(';').filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Refuses what a page from elsewhere has a browser send: with the cookie it would come, and count as its owner's doing.
pub fn check_site(head: &Head) -> Result<(), Refusal> {
    let is_own_site = head.header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let only_reads = matches!(head.method(), "GET" | "HEAD");
    let is_own_origin =
        only_reads || head.header("origin").is_none_or(|from| Some(from) == head.own_origin());
    if is_own_site && is_own_origin {
        return Ok(());
    }
    Err(Refusal::new(
        Code::Forbidden,
        "a session is good for this service's own pages only; requests from elsewhere need an API key in a header",
    ))
}

/// Whose session it is, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Session))]
pub struct SessionShown {
    #[cfg_attr(test, schema(value_type = super::auth::Role))]
    role: &'static str,
    /// The key's.
    name: String,
    /// `null` for `ROOT_API_KEY`.
    key_id: Option<String>,
    application_id: String,
    /// When the session ends; `null` for who came with a key.
    expires_timestamp: Option<String>,
    request_id: String,
}

/// The key to sign in with.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = NewSession))]
pub struct SessionBody {
    pub api_key: Named,
}

impl SessionBody {
    pub fn read(fields: &Fields) -> Result<Self, Refusal> {
        let api_key = fields.limited("api_key")?.ok_or_else(|| invalid("the field 'api_key' is missing"))?;
        Ok(Self { api_key })
    }
}

/// Begins a session for the caller, whose key is good.
pub async fn create(
    database: &Database,
    caller: &Caller,
    secret: &str,
    now_ms: i64,
    request_id: &str,
) -> Result<Answer, Refusal> {
    // No longer than the key.
    let expires_ms = caller.expires_ms.unwrap_or(i64::MAX).min(now_ms + SESSION_MS);
    let key_hash = (!caller.root).then(|| caller.key_hash.as_ref().to_owned());
    let value = Session { key_hash, expires_ms }.sign(secret).ok_or_else(|| {
        Refusal::new(
            Code::NotSupported,
            "sessions are signed with ROOT_API_KEY, which this deployment does not have, or which has less than 16 characters; send the key itself, in a header",
        )
    })?;
    let shown = describe(database, caller, Some(expires_ms), request_id).await?;
    let kept_s = (expires_ms - now_ms).div_euclid(1000);
    Ok(Answer::of(&shown).with_cookie(format!("{COOKIE}={value}; {ATTRIBUTES}; Max-Age={kept_s}")))
}

pub async fn get(context: &Context<'_>) -> Result<Answer, Refusal> {
    let Context { database, caller, request_id, .. } = context;
    Ok(Answer::of(&describe(database, caller, caller.session_expires_ms, request_id).await?))
}

/// Has the browser forget its session, whether it is good or not.
pub fn delete(head: &Head) -> Result<Answer, Refusal> {
    check_site(head)?;
    Ok(Answer::no_content().with_cookie(format!("{COOKIE}=; {ATTRIBUTES}; Max-Age=0")))
}

async fn describe(
    database: &Database,
    caller: &Caller,
    expires_ms: Option<i64>,
    request_id: &str,
) -> Result<SessionShown, Refusal> {
    let (key_id, name, application_id) = if caller.root {
        (None, ROOT.to_owned(), super::accounts::DEFAULT_APPLICATION_ID.to_owned())
    } else {
        let found = store::describe_key(database, &caller.key_hash).await.map_err(storage_failed)?;
        let (key_id, name, application_id) = found.ok_or_else(super::auth::refused)?;
        (Some(key_id), name, application_id)
    };
    Ok(SessionShown {
        role: caller.role.as_str(),
        name,
        key_id,
        application_id,
        expires_timestamp: expires_ms.map(format_timestamp),
        request_id: request_id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_MS: i64 = 1_795_000_000_000;
    const SECRET: &str = "a secret of the tests";

    fn session(key_hash: Option<&str>) -> Session {
        Session { key_hash: key_hash.map(str::to_owned), expires_ms: NOW_MS + 1 }
    }

    #[test]
    fn what_was_signed_is_read_until_its_time_is_over() {
        for session in [session(None), session(Some("ab12"))] {
            let value = session.sign(SECRET).unwrap();
            assert_eq!(Session::verify(&value, SECRET, NOW_MS).as_ref(), Some(&session));
            assert_eq!(Session::verify(&value, SECRET, NOW_MS + 1), None);
            assert_eq!(Session::verify(&value, "another secret of tests", NOW_MS), None);
        }
    }

    /// Cookies that are out must be understood by the next version, too. The signature is openssl's:
    /// `printf 'edge-kpi session 1\nab12.1795000000001' | openssl dgst -sha256 -hmac "a secret of the tests" -binary | basenc --base64url`
    #[test]
    fn the_format_is_unchanged() {
        let expected = "ab12.1795000000001.nk4mvKOVMYQJMGIDJoFgi1M_MnQpYnQw9LzWnnxp5W4";
        assert_eq!(session(Some("ab12")).sign(SECRET).as_deref(), Some(expected));
    }

    #[test]
    fn without_a_secret_nothing_is_good() {
        assert_eq!(session(None).sign(""), None);
        assert_eq!(session(None).sign("fifteen letters"), None);
        assert!(session(None).sign("sixteen letters!").is_some());
        assert_eq!(Session::verify("root.1795000000001.", "", NOW_MS), None);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let found: Vec<&str> =
            values("a=1; edge_kpi_session=x.y;edge_kpi_session_2=z; xedge_kpi_session=w; edge_kpi_session=")
                .collect();
        assert_eq!(found, ["x.y", ""]);
    }

    #[test]
    fn of_several_that_are_signed_all_must_be_of_one_key() {
        let cookie = |key_hash| format!("{COOKIE}={}", session(key_hash).sign(SECRET).unwrap());
        let (own, other) = (cookie(Some("ab12")), cookie(Some("cd34")));
        let read = |cookies: String| chosen(&cookies, SECRET, NOW_MS).and_then(|found| found.key_hash);
        assert_eq!(read(format!("{COOKIE}=x.y; {own}; {own}")).as_deref(), Some("ab12"));
        assert_eq!(read(format!("{other}; {own}")), None);
    }

    #[test]
    fn pages_from_elsewhere_do_nothing_here() {
        let own = "https://kpi.example:8443";
        let is_allowed =
            |method: &str, headers: &[(&str, &str)]| check_site(&Head::with(method, headers, own)).is_ok();
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
            let only_reads = matches!(method, "GET" | "HEAD");
            assert!(is_allowed(method, &[]), "{method}");
            for site in ["same-origin", "none"] {
                assert!(is_allowed(method, &[("sec-fetch-site", site), ("origin", own)]), "{method} {site}");
            }
            for site in ["cross-site", "same-site", "Same-Origin", ""] {
                assert!(!is_allowed(method, &[("sec-fetch-site", site), ("origin", own)]), "{method} {site}");
            }
            for origin in
                ["http://kpi.example:8443", "https://kpi.example", "https://a.kpi.example:8443", "null", ""]
            {
                assert_eq!(is_allowed(method, &[("origin", origin)]), only_reads, "{method} {origin}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_changed_is_refused(at in any::<prop::sample::Index>(), other in any::<char>(), cut in any::<bool>()) {
            let value = session(Some(&"ab".repeat(32))).sign(SECRET).unwrap();
            let mut chars: Vec<char> = value.chars().collect();
            let at = at.index(chars.len());
            if cut {
                chars.truncate(at);
            } else {
                chars[at] = other;
            }
            let changed: String = chars.into_iter().collect();
            prop_assert!(changed == value || Session::verify(&changed, SECRET, NOW_MS).is_none(), "{}", changed);
        }
    }
}
