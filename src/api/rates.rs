//! Rate limits: the platform counts the requests of each key, with a limiter for each role (`wrangler.toml`), in each of its
//! locations. A request with many scores counts once for every hundred. Addresses that try keys which are none are limited, too,
//! because each such key is looked up.

use std::cell::RefCell;

use futures_util::future::join_all;
use worker::Env;

use super::Context;
use super::auth::{Caller, Role};
use super::cache::{Cache, remember};
use crate::config::{
    ITEMS_PER_UNIT, RATE_LIMIT_ADMIN, RATE_LIMIT_EDITOR, RATE_LIMIT_INGEST, RATE_LIMIT_READ,
    RATE_LIMIT_UNKNOWN, UNKNOWN_KEYS_PAUSE_MS,
};
use crate::domain::refusal::{Code, Refusal};

/// Addresses an isolate remembers.
const PAUSED_MAX: usize = 10_000;

thread_local! {
    /// Addresses that tried too many keys, and until when they are turned away.
    static PAUSED: Cache<String, i64> = RefCell::default();
}

/// What a request with so many scores counts, the one that every request counts included.
pub fn units(items: usize) -> usize {
    items.div_ceil(ITEMS_PER_UNIT).max(1)
}

/// Counts so many units for the caller's key: `rate_limited` if that is too many.
pub async fn charge(env: &Env, caller: &Caller, units: usize) -> Result<(), Refusal> {
    let binding = match caller.role {
        Role::Read => RATE_LIMIT_READ,
        Role::Ingest => RATE_LIMIT_INGEST,
        Role::Editor => RATE_LIMIT_EDITOR,
        Role::Admin => RATE_LIMIT_ADMIN,
    };
    if count(env, binding, &caller.key_hash, units).await {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RateLimited,
        format!(
            "this key makes too many requests; slow down, or send many scores in one request (a bulk request counts once for each {ITEMS_PER_UNIT} scores)"
        ),
    ))
}

impl Context<'_> {
    /// Counts what a request with so many scores counts beyond the one that it counted at its start.
    pub async fn charge_items(&self, items: usize) -> Result<(), Refusal> {
        match units(items) - 1 {
            0 => Ok(()),
            more => charge(self.env, &self.caller, more).await,
        }
    }
}

/// Whether an address may have keys looked up.
pub fn check_address(address: &str, now_ms: i64) -> Result<(), Refusal> {
    match PAUSED.with_borrow(|paused| paused.get(address).copied()) {
        Some(until_ms) if now_ms < until_ms => {
            Err(Refusal::new(Code::RateLimited, "too many requests with unknown API keys come from here"))
        }
        _ => Ok(()),
    }
}

/// Counts a key that is none against its address.
pub async fn charge_unknown(env: &Env, address: &str, now_ms: i64) {
    if !count(env, RATE_LIMIT_UNKNOWN, address, 1).await {
        remember(&PAUSED, address.to_owned(), now_ms + UNKNOWN_KEYS_PAUSE_MS, PAUSED_MAX);
    }
}

/// False if it is too many. A limiter that is not bound, or fails, limits nothing: the service goes on without it.
async fn count(env: &Env, binding: &str, key: &str, units: usize) -> bool {
    let Ok(limiter) = env.rate_limiter(binding) else { return true };
    let outcomes = join_all((0..units).map(|_| limiter.limit(key.to_owned()))).await;
    outcomes.into_iter().all(|outcome| outcome.map_or(true, |outcome| outcome.success))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundred_scores_count_as_one_request() {
        for (items, expect) in [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 10)] {
            assert_eq!(units(items), expect, "{items}");
        }
    }
}
