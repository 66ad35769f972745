//! Who is calling. A key is looked up by its SHA-256; what was found is trusted for a short while, so that a request costs no
//! D1 read. A revoked key therefore works on for at most `KEY_CACHE_MS`.

use std::cell::RefCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};
use worker::{Env, Headers};

use super::routes::Access;
use super::storage_failed;
use crate::config::{KEY_CACHE_MS, ROOT_API_KEY};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::{Database, accounts};

/// The application `default`, whose admin is `ROOT_API_KEY`.
const DEFAULT_APPLICATION: i64 = 1;

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

#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub application_no: i64,
    pub role: Role,
    /// Came with `ROOT_API_KEY`.
    pub root: bool,
    expires_ms: Option<i64>,
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
    static CACHE: RefCell<HashMap<String, (Caller, i64)>> = RefCell::default();
}

/// The key that a request carries.
pub fn presented_key(headers: &Headers) -> Option<String> {
    let header = |name: &str| headers.get(name).ok().flatten().filter(|value| !value.is_empty());
    header("xproxy-api-key").or_else(|| {
        let authorization = header("authorization")?;
        let (scheme, key) = authorization.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
    })
}

/// Whose key it is. The same answer for a missing, an unknown, a revoked and an expired key.
pub async fn authenticate(
    env: &Env,
    database: &Database,
    key: Option<&str>,
    now_ms: i64,
) -> Result<Caller, Refusal> {
    let refused = || {
        Refusal::new(
            Code::InvalidApiKey,
            "a valid API key is required, in the header xProxy-api-key or as Authorization: Bearer",
        )
    };
    let key = key.filter(|key| !key.is_empty()).ok_or_else(refused)?;
    let hash = hash(key);
    if is_root(env, &hash) {
        let (application_no, role) = (DEFAULT_APPLICATION, Role::Admin);
        return Ok(Caller { application_no, role, root: true, expires_ms: None });
    }
    let valid = |caller: &Caller| caller.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms);
    let cached = CACHE.with_borrow(|cache| cache.get(&hash).copied());
    if let Some((caller, _)) = cached.filter(|(_, checked_ms)| now_ms - checked_ms < KEY_CACHE_MS) {
        return if valid(&caller) { Ok(caller) } else { Err(refused()) };
    }
    let found = accounts::find_key(database, &hash).await.map_err(storage_failed)?;
    let Some((application_no, role, expires_ms)) = found else {
        forget(&hash);
        return Err(refused());
    };
    let role = Role::parse(&role).ok_or_else(refused)?;
    let caller = Caller { application_no, role, root: false, expires_ms };
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= CACHED_KEYS_MAX {
            cache.clear();
        }
        cache.insert(hash, (caller, now_ms));
    });
    if valid(&caller) { Ok(caller) } else { Err(refused()) }
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
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without a `ROOT_API_KEY` nobody is root. Compared by hash, in constant time.
fn is_root(env: &Env, presented: &str) -> bool {
    let Ok(root) = env.secret(ROOT_API_KEY) else { return false };
    let root = root.to_string();
    let expected = hash(&root);
    let difference = expected.bytes().zip(presented.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b));
    !root.is_empty() && difference == 0 && expected.len() == presented.len()
}
