//! The task that sends a request.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use trialbridge_plugin::Host;
use trialbridge_plugin::http::{Error, Request};
use trialbridge_states::{Call, Problem, names};

use super::input;

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

/// Sends a request to where rules.toml grants it. It may be sent more than once, each time with the same `Idempotency-Key`: that
/// of the trial and of this stay in the state, retries included.
pub(crate) fn send(host: &Host, id: &str, call: &Call) -> Result<Value, Problem> {
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

fn get() -> String {
    "GET".to_owned()
}
