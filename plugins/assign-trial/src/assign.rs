//! What events mean for assignments.
//!
//! A record in [`ASSIGNMENTS`] that is not settled stands for an outcome that is owed: whoever settles it says so in the record or
//! deletes it, and nothing is settled that has none. The host runs each call as if it were alone, so that this is enough for exactly one outcome.

use std::io;

use serde_json::{Value, json};
use trialbridge_plugin::{Detail, Event, Failure, Host, NewEvent, OnlineTrial};
use trialbridge_states::{Execution, Problem, Start};

use crate::config::Config;
use crate::history;
use crate::record::{ASSIGNMENTS, Assignment, Pending, STACKS, Stack, WAITING};
use crate::run::Run;
use crate::tasks;

/// The source of the events of trials.
const TRIALS: &str = OnlineTrial::SOURCE;

/// The source of what this plugin says to itself and to stack-manager.
pub(crate) const SELF: &str = "assign-trial";

/// The source of the events of stacks.
const STACK_MANAGER: &str = "stack-manager";

/// What this plugin tells itself when an execution is to go on: at once, or `at` a time that it waits for.
pub(crate) const CONTINUED: &str = "ExecutionContinued";

/// Handles one event. `answer` is what a stack answers when it is asked for which trial it is: the text of its trial.json, if it has one.
///
/// # Errors
///
/// Permanent for an event or a configuration that is malformed, retry for a store that does not answer.
pub(crate) fn handle(
    host: &Host,
    event: &Event,
    answer: impl Fn(&str) -> io::Result<Option<String>>,
) -> Result<(), Failure> {
    let detail = event.detail()?;
    let mut run = Run::new(host, &answer);
    match event.kind() {
        (TRIALS, "TrialRequested") => requested(&mut run, event.sequence, &detail),
        (TRIALS, "TrialExpired") => ended(&mut run, &detail, "the trial expired before a stack was assigned"),
        (TRIALS, "TrialCancelled") => ended(&mut run, &detail, "the trial was cancelled before a stack was assigned"),
        (STACK_MANAGER | SELF, "StackWarm") => serve_waiting(&mut run, detail.text("type")?),
        (STACK_MANAGER, "StackConfigured") => configured(&mut run, &detail),
        (STACK_MANAGER, "StackFailed") => stack_failed(&mut run, &detail),
        (SELF, CONTINUED) => continued(&mut run, &detail),
        (SELF, history::OUTDATED) => history::forget(host, detail.text("trialId")?),
        (source, detail_type) => {
            let fields = [("source", source), ("detail-type", detail_type)];
            host.warn("ignored an event that is not for this plugin; narrow the rule that sends it", &fields);
            Ok(())
        }
    }?;
    // Who has joined a line may find that it moves already: a stack became warm, and the event that says so is still on the way.
    while let Some(trial_type) = run.joined.pop_first() {
        serve_waiting(&mut run, &trial_type)?;
    }
    Ok(())
}

/// Starts the execution of a new trial.
fn requested(run: &mut Run<'_>, sequence: u64, detail: &Detail) -> Result<(), Failure> {
    let host = run.host;
    let id = detail.text("trialId")?;
    detail.text("leadId")?;
    detail.text("type")?;
    if host.kv(ASSIGNMENTS).get_bytes(id)?.is_some() {
        host.warn("ignored a second request for a trial that is being assigned", &[("trialId", id)]);
        return Ok(());
    }
    let Some(trial) = host.trials().get(id)? else {
        return tasks::fail(host, id, None, None, detail.members(), "the trial ended before a stack was assigned");
    };
    if trial.status == "ASSIGNED" || trial.status == "FAILED" {
        host.warn("ignored a request for a trial that has its outcome", &[("trialId", id)]);
        return Ok(());
    }
    let config = Config::read(host)?;
    let now = host.now();
    let input = json!({ "trial": trial.detail_over(detail.members()), "waitSeconds": config.wait_seconds });
    let start = Start { id, name: id, machine: SELF, input, now };
    let assignment = Assignment {
        execution: Execution::start(&config.machine, start),
        pending: Vec::new(),
        stack_id: None,
        vouched_for: None,
        timer: None,
        is_settled: false,
        sequence,
        detail: detail.members().clone(),
    };
    run.proceed(id, assignment, now)
}

