//! The logic of assignments.
//!
//! A record in [`ASSIGNMENTS`] stands for an outcome that is owed: whoever settles it deletes it, and nothing is settled
//! that has none. The host runs each call as if it were alone, so that this is enough for exactly one outcome.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use trialbridge_plugin::{Change, Detail, Event, Failure, Host, NewEvent, OnlineTrial, Trial, retry, seconds};

use crate::record::{ASSIGNMENTS, Assignment, AssignmentState, POOL, Pooled, STACKS, Stack, StackState, WAITING};

/// The source of the events of trials.
const TRIALS: &str = OnlineTrial::SOURCE;

/// The source of what this plugin says to itself and to stack-manager.
pub(crate) const SELF: &str = "assign-trial";

/// The source of the events of stacks.
const STACK_MANAGER: &str = "stack-manager";

/// How many changes to the store a call makes before it leaves the rest to another. The host's limit is 240; one
/// more reservation stays below it.
const MOST_CHANGES: usize = 200;

/// The changes of a reservation: pool, stack, trial (three), assignment, waiting, deadline, event.
const CHANGES_OF_RESERVATION: usize = 9;

/// The changes of an outcome: assignment, waiting, deadline, event, trial (three).
const CHANGES_OF_OUTCOME: usize = 7;

/// After so many attempts, a stack that cannot be read does not answer.
const LAST_ATTEMPT: u32 = 5;

/// The status of a trial that has its stack.
const ASSIGNED: &str = "ASSIGNED";

/// The status of a trial that will get none.
const FAILED: &str = "FAILED";

/// Handles one event. `answer` is what a stack answers when it is asked for which trial it is: the text of its trial.json, if it has one.
///
/// # Errors
///
/// Permanent for an event or a configuration that is malformed, retry for a store or a folder that does not answer.
pub(crate) fn handle(
    host: &Host,
    event: &Event,
    answer: impl FnOnce(&str) -> io::Result<Option<String>>,
) -> Result<(), Failure> {
    let detail = event.detail()?;
    match event.kind() {
        (TRIALS, "TrialRequested") => requested(host, event.sequence, &detail),
        (TRIALS, "TrialExpired") => ended(host, &detail, "the trial expired before a stack was assigned"),
        (TRIALS, "TrialCancelled") => ended(host, &detail, "the trial was cancelled before a stack was assigned"),
        (STACK_MANAGER | SELF, "StackWarm") => serve_waiting(host, detail.text("type")?),
        (STACK_MANAGER, "StackConfigured") => configured(host, &detail, answer),
        (STACK_MANAGER, "StackFailed") => stack_failed(host, &detail),
        (SELF, "AssignmentOverdue") => overdue(host, &detail),
        (source, detail_type) => {
            let fields = [("source", source), ("detail-type", detail_type)];
            host.warn("ignored an event that is not for this plugin; narrow the rule that sends it", &fields);
            Ok(())
        }
    }
}

