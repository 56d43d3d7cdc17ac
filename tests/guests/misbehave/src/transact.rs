//! A handler of many steps that tells what it saw, so that others can say whether it was alone.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::events::{self, NewEvent};
use crate::bindings::trialbridge::plugin::trials::Change;
use crate::bindings::trialbridge::plugin::{kv, trials};
use crate::order::{Order, give_up};
use crate::request;

/// What it reads and writes.
const BUCKET: &str = "shared";

/// Takes the steps: `["get", key]`, `["set", key]`, `["delete", key]`, `["list", prefix]`, `["keys", prefix]`, `["any", prefix]`, `["trial", id]`,
/// `["move", id, status]`, `["trials", status]`, `["later", key]`, which emits an event in an hour and keeps its id, `["cancel", key]`, `["insist", key]`, which
/// panics if it cannot cancel, and `["ask", url]`, a request. What is set is the order's `id`.
pub(crate) fn transact(order: &Order) -> Result<(), Failure> {
    let id = order.text("id", "some");
    let mut told = Vec::new();
    for step in order.steps() {
        thread::sleep(Duration::from_millis(order.millis()));
        let word = |place: usize| step[place].as_str().unwrap_or_default();
        let seen = match word(0) {
            "ask" => json!(request::send(order, word(1)).is_ok()),
            what => take(what, word(1), word(2), id)?,
        };
        told.push(json!([step, seen]));
    }
    events::emit(&event("Transacted", &json!({ "id": id, "told": told }))).map_err(give_up)
}

fn event(detail_type: &str, detail: &Value) -> NewEvent {
    NewEvent {
        source: "misbehave".to_owned(),
        detail_type: detail_type.to_owned(),
        detail: detail.to_string(),
        resources: Vec::new(),
    }
}

fn take(what: &str, key: &str, status: &str, id: &str) -> Result<Value, Failure> {
    match what {
        "get" => {
            let value = kv::get(BUCKET, key).map_err(give_up)?;
            Ok(json!(value.map(|value| String::from_utf8_lossy(&value).into_owned())))
        }
        "set" => kv::set(BUCKET, key, id.as_bytes()).map_err(give_up).map(|()| Value::Null),
        "delete" => kv::delete(BUCKET, key).map_err(give_up).map(|()| Value::Null),
        "list" => {
            let entries = kv::list(BUCKET, key, None, 1000).map_err(give_up)?;
            let entries = entries.into_iter().map(|entry| (entry.key, String::from_utf8_lossy(&entry.value).into()));
            Ok(Value::Object(entries.collect()))
        }
        "keys" => Ok(json!(kv::keys(BUCKET, key, None, 1000).map_err(give_up)?)),
        "any" => {
            let entry = kv::any(BUCKET, key).map_err(give_up)?;
            Ok(json!(entry.map(|entry| (entry.key, String::from_utf8_lossy(&entry.value).into_owned()))))
        }
        "trial" => {
            let trial = trials::get(key).map_err(give_up)?;
            Ok(json!(trial.map(|trial| json!([trial.status, trial.attributes]))))
        }
        "move" => {
            let attributes = Some(json!({ "by": id }).to_string());
            let change = Change { status: Some(status.to_owned()), attributes };
            trials::update(key, &change).map_err(give_up).map(|_| Value::Null)
        }
        "trials" => {
            let page = trials::list(key, "ACS", None, 1000).map_err(give_up)?;
            Ok(page.trials.into_iter().map(|trial| trial.trial_id).collect())
        }
        "later" => {
            let later = event("Later", &json!({}));
            let id = events::emit_after(&later, 3_600_000).map_err(give_up)?;
            kv::set(BUCKET, key, id.as_bytes()).map_err(give_up).map(|()| Value::Null)
        }
        "cancel" | "insist" => {
            let id = kv::get(BUCKET, key).map_err(give_up)?.unwrap_or_default();
            let cancelled = events::cancel(&String::from_utf8_lossy(&id));
            if what == "insist" {
                return Ok(json!(cancelled.expect("the event is cancelled")));
            }
            Ok(json!(cancelled.map_err(give_up)?))
        }
        unknown => Err(Failure::Permanent(format!("there is no step `{unknown}`"))),
    }
}
