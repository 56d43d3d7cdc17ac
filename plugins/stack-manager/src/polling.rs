//! Asking again: how far a stack is that takes its time.
//!
//! A stack has one poll on its way, a delayed event that says when it was to come. One that the record does not know is an old one. If
//! it gets lost, the reconciliation finds that it is overdue.

use std::time::Duration;

use serde_json::json;
use trialbridge_plugin::{Detail, Failure, Host, NewEvent};

use crate::config::Config;
use crate::provider::{Providers, Status};
use crate::record::{STACKS, Stack, State};
use crate::said::{SELF, of_request};
use crate::{deletion, lifecycle};

/// For how long a step may be under way, or a poll overdue, before it counts as left half done, in milliseconds.
pub(crate) const PATIENCE: u64 = 60_000;

/// The longest wait for a provider that is busy.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// So many polls follow each other. Then the reconciliation, which finds it overdue, begins anew: each poll is caused by the one before, and
/// the daemon takes what goes on for ever for a loop.
const MOST_IN_A_ROW: u32 = 30;

/// Schedules the next poll of a stack; the record, which the caller stores, remembers which one counts.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn schedule(host: &Host, stack_id: &str, stack: &mut Stack, delay: Duration) -> Result<(), Failure> {
    let due = host.now() + delay.as_millis() as u64;
    stack.poll_at = Some(due);
    stack.polls = stack.polls.saturating_add(1);
    if stack.polls.is_multiple_of(MOST_IN_A_ROW) {
        return Ok(());
    }
    let mut detail = of_request(stack_id, &stack.trial_type);
    detail.insert("pollAt".to_owned(), json!(due));
    host.emit_after(NewEvent::new(SELF, "StackPollDue", detail), delay)?;
    Ok(())
}

/// Looks how far a stack is.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn poll(
    host: &Host,
    providers: &mut impl Providers,
    config: &Config,
    detail: &Detail,
) -> Result<(), Failure> {
    let stack_id = detail.text("stackId")?;
    let Some(mut stack) = host.kv(STACKS).get::<Stack>(stack_id)? else { return Ok(()) };
    if stack.poll_at.map(|due| json!(due)).as_ref() != detail.members().get("pollAt") {
        return Ok(());
    }
    match stack.state {
        State::Deleting => return deletion::poll(host, providers, stack_id, stack),
        State::Creating => {}
        State::Warm | State::Assigned | State::Failed => return Ok(()),
    }
    let Some(pool) = config.pools.get(&stack.trial_type).filter(|pool| pool.kind == stack.provider) else {
        return deletion::retire(host, stack_id, stack);
    };
    let status = providers.provider(host, &stack.provider).status(stack_id);
    match status {
        Ok(status) => lifecycle::advance(host, config, pool, stack_id, stack, status),
        // Whatever is wrong with asking, nothing is known to be wrong with the stack.
        Err(error) => {
            if lifecycle::is_too_old(host, pool, &stack) {
                return lifecycle::advance(host, config, pool, stack_id, stack, Status::Building);
            }
            host.warn("cannot see how far a stack is", &[("stackId", stack_id), ("reason", error.reason())]);
            stack.failures = stack.failures.saturating_add(1);
            let delay = back_off(stack_id, stack.failures, pool.poll_interval, LONGEST.max(pool.poll_interval));
            schedule(host, stack_id, &mut stack, delay)?;
            Ok(host.kv(STACKS).set(stack_id, &stack)?)
        }
    }
}

/// The wait after so many failures, 1 for the first: it doubles from one to the next. Stacks wait differently long, up to twice that, so that
/// they do not all come back at once.
pub(crate) fn back_off(stack_id: &str, failures: u32, first: Duration, longest: Duration) -> Duration {
    let wait = first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest);
    // The end of an id is random.
    let share = stack_id.bytes().rev().take(4).fold(0, |sum: u64, byte| sum * 31 + u64::from(byte)) % 1000;
    wait + wait.mul_f64(share as f64 / 1000.0)
}

/// The wait for a provider that is busy, after so many times that it was.
pub(crate) fn busy(stack_id: &str, failures: u32) -> Duration {
    back_off(stack_id, failures, Duration::from_secs(2), LONGEST)
}