/// Gives stacks to those that wait, the oldest first, as long as there are both.
fn serve_waiting(run: &mut Run<'_>, trial_type: &str) -> Result<(), Failure> {
    let host = run.host;
    let prefix = format!("{trial_type}/");
    while let Some((key, id)) = host.kv(WAITING).page_bytes(&prefix, None, 1)?.into_iter().next() {
        if !run.has_room() {
            // The stacks that are left over are still warm, and so this says.
            return Ok(host.emit(NewEvent::new(SELF, "StackWarm", json!({ "type": trial_type })))?);
        }
        let id = String::from_utf8_lossy(&id).into_owned();
        let waits = |pending: &Pending| matches!(pending, Pending::SelectStack { key: waiting, .. } if *waiting == key);
        let assignment = host.kv(ASSIGNMENTS).get::<Assignment>(&id)?;
        let Some(mut assignment) = assignment.filter(|assignment| assignment.pending.iter().any(waits)) else {
            host.warn("removed a waiting entry without assignment", &[("key", key.as_str())]);
            host.kv(WAITING).delete(&key)?;
            run.spend(1);
            continue;
        };
        if host.trials().get(&id)?.is_none() {
            run.abort(&id, assignment, "the trial ended before a stack was assigned")?;
            continue;
        }
        let Some(stack_id) = tasks::warm_stack(host, trial_type, &run.given)? else { return Ok(()) };
        run.given.insert(stack_id.clone());
        for pending in assignment.pending.iter().filter(|pending| waits(pending)) {
            assignment.execution.complete(pending.token(), Ok(json!({ "stackId": stack_id })));
        }
        run.proceed(&id, assignment, host.now())?;
    }
    Ok(())
}

/// Goes on with the execution whose stack is ready.
fn configured(run: &mut Run<'_>, detail: &Detail) -> Result<(), Failure> {
    let (stack_id, id, url) = (detail.text("stackId")?, detail.text("trialId")?, detail.text("url")?);
    let vouched_for = (detail.get("ready") == Some(&Value::Bool(true))).then(|| url.to_owned());
    prepared(run, id, stack_id, vouched_for, Ok(json!({ "stackId": stack_id, "url": url })))
}

/// Goes on with the execution whose stack failed, if it was some trial's.
fn stack_failed(run: &mut Run<'_>, detail: &Detail) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let id = match detail.optional_text("trialId")? {
        Some(id) => Some(id.to_owned()),
        None => run.host.kv(STACKS).get::<Stack>(stack_id)?.and_then(|stack| stack.trial_id),
    };
    let Some(id) = id else { return Ok(()) };
    let reason = match detail.optional_text("reason")? {
        Some(reason) => format!("the stack failed: {reason}"),
        None => "the stack failed".to_owned(),
    };
    prepared(run, &id, stack_id, None, Err(Problem::new("StackFailed", reason)))
}

/// Completes the preparation of a stack, if somebody waits for it.
fn prepared(
    run: &mut Run<'_>,
    id: &str,
    stack_id: &str,
    vouched_for: Option<String>,
    result: Result<Value, Problem>,
) -> Result<(), Failure> {
    let Some(mut assignment) = run.host.kv(ASSIGNMENTS).get::<Assignment>(id)? else { return Ok(()) };
    let token = assignment.pending.iter().find_map(|pending| match pending {
        Pending::ConfigureTrial { token, stack_id: other } if other == stack_id => Some(*token),
        _ => None,
    });
    let Some(token) = token else { return Ok(()) };
    assignment.vouched_for = vouched_for;
    assignment.execution.complete(token, result);
    proceed_or_abort(run, id, assignment, run.host.now())
}

/// Goes on with an execution that has waited for a time, or has more to do.
fn continued(run: &mut Run<'_>, detail: &Detail) -> Result<(), Failure> {
    let host = run.host;
    let id = detail.text("trialId")?;
    let Some(mut assignment) = host.kv(ASSIGNMENTS).get::<Assignment>(id)? else { return Ok(()) };
    let mut now = host.now();
    if let Some(at) = detail.get("at").and_then(Value::as_u64) {
        // A time that is not waited for any more was cancelled too late.
        if assignment.timer.take_if(|timer| timer.at == at).is_none() {
            return Ok(());
        }
        // The event vouches for its time, even if the clock was set back meanwhile.
        now = now.max(at);
    }
    proceed_or_abort(run, id, assignment, now)
}

/// Stops the execution of a trial that has ended on its way to a stack, or after.
fn ended(run: &mut Run<'_>, detail: &Detail, reason: &str) -> Result<(), Failure> {
    let host = run.host;
    let id = detail.text("trialId")?;
    if host.trials().get(id)?.is_some() {
        host.warn("ignored the end of a trial that lives", &[("trialId", id)]);
        return Ok(());
    }
    let Some(mut assignment) = host.kv(ASSIGNMENTS).get::<Assignment>(id)? else { return history::forget(host, id) };
    // The last record of the trial knows more than its request did.
    assignment.detail.extend(detail.members().clone());
    run.abort(id, assignment, reason)
}

fn proceed_or_abort(run: &mut Run<'_>, id: &str, assignment: Assignment, now: u64) -> Result<(), Failure> {
    if run.host.trials().get(id)?.is_some() {
        return run.proceed(id, assignment, now);
    }
    let reason = match assignment.stack_id {
        Some(_) => "the trial ended before its stack was ready",
        None => "the trial ended before a stack was assigned",
    };
    run.abort(id, assignment, reason)
}
