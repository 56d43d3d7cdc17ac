//! The end of a stack: it is forgotten only when its provider says that it is gone.

use std::time::Duration;

use trialbridge_plugin::{Detail, Failure, Host};

use crate::lifecycle::{assigned, not_yet};
use crate::polling;
use crate::provider::{Error, Providers, Status};
use crate::record::{POOL, STACKS, Stack, State, pool_key, taken_key};
use crate::said::{emit, fail, of_stack, request};

/// How often it is asked whether a stack is gone.
const INTERVAL: Duration = Duration::from_secs(10);

/// So many deletions of a stack may fail before somebody has to see to it.
const MOST_FAILURES: u32 = 8;

/// The longest wait before a deletion that failed is tried again.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Deletes the stack of a trial that is over, if it had one.
///
/// # Errors
///
/// Retry if the provider fails; those of the host.
pub(crate) fn delete(host: &Host, providers: &mut impl Providers, detail: &Detail) -> Result<(), Failure> {
    let trial_id = detail.text("trialId")?;
    let Some(stack_id) = detail.optional_text("stackId")? else { return Ok(()) };
    match assigned(host, stack_id, trial_id)? {
        Some(stack) => remove(host, providers, stack_id, stack),
        None => Ok(()),
    }
}

/// Deletes a stack that was condemned.
///
/// # Errors
///
/// Retry if the provider fails; those of the host.
pub(crate) fn requested(host: &Host, providers: &mut impl Providers, detail: &Detail) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    match host.kv(STACKS).get::<Stack>(stack_id)? {
        Some(stack) if stack.state == State::Deleting => remove(host, providers, stack_id, stack),
        _ => Ok(()),
    }
}

/// Lets a stack go that nobody has. It is deleted once that is committed: until then, another commit might still give it to a trial.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn retire(host: &Host, stack_id: &str, mut stack: Stack) -> Result<(), Failure> {
    withdraw(host, stack_id, &stack)?;
    stack.was.get_or_insert(stack.state);
    stack.state = State::Deleting;
    stack.failures = 0;
    stack.poll_at = Some(host.now());
    host.kv(STACKS).set(stack_id, &stack)?;
    request(host, "StackDeleteRequested", stack_id, &stack.trial_type)
}

/// Lets a stack go that failed before it was warm.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn condemn(host: &Host, stack_id: &str, mut stack: Stack) -> Result<(), Failure> {
    stack.was = Some(State::Failed);
    retire(host, stack_id, stack)
}

/// Tries once more to delete a stack that was left to the operator.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn retry(host: &Host, stack_id: &str, mut stack: Stack) -> Result<(), Failure> {
    stack.state = State::Deleting;
    stack.failures = 0;
    stack.poll_at = Some(host.now());
    host.kv(STACKS).set(stack_id, &stack)?;
    request(host, "StackDeleteRequested", stack_id, &stack.trial_type)
}

/// Forgets a stack that is gone although nobody deleted it, and says so.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn lose(host: &Host, stack_id: &str, stack: &Stack, reason: &str) -> Result<(), Failure> {
    withdraw(host, stack_id, stack)?;
    host.kv(STACKS).delete(stack_id)?;
    fail(host, stack_id, stack, reason)
}

/// Forgets a stack that was deleted, and says so.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn forget(host: &Host, stack_id: &str, mut stack: Stack) -> Result<(), Failure> {
    host.kv(STACKS).delete(stack_id)?;
    stack.state = stack.was.unwrap_or(stack.state);
    emit(host, "StackDeleted", of_stack(stack_id, &stack))?;
    host.info("deleted a stack", &[("stackId", stack_id), ("trialId", stack.trial_id.as_deref().unwrap_or("none"))]);
    Ok(())
}

