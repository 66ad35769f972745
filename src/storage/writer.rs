//! What the writer of a use case type says to D1: taking over (epoch), reading what a batch must know beforehand, and the
//! batch itself. Every batch begins with the guard and leaves its outbox in its own transaction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definitions::{KpiRow, kpi_from_row};
use super::recount::Pairs;
use super::{Answer, Database, Statement, StorageError, integer, text};
use crate::domain::kpi::Kpi;

/// How many low bits of an instance_no are the sequence number; the slot of its creation stands above them.
pub const SEQUENCE_BITS: u32 = 30;

/// The cells a batch touched, as its outbox row keeps them. Persisted; a test pins it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Touched {
    /// `(kpi_no, slot left, slot entered)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<(i64, Option<i64>, Option<i64>)>,
    /// Slots of creation of the instances concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub creations: Vec<i64>,
    /// KPIs whose cells must all be made anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpis: Vec<i64>,
    /// KPIs whose cells must all go, and every instance cell be counted again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed_kpis: Vec<i64>,
    /// Properties that were not seen before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Pairs,
}

impl Touched {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// Who may write, and the last batch.
#[derive(Debug, Clone)]
pub struct WriterState {
    pub epoch: i64,
    pub batch_no: i64,
    pub batch_epoch: i64,
    pub next_seq: i64,
    pub touched: Touched,
}

/// A use case type as its object knows it.
#[derive(Debug, Clone)]
pub struct TypeState {
    pub type_no: i64,
    pub name: String,
    pub application_no: i64,
    pub type_version: i64,
    pub versions: Vec<(i64, i64)>,
    pub kpis: Vec<Kpi>,
    /// In the order of their making.
    pub events: Vec<SystemEvent>,
    pub writer: WriterState,
}

/// A change of the system that is no new version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SystemEvent {
    pub event_no: i64,
    pub event_id: String,
    pub at_ms: i64,
    pub title: String,
    pub description: String,
    pub created_ms: i64,
}

/// Makes the caller the only writer and reads the type; `None` if it does not exist (any more).
pub async fn take_over(
    database: &Database,
    type_no: i64,
    object_name: &str,
) -> Result<Option<TypeState>, StorageError> {
    let answers = database
        .batch(vec![
            Statement::new(
                "UPDATE writer_state SET epoch = epoch + 1 WHERE type_no = ?1 AND EXISTS (\
                   SELECT 1 FROM use_case_types t WHERE t.type_no = ?1 AND t.object_name = ?2 AND t.deleted_ms IS NULL) \
                 RETURNING json_array(epoch, batch_no, batch_epoch, next_seq, json(touched)) AS j",
                vec![integer(type_no), text(object_name)],
            ),
            Statement::new(include_str!("sql/definition_state.sql"), vec![integer(type_no), text(object_name)]),
            versions(type_no),
            kpis(type_no),
            events(type_no),
        ])
        .await?;
    let [writer, definition, versions, kpis, events] = answers.as_slice() else {
        return Err(StorageError::Corrupt("a batch of five without five answers".to_owned()));
    };
    let Some(writer) = writer.optional_json::<(i64, i64, i64, i64, Touched)>()? else { return Ok(None) };
    let Some((name, application_no, type_version, _)) =
        definition.optional_json::<(String, i64, i64, i64)>()?
    else {
        return Ok(None);
    };
    let (epoch, batch_no, batch_epoch, next_seq, touched) = writer;
    Ok(Some(TypeState {
        type_no,
        name,
        application_no,
        type_version,
        versions: versions.json()?,
        kpis: read_kpis(kpis)?,
        events: events.json()?,
        writer: WriterState { epoch, batch_no, batch_epoch, next_seq, touched },
    }))
}

/// The versions of a type: `[[version, started_ms], …]`.
pub fn versions(type_no: i64) -> Statement {
    Statement::new(
        "SELECT json_group_array(json_array(version, started_ms)) AS j \
         FROM (SELECT version, started_ms FROM type_versions WHERE type_no = ?1 ORDER BY version)",
        vec![integer(type_no)],
    )
}

fn events(type_no: i64) -> Statement {
    Statement::new(
        "SELECT json_group_array(json_array(event_no, event_id, at_ms, title, description, created_ms)) AS j \
         FROM (SELECT * FROM events WHERE type_no = ?1 ORDER BY event_no)",
        vec![integer(type_no)],
    )
}

/// The live KPIs of a type; `read_kpis` reads the answer.
pub fn kpis(type_no: i64) -> Statement {
    Statement::new(include_str!("sql/kpi_rows.sql"), vec![integer(type_no)])
}

pub fn read_kpis(answer: &Answer) -> Result<Vec<Kpi>, StorageError> {
    answer.json::<Vec<KpiRow>>()?.into_iter().map(kpi_from_row).collect()
}

