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

use super::cells::{CellStore, StoreError};
use super::plan::Batchable;
use super::protocol::{Address, Call, Command, Query, Reply};
use super::recovery;
use crate::domain::calendar::{Range, Zone, buckets};
use crate::domain::dashboard::{Collector, Dashboard, Event, Filters, RangeShown};
use crate::domain::kpi::Kpi;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::writer::{TypeState, json_of};
use crate::storage::{Database, StorageError};

/// Most buckets of a series.
const BUCKETS_MAX: usize = 10_000;

/// Commands that may wait. At some 2 KB each that is 8 MB; a bulk request counts as one for each item.
const WAITING_MAX: usize = 4_000;

/// Scores in one batch: D1's answer about them stays far below its 2 MB a text.
const BATCH_ITEMS_MAX: usize = 2_000;

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
    pub rebuilding: Cell<bool>,
    queue: RefCell<VecDeque<Waiting>>,
    waiting: Cell<usize>,
    running: Cell<bool>,
}

/// A command and who waits for its answer.
pub struct Waiting {
    pub address: Address,
    pub now_ms: i64,
    pub work: Work,
    /// Errors of items that an earlier batch has refused.
    pub errors: Vec<(usize, Refusal)>,
    pub reply: oneshot::Sender<Reply>,
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
}

impl Work {
    fn from(command: Command) -> Self {
        match command {
            Command::WriteScores(write) => Self::Batch(Batchable::Scores(write)),
            Command::Increment(increment) => Self::Batch(Batchable::Increment(increment)),
            Command::CreateInstance(create) => Self::Batch(Batchable::Create(create)),
            Command::SetProperties(set) => Self::Batch(Batchable::Properties(set)),
            other => Self::Alone(other),
        }
    }

    fn items(&self) -> usize {
        match self {
            Self::Batch(Batchable::Scores(write)) => write.items.len(),
            _ => 1,
        }
    }

