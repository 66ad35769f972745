//! Folds the commands that wait together into one batch: per instance and KPI the last write wins, in the order of arrival.
//! It decides what can be decided before the batch; what depends on rows nobody has read (does the instance exist?) is left to
//! `settle`, which looks at what the batch found. No I/O here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::protocol::{
    CreateInstance, Idempotency, Increment, InstanceAnswer, KpiRef, Reply, ScoreItem, SetProperties,
    UNREADABLE_VERSION, WriteReport, WriteScores,
};
use crate::domain::calendar::{format_timestamp, slot_of};
use crate::domain::kpi::{Kpi, KpiType};
use crate::domain::names::PROPERTIES_PER_INSTANCE_MAX;
use crate::domain::refusal::{Code, Refusal, shown};
use crate::domain::segments::Registry;
use crate::storage::writer::{
    Before, IdempotencyWrite, InstanceWrite, Known, Properties, SEQUENCE_BITS, ScoreWrite, TypeState, json_of,
};

/// A command that goes into a batch with others.
#[derive(Debug, Clone)]
pub enum Batchable {
    Scores(WriteScores),
    Increment(Increment),
    Create(CreateInstance),
    Properties(SetProperties),
}

/// What becomes of a command once the batch is through.
#[derive(Debug)]
pub enum Fate {
    /// Decided beforehand.
    Settled(Reply),
    /// The answer, if the instance is (or became) one of this type; else what to say if there is none.
    IfInstance { instance: usize, answer: String, missing: Refusal },
    /// Items refused beforehand, and those that depend on their instance.
    Scores { errors: Vec<(usize, Refusal)>, items: Vec<(ScoreItem, usize, Refusal)> },
}

/// A batch in the making.
pub struct Plan<'a> {
    kind: &'a TypeState,
    known: Known,
    next_seq: i64,
    pub instances: Vec<InstanceWrite>,
    pub scores: Vec<ScoreWrite>,
    pub idempotency: Vec<IdempotencyWrite>,
    by_id: HashMap<String, usize>,
    by_pair: HashMap<(usize, i64), usize>,
}

/// What a command needs to know of an instance that it may have to make.
struct Birth {
    may_create: bool,
    version: Option<i64>,
    created_ms: i64,
}

impl<'a> Plan<'a> {
    /// `next_seq`: the sequence number of the first instance that the batch makes.
    pub fn new(kind: &'a TypeState, known: Known, next_seq: i64) -> Self {
        Self {
            kind,
            known,
            next_seq,
            instances: Vec::new(),
            scores: Vec::new(),
            idempotency: Vec::new(),
            by_id: HashMap::new(),
            by_pair: HashMap::new(),
        }
    }

    pub fn next_seq(&self) -> i64 {
        self.next_seq
    }

