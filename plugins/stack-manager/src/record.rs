//! What lies in the key-value store, as JSON. assign-trial reads and writes both buckets too.
//!
//! | bucket | key | value |
//! |---|---|---|
//! | `pool` | `TYPE/STACK` | [`Pooled`] |
//! | `stacks` | `STACK` | [`Stack`] |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Stacks that no trial has yet: few, and listed often.
pub(crate) const POOL: &str = "pool";

/// Every stack.
pub(crate) const STACKS: &str = "stacks";

/// How far a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    /// It is being built.
    Creating,
    /// It waits for a trial.
    Warm,
    /// It belongs to a trial.
    Assigned,
}

/// An entry of the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pooled {
    /// How far it is.
    pub(crate) state: State,
}

/// A stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stack {
    /// The type of trial it is for.
    #[serde(rename = "type")]
    pub(crate) trial_type: String,
    /// How far it is.
    pub(crate) state: State,
    /// Where it answers, once it is warm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// When it was ordered, in milliseconds since the epoch.
    pub(crate) created_at: u64,
    /// The trial it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial_id: Option<String>,
    /// What others note beside that; kept as it is.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// The key of a stack in [`POOL`].
pub(crate) fn pool_key(trial_type: &str, stack_id: &str) -> String {
    format!("{trial_type}/{stack_id}")
}
