//! The way of a stack to its trial: built, warm, prepared.

use serde_json::json;
use trialbridge_plugin::{Detail, Failure, Host, NewEvent, retry, retry_after};

use crate::config::{Config, Pool};
use crate::deletion::{condemn, retire};
use crate::polling;
use crate::pool;
use crate::provider::{Error, Order, Providers, Readiness, Status, Tenant};
use crate::record::{POOL, Pooled, STACKS, Stack, State, pool_key};
use crate::said::{SELF, emit, fail, of_request, of_stack};

/// After so many attempts, what the provider cannot do is given up.
pub(crate) const LAST_ATTEMPT: u32 = 5;

/// Builds a stack that was ordered, or begins to.
///
/// # Errors
///
/// Retry if the provider fails, before the last attempt; those of the host.
pub(crate) fn create(
    host: &Host,
    providers: &mut impl Providers,
    config: &Config,
    detail: &Detail,
) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let Some(stack) = host.kv(STACKS).get::<Stack>(stack_id)? else { return Ok(()) };
    // What is looked at later is not overdue yet.
    if stack.state != State::Creating || stack.poll_at.is_some_and(|due| host.now() < due) {
        return Ok(());
    }
    let Some(pool) = config.pools.get(&stack.trial_type).filter(|pool| pool.kind == stack.provider) else {
        // The type was removed meanwhile, or is made by somebody else now.
        return retire(host, stack_id, stack);
    };
    let order = Order { stack_id, trial_type: &stack.trial_type, recipe: &pool.recipe };
    let begun = providers.provider(host, &stack.provider).create(&order);
    match begun {
        Ok(status) => advance(host, config, pool, stack_id, stack, status),
        Err(Error::Busy(reason)) if !is_too_old(host, pool, &stack) => postpone(host, stack_id, stack, &reason),
        Err(error) => {
            let reason = match error {
                Error::Busy(reason) => reason,
                error => not_yet("build", stack_id, &error, host)?,
            };
            give_up(host, pool, stack_id, stack, &reason)
        }
    }
}

/// Asks for a stack to be built when the provider may be less busy.
fn postpone(host: &Host, stack_id: &str, mut stack: Stack, reason: &str) -> Result<(), Failure> {
    host.warn("cannot build a stack yet", &[("stackId", stack_id), ("reason", reason)]);
    stack.failures = stack.failures.saturating_add(1);
    let delay = polling::busy(stack_id, stack.failures);
    stack.poll_at = Some(host.now() + delay.as_millis() as u64);
    host.emit_after(NewEvent::new(SELF, "StackCreateRequested", of_request(stack_id, &stack.trial_type)), delay)?;
    Ok(host.kv(STACKS).set(stack_id, &stack)?)
}

/// Whether a stack should have been ready long ago.
pub(crate) fn is_too_old(host: &Host, pool: &Pool, stack: &Stack) -> bool {
    host.now().saturating_sub(stack.created_at) > pool.creation_time.as_millis() as u64
}

/// Notes how far a stack is that is being built.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn advance(
    host: &Host,
    config: &Config,
    pool: &Pool,
    stack_id: &str,
    mut stack: Stack,
    status: Status,
) -> Result<(), Failure> {
    match status {
        Status::Ready(url) => {
            let Some(url) = url.or_else(|| config.url_of(&stack.provider, stack_id)) else {
                let reason = format!("stack `{stack_id}` is ready and has no URL");
                return give_up(host, pool, stack_id, stack, &reason);
            };
            created(host, stack_id, &mut stack)?;
            stack.state = State::Warm;
            stack.url = Some(url.clone());
            stack.failures = 0;
            host.kv(POOL).set(&pool_key(&stack.trial_type, stack_id), &Pooled::new(State::Warm))?;
            host.kv(STACKS).set(stack_id, &stack)?;
            let mut warm = of_stack(stack_id, &stack);
            warm.insert("url".to_owned(), json!(url));
            emit(host, "StackWarm", warm)?;
            host.info("a stack is warm", &[("stackId", stack_id)]);
            pool::succeeded(host, &stack.trial_type)?;
            pool::fill_after_creation(host, config, &stack.trial_type)
        }
        Status::Building => {
            if is_too_old(host, pool, &stack) {
                let reason = format!("stack `{stack_id}` was not ready within {} s", pool.creation_time.as_secs());
                return give_up(host, pool, stack_id, stack, &reason);
            }
            created(host, stack_id, &mut stack)?;
            stack.failures = 0;
            polling::schedule(host, stack_id, &mut stack, pool.poll_interval)?;
            Ok(host.kv(STACKS).set(stack_id, &stack)?)
        }
        Status::Failed(reason) => give_up(host, pool, stack_id, stack, &reason),
        Status::Deleting | Status::DeletionFailed(_) => {
            give_up(host, pool, stack_id, stack, "somebody else deletes it")
        }
        Status::Absent => give_up(host, pool, stack_id, stack, "it is gone before it was ready"),
    }
}

/// Gives up a stack that could not be built: what there is of it is deleted.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn give_up(host: &Host, pool: &Pool, stack_id: &str, stack: Stack, reason: &str) -> Result<(), Failure> {
    pool::failed(host, &stack.trial_type, pool.retry_budget)?;
    fail(host, stack_id, &stack, reason)?;
    condemn(host, stack_id, stack)
}

/// Prepares a stack for the trial that has reserved it.
///
/// # Errors
///
/// Retry if the provider fails, before the last attempt; those of the host.
pub(crate) fn configure(
    host: &Host,
    providers: &mut impl Providers,
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
    let configured = providers.provider(host, &stack.provider).configure(stack_id, &tenant);
    match configured {
        Ok(readiness) => {
            let mut configured = detail.members().clone();
            let url = stack.url.unwrap_or_else(|| config.url(stack_id));
            configured.insert("url".to_owned(), json!(url));
            if readiness == Readiness::Vouched {
                configured.insert("ready".to_owned(), json!(true));
            }
            emit(host, "StackConfigured", configured)
        }
        Err(error) => {
            // The record stays: the failure ends the assignment, and with that the stack is deleted.
            let reason = not_yet("prepare", stack_id, &error, host)?;
            fail(host, stack_id, &stack, &reason)
        }
    }
}

/// The record of a stack, if it belongs to this trial.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn assigned(host: &Host, stack_id: &str, trial_id: &str) -> Result<Option<Stack>, Failure> {
    let stack = host.kv(STACKS).get::<Stack>(stack_id)?;
    Ok(stack.filter(|stack| stack.state == State::Assigned && stack.trial_id.as_deref() == Some(trial_id)))
}

/// The reason to give up after the last attempt; before that, the failure that asks for another one. Who is busy is asked again for as long as
/// the delivery lives.
///
/// # Errors
///
/// Retry.
pub(crate) fn not_yet(what: &str, stack_id: &str, error: &Error, host: &Host) -> Result<String, Failure> {
    let reason = format!("cannot {what} stack `{stack_id}`: {}", error.reason());
    match error {
        Error::Busy(_) => Err(retry_after(polling::busy(stack_id, host.delivery().attempt), reason)),
        Error::Failed(_) if host.delivery().attempt < LAST_ATTEMPT => Err(retry(reason)),
        Error::Failed(_) | Error::Refused(_) => Ok(reason),
    }
}

/// Says that the provider has taken the order, once.
fn created(host: &Host, stack_id: &str, stack: &mut Stack) -> Result<(), Failure> {
    if std::mem::replace(&mut stack.created, true) {
        return Ok(());
    }
    emit(host, "StackCreated", of_stack(stack_id, stack))
}
