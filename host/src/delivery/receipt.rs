//! What is kept of the latest attempt of a delivery: what the plugin touched and took.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::DeliveryId;
use crate::clock::Timestamp;
use crate::plugin::{Ran, Sent, Touched, Usage};
use crate::storage::Key;

/// A receipt. Committed together with the acknowledgement, or with the record of the failure, and kept as long as events are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Which delivery: `plugin/sequence/ordinal`.
    pub id: String,
    /// The rule that matched.
    pub rule: String,
    /// The id of the rule's target.
    pub target: String,
    /// When the attempt ended.
    pub at: Timestamp,
    /// The content hash of the plugin.
    pub plugin_hash: String,
    /// Whether the delivery was acknowledged. The effects of an attempt that failed are dropped.
    pub acknowledged: bool,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How often the attempt began again, because something it had read was changed by somebody else meanwhile.
    pub conflicts: u32,
    /// The time that the guest and the host's answers to it computed, in microseconds, with what began again.
    pub cpu_micros: u64,
    /// The memory that the instance has had at most, in bytes.
    pub memory: u64,
    /// What was read, and written unless the attempt failed; nothing of one that took too long.
    pub touched: Touched,
    /// The requests that left the daemon, also those of an attempt that failed, and of what began again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Sent>,
    /// The commands that were run, also those of an attempt that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Ran>,
}

impl Receipt {
    /// Adds what the call took.
    #[must_use]
    pub(super) fn with(self, usage: Usage) -> Self {
        let Usage { touched, cpu, memory, requests, commands } = usage;
        Self { touched, cpu_micros: cpu.as_micros() as u64, memory, requests, commands, ..self }
    }

    /// Where the receipt of a delivery is stored.
    pub fn key(id: &DeliveryId) -> Key {
        Key::Receipt { sequence: id.sequence, ordinal: id.ordinal }
    }

    /// The value to store.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("a receipt can be written").into()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Receipt::encode`] wrote.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}