/// Looks whether a stack that is being deleted is gone.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn poll(
    host: &Host,
    providers: &mut impl Providers,
    stack_id: &str,
    mut stack: Stack,
) -> Result<(), Failure> {
    let mut status = providers.provider(host, &stack.provider).status(stack_id);
    if let Ok(Status::DeletionFailed(reason)) = &status {
        return failed(host, providers, stack_id, stack, reason);
    }
    // Whatever it is, it is not on its way out: the request got lost.
    if let Ok(Status::Building | Status::Ready(_) | Status::Failed(_)) = status {
        status = providers.provider(host, &stack.provider).delete(stack_id);
    }
    match status {
        Ok(Status::Absent) => forget(host, stack_id, stack),
        Ok(_) => {
            stack.failures = 0;
            wait(host, stack_id, stack, INTERVAL)
        }
        Err(error) => {
            host.warn("cannot see whether a stack is gone", &[("stackId", stack_id), ("reason", error.reason())]);
            stack.failures = stack.failures.saturating_add(1);
            let delay = polling::back_off(stack_id, stack.failures, INTERVAL, LONGEST);
            wait(host, stack_id, stack, delay)
        }
    }
}

/// Asks the provider to delete a stack, and notes how far that is.
fn remove(host: &Host, providers: &mut impl Providers, stack_id: &str, mut stack: Stack) -> Result<(), Failure> {
    let deleted = providers.provider(host, &stack.provider).delete(stack_id);
    match deleted {
        Ok(Status::Absent) => forget(host, stack_id, stack),
        Ok(Status::DeletionFailed(reason)) => failed(host, providers, stack_id, begun(stack), &reason),
        Ok(_) => {
            stack = begun(stack);
            wait(host, stack_id, stack, INTERVAL)
        }
        // The provider never had it, and asking again is of no use. Should there be something all the same, it is found as unknown.
        Err(Error::Refused(reason)) if !stack.created => {
            host.warn("cannot delete what was never created", &[("stackId", stack_id), ("reason", &reason)]);
            forget(host, stack_id, stack)
        }
        Err(Error::Busy(reason)) => {
            host.warn("cannot delete a stack yet", &[("stackId", stack_id), ("reason", &reason)]);
            stack = begun(stack);
            stack.failures = stack.failures.saturating_add(1);
            let delay = polling::busy(stack_id, stack.failures);
            wait(host, stack_id, stack, delay)
        }
        Err(error) => {
            let reason = not_yet("delete", stack_id, &error, host)?;
            failed(host, providers, stack_id, begun(stack), &reason)
        }
    }
}

/// Notes that a deletion failed, and tries again later; or leaves the stack to the operator.
fn failed(
    host: &Host,
    providers: &mut impl Providers,
    stack_id: &str,
    mut stack: Stack,
    reason: &str,
) -> Result<(), Failure> {
    stack.failures = stack.failures.saturating_add(1);
    fail(host, stack_id, &stack, reason)?;
    if stack.failures >= MOST_FAILURES {
        let fields = [("stackId", stack_id), ("reason", reason)];
        host.log(trialbridge_plugin::Level::Error, "gave up to delete a stack; delete it by hand", &fields);
        stack.state = State::Failed;
        stack.poll_at = Some(host.now());
        return Ok(host.kv(STACKS).set(stack_id, &stack)?);
    }
    // The next one begins now: what comes of it is seen later.
    if let Err(error) = providers.provider(host, &stack.provider).delete(stack_id) {
        host.warn("cannot begin to delete a stack again", &[("stackId", stack_id), ("reason", error.reason())]);
    }
    let delay = polling::back_off(stack_id, stack.failures, INTERVAL, LONGEST);
    wait(host, stack_id, stack, delay)
}

/// A stack whose deletion has begun.
fn begun(mut stack: Stack) -> Stack {
    stack.was.get_or_insert(stack.state);
    stack.state = State::Deleting;
    stack
}

fn wait(host: &Host, stack_id: &str, mut stack: Stack, delay: Duration) -> Result<(), Failure> {
    polling::schedule(host, stack_id, &mut stack, delay)?;
    Ok(host.kv(STACKS).set(stack_id, &stack)?)
}

/// Takes a stack out of the pool, and gives up the place that it had there if a trial has it.
fn withdraw(host: &Host, stack_id: &str, stack: &Stack) -> Result<(), Failure> {
    match stack.state {
        State::Creating | State::Warm => host.kv(POOL).delete(&pool_key(&stack.trial_type, stack_id))?,
        State::Assigned => host.kv(POOL).delete(&taken_key(&stack.trial_type, stack_id))?,
        State::Deleting | State::Failed => {}
    }
    Ok(())
}