    /// The properties that the batch sets and the registry has not seen.
    pub fn news(&self, registry: &Registry) -> Vec<(String, String)> {
        let set = self.instances.iter().filter_map(|instance| instance.properties.as_ref());
        let news: BTreeSet<(String, String)> = set
            .flat_map(|(new, _)| new)
            .filter(|(key, value)| registry.is_news(key, value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        news.into_iter().collect()
    }

    /// Whether the command can go into this batch. It can't if it may make an instance of which an earlier command in the
    /// batch must see that it did not exist.
    pub fn admits(&self, command: &Batchable) -> bool {
        let free = |id: &str| {
            self.by_id
                .get(id)
                .and_then(|place| self.instances.get(*place))
                .is_none_or(|instance| instance.may_create || instance.known_no.is_some())
        };
        match command {
            Batchable::Scores(write) => !write.may_create || write.items.iter().all(|i| free(&i.use_case_id)),
            Batchable::Increment(increment) => free(&increment.use_case_id),
            Batchable::Create(create) => free(&create.use_case_id),
            Batchable::Properties(set) => free(&set.use_case_id),
        }
    }

    /// Takes a command in.
    pub fn add(&mut self, command: &Batchable, now_ms: i64) -> Fate {
        match command {
            Batchable::Scores(write) => self.add_scores(write, now_ms),
            Batchable::Increment(increment) => {
                self.add_increment(increment, now_ms).unwrap_or_else(|refusal| Fate::Settled(Err(refusal)))
            }
            Batchable::Create(create) => {
                self.add_creation(create, now_ms).unwrap_or_else(|refusal| Fate::Settled(Err(refusal)))
            }
            Batchable::Properties(set) => {
                self.add_properties(set, now_ms).unwrap_or_else(|refusal| Fate::Settled(Err(refusal)))
            }
        }
    }

    fn add_scores(&mut self, write: &WriteScores, now_ms: i64) -> Fate {
        let mut errors = Vec::new();
        let mut valid = Vec::new();
        let mut created: HashMap<&str, i64> = HashMap::new();
        for item in &write.items {
            match find_kpi(&self.kind.kpis, &item.kpi)
                .and_then(|kpi| check_score(kpi, item.score).map(|()| kpi))
            {
                Ok(kpi) => valid.push((item, kpi.kpi_no)),
                Err(refusal) => errors.push((item.index, refusal)),
            }
        }
        for (item, _) in &valid {
            if let (Some(at), Some(_)) = (item.earliest_ms.or(item.timestamp_ms), item.score) {
                created.entry(&item.use_case_id).and_modify(|ms| *ms = at.min(*ms)).or_insert(at);
            }
        }
        // One score is enough to make an instance, whatever is cleared beside it.
        let scored: BTreeSet<&str> = valid
            .iter()
            .filter(|(item, _)| item.score.is_some())
            .map(|(item, _)| item.use_case_id.as_str())
            .collect();
        let mut items = Vec::new();
        for (item, kpi_no) in valid {
            let birth = Birth {
                may_create: write.may_create && scored.contains(item.use_case_id.as_str()),
                version: write.version,
                created_ms: created.get(item.use_case_id.as_str()).copied().unwrap_or(now_ms),
            };
            let (place, missing) = self.place(&item.use_case_id, &birth);
            let set = ScoreWrite {
                instance: place,
                kpi_no,
                score: item.score,
                timestamp_ms: item.timestamp_ms,
                now_ms,
                fresh: false,
                comment: item.comment.clone(),
                source: item.source.clone(),
            };
            self.fold(set);
            items.push((item.clone(), place, missing));
        }
        Fate::Scores { errors, items }
    }

    fn add_increment(&mut self, increment: &Increment, now_ms: i64) -> Result<Fate, Refusal> {
        if let Some(fate) = self.replay(increment.idempotency.as_ref())? {
            return Ok(fate);
        }
        let kpi = find_kpi(&self.kind.kpis, &KpiRef::NameOrId(increment.kpi.clone()))?;
        if kpi.rules.kpi_type != KpiType::Number {
            return Err(Refusal::new(
                Code::InvalidRequest,
                format!(
                    "KPI {} is of type {}; only number scores can be incremented",
                    shown(&kpi.name),
                    kpi.rules.kpi_type.as_str()
                ),
            ));
        }
        self.check_instance(&increment.use_case_id, increment.may_create)?;
        let kpi_no = kpi.kpi_no;
        let known = self.known.scores.get(&(increment.use_case_id.clone(), kpi_no)).copied();
        let planned = self
            .by_id
            .get(&increment.use_case_id)
            .and_then(|place| self.by_pair.get(&(*place, kpi_no)))
            .and_then(|at| self.scores.get(*at));
        let old = planned.map_or(known, |score| score.score).unwrap_or(0.0);
        let score = old + increment.by;
        check_score(kpi, Some(score))?;
        let birth = Birth {
            may_create: increment.may_create,
            version: increment.version,
            created_ms: increment.timestamp_ms.unwrap_or(now_ms),
        };
        let (instance, missing) = self.place(&increment.use_case_id, &birth);
        self.fold(ScoreWrite {
            instance,
            kpi_no,
            score: Some(score),
            timestamp_ms: increment.timestamp_ms,
            now_ms,
            fresh: false,
            comment: None,
            source: None,
        });
        let answer = serde_json::json!({ "score": score }).to_string();
        self.remember(increment.idempotency.as_ref(), &increment.use_case_id, &answer);
        Ok(Fate::IfInstance { instance, answer, missing })
    }

    fn add_creation(&mut self, create: &CreateInstance, now_ms: i64) -> Result<Fate, Refusal> {
        if let Some(fate) = self.replay(create.idempotency.as_ref())? {
            return Ok(fate);
        }
        self.check_instance(&create.use_case_id, true)?;
        let exists = self.by_id.contains_key(&create.use_case_id)
            || self.known.instances.contains_key(&create.use_case_id);
        let birth = Birth {
            may_create: true,
            version: create.version,
            created_ms: create.timestamp_ms.unwrap_or(now_ms),
        };
        // Before anything is planned: a refused request leaves nothing behind.
        let properties = merged(&Properties::new(), &create.properties)?;
        let (instance, missing) = self.place(&create.use_case_id, &birth);
        let made = self.instances.get_mut(instance).filter(|_| !exists && !properties.is_empty());
        if let Some(place) = made {
            place.properties = Some((properties, Properties::new()));
        }
        let answer = self.describe(instance);
        self.remember(create.idempotency.as_ref(), &create.use_case_id, &answer);
        Ok(Fate::IfInstance { instance, answer, missing })
    }

    fn add_properties(&mut self, set: &SetProperties, now_ms: i64) -> Result<Fate, Refusal> {
        let birth = Birth { may_create: set.may_create, version: set.version, created_ms: now_ms };
        self.check_instance(&set.use_case_id, set.may_create)?;
        let old = self.properties_of(&set.use_case_id);
        let new = merged(&old, &set.properties)?;
        let (instance, missing) = self.place(&set.use_case_id, &birth);
        let stored = self.known.instances.get(&set.use_case_id).map(|known| known.properties.clone());
        if let Some(place) = self.instances.get_mut(instance) {
            place.properties = Some((new, stored.unwrap_or_default()));
        }
        Ok(Fate::IfInstance { instance, answer: self.describe(instance), missing })
    }

    /// The instance's place in the batch, and what to say of it if it turns out not to exist.
    fn place(&mut self, use_case_id: &str, birth: &Birth) -> (usize, Refusal) {
        let unknown_version = birth.version.filter(|v| !self.kind.versions.iter().any(|known| known.0 == *v));
        let missing = match unknown_version {
            Some(version) if birth.may_create => Refusal::new(
                Code::InvalidRequest,
                format!(
                    "{} does not exist; the latest of {} is {}",
                    match version {
                        UNREADABLE_VERSION => "the version in the header xProxy-UseCase-Version".to_owned(),
                        version => format!("version {version}"),
                    },
                    shown(&self.kind.name),
                    self.kind.type_version
                ),
            ),
            _ => not_found(use_case_id),
        };
        if let Some(place) = self.by_id.get(use_case_id) {
            return (*place, missing);
        }
        let known = self.known.instances.get(use_case_id);
        let created_ms = known.map_or(birth.created_ms, |known| known.created_ms);
        let place = self.instances.len();
        self.instances.push(InstanceWrite {
            use_case_id: use_case_id.to_owned(),
            instance_no: instance_no(slot_of(created_ms), self.next_seq),
            version: known.map_or(birth.version.unwrap_or(self.kind.type_version), |known| known.version),
            created_ms,
            may_create: known.is_none() && birth.may_create && unknown_version.is_none(),
            properties: None,
            known_no: known.map(|known| known.instance_no),
        });
        self.next_seq += 1;
        self.by_id.insert(use_case_id.to_owned(), place);
        (place, missing)
    }

    /// Refuses what is known to fail: for commands whose instance was looked up.
    fn check_instance(&self, use_case_id: &str, may_create: bool) -> Result<(), Refusal> {
        match self.known.instances.get(use_case_id) {
            Some(known) if known.type_no != self.kind.type_no => Err(elsewhere(use_case_id)),
            None if !may_create && !self.by_id.contains_key(use_case_id) => Err(not_found(use_case_id)),
            _ => Ok(()),
        }
    }

    /// The last write to an instance and KPI wins; what it does not say, the writes before it have said.
    fn fold(&mut self, mut write: ScoreWrite) {
        let pair = (write.instance, write.kpi_no);
        let Some(earlier) = self.by_pair.get(&pair).and_then(|at| self.scores.get_mut(*at)) else {
            self.by_pair.insert(pair, self.scores.len());
            self.scores.push(write);
            return;
        };
        if earlier.score.is_none() && write.score.is_some() {
            // Cleared before: the old timestamp is forgotten.
            write.fresh = true;
            write.timestamp_ms = write.timestamp_ms.or(Some(write.now_ms));
        } else if write.score.is_some() {
            write.fresh = earlier.fresh;
            write.timestamp_ms = write.timestamp_ms.or(earlier.timestamp_ms);
            write.now_ms = earlier.now_ms;
        }
        *earlier = write;
    }

    fn properties_of(&self, use_case_id: &str) -> Properties {
        let planned = self
            .by_id
            .get(use_case_id)
            .and_then(|place| self.instances.get(*place))
            .and_then(|instance| instance.properties.as_ref());
        match planned {
            Some((new, _)) => new.clone(),
            None => self
                .known
                .instances
                .get(use_case_id)
                .map(|known| known.properties.clone())
                .unwrap_or_default(),
        }
    }

    fn describe(&self, place: usize) -> String {
        let Some(instance) = self.instances.get(place) else { return "null".to_owned() };
        json_of(&InstanceAnswer {
            use_case_id: instance.use_case_id.clone(),
            use_case_name: self.kind.name.clone(),
            type_version: instance.version,
            limit_id: None,
            properties: self.properties_of(&instance.use_case_id),
            create_timestamp: format_timestamp(instance.created_ms),
        })
    }

    /// The first answer to a request that came before, in this batch or in one of the last 24 hours.
    fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Fate>, Refusal> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        let planned = self
            .idempotency
            .iter()
            .find(|row| row.key == idempotency.key)
            .map(|row| (&row.request_hash, &row.response));
        let stored = self.known.idempotency.get(&idempotency.key).map(|(hash, response)| (hash, response));
        match planned.or(stored) {
            None => Ok(None),
            Some((hash, response)) if *hash == idempotency.request_hash => {
                Ok(Some(Fate::Settled(Ok(response.clone()))))
            }
            Some(_) => Err(Refusal::new(
                Code::IdempotencyKeyReused,
                format!("the Idempotency-Key {} was used for another request", shown(&idempotency.key)),
            )),
        }
    }

    fn remember(&mut self, idempotency: Option<&Idempotency>, use_case_id: &str, response: &str) {
        if let Some(Idempotency { key, request_hash }) = idempotency {
            self.idempotency.push(IdempotencyWrite {
                key: key.clone(),
                request_hash: request_hash.clone(),
                response: response.to_owned(),
                use_case_id: Some(use_case_id.to_owned()),
            });
        }
    }
}

/// The number of an instance: the slot of its creation above, the sequence number below. The sequence may wrap around: it only
/// has to tell the instances of one slot apart, and if it ever fails to, the batch fails and goes on with later numbers.
fn instance_no(slot: i64, sequence: i64) -> i64 {
    (slot << SEQUENCE_BITS) | (sequence & ((1 << SEQUENCE_BITS) - 1))
}

/// Whether an instance of the batch is one of this type now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Here,
    Missing,
    /// Under the type with this number.
    Elsewhere(i64),
}

