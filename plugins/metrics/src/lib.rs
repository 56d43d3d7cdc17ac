//! Counts what happens, in one place.
//!
//! | metric | kind | labels | moved by |
//! |---|---|---|---|
//! | `events_total` | counter | `source`, `detail_type` | every event |
//! | `active_trials` | gauge | `type` | TrialRequested, TrialExpired, TrialCancelled |
//! | `warm_stacks` | gauge | `type` | StackWarm, StackReserved; StackDeleted and StackFailed of warm stacks |
//! | `time_to_assignment_seconds` | histogram | `type` | TrialAssigned |
//! | `assignment_failures_total` | counter | `type` | TrialAssignmentFailed |

#[cfg(test)]
mod tests;

use serde_json::Value;
use trialbridge_plugin::{Description, Detail, Error, Event, Failure, Host, Plugin, permanent};

/// The plugin.
pub struct Metrics;

trialbridge_plugin::export!(Metrics);

impl Plugin for Metrics {
    fn describe() -> Description {
        Description::new("counts events, trials, warm stacks and the time to assignment", env!("CARGO_PKG_VERSION"))
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let labels = [("source", event.source.as_str()), ("detail_type", event.detail_type.as_str())];
        unless_full(host, host.counter("events_total", &labels, 1))?;
        let add = |name, add| {
            let detail = event.detail()?;
            unless_full(host, host.gauge_add(name, &[("type", text(event, &detail, "type")?)], add))
        };
        match event.kind() {
            ("OnlineTrial", "TrialRequested") => add("active_trials", 1.0),
            ("OnlineTrial", "TrialExpired" | "TrialCancelled") => add("active_trials", -1.0),
            ("OnlineTrial", "TrialAssigned") => assigned(event, host),
            ("OnlineTrial", "TrialAssignmentFailed") => {
                let detail = event.detail()?;
                let labels = [("type", text(event, &detail, "type")?)];
                unless_full(host, host.counter("assignment_failures_total", &labels, 1))
            }
            ("stack-manager", "StackWarm") => add("warm_stacks", 1.0),
            ("assign-trial", "StackReserved") => add("warm_stacks", -1.0),
            // Only what was warm was counted as such.
            ("stack-manager", "StackDeleted" | "StackFailed") if text(event, &event.detail()?, "state")? == "WARM" => {
                add("warm_stacks", -1.0)
            }
            _ => Ok(()),
        }
    }
}

/// Whoever assigns by other means than assign-trial may not have measured the time, and nothing is observed then.
fn assigned(event: &Event, host: &Host) -> Result<(), Failure> {
    let detail = event.detail()?;
    let Some(seconds) = detail.get("secondsToAssign") else { return Ok(()) };
    let value = seconds.as_f64().filter(|seconds| *seconds >= 0.0).ok_or_else(|| {
        permanent(format!("`secondsToAssign` of {} is {seconds}, not a number of seconds", event.detail_type))
    })?;
    let labels = [("type", text(event, &detail, "type")?)];
    unless_full(host, host.histogram("time_to_assignment_seconds", &labels, value))
}

/// A text that may be empty: it only becomes a label.
fn text<'a>(event: &Event, detail: &'a Detail<'_>, name: &str) -> Result<&'a str, Failure> {
    let text = detail.get(name).and_then(Value::as_str);
    text.ok_or_else(|| permanent(format!("the detail of {} has no text `{name}`", event.detail_type)))
}

/// A series that does not fit any more is no reason to lose the others, nor to dead-letter the event.
fn unless_full(host: &Host, counted: Result<(), Error>) -> Result<(), Failure> {
    match counted {
        Err(Error::Limit(reason)) => {
            host.warn("a metric was not counted", &[("reason", &reason)]);
            Ok(())
        }
        counted => Ok(counted?),
    }
}