/// Identity of a batch: whose it is and which number it has.
#[derive(Debug, Clone, Copy)]
pub struct BatchId {
    pub type_no: i64,
    pub epoch: i64,
    pub batch_no: i64,
}

impl BatchId {
    pub fn guard(&self) -> Statement {
        Statement::new(
            include_str!("sql/guard.sql"),
            vec![integer(self.type_no), integer(self.epoch), integer(self.batch_no)],
        )
    }

    /// The outbox of a batch whose touched cells are known beforehand.
    pub fn outbox(&self, now_ms: i64, next_seq: i64, touched: &Touched) -> Statement {
        Statement::new(
            include_str!("sql/outbox_plain.sql"),
            vec![
                integer(self.type_no),
                integer(self.batch_no),
                integer(now_ms),
                integer(next_seq),
                text(&touched.to_json()),
            ],
        )
    }
}

/// An instance a batch of scores speaks of.
#[derive(Debug, Clone)]
pub struct InstanceWrite {
    pub use_case_id: String,
    /// The number it gets if the batch creates it.
    pub instance_no: i64,
    pub version: i64,
    pub created_ms: i64,
    pub may_create: bool,
    /// Its properties from now on, and those it had, where the batch changes them.
    pub properties: Option<(Properties, Properties)>,
    /// The number it has, where that is known beforehand.
    pub known_no: Option<i64>,
}

pub type Properties = BTreeMap<String, String>;

/// A score a batch sets (or clears, with `score` `None`).
#[derive(Debug, Clone)]
pub struct ScoreWrite {
    /// Its place in the batch's list of instances.
    pub instance: usize,
    pub kpi_no: i64,
    pub score: Option<f64>,
    /// `None`: keep the one there is, else now.
    pub timestamp_ms: Option<i64>,
    pub now_ms: i64,
    /// Cleared earlier in the same batch: nothing of an old score is kept.
    pub fresh: bool,
    pub comment: Option<String>,
    pub source: Option<String>,
}

/// The first answer to a request with an Idempotency-Key.
#[derive(Debug, Clone)]
pub struct IdempotencyWrite {
    pub key: String,
    pub request_hash: String,
    pub response: String,
    /// Kept only if this instance is one of the type after the batch; `None`: in any case.
    pub use_case_id: Option<String>,
}

/// What a batch of scores found before it wrote.
#[derive(Debug, Default)]
pub struct Before {
    /// By place in the list of instances.
    pub instances: BTreeMap<usize, OldInstance>,
    /// By place in the list of scores: `(score, timestamp_ms)`.
    pub scores: BTreeMap<usize, (f64, i64)>,
    /// All live scores of the instances whose properties change, by place in the list of instances:
    /// `(kpi_no, score, timestamp_ms)`.
    pub held: BTreeMap<usize, Vec<(i64, f64, i64)>>,
}

#[derive(Debug, Clone)]
pub struct OldInstance {
    pub type_no: i64,
    pub version: i64,
    pub created_ms: i64,
    pub live_scores: i64,
    /// Its tracked properties.
    pub pairs: Pairs,
}

/// A batch of scores, new instances and changed properties.
pub struct ScoreBatch<'a> {
    pub id: BatchId,
    pub application_no: i64,
    pub now_ms: i64,
    pub next_seq: i64,
    pub live_kpis: &'a [i64],
    pub tracked_keys: &'a [String],
    /// Properties not seen before.
    pub news: &'a [(String, String)],
    pub instances: &'a [InstanceWrite],
    pub scores: &'a [ScoreWrite],
    pub idempotency: &'a [IdempotencyWrite],
}

