//! Counts what happens, in one place.
//!
//! | metric | kind | labels | moved by |
//! |---|---|---|---|
//! | `events_total` | counter | `source`, `detail_type` | every event |
//! | `active_trials` | gauge | `type` | TrialRequested, TrialExpired, TrialCancelled |
//! | `warm_stacks` | gauge | `type` | StackWarm, StackReserved; StackDeleted and StackFailed of warm stacks |
//! | `time_to_assignment_seconds` | histogram | `type` | TrialAssigned |
//! | `assignment_failures_total` | counter | `type` | TrialAssignmentFailed |
//!
//! `changes` decides and touches nothing; the rest hands its decisions to the host.

mod bindings;
mod changes;

use self::bindings::exports::trialbridge::plugin::handler::{Delivery, Description, Event, Failure, Guest};
use self::bindings::trialbridge::plugin::log::{Level, log};
use self::bindings::trialbridge::plugin::metrics;
use self::bindings::trialbridge::plugin::types::Error;
use self::changes::{Change, changes};

/// The plugin.
pub struct Metrics;

impl Guest for Metrics {
    fn describe() -> Description {
        Description {
            summary: "counts events, trials, warm stacks and the time to assignment".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            needs: Vec::new(),
        }
    }

    fn handle(event: Event, _delivery: Delivery) -> Result<(), Failure> {
        let changes = changes(&event.source, &event.detail_type, &event.detail).map_err(Failure::Permanent)?;
        changes.iter().try_for_each(apply)
    }
}

fn apply(change: &Change) -> Result<(), Failure> {
    let applied = match change {
        Change::Count { name, labels } => metrics::counter(name, &owned(labels), 1),
        Change::Add { name, labels, add } => metrics::gauge_add(name, &owned(labels), *add),
        Change::Observe { name, labels, value } => metrics::histogram(name, &owned(labels), *value),
    };
    match applied {
        // A series that does not fit any more is no reason to lose the others, nor to dead-letter the event.
        Err(Error::Limit(reason)) => {
            log(Level::Warn, "a metric was not counted", &[("reason".to_owned(), reason)]);
            Ok(())
        }
        Err(Error::Unavailable(reason)) => Err(Failure::Retry(reason)),
        Err(Error::Denied(reason) | Error::Invalid(reason) | Error::NotFound(reason)) => {
            Err(Failure::Permanent(reason))
        }
        Ok(()) => Ok(()),
    }
}

fn owned(labels: &[(&'static str, String)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the generated exports speak the ABI of components")]
mod exports {
    use super::{Metrics, bindings};

    bindings::export!(Metrics with_types_in bindings);
}
