//! Who may do what, in the words of the contract: "`read` (every GET but keys); `ingest` (reads definitions, instances and scores,
//! writes instances, properties and scores; no dashboards, no exports); `editor` (both, and definitions, KPIs, events); `admin`
//! (everything, keys and administration)". Applications are the root key's. Written down from there, not from the code: a new
//! route must find its place here.

use std::ops::RangeInclusive;

use super::Route;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    NoKey,
    UnknownKey,
    RevokedKey,
    ExpiredKey,
    Read,
    Ingest,
    Editor,
    Admin,
    /// Admin of another application.
    Stranger,
    /// `ROOT_API_KEY`: admin of the application `default`, so a stranger in this one; and master of applications.
    Root,
}

use Kind::{Admin, Editor, ExpiredKey, Ingest, NoKey, Read, RevokedKey, Root, Stranger, UnknownKey};

pub const KINDS: [Kind; 10] =
    [NoKey, UnknownKey, RevokedKey, ExpiredKey, Read, Ingest, Editor, Admin, Stranger, Root];

const EVERYBODY: &[Kind] = &KINDS;
const WITH_A_KEY: &[Kind] = &[Read, Ingest, Editor, Admin, Stranger, Root];
const DASHBOARDS: &[Kind] = &[Read, Editor, Admin, Stranger, Root];
const WRITERS: &[Kind] = &[Ingest, Editor, Admin, Stranger, Root];
const EDITORS: &[Kind] = &[Editor, Admin, Stranger, Root];
const ADMINS: &[Kind] = &[Admin, Stranger, Root];
const ROOT: &[Kind] = &[Root];

#[rustfmt::skip]
const TABLE: &[(&str, &str, &[Kind])] = &[
    ("GET", "/health", EVERYBODY),
    ("GET", "/openapi.json", EVERYBODY),
    ("GET", "/docs/**", EVERYBODY),
    ("GET", "/", EVERYBODY),
    ("GET", "/keys", EVERYBODY),
    ("GET", "/use-cases/**", EVERYBODY),
    ("GET", "/portal/**", EVERYBODY),

    // Whose key it is, the body says.
    ("POST", "/api/v1/session", EVERYBODY),
    ("GET", "/api/v1/session", WITH_A_KEY),
    ("DELETE", "/api/v1/session", EVERYBODY),

    ("POST", "/api/v1/applications", ROOT),
    ("GET", "/api/v1/applications", ROOT),
    ("DELETE", "/api/v1/applications/{application_id}", ROOT),
    ("POST", "/api/v1/keys", ADMINS),
    ("GET", "/api/v1/keys", ADMINS),
    ("DELETE", "/api/v1/keys/{key_id}", ADMINS),
    ("POST", "/api/v1/admin/reconcile", ADMINS),
    ("POST", "/api/v1/admin/rebuild", ADMINS),

    ("POST", "/api/v1/use_cases/definitions", EDITORS),
    ("GET", "/api/v1/use_cases/definitions", WITH_A_KEY),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}", WITH_A_KEY),
    ("PUT", "/api/v1/use_cases/definitions/{use_case_name}", EDITORS),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}", EDITORS),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/increment_version", EDITORS),
    ("*", "/api/v1/use_cases/definitions/{use_case_name}/limit_config", WITH_A_KEY),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/kpis", EDITORS),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/kpis", WITH_A_KEY),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", WITH_A_KEY),
    ("PUT", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", EDITORS),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", EDITORS),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/instances", WITH_A_KEY),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/scores", WRITERS),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/scores", DASHBOARDS),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/events", EDITORS),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/events", WITH_A_KEY),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}/events/{event_id}", EDITORS),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/properties", WITH_A_KEY),

    ("GET", "/api/v1/use_cases/instances/{use_case_id}/kpis", WITH_A_KEY),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", WRITERS),
    ("PUT", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", WRITERS),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", WRITERS),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}/increment", WRITERS),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/properties", WRITERS),
    ("PUT", "/api/v1/use_cases/instances/{use_case_id}/properties", WRITERS),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}", WRITERS),
    ("GET", "/api/v1/use_cases/instances/{use_case_id}", WITH_A_KEY),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_id}", WRITERS),
    ("GET", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}", WITH_A_KEY),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}", WRITERS),
    ("GET", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis", WITH_A_KEY),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", WRITERS),
    ("PUT", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", WRITERS),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", WRITERS),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}/increment", WRITERS),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/properties", WRITERS),
    ("PUT", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/properties", WRITERS),

    ("GET", "/api/v1/dashboard", DASHBOARDS),
    ("GET", "/api/v1/dashboard/{use_case_name}", DASHBOARDS),
    ("GET", "/api/v1/dashboard/{use_case_name}/compare", DASHBOARDS),
    ("GET", "/api/v1/dashboard/{use_case_name}/breakdown", DASHBOARDS),
    ("GET", "/api/v1/dashboard/{use_case_name}/regressions", DASHBOARDS),

    ("*", "/api/v1/ingest/**", WITH_A_KEY),
    ("*", "/api/v1/limits/**", WITH_A_KEY),
    ("*", "/api/v1/categories/**", WITH_A_KEY),
    ("*", "/api/v1/requests/**", WITH_A_KEY),
    ("*", "/api/v1/experiences/**", WITH_A_KEY),
];

impl Kind {
    pub fn has_valid_key(self) -> bool {
        !matches!(self, NoKey | UnknownKey | RevokedKey | ExpiredKey)
    }

    /// Whether the route would have to do with another application than the caller's own.
    pub fn is_elsewhere(self, route: Route) -> bool {
        matches!(self, Stranger | Root) && callers(route) != EVERYBODY && callers(route) != ROOT
    }
}

/// Whether the door is open, if only to somebody's own application.
pub fn may(route: Route, kind: Kind) -> bool {
    callers(route).contains(&kind)
}

/// What a caller gets who may.
pub fn success((_, path): Route) -> RangeInclusive<u16> {
    let is_supported =
        !path.starts_with("/api/") || !(path.ends_with("/limit_config") || path.ends_with("/**"));
    if !is_supported { 501..=501 } else { 200..=204 }
}

/// Each route has its line, and each line its route.
pub fn check_table(routes: &[Route]) {
    for route in routes {
        callers(*route);
    }
    for (method, path, _) in TABLE {
        assert!(
            routes.contains(&(method, path)),
            "there is no route {method} {path}: take it out of the table"
        );
    }
}

fn callers((method, path): Route) -> &'static [Kind] {
    let found = TABLE.iter().find(|line| (line.0, line.1) == (method, path));
    found.unwrap_or_else(|| panic!("who may use {method} {path}? The table of the doors does not say")).2
}
