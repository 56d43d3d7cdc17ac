//! Gives each trial that is requested a warm stack, and says how it ended: for every TrialRequested there is exactly
//! one TrialAssigned or TrialAssignmentFailed, in whatever order events arrive.
//!
//! ```text
//! TrialRequested ─► RESERVED ─► StackReserved ─(stack-manager)─► StackConfigured ─► TrialAssigned
//!               └─► WAITING ─► StackWarm ─► RESERVED ...                        └─► TrialAssignmentFailed
//!                           └─► AssignmentOverdue ─► TrialAssignmentFailed
//! ```
//!
//! * `assign` is the logic, over the functions that it needs of the host
//! * `detail` reads the details of events and makes those of outcomes
//! * `record` is what lies in the key-value store
//! * `host` is the way to the store, the trials and the events
//!
//! This is no pool: building, personalising and deleting stacks is stack-manager's.

mod assign;
mod bindings;
mod detail;
mod host;
mod record;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use self::bindings::exports::trialbridge::plugin::handler::{Delivery, Description, Event, Failure, Guest};
use self::bindings::trialbridge::plugin::types::{Access, Need};
use self::host::Imports;

/// The plugin.
pub struct AssignTrial;

impl Guest for AssignTrial {
    fn describe() -> Description {
        let buckets = ["pool", "stacks", "assignments", "waiting"];
        let mut needs: Vec<Need> =
            buckets.iter().map(|bucket| Need::Kv(((*bucket).to_owned(), Access::ReadWrite))).collect();
        needs.push(Need::Trials(Access::ReadWrite));
        needs.push(Need::Emit(detail::TRIALS.to_owned()));
        needs.push(Need::Emit(detail::SELF.to_owned()));
        needs.push(Need::Folder(("stacks".to_owned(), Access::Read)));
        Description {
            summary: "assigns warm stacks to requested trials".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            needs,
        }
    }

    fn handle(event: Event, delivery: Delivery) -> Result<(), Failure> {
        assign::handle(&mut Imports, &event, delivery.attempt)
    }
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the generated exports speak the ABI of components")]
mod exports {
    use super::{AssignTrial, bindings};

    bindings::export!(AssignTrial with_types_in bindings);
}
