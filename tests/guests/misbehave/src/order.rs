//! What the plugin is told.

use serde_json::{Map, Value};

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::types::Error;

/// The detail of an event.
pub(crate) struct Order {
    /// What to do.
    pub(crate) what: String,
    members: Map<String, Value>,
}

impl Order {
    pub(crate) fn read(detail: &str) -> Result<Self, Failure> {
        let members: Map<String, Value> = serde_json::from_str(detail)
            .map_err(|error| Failure::Permanent(format!("the detail is not a JSON object: {error}")))?;
        let what = members.get("do").and_then(Value::as_str);
        let what = what.ok_or_else(|| Failure::Permanent("the detail has no text `do`".to_owned()))?.to_owned();
        Ok(Self { what, members })
    }

    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.members.get(name).and_then(Value::as_str).unwrap_or(default)
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.find(name).unwrap_or(default)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        self.members.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn texts<'a>(&'a self, name: &str, default: &'a str) -> Vec<&'a str> {
        match self.members.get(name).and_then(Value::as_array) {
            Some(texts) => texts.iter().filter_map(Value::as_str).collect(),
            None => vec![default],
        }
    }

    /// The members of a member that is an object; none if there is no such.
    pub(crate) fn members(&self, name: &str) -> Map<String, Value> {
        self.members.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    pub(crate) fn steps(&self) -> Vec<Value> {
        self.members.get("steps").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    pub(crate) fn millis(&self) -> u64 {
        self.number("millis", 0)
    }

    /// An event as it is told to be, with a number in its detail.
    pub(crate) fn event(&self, number: u64) -> NewEvent {
        NewEvent {
            source: self.text("source", "misbehave").to_owned(),
            detail_type: self.text("detail-type", "Emitted").to_owned(),
            detail: format!(r#"{{"number":{number}}}"#),
            resources: Vec::new(),
        }
    }
}

/// A failure that tells how attempts went.
pub(crate) fn tell<T: std::fmt::Debug>(attempts: Vec<(&str, Result<T, String>)>) -> Result<(), Failure> {
    let lines: Vec<_> = attempts
        .into_iter()
        .map(|(attempt, outcome)| match outcome {
            Ok(worked) => format!("{attempt}: worked, {worked:?}"),
            Err(reason) => format!("{attempt}: {reason}"),
        })
        .collect();
    Err(Failure::Permanent(lines.join("; ")))
}

/// An error of the host as `KIND, TEXT`.
pub(crate) fn text(error: &Error) -> String {
    match error {
        Error::Denied(text) => format!("denied, {text}"),
        Error::Invalid(text) => format!("invalid, {text}"),
        Error::NotFound(text) => format!("not-found, {text}"),
        Error::Limit(text) => format!("limit, {text}"),
        Error::Unavailable(text) => format!("unavailable, {text}"),
    }
}

/// Gives up as a well-behaved plugin does.
pub(crate) fn give_up(error: Error) -> Failure {
    match error {
        Error::Unavailable(text) => Failure::Retry(text),
        other => Failure::Permanent(text(&other)),
    }
}
