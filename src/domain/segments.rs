//! Which properties have aggregates of their own. A *segment* is one value of one *tracked* property key: `model = m-1`. Cells
//! are kept for each segment beside those for everything (segment 0), so that a dashboard filtered by one tracked property
//! costs what an unfiltered one costs.
//!
//! Keys with very many values (user ids) must not blow the aggregates up: a key that gets too many is dropped, and filters by it
//! are answered from the record of truth. What is known here is complete: as long as the registry is not full, a key that is
//! not in it belongs to no instance, and a tracked key's value that is not in it neither.

use std::collections::{BTreeMap, BTreeSet};

/// Everything, whatever the properties.
pub const ALL: i64 = 0;

/// Keys with segments. An instance is counted in at most so many cells more.
pub const TRACKED_KEYS_MAX: usize = 8;

/// Values of a tracked key; one more, and the key is dropped.
pub const VALUES_PER_KEY_MAX: usize = 50;

/// Segments in all.
pub const SEGMENTS_MAX: usize = 200;

/// Keys that are remembered, tracked or not; further ones are not tracked.
pub const KEYS_MAX: usize = 64;

/// Key and value as JSON. So the tracked properties of an instance stay below 8 · 160 bytes in an answer of the database.
pub const PAIR_BYTES_MAX: usize = 160;

#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Whether each key is tracked.
    keys: BTreeMap<String, bool>,
    segments: BTreeMap<(String, String), i64>,
    /// The highest number given out so far: that of a dropped segment must not come again while its cells are still there.
    last: i64,
}

/// What is known of the instances that have a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    Segment(i64),
    /// There are none.
    Nobody,
    /// Only the record of truth knows.
    Untracked,
}

/// What the registry learned from a property that it had not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    Nothing,
    /// The key may be new as well.
    NewSegment(i64),
    /// The key is new and will not be tracked.
    NewKeyUntracked,
    /// The key has too many values now, or one that is too long: its segments go.
    Dropped(Vec<i64>),
}

