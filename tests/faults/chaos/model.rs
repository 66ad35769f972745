//! What must be in the service, by what it acknowledged. A request without an answer (or with a 503) may have taken effect or not:
//! then an instance may be in any of several states, until a later answer says which.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The KPIs that writers write, their types, and what of each they write.
pub const KPIS: [(&str, &str); 3] = [("Mood", "likert5"), ("Value", "number"), ("Solved", "boolean")];
/// Of fresh instances only, so that a dashboard's count can be held against the acknowledgements while writes go on.
pub const TICK: usize = KPIS.len();
pub const TICK_NAME: &str = "Tick";

pub fn kpi_name(kpi: usize) -> &'static str {
    KPIS.get(kpi).map_or(TICK_NAME, |(name, _)| name)
}

/// A timestamp in milliseconds: as the client gave it, or when its request was under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    Exactly(i64),
    Between(i64, i64),
}

impl When {
    fn admits(self, ms: i64) -> bool {
        // The service's clock stands still between two I/O operations.
        const SLACK_MS: i64 = 1_000;
        match self {
            Self::Exactly(exact) => exact == ms,
            Self::Between(from, to) => (from - SLACK_MS..=to + SLACK_MS).contains(&ms),
        }
    }
}

/// An instance that exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// `None`: whatever version was the latest.
    pub version: Option<i64>,
    pub properties: BTreeMap<String, String>,
    /// By KPI: score, timestamp, comment.
    pub scores: BTreeMap<usize, (f64, When, Option<String>)>,
}

/// What a request asks of one instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Score { kpi: usize, score: f64, at_ms: Option<i64>, comment: Option<String>, version: Option<i64> },
    Clear { kpi: usize },
    Properties(Vec<(String, Option<String>)>),
    Create { version: Option<i64>, properties: Vec<(String, Option<String>)> },
    Delete,
}

impl Change {
    /// The state after it; `None` in, where there is no instance. `under_way`: from sending to answer, in milliseconds.
    fn apply(&self, state: &Option<State>, under_way: (i64, i64)) -> Option<State> {
        let mut state = match (self, state) {
            (Self::Delete, _) | (Self::Clear { .. }, None) => return None,
            (Self::Create { .. }, Some(_)) => return state.clone(),
            (Self::Score { version, .. } | Self::Create { version, .. }, None) => {
                State { version: *version, ..State::default() }
            }
            (_, state) => state.clone().unwrap_or_default(),
        };
        match self {
            Self::Score { kpi, score, at_ms, comment, .. } => {
                let kept = state.scores.get(kpi).map(|(_, at, _)| *at);
                let now = When::Between(under_way.0, under_way.1);
                let at = at_ms.map(When::Exactly).or(kept).unwrap_or(now);
                state.scores.insert(*kpi, (*score, at, comment.clone()));
            }
            Self::Clear { kpi } => {
                state.scores.remove(kpi);
            }
            Self::Properties(properties) | Self::Create { properties, .. } => {
                for (key, value) in properties {
                    match value {
                        Some(value) => state.properties.insert(key.clone(), value.clone()),
                        None => state.properties.remove(key),
                    };
                }
            }
            Self::Delete => {}
        }
        Some(state)
    }
}

/// What a request came to, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Done,
    /// 404: there was no such instance.
    Missing,
    Unknown,
}

/// The states that an instance may be in.
#[derive(Clone, Debug)]
pub struct Possible(Vec<Option<State>>);

impl Default for Possible {
    fn default() -> Self {
        Self(vec![None])
    }
}