impl ScoreBatch<'_> {
    /// Writes all of it, or nothing, in one call; answers what was there before.
    pub async fn commit(&self, database: &Database) -> Result<Before, StorageError> {
        let (type_no, application) = (integer(self.id.type_no), integer(self.application_no));
        let instances = text(&self.instances_json());
        let scores = text(&self.scores_json());
        let live = text(&json_of(self.live_kpis));
        let changed = self.changed();
        let numbers: Vec<i64> = changed.iter().map(|(_, number)| *number).collect();
        let by_list = |list: &wasm_bindgen::JsValue| vec![list.clone(), application.clone(), type_no.clone()];
        let mut statements = vec![self.id.guard()];
        if self.instances.iter().any(|instance| instance.may_create) {
            statements.push(Statement::new(include_str!("sql/insert_instances.sql"), by_list(&instances)));
        }
        let found_at = statements.len() + 1;
        statements.extend([
            Statement::new(
                include_str!("sql/outbox.sql"),
                vec![
                    type_no.clone(),
                    integer(self.id.batch_no),
                    integer(self.now_ms),
                    integer(self.next_seq),
                    scores.clone(),
                    instances.clone(),
                    application.clone(),
                    text(&json_of(&numbers)),
                    text(&json_of(self.news)),
                ],
            ),
            Statement::new(
                include_str!("sql/old_instances.sql"),
                vec![
                    instances.clone(),
                    application.clone(),
                    live.clone(),
                    text(&json_of(self.tracked_keys)),
                    type_no.clone(),
                ],
            ),
            Statement::new(include_str!("sql/old_scores.sql"), by_list(&scores)),
        ]);
        let held = (!changed.is_empty()).then_some(statements.len());
        if held.is_some() {
            statements.push(Statement::new(
                include_str!("sql/held_scores.sql"),
                vec![text(&json_of(&changed)), type_no.clone(), live],
            ));
        }
        if self.scores.iter().any(|score| score.score.is_some()) {
            statements.push(Statement::new(include_str!("sql/upsert_scores.sql"), by_list(&scores)));
        }
        if self.scores.iter().any(|score| score.score.is_none()) {
            statements.push(Statement::new(include_str!("sql/clear_scores.sql"), by_list(&scores)));
        }
        statements.extend(property_statements(self.id.type_no, self.instances));
        if !self.idempotency.is_empty() {
            statements.push(remember(self.id.type_no, self.application_no, self.now_ms, self.idempotency));
        }
        let answers = database.batch(statements).await?;
        let (Some(old_instances), Some(old_scores)) = (answers.get(found_at), answers.get(found_at + 1))
        else {
            return Err(StorageError::Corrupt("a batch without its answers".to_owned()));
        };
        let mut before = read_before(old_instances, old_scores)?;
        if let Some(answer) = held.and_then(|at| answers.get(at)) {
            for (place, kpi_no, score, at) in answer.json::<Vec<(usize, i64, f64, i64)>>()? {
                before.held.entry(place).or_default().push((kpi_no, score, at));
            }
        }
        Ok(before)
    }

    /// Instances that exist and whose properties change: place and number.
    fn changed(&self) -> Vec<(usize, i64)> {
        let changes = |(place, instance): (usize, &InstanceWrite)| {
            instance.properties.as_ref()?;
            Some((place, instance.known_no?))
        };
        self.instances.iter().enumerate().filter_map(changes).collect()
    }

    fn instances_json(&self) -> String {
        let rows: Vec<_> = self
            .instances
            .iter()
            .map(|i| (&i.use_case_id, i.instance_no, i.version, i.created_ms, i32::from(i.may_create)))
            .collect();
        json_of(&rows)
    }

    fn scores_json(&self) -> String {
        let rows: Vec<_> = self
            .scores
            .iter()
            .filter_map(|s| {
                let instance = self.instances.get(s.instance)?;
                let set = i32::from(s.score.is_some());
                Some((
                    &instance.use_case_id,
                    s.kpi_no,
                    set,
                    s.score,
                    s.timestamp_ms,
                    s.now_ms,
                    i32::from(s.fresh),
                    &s.comment,
                    &s.source,
                    instance.instance_no,
                ))
            })
            .collect();
        json_of(&rows)
    }
}

/// Keeps the answers to requests with an Idempotency-Key: to be run at the end of a batch.
pub fn remember(type_no: i64, application_no: i64, now_ms: i64, answers: &[IdempotencyWrite]) -> Statement {
    let rows: Vec<_> = answers
        .iter()
        .map(|row| (&row.key, &row.request_hash, 200, &row.response, &row.use_case_id))
        .collect();
    Statement::new(
        include_str!("sql/insert_idempotency.sql"),
        vec![integer(application_no), text(&json_of(&rows)), integer(now_ms), integer(type_no)],
    )
}

fn read_before(instances: &Answer, scores: &Answer) -> Result<Before, StorageError> {
    let instances = instances.json::<Vec<(usize, i64, i64, i64, i64, Pairs)>>()?;
    let scores = scores.json::<Vec<(usize, f64, i64)>>()?;
    Ok(Before {
        instances: instances
            .into_iter()
            .map(|(place, type_no, version, created_ms, live_scores, pairs)| {
                (place, OldInstance { type_no, version, created_ms, live_scores, pairs })
            })
            .collect(),
        scores: scores.into_iter().map(|(place, score, at)| (place, (score, at))).collect(),
        held: BTreeMap::new(),
    })
}

