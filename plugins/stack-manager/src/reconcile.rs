//! The repair of everything: what was left half done is finished, what nobody needs goes.
//!
//! A run goes through what the providers have, then through the records, then through the pools. One call does a part of it that fits a
//! commit; where it stops, ReconcileContinued says where to go on.
//!
//! No stack is deleted because of what the same call decided about a record: that decision is only one when it is committed.

use serde_json::{Map, json};
use trialbridge_plugin::{Failure, Host, permanent};

use crate::config::{Config, UnknownStacks};
use crate::deletion::{self, forget, lose, retire};
use crate::existing::Existing;
use crate::polling::PATIENCE;
use crate::pool::{self, Budget, CHANGES_OF_STACK};
use crate::provider::{Extent, Found, Provider, Providers, Status};
use crate::record::{STACKS, Stack, State};
use crate::said::{emit, fail, request};

/// After so long, what could not be deleted is tried once more, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// What is said of a stack that went by other hands.
const GONE: &str = "it is gone, and nobody here deleted it";

/// Where a run begins.
pub(crate) const BEGINNING: &str = "folders/";

/// Where a run goes through the pools.
pub(crate) const POOLS: &str = "pools/";

/// How many stacks are discarded in one call: each takes some time.
const MOST_DISCARDED: usize = 50;

/// How many stacks, and how many records, are looked at in one call: each is a read that the commit checks.
const MOST_SEEN: usize = 500;

/// Goes on with a run, after what the last call has done.
///
/// # Errors
///
/// Permanent if `after` is no place in a run; retry if the provider fails; those of the host.
pub(crate) fn reconcile(
    host: &Host,
    providers: &mut impl Providers,
    config: &Config,
    after: &str,
) -> Result<(), Failure> {
    let (step, place) = after.split_once('/').unwrap_or((after, ""));
    if !matches!(step, "folders" | "stacks" | "pools") {
        let reason =
            format!("`after` of ReconcileContinued is `{after}`, and must begin with folders/, stacks/ or pools/");
        return Err(permanent(reason));
    }
    let mut budget = Budget::new();
    if step != "pools" {
        let mut existing = Existing::of(host, providers, config.kinds())?;
        if step == "folders"
            && let Some(next) = sweep(host, providers, &existing, config, place)?
        {
            return go_on(host, &format!("folders/{next}"));
        }
        let place = if step == "stacks" { place } else { "" };
        if let Some(next) = mend(host, providers, &mut existing, &mut budget, place)? {
            return go_on(host, &format!("stacks/{next}"));
        }
    }
    pool::trim(host, config, &mut budget)?;
    for trial_type in config.pools.keys() {
        pool::fill(host, config, trial_type, &mut budget)?;
    }
    if budget.is_exceeded() { go_on(host, POOLS) } else { Ok(()) }
}

/// Says where the next call goes on.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn go_on(host: &Host, after: &str) -> Result<(), Failure> {
    emit(host, "ReconcileContinued", Map::from_iter([("after".to_owned(), json!(after))]))
}

/// Goes through what the providers have, one after the other, and discards the stacks that no record stands for. The place to go on, unless
/// that was the last of all: the number of the provider, and the last name it got to.
///
/// A record is committed before its stack is made and no id comes twice, so that what has no record
/// now will never have one.
fn sweep(
    host: &Host,
    providers: &mut impl Providers,
    existing: &Existing,
    config: &Config,
    place: &str,
) -> Result<Option<String>, Failure> {
    let (number, mut after) = place.split_once(':').unwrap_or(("0", place));
    let first = number.parse().unwrap_or(0);
    for (number, kind) in config.kinds().iter().enumerate().skip(first) {
        let found = existing.found(kind).iter().filter(|found| found.name.as_str() > after);
        if let Some(last) = sweep_one(host, &mut *providers.provider(host, kind), config, found)? {
            return Ok(Some(format!("{number}:{last}")));
        }
        after = "";
    }
    Ok(None)
}

/// The same for one provider, and what was found of it.
fn sweep_one<'a>(
    host: &Host,
    provider: &mut dyn Provider,
    config: &Config,
    mut rest: impl Iterator<Item = &'a Found>,
) -> Result<Option<String>, Failure> {
    let (mut discarded, mut last) = (0, None);
    for found in rest.by_ref().take(MOST_SEEN) {
        last = Some(found);
        if is_needed(host, found)? {
            continue;
        }
        let name = ("name", found.name.as_str());
        if config.unknown_stacks == UnknownStacks::Report && found.extent == Extent::Whole {
            host.warn("there is a stack that nobody knows; delete it by hand", &[name]);
            host.counter("unknown_stacks_total", &[], 1)?;
            continue;
        }
        match provider.discard(found) {
            Ok(()) => host.info("discarded a stack that nobody knows", &[name]),
            // The others are not to wait for one that cannot be deleted.
            Err(error) => {
                host.warn("cannot discard a stack that nobody knows", &[name, ("reason", error.reason())]);
            }
        }
        discarded += 1;
        if discarded >= MOST_DISCARDED {
            break;
        }
    }
    Ok(rest.next().and(last).map(|found| found.name.clone()))
}

