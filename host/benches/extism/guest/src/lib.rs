//! The handler that tests/guests/misbehave is when it is told `ok`, as a plugin of extism: event and delivery come as JSON.

use extism_pdk::{FnResult, Json, WithReturnCode, plugin_fn};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the daemon's handler gets too.
#[derive(Deserialize)]
#[expect(dead_code, reason = "both handlers read all of it and need only the detail")]
struct Call {
    event: Event,
    delivery: Delivery,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Event {
    sequence: u64,
    id: String,
    source: String,
    detail_type: String,
    time: String,
    account: String,
    region: String,
    resources: Vec<String>,
    detail: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Delivery {
    id: String,
    rule: String,
    target: String,
    attempt: u32,
    idempotency_key: String,
    input: Option<String>,
}

/// Handles an event whose detail says `{"do": "ok"}`.
#[plugin_fn]
pub fn handle(Json(call): Json<Call>) -> FnResult<()> {
    let members: Map<String, Value> = serde_json::from_str(&call.event.detail)?;
    match members.get("do").and_then(Value::as_str) {
        Some("ok") => Ok(()),
        _ => Err(WithReturnCode::new(extism_pdk::Error::msg("the detail must say `ok`"), 1)),
    }
}
