//! How much an isolate takes on. What is beyond that is turned away at once, unread: a short wait and a repetition cost the
//! caller less than a queue in which everybody runs out of time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::{
    IN_FLIGHT_BYTES_MAX, IN_FLIGHT_FORGOTTEN_MS, IN_FLIGHT_MAX, OVERLOAD_LOGGED_MS, STREAMS_MAX,
};
use crate::domain::refusal::{Code, Refusal};

/// Requests under way, by their tickets: when each began, and the bytes of its body.
#[derive(Debug, Default)]
struct Load {
    last_ticket: u64,
    under_way: BTreeMap<u64, (i64, usize)>,
    bytes: usize,
    /// Those whose answers are being sent in parts.
    streams: BTreeSet<u64>,
    /// Not logged yet.
    refused: u32,
    logged_ms: i64,
}

impl Load {
    fn admit(&mut self, bytes: usize, now_ms: i64) -> Option<u64> {
        if !self.has_room(bytes) {
            self.forget(now_ms - IN_FLIGHT_FORGOTTEN_MS);
        }
        self.has_room(bytes).then(|| {
            self.last_ticket += 1;
            self.under_way.insert(self.last_ticket, (now_ms, bytes));
            self.bytes += bytes;
            self.last_ticket
        })
    }

    /// A single request always finds room, whatever its size.
    fn has_room(&self, bytes: usize) -> bool {
        self.under_way.is_empty()
            || (self.under_way.len() < IN_FLIGHT_MAX && self.bytes + bytes <= IN_FLIGHT_BYTES_MAX)
    }

    fn done(&mut self, ticket: u64) {
        if let Some((_, bytes)) = self.under_way.remove(&ticket) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.streams.remove(&ticket);
    }

    fn stay_for_stream(&mut self, ticket: u64) -> bool {
        self.streams.len() < STREAMS_MAX && self.streams.insert(ticket)
    }

    /// Counts a refusal; tells how many there were if it is time to log that. A line for each would cost more than the refusal.
    fn refuse(&mut self, now_ms: i64) -> Option<u32> {
        self.refused += 1;
        (now_ms - self.logged_ms >= OVERLOAD_LOGGED_MS).then(|| {
            self.logged_ms = now_ms;
            std::mem::take(&mut self.refused)
        })
    }

    /// The platform drops a request whose caller went away without running any of its code, a destructor neither.
    fn forget(&mut self, began_before_ms: i64) {
        let gone: Vec<u64> = self
            .under_way
            .iter()
            .filter(|(_, (began_ms, _))| *began_ms < began_before_ms)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in gone {
            self.done(ticket);
        }
    }
}

thread_local! {
    static LOAD: RefCell<Load> = RefCell::default();
}

/// A request that was admitted, until it is dropped.
#[derive(Debug)]
pub struct Admitted(u64);

impl Drop for Admitted {
    fn drop(&mut self) {
        LOAD.with_borrow_mut(|load| load.done(self.0));
    }
}

impl Admitted {
    /// Whether the request may keep its place while its answer is sent in parts: not if too many do.
    pub fn stays_for_stream(&self) -> bool {
        LOAD.with_borrow_mut(|load| load.stay_for_stream(self.0))
    }
}

/// Admits a request with a body of so many bytes, or refuses it with `overloaded`.
pub fn admit(bytes: usize, now_ms: i64) -> Result<Admitted, Refusal> {
    if let Some(ticket) = LOAD.with_borrow_mut(|load| load.admit(bytes, now_ms)) {
        return Ok(Admitted(ticket));
    }
    if let Some(refused) = LOAD.with_borrow_mut(|load| load.refuse(now_ms)) {
        worker::console_error!(
            "{}",
            serde_json::json!({"level": "warning", "event": "overloaded", "refused": refused})
        );
    }
    Err(Refusal::new(Code::Overloaded, "too many requests are under way here; try again shortly"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_limit_are_refused_until_others_are_done() {
        let mut load = Load::default();
        let tickets: Vec<u64> = (0..IN_FLIGHT_MAX).map(|_| load.admit(0, 0).unwrap()).collect();
        assert_eq!(load.admit(0, 1000), None);
        load.done(tickets[7]);
        assert!(load.admit(0, 1000).is_some());
        assert_eq!(load.admit(0, 1000), None);
    }

    #[test]
    fn bodies_share_the_memory_and_a_single_one_always_fits() {
        let mut load = Load::default();
        let large = load.admit(IN_FLIGHT_BYTES_MAX * 2, 0).unwrap();
        assert_eq!(load.admit(1, 0), None);
        load.done(large);
        load.done(large);
        assert!(load.admit(IN_FLIGHT_BYTES_MAX / 2, 0).is_some());
        assert!(load.admit(IN_FLIGHT_BYTES_MAX / 2, 0).is_some());
        assert_eq!(load.admit(1, 0), None);
    }

    #[test]
    fn slow_answers_do_not_take_all_places() {
        let mut load = Load::default();
        let tickets: Vec<u64> = (0..=STREAMS_MAX).map(|_| load.admit(0, 0).unwrap()).collect();
        assert!(tickets[1..].iter().all(|ticket| load.stay_for_stream(*ticket)));
        assert!(!load.stay_for_stream(tickets[0]));
        // One is sent, one vanished with its caller.
        load.done(tickets[1]);
        assert!(load.stay_for_stream(tickets[0]));
        load.forget(1);
        assert_eq!((load.under_way.len(), load.streams.len()), (0, 0));
    }

    #[test]
    fn refusals_are_logged_together() {
        let mut load = Load::default();
        let told: Vec<_> = [5000, 5001, 5999, 6000].map(|now_ms| load.refuse(now_ms)).into();
        assert_eq!(told, [Some(1), None, None, Some(3)]);
    }

    #[test]
    fn requests_that_vanished_do_not_fill_it_for_ever() {
        let mut load = Load::default();
        for _ in 0..IN_FLIGHT_MAX {
            load.admit(1, 0).unwrap();
        }
        assert_eq!(load.admit(1, IN_FLIGHT_FORGOTTEN_MS), None);
        assert!(load.admit(1, IN_FLIGHT_FORGOTTEN_MS + 1).is_some());
        assert_eq!((load.under_way.len(), load.bytes), (1, 1));
    }
}
