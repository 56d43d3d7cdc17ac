//! One delivery: call the plugin, commit its effects with the acknowledgement, or record the failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tracing::{Instrument, Span};

use super::causation;
use super::events::Events;
use super::receipt::Receipt;
use super::record::{DeadLetter, Delivery, Exhausted};
use super::retry::{self, Verdict};
use crate::bus::{Audience, Bus, Change, Publication};
use crate::clock::Timestamp;
use crate::event::{Cause, Delayed, Recorded};
use crate::plugin::{Call, CallError, Effects, Plugin, Touched, Usage};
use crate::rules::RetryPolicy;
use crate::storage::key::TimerKind;
use crate::storage::{self, CommitError, Expect, Key, Version, Write};
use crate::telemetry::{Metrics, Outcome};

/// What every attempt needs.
pub(super) struct Context {
    pub(super) bus: Arc<Bus>,
    pub(super) metrics: Arc<Metrics>,
    /// The depth beyond which an event is not delivered.
    pub(super) maximum_depth: Arc<AtomicU32>,
    pub(super) events: Events,
}

/// What a plugin's deliveries share.
#[derive(Default)]
pub(super) struct Turns {
    /// Held while a handler runs again after a conflict, so that those which want the same keys go one after the other
    /// instead of undoing each other's work.
    pub(super) conflicted: tokio::sync::Mutex<()>,
}

/// What a call came to.
enum Called {
    /// It is over: acknowledged, or somebody else dealt with it.
    Done,
    /// Something it had read has changed.
    Conflict,
    /// It failed.
    Failed(CallError, Box<Receipt>),
}

/// What the calls of an attempt have come to so far.
#[derive(Default)]
pub(super) struct Spent {
    /// How many of them were in vain, because of a conflict.
    pub(super) conflicts: u32,
    /// What all of them took.
    pub(super) usage: Usage,
}

/// Why an attempt could not even be recorded. The delivery stays where it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error("event {0} cannot be read: {1}")]
    Event(u64, String),
}

