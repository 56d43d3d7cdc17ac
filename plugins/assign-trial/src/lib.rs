//! Gives each trial that is requested a warm stack, and says how it ended: for every TrialRequested there is exactly
//! one TrialAssigned or TrialAssignmentFailed, in whatever order events arrive.
//!
//! ```text
//! TrialRequested ─► RESERVED ─► StackReserved ─(stack-manager)─► StackConfigured ─► TrialAssigned
//!               └─► WAITING ─► StackWarm ─► RESERVED ...                        └─► TrialAssignmentFailed
//!                           └─► AssignmentOverdue ─► TrialAssignmentFailed
//! ```
//!
//! * `assign` is the logic
//! * `record` is what lies in the key-value store
//!
//! This is no pool: building, personalising and deleting stacks is stack-manager's.

mod assign;
mod record;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use std::fs;
use std::io::ErrorKind;

use trialbridge_plugin::Access::{Read, ReadWrite};
use trialbridge_plugin::{Description, Event, Failure, Host, OnlineTrial, Plugin};

use self::record::{ASSIGNMENTS, POOL, STACKS, WAITING};

/// The plugin.
pub struct AssignTrial;

trialbridge_plugin::export!(AssignTrial);

impl Plugin for AssignTrial {
    fn describe() -> Description {
        Description::new("assigns warm stacks to requested trials", env!("CARGO_PKG_VERSION"))
            .kv(POOL, ReadWrite)
            .kv(STACKS, ReadWrite)
            .kv(ASSIGNMENTS, ReadWrite)
            .kv(WAITING, ReadWrite)
            .trials(ReadWrite)
            .emit(OnlineTrial::SOURCE)
            .emit(assign::SELF)
            .folder("stacks", Read)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        assign::handle(host, event, |stack_id| {
            match fs::read_to_string(host.folder("stacks").join(stack_id).join("trial.json")) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}