/// Reserves a warm stack for a new trial, or lets the trial wait for one, behind those that wait already.
fn requested(host: &Host, sequence: u64, detail: &Detail) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    detail.text("leadId")?;
    detail.text("type")?;
    if host.kv(ASSIGNMENTS).get::<Assignment>(id)?.is_some() {
        host.warn("ignored a second request for a trial that is being assigned", &[("trialId", id)]);
        return Ok(());
    }
    let mut assignment = Assignment {
        state: AssignmentState::Waiting,
        stack_id: None,
        overdue_id: None,
        waiting_key: None,
        detail: detail.members().clone(),
    };
    let Some(trial) = host.trials().get(id)? else {
        return fail(host, id, None, assignment, "the trial ended before a stack was assigned");
    };
    if trial.status == ASSIGNED || trial.status == FAILED {
        host.warn("ignored a request for a trial that has its outcome", &[("trialId", id)]);
        return Ok(());
    }
    let trial_type = trial.trial_type.as_str();
    let nobody_waits = host.kv(WAITING).page_bytes(&format!("{trial_type}/"), None, 1)?.is_empty();
    if nobody_waits && let Some((stack_id, stack)) = warm_stack(host, trial_type)? {
        return reserve(host, &trial, assignment, &stack_id, stack);
    }

    let wait_seconds = Config::read(host)?.wait_seconds;
    let key = format!("{trial_type}/{sequence:020}");
    let deadline = json!({ "trialId": id, "type": trial_type, "waitSeconds": wait_seconds });
    let delay = Duration::from_secs(wait_seconds);
    assignment.overdue_id = Some(host.emit_after(NewEvent::new(SELF, "AssignmentOverdue", deadline), delay)?);
    assignment.waiting_key = Some(key.clone());
    host.kv(WAITING).set_bytes(&key, id.as_bytes())?;
    host.kv(ASSIGNMENTS).set(id, &assignment)?;
    host.trials().update(id, &Change::new().attribute("progress", progress(host, "waiting-for-stack")))?;
    host.info("no stack is warm, the trial waits", &[("trialId", id), ("type", trial_type)]);
    serve_waiting(host, trial_type)
}

/// Reserves stacks for those that wait, the oldest first, as long as there are both.
fn serve_waiting(host: &Host, trial_type: &str) -> Result<(), Failure> {
    let prefix = format!("{trial_type}/");
    let mut changes = 0;
    while let Some((key, id)) = host.kv(WAITING).page_bytes(&prefix, None, 1)?.into_iter().next() {
        if changes > MOST_CHANGES - CHANGES_OF_RESERVATION {
            // The stacks that are left over are still warm, and so this says.
            return Ok(host.emit(NewEvent::new(SELF, "StackWarm", json!({ "type": trial_type })))?);
        }
        let id = String::from_utf8_lossy(&id).into_owned();
        let assignment = host.kv(ASSIGNMENTS).get::<Assignment>(&id)?;
        let Some(assignment) = assignment.filter(|assignment| assignment.waiting_key.as_ref() == Some(&key)) else {
            host.warn("removed a waiting entry without assignment", &[("key", key.as_str())]);
            host.kv(WAITING).delete(&key)?;
            changes += 1;
            continue;
        };
        let Some(trial) = host.trials().get(&id)? else {
            fail(host, &id, None, assignment, "the trial ended before a stack was assigned")?;
            changes += CHANGES_OF_OUTCOME;
            continue;
        };
        let Some((stack_id, stack)) = warm_stack(host, trial_type)? else { return Ok(()) };
        reserve(host, &trial, assignment, &stack_id, stack)?;
        changes += CHANGES_OF_RESERVATION;
    }
    Ok(())
}

/// The warm stack of a type that was made first. Its id says so: stack-manager's ids ascend.
fn warm_stack(host: &Host, trial_type: &str) -> Result<Option<(String, Stack)>, Failure> {
    let prefix = format!("{trial_type}/");
    for entry in host.kv(POOL).entries::<Pooled>(&prefix) {
        let (key, pooled) = entry?;
        if pooled.state != StackState::Warm {
            continue;
        }
        let id = &key[prefix.len()..];
        match host.kv(STACKS).get::<Stack>(id)? {
            Some(stack) if stack.state == StackState::Warm && stack.trial_type == trial_type => {
                return Ok(Some((id.to_owned(), stack)));
            }
            // The stack's own record decides: what it does not call warm is given to nobody.
            _ => host.warn("passed over a stack that is warm in the pool only", &[("stackId", id)]),
        }
    }
    Ok(None)
}

