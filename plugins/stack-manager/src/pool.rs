//! The stock: as many stacks of each type as the configuration says, being built or warm.

mod budget;

use std::collections::BTreeMap;

use serde_json::Map;
use trialbridge_plugin::{Error, Failure, Host};

pub(crate) use self::budget::{Budget, CHANGES_OF_STACK};
use crate::config::{Config, Pool};
use crate::deletion::retire;
use crate::polling::PATIENCE;
use crate::record::{History, POOL, POOLS, Pooled, STACKS, Stack, State, pool_key, taken_key};
use crate::said::request;

/// How long there is a pause once the retry budget is used up, from the first of the failures, in milliseconds.
const PAUSE: u64 = 60 * 60 * 1000;

/// Orders the stacks of a type that are missing, as far as its policy allows. A type that is not configured misses none.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn fill(host: &Host, config: &Config, trial_type: &str, budget: &mut Budget) -> Result<(), Failure> {
    let Some(pool) = config.pools.get(trial_type) else { return Ok(()) };
    let pooled = host.kv(POOL).count(&pool_key(trial_type, ""))?;
    let fresh = if pool.maximum_age.is_some() { pooled - stale(host, pool, trial_type)? } else { pooled };
    // Whoever hears of the outcome fills the places of those that were taken.
    let fresh = fresh + host.kv(POOL).count(&taken_key(trial_type, ""))?;
    let mut orders = pool.warm.saturating_sub(fresh);
    if orders == 0 {
        return Ok(());
    }
    let at_one_time = pool.concurrent_creations.min(left_of_budget(host, trial_type, pool)?);
    // Without a limit nobody needs to look at each.
    if at_one_time < usize::MAX {
        orders = orders.min(at_one_time.saturating_sub(creating(host, trial_type)?));
    }
    if let Some(maximum) = pool.maximum {
        orders = orders.min(maximum.saturating_sub(total(host, trial_type)?));
    }
    for _ in 0..orders {
        if !budget.take(CHANGES_OF_STACK) {
            return Ok(());
        }
        order(host, trial_type, pool)?;
    }
    Ok(())
}

/// Orders a stack for the place of one that was taken, unless somebody has done so. Where nothing limits the pool, nobody needs to look at the others: so
/// many handlers can do this side by side.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn replace(
    host: &Host,
    config: &Config,
    trial_type: &str,
    stack_id: &str,
    budget: &mut Budget,
) -> Result<(), Failure> {
    let place = taken_key(trial_type, stack_id);
    if host.kv(POOL).get::<Pooled>(&place)?.is_none() {
        return Ok(());
    }
    host.kv(POOL).delete(&place)?;
    match config.pools.get(trial_type) {
        Some(pool) if !pool.is_limited() && left_of_budget(host, trial_type, pool)? == usize::MAX => {
            order(host, trial_type, pool)
        }
        _ => fill(host, config, trial_type, budget),
    }
}

/// Orders what had to wait for a creation to end.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn fill_after_creation(host: &Host, config: &Config, trial_type: &str) -> Result<(), Failure> {
    match config.pools.get(trial_type) {
        Some(pool) if pool.concurrent_creations < pool.warm => fill(host, config, trial_type, &mut Budget::new()),
        _ => Ok(()),
    }
}

/// Retires the stacks that are too many or too old: the pool was made smaller, its type was removed or is made by somebody else, or others
/// have taken the place of those that are too old.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn trim(host: &Host, config: &Config, budget: &mut Budget) -> Result<(), Failure> {
    let mut stock: BTreeMap<String, Vec<(String, Stack)>> = BTreeMap::new();
    for (key, entry) in pooled(host, "")? {
        if let Some(taken_at) = entry.taken_at {
            // If its outcome takes so long, the place is filled without it.
            if host.now().saturating_sub(taken_at) > PATIENCE && budget.take(1) {
                host.kv(POOL).delete(&key)?;
            }
            continue;
        }
        let (trial_type, stack_id) = key.split_once('/').unwrap_or(("", &key));
        match host.kv(STACKS).get::<Stack>(stack_id)? {
            Some(stack) if matches!(stack.state, State::Creating | State::Warm) => {
                stock.entry(trial_type.to_owned()).or_default().push((stack_id.to_owned(), stack));
            }
            // Nobody can be given what has no record or belongs to a trial.
            _ if budget.take(1) => {
                host.warn("removed a pool entry without a stack", &[("key", key.as_str())]);
                host.kv(POOL).delete(&key)?;
            }
            _ => return Ok(()),
        }
    }
    for (trial_type, stacks) in stock {
        let surplus = match config.pools.get(&trial_type) {
            Some(pool) => {
                let is_full = pool.maximum.is_some() && pool.maximum <= Some(total(host, &trial_type)?);
                surplus(host.now(), pool, stacks, is_full)
            }
            None => stacks,
        };
        for (stack_id, stack) in surplus {
            if !budget.take(CHANGES_OF_STACK) {
                return Ok(());
            }
            retire(host, &stack_id, stack)?;
        }
    }
    Ok(())
}

/// Remembers that a creation failed.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn failed(host: &Host, trial_type: &str, retry_budget: usize) -> Result<(), Failure> {
    let mut history = host.kv(POOLS).get::<History>(trial_type)?.unwrap_or_default();
    history.failed_at.push(host.now());
    let surplus = history.failed_at.len().saturating_sub(retry_budget);
    history.failed_at.drain(..surplus);
    if history.failed_at.len() == retry_budget {
        let message =
            "the retry budget for new stacks is used up; no more are built for an hour, or until rules.toml is changed";
        host.warn(message, &[("type", trial_type)]);
    }
    Ok(host.kv(POOLS).set(trial_type, &history)?)
}

