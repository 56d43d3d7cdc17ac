//! Several deliveries of one plugin: handled one after the other, and committed as one.
//!
//! What one handling wants is seen by those after it, and nobody else, until all of it is committed. Whatever is not plain sailing is left
//! to an attempt of that delivery alone: a handling that fails, those that wait behind one that takes long, all of them if they conflict again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::attempt::{Context, Turns, acknowledging};
use super::engine::Taken;
use super::record::Delivery;
use crate::bus::Change;
use crate::plugin::{Call, Effects, Plugin, Row};
use crate::storage::{CommitError, Expect};
use crate::telemetry::Outcome;

/// How long handlings in a row may take. What has not succeeded by then begins again, each alone.
const PATIENCE: Duration = Duration::from_millis(10);

/// A delivery with what its handler is called with.
struct Ready {
    taken: Taken,
    call: Call,
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
    pub(super) async fn attempt_all(self: Arc<Self>, plugin: Arc<Plugin>, mut taken: Vec<Taken>, turns: Arc<Turns>) {
        let mut alone = JoinSet::new();
        while taken.len() > 1 {
            let left = self.attempt_together(&plugin, taken, &turns).await;
            for one in left.alone {
                let (context, plugin, turns) = (self.clone(), plugin.clone(), turns.clone());
                alone.spawn(async move { context.attempt_alone(&plugin, one, &turns).await });
            }
            taken = left.rest;
        }
        for one in taken {
            self.attempt_alone(&plugin, one, &turns).await;
        }
        while alone.join_next().await.is_some() {}
    }

    async fn attempt_alone(&self, plugin: &Plugin, mut one: Taken, turns: &Turns) {
        let spent = std::mem::take(&mut one.spent);
        match self.attempt(plugin, one.delivery.clone(), one.version, turns, spent).await {
            Ok(()) => one.is_over(),
            Err(error) => tracing::error!(%error, delivery = %one.delivery.id, "the delivery is left where it is"),
        }
    }

    /// Attempts the first of some deliveries as one, as many as fit together.
    async fn attempt_together(&self, plugin: &Plugin, taken: Vec<Taken>, turns: &Turns) -> Left {
        let started = Instant::now();
        let mut left = Left::default();
        let mut ready = Vec::with_capacity(taken.len());
        for one in taken {
            match self.ready(&one.delivery) {
                Some(call) => ready.push(Ready { taken: one, call }),
                None => left.alone.push(one),
            }
        }
        let mut turn = None;
        while !ready.is_empty() {
            let effects = self.handle_together(plugin, &mut ready, &mut left).await;
            if ready.is_empty() {
                break;
            }
            let conflicting = match self.acknowledge(plugin, &ready, effects).await {
                Ok(()) => {
                    for one in &mut ready {
                        one.taken.is_over();
                        self.metrics.attempt(plugin.id(), Outcome::Acknowledged, started.elapsed());
                    }
                    break;
                }
                Err(CommitError::Conflict(expected)) => expected,
                Err(_) => {
                    left.alone.extend(self::taken(ready));
                    break;
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
            for one in &mut ready {
                one.taken.spent.conflicts += 1;
                self.metrics.attempt(plugin.id(), Outcome::Conflict, started.elapsed());
            }
            if turn.is_some() {
                left.alone.extend(self::taken(ready));
                break;
            }
            turn = Some(turns.conflicted.lock().await);
        }
        left
    }

    /// What a delivery's handler is called with, unless the delivery is one that is not to be handled.
    fn ready(&self, delivery: &Delivery) -> Option<Call> {
        let event = self.event(delivery).ok()?;
        if self.beyond_limit(delivery, &event).ok()?.is_some() {
            return None;
        }
        let input = self.input(delivery, &event).ok()?;
        Some(self.call_of(delivery, &event, input))
    }

    /// Handles deliveries one after the other, as long as each succeeds. Those that did stay in `ready`, and what they want is the answer.
    async fn handle_together(&self, plugin: &Plugin, ready: &mut Vec<Ready>, left: &mut Left) -> Vec<Effects> {
        let calls = ready.iter().map(|one| (one.call.clone(), self.span(plugin, &one.taken.delivery)));
        let row = Row::new(calls);
        let in_time = timeout(PATIENCE, plugin.observe_together(row.clone())).await.is_ok();
        let (succeeded, not_begun) = row.end();
        let begun = ready.len() - not_begun;
        let rest = taken(ready.split_off(begun));
        // The first that did not succeed, unless its turn did not come.
        left.alone.extend(taken(ready.split_off(succeeded.len())));
        if in_time && begun > 0 {
            left.rest = rest.into_iter().chain(left.rest.drain(..)).collect();
        } else {
            left.alone.extend(rest);
        }
        let note = |(one, (effects, usage)): (&mut Ready, _)| {
            one.taken.spent.usage.add(usage);
            effects
        };
        ready.iter_mut().zip(succeeded).map(note).collect()
    }

    /// Commits what handlings want together with the acknowledgements of their deliveries.
    async fn acknowledge(&self, plugin: &Plugin, ready: &[Ready], effects: Vec<Effects>) -> Result<(), CommitError> {
        let mut all = Change::default();
        for (one, effects) in ready.iter().zip(effects) {
            let Taken { delivery, version, spent, .. } = &one.taken;
            let receipt = self.receipt(plugin, delivery, spent.conflicts).with(spent.usage.clone());
            let change = acknowledging(effects, delivery, *version, receipt, &one.call.event.handled_by(plugin.id()));
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
