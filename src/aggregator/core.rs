//! The object's heart: the queue of waiting commands and the one loop that works it off, so that nothing races. Commands that
//! arrive while a batch is under way wait together and go out in the next one (group commit).
//!
//! No `RefCell` borrow is ever held across an `await`: D1 calls let other commands in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use worker::Delay;

use super::answers::Answers;
use super::cells::{CellStore, StoreError};
use super::changes::Changes;
use super::protocol::{Address, Ask, Call, Command, RebuildReport, ReconcileReport, Reply};
use super::queue::{InQueue, Waiting, Work};
use super::trouble::{Failure, Trouble, deleted, log_trouble, overloaded, unavailable};
use super::{check, reader, rebuild, recovery};
use crate::domain::kpi::Kpi;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::segments::Registry;
use crate::storage::Database;
use crate::storage::writer::{TypeState, json_of};

/// Commands that may wait. At some 2 KB each that is 8 MB; a bulk request counts as one for each item.
const WAITING_MAX: usize = 4_000;

/// Scores in one batch.
const BATCH_ITEMS_MAX: usize = 2_000;

/// D1's answer about one of them, besides its tracked properties.
const ITEM_ANSWER_BYTES: usize = 90;

/// Text in one batch, well below D1's 2 MB a parameter.
const BATCH_BYTES_MAX: usize = 1_200_000;

/// What the object knows of its type.
#[derive(Clone)]
pub enum Phase {
    /// Nothing yet, or nothing that can be relied on.
    Cold,
    Ready(Rc<TypeState>),
    /// The type was deleted.
    Gone,
}

/// The writer's place in the sequence of batches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    pub epoch: i64,
    /// The last batch that is in D1 and in the cells.
    pub batch_no: i64,
    pub next_seq: i64,
}

pub struct Core {
    pub store: CellStore,
    pub database: Database,
    phase: RefCell<Phase>,
    pub position: Cell<Position>,
    /// The cells are being made anew: readers wait.
    rebuilding: Cell<bool>,
    /// How often they were, or what the object knows of its type changed: a reader during whose work that happened reads again.
    remade: Cell<u64>,
    answers: Answers,
    /// How often everything was forgotten, with what was known of properties.
    pub begun_anew: Cell<u64>,
    registry: RefCell<Rc<Registry>>,
    queue: RefCell<VecDeque<Waiting>>,
    /// Items that wait or are being worked on.
    waiting: Rc<Cell<usize>>,
    running: Cell<bool>,
    /// The cells hold what can't be read: everything is to be counted again.
    pub unreadable: Cell<bool>,
    /// Slots that the last portion of a rebuild took.
    pub portion_slots: Cell<i64>,
    /// Whose command the loop works on: type_no and request id, for the log.
    working_for: RefCell<(i64, String)>,
}