impl Possible {
    /// Takes an answer in; an error where no possible state can have led to it.
    pub fn after(&mut self, change: &Change, outcome: Outcome, under_way: (i64, i64)) -> Result<(), String> {
        let changed = self.0.iter().map(|state| change.apply(state, under_way));
        let mut next: Vec<Option<State>> = match outcome {
            Outcome::Done => changed.collect(),
            Outcome::Unknown => changed.chain(self.0.iter().cloned()).collect(),
            Outcome::Missing => self.0.iter().filter(|state| state.is_none()).cloned().collect(),
        };
        if next.is_empty() {
            return Err(format!(
                "{change:?} was answered as if there were no instance, but there is: {self:?}"
            ));
        }
        let mut distinct: Vec<Option<State>> = Vec::new();
        while let Some(state) = next.pop() {
            if !distinct.contains(&state) {
                distinct.push(state);
            }
        }
        self.0 = distinct;
        Ok(())
    }

    pub fn certainly_exists(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    pub fn is_certain(&self) -> bool {
        self.0.len() == 1
    }

    /// Compares with what was found, and keeps only what agrees.
    pub fn settle(&mut self, found: Option<&Found>) -> Result<(), String> {
        let before = self.0.clone();
        self.0.retain(|state| match (state, found) {
            (None, None) => true,
            (Some(state), Some(found)) => found.is(state),
            _ => false,
        });
        if self.0.is_empty() { Err(format!("is {found:?}, may be {before:?}")) } else { Ok(()) }
    }

    /// Whether a score as the API shows it may be there.
    pub fn admits_score(&self, kpi: usize, shown: Option<f64>) -> bool {
        self.0.iter().any(|state| {
            let score = state.as_ref().and_then(|state| state.scores.get(&kpi)).map(|(score, ..)| *score);
            score == shown
        })
    }
}

/// An instance as it is in D1.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub version: i64,
    pub properties: BTreeMap<String, String>,
    pub scores: BTreeMap<usize, (f64, i64, Option<String>)>,
}

impl Found {
    fn is(&self, state: &State) -> bool {
        state.version.is_none_or(|version| version == self.version)
            && state.properties == self.properties
            && state.scores.len() == self.scores.len()
            && state.scores.iter().all(|(kpi, (score, at, comment))| {
                self.scores.get(kpi).is_some_and(|(found, found_at, found_comment)| {
                    found == score && at.admits(*found_at) && found_comment == comment
                })
            })
    }
}

/// A request for a change.
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

pub fn request(use_case: &str, instance: &str, change: &Change) -> Request {
    let path = format!("/api/v1/use_cases/instances/{use_case}/{instance}");
    let (method, path, body) = match change {
        Change::Score { kpi, .. } => {
            ("PUT", format!("{path}/kpis/{}", kpi_name(*kpi)), Some(score_fields(change)))
        }
        // Both ways of clearing.
        Change::Clear { kpi } if kpi % 2 == 0 => ("DELETE", format!("{path}/kpis/{}", kpi_name(*kpi)), None),
        Change::Clear { kpi } => {
            ("PUT", format!("{path}/kpis/{}", kpi_name(*kpi)), Some(json!({"score": null})))
        }
        Change::Properties(properties) => {
            ("PUT", format!("{path}/properties"), Some(json!({"properties": as_json(properties)})))
        }
        Change::Create { version, properties } => (
            "POST",
            format!("/api/v1/use_cases/instances/{use_case}"),
            Some(json!({"use_case_id": instance, "version": version, "properties": as_json(properties)})),
        ),
        Change::Delete => ("DELETE", path, None),
    };
    let version = match change {
        Change::Score { version, .. } => *version,
        _ => None,
    };
    let headers = version.map(|version| ("xProxy-UseCase-Version", version.to_string()));
    Request { method, path, body, headers: headers.into_iter().collect() }
}

/// The fields of a score; none for a change of another kind.
pub fn score_fields(change: &Change) -> Value {
    let Change::Score { score, at_ms, comment, .. } = change else { return json!({"score": null}) };
    let mut fields = json!({"score": score});
    if let Some(at_ms) = at_ms {
        fields["timestamp"] = json!(rfc3339(*at_ms));
    }
    if let Some(comment) = comment {
        fields["comment"] = json!(comment);
    }
    fields
}

fn as_json(properties: &[(String, Option<String>)]) -> Value {
    properties
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub fn rfc3339(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