fn is_needed(host: &Host, found: &Found) -> Result<bool, Failure> {
    let stack = host.kv(STACKS).get::<Stack>(&found.stack_id)?;
    Ok(match found.extent {
        Extent::Whole => stack.is_some(),
        Extent::Part => stack.is_some_and(|stack| stack.state == State::Creating),
    })
}

/// Goes through the records. The key of the last one it got to, unless that was the last of all.
fn mend(
    host: &Host,
    providers: &mut impl Providers,
    existing: &mut Existing,
    budget: &mut Budget,
    after: &str,
) -> Result<Option<String>, Failure> {
    let mut last = after.to_owned();
    let mut seen = 0;
    while seen < MOST_SEEN {
        let page = host.kv(STACKS).page::<Stack>("", (!last.is_empty()).then_some(last.as_str()), 100)?;
        if page.is_empty() {
            return Ok(None);
        }
        for (stack_id, stack) in page {
            if !budget.take(CHANGES_OF_STACK) {
                return Ok(Some(last));
            }
            last.clone_from(&stack_id);
            if matches!(stack.state, State::Warm | State::Assigned | State::Failed) {
                // Its type may be gone from rules.toml.
                existing.ask(host, providers, &stack.provider)?;
            }
            let made = mend_one(host, providers, existing, stack_id, stack)?;
            budget.give_back(CHANGES_OF_STACK - made);
            seen += 1;
        }
    }
    Ok(Some(last))
}

/// Mends a stack, if it needs that. How many changes it took.
fn mend_one(
    host: &Host,
    providers: &mut impl Providers,
    existing: &Existing,
    stack_id: String,
    mut stack: Stack,
) -> Result<usize, Failure> {
    let is_old = |since: u64| host.now().saturating_sub(since) > PATIENCE;
    match stack.state {
        State::Creating if is_old(stack.poll_at.unwrap_or(stack.created_at)) => {
            pool::request_creation(host, &stack_id, &stack.trial_type)?;
            Ok(1)
        }
        State::Deleting if stack.poll_at.is_none_or(is_old) => {
            request(host, "StackDeleteRequested", &stack_id, &stack.trial_type)?;
            Ok(1)
        }
        State::Warm if is_gone(host, providers, existing, &stack_id, &stack) => {
            lose(host, &stack_id, &stack, GONE)?;
            Ok(CHANGES_OF_STACK)
        }
        State::Failed if is_gone(host, providers, existing, &stack_id, &stack) => {
            forget(host, &stack_id, stack)?;
            Ok(2)
        }
        State::Assigned if is_old(stack.created_at) && !belongs_to_somebody(host, &stack)? => {
            retire(host, &stack_id, stack)?;
            Ok(CHANGES_OF_STACK)
        }
        // Its trial goes on: who sees it can say what becomes of that.
        State::Assigned if !stack.missing && is_gone(host, providers, existing, &stack_id, &stack) => {
            stack.missing = true;
            host.kv(STACKS).set(&stack_id, &stack)?;
            fail(host, &stack_id, &stack, GONE)?;
            Ok(2)
        }
        State::Failed if stack.poll_at.is_none_or(|at| host.now().saturating_sub(at) > DAY) => {
            deletion::retry(host, &stack_id, stack)?;
            Ok(2)
        }
        State::Creating | State::Warm | State::Assigned | State::Deleting | State::Failed => Ok(0),
    }
}

/// Whether a stack is gone: its provider did not list it, and asked for the stack itself says so.
fn is_gone(host: &Host, providers: &mut impl Providers, existing: &Existing, stack_id: &str, stack: &Stack) -> bool {
    if !existing.lacks(stack_id, &stack.provider) {
        return false;
    }
    match providers.provider(host, &stack.provider).status(stack_id) {
        Ok(status) => matches!(status, Status::Absent | Status::Deleting),
        Err(error) => {
            host.warn("cannot look for a stack", &[("stackId", stack_id), ("reason", error.reason())]);
            false
        }
    }
}

fn belongs_to_somebody(host: &Host, stack: &Stack) -> Result<bool, Failure> {
    Ok(match &stack.trial_id {
        Some(trial_id) => host.trials().get(trial_id)?.is_some(),
        None => false,
    })
}
