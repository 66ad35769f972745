//! Answers to reads, kept until anything changes: dashboards are looked at far more often than their figures change.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::protocol::Ask;
use crate::domain::calendar::slot_of;
use crate::storage::writer::json_of;

/// Text kept by an object.
const BYTES_MAX: usize = 1 << 20;

/// And by all objects of an isolate, which share its 128 MB.
const ISOLATE_BYTES_MAX: usize = 8 << 20;

thread_local! {
    /// Kept by all objects of this isolate.
    static KEPT_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// What must not have changed: how often cells were made anew, and how often they were changed.
pub type State = (u64, u64);

#[derive(Default)]
pub struct Answers(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    state: State,
    bytes: usize,
    by_key: HashMap<String, String>,
}

impl Kept {
    fn clear(&mut self, state: State) {
        KEPT_BYTES.set(KEPT_BYTES.get().saturating_sub(self.bytes));
        self.bytes = 0;
        self.by_key = HashMap::new();
        self.state = state;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear(self.state);
    }
}

impl Answers {
    /// What was asked, and in which slot: the windows after an event end with the slot that has begun.
    pub fn key(ask: &Ask, now_ms: i64) -> String {
        format!("{} {}", slot_of(now_ms - 1), json_of(ask))
    }

    pub fn find(&self, key: &str, state: State) -> Option<String> {
        let kept = self.0.borrow();
        if kept.state == state { kept.by_key.get(key).cloned() } else { None }
    }

    /// Keeps an answer. All of another state go; so do all when there is no room.
    pub fn keep(&self, key: String, state: State, answer: &str) {
        let bytes = key.len() + answer.len();
        let mut kept = self.0.borrow_mut();
        if kept.state != state || kept.bytes + bytes > BYTES_MAX {
            kept.clear(state);
        }
        let fits = bytes <= BYTES_MAX && KEPT_BYTES.get() + bytes <= ISOLATE_BYTES_MAX;
        if fits && kept.by_key.insert(key, answer.to_owned()).is_none() {
            kept.bytes += bytes;
            KEPT_BYTES.set(KEPT_BYTES.get() + bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_until_something_changes() {
        let answers = Answers::default();
        answers.keep("a".into(), (1, 1), "1");
        assert_eq!(answers.find("a", (1, 1)).as_deref(), Some("1"));
        assert_eq!(answers.find("b", (1, 1)), None);
        for other in [(1, 2), (2, 1)] {
            assert_eq!(answers.find("a", other), None);
        }
        answers.keep("b".into(), (1, 2), "2");
        assert_eq!(answers.find("a", (1, 1)), None);
        assert_eq!(answers.find("b", (1, 2)).as_deref(), Some("2"));
    }

    #[test]
    fn only_so_much_is_kept() {
        let answers = Answers::default();
        let long = "x".repeat(BYTES_MAX / 2);
        for key in ["a", "b", "c"] {
            answers.keep(key.into(), (0, 0), &long);
        }
        assert_eq!(answers.find("a", (0, 0)), None);
        assert!(answers.find("c", (0, 0)).is_some());
        answers.keep("d".into(), (0, 0), &"x".repeat(BYTES_MAX + 1));
        assert_eq!(answers.find("d", (0, 0)), None);
    }

    #[test]
    fn objects_of_an_isolate_share_what_can_be_kept() {
        let long = "x".repeat(BYTES_MAX - 1);
        let objects: Vec<Answers> = (0..9).map(|_| Answers::default()).collect();
        for answers in &objects {
            answers.keep("a".into(), (0, 0), &long);
        }
        let kept = || objects.iter().filter(|answers| answers.find("a", (0, 0)).is_some()).count();
        assert_eq!(kept(), ISOLATE_BYTES_MAX / BYTES_MAX);
        objects[0].keep("b".into(), (0, 1), "short");
        objects[8].keep("a".into(), (0, 0), &long[..BYTES_MAX / 2]);
        assert_eq!(kept(), ISOLATE_BYTES_MAX / BYTES_MAX);
        drop(objects);
        assert_eq!(KEPT_BYTES.get(), 0);
    }

    #[test]
    fn an_answer_is_not_that_of_another_question_or_of_another_slot() {
        let ask = |event_id: &str| Ask::Event { event_id: event_id.into() };
        let slot_ms = 900_000;
        assert_eq!(Answers::key(&ask("a"), slot_ms + 1), Answers::key(&ask("a"), 2 * slot_ms));
        assert_ne!(Answers::key(&ask("a"), slot_ms), Answers::key(&ask("a"), slot_ms + 1));
        assert_ne!(Answers::key(&ask("a"), slot_ms), Answers::key(&ask("b"), slot_ms));
    }
}
