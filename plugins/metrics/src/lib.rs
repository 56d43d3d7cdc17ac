//! Counts what happens, in one place: for Prometheus at /metrics, and if it is configured for CloudWatch.
//!
//! | metric | kind | labels | moved by |
//! |---|---|---|---|
//! | `events_total` | counter | `source`, `detail_type` | every event |
//! | `active_trials` | gauge | `type` | TrialRequested, TrialExpired, TrialCancelled |
//! | `time_to_assignment_seconds` | histogram | `type` | TrialAssigned |
//! | `time_in_state_seconds` | histogram | `type`, `state`, `next` | the events that end a state: assigned, failed, expired, cancelled |
//! | `assignment_failures_total` | counter | `type`, `reason` | TrialAssignmentFailed |
//! | `expiry_lateness_seconds` | histogram | `type` | TrialExpired: when it was published, less when it was due |
//! | `warm_stacks` | gauge | `type` | StackWarm, StackReserved; StackDeleted and StackFailed of warm stacks |
//! | `stack_failures_total` | counter | `type`, `state` | StackFailed |
//! | `pool_empty_since_timestamp_seconds` | gauge | `type` | the last warm stack goes; 0 while there is one |
//! | `pool_starvation_seconds` | histogram | `type` | a pool has a warm stack again: how long it had none |
//!
//! Times are taken from events, which have them to the second, but for those that their detail has more precisely.
//! `trialbridge_timer_lateness_seconds`, which the daemon measures itself, is in milliseconds.

mod cloudwatch;
mod config;
mod pool;
mod recorder;
#[cfg(test)]
mod tests;
mod trials;

use serde_json::Value;
use trialbridge_plugin::{Access, Description, Detail, Event, Failure, Host, Plugin, permanent};

use crate::config::Config;
use crate::recorder::Recorder;

/// The bucket of what has to be known of earlier events.
const BUCKET: &str = "metrics";

/// The source of what this plugin says to itself.
const SELF: &str = "metrics";

/// The plugin.
#[derive(Debug)]
pub struct Metrics;

trialbridge_plugin::export!(Metrics);

impl Plugin for Metrics {
    fn describe() -> Description {
        let summary = "counts events, and measures trials, their states and the pools of stacks";
        Description::new(summary, env!("CARGO_PKG_VERSION")).kv(BUCKET, Access::ReadWrite)
    }

    fn check_config(config: &trialbridge_plugin::Config) -> Result<(), String> {
        Config::parse(config).map(drop)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let config = Config::read(host)?;
        if let Some(cloudwatch) = &config.cloudwatch
            && let Some(done) = cloudwatch::handle(event, host, cloudwatch)
        {
            return done;
        }
        let mut recorder = Recorder::new(host);
        recorder.count("events_total", &[("source", &event.source), ("detail_type", &event.detail_type)])?;
        match event.kind() {
            ("OnlineTrial", _) => trials::measure(event, &mut recorder)?,
            ("stack-manager" | "assign-trial", _) => pool::measure(event, host, &mut recorder)?,
            _ => {}
        }
        match &config.cloudwatch {
            Some(_) if event.source != SELF => cloudwatch::keep(event, host, recorder.into_data()),
            _ => Ok(()),
        }
    }
}

/// A text that may be empty: it only becomes a label.
fn text<'a>(event: &Event, detail: &'a Detail<'_>, name: &str) -> Result<&'a str, Failure> {
    let text = detail.get(name).and_then(Value::as_str);
    text.ok_or_else(|| permanent(format!("the detail of {} has no text `{name}`", event.detail_type)))
}

/// When an event happened, in seconds since the epoch; nothing if its sender wrote something else.
fn seconds(event: &Event) -> Option<f64> {
    event.time.parse::<jiff::Timestamp>().ok().map(|time| time.as_second() as f64)
}
