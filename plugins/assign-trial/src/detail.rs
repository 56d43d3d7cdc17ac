//! The details of events: reading them, and making those that speak of a trial.

use serde_json::{Map, Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::{Event, Failure};
use crate::bindings::trialbridge::plugin::trials::Trial;

/// The source of the events of trials.
pub(crate) const TRIALS: &str = "OnlineTrial";

/// The source of what this plugin says to itself and to stack-manager.
pub(crate) const SELF: &str = "assign-trial";

/// The source of the events of stacks.
pub(crate) const STACK_MANAGER: &str = "stack-manager";

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
            Some(other) => Err(Failure::Permanent(format!(
                "`{name}` in the detail of {} is {other}, and must be a text that is not empty",
                self.detail_type
            ))),
        }
    }

    /// All members.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }
}

/// The fields of a trial as events carry them, over those that were known `before` and of which none is dropped.
///
/// # Errors
///
/// Permanent if the host gave attributes that are no JSON object.
pub(crate) fn fields(before: &Map<String, Value>, trial: &Trial) -> Result<Map<String, Value>, Failure> {
    let attributes: Map<String, Value> = serde_json::from_str(&trial.attributes).map_err(|error| {
        Failure::Permanent(format!("the attributes of trial `{}` are not a JSON object: {error}", trial.trial_id))
    })?;
    let mut fields = before.clone();
    fields.insert("version".to_owned(), json!("1.0"));
    fields.insert("trialId".to_owned(), json!(trial.trial_id));
    fields.insert("leadId".to_owned(), json!(trial.lead_id));
    fields.insert("type".to_owned(), json!(trial.trial_type));
    fields.insert("requestedAt".to_owned(), json!(trial.requested_at / 1000));
    fields.insert("status".to_owned(), json!(trial.status));
    fields.insert("expiresAt".to_owned(), seconds(trial.expires_at));
    fields.extend(attributes);
    Ok(fields)
}

/// Milliseconds as seconds, whole where they can be.
pub(crate) fn seconds(millis: u64) -> Value {
    if millis.is_multiple_of(1000) { json!(millis / 1000) } else { json!(millis as f64 / 1000.0) }
}
