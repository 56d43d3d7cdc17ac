//! What lies in the key-value store, as JSON.
//!
//! | bucket | key | value | shared with |
//! |---|---|---|---|
//! | `pool` | `TYPE/STACK` | [`Pooled`] | stack-manager |
//! | `pool` | `/TYPE/STACK` | [`Pooled`]: a place whose stack was taken, until stack-manager fills it again | stack-manager |
//! | `stacks` | `STACK` | [`Stack`] | stack-manager |
//! | `assignments` | `TRIAL` | [`Assignment`] | |
//! | `history` | `TRIAL/assign-trial` | [`History`](crate::history::History) | whoever shows it |
//! | `waiting` | `TYPE/SEQUENCE`, twenty digits | the trial's id | |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trialbridge_states::{Call, Execution};

/// Stacks that no trial has yet, and places whose stack was taken: few.
pub(crate) const POOL: &str = "pool";

/// Every stack.
pub(crate) const STACKS: &str = "stacks";

/// Every trial between its request and the end of its execution.
pub(crate) const ASSIGNMENTS: &str = "assignments";

/// The trials that wait for a warm stack, the oldest first.
pub(crate) const WAITING: &str = "waiting";

/// How far a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StackState {
    /// It is being built.
    Creating,
    /// It waits for a trial.
    Warm,
    /// It belongs to a trial.
    Assigned,
    /// It is being deleted.
    Deleting,
    /// It could not be made or deleted.
    Failed,
}

/// An entry of the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pooled {
    /// How far it is.
    pub(crate) state: StackState,
    /// When the stack was taken, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at: Option<u64>,
}

/// A stack, as far as this plugin is concerned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stack {
    /// The type of trial it is for.
    #[serde(rename = "type")]
    pub(crate) trial_type: String,
    /// How far it is.
    pub(crate) state: StackState,
    /// The trial it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial_id: Option<String>,
    /// What stack-manager notes beside that; kept as it is.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// A trial on its way to a stack. Exists from the request to the end of its execution; as long as it is not settled, an outcome is owed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assignment {
    /// The run of the definition.
    pub(crate) execution: Execution,
    /// The tasks that are worked on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending: Vec<Pending>,
    /// The stack it has reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stack_id: Option<String>,
    /// Where it is, if stack-manager vouches for it: it is not served by the daemon, so it cannot say which trial it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vouched_for: Option<String>,
    /// The delayed event that goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<Timer>,
    /// Whether its outcome was emitted.
    #[serde(default)]
    pub(crate) is_settled: bool,
    /// Where its request stands in the journal: who came first is served first.
    pub(crate) sequence: u64,
    /// The detail of the request: the fields that the outcome must not drop, should the trial be gone by then.
    pub(crate) detail: Map<String, Value>,
}

/// A task that a later event completes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Pending {
    /// It waits in line for a warm stack.
    SelectStack {
        /// The call.
        token: u64,
        /// Its key in [`WAITING`].
        key: String,
    },
    /// Its stack is prepared.
    ConfigureTrial {
        /// The call.
        token: u64,
        /// The stack.
        stack_id: String,
    },
    /// A request is to be sent, in a call of its own.
    HttpRequest(Call),
    /// So is the one that asks whether a stack answers that is not served by the daemon.
    CheckReachable {
        /// The call.
        token: u64,
        /// The stack.
        stack_id: String,
        /// Where it is.
        url: String,
    },
}

/// A delayed event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timer {
    /// What cancels it.
    pub(crate) id: String,
    /// When it is due, in milliseconds since the epoch.
    pub(crate) at: u64,
}

impl Pending {
    /// Whether a request is to be sent for it.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Self::HttpRequest(_) | Self::CheckReachable { .. })
    }

    /// The call that it completes.
    pub(crate) fn token(&self) -> u64 {
        match self {
            Self::SelectStack { token, .. }
            | Self::ConfigureTrial { token, .. }
            | Self::CheckReachable { token, .. }
            | Self::HttpRequest(Call { token, .. }) => *token,
        }
    }
}
