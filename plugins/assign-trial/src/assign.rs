//! The logic of assignments.
//!
//! A record in [`ASSIGNMENTS`] stands for an outcome that is owed: whoever settles it deletes it, and nothing is settled
//! that has none. The host runs each call as if it were alone, so that this is enough for exactly one outcome.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::{Event, Failure};
use crate::bindings::trialbridge::plugin::log::Level;
use crate::bindings::trialbridge::plugin::trials::{Change, Trial};
use crate::detail::{Detail, SELF, STACK_MANAGER, TRIALS, fields, seconds};
use crate::host::{Host, event, parse, read, write};
use crate::record::{ASSIGNMENTS, Assignment, AssignmentState, POOL, Pooled, STACKS, Stack, StackState, WAITING};

/// How many changes to the store a call makes before it leaves the rest to another. The host's limit is 240; one
/// more reservation stays below it.
const MOST_CHANGES: usize = 200;

/// The changes of a reservation: pool, stack, trial (three), assignment, waiting, deadline, event.
const CHANGES_OF_RESERVATION: usize = 9;

/// The changes of an outcome: assignment, waiting, deadline, event, trial (three).
const CHANGES_OF_OUTCOME: usize = 7;

/// How many entries of the pool are read at once.
const PAGE: u32 = 100;

/// After so many attempts, a stack that cannot be read does not answer.
const LAST_ATTEMPT: u32 = 5;

/// The status of a trial that has its stack.
const ASSIGNED: &str = "ASSIGNED";

/// The status of a trial that will get none.
const FAILED: &str = "FAILED";

/// Handles one event; `attempt` is 1 for the first time.
///
/// # Errors
///
/// Permanent for an event or a configuration that is malformed, retry for a store or a folder that does not answer.
pub(crate) fn handle(host: &mut impl Host, event: &Event, attempt: u32) -> Result<(), Failure> {
    let detail = Detail::read(event)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        (TRIALS, "TrialRequested") => requested(host, event.sequence, &detail),
        (TRIALS, "TrialExpired") => ended(host, &detail, "the trial expired before a stack was assigned"),
        (TRIALS, "TrialCancelled") => ended(host, &detail, "the trial was cancelled before a stack was assigned"),
        (STACK_MANAGER | SELF, "StackWarm") => serve_waiting(host, detail.text("type")?),
        (STACK_MANAGER, "StackConfigured") => configured(host, &detail, attempt),
        (STACK_MANAGER, "StackFailed") => stack_failed(host, &detail),
        (SELF, "AssignmentOverdue") => overdue(host, &detail),
        (source, detail_type) => {
            let fields = [("source", source), ("detail-type", detail_type)];
            host.log(
                Level::Warn,
                "ignored an event that is not for this plugin; narrow the rule that sends it",
                &fields,
            );
            Ok(())
        }
    }
}

/// Reserves a warm stack for a new trial, or lets the trial wait for one, behind those that wait already.
fn requested(host: &mut impl Host, sequence: u64, detail: &Detail) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    detail.text("leadId")?;
    detail.text("type")?;
    if read::<Assignment>(host, ASSIGNMENTS, id)?.is_some() {
        host.log(Level::Warn, "ignored a second request for a trial that is being assigned", &[("trialId", id)]);
        return Ok(());
    }
    let mut assignment = Assignment {
        state: AssignmentState::Waiting,
        stack_id: None,
        overdue_id: None,
        waiting_key: None,
        detail: detail.members().clone(),
    };
    let Some(trial) = host.trial(id)? else {
        return fail(host, id, None, assignment, "the trial ended before a stack was assigned");
    };
    if trial.status == ASSIGNED || trial.status == FAILED {
        host.log(Level::Warn, "ignored a request for a trial that has its outcome", &[("trialId", id)]);
        return Ok(());
    }
    let trial_type = trial.trial_type.as_str();
    let nobody_waits = host.list(WAITING, &format!("{trial_type}/"), None, 1)?.is_empty();
    if nobody_waits && let Some((stack_id, stack)) = warm_stack(host, trial_type)? {
        return reserve(host, &trial, assignment, &stack_id, stack);
    }

    let wait_seconds = Config::read(host)?.wait_seconds;
    let key = format!("{trial_type}/{sequence:020}");
    let deadline = json!({ "trialId": id, "type": trial_type, "waitSeconds": wait_seconds });
    let delay = wait_seconds.saturating_mul(1000);
    assignment.overdue_id = Some(host.emit_after(&event(SELF, "AssignmentOverdue", deadline), delay)?);
    assignment.waiting_key = Some(key.clone());
    host.set(WAITING, &key, id.as_bytes())?;
    write(host, ASSIGNMENTS, id, &assignment)?;
    let attributes = json!({ "progress": progress(host, "waiting-for-stack") });
    host.update(id, &Change { status: None, attributes: Some(attributes.to_string()) })?;
    host.log(Level::Info, "no stack is warm, the trial waits", &[("trialId", id), ("type", trial_type)]);
    serve_waiting(host, trial_type)
}

