//! The Worker's side: calling a type's object, with a time limit.

use std::time::Duration;

use futures_util::future::{Either, select};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;
use worker::{Delay, Env};

use super::protocol::{Call, Reply, decode_reply};
use super::trouble::unavailable;
use crate::config::AGGREGATOR_BINDING;
use crate::storage::writer::json_of;

/// A caller waits this long. The work goes on behind it: whatever it was, it is done once or not at all.
const CALL_MAX: Duration = Duration::from_secs(15);

#[wasm_bindgen]
extern "C" {
    type AggregatorRpc;

    #[wasm_bindgen(method, catch)]
    fn call(this: &AggregatorRpc, call: &str) -> Result<Promise, JsValue>;
}

/// Carries a command out in the object that owns the type.
pub async fn call(env: &Env, call: &Call) -> Reply {
    match attempt(env, call).await {
        Ok(text) => decode_reply(&text),
        Err(cause) => {
            worker::console_error!(
                "{}",
                serde_json::json!({"level": "error", "event": "object_call_failed",
                    "request_id": call.request_id, "type_no": call.address.type_no, "cause": cause})
            );
            Err(unavailable())
        }
    }
}

async fn attempt(env: &Env, call: &Call) -> Result<String, String> {
    let describe = |error: worker::Error| error.to_string();
    let namespace = env.durable_object(AGGREGATOR_BINDING).map_err(describe)?;
    let stub = namespace.get_by_name(&call.address.object_name).map_err(describe)?;
    let promise = stub
        .into_rpc::<AggregatorRpc>()
        .call(&json_of(call))
        .map_err(|error| format!("{error:?}"))?
        .unchecked_into::<Promise>();
    let answer = wasm_bindgen_futures::JsFuture::from(promise);
    match select(answer, Delay::from(CALL_MAX)).await {
        Either::Left((answer, _)) => answer
            .map_err(|error| format!("{error:?}"))?
            .as_string()
            .ok_or_else(|| "an answer that is no text".to_owned()),
        Either::Right(_) => Err("no answer in time".to_owned()),
    }
}
