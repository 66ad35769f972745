//! What an isolate remembers between requests: bounded, and forgotten as a whole when it is full. Whatever is in such a cache can be
//! looked up again, so that costs a look-up, not an answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::thread::LocalKey;

pub type Cache<K, V> = RefCell<HashMap<K, V>>;

/// Remembers a value, among at most so many.
pub fn remember<K: Eq + Hash, V>(
    cache: &'static LocalKey<Cache<K, V>>,
    key: K,
    value: V,
    entries_max: usize,
) {
    cache.with_borrow_mut(|entries| {
        if entries.len() >= entries_max {
            entries.clear();
        }
        entries.insert(key, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static NUMBERS: Cache<u8, u8> = RefCell::default();
    }

    #[test]
    fn a_full_cache_begins_anew() {
        for n in 0..3 {
            remember(&NUMBERS, n, n, 2);
        }
        assert_eq!(NUMBERS.with_borrow(HashMap::clone), HashMap::from([(2, 2)]));
    }
}
