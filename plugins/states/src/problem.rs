//! An error as states throw and catch it: a name and a cause.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The names of the errors that the language itself knows.
pub mod names {
    /// Matches every error but [`RUNTIME`] and [`DATA_LIMIT_EXCEEDED`].
    pub const ALL: &str = "States.ALL";
    /// A task, or the whole machine, took longer than its `TimeoutSeconds`. As a name to match: [`HEARTBEAT_TIMEOUT`] too.
    pub const TIMEOUT: &str = "States.Timeout";
    /// A task took longer than its `HeartbeatSeconds`.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// What a task fails with that gives no name of its own. As a name to match: every error but [`TIMEOUT`], [`HEARTBEAT_TIMEOUT`] and those
    /// that [`ALL`] leaves out.
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// A task may not do what it was asked for.
    pub const PERMISSIONS: &str = "States.Permissions";
    /// `ResultPath` points to where nothing can be put.
    pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
    /// A path in `Parameters`, `ItemSelector` or `ResultSelector` finds nothing.
    pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
    /// No rule of a Choice matches, and it has no `Default`.
    pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
    /// An intrinsic function was given what it cannot take.
    pub const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";
    /// The execution cannot go on: a path finds nothing, or not what is needed there.
    pub const RUNTIME: &str = "States.Runtime";
    /// A value became too large.
    pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

    /// All of them.
    pub(crate) const EVERY: [&str; 11] = [
        ALL,
        TIMEOUT,
        HEARTBEAT_TIMEOUT,
        TASK_FAILED,
        PERMISSIONS,
        RESULT_PATH_MATCH_FAILURE,
        PARAMETER_PATH_FAILURE,
        NO_CHOICE_MATCHED,
        INTRINSIC_FAILURE,
        RUNTIME,
        DATA_LIMIT_EXCEEDED,
    ];
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its name, which `ErrorEquals` is compared with. May be empty: a Fail state need not give one.
    pub error: String,
    /// What happened, for people.
    pub cause: String,
}

impl Problem {
    /// An error of this name and cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }

    /// The execution cannot go on.
    pub(crate) fn runtime(cause: impl Into<String>) -> Self {
        Self::new(names::RUNTIME, cause)
    }

    /// What a catcher passes on.
    pub(crate) fn output(&self) -> Value {
        json!({ "Error": self.error, "Cause": self.cause })
    }

    /// Whether a name in `ErrorEquals` means this error.
    pub(crate) fn is(&self, name: &str) -> bool {
        let is_final = self.error == names::RUNTIME || self.error == names::DATA_LIMIT_EXCEEDED;
        let is_timeout = self.error == names::TIMEOUT || self.error == names::HEARTBEAT_TIMEOUT;
        match name {
            names::ALL => !is_final,
            names::TIMEOUT => is_timeout,
            names::TASK_FAILED => !is_final && !is_timeout,
            name => self.error == name,
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.error.as_str(), self.cause.as_str()) {
            ("", cause) => f.write_str(cause),
            (error, "") => f.write_str(error),
            (error, cause) => write!(f, "{error}: {cause}"),
        }
    }
}

impl std::error::Error for Problem {}
