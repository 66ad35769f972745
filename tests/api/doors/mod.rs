//! Every route × everybody who can knock, and what belongs to another application.

mod expected;
pub mod objects;
mod strangers;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_kpi::api::routes::ROUTES;
use edge_kpi::domain::calendar::{format_timestamp, parse_timestamp};
use serde_json::json;

use crate::app;
use crate::rows::Rows;
use crate::support::{App, Reply};
use expected::{KINDS, Kind, may, success};
use objects::{Objects, request};

/// Method and path.
type Route = (&'static str, &'static str);

/// Threads that knock at once.
const THREADS: usize = 4;

/// Everybody who can knock: a client each.
struct Callers {
    owner: App,
    by_kind: BTreeMap<Kind, App>,
}

impl Callers {
    fn new() -> Self {
        let owner = app();
        let mut by_kind: BTreeMap<Kind, App> =
            [("read", Kind::Read), ("ingest", Kind::Ingest), ("editor", Kind::Editor)]
                .into_iter()
                .chain([("admin", Kind::Admin)])
                .map(|(name, kind)| (kind, owner.with_role(name)))
                .collect();
        by_kind.insert(Kind::NoKey, owner.with_key(""));
        by_kind.insert(Kind::UnknownKey, owner.with_key(&format!("ekpi_{}", "0123456789abcdef".repeat(4))));
        by_kind.insert(Kind::RevokedKey, revoked(&owner));
        by_kind.insert(Kind::ExpiredKey, expired(&owner));
        by_kind.insert(Kind::Stranger, app());
        by_kind.insert(Kind::Root, owner.service.root());
        Self { owner, by_kind }
    }
}

/// A client with a new key, and the key's id.
fn key_of(owner: &App, wanted: &serde_json::Value) -> (App, String) {
    let made = owner.post("/api/v1/keys", wanted).ok();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (owner.with_key(&text("api_key")), text("key_id"))
}

/// It worked until it was revoked; the isolate that revoked it forgets it at once.
fn revoked(owner: &App) -> App {
    let (client, key_id) = key_of(owner, &json!({"role": "admin"}));
    client.get("/api/v1/keys").ok();
    owner.delete(&format!("/api/v1/keys/{key_id}")).ok();
    client
}

/// It worked until its time came. The clock is the service's.
fn expired(owner: &App) -> App {
    let made = owner.post("/api/v1/keys", &json!({"role": "read"})).ok();
    let now_ms = parse_timestamp(made["created_timestamp"].as_str().unwrap()).unwrap();
    // Long enough for a busy machine to make the key and use it.
    let expires = format_timestamp(now_ms + 5_000);
    let (client, _) = key_of(owner, &json!({"role": "admin", "expires_timestamp": expires}));
    client.get("/api/v1/keys").ok();
    let is_over = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        client.get("/api/v1/keys").status != 200
    });
    assert!(is_over, "a key works on after {expires}");
    client
}

#[test]
fn every_door_opens_for_those_who_may_and_for_nobody_else() {
    let callers = Callers::new();
    let shared = Objects::make(&callers.owner);
    let rows = Rows::of(&callers.owner);
    let before = rows.now();
    let routes: Vec<Route> = ROUTES.iter().map(|route| (route.0, route.1)).collect();
    expected::check_table(&routes);

    // Nobody who is refused changes anything, nor does anybody from elsewhere.
    let refused = each_cell(
        &routes,
        |route, kind| !may(route, kind),
        |route, kind| {
            check_refused(route, kind, &send(&callers.by_kind[&kind], route, &shared));
        },
    );
    let elsewhere = strangers::check(&routes, &callers, &shared);
    rows.assert_still(&before, "somebody who may not");

    let allowed = each_cell(
        &routes,
        |route, kind| may(route, kind) && !kind.is_elsewhere(route),
        |route, kind| {
            // What is to be deleted must be there.
            let fresh = (route.0 == "DELETE").then(|| shared.with_new_last(&callers.owner, route.1));
            let reply = send(&callers.by_kind[&kind], route, fresh.as_ref().unwrap_or(&shared));
            assert!(
                success(route).contains(&reply.status),
                "{kind:?} {route:?}: {} {}",
                reply.status,
                reply.text
            );
        },
    );
    let cells = refused + elsewhere + allowed;
    // Past the capture of the test's output: this is a figure to be seen.
    let shown = format!(
        "doors: {cells} cells ({} routes × {} callers): {allowed} open, {refused} shut, {elsewhere} as if nothing were there\n",
        routes.len(),
        KINDS.len()
    );
    std::io::stderr().write_all(shown.as_bytes()).unwrap();
    assert_eq!(cells, routes.len() * KINDS.len());
}

/// Does `check` for every cell that `wanted` picks; answers how many.
fn each_cell(
    routes: &[Route],
    wanted: impl Fn(Route, Kind) -> bool,
    check: impl Fn(Route, Kind) + Sync,
) -> usize {
    let cells: Vec<(Route, Kind)> = routes
        .iter()
        .flat_map(|route| KINDS.iter().map(|kind| (*route, *kind)))
        .filter(|(route, kind)| wanted(*route, *kind))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((route, kind)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(*route, *kind);
                }
            });
        }
    });
    cells.len()
}

fn check_refused((method, path): Route, kind: Kind, reply: &Reply) {
    let (status, code) = if kind.has_valid_key() { (403, "forbidden") } else { (401, "invalid_api_key") };
    let found = (reply.status, reply.body["xproxy_error"]["code"].as_str());
    assert_eq!(found, (status, Some(code)), "{kind:?} {method} {path}: {}", reply.text);
    reply.refused(status, code, "");
}

fn send(client: &App, route: Route, objects: &Objects) -> Reply {
    let asked = request(route, objects);
    client.send(asked.method, &asked.path, asked.body.map(|body| body.to_string()), &[])
}
