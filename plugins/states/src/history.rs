//! What happened in an execution, as data.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// In which state; empty for what concerns the whole execution. A state within a Parallel or Map has those before it, and
    /// the number of the branch or item: `Notify[1]/Send`.
    pub state: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum What {
    /// The execution began.
    ExecutionStarted {
        /// What it was given.
        input: Value,
    },
    /// A state was entered.
    StateEntered {
        /// What it was given.
        input: Value,
    },
    /// A state was left.
    StateExited {
        /// What it gives on.
        output: Value,
    },
    /// A task was asked for something.
    TaskStarted {
        /// The task.
        resource: String,
        /// What it was given.
        input: Value,
    },
    /// A task answered.
    TaskSucceeded {
        /// What it answered.
        output: Value,
    },
    /// A task gave up, or took too long.
    TaskFailed {
        /// The name of the error.
        error: String,
        /// What happened, for people.
        cause: String,
    },
    /// A state waits.
    WaitStarted {
        /// For which time, in milliseconds since the epoch.
        until: u64,
    },
    /// A state is tried again after an error.
    RetryScheduled {
        /// The name of the error.
        error: String,
        /// What happened, for people.
        cause: String,
        /// Which retry it is; 1 is the first.
        retry: u32,
        /// When, in milliseconds since the epoch.
        until: u64,
    },
    /// An error was caught.
    ErrorCaught {
        /// The name of the error.
        error: String,
        /// What happened, for people.
        cause: String,
        /// The state that goes on.
        next: String,
    },
    /// The execution ended well.
    ExecutionSucceeded {
        /// What it gives.
        output: Value,
    },
    /// The execution failed.
    ExecutionFailed {
        /// The name of the error.
        error: String,
        /// What happened, for people.
        cause: String,
    },
    /// The execution was stopped from outside.
    ExecutionAborted {
        /// Why, for people.
        cause: String,
    },
}
