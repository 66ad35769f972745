//! The Durable Object class. It is called by RPC, through the JavaScript class in `entry/index.js`; `fetch` is not used.

use std::rc::Rc;

use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::cells::CellStore;
use super::core::Core;
use super::protocol::{Call, encode_reply};
use super::trouble::unavailable;
use crate::storage::Database;

#[durable_object]
pub struct Aggregator {
    core: Rc<Core>,
}

impl DurableObject for Aggregator {
    fn new(state: State, env: Env) -> Self {
        Self { core: Rc::new(Core::new(CellStore::new(state.storage()), Database::new(&env))) }
    }

    async fn fetch(&self, _: Request) -> worker::Result<Response> {
        Response::error("called by RPC only", 404)
    }
}

#[wasm_bindgen]
impl Aggregator {
    /// Carries out a `Call`, given and answered as text (see `protocol`).
    #[wasm_bindgen(js_name = call)]
    pub fn call(&self, text: String) -> Promise {
        let core = Rc::clone(&self.core);
        wasm_bindgen_futures::future_to_promise(async move {
            let reply = match serde_json::from_str::<Call>(&text) {
                Ok(call) => core.call(call).await,
                // While a new version is rolled out, the Worker may be newer than the object, for a while.
                Err(error) => {
                    // Not in serde's words, which may quote the caller's.
                    worker::console_error!(
                        "{}",
                        serde_json::json!({"level": "error", "event": "call_not_understood", "column": error.column()})
                    );
                    Err(unavailable())
                }
            };
            Ok(JsValue::from_str(&encode_reply(&reply)))
        })
    }
}
