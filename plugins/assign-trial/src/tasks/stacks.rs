//! The tasks with stacks.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use trialbridge_plugin::{Change, Failure, Host, NewEvent};
use trialbridge_states::{Call, Problem, names};

use super::{Answer, Outcome, input, progress};
use crate::assign::SELF;
use crate::record::{Assignment, POOL, Pending, Pooled, STACKS, Stack, StackState, WAITING};
use crate::run::Run;

/// How many entries of the pool are tried before all of them are looked at.
const TRIES: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Select {
    #[serde(rename = "type")]
    trial_type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Which {
    stack_id: String,
}

/// Chooses a warm stack, or lets the trial wait for one, behind those that wait already.
pub(super) fn select(run: &mut Run<'_>, id: &str, assignment: &mut Assignment, call: &Call) -> Result<Answer, Failure> {
    let Select { trial_type } = match input(call) {
        Ok(input) => input,
        Err(problem) => return Ok(Answer::Now(Err(problem))),
    };
    let host = run.host;
    let nobody_waits = host.kv(WAITING).page_bytes(&format!("{trial_type}/"), None, 1)?.is_empty();
    if nobody_waits && let Some(stack_id) = warm_stack(host, &trial_type, &run.given)? {
        run.given.insert(stack_id.clone());
        return Ok(Answer::Now(Ok(json!({ "stackId": stack_id }))));
    }
    let mut key = format!("{trial_type}/{:020}", assignment.sequence);
    if assignment
        .pending
        .iter()
        .any(|pending| matches!(pending, Pending::SelectStack { key: other, .. } if *other == key))
    {
        key = format!("{key}-{}", call.token);
    }
    host.kv(WAITING).set_bytes(&key, id.as_bytes())?;
    host.trials().update(id, &Change::new().attribute("progress", progress(host, "waiting-for-stack")))?;
    run.spend(4);
    assignment.pending.push(Pending::SelectStack { token: call.token, key });
    host.info("no stack is warm, the trial waits", &[("trialId", id), ("type", &trial_type)]);
    run.joined.insert(trial_type);
    Ok(Answer::Later)
}

/// Takes a stack out of the pool and gives it to the trial.
pub(super) fn reserve(run: &mut Run<'_>, id: &str, assignment: &mut Assignment, call: &Call) -> Outcome {
    let Which { stack_id } = match input(call) {
        Ok(input) => input,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Some(other) = &assignment.stack_id {
        return Ok(Err(Problem::new(names::TASK_FAILED, format!("the trial has reserved a stack already: {other}"))));
    }
    let host = run.host;
    let stack = host.kv(STACKS).get::<Stack>(&stack_id)?;
    let Some(mut stack) = stack.filter(|stack| stack.state == StackState::Warm) else {
        return Ok(Err(Problem::new("StackTaken", format!("the stack {stack_id} is not warm any more"))));
    };
    host.kv(POOL).delete(&format!("{}/{stack_id}", stack.trial_type))?;
    let taken = Pooled { state: StackState::Assigned, taken_at: Some(host.now()) };
    host.kv(POOL).set(&format!("/{}/{stack_id}", stack.trial_type), &taken)?;
    stack.state = StackState::Assigned;
    stack.trial_id = Some(id.to_owned());
    host.kv(STACKS).set(&stack_id, &stack)?;
    let change =
        Change::new().attribute("stackId", stack_id.as_str()).attribute("progress", progress(host, "reserved"));
    host.trials().update(id, &change)?;
    run.spend(6);
    host.info("reserved a stack", &[("trialId", id), ("stackId", &stack_id)]);
    assignment.stack_id = Some(stack_id.clone());
    Ok(Ok(json!({ "stackId": stack_id })))
}

/// Lets stack-manager prepare the reserved stack for the trial.
pub(super) fn configure(
    run: &mut Run<'_>,
    id: &str,
    assignment: &mut Assignment,
    call: &Call,
) -> Result<Answer, Failure> {
    let stack_id = match input(call) {
        Ok(Which { stack_id }) if assignment.stack_id.as_ref() == Some(&stack_id) => stack_id,
        Ok(Which { stack_id }) => {
            let cause = format!("the stack {stack_id} is not reserved for the trial");
            return Ok(Answer::Now(Err(Problem::new(names::TASK_FAILED, cause))));
        }
        Err(problem) => return Ok(Answer::Now(Err(problem))),
    };
    let trial = run.trial(id)?;
    run.host.emit(NewEvent::new(SELF, "StackReserved", trial.detail_over(&assignment.detail)))?;
    run.spend(1);
    assignment.pending.push(Pending::ConfigureTrial { token: call.token, stack_id });
    Ok(Answer::Later)
}

/// Asks a stack of the daemon's which trial it is for. One that is elsewhere, which stack-manager has vouched for, is to answer at its URL, if
/// that is one of HTTP.
pub(super) fn check_reachable(run: &mut Run<'_>, id: &str, assignment: &mut Assignment, call: &Call) -> Answer {
    let Which { stack_id } = match input(call) {
        Ok(input) => input,
        Err(problem) => return Answer::Now(Err(problem)),
    };
    if let Some(url) = &assignment.vouched_for
        && assignment.stack_id.as_ref() == Some(&stack_id)
    {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Answer::Now(Ok(json!({ "stackId": stack_id })));
        }
        let url = url.clone();
        assignment.pending.push(Pending::CheckReachable { token: call.token, stack_id, url });
        return Answer::Later;
    }
    Answer::Now(match (run.answer)(&stack_id) {
        Ok(file) if file.as_deref().and_then(trial_of).as_deref() == Some(id) => Ok(json!({ "stackId": stack_id })),
        Ok(_) => Err(Problem::new("StackUnreachable", "the stack does not answer for this trial")),
        Err(error) => {
            let cause =
                format!("the stack does not answer for this trial: cannot read /stacks/{stack_id}/trial.json: {error}");
            Err(Problem::new("StackUnreadable", cause))
        }
    })
}

/// A warm stack of a type, but for those that were `given` to somebody.
pub(crate) fn warm_stack(host: &Host, trial_type: &str, given: &BTreeSet<String>) -> Result<Option<String>, Failure> {
    let prefix = format!("{trial_type}/");
    // Most of them are warm, so that one or another of many is found at once, and nobody waits for those who look for one too.
    for _ in 0..TRIES {
        let Some((key, pooled)) = host.kv(POOL).any::<Pooled>(&prefix)? else { return Ok(None) };
        if let Some(id) = warm(host, trial_type, given, &key[prefix.len()..], &pooled)? {
            return Ok(Some(id));
        }
    }
    for entry in host.kv(POOL).entries::<Pooled>(&prefix) {
        let (key, pooled) = entry?;
        if let Some(id) = warm(host, trial_type, given, &key[prefix.len()..], &pooled)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// A stack of the pool, if it is warm and was not given to anybody.
fn warm(
    host: &Host,
    trial_type: &str,
    given: &BTreeSet<String>,
    id: &str,
    pooled: &Pooled,
) -> Result<Option<String>, Failure> {
    if pooled.state != StackState::Warm || given.contains(id) {
        return Ok(None);
    }
    let stack = host.kv(STACKS).get::<Stack>(id)?;
    if stack.is_some_and(|stack| stack.state == StackState::Warm && stack.trial_type == trial_type) {
        return Ok(Some(id.to_owned()));
    }
    // The stack's own record decides: what it does not call warm is given to nobody.
    host.warn("passed over a stack that is warm in the pool only", &[("stackId", id)]);
    Ok(None)
}

/// The trial that a stack answers for.
fn trial_of(file: &str) -> Option<String> {
    let file: Map<String, Value> = serde_json::from_str(file).ok()?;
    file.get("trialId")?.as_str().map(str::to_owned)
}