    /// Roughly its text in the batch.
    fn bytes(&self) -> usize {
        const FIXED: usize = 120;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
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

impl Core {
    pub fn new(store: CellStore, database: Database) -> Self {
        Self {
            store,
            database,
            phase: RefCell::new(Phase::Cold),
            position: Cell::default(),
            rebuilding: Cell::new(false),
            queue: RefCell::default(),
            waiting: Cell::new(0),
            running: Cell::new(false),
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub fn set_phase(&self, phase: Phase) {
        *self.phase.borrow_mut() = phase;
    }

    /// Carries a command out and answers it.
    pub async fn call(self: Rc<Self>, call: Call) -> Reply {
        let Call { address, now_ms, command } = call;
        if let (Phase::Ready(kind), false) = (self.phase(), self.rebuilding.get()) {
            // Readers see what the last batch left; they need not wait for the next.
            match &command {
                Command::Dashboard(query) => return self.dashboard(&kind, query),
                Command::Headline(query) => return self.headline(&kind, query),
                _ => {}
            }
        }
        let work = Work::from(command);
        let items = work.items();
        if self.waiting.get() + items > WAITING_MAX && self.waiting.get() > 0 {
            return Err(Refusal::new(Code::Overloaded, "too many requests are waiting; try again shortly"));
        }
        self.waiting.set(self.waiting.get() + items);
        let (sender, receiver) = oneshot::channel();
        self.queue.borrow_mut().push_back(Waiting {
            address,
            now_ms,
            work,
            errors: Vec::new(),
            reply: sender,
        });
        if !self.running.replace(true) {
            wasm_bindgen_futures::spawn_local(Rc::clone(&self).run());
        }
        let reply = receiver.await.unwrap_or_else(|_| Err(unavailable()));
        self.waiting.set(self.waiting.get().saturating_sub(items));
        reply
    }

    /// Works the queue off, one batch or one command at a time.
    async fn run(self: Rc<Self>) {
        loop {
            // Whatever has arrived by now is to be in this batch: batches grow, and the calls a score costs shrink.
            Delay::from(Duration::ZERO).await;
            let Some((address, now_ms)) = self.queue.borrow().front().map(|w| (w.address.clone(), w.now_ms))
            else {
                self.running.set(false);
                return;
            };
            if matches!(self.phase(), Phase::Cold)
                && let Err(error) = recovery::load(&self, &address).await
            {
                report("load", &address, &error);
                self.refuse_all(&unavailable());
                continue;
            }
            let Phase::Ready(kind) = self.phase() else {
                let message = "the use case was deleted";
                self.refuse_all(&Refusal::new(Code::UseCaseNotFound, message));
                self.set_phase(Phase::Cold);
                continue;
            };
            match self.take() {
                Next::Batch(group) => super::write::commit(&self, &kind, &address, now_ms, group).await,
                Next::Alone { address, now_ms, command, reply } => {
                    let answer = self.alone(&kind, &address, now_ms, command).await;
                    // Whoever asked may have given up; the work is done all the same.
                    let _ = reply.send(answer);
                }
                Next::Nothing => {}
            }
        }
    }

    /// The commands of the next batch, or the next command that goes alone.
    fn take(&self) -> Next {
        let mut queue = self.queue.borrow_mut();
        let mut group = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some(next) = queue.front() {
            if matches!(next.work, Work::Alone(_)) {
                break;
            }
            items += next.work.items();
            bytes += next.work.bytes();
            if !group.is_empty() && (items > BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX) {
                break;
            }
            group.extend(queue.pop_front());
        }
        if !group.is_empty() {
            return Next::Batch(group);
        }
        match queue.pop_front() {
            Some(Waiting { address, now_ms, work: Work::Alone(command), reply, .. }) => {
                Next::Alone { address, now_ms, command, reply }
            }
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

    async fn alone(&self, kind: &Rc<TypeState>, address: &Address, now_ms: i64, command: Command) -> Reply {
        match command {
            Command::Dashboard(query) => self.dashboard(kind, &query),
            Command::Headline(query) => self.headline(kind, &query),
            Command::Reconcile(reconcile) => match recovery::reconcile(self, kind, &reconcile).await {
                Ok(report) => Ok(json_of(&report)),
                Err(error) => {
                    report("reconcile", address, &error);
                    self.set_phase(Phase::Cold);
                    Err(unavailable())
                }
            },
            other => super::definitions::carry_out(self, kind, address, now_ms, other).await,
        }
    }

    fn dashboard(&self, kind: &TypeState, query: &Query) -> Reply {
        let asked = Asked::new(kind, query)?;
        let series = buckets(asked.range, query.granularity, &asked.zone, BUCKETS_MAX).map_err(|_| {
            Refusal::new(
                Code::TooManyBuckets,
                format!(
                    "this range has more than {BUCKETS_MAX} buckets of one {}; ask for a shorter range or a coarser granularity",
                    query.granularity.as_str()
                ),
            )
        })?;
        let (use_cases, kpis) =
            self.collect(&asked, query, series).map_err(|error| unreadable(&error))?.finish(&asked.kpis);
        let in_range = |ms: i64| asked.range.contains(crate::domain::calendar::slot_of(ms));
        let events = kind
            .versions
            .iter()
            .filter(|(version, started_ms)| *version > 1 && in_range(*started_ms))
            .map(|(version, started_ms)| Event::Version {
                at: crate::domain::calendar::format_timestamp(*started_ms),
                version: *version,
            })
            .collect();
        Ok(json_of(&Dashboard {
            use_case_name: &kind.name,
            type_version: kind.type_version,
            range: RangeShown::new(&asked.range, query.granularity, &query.time_zone),
            filters: Filters { version: query.version, properties: serde_json::Map::new() },
            use_cases,
            kpis,
            events,
        }))
    }

    fn headline(&self, kind: &TypeState, query: &Query) -> Reply {
        let asked = Asked::new(kind, query)?;
        let collector = self.collect(&asked, query, Vec::new()).map_err(|error| unreadable(&error))?;
        let (use_cases, kpis) = collector.finish(&asked.kpis);
        Ok(serde_json::json!({
            "use_case_name": kind.name,
            "type_version": kind.type_version,
            "use_cases": use_cases,
            "kpis": kpis,
        })
        .to_string())
    }

    fn collect(
        &self,
        asked: &Asked<'_>,
        query: &Query,
        series: Vec<crate::domain::calendar::Bucket>,
    ) -> Result<Collector, StoreError> {
        let mut collector = Collector::new(asked.range, series, asked.kpis.len());
        let days = collector.days();
        let wanted = |version: i64| query.version.is_none_or(|only| only == version);
        for (place, kpi) in asked.kpis.iter().enumerate() {
            self.store.each_scores(kpi, days, |day, version, cells| {
                if wanted(version) {
                    collector.add_scores(place, day, &cells);
                }
            })?;
        }
        self.store.each_instances(days, |day, version, cells| {
            if wanted(version) {
                collector.add_instances(day, &cells);
            }
        })?;
        Ok(collector)
    }
}

/// A query whose parts were looked up.
struct Asked<'k> {
    range: Range,
    zone: Zone,
    kpis: Vec<&'k Kpi>,
}

impl<'k> Asked<'k> {
    fn new(kind: &'k TypeState, query: &Query) -> Result<Self, Refusal> {
        let invalid = |message: &str| Refusal::new(Code::InvalidFilter, message);
        let range =
            Range::new(query.from_ms, query.to_ms).ok_or_else(|| invalid("'from' must be before 'to'"))?;
        let zone = Zone::parse(&query.time_zone).ok_or_else(|| invalid("the time zone is not known"))?;
        if let Some(version) = query.version
            && !kind.versions.iter().any(|known| known.0 == version)
        {
            return Err(Refusal::new(
                Code::InvalidFilter,
                format!(
                    "version {version} does not exist; the latest of {} is {}",
                    shown(&kind.name),
                    kind.type_version
                ),
            ));
        }
        let kpis = if query.kpis.is_empty() {
            kind.kpis.iter().collect()
        } else {
            let mut found: Vec<&Kpi> = Vec::new();
            for wanted in &query.kpis {
                let kpi =
                    super::plan::find_kpi(&kind.kpis, &super::protocol::KpiRef::NameOrId(wanted.clone()))?;
                if !found.iter().any(|other| other.kpi_no == kpi.kpi_no) {
                    found.push(kpi);
                }
            }
            found
        };
        Ok(Self { range, zone, kpis })
    }
}

enum Next {
    Batch(Vec<Waiting>),
    Alone { address: Address, now_ms: i64, command: Command, reply: oneshot::Sender<Reply> },
    Nothing,
}

/// What went wrong inside the object.
#[derive(Debug, Clone)]
pub enum Trouble {
    Storage(StorageError),
    Store(StoreError),
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub fn unavailable() -> Refusal {
    Refusal::new(
        Code::Unavailable,
        "a dependency did not answer; nothing acknowledged is lost, try again shortly",
    )
}

fn unreadable(error: &StoreError) -> Refusal {
    worker::console_error!(
        "{}",
        serde_json::json!({"level": "error", "event": "cells_unreadable", "cause": error.0})
    );
    unavailable()
}

/// Logs what went wrong, once, where it was noticed.
pub fn report(doing: &str, address: &Address, error: &Trouble) {
    let cause = match error {
        Trouble::Storage(error) => format!("{error:?}"),
        Trouble::Store(error) => format!("object storage: {}", error.0),
    };
    worker::console_error!(
        "{}",
        serde_json::json!({"level": "error", "event": "aggregator_trouble", "doing": doing,
            "type_no": address.type_no, "cause": cause})
    );
}
