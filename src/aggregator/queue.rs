//! Who waits in an object, and for what.

use std::cell::Cell;
use std::rc::Rc;

use futures_channel::oneshot;

use super::plan::Batchable;
use super::protocol::{Address, Command, Reply};
use crate::domain::refusal::Refusal;

/// A command and who waits for its answer.
pub struct Waiting {
    pub address: Address,
    pub now_ms: i64,
    pub work: Work,
    /// Errors of items that an earlier batch has refused.
    pub errors: Vec<(usize, Refusal)>,
    pub reply: oneshot::Sender<Reply>,
    pub request_id: String,
    pub place: InQueue,
}

/// A command's share of the queue, until it is answered (or nobody is left to answer it).
pub struct InQueue {
    items: usize,
    waiting: Rc<Cell<usize>>,
}

impl InQueue {
    pub fn take(items: usize, waiting: &Rc<Cell<usize>>) -> Self {
        waiting.set(waiting.get() + items);
        Self { items, waiting: Rc::clone(waiting) }
    }
}

impl Drop for InQueue {
    fn drop(&mut self) {
        self.waiting.set(self.waiting.get().saturating_sub(self.items));
    }
}

impl Waiting {
    pub fn answer(self, reply: Reply) {
        // Whoever asked may have given up; the work is done all the same.
        let _ = self.reply.send(reply);
    }
}

pub enum Work {
    Batch(Batchable),
    Alone(Command),
    /// Being carried out.
    Taken,
}

impl Work {
    pub fn from(command: Command) -> Self {
        match command {
            Command::WriteScores(write) => Self::Batch(Batchable::Scores(write)),
            Command::Increment(increment) => Self::Batch(Batchable::Increment(increment)),
            Command::CreateInstance(create) => Self::Batch(Batchable::Create(create)),
            Command::SetProperties(set) => Self::Batch(Batchable::Properties(set)),
            other => Self::Alone(other),
        }
    }

    pub fn items(&self) -> usize {
        match self {
            Self::Batch(Batchable::Scores(write)) => write.items.len(),
            _ => 1,
        }
    }

    /// Roughly its text in the batch.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 120;
        let length = |text: &Option<String>| text.as_deref().map_or(0, json_bytes);
        match self {
            Self::Batch(Batchable::Scores(write)) => write
                .items
                .iter()
                .map(|i| FIXED + 2 * i.use_case_id.len() + length(&i.comment) + length(&i.source))
                .sum(),
            // Up to 50 properties of 64 and 512 characters, as text, and as rows that go and come.
            Self::Batch(Batchable::Create(_) | Batchable::Properties(_)) => 100_000,
            _ => 2 * FIXED,
        }
    }
}

/// Length of a text as JSON, without its quotes.
fn json_bytes(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::writer::json_of;

    #[test]
    fn the_length_of_a_text_as_json_is_known() {
        for text in ["", "plain", "quoted \"x\" \\", "\u{1}\u{7f}\u{8}\n", "Größe 👍"] {
            assert_eq!(json_bytes(text) + 2, json_of(text).len(), "{text:?}");
        }
    }
}
