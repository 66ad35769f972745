//! What the doors lead to: one object of each kind, and requests that name them.

use serde_json::{Value, json};

use super::Route;
use crate::support::{App, encode, unique};

/// One of everything that a path can name.
#[derive(Debug, Clone)]
pub struct Objects {
    pub use_case_name: String,
    pub use_case_id: String,
    pub kpi: String,
    pub key_id: String,
    pub event_id: String,
    pub application_id: String,
    /// To sign in with; no name.
    pub api_key: String,
}

impl Objects {
    /// Objects that exist, in `owner`'s application; the application is one that the root key has made beside it.
    pub fn make(owner: &App) -> Self {
        let mut objects = Self { api_key: owner.key.clone(), ..Self::invent() };
        for parameter in ["use_case_name", "use_case_id", "event_id", "key_id", "application_id"] {
            objects.make_one(owner, parameter);
        }
        objects
    }

    /// The same objects with a new one in the place of that which the path ends with.
    pub fn with_new_last(&self, owner: &App, pattern: &str) -> Self {
        let (place, last) = pattern.rsplit_once('/').unwrap();
        let mut objects = self.clone();
        match last.trim_matches(['{', '}']) {
            // A score: there or not, it can be cleared.
            "kpi" if place.contains("instances") => {}
            "use_case_name" => objects = Self { use_case_name: unique("Type"), ..objects },
            "use_case_id" => objects = Self { use_case_id: unique("instance"), ..objects },
            "kpi" => objects = Self { kpi: unique("Kpi"), ..objects },
            _ => {}
        }
        if last.starts_with('{') {
            objects.make_one(owner, last.trim_matches(['{', '}']));
        }
        objects
    }

    fn make_one(&mut self, owner: &App, parameter: &str) {
        let Self { use_case_name, use_case_id, kpi, .. } = &*self;
        let text = |made: &Value, name: &str| made[name].as_str().unwrap().to_owned();
        match parameter {
            "use_case_name" | "kpi" => {
                owner.define(use_case_name, kpi, "number", 10.0);
            }
            "use_case_id" => {
                let score = json!({"score": 5, "timestamp": "2026-11-01T10:00:00Z"});
                assert_eq!(owner.score(use_case_name, use_case_id, kpi, &score).status, 204);
            }
            "event_id" => {
                let event = json!({"at": "2026-11-02T00:00:00Z", "title": "a change"});
                let path = format!("/api/v1/use_cases/definitions/{use_case_name}/events");
                self.event_id = text(&owner.post(&path, &event).ok(), "event_id");
            }
            "key_id" => {
                let key = owner.post("/api/v1/keys", &json!({"role": "read", "name": "of an object"})).ok();
                self.key_id = text(&key, "key_id");
            }
            "application_id" => self.application_id = owner.service.application().id,
            other => panic!("how is one of {other} made?"),
        }
    }

    /// Objects that nobody has made.
    pub fn invent() -> Self {
        let id = |prefix: &str| format!("{prefix}_{:032x}", rand::random::<u128>());
        Self {
            use_case_name: unique("Type"),
            use_case_id: unique("instance"),
            kpi: unique("Kpi"),
            key_id: id("key"),
            event_id: id("evt"),
            application_id: unique("app"),
            api_key: format!("ekpi_{:064x}", rand::random::<u128>()),
        }
    }

    /// Their names, with what each is.
    pub fn names(&self) -> [(&'static str, &str); 6] {
        [
            ("use_case_name", &self.use_case_name),
            ("use_case_id", &self.use_case_id),
            ("kpi", &self.kpi),
            ("key_id", &self.key_id),
            ("event_id", &self.event_id),
            ("application_id", &self.application_id),
        ]
    }
}

pub struct Asked {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
}

/// A request to a route that succeeds for whoever may make it.
pub fn request((method, pattern): Route, objects: &Objects) -> Asked {
    let mut path = match pattern {
        "/docs/**" => "/docs/docs.js".to_owned(),
        "/portal/**" => "/portal/icon.svg".to_owned(),
        _ => pattern.replace("/**", "/anything"),
    };
    for (name, value) in objects.names() {
        path = path.replace(&format!("{{{name}}}"), &encode(value));
    }
    assert!(!path.contains('{'), "what stands for the parameter in {pattern}?");
    let name = &objects.use_case_name;
    path += &match pattern {
        "/api/v1/admin/reconcile" | "/api/v1/admin/rebuild" => format!("?use_case_name={name}"),
        "/api/v1/dashboard/{use_case_name}/compare" => "?by=version&baseline=1&candidate=1".to_owned(),
        "/api/v1/dashboard/{use_case_name}/breakdown" => "?by=version".to_owned(),
        _ => String::new(),
    };
    let method = if method == "*" { "POST" } else { method };
    let body = matches!(method, "POST" | "PUT").then(|| body(method, pattern, objects));
    Asked { method, path, body }
}

fn body(method: &str, pattern: &str, objects: &Objects) -> Value {
    let place = pattern.rsplit('/').next().unwrap_or_default();
    match (method, place) {
        ("POST", "applications") => json!({"application_id": unique("app")}),
        ("POST", "keys") => json!({"role": "read"}),
        ("POST", "session") => json!({"api_key": objects.api_key}),
        ("POST", "definitions") => json!({"name": objects.use_case_name, "description": "d"}),
        ("POST", "events") => json!({"at": "2026-11-03T00:00:00Z", "title": "another change"}),
        ("POST", "kpis") => json!({"name": objects.kpi, "kpi_type": "number", "goal": 10}),
        ("POST", "increment") => json!({"by": 1}),
        ("POST", "scores") => {
            json!({"scores": [{"use_case_id": objects.use_case_id, "kpi_name": objects.kpi, "score": 5}]})
        }
        (_, "properties") => json!({"properties": {"model": "m-1"}}),
        ("PUT", "{use_case_name}") => json!({"description": "d"}),
        ("PUT", "{kpi}") if pattern.contains("definitions") => json!({"description": "d"}),
        (_, "{kpi}") => json!({"score": 5}),
        _ => json!({}),
    }
}
