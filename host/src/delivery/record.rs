//! What is stored of a delivery while it is owed, and of a dead letter.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::{Cause, Event};
use crate::storage::{Key, Sequence};

/// Which delivery. Written `plugin/sequence/ordinal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// The plugin that the target names: whose queue it is in.
    pub plugin: String,
    /// Of which event.
    pub sequence: Sequence,
    /// Which of the event's deliveries.
    pub ordinal: u32,
}

/// An obligation: one event, for one rule, to one target. Stored under [`Key::Delivery`] while it is ready, and in a timer while
/// it waits for its next attempt; the id is in the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which one.
    #[serde(skip)]
    pub id: DeliveryId,
    /// The rule that matched.
    pub rule: String,
    /// The id of the rule's target.
    pub target: String,
    /// When the event was published.
    pub created: Timestamp,
    /// How many attempts have failed.
    #[serde(default)]
    pub failed: u32,
    /// Why the latest attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether an operator brought it back. It is attempted then, however deep its event is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redriven: bool,
}

/// A delivery that was given up: everything needed to understand it and to try again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Which delivery.
    pub id: DeliveryId,
    /// The delivery as it was in the end.
    pub delivery: Delivery,
    /// The event, because the journal does not keep it for ever.
    pub event: Event,
    /// What published the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The content hash of the plugin that failed last; nothing if the delivery was given up without an attempt.
    pub plugin_hash: Option<String>,
    /// When it was given up.
    pub at: Timestamp,
    /// Which limit ended it.
    pub exhausted: Exhausted,
}

/// Why a delivery is not tried again. EventBridge's words where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// The target's `maximum-attempts` were made.
    MaximumRetryAttempts,
    /// The event is older than the target's `maximum-age`.
    MaximumEventAge,
    /// Trying again is of no use: the plugin said so, or its input or its effects are too large.
    PermanentFailure,
    /// More handlings than `maximum-depth` allows, each caused by the one before, have led to the event: most likely a loop.
    MaximumCausationDepth,
}

impl DeliveryId {
    /// Where the delivery is stored while it is ready.
    pub fn key(&self) -> Key {
        Key::Delivery { plugin: self.plugin.clone(), sequence: self.sequence, ordinal: self.ordinal }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.plugin, self.sequence, self.ordinal)
    }
}

impl FromStr for DeliveryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (rest, ordinal) = text.rsplit_once('/')?;
            let (plugin, sequence) = rest.rsplit_once('/')?;
            Some(Self { plugin: plugin.to_owned(), sequence: sequence.parse().ok()?, ordinal: ordinal.parse().ok()? })
        };
        parse().ok_or_else(|| format!("`{text}` is not the id of a delivery; it looks like assign-trial/17/0"))
    }
}

impl Delivery {
    /// The value to store.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads the stored value of the delivery `id`.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Delivery::encode`] wrote.
    pub fn decode(id: DeliveryId, value: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { id, ..serde_json::from_slice(value)? })
    }
}

impl DeadLetter {
    /// Where it is stored.
    pub fn key(&self) -> Key {
        Key::DeadLetter { sequence: self.id.sequence, ordinal: self.id.ordinal }
    }

    /// The value to store.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`DeadLetter::encode`] wrote.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        let mut letter: Self = serde_json::from_slice(value)?;
        letter.delivery.id = letter.id.clone();
        Ok(letter)
    }
}

fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a delivery can be written").into()
}
