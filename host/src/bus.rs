//! The way to the store: routes the events of a change through the rules, and commits the change with the deliveries
//! that come of it.
//!
//! An event and its deliveries are one commit, so events are matched when they are published.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::{Clock, Timestamp};
use crate::delivery::record::{Delivery, DeliveryId};
use crate::event::{Cause, Event, Recorded};
use crate::pattern::Scratch;
use crate::rules::{Rule, RuleSet};
use crate::storage::metric::MetricChange;
use crate::storage::{Commit, CommitError, Committed, Expect, Key, NewDelivery, NewEvent, Sequence, Storage, Write};

/// A change that is not routed yet.
#[derive(Debug, Default)]
pub struct Change {
    /// What must hold for it to happen.
    pub expects: Vec<Expect>,
    /// What to put and delete.
    pub writes: Vec<Write>,
    /// Metrics to merge.
    pub metrics: Vec<(Key, MetricChange)>,
    /// Events to publish, in this order.
    pub events: Vec<Publication>,
}

/// An event on its way to the journal.
#[derive(Debug)]
pub struct Publication {
    /// The event.
    pub event: Event,
    /// The delivery whose handling published it.
    pub cause: Option<Cause>,
    /// Who gets it.
    pub audience: Audience,
}

/// Who gets an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The targets of every rule whose pattern matches.
    Matching,
    /// The targets of this rule, because its schedule fired, and those of every other rule whose pattern matches.
    Scheduled(String),
}

impl From<Event> for Publication {
    /// From outside or from the daemon, to whoever wants it.
    fn from(event: Event) -> Self {
        Self { event, cause: None, audience: Audience::Matching }
    }
}

/// Routes and commits.
pub struct Bus {
    /// Where everything is.
    storage: Arc<dyn Storage>,
    /// What time it is.
    clock: Arc<dyn Clock>,
    /// The rules in force.
    rules: ArcSwap<RuleSet>,
}

impl Bus {
    /// A bus without rules.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock, rules: ArcSwap::from_pointee(RuleSet::default()) }
    }

    /// The store.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// Puts other rules in force, for every event published from now on.
    pub fn replace_rules(&self, rules: Arc<RuleSet>) {
        self.rules.store(rules);
    }

    /// Routes the events of `change` and commits all of it, or nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::commit`].
    pub async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        let rules = self.rules.load();
        let now = self.now();
        let events = change.events.iter().map(|publication| route(&rules, publication, now)).collect();
        drop(rules);
        self.storage
            .commit(Commit { expects: change.expects, writes: change.writes, metrics: change.metrics, events })
            .await
    }

    /// Publishes one event, and answers with its place in the journal.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::commit`].
    pub async fn publish(&self, event: Event) -> Result<Sequence, CommitError> {
        let change = Change { events: vec![event.into()], ..Change::default() };
        Ok(self.commit(change).await?.first_sequence)
    }
}

thread_local! {
    /// What matching takes, kept from event to event.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What `publication` becomes under `rules`: a journal entry and its deliveries.
fn route(rules: &RuleSet, publication: &Publication, now: Timestamp) -> NewEvent {
    let json = publication.event.to_json();
    let scheduled = match &publication.audience {
        Audience::Matching => None,
        Audience::Scheduled(name) => rules.rule(name),
    };
    let mut deliveries: Vec<NewDelivery> = scheduled.into_iter().flat_map(|rule| obligations(rule, now)).collect();
    SCRATCH.with_borrow_mut(|scratch| match rules.matching(json.as_bytes(), scratch) {
        Ok(matching) => {
            let others = matching.filter(|rule| scheduled.is_none_or(|scheduled| scheduled.name != rule.name));
            deliveries.extend(others.flat_map(|rule| obligations(rule, now)));
        }
        // Events are checked before they come here, so this is our mistake and nobody else's.
        Err(error) => tracing::error!(%error, event = json, "an event cannot be matched and goes to nobody"),
    });
    NewEvent { body: Recorded::encode(&json, now, publication.cause.as_ref()), deliveries }
}

fn obligations(rule: &Rule, now: Timestamp) -> impl Iterator<Item = NewDelivery> + '_ {
    rule.targets.iter().map(move |target| {
        let delivery = Delivery {
            id: DeliveryId::default(),
            rule: rule.name.clone(),
            target: target.id.clone(),
            created: now,
            failed: 0,
            error: None,
            redriven: false,
        };
        NewDelivery { plugin: target.plugin.clone(), body: delivery.encode() }
    })
}
