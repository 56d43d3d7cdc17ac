//! What a call touched and took, for whoever wants to know afterwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most that is listed of one kind.
const MAX_LISTED: usize = 50;

/// What a call took, whatever came of it. Calls that follow each other for one delivery add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the last call read, and wanted changed, if it failed; nothing if it took too long. Otherwise its effects tell.
    pub touched: Touched,
    /// The time that the guest and the host's answers to it computed, without waiting.
    pub cpu: Duration,
    /// The memory that the instance has had at most, in bytes.
    pub memory: u64,
    /// The requests that left the daemon, in the order in which they began.
    pub requests: Vec<Sent>,
    /// The commands that were run.
    pub commands: Vec<Ran>,
}

impl Usage {
    /// Adds what another call took.
    pub(crate) fn add(&mut self, other: Self) {
        self.touched = other.touched;
        self.cpu += other.cpu;
        self.memory = self.memory.max(other.memory);
        self.requests.extend(other.requests);
        self.commands.extend(other.commands);
    }
}

/// What became of a request, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Scheme, host and port.
    pub destination: String,
    /// The status of the answer, or why there is none: `not finished` if the call was over before it came, and nobody knows whether the
    /// request was received.
    pub outcome: Result<u16, String>,
    /// How many bytes the body of the request had, with its secrets.
    pub request_bytes: usize,
    /// How many bytes the body of the answer had.
    pub response_bytes: usize,
    /// The secrets that were put in, and those that it was signed with, by name.
    pub secrets: Vec<String>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// Its name in rules.toml.
    pub command: String,
    /// The exit code, or why there is none.
    pub outcome: Result<i32, String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What a call read and wants changed: names, and never values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Touched {
    /// The keys that were read, as `bucket/key`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kv_read: Vec<String>,
    /// The keys that were set or deleted, as `bucket/key`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kv_written: Vec<String>,
    /// The buckets, and the statuses and types of trials, that were listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// The ids of the trials that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials_read: Vec<String>,
    /// The ids of the trials that were changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials_written: Vec<String>,
    /// The events that were emitted, as `source detail-type`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emitted: Vec<String>,
    /// The events that are to be emitted later, as `source detail-type`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delayed: Vec<String>,
    /// How many more there were of all kinds: at most 50 of each are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

impl Touched {
    /// Adds to a list what it can still take.
    pub(super) fn note(list: &mut Vec<String>, more: &mut usize, what: impl FnOnce() -> String) {
        if list.len() < MAX_LISTED {
            list.push(what());
        } else {
            *more += 1;
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
