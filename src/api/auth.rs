//! Who is calling: who has a key in a header or, without one, a session's cookie (`sessions`), which names a key by its hash. A key is
//! looked up by its SHA-256; what was found is trusted for a short while, so that a request costs no D1 read. A revoked key, and
//! its sessions, therefore work on for at most `KEY_CACHE_MS`. Once a day the look-up notes that the key was used.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use worker::Env;

use super::border::Head;
use super::cache::{Cache, remember};
use super::routes::Access;
use super::{rates, sessions, storage_failed};
use crate::config::{KEY_CACHE_MS, ROOT_API_KEY};
use crate::domain::calendar::{SLOTS_PER_DAY, slot_of};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::{Database, accounts};

/// The application `default`, whose admin is `ROOT_API_KEY`.
const DEFAULT_APPLICATION: i64 = 1;

/// What a key begins with, so that secret scanners know one when they see it.
pub const KEY_PREFIX: &str = "ekpi_";

/// Characters behind it: 256 bits in hexadecimal.
const KEY_DIGITS: usize = 64;

/// Keys an isolate remembers.
const CACHED_KEYS_MAX: usize = 10_000;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(rename_all = "lowercase"))]
pub enum Role {
    Read,
    Ingest,
    Editor,
    Admin,
}

impl Role {
    pub const ALLOWED: &'static str = "read, ingest, editor, admin";

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "read" => Self::Read,
            "ingest" => Self::Ingest,
            "editor" => Self::Editor,
            "admin" => Self::Admin,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Caller {
    pub application_no: i64,
    pub role: Role,
    /// Came with `ROOT_API_KEY`.
    pub root: bool,
    /// Under this the key's requests are counted.
    pub key_hash: Rc<str>,
    /// When the key's time is over.
    pub expires_ms: Option<i64>,
    /// Came with a session's cookie, which is good until then.
    pub session_expires_ms: Option<i64>,
}

impl Caller {
    pub fn check(&self, access: Access) -> Result<(), Refusal> {
        if access.allows(self.role, self.root) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::Forbidden,
            format!("a key with the role '{}' may not do this", self.role.as_str()),
        ))
    }
}

thread_local! {
    static CACHE: Cache<String, (Caller, i64)> = RefCell::default();
    /// The root key that was hashed last, and its hash.
    static ROOT: RefCell<(String, String)> = RefCell::default();
}

/// The key that a request carries.
pub fn presented_key(head: &Head) -> Option<&str> {
    let header = |name: &str| head.header(name).filter(|value| !value.is_empty());
    header("xproxy-api-key").or_else(|| {
        let authorization = header("authorization")?;
        let (scheme, key) = authorization.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    })
}

/// The address that a request comes from, as the platform tells it; of an IPv6 address, the network.
pub fn address(head: &Head) -> String {
    network_of(head.header("cf-connecting-ip").unwrap_or_default())
}

fn network_of(address: &str) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(v6) => v6.segments().iter().take(4).map(|part| format!("{part:x}:")).collect(),
        Err(_) => address.to_owned(),
    }
}

/// Notes the day of a key's last use, behind the answer: nobody waits for it, and nothing fails with it.
fn note_use(env: &Env, later: &worker::Context, hash: String, day: i64) {
    let database = Database::new(env);
    later.wait_until(async move {
        let _ = accounts::note_use(&database, &hash, day).await;
    });
}

/// The same for a missing, an unknown, a revoked and an expired key, and for the sessions of such.
pub fn refused() -> Refusal {
    Refusal::new(
        Code::InvalidApiKey,
        "a valid API key is required, in the header xProxy-api-key or as Authorization: Bearer",
    )
}

/// What the request's key is looked up with.
pub struct Lookup<'a> {
    pub env: &'a Env,
    pub later: &'a worker::Context,
    pub database: &'a Database,
    pub head: &'a Head,
    pub now_ms: i64,
}

