//! The trial: its record, and the forms it takes in the store, in events and at the API.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::event::{Event, TRIAL_SOURCE, raw};
use crate::storage::{Key, Version, Write};

/// The status of a trial that nobody has handled yet.
pub const REQUESTED: &str = "REQUESTED";

/// A trial. Visible until it expires, and to nobody from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Its id: a UUID unless the caller chose one.
    pub trial_id: String,
    /// The lead who asked for it.
    pub lead_id: String,
    /// The type of trial, one of those in rules.toml.
    #[serde(rename = "type")]
    pub trial_type: String,
    /// `REQUESTED`, then `ASSIGNED` or `FAILED`, or what else a plugin sets.
    pub status: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether the caller chose the id, so that it has to be remembered when the trial has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen_id: bool,
    /// Everything else that is known of it: url, stackId, progress, reason.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// What the store holds under a trial's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stored {
    /// The trial.
    Live(Trial),
    /// The mark of one that ended, so that its id, which the caller chose, is not taken again by a late repetition of the request.
    Ended {
        /// When it ended.
        ended: Timestamp,
    },
}

/// Names that attributes cannot have, because they are fields of the record.
const FIELDS: [&str; 7] = ["trialId", "leadId", "type", "status", "requestedAt", "expiresAt", "version"];

impl Trial {
    /// Whether it can be seen at `now`.
    pub fn visible(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The trial as the API shows it, with the version of its record.
    pub fn to_json(&self, version: Version) -> Value {
        Value::Object(self.fields(json!(version)))
    }

    /// An event about this trial that happens at `now`: the detail holds the trial's fields, and `version` "1.0".
    pub fn event(&self, detail_type: &str, now: Timestamp) -> Event {
        Event::new(TRIAL_SOURCE, detail_type, now, raw(&self.fields(json!("1.0"))))
    }

    /// Merges `changes` into the attributes, member by member; null removes one.
    ///
    /// # Errors
    ///
    /// Names the member that would hide a field of the record; nothing is changed then.
    pub fn merge(&mut self, changes: Map<String, Value>) -> Result<(), String> {
        if let Some(name) = changes.keys().find(|name| FIELDS.contains(&name.as_str())) {
            return Err(format!("`{name}` is a field of the trial, not an attribute"));
        }
        for (name, value) in changes {
            if value.is_null() {
                self.attributes.remove(&name);
            } else {
                self.attributes.insert(name, value);
            }
        }
        Ok(())
    }

    /// The key of the record.
    pub fn key(&self) -> Key {
        Key::Trial(self.trial_id.clone())
    }

    /// The key of the index entry.
    pub fn index_key(&self) -> Key {
        Key::TrialIndex { status: self.status.clone(), trial_type: self.trial_type.clone(), id: self.trial_id.clone() }
    }

    /// Writes that turn the stored record `old` into this one, its index entry included. The timer is not touched.
    pub fn replacing(&self, old: &Self) -> Vec<Write> {
        let mut writes = vec![Write::Put(self.key(), Stored::Live(self.clone()).encode())];
        if self.index_key() != old.index_key() {
            writes.push(Write::Delete(old.index_key()));
            writes.push(Write::Put(self.index_key(), Bytes::new()));
        }
        writes
    }

    fn fields(&self, version: Value) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("version".to_owned(), version);
        fields.insert("trialId".to_owned(), json!(self.trial_id));
        fields.insert("leadId".to_owned(), json!(self.lead_id));
        fields.insert("type".to_owned(), json!(self.trial_type));
        fields.insert("requestedAt".to_owned(), json!(self.requested_at.as_seconds()));
        fields.insert("status".to_owned(), json!(self.status));
        fields.insert("expiresAt".to_owned(), json!(self.expires_at));
        fields.extend(self.attributes.clone());
        fields
    }
}

impl Stored {
    /// The value to store.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("a trial can be written").into()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Stored::encode`] wrote.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }

    /// The trial, if it can be seen at `now`.
    pub fn visible(self, now: Timestamp) -> Option<Trial> {
        match self {
            Self::Live(trial) => trial.visible(now).then_some(trial),
            Self::Ended { .. } => None,
        }
    }
}
