//! The tasks with the trial's record and with events, and the outcome that is always owed.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use trialbridge_plugin::{Change, Failure, Host, NewEvent, OnlineTrial, Trial, seconds};
use trialbridge_states::{Call, Problem, names};

use super::{Outcome, input, refused};
use crate::assign::SELF;
use crate::record::Assignment;
use crate::run::Run;

/// The source of the events of trials.
const TRIALS: &str = OnlineTrial::SOURCE;

/// The event of a trial that has its stack.
const ASSIGNED: &str = "TrialAssigned";

/// The event of a trial that will get none.
const FAILED: &str = "TrialAssignmentFailed";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Update {
    status: Option<String>,
    progress: Option<String>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Emit {
    detail_type: String,
    source: Option<String>,
    #[serde(default)]
    detail: Map<String, Value>,
}

/// Changes the trial's record.
pub(super) fn update(run: &mut Run<'_>, id: &str, assignment: &Assignment, call: &Call) -> Outcome {
    let Update { status, progress: step, attributes } = match input(call) {
        Ok(input) => input,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut change = Change::new();
    change.status = status;
    change.attributes = attributes;
    if let Some(step) = step {
        change = change.attribute("progress", progress(run.host, &step));
    }
    run.spend(3);
    Ok(match run.host.trials().update(id, &change) {
        Ok(trial) => Ok(trial.detail_over(&assignment.detail).into()),
        Err(error) => Err(refused(error)?),
    })
}

/// Emits an event about the trial. The two outcomes carry the whole trial, and only one of them is ever emitted.
pub(super) fn emit(run: &mut Run<'_>, id: &str, assignment: &mut Assignment, call: &Call) -> Outcome {
    let Emit { detail_type, source, detail } = match input(call) {
        Ok(input) => input,
        Err(problem) => return Ok(Err(problem)),
    };
    run.spend(1);
    let is_outcome = matches!(detail_type.as_str(), ASSIGNED | FAILED);
    if is_outcome && source.as_deref().is_none_or(|source| source == TRIALS) {
        return outcome(run, id, assignment, &detail_type, detail);
    }
    let mut whole = Map::from_iter([("trialId".to_owned(), json!(id))]);
    whole.extend(detail);
    let event = NewEvent::new(source.as_deref().unwrap_or(SELF), detail_type, &whole);
    Ok(match run.host.emit(event) {
        Ok(()) => Ok(whole.into()),
        Err(error) => Err(refused(error)?),
    })
}

/// Settles an assignment with TrialAssignmentFailed, whatever its definition says; `trial` is the trial if it lives.
pub(crate) fn fail(
    host: &Host,
    id: &str,
    trial: Option<&Trial>,
    stack_id: Option<&str>,
    detail: &Map<String, Value>,
    reason: &str,
) -> Result<(), Failure> {
    let mut outcome = match trial {
        Some(_) => {
            let change = Change::new().status("FAILED").attribute("reason", reason);
            let change = change.attribute("progress", progress(host, "failed"));
            host.trials().update(id, &change)?.detail_over(detail)
        }
        None => detail.clone(),
    };
    outcome.insert("reason".to_owned(), json!(reason));
    emit_failed(host, id, stack_id, outcome)
}

/// Where the assignment stands, for whoever looks at the trial.
pub(crate) fn progress(host: &Host, step: &str) -> Value {
    json!({ "step": step, "since": seconds(host.now()) })
}

fn outcome(
    run: &mut Run<'_>,
    id: &str,
    assignment: &mut Assignment,
    detail_type: &str,
    detail: Map<String, Value>,
) -> Outcome {
    if assignment.is_settled {
        return Ok(Err(Problem::new("OutcomeEmitted", "the trial has its outcome already")));
    }
    let is_assigned = detail_type == ASSIGNED;
    if is_assigned && assignment.stack_id.is_none() {
        return Ok(Err(Problem::new(names::TASK_FAILED, "no stack is reserved for the trial")));
    }
    let mut trial = run.trial(id)?;
    // The record never contradicts the outcome, even if the definition does not say so: a repeated request is recognised by it.
    let status = if is_assigned { "ASSIGNED" } else { "FAILED" };
    if trial.status != status {
        trial = run.host.trials().update(id, &Change::new().status(status))?;
        run.spend(3);
    }
    let mut whole = trial.detail_over(&assignment.detail);
    whole.extend(detail);
    if is_assigned {
        let millis = run.host.now().saturating_sub(trial.requested_at);
        whole.insert("secondsToAssign".to_owned(), json!(millis as f64 / 1000.0));
        run.host.emit(NewEvent::new(TRIALS, ASSIGNED, &whole))?;
        let stack_id = assignment.stack_id.as_deref().unwrap_or_default();
        run.host.info("assigned a stack", &[("trialId", id), ("stackId", stack_id)]);
    } else {
        emit_failed(run.host, id, assignment.stack_id.as_deref(), whole.clone())?;
    }
    assignment.is_settled = true;
    Ok(Ok(whole.into()))
}

fn emit_failed(host: &Host, id: &str, stack_id: Option<&str>, mut outcome: Map<String, Value>) -> Result<(), Failure> {
    outcome.insert("status".to_owned(), json!("FAILED"));
    if let Some(stack_id) = stack_id {
        outcome.insert("stackId".to_owned(), json!(stack_id));
    }
    let reason = outcome.get("reason").and_then(Value::as_str).unwrap_or("no reason was given").to_owned();
    host.emit(NewEvent::new(TRIALS, FAILED, outcome))?;
    host.warn("the assignment failed", &[("trialId", id), ("reason", &reason)]);
    Ok(())
}