/// Reserves stacks for those that wait, the oldest first, as long as there are both.
fn serve_waiting(host: &mut impl Host, trial_type: &str) -> Result<(), Failure> {
    let prefix = format!("{trial_type}/");
    let mut changes = 0;
    while let Some((key, id)) = host.list(WAITING, &prefix, None, 1)?.into_iter().next() {
        if changes > MOST_CHANGES - CHANGES_OF_RESERVATION {
            // The stacks that are left over are still warm, and so this says.
            return Ok(host.emit(&event(SELF, "StackWarm", json!({ "type": trial_type })))?);
        }
        let id = String::from_utf8_lossy(&id).into_owned();
        let assignment = read::<Assignment>(host, ASSIGNMENTS, &id)?;
        let Some(assignment) = assignment.filter(|assignment| assignment.waiting_key.as_ref() == Some(&key)) else {
            host.log(Level::Warn, "removed a waiting entry without assignment", &[("key", key.as_str())]);
            host.delete(WAITING, &key)?;
            changes += 1;
            continue;
        };
        let Some(trial) = host.trial(&id)? else {
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
fn warm_stack(host: &mut impl Host, trial_type: &str) -> Result<Option<(String, Stack)>, Failure> {
    let prefix = format!("{trial_type}/");
    let mut after = None;
    loop {
        let page = host.list(POOL, &prefix, after.as_deref(), PAGE)?;
        for (key, value) in &page {
            if parse::<Pooled>(POOL, key, value)?.state != StackState::Warm {
                continue;
            }
            let id = &key[prefix.len()..];
            match read::<Stack>(host, STACKS, id)? {
                Some(stack) if stack.state == StackState::Warm && stack.trial_type == trial_type => {
                    return Ok(Some((id.to_owned(), stack)));
                }
                // The stack's own record decides: what it does not call warm is given to nobody.
                _ => host.log(Level::Warn, "passed over a stack that is warm in the pool only", &[("stackId", id)]),
            }
        }
        let Some((last, _)) = page.into_iter().next_back() else { return Ok(None) };
        after = Some(last);
    }
}

/// Takes the stack out of the pool and gives it to the trial; stack-manager prepares it then.
fn reserve(
    host: &mut impl Host,
    trial: &Trial,
    mut assignment: Assignment,
    stack_id: &str,
    mut stack: Stack,
) -> Result<(), Failure> {
    host.delete(POOL, &format!("{}/{stack_id}", stack.trial_type))?;
    stack.state = StackState::Assigned;
    stack.trial_id = Some(trial.trial_id.clone());
    write(host, STACKS, stack_id, &stack)?;

    stop_waiting(host, &mut assignment)?;
    assignment.state = AssignmentState::Reserved;
    assignment.stack_id = Some(stack_id.to_owned());
    write(host, ASSIGNMENTS, &trial.trial_id, &assignment)?;

    let attributes = json!({ "stackId": stack_id, "progress": progress(host, "reserved") });
    let trial = host.update(&trial.trial_id, &Change { status: None, attributes: Some(attributes.to_string()) })?;
    host.emit(&event(SELF, "StackReserved", fields(&assignment.detail, &trial)?))?;
    host.log(Level::Info, "reserved a stack", &[("trialId", trial.trial_id.as_str()), ("stackId", stack_id)]);
    Ok(())
}

/// Hands the stack over, if it answers for the trial.
fn configured(host: &mut impl Host, detail: &Detail, attempt: u32) -> Result<(), Failure> {
    let (stack_id, id, url) = (detail.text("stackId")?, detail.text("trialId")?, detail.text("url")?);
    let Some(assignment) = reservation(host, id, stack_id)? else { return Ok(()) };
    let Some(trial) = host.trial(id)? else {
        return fail(host, id, None, assignment, "the trial ended before its stack was ready");
    };
    match host.read_stack_file(stack_id, "trial.json") {
        Ok(file) if file.as_deref().and_then(trial_of).as_deref() == Some(id) => {}
        Ok(_) => return fail(host, id, Some(trial), assignment, "the stack does not answer for this trial"),
        Err(error) if attempt < LAST_ATTEMPT => {
            return Err(Failure::Retry(format!("cannot read /stacks/{stack_id}/trial.json: {error}")));
        }
        Err(error) => {
            let reason = format!("the stack does not answer for this trial: {error}");
            return fail(host, id, Some(trial), assignment, &reason);
        }
    }

    let seconds_to_assign = host.now().saturating_sub(trial.requested_at) as f64 / 1000.0;
    let attributes = json!({ "url": url, "stackId": stack_id, "progress": progress(host, "assigned") });
    let change = Change { status: Some(ASSIGNED.to_owned()), attributes: Some(attributes.to_string()) };
    let trial = host.update(id, &change)?;
    host.delete(ASSIGNMENTS, id)?;
    let mut outcome = fields(&assignment.detail, &trial)?;
    outcome.insert("secondsToAssign".to_owned(), json!(seconds_to_assign));
    host.emit(&event(TRIALS, "TrialAssigned", outcome))?;
    host.log(Level::Info, "assigned a stack", &[("trialId", id), ("stackId", stack_id)]);
    Ok(())
}

/// Gives up for the trial whose stack failed, if it was some trial's.
fn stack_failed(host: &mut impl Host, detail: &Detail) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let id = match detail.optional_text("trialId")? {
        Some(id) => Some(id.to_owned()),
        None => read::<Stack>(host, STACKS, stack_id)?.and_then(|stack| stack.trial_id),
    };
    let Some(id) = id else { return Ok(()) };
    let Some(assignment) = reservation(host, &id, stack_id)? else { return Ok(()) };
    let trial = host.trial(&id)?;
    let reason = match detail.optional_text("reason")? {
        Some(reason) => format!("the stack failed: {reason}"),
        None => "the stack failed".to_owned(),
    };
    fail(host, &id, trial, assignment, &reason)
}

/// Gives up for a trial that has waited too long.
fn overdue(host: &mut impl Host, detail: &Detail) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    let Some(assignment) = read::<Assignment>(host, ASSIGNMENTS, id)? else { return Ok(()) };
    if assignment.state != AssignmentState::Waiting {
        return Ok(());
    }
    let trial = host.trial(id)?;
    let waited = match detail.members().get("waitSeconds").and_then(Value::as_u64) {
        Some(seconds) => seconds,
        None => Config::read(host)?.wait_seconds,
    };
    let reason = format!("no warm stack of type {} within {waited} s", detail.text("type")?);
    fail(host, id, trial, assignment, &reason)
}

/// Gives up for a trial that has ended on its way to a stack.
fn ended(host: &mut impl Host, detail: &Detail, reason: &str) -> Result<(), Failure> {
    let id = detail.text("trialId")?;
    let Some(mut assignment) = read::<Assignment>(host, ASSIGNMENTS, id)? else { return Ok(()) };
    if host.trial(id)?.is_some() {
        host.log(Level::Warn, "ignored the end of a trial that lives", &[("trialId", id)]);
        return Ok(());
    }
    // The last record of the trial knows more than its request did.
    assignment.detail.extend(detail.members().clone());
    fail(host, id, None, assignment, reason)
}

/// Settles an assignment with TrialAssignmentFailed; `trial` is the trial if it lives.
fn fail(
    host: &mut impl Host,
    id: &str,
    trial: Option<Trial>,
    mut assignment: Assignment,
    reason: &str,
) -> Result<(), Failure> {
    stop_waiting(host, &mut assignment)?;
    host.delete(ASSIGNMENTS, id)?;
    let mut outcome = match trial {
        Some(_) => {
            let attributes = json!({ "reason": reason, "progress": progress(host, "failed") });
            let change = Change { status: Some(FAILED.to_owned()), attributes: Some(attributes.to_string()) };
            fields(&assignment.detail, &host.update(id, &change)?)?
        }
        None => assignment.detail,
    };
    outcome.insert("status".to_owned(), json!(FAILED));
    outcome.insert("reason".to_owned(), json!(reason));
    if let Some(stack_id) = assignment.stack_id {
        outcome.insert("stackId".to_owned(), json!(stack_id));
    }
    host.emit(&event(TRIALS, "TrialAssignmentFailed", outcome))?;
    host.log(Level::Warn, "the assignment failed", &[("trialId", id), ("reason", reason)]);
    Ok(())
}

/// The assignment of a trial, if it has reserved this stack.
fn reservation(host: &impl Host, id: &str, stack_id: &str) -> Result<Option<Assignment>, Failure> {
    let assignment = read::<Assignment>(host, ASSIGNMENTS, id)?;
    Ok(assignment.filter(|assignment| {
        assignment.state == AssignmentState::Reserved && assignment.stack_id.as_deref() == Some(stack_id)
    }))
}

/// Takes an assignment off the waiting list, and its deadline off the clock.
fn stop_waiting(host: &mut impl Host, assignment: &mut Assignment) -> Result<(), Failure> {
    if let Some(key) = assignment.waiting_key.take() {
        host.delete(WAITING, &key)?;
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
fn progress(host: &impl Host, step: &str) -> Value {
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
    fn read(host: &impl Host) -> Result<Self, Failure> {
        let malformed = |reason: String| Failure::Permanent(format!("[plugins.assign-trial.config]: {reason}"));
        let config: Self = serde_json::from_str(&host.config()).map_err(|error| malformed(error.to_string()))?;
        if config.wait_seconds == 0 {
            return Err(malformed("wait-seconds must be at least 1".to_owned()));
        }
        Ok(config)
    }
}

fn ten_minutes() -> u64 {
    600
}
