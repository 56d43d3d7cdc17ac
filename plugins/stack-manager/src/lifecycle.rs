//! The way of one stack: built, prepared for its trial, deleted.

use std::io;

use serde_json::json;
use trialbridge_plugin::{Detail, Failure, Host, retry};

use crate::config::Config;
use crate::provider::{Provider, Tenant};
use crate::record::{POOL, Pooled, STACKS, Stack, State, pool_key};
use crate::said::{emit, of_stack};

/// After so many attempts, what the provider cannot do is given up.
const LAST_ATTEMPT: u32 = 5;

/// Builds a stack that was ordered.
///
/// # Errors
///
/// Retry if the provider fails, before the last attempt; those of the host.
pub(crate) fn create(
    host: &Host,
    provider: &mut impl Provider,
    config: &Config,
    detail: &Detail,
) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let Some(mut stack) = host.kv(STACKS).get::<Stack>(stack_id)? else { return Ok(()) };
    if stack.state != State::Creating {
        return Ok(());
    }
    let Some(pool) = config.pools.get(&stack.trial_type) else {
        // The type was removed meanwhile.
        return retire(host, stack_id, &stack);
    };
    if let Err(error) = provider.create(stack_id, &pool.template) {
        let reason = not_yet("build", stack_id, &error, host)?;
        return lose(host, stack_id, &stack, &reason);
    }

    let url = config.url(stack_id);
    stack.state = State::Warm;
    stack.url = Some(url.clone());
    host.kv(POOL).set(&pool_key(&stack.trial_type, stack_id), &Pooled { state: State::Warm })?;
    host.kv(STACKS).set(stack_id, &stack)?;
    let mut warm = of_stack(stack_id, &stack);
    warm.insert("url".to_owned(), json!(url));
    emit(host, "StackWarm", warm)?;
    host.info("a stack is warm", &[("stackId", stack_id)]);
    Ok(())
}

/// Prepares a stack for the trial that has reserved it.
///
/// # Errors
///
/// Retry if the provider fails, before the last attempt; those of the host.
pub(crate) fn configure(
    host: &Host,
    provider: &mut impl Provider,
    config: &Config,
    detail: &Detail,
) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let tenant = Tenant {
        trial_id: detail.text("trialId")?.to_owned(),
        lead_id: detail.text("leadId")?.to_owned(),
        trial_type: detail.text("type")?.to_owned(),
        expires_at: detail.seconds("expiresAt")?,
    };
    let Some(stack) = assigned(host, stack_id, &tenant.trial_id)? else { return Ok(()) };
    if let Err(error) = provider.configure(stack_id, &tenant) {
        // The record stays: the failure ends the assignment, and with that the stack is deleted.
        let reason = not_yet("prepare", stack_id, &error, host)?;
        return fail(host, stack_id, &stack, &reason);
    }
    let mut configured = detail.members().clone();
    configured.insert("url".to_owned(), json!(stack.url.unwrap_or_else(|| config.url(stack_id))));
    emit(host, "StackConfigured", configured)
}

/// Deletes the stack of a trial that is over, if it had one.
///
/// # Errors
///
/// Retry if the provider fails; those of the host.
pub(crate) fn delete(host: &Host, provider: &mut impl Provider, detail: &Detail) -> Result<(), Failure> {
    let trial_id = detail.text("trialId")?;
    let Some(stack_id) = detail.optional_text("stackId")? else { return Ok(()) };
    let Some(stack) = assigned(host, stack_id, trial_id)? else { return Ok(()) };
    provider.delete(stack_id).map_err(|error| retry(format!("cannot delete stack `{stack_id}`: {error}")))?;
    retire(host, stack_id, &stack)?;
    host.info("deleted a stack", &[("stackId", stack_id), ("trialId", trial_id)]);
    Ok(())
}

/// Forgets a stack and says so. If its folder is there, it has no record from then on, and a later
/// reconciliation discards it: now another commit might still give the stack to a trial.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn retire(host: &Host, stack_id: &str, stack: &Stack) -> Result<(), Failure> {
    forget(host, stack_id, stack)?;
    emit(host, "StackDeleted", of_stack(stack_id, stack))
}

/// Forgets a stack that is not as it should be, and says so.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn lose(host: &Host, stack_id: &str, stack: &Stack, reason: &str) -> Result<(), Failure> {
    forget(host, stack_id, stack)?;
    fail(host, stack_id, stack, reason)
}

fn forget(host: &Host, stack_id: &str, stack: &Stack) -> Result<(), Failure> {
    // Only what belongs to no trial is in the pool.
    if stack.state != State::Assigned {
        host.kv(POOL).delete(&pool_key(&stack.trial_type, stack_id))?;
    }
    Ok(host.kv(STACKS).delete(stack_id)?)
}

fn fail(host: &Host, stack_id: &str, stack: &Stack, reason: &str) -> Result<(), Failure> {
    let mut failed = of_stack(stack_id, stack);
    failed.insert("reason".to_owned(), json!(reason));
    emit(host, "StackFailed", failed)?;
    host.warn("a stack failed", &[("stackId", stack_id), ("reason", reason)]);
    Ok(())
}

/// The record of a stack, if it belongs to this trial.
fn assigned(host: &Host, stack_id: &str, trial_id: &str) -> Result<Option<Stack>, Failure> {
    let stack = host.kv(STACKS).get::<Stack>(stack_id)?;
    Ok(stack.filter(|stack| stack.state == State::Assigned && stack.trial_id.as_deref() == Some(trial_id)))
}

/// The reason to give up after the last attempt; before that, the failure that asks for another one.
fn not_yet(what: &str, stack_id: &str, error: &io::Error, host: &Host) -> Result<String, Failure> {
    let reason = format!("cannot {what} stack `{stack_id}`: {error}");
    if host.delivery().attempt < LAST_ATTEMPT { Err(retry(reason)) } else { Ok(reason) }
}