/// New properties of instances, and the rows of their index that go and come.
fn property_statements(type_no: i64, instances: &[InstanceWrite]) -> Vec<Statement> {
    let (mut whole, mut gone, mut come) = (Vec::new(), Vec::new(), Vec::new());
    for instance in instances {
        let Some((new, old)) = &instance.properties else { continue };
        let number = instance.known_no.unwrap_or(instance.instance_no);
        whole.push((number, json_of(new)));
        let rows = |from: &Properties, other: &Properties| -> Vec<(i64, String, String)> {
            from.iter()
                .filter(|(key, value)| other.get(*key) != Some(*value))
                .map(|(key, value)| (number, key.clone(), value.clone()))
                .collect()
        };
        gone.extend(rows(old, new));
        come.extend(rows(new, old));
    }
    let statement = |sql, list: String| Statement::new(sql, vec![text(&list), integer(type_no)]);
    let mut statements = Vec::new();
    if !whole.is_empty() {
        statements.push(statement(include_str!("sql/set_properties.sql"), json_of(&whole)));
    }
    if !gone.is_empty() {
        statements.push(statement(include_str!("sql/unindex_properties.sql"), json_of(&gone)));
    }
    if !come.is_empty() {
        statements.push(statement(include_str!("sql/index_properties.sql"), json_of(&come)));
    }
    statements
}

/// What some commands must know before their batch is put together.
#[derive(Debug, Default)]
pub struct Known {
    pub instances: BTreeMap<String, KnownInstance>,
    /// Scores by `(use_case_id, kpi_no)`.
    pub scores: BTreeMap<(String, i64), f64>,
    /// `(request_hash, response)` by key.
    pub idempotency: BTreeMap<String, (String, String)>,
}

#[derive(Debug, Clone)]
pub struct KnownInstance {
    pub type_no: i64,
    pub instance_no: i64,
    pub version: i64,
    pub created_ms: i64,
    pub properties: Properties,
}

/// Looks up instances, scores and idempotency keys (none older than `keys_after_ms`) in one call.
pub async fn look_up(
    database: &Database,
    type_no: i64,
    application_no: i64,
    ids: &[&str],
    pairs: &[(&str, i64)],
    keys: &[&str],
    keys_after_ms: i64,
) -> Result<Known, StorageError> {
    let application = integer(application_no);
    let answers = database
        .batch(vec![
            Statement::new(
                include_str!("sql/known_instances.sql"),
                vec![text(&json_of(ids)), application.clone()],
            ),
            Statement::new(
                include_str!("sql/known_scores.sql"),
                vec![text(&json_of(pairs)), application.clone(), integer(type_no)],
            ),
            Statement::new(
                include_str!("sql/known_idempotency.sql"),
                vec![text(&json_of(keys)), application, integer(keys_after_ms)],
            ),
        ])
        .await?;
    let [instances, scores, keys] = answers.as_slice() else {
        return Err(StorageError::Corrupt("a batch of three without three answers".to_owned()));
    };
    let mut known = Known::default();
    for (id, type_no, instance_no, version, created_ms, properties) in
        instances.json::<Vec<(String, i64, i64, i64, i64, String)>>()?
    {
        let properties = parse_properties(&properties)?;
        known.instances.insert(id, KnownInstance { type_no, instance_no, version, created_ms, properties });
    }
    for (id, kpi_no, score) in scores.json::<Vec<(String, i64, f64)>>()? {
        known.scores.insert((id, kpi_no), score);
    }
    for (key, request_hash, response) in keys.json::<Vec<(String, String, String)>>()? {
        known.idempotency.insert(key, (request_hash, response));
    }
    Ok(known)
}

/// Frees ids that only instances of deleted types still hold, not purged yet. Answers how many it freed.
pub async fn release_ids(
    database: &Database,
    application_no: i64,
    ids: &[&str],
) -> Result<usize, StorageError> {
    let answer = database
        .run(Statement::new(
            include_str!("sql/release_ids.sql"),
            vec![text(&json_of(ids)), integer(application_no)],
        ))
        .await?;
    Ok(answer.changes())
}

pub fn parse_properties(text: &str) -> Result<Properties, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::Corrupt(error.to_string()))
}

/// JSON of something that always has one (no maps with keys other than text, no foreign types).
pub fn json_of<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_format_unchanged() {
        let json = r#"{"cells":[[3,null,7],[3,7,null]],"creations":[5],"kpis":[1],"removed_kpis":[2],"pairs":[["model","a"]]}"#;
        let touched = Touched {
            cells: vec![(3, None, Some(7)), (3, Some(7), None)],
            creations: vec![5],
            kpis: vec![1],
            removed_kpis: vec![2],
            pairs: vec![("model".into(), "a".into())],
        };
        assert_eq!(touched.to_json(), json);
        assert_eq!(serde_json::from_str::<Touched>(json).unwrap(), touched);
        assert_eq!(serde_json::from_str::<Touched>("{}").unwrap(), Touched::default());
    }
}
