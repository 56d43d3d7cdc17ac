//! Several deliveries of one plugin: handled one after the other, and committed as one.
//!
//! What one handling wants is seen by those after it, and nobody else, until all of it is committed. Whatever is not plain sailing is left
//! to an attempt of that delivery alone: a handling that fails, all of them if they conflict again and again.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use tokio::time::timeout;

use super::attempt::{Context, Turns, acknowledging};
use super::engine::Taken;
use super::record::Delivery;
use crate::bus::Change;
use crate::event::Recorded;
use crate::plugin::{Call, Effects, Plugin, Usage};
use crate::storage::{CommitError, Expect};
use crate::telemetry::Outcome;

/// How long a handling may hold up those that are to follow it before they are attempted beside it.
const PATIENCE: Duration = Duration::from_millis(10);

/// A delivery with what its handler is called with.
struct Ready {
    taken: Taken,
    event: Arc<Recorded>,
    call: Call,
    usage: Usage,
}

/// What is left when deliveries were attempted together.
#[derive(Default)]
struct Left {
    /// Those to be attempted alone.
    alone: Vec<Taken>,
    /// Those whose turn did not come.
    rest: Vec<Taken>,
}

impl Context {
    /// Attempts deliveries, together if there are several.
    pub(super) fn attempt_all<'a>(
        &'a self,
        plugin: &'a Plugin,
        taken: Vec<Taken>,
        turns: &'a Turns,
    ) -> BoxFuture<'a, ()> {
        async move {
            if taken.len() < 2 {
                return self.attempt_each(plugin, taken, turns).await;
            }
            let Left { alone, rest } = self.attempt_together(plugin, taken, turns).await;
            join(self.attempt_each(plugin, alone, turns), self.attempt_all(plugin, rest, turns)).await;
        }
        .boxed()
    }

    /// Attempts deliveries side by side, each alone.
    async fn attempt_each(&self, plugin: &Plugin, taken: Vec<Taken>, turns: &Turns) {
        join_all(taken.into_iter().map(async |mut one| {
            match self.attempt(plugin, one.delivery.clone(), one.version, turns).await {
                Ok(()) => one.is_over(),
                Err(error) => tracing::error!(%error, delivery = %one.delivery.id, "the delivery is left where it is"),
            }
        }))
        .await;
    }

    /// Attempts the first of some deliveries as one, as many as fit together.
    async fn attempt_together(&self, plugin: &Plugin, taken: Vec<Taken>, turns: &Turns) -> Left {
        let started = Instant::now();
        let mut left = Left::default();
        let mut ready = Vec::with_capacity(taken.len());
        for one in taken {
            match self.ready(&one.delivery) {
                Some((event, call)) => ready.push(Ready { taken: one, event, call, usage: Usage::default() }),
                None => left.alone.push(one),
            }
        }
        let mut turn = None;
        let mut conflicts = 0;
        loop {
            // Others that are attempted beside these might wait for the turn, which would wait for them.
            let beside = turn.is_none().then_some(turns);
            let effects = self.handle_together(plugin, &mut ready, &mut left, beside).await;
            if ready.is_empty() {
                return left;
            }
            let conflicting = match self.acknowledge(plugin, &ready, effects, conflicts).await {
                Ok(()) => {
                    for one in &mut ready {
                        one.taken.is_over();
                        self.metrics.attempt(plugin.id(), Outcome::Acknowledged, started.elapsed());
                    }
                    return left;
                }
                Err(CommitError::Conflict(expected)) => expected,
                Err(_) => {
                    left.alone.extend(self::taken(ready));
                    return left;
                }
            };
            // Somebody else has dealt with a delivery: it is over, and the others are not to blame.
            let before = ready.len();
            ready.retain_mut(|one| {
                let gone = matches!(&conflicting, Expect::Key(key, _) if *key == one.taken.delivery.id.key());
                if gone {
                    one.taken.is_over();
                }
                !gone
            });
            if ready.len() < before {
                continue;
            }
            conflicts += 1;
            for _ in &ready {
                self.metrics.attempt(plugin.id(), Outcome::Conflict, started.elapsed());
            }
            if turn.is_some() {
                left.alone.extend(self::taken(ready));
                return left;
            }
            turn = Some(turns.conflicted.lock().await);
        }
    }

    /// What a delivery's handler is called with, unless the delivery is one that is not to be handled.
    fn ready(&self, delivery: &Delivery) -> Option<(Arc<Recorded>, Call)> {
        let event = Arc::new(self.event(delivery).ok()?);
        if self.beyond_limit(delivery, &event).ok()?.is_some() {
            return None;
        }
        let input = self.input(delivery, &event).ok()?;
        let call = self.call_of(delivery, &event, input);
        Some((event, call))
    }

    /// Handles deliveries one after the other, as long as each succeeds. Those that did stay in `ready`, and what they want is the answer. Where one takes
    /// long, those after it are attempted `beside` it, if they may be.
    async fn handle_together(
        &self,
        plugin: &Plugin,
        ready: &mut Vec<Ready>,
        left: &mut Left,
        beside: Option<&Turns>,
    ) -> Vec<Effects> {
        let calls = ready.iter().map(|one| (one.call.clone(), self.span(plugin, &one.taken.delivery)));
        let calls = Arc::new(Mutex::new(calls.collect::<VecDeque<_>>()));
        let next = {
            let (calls, bus) = (calls.clone(), self.bus.clone());
            move || locked(&calls).pop_front().map(|(call, span)| (Call { now: bus.now(), ..call }, span))
        };
        let mut handling = pin!(plugin.observe_together(std::iter::from_fn(next)));
        let handled = match beside {
            None => handling.await,
            Some(turns) => match timeout(PATIENCE, handling.as_mut()).await {
                Ok(handled) => handled,
                Err(_) => {
                    let others = std::mem::take(&mut *locked(&calls)).len();
                    let others = taken(ready.split_off(ready.len() - others));
                    join(handling, self.attempt_each(plugin, others, turns)).await.0
                }
            },
        };
        let not_begun = locked(&calls).len();
        left.rest = taken(ready.split_off(ready.len() - not_begun)).into_iter().chain(left.rest.drain(..)).collect();
        // The first that did not succeed, unless its turn did not come.
        left.alone.extend(taken(ready.split_off(handled.len())));
        let note = |(one, (effects, usage)): (&mut Ready, (Effects, Usage))| {
            one.usage.cpu += usage.cpu;
            one.usage.memory = one.usage.memory.max(usage.memory);
            effects
        };
        ready.iter_mut().zip(handled).map(note).collect()
    }

    /// Commits what handlings want together with the acknowledgements of their deliveries.
    async fn acknowledge(
        &self,
        plugin: &Plugin,
        ready: &[Ready],
        effects: Vec<Effects>,
        conflicts: u32,
    ) -> Result<(), CommitError> {
        let now = self.bus.now();
        let mut all = Change::default();
        for (one, effects) in ready.iter().zip(effects) {
            let Taken { delivery, version, .. } = &one.taken;
            let receipt = self.receipt(plugin, delivery, conflicts).with(one.usage.clone());
            let change = acknowledging(effects, delivery, *version, receipt, &one.event.handled_by(plugin.id()), now);
            all.expects.extend(change.expects);
            all.writes.extend(change.writes);
            all.metrics.extend(change.metrics);
            all.events.extend(change.events);
        }
        self.bus.commit(all).await.map(drop)
    }
}

fn taken(ready: Vec<Ready>) -> Vec<Taken> {
    ready.into_iter().map(|one| one.taken).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