impl Registry {
    /// From what was stored: `(key, tracked)` and `(segment, key, value)`.
    pub fn restore(keys: Vec<(String, bool)>, segments: Vec<(i64, String, String)>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            last: segments.iter().map(|(segment, _, _)| *segment).max().unwrap_or(ALL),
            segments: segments.into_iter().map(|(segment, key, value)| ((key, value), segment)).collect(),
        }
    }

    /// From all keys with their distinct values, of each at most one more than `VALUES_PER_KEY_MAX`. Keys with few values come
    /// first when not all can be tracked.
    pub fn choose(mut all: Vec<(String, Vec<String>)>) -> Self {
        all.sort_by(|a, b| (a.1.len(), &a.0).cmp(&(b.1.len(), &b.0)));
        let mut registry = Self::default();
        for (key, values) in all {
            for value in values {
                registry.learn(&key, &value);
            }
        }
        registry
    }

    pub fn lookup(&self, key: &str, value: &str) -> Lookup {
        match self.keys.get(key) {
            Some(true) => self
                .segments
                .get(&(key.to_owned(), value.to_owned()))
                .map_or(Lookup::Nobody, |segment| Lookup::Segment(*segment)),
            Some(false) => Lookup::Untracked,
            None if self.keys.len() < KEYS_MAX => Lookup::Nobody,
            None => Lookup::Untracked,
        }
    }

    /// Takes a property of an instance in.
    pub fn learn(&mut self, key: &str, value: &str) -> Learned {
        match self.keys.get(key) {
            Some(false) => return Learned::Nothing,
            None if self.keys.len() >= KEYS_MAX => return Learned::Nothing,
            Some(true) if self.segments.contains_key(&(key.to_owned(), value.to_owned())) => {
                return Learned::Nothing;
            }
            _ => {}
        }
        let known = self.keys.contains_key(key);
        let tracked = self.keys.values().filter(|tracked| **tracked).count();
        let fits = pair_bytes(key, value) <= PAIR_BYTES_MAX
            && (known || tracked < TRACKED_KEYS_MAX)
            && self.values(key).count() < VALUES_PER_KEY_MAX
            && self.segments.len() < SEGMENTS_MAX;
        self.keys.insert(key.to_owned(), fits);
        if fits {
            self.last += 1;
            self.segments.insert((key.to_owned(), value.to_owned()), self.last);
            return Learned::NewSegment(self.last);
        }
        if !known {
            return Learned::NewKeyUntracked;
        }
        let gone = self.values(key).map(|(_, segment)| segment).collect();
        self.segments.retain(|(other, _), _| other != key);
        Learned::Dropped(gone)
    }

    /// Whether `learn` would learn anything.
    pub fn is_news(&self, key: &str, value: &str) -> bool {
        match self.keys.get(key) {
            Some(true) => !self.segments.contains_key(&(key.to_owned(), value.to_owned())),
            Some(false) => false,
            None => self.keys.len() < KEYS_MAX,
        }
    }

    /// The segments to which an instance with these properties belongs, besides `ALL`.
    pub fn segments_of<'p>(
        &self,
        properties: impl IntoIterator<Item = (&'p String, &'p String)>,
    ) -> BTreeSet<i64> {
        if self.segments.is_empty() {
            return BTreeSet::new();
        }
        properties
            .into_iter()
            .filter_map(|(key, value)| self.segments.get(&(key.clone(), value.clone())))
            .copied()
            .collect()
    }

    /// Values of a tracked key with their segments.
    pub fn values<'r>(&'r self, key: &'r str) -> impl Iterator<Item = (&'r str, i64)> + 'r {
        self.segments
            .range((key.to_owned(), String::new())..)
            .take_while(move |((other, _), _)| other == key)
            .map(|((_, value), segment)| (value.as_str(), *segment))
    }

    /// Keys in the order of their names, and whether they are tracked.
    pub fn keys(&self) -> impl Iterator<Item = (&str, bool)> {
        self.keys.iter().map(|(key, tracked)| (key.as_str(), *tracked))
    }

    pub fn tracked_keys(&self) -> Vec<&str> {
        self.keys().filter(|(_, tracked)| *tracked).map(|(key, _)| key).collect()
    }

    /// Whether there may be keys that are not remembered.
    pub fn is_full(&self) -> bool {
        self.keys.len() >= KEYS_MAX
    }

    pub fn is_tracked(&self, key: &str) -> bool {
        self.keys.get(key).copied().unwrap_or(false)
    }

    /// `(segment, key, value)` of all.
    pub fn segments(&self) -> impl Iterator<Item = (i64, &str, &str)> {
        self.segments.iter().map(|((key, value), segment)| (*segment, key.as_str(), value.as_str()))
    }

    /// `ALL` and every segment.
    pub fn numbers(&self) -> Vec<i64> {
        std::iter::once(ALL).chain(self.segments.values().copied()).collect()
    }

    /// Most bytes that the tracked properties of one instance take as JSON.
    pub fn pairs_bytes_max(&self) -> usize {
        self.tracked_keys()
            .iter()
            .map(|key| self.values(key).map(|(value, _)| pair_bytes(key, value)).max().unwrap_or(0) + 1)
            .sum()
    }
}