/// Takes the stack out of the pool and gives it to the trial; stack-manager prepares it then.
fn reserve(
    host: &Host,
    trial: &Trial,
    mut assignment: Assignment,
    stack_id: &str,
    mut stack: Stack,
) -> Result<(), Failure> {
    host.kv(POOL).delete(&format!("{}/{stack_id}", stack.trial_type))?;
    stack.state = StackState::Assigned;
    stack.trial_id = Some(trial.trial_id.clone());
    host.kv(STACKS).set(stack_id, &stack)?;

    stop_waiting(host, &mut assignment)?;
    assignment.state = AssignmentState::Reserved;
    assignment.stack_id = Some(stack_id.to_owned());
    host.kv(ASSIGNMENTS).set(&trial.trial_id, &assignment)?;

    let change = Change::new().attribute("stackId", stack_id).attribute("progress", progress(host, "reserved"));
    let trial = host.trials().update(&trial.trial_id, &change)?;
    host.emit(NewEvent::new(SELF, "StackReserved", trial.detail_over(&assignment.detail)))?;
    host.info("reserved a stack", &[("trialId", trial.trial_id.as_str()), ("stackId", stack_id)]);
    Ok(())
}

/// Hands the stack over, if it answers for the trial.
fn configured(
    host: &Host,
    detail: &Detail,
    answer: impl FnOnce(&str) -> io::Result<Option<String>>,
) -> Result<(), Failure> {
    let (stack_id, id, url) = (detail.text("stackId")?, detail.text("trialId")?, detail.text("url")?);
    let Some(assignment) = reservation(host, id, stack_id)? else { return Ok(()) };
    let Some(trial) = host.trials().get(id)? else {
        return fail(host, id, None, assignment, "the trial ended before its stack was ready");
    };
    // Where stack-manager does not vouch for it, the stack itself has to answer.
    let vouched = detail.members().get("ready") == Some(&Value::Bool(true));
    match if vouched { Ok(None) } else { answer(stack_id) } {
        Ok(_) if vouched => {}
        Ok(file) if file.as_deref().and_then(trial_of).as_deref() == Some(id) => {}
        Ok(_) => return fail(host, id, Some(trial), assignment, "the stack does not answer for this trial"),
        Err(error) if host.delivery().attempt < LAST_ATTEMPT => {
            return Err(retry(format!("cannot read /stacks/{stack_id}/trial.json: {error}")));
        }
        Err(error) => {
            let reason = format!("the stack does not answer for this trial: {error}");
            return fail(host, id, Some(trial), assignment, &reason);
        }
    }

    let seconds_to_assign = host.now().saturating_sub(trial.requested_at) as f64 / 1000.0;
    let change = Change::new().status(ASSIGNED).attribute("url", url).attribute("stackId", stack_id);
    let change = change.attribute("progress", progress(host, "assigned"));
    let trial = host.trials().update(id, &change)?;
    host.kv(ASSIGNMENTS).delete(id)?;
    let mut outcome = trial.detail_over(&assignment.detail);
    outcome.insert("secondsToAssign".to_owned(), json!(seconds_to_assign));
    host.emit(NewEvent::new(TRIALS, "TrialAssigned", outcome))?;
    host.info("assigned a stack", &[("trialId", id), ("stackId", stack_id)]);
    Ok(())
}

/// Gives up for the trial whose stack failed, if it was some trial's.
fn stack_failed(host: &Host, detail: &Detail) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let id = match detail.optional_text("trialId")? {
        Some(id) => Some(id.to_owned()),
        None => host.kv(STACKS).get::<Stack>(stack_id)?.and_then(|stack| stack.trial_id),
    };
    let Some(id) = id else { return Ok(()) };
    let Some(assignment) = reservation(host, &id, stack_id)? else { return Ok(()) };
    let trial = host.trials().get(&id)?;
    let reason = match detail.optional_text("reason")? {
        Some(reason) => format!("the stack failed: {reason}"),
        None => "the stack failed".to_owned(),
    };
    fail(host, &id, trial, assignment, &reason)
}

