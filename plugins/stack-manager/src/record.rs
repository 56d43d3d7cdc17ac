//! What lies in the key-value store, as JSON. assign-trial reads and writes the first two buckets too.
//!
//! | bucket | key | value |
//! |---|---|---|
//! | `pool` | `TYPE/STACK` | [`Pooled`] |
//! | `pool` | `/TYPE/STACK` | [`Pooled`]: a place whose stack was taken, until it is filled again |
//! | `stacks` | `STACK` | [`Stack`] |
//! | `pools` | `TYPE` | [`History`] |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::provider::Kind;

/// Stacks that no trial has yet, and places whose stack was taken: few.
pub(crate) const POOL: &str = "pool";

/// Every stack.
pub(crate) const STACKS: &str = "stacks";

/// What has become of the stacks of a type lately.
pub(crate) const POOLS: &str = "pools";

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
    /// It is being deleted.
    Deleting,
    /// It could not be built, or could not be deleted after all attempts.
    Failed,
}

/// An entry of the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pooled {
    /// How far it is.
    pub(crate) state: State,
    /// When the stack was taken, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at: Option<u64>,
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
    /// What it was before it was to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<State>,
    /// Where it answers, once it is warm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// When it was ordered, in milliseconds since the epoch.
    pub(crate) created_at: u64,
    /// The trial it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial_id: Option<String>,
    /// Who makes it. What was made before this was noted is a folder.
    #[serde(default)]
    pub(crate) provider: Kind,
    /// Whether the provider has taken the order, and StackCreated was said.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) created: bool,
    /// Whether it is gone while it belongs to a trial, and StackFailed was said.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) missing: bool,
    /// When somebody is to look how far it is, in milliseconds since the epoch: the poll that is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) poll_at: Option<u64>,
    /// How many polls were scheduled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) polls: u32,
    /// How many polls in a row, or attempts to delete it, have failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) failures: u32,
    /// What others note beside that; kept as it is.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// What has become of the stacks of a type lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    /// When creations failed since one succeeded, in milliseconds since the epoch; the latest, as many as the retry budget.
    pub(crate) failed_at: Vec<u64>,
}

/// The key of a stack in [`POOL`].
pub(crate) fn pool_key(trial_type: &str, stack_id: &str) -> String {
    format!("{trial_type}/{stack_id}")
}

/// The key in [`POOL`] of the place that a stack has left. No type has an empty name.
pub(crate) fn taken_key(trial_type: &str, stack_id: &str) -> String {
    format!("/{}", pool_key(trial_type, stack_id))
}

impl Pooled {
    /// A stack that no trial has.
    pub(crate) fn new(state: State) -> Self {
        Self { state, taken_at: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}