fn pair_bytes(key: &str, value: &str) -> usize {
    serde_json::to_string(&(key, value)).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_become_segments() {
        let mut registry = Registry::default();
        assert_eq!(registry.lookup("model", "a"), Lookup::Nobody);
        assert_eq!(registry.learn("model", "a"), Learned::NewSegment(1));
        assert_eq!(registry.learn("model", "b"), Learned::NewSegment(2));
        assert_eq!(registry.learn("region", "eu"), Learned::NewSegment(3));
        assert_eq!(registry.learn("model", "a"), Learned::Nothing);
        assert_eq!(registry.lookup("model", "b"), Lookup::Segment(2));
        assert_eq!(registry.lookup("model", "c"), Lookup::Nobody);
        let both = properties(&[("model", "b"), ("region", "eu"), ("other", "x")]);
        assert_eq!(registry.segments_of(&both), BTreeSet::from([2, 3]));
        assert_eq!(registry.numbers(), vec![0, 1, 2, 3]);
    }

    #[test]
    fn a_key_with_too_many_values_is_dropped_for_good() {
        let mut registry = Registry::default();
        registry.learn("model", "a");
        for n in 0..VALUES_PER_KEY_MAX {
            assert!(matches!(registry.learn("user", &format!("u{n}")), Learned::NewSegment(_)));
        }
        let Learned::Dropped(gone) = registry.learn("user", "one more") else { panic!("not dropped") };
        assert_eq!(gone.len(), VALUES_PER_KEY_MAX);
        assert_eq!(registry.lookup("user", "u1"), Lookup::Untracked);
        assert_eq!(registry.learn("user", "u1"), Learned::Nothing);
        assert_eq!(registry.lookup("model", "a"), Lookup::Segment(1));
    }

    #[test]
    fn keys_beyond_the_bounds_are_answered_from_the_record_of_truth() {
        let mut registry = Registry::default();
        for n in 0..KEYS_MAX {
            let learned = registry.learn(&format!("k{n:02}"), "v");
            assert_eq!(matches!(learned, Learned::NewSegment(_)), n < TRACKED_KEYS_MAX, "{n}");
        }
        assert_eq!(registry.lookup("k63", "v"), Lookup::Untracked);
        assert_eq!(registry.lookup("never seen", "v"), Lookup::Untracked);
        assert_eq!(registry.learn("never seen", "v"), Learned::Nothing);
        let mut registry = Registry::default();
        assert_eq!(registry.learn("long", &"x".repeat(200)), Learned::NewKeyUntracked);
        registry.learn("short", "v");
        assert!(matches!(registry.learn("short", &"x".repeat(200)), Learned::Dropped(_)));
    }

    #[test]
    fn when_not_all_can_be_tracked_those_with_few_values_are() {
        let all = (0..TRACKED_KEYS_MAX + 1)
            .map(|n| (format!("k{n}"), (0..=n).map(|value| format!("v{value}")).collect()))
            .collect();
        let registry = Registry::choose(all);
        assert_eq!(registry.tracked_keys(), ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"]);
        assert_eq!(registry.lookup("k8", "v0"), Lookup::Untracked);
    }

    proptest! {
        /// Whatever is learned, a property that was learned is never said to be nobody's.
        #[test]
        fn what_was_seen_is_never_nobody_s(seen in proptest::collection::vec((0..80u8, 0..60u8), 0..600)) {
            let mut registry = Registry::default();
            let pairs: Vec<(String, String)> =
                seen.iter().map(|(key, value)| (format!("k{key}"), format!("v{value}"))).collect();
            for (key, value) in &pairs {
                let news = registry.is_news(key, value);
                prop_assert_eq!(registry.learn(key, value) != Learned::Nothing, news);
            }
            for (key, value) in &pairs {
                prop_assert_ne!(registry.lookup(key, value), Lookup::Nobody);
            }
            prop_assert!(registry.tracked_keys().len() <= TRACKED_KEYS_MAX && registry.numbers().len() <= SEGMENTS_MAX + 1);
            let restored = Registry::restore(
                registry.keys().map(|(key, tracked)| (key.to_owned(), tracked)).collect(),
                registry.segments().map(|(segment, key, value)| (segment, key.to_owned(), value.to_owned())).collect(),
            );
            prop_assert_eq!(restored.keys, registry.keys);
            prop_assert_eq!(restored.segments, registry.segments);
        }
    }
}