/// What the batch found of the instance in this place.
pub fn presence(type_no: i64, instance: &InstanceWrite, place: usize, before: &Before) -> Presence {
    match before.instances.get(&place) {
        Some(old) if old.type_no == type_no => Presence::Here,
        Some(old) => Presence::Elsewhere(old.type_no),
        None if instance.may_create => Presence::Here,
        None => Presence::Missing,
    }
}

/// The answer to a command, given where its instances are.
pub fn settle(fate: Fate, instances: &[InstanceWrite], presence_of: &dyn Fn(usize) -> Presence) -> Reply {
    let refusal = |place: usize, missing: Refusal| match presence_of(place) {
        Presence::Here => None,
        Presence::Missing => Some(missing),
        Presence::Elsewhere(_) => {
            Some(elsewhere(instances.get(place).map_or("", |instance| &instance.use_case_id)))
        }
    };
    match fate {
        Fate::Settled(reply) => reply,
        Fate::IfInstance { instance, answer, missing } => refusal(instance, missing).map_or(Ok(answer), Err),
        Fate::Scores { mut errors, items } => {
            for (item, place, missing) in items {
                if let Some(refusal) = refusal(place, missing) {
                    errors.push((item.index, refusal));
                }
            }
            errors.sort_by_key(|error| error.0);
            Ok(json_of(&WriteReport { errors }))
        }
    }
}

