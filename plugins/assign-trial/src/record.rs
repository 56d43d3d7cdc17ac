//! What lies in the key-value store, as JSON.
//!
//! | bucket | key | value | shared with |
//! |---|---|---|---|
//! | `pool` | `TYPE/STACK` | [`Pooled`] | stack-manager |
//! | `stacks` | `STACK` | [`Stack`] | stack-manager |
//! | `assignments` | `TRIAL` | [`Assignment`] | |
//! | `waiting` | `TYPE/SEQUENCE`, twenty digits | the trial's id | |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Stacks that no trial has yet: few, and listed often.
pub(crate) const POOL: &str = "pool";

/// Every stack.
pub(crate) const STACKS: &str = "stacks";

/// Every trial between its request and its outcome.
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
pub(crate) struct Pooled {
    /// How far it is.
    pub(crate) state: StackState,
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

/// How far an assignment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AssignmentState {
    /// There was no warm stack yet.
    Waiting,
    /// It has a stack, which is being configured.
    Reserved,
}

/// A trial on its way to a stack. Exists from the request to the outcome, so that there is one outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assignment {
    /// How far it is.
    pub(crate) state: AssignmentState,
    /// The stack it has reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stack_id: Option<String>,
    /// The delayed AssignmentOverdue, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overdue_id: Option<String>,
    /// Its key in [`WAITING`], while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting_key: Option<String>,
    /// The detail of the request: the fields that the outcome must not drop, should the trial be gone by then.
    pub(crate) detail: Map<String, Value>,
}
