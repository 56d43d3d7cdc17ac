//! The detail of an event, member by member, with errors that say which event and which member.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Failure, permanent};

/// The detail of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail<'a> {
    /// The event's name, for messages.
    detail_type: &'a str,
    members: Map<String, Value>,
}

impl<'a> Detail<'a> {
    pub(crate) fn parse(detail_type: &'a str, text: &str) -> Result<Self, Failure> {
        let members = serde_json::from_str(text)
            .map_err(|error| permanent(format!("the detail of {detail_type} is not a JSON object: {error}")))?;
        Ok(Self { detail_type, members })
    }

    /// A member that must be a text, and not an empty one.
    ///
    /// # Errors
    ///
    /// Permanent if it is not.
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        self.optional_text(name)?
            .ok_or_else(|| permanent(format!("the detail of {} has no `{name}`", self.detail_type)))
    }

    /// A member that must be a text, and not an empty one, if it is there. What is `null` is not there.
    ///
    /// # Errors
    ///
    /// Permanent if it is something else.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(self.odd(name, other, "a text that is not empty")),
        }
    }

    /// A member that must be a number of seconds: zero or more, with a fraction or without.
    ///
    /// # Errors
    ///
    /// Permanent if it is not.
    pub fn seconds(&self, name: &str) -> Result<f64, Failure> {
        let value = self.members.get(name).unwrap_or(&Value::Null);
        let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0);
        seconds.ok_or_else(|| self.odd(name, value, "a number of seconds"))
    }

    /// A member that must be a number of seconds if it is there. What is `null` is not there.
    ///
    /// # Errors
    ///
    /// Permanent if it is something else.
    pub fn optional_seconds(&self, name: &str) -> Result<Option<f64>, Failure> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.seconds(name).map(Some),
        }
    }

    /// A member, whatever it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// All members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// All members, to pass on.
    pub fn into_members(self) -> Map<String, Value> {
        self.members
    }

    fn odd(&self, name: &str, value: &Value, expected: &str) -> Failure {
        let detail_type = self.detail_type;
        permanent(format!("`{name}` in the detail of {detail_type} is {value}, and must be {expected}"))
    }
}

/// Milliseconds since the epoch as the seconds that events carry: whole where they can be.
pub fn seconds(millis: u64) -> Value {
    if millis.is_multiple_of(1000) { (millis / 1000).into() } else { (millis as f64 / 1000.0).into() }
}

/// Reads JSON, with an error that begins with the path of the member that is odd, if it is not the whole.
pub(crate) fn deserialize<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| describe(&error))
}

fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (line, column) = (error.inner().line(), error.inner().column());
    let reason = error.inner().to_string();
    // Nobody sees the text, so that its lines and columns say nothing.
    let reason = reason.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&reason);
    match error.path().to_string() {
        path if path == "." => reason.to_owned(),
        path => format!("{path}: {reason}"),
    }
}
