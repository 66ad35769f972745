//! Edge KPI: define KPIs for GenAI use cases, record scores, read dashboards. This file wires the platform's events to the
//! code; `docs/ARCHITECTURE.md` is the map.

pub mod aggregator;
pub mod api;
pub mod config;
pub mod domain;
pub mod schedule;
pub mod storage;

use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys, worker_sys};

/// Takes the requests of an isolate: see `entry/service.js`.
#[wasm_bindgen]
pub struct Gate;

#[wasm_bindgen]
#[allow(clippy::new_without_default)] // JavaScript makes it
impl Gate {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self
    }

    /// Resolves to the response.
    pub fn fetch(&self, request: web_sys::Request, env: Env, later: worker_sys::Context) -> Promise {
        wasm_bindgen_futures::future_to_promise(async move {
            let response = api::handle(request, &env, &Context::new(later)).await;
            Ok(response.map_or_else(failed, JsValue::from))
        })
    }
}

/// No response could be made of an answer.
fn failed(error: worker::Error) -> JsValue {
    worker::console_error!(
        "{}",
        serde_json::json!({"level": "error", "event": "request_failed", "cause": error.to_string()})
    );
    let init = web_sys::ResponseInit::new();
    init.set_status(500);
    web_sys::Response::new_with_opt_str_and_init(None, &init).map_or_else(|error| error, JsValue::from)
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    #[allow(clippy::cast_possible_truncation)] // milliseconds since the epoch
    let scheduled_ms = event.schedule() as i64;
    schedule::run(&env, &event.cron(), scheduled_ms).await;
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::path::Path;

    /// `domain ← storage ← aggregator ← api, schedule`: no module speaks of one to its right.
    #[test]
    fn dependencies_point_one_way() {
        let forbidden: &[(&str, &[&str])] = &[
            ("domain", &["crate::storage", "crate::aggregator", "crate::api", "crate::schedule", "worker::"]),
            ("storage", &["crate::aggregator", "crate::api", "crate::schedule"]),
            ("aggregator", &["crate::api", "crate::schedule"]),
            ("api", &["crate::schedule"]),
        ];
        let mut checked = 0;
        for (module, others) in forbidden {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for other in *others {
                        assert!(!text.contains(other), "{} speaks of {other}", path.display());
                    }
                    checked += 1;
                }
            }
        }
        assert!(checked > 25, "only {checked} files");
    }
}
