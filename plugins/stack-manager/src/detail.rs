//! The details of events: reading them, and making those that speak of a stack.

use serde_json::{Map, Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::{Event, Failure};
use crate::record::Stack;

/// The source of the events of trials.
pub(crate) const TRIALS: &str = "OnlineTrial";

/// The source of reservations.
pub(crate) const ASSIGN_TRIAL: &str = "assign-trial";

/// The source of what the daemon says of itself.
pub(crate) const DAEMON: &str = "trialbridge";

/// The source of what this plugin says.
pub(crate) const SELF: &str = "stack-manager";

/// The detail of an event, with the event's name for messages.
pub(crate) struct Detail<'a> {
    detail_type: &'a str,
    members: Map<String, Value>,
}

impl<'a> Detail<'a> {
    /// Reads the detail of an event.
    ///
    /// # Errors
    ///
    /// Permanent if it is not a JSON object.
    pub(crate) fn read(event: &'a Event) -> Result<Self, Failure> {
        let members = serde_json::from_str(&event.detail).map_err(|error| {
            Failure::Permanent(format!("the detail of {} is not a JSON object: {error}", event.detail_type))
        })?;
        Ok(Self { detail_type: &event.detail_type, members })
    }

    /// A member that must be a text, and not an empty one.
    ///
    /// # Errors
    ///
    /// Permanent if it is not.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Failure> {
        self.optional_text(name)?
            .ok_or_else(|| Failure::Permanent(format!("the detail of {} has no `{name}`", self.detail_type)))
    }

    /// A member that must be a text if it is there.
    ///
    /// # Errors
    ///
    /// Permanent if it is something else.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(self.odd(name, other, "a text that is not empty")),
        }
    }

    /// A member that must be a number of seconds since the epoch.
    ///
    /// # Errors
    ///
    /// Permanent if it is not.
    pub(crate) fn seconds(&self, name: &str) -> Result<f64, Failure> {
        let value = self.members.get(name).unwrap_or(&Value::Null);
        let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0);
        seconds.ok_or_else(|| self.odd(name, value, "a number of seconds"))
    }

    /// All members.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    fn odd(&self, name: &str, value: &Value, expected: &str) -> Failure {
        let detail_type = self.detail_type;
        Failure::Permanent(format!("`{name}` in the detail of {detail_type} is {value}, and must be {expected}"))
    }
}

/// What every event about the end of a stack says: which one, and in which state it was.
pub(crate) fn of_stack(stack_id: &str, stack: &Stack) -> Map<String, Value> {
    let mut detail = Map::new();
    detail.insert("stackId".to_owned(), json!(stack_id));
    detail.insert("type".to_owned(), json!(stack.trial_type));
    detail.insert("state".to_owned(), json!(stack.state));
    if let Some(trial_id) = &stack.trial_id {
        detail.insert("trialId".to_owned(), json!(trial_id));
    }
    detail
}
