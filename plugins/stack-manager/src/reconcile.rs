//! The repair of everything: what was left half done is finished, what nobody needs goes.
//!
//! A run goes through the folders, then through the records, then through the pools. One call does a part of it that fits a
//! commit; where it stops, ReconcileContinued says where to go on.
//!
//! Folders come first, and no folder is deleted because of what the same call decided about a record: that
//! decision is only one when it is committed.

use serde_json::{Map, json};
use trialbridge_plugin::{Failure, Host, permanent, retry};

use crate::config::Config;
use crate::lifecycle::{lose, retire};
use crate::pool::{self, Budget, CHANGES_OF_STACK, Trimmed};
use crate::provider::{Extent, Found, Provider};
use crate::record::{STACKS, Stack, State};
use crate::said::emit;

/// Where a run begins.
pub(crate) const BEGINNING: &str = "folders/";

/// Where a run goes through the pools.
pub(crate) const POOLS: &str = "pools/";

/// How many folders are discarded in one call: each takes some time.
const MOST_DISCARDED: usize = 50;

/// How many folders, and how many records, are looked at in one call: each is a read that the commit checks.
const MOST_SEEN: usize = 500;

/// For how long a step may be under way before it counts as left half done, in milliseconds.
const PATIENCE: u64 = 60_000;

/// Goes on with a run, after what the last call has done.
///
/// # Errors
///
/// Permanent if `after` is no place in a run; retry if the provider fails; those of the host.
pub(crate) fn reconcile(
    host: &Host,
    provider: &mut impl Provider,
    config: &Config,
    after: &str,
) -> Result<(), Failure> {
    let (step, place) = after.split_once('/').unwrap_or((after, ""));
    if !matches!(step, "folders" | "stacks" | "pools") {
        let reason =
            format!("`after` of ReconcileContinued is `{after}`, and must begin with folders/, stacks/ or pools/");
        return Err(permanent(reason));
    }
    if step == "folders"
        && let Some(next) = sweep(host, provider, place)?
    {
        return go_on(host, &format!("folders/{next}"));
    }
    let mut run = Run { budget: Budget::new(), folders_left: Trimmed::Nothing };
    if step != "pools"
        && let Some(next) = run.mend(host, provider, if step == "stacks" { place } else { "" })?
    {
        return go_on(host, &format!("stacks/{next}"));
    }
    if pool::trim(host, config, &mut run.budget)? == Trimmed::Some {
        run.folders_left = Trimmed::Some;
    }
    for trial_type in config.pools.keys() {
        pool::fill(host, config, trial_type, &mut run.budget)?;
    }
    if run.budget.is_exceeded() {
        go_on(host, POOLS)
    } else if run.folders_left == Trimmed::Some {
        go_on(host, BEGINNING)
    } else {
        Ok(())
    }
}

/// Says where the next call goes on.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn go_on(host: &Host, after: &str) -> Result<(), Failure> {
    emit(host, "ReconcileContinued", Map::from_iter([("after".to_owned(), json!(after))]))
}

/// Discards the folders that no record stands for. The name of the last folder it got to, unless that was the last of all.
///
/// A record is committed before its folder is made and no id comes twice, so that what has no record
/// now will never have one.
fn sweep(host: &Host, provider: &mut impl Provider, after: &str) -> Result<Option<String>, Failure> {
    let found = provider.list().map_err(|error| retry(format!("cannot list the stacks: {error}")))?;
    let (mut discarded, mut last) = (0, None);
    let mut rest = found.iter().filter(|folder| folder.name.as_str() > after);
    for folder in rest.by_ref().take(MOST_SEEN) {
        last = Some(folder);
        if is_needed(host, folder)? {
            continue;
        }
        match provider.discard(folder) {
            Ok(()) => host.info("discarded a folder without a stack", &[("folder", folder.name.as_str())]),
            // The others are not to wait for one that cannot be deleted.
            Err(error) => {
                let fields = [("folder", folder.name.as_str()), ("reason", &error.to_string())];
                host.warn("cannot discard a folder without a stack", &fields);
            }
        }
        discarded += 1;
        if discarded >= MOST_DISCARDED {
            break;
        }
    }
    Ok(rest.next().and(last).map(|folder| folder.name.clone()))
}

fn is_needed(host: &Host, folder: &Found) -> Result<bool, Failure> {
    let stack = host.kv(STACKS).get::<Stack>(&folder.stack_id)?;
    Ok(match folder.extent {
        Extent::Whole => stack.is_some(),
        Extent::Part => stack.is_some_and(|stack| stack.state == State::Creating),
    })
}

/// What one call has done.
struct Run {
    /// How much it may still do.
    budget: Budget,
    /// Whether it has retired stacks whose folders are left.
    folders_left: Trimmed,
}

impl Run {
    /// Goes through the records. The key of the last one it got to, unless that was the last of all.
    fn mend(&mut self, host: &Host, provider: &impl Provider, after: &str) -> Result<Option<String>, Failure> {
        let mut last = after.to_owned();
        let mut seen = 0;
        while seen < MOST_SEEN {
            let page = host.kv(STACKS).page::<Stack>("", (!last.is_empty()).then_some(last.as_str()), 100)?;
            if page.is_empty() {
                return Ok(None);
            }
            for (stack_id, stack) in page {
                if !self.budget.take(CHANGES_OF_STACK) {
                    return Ok(Some(last));
                }
                let unused = CHANGES_OF_STACK - self.mend_one(host, provider, &stack_id, &stack)?;
                self.budget.give_back(unused);
                last = stack_id;
                seen += 1;
            }
        }
        Ok(Some(last))
    }

    /// Mends a stack, if it needs that. How many changes it took.
    fn mend_one(
        &mut self,
        host: &Host,
        provider: &impl Provider,
        stack_id: &str,
        stack: &Stack,
    ) -> Result<usize, Failure> {
        let is_old = host.now().saturating_sub(stack.created_at) > PATIENCE;
        match stack.state {
            State::Creating if is_old => {
                pool::request_creation(host, stack_id, &stack.trial_type)?;
                Ok(1)
            }
            State::Warm => {
                let exists = provider.exists(stack_id);
                if exists.map_err(|error| retry(format!("cannot look for stack `{stack_id}`: {error}")))? {
                    return Ok(0);
                }
                lose(host, stack_id, stack, "its folder is gone")?;
                Ok(CHANGES_OF_STACK)
            }
            State::Assigned if is_old && !belongs_to_somebody(host, stack)? => {
                retire(host, stack_id, stack)?;
                self.folders_left = Trimmed::Some;
                Ok(CHANGES_OF_STACK)
            }
            State::Creating | State::Assigned => Ok(0),
        }
    }
}

fn belongs_to_somebody(host: &Host, stack: &Stack) -> Result<bool, Failure> {
    Ok(match &stack.trial_id {
        Some(trial_id) => host.trials().get(trial_id)?.is_some(),
        None => false,
    })
}