impl Core {
    pub fn new(store: CellStore, database: Database) -> Self {
        Self {
            store,
            database,
            phase: RefCell::new(Phase::Cold),
            position: Cell::default(),
            rebuilding: Cell::new(false),
            remade: Cell::new(0),
            answers: Answers::default(),
            begun_anew: Cell::new(0),
            registry: RefCell::default(),
            queue: RefCell::default(),
            waiting: Rc::default(),
            running: Cell::new(false),
            unreadable: Cell::default(),
            portion_slots: Cell::new(1 << 20),
            working_for: RefCell::default(),
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub fn set_phase(&self, phase: Phase) {
        self.note_remade();
        *self.phase.borrow_mut() = phase;
    }

    /// What was read or added up before may be different now.
    fn note_remade(&self) {
        self.remade.set(self.remade.get() + 1);
        self.store.forget_sums();
    }

    /// How often cells were made anew, or what the object knows of its type changed.
    pub fn remade(&self) -> u64 {
        self.remade.get()
    }

    /// Readers wait while cells are made anew.
    pub fn set_rebuilding(&self, rebuilding: bool) {
        self.rebuilding.set(rebuilding);
        self.note_remade();
    }

    /// Which properties have cells of their own.
    pub fn registry(&self) -> Rc<Registry> {
        Rc::clone(&self.registry.borrow())
    }

    pub fn set_registry(&self, registry: Registry) {
        // Segments may have other numbers, or be gone.
        self.note_remade();
        *self.registry.borrow_mut() = Rc::new(registry);
    }

    /// Writes changes to cells, without an `await`.
    pub fn write_changes(&self, changes: Changes, kpis: &[Kpi]) -> Result<(), StoreError> {
        if let Some(registry) = changes.write(&self.store, kpis)? {
            self.set_registry(registry);
        }
        Ok(())
    }

    /// Carries a command out and answers it.
    pub async fn call(self: Rc<Self>, call: Call) -> Reply {
        let Call { address, now_ms, request_id, command } = call;
        let is_whole = || !self.rebuilding.get() && !self.unreadable.get();
        if let (Phase::Ready(kind), true, Command::Read(ask)) = (self.phase(), is_whole(), &command) {
            // Readers see what the last batch left; they need not wait for the next.
            let remade = self.remade.get();
            let reply = self.read(&kind, ask, now_ms, &request_id).await;
            // Unless cells were made anew meanwhile, or could not be read: then they wait for their turn.
            if is_whole() && self.remade.get() == remade {
                return reply;
            }
        }
        let work = Work::from(command);
        let items = work.items();
        if self.waiting.get() + items > WAITING_MAX && self.waiting.get() > 0 {
            return Err(overloaded());
        }
        let place = InQueue::take(items, &self.waiting);
        let (sender, receiver) = oneshot::channel();
        self.queue.borrow_mut().push_back(Waiting {
            address,
            now_ms,
            work,
            errors: Vec::new(),
            reply: sender,
            request_id,
            place,
        });
        self.start();
        receiver.await.unwrap_or_else(|_| Err(unavailable()))
    }

    fn start(self: &Rc<Self>) {
        if !self.running.replace(true) {
            wasm_bindgen_futures::spawn_local(Rc::clone(self).run());
        }
    }

    /// Works the queue off, one batch or one command at a time, and a rebuild in between.
    async fn run(self: Rc<Self>) {
        loop {
            // Whatever has arrived by now is to be in this batch: batches grow, and the calls a score costs shrink.
            Delay::from(Duration::ZERO).await;
            let front = |w: &Waiting| (w.address.clone(), w.now_ms, w.request_id.clone());
            let Some((address, now_ms, request_id)) = self.queue.borrow().front().map(front) else {
                // Whoever came meanwhile has not started another loop.
                if self.go_on_rebuilding().await || !self.queue.borrow().is_empty() {
                    continue;
                }
                self.running.set(false);
                return;
            };
            *self.working_for.borrow_mut() = (address.type_no, request_id);
            if self.unreadable.get() {
                self.set_phase(Phase::Cold);
            }
            if matches!(self.phase(), Phase::Cold)
                && let Err(error) = recovery::load(&self, &address).await
            {
                self.report("load", &error);
                self.refuse_all(&unavailable());
                continue;
            }
            let Phase::Ready(kind) = self.phase() else {
                self.take_leave().await;
                continue;
            };
            match self.take() {
                Next::Batch(group) => super::write::commit(&self, &kind, &address, now_ms, group).await,
                Next::Alone(waiting, command) => {
                    let answer = self.alone(&kind, &waiting, command).await;
                    waiting.answer(answer);
                }
                Next::Nothing => {}
            }
            self.go_on_rebuilding().await;
        }
    }

    /// Counts a portion, if a rebuild is under way. False when there is nothing to do, or it failed: then the next request, or
    /// the next check, tries again.
    async fn go_on_rebuilding(&self) -> bool {
        let Phase::Ready(kind) = self.phase() else { return false };
        match rebuild::go_on(self, &kind).await {
            Ok(more) => more,
            Err(error) => {
                self.report("rebuild", &error);
                self.set_phase(Phase::Cold);
                false
            }
        }
    }

    /// The type was deleted: nothing of it stays here. Whoever waits is told so.
    async fn take_leave(&self) {
        let erased = self.store.erase().await;
        if let Err(error) = &erased {
            self.report("erase", &Trouble::Store(error.clone()));
        }
        let waiting = std::mem::take(&mut *self.queue.borrow_mut());
        for one in waiting {
            let reply = match (&one.work, &erased) {
                (Work::Alone(Command::Erase), Ok(())) => Ok("null".to_owned()),
                (Work::Alone(Command::Erase), Err(_)) => Err(unavailable()),
                _ => Err(deleted()),
            };
            one.answer(reply);
        }
        self.set_phase(Phase::Cold);
    }

    /// The commands of the next batch, or the next command that goes alone.
    fn take(&self) -> Next {
        // A single command is never too large: 1,000 items of 90 + 8 · 161 bytes are below 1.5 MB.
        let items_max = recovery::tracked(&self.registry()).page_rows(ITEM_ANSWER_BYTES).min(BATCH_ITEMS_MAX);
        let mut queue = self.queue.borrow_mut();
        let mut group = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some(next) = queue.front() {
            if matches!(next.work, Work::Alone(_)) {
                break;
            }
            items += next.work.items();
            bytes += next.work.bytes();
            if !group.is_empty() && (items > items_max || bytes > BATCH_BYTES_MAX) {
                break;
            }
            group.extend(queue.pop_front());
        }
        if !group.is_empty() {
            return Next::Batch(group);
        }
        let Some(mut waiting) = queue.pop_front() else { return Next::Nothing };
        match std::mem::replace(&mut waiting.work, Work::Taken) {
            Work::Alone(command) => Next::Alone(Box::new(waiting), command),
            _ => Next::Nothing,
        }
    }

    /// Puts commands back at the head of the queue, in their order.
    pub fn put_back(&self, commands: Vec<Waiting>) {
        let mut queue = self.queue.borrow_mut();
        for waiting in commands.into_iter().rev() {
            queue.push_front(waiting);
        }
    }

    fn refuse_all(&self, refusal: &Refusal) {
        let all = std::mem::take(&mut *self.queue.borrow_mut());
        for waiting in all {
            waiting.answer(Err(refusal.clone()));
        }
    }

    async fn alone(&self, kind: &Rc<TypeState>, waiting: &Waiting, command: Command) -> Reply {
        let Waiting { address, now_ms, request_id, .. } = waiting;
        match command {
            Command::Read(ask) => {
                let reply = self.read(kind, &ask, *now_ms, request_id).await;
                if !self.unreadable.get() {
                    return reply;
                }
                // Just started, and the first to find that cells can't be read: they are counted again.
                self.set_phase(Phase::Cold);
                if let Err(error) = recovery::load(self, address).await {
                    self.report("load", &error);
                    return reply;
                }
                match self.phase() {
                    Phase::Ready(kind) => self.read(&kind, &ask, *now_ms, request_id).await,
                    _ => Err(deleted()),
                }
            }
            Command::Reconcile(reconcile) => match check::reconcile(self, kind, &reconcile).await {
                Ok(report) => Ok(json_of(&report)),
                Err(error) => {
                    self.report("reconcile", &error);
                    self.set_phase(Phase::Cold);
                    let next_slot = Some(reconcile.from_slot.unwrap_or(0));
                    let report =
                        ReconcileReport { next_slot, rebuilding: true, ..ReconcileReport::default() };
                    self.count_again(address, report).await
                }
            },
            Command::Rebuild { begin } => match rebuild::carry_out(self, address, begin).await {
                Ok(Some(report)) => Ok(json_of(&report)),
                Ok(None) => Err(deleted()),
                Err(error) => {
                    self.report("rebuild", &error);
                    self.set_phase(Phase::Cold);
                    self.count_again(address, RebuildReport { complete: false, counted_from: None }).await
                }
            },
            // Asked for after the purge of a deleted type only.
            Command::Erase => Err(Refusal::new(Code::UnexpectedError, "the use case is not deleted")),
            other => super::definitions::carry_out(self, kind, address, *now_ms, other).await,
        }
    }

    /// After a check or a rebuild that failed. If that was because cells can't be read, everything is counted again, and this is the
    /// report.
    async fn count_again<R: serde::Serialize>(&self, address: &Address, report: R) -> Reply {
        if !self.unreadable.get() {
            return Err(unavailable());
        }
        match recovery::load(self, address).await {
            Ok(()) => Ok(json_of(&report)),
            Err(error) => {
                self.report("load", &error);
                Err(unavailable())
            }
        }
    }

    /// Of the command that the loop works on.
    pub fn request_id(&self) -> String {
        self.working_for.borrow().1.clone()
    }

    /// Logs what went wrong, once, where it was noticed.
    pub fn report(&self, doing: &str, error: &Trouble) {
        self.note_unreadable(error);
        let (type_no, request_id) = self.working_for.borrow().clone();
        log_trouble(doing, type_no, &request_id, error);
    }

    /// Answers what changes nothing.
    pub async fn read(&self, kind: &TypeState, ask: &Ask, now_ms: i64, request_id: &str) -> Reply {
        let state = || (self.remade.get(), self.store.changes());
        let (asked_at, key) = (state(), Answers::key(ask, now_ms));
        if let Some(json) = self.answers.find(&key, asked_at) {
            return Ok(json);
        }
        let calls = self.database.calls();
        let calls_before = calls.get();
        let failure = match reader::read(self, kind, ask, now_ms).await {
            Ok(json) => {
                // Rows of D1 may be newer than the cells.
                if state() == asked_at && calls.get() == calls_before {
                    self.answers.keep(key, asked_at, &json);
                }
                return Ok(json);
            }
            Err(failure) => failure,
        };
        Err(match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Trouble(Trouble::Store(StoreError::Rebuilding)) => Refusal::new(
                Code::Unavailable,
                "the aggregates of this use case are being counted again, the latest first; a shorter range may be there \
                 already, try again shortly",
            ),
            Failure::Trouble(trouble) => {
                log_trouble("read", kind.type_no, request_id, &trouble);
                self.note_unreadable(&trouble);
                unavailable()
            }
        })
    }

    /// What can't be read is as good as lost: the next turn of the loop counts everything again.
    fn note_unreadable(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Store(StoreError::Unreadable(_))) {
            self.unreadable.set(true);
        }
    }
}

enum Next {
    Batch(Vec<Waiting>),
    Alone(Box<Waiting>, Command),
    Nothing,
}
