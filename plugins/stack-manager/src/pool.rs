//! The stock: as many stacks of each type as the configuration says, being built or warm.

use std::collections::BTreeMap;

use serde_json::{Map, json};
use trialbridge_plugin::{Error, Failure, Host};

use crate::config::Config;
use crate::lifecycle::retire;
use crate::record::{POOL, Pooled, STACKS, Stack, State, pool_key};
use crate::said::emit;

/// How many changes to the store a call makes. The host allows 240; what lies between is for the event that says where
/// to go on, and for a deletion before a refill.
const MOST_CHANGES: usize = 200;

/// The changes of an order or a retirement: pool, stack, event.
pub(crate) const CHANGES_OF_STACK: usize = 3;

/// How many changes a call may still make.
pub(crate) struct Budget {
    left: usize,
    exceeded: bool,
}

impl Budget {
    /// The budget of a call.
    pub(crate) fn new() -> Self {
        Self { left: MOST_CHANGES, exceeded: false }
    }

    /// Whether `changes` more are in the budget; takes them from it if so.
    pub(crate) fn take(&mut self, changes: usize) -> bool {
        if self.left < changes {
            self.exceeded = true;
            return false;
        }
        self.left -= changes;
        true
    }

    /// Puts changes back that were taken and not made.
    pub(crate) fn give_back(&mut self, changes: usize) {
        self.left += changes;
    }

    /// Whether something was asked for that was not in the budget, so that another call has to do it.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded
    }
}

/// Orders the stacks of a type that are missing. A type that is not configured misses none.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn fill(host: &Host, config: &Config, trial_type: &str, budget: &mut Budget) -> Result<(), Failure> {
    let Some(pool) = config.pools.get(trial_type) else { return Ok(()) };
    let stock = pooled(host, &format!("{trial_type}/"))?.len();
    for _ in stock..pool.warm {
        if !budget.take(CHANGES_OF_STACK) {
            return Ok(());
        }
        order(host, trial_type)?;
    }
    Ok(())
}

/// Retires the stacks that are too many, because the pool was made smaller or its type removed.
///
/// Says whether any was retired.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn trim(host: &Host, config: &Config, budget: &mut Budget) -> Result<Trimmed, Failure> {
    let mut stock: BTreeMap<String, Vec<(String, Stack)>> = BTreeMap::new();
    for key in pooled(host, "")? {
        let (trial_type, stack_id) = key.split_once('/').unwrap_or(("", &key));
        match host.kv(STACKS).get::<Stack>(stack_id)? {
            Some(stack) if stack.state != State::Assigned => {
                stock.entry(trial_type.to_owned()).or_default().push((stack_id.to_owned(), stack));
            }
            // Nobody can be given what has no record or belongs to a trial.
            _ if budget.take(1) => {
                host.warn("removed a pool entry without a stack", &[("key", key.as_str())]);
                host.kv(POOL).delete(&key)?;
            }
            _ => return Ok(Trimmed::Nothing),
        }
    }
    let mut trimmed = Trimmed::Nothing;
    for (trial_type, mut stacks) in stock {
        // Those stay that are warm, and of these the oldest: they are taken first.
        stacks.sort_by_key(|(stack_id, stack)| (stack.state != State::Warm, stack_id.clone()));
        let wanted = config.pools.get(&trial_type).map_or(0, |pool| pool.warm);
        for (stack_id, stack) in stacks.into_iter().skip(wanted) {
            if !budget.take(CHANGES_OF_STACK) {
                return Ok(trimmed);
            }
            retire(host, &stack_id, &stack)?;
            trimmed = Trimmed::Some;
        }
    }
    Ok(trimmed)
}

/// Whether stacks were retired, whose folders are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trimmed {
    /// None.
    Nothing,
    /// At least one.
    Some,
}

/// The keys of the pool that begin with `prefix`.
fn pooled(host: &Host, prefix: &str) -> Result<Vec<String>, Error> {
    let entries = host.kv(POOL).entries::<Pooled>(prefix).in_pages_of(1000);
    entries.map(|entry| Ok(entry?.0)).collect()
}

fn order(host: &Host, trial_type: &str) -> Result<(), Failure> {
    let stack_id = format!("{}-{}", trial_type.to_ascii_lowercase(), host.new_id());
    let stack = Stack {
        trial_type: trial_type.to_owned(),
        state: State::Creating,
        url: None,
        created_at: host.now(),
        trial_id: None,
        others: Map::new(),
    };
    host.kv(POOL).set(&pool_key(trial_type, &stack_id), &Pooled { state: State::Creating })?;
    host.kv(STACKS).set(&stack_id, &stack)?;
    request_creation(host, &stack_id, trial_type)
}

/// Asks for a stack to be built.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn request_creation(host: &Host, stack_id: &str, trial_type: &str) -> Result<(), Failure> {
    let detail = Map::from_iter([("stackId".to_owned(), json!(stack_id)), ("type".to_owned(), json!(trial_type))]);
    emit(host, "StackCreateRequested", detail)
}
