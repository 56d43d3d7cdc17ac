//! Trials: how many there are, how long each of their states lasts, and why assignments fail.

use serde_json::Value;
use trialbridge_plugin::{Detail, Event, Failure, permanent};

use crate::recorder::Recorder;
use crate::{seconds, text};

/// How the reasons of assign-trial begin, and what they are called in a label. Their whole texts would be a series each.
const REASONS: [(&str, &str); 7] = [
    ("no warm stack", "no-warm-stack"),
    ("the stack failed", "stack-failed"),
    ("the stack does not answer", "stack-silent"),
    ("the task configureTrial took longer", "stack-not-configured"),
    ("the trial expired", "trial-expired"),
    ("the trial was cancelled", "trial-cancelled"),
    ("the trial ended", "trial-ended"),
];

/// Measures what an event says of a trial.
///
/// # Errors
///
/// Permanent for a detail that is malformed; those of the host.
pub(crate) fn measure(event: &Event, recorder: &mut Recorder<'_>) -> Result<(), Failure> {
    let next = match event.detail_type.as_str() {
        "TrialRequested" => "",
        "TrialAssigned" => "assigned",
        "TrialAssignmentFailed" => "failed",
        "TrialExpired" => "expired",
        "TrialCancelled" => "cancelled",
        _ => return Ok(()),
    };
    let detail = event.detail()?;
    let trial_type = text(event, &detail, "type")?;
    let labels = [("type", trial_type)];
    match next {
        "" => return recorder.add("active_trials", &labels, 1.0),
        "expired" | "cancelled" => recorder.add("active_trials", &labels, -1.0)?,
        "failed" => {
            let reason = reason(detail.get("reason").and_then(Value::as_str).unwrap_or_default());
            recorder.count("assignment_failures_total", &[("type", trial_type), ("reason", reason)])?;
        }
        _ => {
            if let Some(to_assign) = seconds_to_assign(event, &detail)? {
                recorder.observe("time_to_assignment_seconds", &labels, to_assign)?;
            }
        }
    }
    let due = detail.get("expiresAt").and_then(Value::as_f64);
    if let ("expired", Some(due), Some(published)) = (next, due, seconds(event)) {
        // The event's time lacks the fraction that the due time has, and no trial ends before it is due.
        recorder.observe("expiry_lateness_seconds", &labels, (published - due).max(0.0))?;
    }
    if let Some((state, lasted)) = state(event, &detail, next)? {
        recorder.observe(
            "time_in_state_seconds",
            &[("type", trial_type), ("state", &state), ("next", next)],
            lasted,
        )?;
    }
    Ok(())
}

/// The state that an event ends, and how many seconds it lasted; nothing if the detail does not say when it began.
fn state(event: &Event, detail: &Detail<'_>, next: &str) -> Result<Option<(String, f64)>, Failure> {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let progress = detail.get("progress");
    let (step, since) = (progress.and_then(|p| p["step"].as_str()), number(progress.map(|p| &p["since"])));
    let requested = number(detail.get("requestedAt"));
    let (state, began, ended) = match next {
        // An outcome ends the request, and says when it was reached.
        "assigned" | "failed" => {
            if next == "assigned"
                && let Some(to_assign) = seconds_to_assign(event, detail)?
            {
                return Ok(Some(("requested".to_owned(), to_assign)));
            }
            ("requested".to_owned(), requested, since.filter(|_| step == Some(next)).or_else(|| seconds(event)))
        }
        _ => {
            let status = detail.get("status").and_then(Value::as_str).unwrap_or("REQUESTED").to_ascii_lowercase();
            let began = match status.as_str() {
                "requested" => requested,
                status => since.filter(|_| step == Some(status)),
            };
            (status, began, seconds(event))
        }
    };
    Ok(began.zip(ended).map(|(began, ended)| (state, (ended - began).max(0.0))))
}

/// Whoever assigns by other means than assign-trial may not have measured the time, and nothing is observed then.
fn seconds_to_assign(event: &Event, detail: &Detail<'_>) -> Result<Option<f64>, Failure> {
    let Some(seconds) = detail.get("secondsToAssign") else { return Ok(None) };
    let value = seconds.as_f64().filter(|seconds| *seconds >= 0.0).ok_or_else(|| {
        permanent(format!("`secondsToAssign` of {} is {seconds}, not a number of seconds", event.detail_type))
    })?;
    Ok(Some(value))
}

fn reason(text: &str) -> &'static str {
    REASONS.iter().find(|(begin, _)| text.starts_with(begin)).map_or("other", |(_, label)| label)
}