impl Lookup<'_> {
    /// Who sends the request. A key in a header decides, also if it is none.
    pub async fn caller(&self) -> Result<Caller, Refusal> {
        match presented_key(self.head) {
            Some(key) => self.owner_of(key).await,
            None => self.owner_of_session().await,
        }
    }

    /// Whose key it is; `rate_limited` for an address that tries too many.
    pub async fn owner_of(&self, key: &str) -> Result<Caller, Refusal> {
        let hash = hash(key);
        if is_root(self.env, &hash) {
            return Ok(root(hash));
        }
        // What can't be a key costs no look-up.
        if is_well_formed(key) { self.known(hash).await } else { Err(refused()) }
    }

    async fn owner_of_session(&self) -> Result<Caller, Refusal> {
        let secret = root_key(self.env);
        let session = sessions::presented(self.head, &secret, self.now_ms).ok_or_else(refused)?;
        sessions::check_site(self.head)?;
        let caller = match session.key_hash {
            Some(hash) => self.known(hash).await?,
            None => root(hash(&secret)),
        };
        Ok(Caller { session_expires_ms: Some(session.expires_ms), ..caller })
    }

    /// Whose key has this hash.
    async fn known(&self, hash: String) -> Result<Caller, Refusal> {
        let Self { env, later, database, head, now_ms } = *self;
        let valid = |caller: &Caller| caller.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms);
        let cached = CACHE.with_borrow(|cache| cache.get(&hash).cloned());
        if let Some((caller, _)) =
            cached.as_ref().filter(|(_, checked_ms)| now_ms - checked_ms < KEY_CACHE_MS)
        {
            return if valid(caller) { Ok(caller.clone()) } else { Err(refused()) };
        }
        let address = address(head);
        // A key that was good here before may always be looked up, whoever else comes from its address.
        if cached.is_none() {
            rates::check_address(&address, now_ms)?;
        }
        let found = accounts::find_key(database, &hash, now_ms).await.map_err(storage_failed)?;
        let Some(found) = found.filter(|found| is_same(&found.key_hash, &hash)) else {
            forget(&hash);
            rates::charge_unknown(env, &address, now_ms).await;
            return Err(refused());
        };
        let caller = Caller {
            application_no: found.application_no,
            role: Role::parse(&found.role).ok_or_else(refused)?,
            root: false,
            key_hash: hash.as_str().into(),
            expires_ms: found.expires_ms,
            session_expires_ms: None,
        };
        let today = slot_of(now_ms).div_euclid(SLOTS_PER_DAY);
        if found.last_used_day.is_none_or(|day| day < today) {
            note_use(env, later, hash.clone(), today);
        }
        remember(&CACHE, hash, (caller.clone(), now_ms), CACHED_KEYS_MAX);
        Ok(caller)
    }
}

/// Who came with `ROOT_API_KEY`, which has this hash.
fn root(hash: String) -> Caller {
    Caller {
        application_no: DEFAULT_APPLICATION,
        role: Role::Admin,
        root: true,
        key_hash: hash.into(),
        expires_ms: None,
        session_expires_ms: None,
    }
}

fn is_well_formed(key: &str) -> bool {
    key.strip_prefix(KEY_PREFIX).is_some_and(|digits| {
        digits.len() == KEY_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Forgets all keys: one of them was revoked here.
pub fn forget_all() {
    CACHE.with_borrow_mut(HashMap::clear);
}

fn forget(hash: &str) {
    CACHE.with_borrow_mut(|cache| cache.remove(hash));
}

/// SHA-256, in hexadecimal.
pub fn hash(text: &str) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `ROOT_API_KEY`; empty if there is none.
pub fn root_key(env: &Env) -> String {
    env.secret(ROOT_API_KEY).map(|secret| secret.to_string()).unwrap_or_default()
}

/// Without a `ROOT_API_KEY` nobody is root. Compared by hash, in constant time.
fn is_root(env: &Env, presented: &str) -> bool {
    let root = root_key(env);
    ROOT.with_borrow_mut(|(known, known_hash)| {
        if *known != root {
            *known_hash = hash(&root);
            *known = root;
        }
        !known.is_empty() && is_same(known_hash, presented)
    })
}

/// Compares two hashes in a time that does not tell where they differ.
fn is_same(expected: &str, presented: &str) -> bool {
    let difference = expected.bytes().zip(presented.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b));
    difference == 0 && expected.len() == presented.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_service_could_have_given_out_is_looked_up() {
        let good = format!("{KEY_PREFIX}{}", "0123456789abcdef".repeat(4));
        assert!(is_well_formed(&good));
        for bad in ["", "ekpi_", &good[1..], &good[..68], &good.to_uppercase(), &format!("{good}0")] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        assert_eq!(network_of("203.0.113.7"), "203.0.113.7");
        assert_eq!(network_of("2001:db8:1:2:a::1"), network_of("2001:db8:1:2:ffff:1:2:3"));
        assert_ne!(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
        assert_eq!(network_of(""), "");
    }

    #[test]
    fn hashes_are_compared_whole() {
        assert_eq!(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(is_same(&hash("a"), &hash("a")));
        for other in [hash("b"), hash("a")[1..].to_owned(), String::new(), format!("{}0", hash("a"))] {
            assert!(!is_same(&hash("a"), &other), "{other}");
        }
    }
}
