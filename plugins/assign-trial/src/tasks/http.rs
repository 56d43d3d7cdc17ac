//! The tasks that send a request.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use trialbridge_plugin::Host;
use trialbridge_plugin::http::{Error, Request};
use trialbridge_states::{Call, Problem, names};

use super::input;
use crate::record::Pending;

/// How long a request may take unless it says otherwise, in seconds.
const TIMEOUT: u64 = 5;

/// How long it may take at most, in seconds: the handler has a time limit of its own.
const LONGEST_TIMEOUT: u64 = 8;

/// The longest body of an answer that an execution takes, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
    timeout_seconds: Option<u64>,
}

/// Sends the request that a task is pending for. It may be sent more than once.
pub(crate) fn send(host: &Host, id: &str, pending: &Pending) -> Result<Value, Problem> {
    match pending {
        Pending::HttpRequest(call) => request(host, id, call),
        Pending::CheckReachable { stack_id, url, .. } => reach(host, stack_id, url),
        Pending::SelectStack { .. } | Pending::ConfigureTrial { .. } => {
            Err(Problem::new(names::RUNTIME, "the task sends no request"))
        }
    }
}

/// Sends a request to where rules.toml grants it, each time with the same `Idempotency-Key`: that of the trial and of this stay in the
/// state, retries included.
fn request(host: &Host, id: &str, call: &Call) -> Result<Value, Problem> {
    let wanted: Wanted = input(call)?;
    let timeout = wanted.timeout_seconds.unwrap_or(TIMEOUT);
    if !(1..=LONGEST_TIMEOUT).contains(&timeout) {
        let cause =
            format!("the input of httpRequest: timeoutSeconds must be 1 to {LONGEST_TIMEOUT}, and is {timeout}");
        return Err(Problem::new(names::TASK_FAILED, cause));
    }
    let mut request = Request::new(wanted.method, wanted.url).timeout(Duration::from_secs(timeout));
    if let Some(body) = &wanted.body {
        request = match body {
            Value::String(text) => request.body(text.as_bytes()),
            other => request.json(other),
        };
    }
    for (name, value) in &wanted.headers {
        request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        request = request.header(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if !wanted.headers.keys().any(|name| name.eq_ignore_ascii_case("idempotency-key")) {
        request = request.header("Idempotency-Key", format!("{id}-{}", call.visit));
    }
    match host.send(&request) {
        Ok(response) => {
            let text = String::from_utf8_lossy(&response.body);
            if !(200..300).contains(&response.status) {
                let cause: String = text.chars().take(200).collect();
                let error = format!("States.Http.StatusCode.{}", response.status);
                return Err(Problem::new(error, format!("the answer was {}: {cause}", response.status)));
            }
            if text.len() > LONGEST_BODY {
                let cause = format!("the answer has {} bytes, and at most {LONGEST_BODY} are taken", text.len());
                return Err(Problem::new(names::DATA_LIMIT_EXCEEDED, cause));
            }
            let headers: Map<String, Value> =
                response.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let body = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
            Ok(json!({ "status": response.status, "headers": headers, "body": body }))
        }
        Err(Error::Denied(reason)) => Err(Problem::new(names::PERMISSIONS, reason)),
        Err(Error::Failed(reason)) => Err(Problem::new("States.Http.Socket", reason)),
        Err(error) => Err(Problem::new(names::TASK_FAILED, error.to_string())),
    }
}

/// Asks whether a stack answers at its URL, with success or a redirection. Where rules.toml does not let this plugin ask, its provider's word
/// is enough.
fn reach(host: &Host, stack_id: &str, url: &str) -> Result<Value, Problem> {
    let said = match host.send(&Request::get(url)) {
        Ok(response) if (200..400).contains(&response.status) => return Ok(json!({ "stackId": stack_id })),
        Ok(response) => format!("its URL answers {}", response.status),
        Err(Error::Denied(_)) => return Ok(json!({ "stackId": stack_id })),
        Err(error) => error.to_string(),
    };
    Err(Problem::new("StackUnreadable", format!("the stack does not answer for this trial: {said}")))
}

fn get() -> String {
    "GET".to_owned()
}