/// Gives up for a trial that has waited too long.
fn overdue(host: &Host, detail: &Detail) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    let Some(assignment) = host.kv(ASSIGNMENTS).get::<Assignment>(id)? else { return Ok(()) };
    if assignment.state != AssignmentState::Waiting {
        return Ok(());
    }
    let trial = host.trials().get(id)?;
    let waited = match detail.members().get("waitSeconds").and_then(Value::as_u64) {
        Some(seconds) => seconds,
        None => Config::read(host)?.wait_seconds,
    };
    let reason = format!("no warm stack of type {} within {waited} s", detail.text("type")?);
    fail(host, id, trial, assignment, &reason)
}

/// Gives up for a trial that has ended on its way to a stack.
fn ended(host: &Host, detail: &Detail, reason: &str) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    let Some(mut assignment) = host.kv(ASSIGNMENTS).get::<Assignment>(id)? else { return Ok(()) };
    if host.trials().get(id)?.is_some() {
        host.warn("ignored the end of a trial that lives", &[("trialId", id)]);
        return Ok(());
    }
    // The last record of the trial knows more than its request did.
    assignment.detail.extend(detail.members().clone());
    fail(host, id, None, assignment, reason)
}

/// Settles an assignment with TrialAssignmentFailed; `trial` is the trial if it lives.
fn fail(host: &Host, id: &str, trial: Option<Trial>, mut assignment: Assignment, reason: &str) -> Result<(), Failure> {
    stop_waiting(host, &mut assignment)?;
    host.kv(ASSIGNMENTS).delete(id)?;
    let mut outcome = match trial {
        Some(_) => {
            let change = Change::new().status(FAILED).attribute("reason", reason);
            let change = change.attribute("progress", progress(host, "failed"));
            host.trials().update(id, &change)?.detail_over(&assignment.detail)
        }
        None => assignment.detail,
    };
    outcome.insert("status".to_owned(), json!(FAILED));
    outcome.insert("reason".to_owned(), json!(reason));
    if let Some(stack_id) = assignment.stack_id {
        outcome.insert("stackId".to_owned(), json!(stack_id));
    }
    host.emit(NewEvent::new(TRIALS, "TrialAssignmentFailed", outcome))?;
    host.warn("the assignment failed", &[("trialId", id), ("reason", reason)]);
    Ok(())
}

/// The assignment of a trial, if it has reserved this stack.
fn reservation(host: &Host, id: &str, stack_id: &str) -> Result<Option<Assignment>, Failure> {
    let assignment = host.kv(ASSIGNMENTS).get::<Assignment>(id)?;
    Ok(assignment.filter(|assignment| {
        assignment.state == AssignmentState::Reserved && assignment.stack_id.as_deref() == Some(stack_id)
    }))
}

/// Takes an assignment off the waiting list, and its deadline off the clock.
fn stop_waiting(host: &Host, assignment: &mut Assignment) -> Result<(), Failure> {
    if let Some(key) = assignment.waiting_key.take() {
        host.kv(WAITING).delete(&key)?;
    }
    if let Some(id) = assignment.overdue_id.take() {
        // False when the deadline has passed already: whoever handles it finds the assignment settled or reserved.
        host.cancel(&id)?;
    }
    Ok(())
}

/// The trial that a stack answers for.
fn trial_of(file: &str) -> Option<String> {
    let file: Map<String, Value> = serde_json::from_str(file).ok()?;
    file.get("trialId")?.as_str().map(str::to_owned)
}

/// Where the assignment stands, for whoever looks at the trial.
fn progress(host: &Host, step: &str) -> Value {
    json!({ "step": step, "since": seconds(host.now()) })
}

/// `[plugins.assign-trial.config]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// How long a trial waits for a warm stack before it fails, in seconds. 600 if not given.
    #[serde(default = "ten_minutes")]
    wait_seconds: u64,
}

impl Config {
    fn read(host: &Host) -> Result<Self, Failure> {
        let config: Self = host.config()?;
        if config.wait_seconds == 0 {
            return Err(host.config_failure("wait-seconds must be at least 1"));
        }
        Ok(config)
    }
}

fn ten_minutes() -> u64 {
    600
}
