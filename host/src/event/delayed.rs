//! What a timer holds until the event's time has come.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Cause, Event};

/// An event that shall be published later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delayed {
    /// The delivery whose handling asked for it; its plugin may cancel it.
    pub cause: Cause,
    /// The event.
    pub event: Event,
}

impl Delayed {
    /// The value to store.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an event can be written").into()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Delayed::encode`] wrote.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}
