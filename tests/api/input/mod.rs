//! Input that can't be: each piece is refused with a precise 4xx, nothing is written, nothing hangs. What is refused must leave
//! the application's rows in D1 as they were, to the last one.

mod bodies;
mod fields;
mod parameters;
mod paths;
mod raw;

use std::collections::BTreeSet;

use serde_json::json;

use crate::app;
use crate::doors::objects::Objects;
use crate::rows::Rows;
use crate::support::{App, Reply};

/// An application with something of everything in it, and what its rows are.
struct Fixture {
    app: App,
    objects: Objects,
    rows: Rows,
    before: BTreeSet<String>,
}

/// What is sent, and what must come back.
struct Case<'c> {
    method: &'c str,
    path: &'c str,
    body: &'c [u8],
    headers: &'c [(&'c str, &'c str)],
    status: u16,
    code: &'c str,
    says: &'c str,
}

impl Case<'_> {
    const JSON: &'static [(&'static str, &'static str)] = &[("content-type", "application/json")];
}

impl Fixture {
    fn new() -> Self {
        let app = app();
        let objects = Objects::make(&app);
        let Objects { use_case_name, use_case_id, .. } = &objects;
        app.define(use_case_name, "Solved", "boolean", 0.5);
        app.define(use_case_name, "Mood", "likert5", 3.0);
        app.score(use_case_name, use_case_id, "Mood", &json!({"score": 4, "comment": "c", "source": "s"}))
            .ok();
        let properties = json!({"properties": {"model": "m-1"}});
        app.put(
            &format!("/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/properties"),
            &properties,
        )
        .ok();
        let rows = Rows::of(&app);
        let before = rows.now();
        assert!(before.len() > 10, "{before:?}");
        Self { app, objects, rows, before }
    }

    fn send(&self, method: &str, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Reply {
        raw::send(&self.app, method, path, raw::Body::Whole(body), headers)
    }

    /// Sends what must be refused, and checks that nothing has changed.
    fn refuses(&self, case: &Case) {
        let Case { method, path, body, headers, status, code, says } = case;
        let reply = self.send(method, path, body, headers);
        let start: String = String::from_utf8_lossy(body).chars().take(200).collect();
        let what = format!("{method} {path} {headers:?} {start}");
        let found = (reply.status, reply.body["xproxy_error"]["code"].as_str());
        assert_eq!(found, (*status, Some(*code)), "{what}: {}", reply.text);
        reply.refused(*status, code, says);
        assert!(reply.text.len() < 3000, "{what}: {} bytes of an answer", reply.text.len());
        self.is_unchanged(&what);
    }

    fn is_unchanged(&self, what: &str) {
        self.rows.assert_still(&self.before, what);
    }

    /// The path of the use case, of the instance under it, and of that without the use case.
    fn paths(&self) -> (String, String, String) {
        let Objects { use_case_name, use_case_id, .. } = &self.objects;
        (
            format!("/api/v1/use_cases/definitions/{use_case_name}"),
            format!("/api/v1/use_cases/instances/{use_case_name}/{use_case_id}"),
            format!("/api/v1/use_cases/instances/{use_case_id}"),
        )
    }
}
