//! What the journal holds: the event, and what caused it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Event;
use crate::clock::Timestamp;
use crate::storage::Sequence;

/// The delivery whose handling published an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The event that was delivered.
    pub sequence: Sequence,
    /// The plugin that handled it.
    pub plugin: String,
}

/// An event of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// Its place.
    #[serde(rename = "seq")]
    pub sequence: Sequence,
    /// The event.
    pub event: Event,
    /// When it was published, which its sender may have dated otherwise.
    #[serde(skip)]
    pub published: Timestamp,
    /// What published it; nothing if it came from outside or from the daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// The stored form.
#[derive(Serialize)]
struct Written<'a> {
    event: &'a RawValue,
    published: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a Cause>,
}

#[derive(Deserialize)]
struct Read {
    event: Event,
    published: Timestamp,
    cause: Option<Cause>,
}

impl Recorded {
    /// The value to store for an event, given as its envelope's JSON text.
    ///
    /// # Panics
    ///
    /// If `json` is not JSON.
    pub fn encode(json: String, published: Timestamp, cause: Option<&Cause>) -> Bytes {
        let event = RawValue::from_string(json).expect("an envelope is JSON");
        serde_json::to_vec(&Written { event: &event, published, cause }).expect("an envelope can be written").into()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Recorded::encode`] wrote.
    pub fn decode(sequence: Sequence, value: &[u8]) -> Result<Self, serde_json::Error> {
        let Read { event, published, cause } = serde_json::from_slice(value)?;
        Ok(Self { sequence, event, published, cause })
    }
}