impl Context {
    /// Attempts a delivery that is stored with `version`, until it is acknowledged or has failed; what was `spent` on it before counts, too.
    pub(super) async fn attempt(
        &self,
        plugin: &Plugin,
        delivery: Delivery,
        version: Version,
        turns: &Turns,
        mut spent: Spent,
    ) -> Result<(), Error> {
        let span = self.span(plugin, &delivery);
        async {
            let started = Instant::now();
            let event = self.event(&delivery)?;
            if let Some(reason) = self.beyond_limit(&delivery, &event)? {
                self.refuse(delivery, version, &event, reason).await?;
                self.metrics.attempt(plugin.id(), Outcome::DeadLettered, started.elapsed());
                return Ok(());
            }
            let input = match self.input(&delivery, &event) {
                Ok(input) => input,
                Err(error) => {
                    let receipt = self.receipt(plugin, &delivery, 0);
                    let outcome = self.fail(plugin, delivery, version, &event, error, receipt).await?;
                    self.metrics.attempt(plugin.id(), outcome, started.elapsed());
                    return Ok(());
                }
            };
            let mut called = self.call(plugin, &delivery, version, &event, &input, &mut spent).await?;
            if matches!(called, Called::Conflict) {
                let _turn = turns.conflicted.lock().await;
                while matches!(called, Called::Conflict) {
                    self.metrics.attempt(plugin.id(), Outcome::Conflict, started.elapsed());
                    spent.conflicts += 1;
                    called = self.call(plugin, &delivery, version, &event, &input, &mut spent).await?;
                }
            }
            let outcome = match called {
                Called::Failed(error, receipt) => self.fail(plugin, delivery, version, &event, error, *receipt).await?,
                Called::Done | Called::Conflict => Outcome::Acknowledged,
            };
            self.metrics.attempt(plugin.id(), outcome, started.elapsed());
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// What is logged of an attempt has this with it.
    pub(super) fn span(&self, plugin: &Plugin, delivery: &Delivery) -> Span {
        tracing::info_span!(
            "delivery.attempt",
            delivery = %delivery.id,
            rule = %delivery.rule,
            attempt = delivery.failed + 1,
            plugin_hash = &plugin.compiled().hash[..12],
        )
    }

    /// Calls the handler once, and commits what it wants. What it takes is added to what those before it have `spent`.
    async fn call(
        &self,
        plugin: &Plugin,
        delivery: &Delivery,
        version: Version,
        event: &Arc<Recorded>,
        input: &Option<String>,
        spent: &mut Spent,
    ) -> Result<Called, Error> {
        let call = self.call_of(delivery, event, input.clone());
        let outcome = plugin.observe(call, &mut spent.usage).await;
        let receipt = self.receipt(plugin, delivery, spent.conflicts).with(spent.usage.clone());
        let effects = match outcome {
            Ok(effects) => effects,
            Err(error) => return Ok(Called::Failed(error, Box::new(receipt))),
        };
        let key = delivery.id.key();
        let change = acknowledging(effects, delivery, version, receipt.clone(), &event.handled_by(plugin.id()));
        match self.bus.commit(change).await {
            Ok(_) => Ok(Called::Done),
            Err(CommitError::Conflict(Expect::Key(conflicting, _))) if conflicting == key => Ok(Called::Done),
            Err(CommitError::Conflict(_)) => Ok(Called::Conflict),
            Err(error @ CommitError::TooLarge(_)) => {
                Ok(Called::Failed(CallError::Permanent(error.to_string()), Box::new(receipt)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a delivery's handler is called with now.
    pub(super) fn call_of(&self, delivery: &Delivery, event: &Arc<Recorded>, input: Option<String>) -> Call {
        Call {
            event: event.clone(),
            delivery: delivery.id.to_string(),
            rule: delivery.rule.clone(),
            attempt: delivery.failed + 1,
            idempotency_key: format!("{}/{}/{}", event.event.id, delivery.rule, delivery.target),
            input,
            now: self.bus.now(),
        }
    }

    /// Records a failure: the next attempt's time, or a dead letter.
    async fn fail(
        &self,
        plugin: &Plugin,
        mut delivery: Delivery,
        version: Version,
        event: &Recorded,
        error: CallError,
        receipt: Receipt,
    ) -> Result<Outcome, Error> {
        let now = self.bus.now();
        delivery.failed += 1;
        delivery.error = Some(error.to_string());
        let rules = self.bus.rules();
        let policy =
            rules.target(&delivery.rule, &delivery.target).map_or_else(RetryPolicy::default, |target| target.retry);
        let verdict = match &error {
            CallError::Permanent(_) => Verdict::Never(Exhausted::PermanentFailure),
            CallError::RetryAfter(wait, _) => retry::after_failure(&policy, &delivery, now, Some(*wait), 1.0),
            _ => retry::after_failure(&policy, &delivery, now, None, rand::random()),
        };
        let key = delivery.id.key();
        let kept = Write::Put(Receipt::key(&delivery.id), receipt.encode());
        let (write, outcome) = match verdict {
            Verdict::Again(due) => {
                tracing::warn!(%error, at = %due, "the handler failed and will be called again");
                (Write::Put(retry_timer(&delivery, due), delivery.encode()), Outcome::Retried)
            }
            Verdict::Never(exhausted) => {
                let hash = Some(plugin.compiled().hash.clone());
                (burying(delivery, event, hash, now, exhausted), Outcome::DeadLettered)
            }
        };
        self.replace(key, version, vec![write, kept]).await?;
        Ok(outcome)
    }

    /// What is known of an attempt before it ends.
    pub(super) fn receipt(&self, plugin: &Plugin, delivery: &Delivery, conflicts: u32) -> Receipt {
        Receipt {
            id: delivery.id.to_string(),
            rule: delivery.rule.clone(),
            target: delivery.target.clone(),
            at: self.bus.now(),
            plugin_hash: plugin.compiled().hash.clone(),
            acknowledged: false,
            attempt: delivery.failed + 1,
            conflicts,
            cpu_micros: 0,
            memory: 0,
            touched: Touched::default(),
            requests: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Why a delivery is not to be attempted, if so: its event is at the end of a chain that is longer than what is allowed.
    pub(super) fn beyond_limit(&self, delivery: &Delivery, event: &Recorded) -> Result<Option<String>, Error> {
        let limit = self.maximum_depth.load(Ordering::Relaxed);
        if delivery.redriven || event.depth() <= limit {
            return Ok(None);
        }
        let chain = causation::chain(self.bus.storage().as_ref(), event)?;
        Ok(Some(format!("causation limit of {limit} reached: {chain}")))
    }

    /// Makes a delivery a dead letter without an attempt.
    async fn refuse(
        &self,
        mut delivery: Delivery,
        version: Version,
        event: &Recorded,
        reason: String,
    ) -> Result<(), Error> {
        delivery.error = Some(reason);
        let key = delivery.id.key();
        let letter = burying(delivery, event, None, self.bus.now(), Exhausted::MaximumCausationDepth);
        self.replace(key, version, vec![letter]).await
    }

    /// Takes a delivery out of its queue and writes what is to be there instead, unless somebody else has dealt with it meanwhile.
    async fn replace(&self, key: Key, version: Version, mut writes: Vec<Write>) -> Result<(), Error> {
        writes.push(Write::Delete(key.clone()));
        let change = Change { expects: vec![Expect::Key(key, version)], writes, ..Change::default() };
        match self.bus.commit(change).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the target makes of the event, under the rules that are in force now: as with its retry policy, a change of rules.toml
    /// counts for what is still owed. A target that is gone makes nothing of it.
    pub(super) fn input(&self, delivery: &Delivery, event: &Recorded) -> Result<Option<String>, CallError> {
        let rules = self.bus.rules();
        let target = rules.target(&delivery.rule, &delivery.target);
        let shaped = target.and_then(|target| target.input.as_ref()).map(|input| input.shape(&delivery.rule, event));
        // Another attempt would make the same of the same event.
        shaped.transpose().map_err(|error| CallError::Permanent(error.to_string()))
    }

    pub(super) fn event(&self, delivery: &Delivery) -> Result<Arc<Recorded>, Error> {
        self.events.read(self.bus.storage().as_ref(), delivery.id.sequence)
    }
}

/// The timer that brings a delivery back.
fn retry_timer(delivery: &Delivery, due: Timestamp) -> Key {
    Key::Timer { kind: TimerKind::Retry, due, id: delivery.id.to_string() }
}

/// The dead letter that a delivery becomes, which the log tells of.
fn burying(
    delivery: Delivery,
    event: &Recorded,
    plugin_hash: Option<String>,
    now: Timestamp,
    exhausted: Exhausted,
) -> Write {
    let error = delivery.error.as_deref().unwrap_or_default();
    tracing::error!(error, ?exhausted, "the delivery is a dead letter; see `trialbridge delivery list --dead`");
    let letter = DeadLetter {
        id: delivery.id.clone(),
        delivery,
        event: event.event.clone(),
        cause: event.cause.clone(),
        plugin_hash,
        at: now,
        exhausted,
    };
    Write::Put(letter.key(), letter.encode())
}

/// The change that a call wants, together with the acknowledgement of its delivery and its receipt.
pub(super) fn acknowledging(
    effects: Effects,
    delivery: &Delivery,
    version: Version,
    receipt: Receipt,
    cause: &Cause,
) -> Change {
    let receipt = Receipt { acknowledged: true, touched: effects.touched(), ..receipt };
    let parts = effects.into_parts();
    let key = delivery.id.key();
    let mut change = Change { expects: parts.expects, metrics: parts.metrics, ..Change::default() };
    change.expects.push(Expect::Key(key.clone(), version));
    change.writes.push(Write::Delete(key));
    change.writes.push(Write::Put(Receipt::key(&delivery.id), receipt.encode()));
    change.writes.extend(parts.kv.into_iter().map(|(key, value)| match value {
        Some(value) => Write::Put(key, value),
        None => Write::Delete(key),
    }));
    change.writes.extend(parts.trials.into_iter().flat_map(|(stored, new)| new.replacing(&stored)));
    change.writes.extend(parts.cancelled.into_iter().map(Write::Delete));
    for (due, id, event) in parts.delayed {
        let timer = Key::Timer { kind: TimerKind::Delayed, due, id };
        change.writes.push(Write::Put(timer, Delayed { cause: cause.clone(), event }.encode()));
    }
    change.events = parts
        .events
        .into_iter()
        .map(|event| Publication { event, cause: Some(cause.clone()), audience: Audience::Matching })
        .collect();
    change
}