/// Remembers that a creation succeeded: what failed before is forgiven.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn succeeded(host: &Host, trial_type: &str) -> Result<(), Failure> {
    match host.kv(POOLS).get::<History>(trial_type)? {
        Some(_) => Ok(host.kv(POOLS).delete(trial_type)?),
        None => Ok(()),
    }
}

/// Forgives every type what has failed.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn forgive(host: &Host, config: &Config) -> Result<(), Failure> {
    config.pools.keys().try_for_each(|trial_type| succeeded(host, trial_type))
}

/// Asks for a stack to be built.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn request_creation(host: &Host, stack_id: &str, trial_type: &str) -> Result<(), Failure> {
    request(host, "StackCreateRequested", stack_id, trial_type)
}

/// Which stacks of a type go. Those stay that are warm and fresh, and of these the oldest. Warm ones that are too old stay
/// as long as there are not enough others, unless the maximum leaves no room for those.
fn surplus(now: u64, pool: &Pool, stacks: Vec<(String, Stack)>, is_full: bool) -> Vec<(String, Stack)> {
    let (others, stacks): (Vec<_>, Vec<_>) = stacks.into_iter().partition(|(_, stack)| stack.provider != pool.kind);
    let (mut stale, mut fresh): (Vec<_>, Vec<_>) =
        stacks.into_iter().partition(|(_, stack)| stack.state == State::Warm && is_stale(now, pool, stack));
    let warm = fresh.iter().filter(|(_, stack)| stack.state == State::Warm).count();
    fresh.sort_by_key(|(stack_id, stack)| (stack.state != State::Warm, stack_id.clone()));
    let mut surplus = others;
    surplus.extend(fresh.drain(pool.warm.min(fresh.len())..));
    let needs_room = is_full && fresh.len() < pool.warm;
    // Ids ascend with time: the youngest stay longest.
    stale.sort_by(|one, other| other.0.cmp(&one.0));
    let kept = pool.warm.saturating_sub(warm).min(stale.len() - usize::from(needs_room && !stale.is_empty()));
    surplus.extend(stale.drain(kept..));
    surplus
}

fn is_stale(now: u64, pool: &Pool, stack: &Stack) -> bool {
    pool.maximum_age.is_some_and(|age| now.saturating_sub(stack.created_at) > age.as_millis() as u64)
}

/// How many creations may still fail.
fn left_of_budget(host: &Host, trial_type: &str, pool: &Pool) -> Result<usize, Failure> {
    let history = host.kv(POOLS).get::<History>(trial_type)?.unwrap_or_default();
    let lately = history.failed_at.iter().filter(|at| host.now().saturating_sub(**at) < PAUSE).count();
    // Before anything fails, many may be built at once.
    Ok(if lately == 0 { usize::MAX } else { pool.retry_budget.saturating_sub(lately) })
}

/// How many stacks of a type are being built.
fn creating(host: &Host, trial_type: &str) -> Result<usize, Error> {
    let pooled = pooled(host, &pool_key(trial_type, ""))?;
    Ok(pooled.iter().filter(|(_, pooled)| pooled.state == State::Creating).count())
}

/// How many warm stacks of a type are too old.
fn stale(host: &Host, pool: &Pool, trial_type: &str) -> Result<usize, Error> {
    let prefix = pool_key(trial_type, "");
    let mut stale = 0;
    for (key, pooled) in pooled(host, &prefix)? {
        if pooled.state == State::Warm
            && let Some(stack) = host.kv(STACKS).get::<Stack>(&key[prefix.len()..])?
        {
            stale += usize::from(is_stale(host.now(), pool, &stack));
        }
    }
    Ok(stale)
}

/// How many stacks of a type there are, those of trials and those that are being deleted among them.
fn total(host: &Host, trial_type: &str) -> Result<usize, Error> {
    let prefix = id_prefix(trial_type);
    let mut total = 0;
    for entry in host.kv(STACKS).entries::<Stack>(&prefix).in_pages_of(1000) {
        total += usize::from(entry?.1.trial_type == trial_type);
    }
    Ok(total)
}

/// The entries of the pool whose keys begin with `prefix`.
fn pooled(host: &Host, prefix: &str) -> Result<Vec<(String, Pooled)>, Error> {
    host.kv(POOL).entries::<Pooled>(prefix).in_pages_of(1000).collect()
}

fn order(host: &Host, trial_type: &str, pool: &Pool) -> Result<(), Failure> {
    let stack_id = format!("{}{}", id_prefix(trial_type), host.new_id());
    let stack = Stack {
        trial_type: trial_type.to_owned(),
        state: State::Creating,
        was: None,
        url: None,
        created_at: host.now(),
        trial_id: None,
        provider: pool.kind.clone(),
        created: false,
        missing: false,
        poll_at: None,
        polls: 0,
        failures: 0,
        others: Map::new(),
    };
    host.kv(POOL).set(&pool_key(trial_type, &stack_id), &Pooled::new(State::Creating))?;
    host.kv(STACKS).set(&stack_id, &stack)?;
    request_creation(host, &stack_id, trial_type)
}

/// What the ids of a type's stacks begin with.
fn id_prefix(trial_type: &str) -> String {
    format!("{}-", trial_type.to_ascii_lowercase())
}