pub fn not_found(use_case_id: &str) -> Refusal {
    Refusal::new(
        Code::UseCaseInstanceNotFound,
        format!("there is no use case instance {}", shown(use_case_id)),
    )
}

fn elsewhere(use_case_id: &str) -> Refusal {
    Refusal::new(
        Code::InstanceInOtherUseCase,
        format!("the use case instance {} belongs to another use case", shown(use_case_id)),
    )
}

/// The KPI that a caller means.
pub fn find_kpi<'k>(kpis: &'k [Kpi], wanted: &KpiRef) -> Result<&'k Kpi, Refusal> {
    let by_name = |text: &str| kpis.iter().find(|kpi| kpi.name == text);
    let by_id = |text: &str| kpis.iter().find(|kpi| kpi.kpi_id == text);
    let (found, text) = match wanted {
        KpiRef::NameOrId(text) => (by_name(text).or_else(|| by_id(text)), text),
        KpiRef::Name(text) => (by_name(text), text),
        KpiRef::Id(text) => (by_id(text), text),
    };
    found.ok_or_else(|| Refusal::new(Code::KpiNotFound, format!("there is no KPI {}", shown(text))))
}

fn check_score(kpi: &Kpi, score: Option<f64>) -> Result<(), Refusal> {
    match score {
        Some(score) if !kpi.rules.kpi_type.allows_score(score) => Err(Refusal::new(
            Code::ScoreOutOfRange,
            format!(
                "score {score} is out of range: KPI {} is of type {} and takes {}",
                shown(&kpi.name),
                kpi.rules.kpi_type.as_str(),
                kpi.rules.kpi_type.score_range()
            ),
        )),
        _ => Ok(()),
    }
}

/// Old properties with the changes made: `None` removes a key.
fn merged(old: &Properties, changes: &BTreeMap<String, Option<String>>) -> Result<Properties, Refusal> {
    let mut new = old.clone();
    for (key, value) in changes {
        match value {
            Some(value) => new.insert(key.clone(), value.clone()),
            None => new.remove(key),
        };
    }
    if new.len() > PROPERTIES_PER_INSTANCE_MAX {
        return Err(Refusal::new(
            Code::InvalidRequest,
            format!(
                "an instance has at most {PROPERTIES_PER_INSTANCE_MAX} properties; this would make {}",
                new.len()
            ),
        ));
    }
    Ok(new)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
