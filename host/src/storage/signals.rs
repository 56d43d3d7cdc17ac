//! How the rest of the daemon learns that something was committed.
//!
//! Signals are hints: they say where to look, and the store says what is there. One that comes twice or
//! too early costs a look. The writer gives them after the commit is durable, so none is missed when whoever
//! asked for the commit has gone away.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::Sequence;
use super::key::TimerKind;
use crate::clock::Timestamp;

/// When the first timer of each kind is due, of those kinds of which there are any.
pub type FirstTimers = BTreeMap<TimerKind, Timestamp>;

/// Announcements of one store.
#[derive(Debug)]
pub struct Signals {
    /// The sequence of the newest event.
    events: watch::Sender<Sequence>,
    /// Counts the timers that were put and are due before those before them.
    timers: watch::Sender<u64>,
    /// When the first timer of each kind is due that was put or awaited since the timers were looked at. Later ones than the first of all need not be announced.
    timers_awaited: Mutex<FirstTimers>,
    /// Plugins whose queues grew, each with the lowest sequence that was put there.
    queues: Mutex<BTreeMap<String, Sequence>>,
    /// Wakes whoever waits for `queues`.
    queues_grew: Notify,
}

impl Signals {
    /// Signals of a store whose newest event is `last`.
    pub fn new(last: Sequence) -> Self {
        Self {
            events: watch::Sender::new(last),
            timers: watch::Sender::new(0),
            timers_awaited: Mutex::default(),
            queues: Mutex::new(BTreeMap::new()),
            queues_grew: Notify::new(),
        }
    }

    /// Follows the sequence of the newest event.
    pub fn events(&self) -> watch::Receiver<Sequence> {
        self.events.subscribe()
    }

    /// Changes when a timer was put that is due before all that were put or awaited. For one listener, who says when it looks and what it
    /// awaits then: most timers are due long after the next one, and nothing to wake up for.
    pub fn timers(&self) -> watch::Receiver<u64> {
        self.timers.subscribe()
    }

    /// Announces each timer that is put from now on. To be said before the timers are looked at. Answers when the first ones are due that were put or awaited since the last look.
    pub fn timers_looked_at(&self) -> FirstTimers {
        std::mem::take(&mut *self.timers_awaited.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces only timers that are due before all in `next`, for which somebody waits. To be said after the timers were looked at.
    pub fn timers_awaited(&self, next: FirstTimers) {
        self.await_timers(next);
    }

    /// Waits until a queue grew, and takes the names of those that did, each with the lowest sequence put there. For
    /// one listener: the delivery engine.
    pub async fn queues(&self) -> BTreeMap<String, Sequence> {
        loop {
            let grown = std::mem::take(&mut *self.queues.lock().unwrap_or_else(PoisonError::into_inner));
            if !grown.is_empty() {
                return grown;
            }
            self.queues_grew.notified().await;
        }
    }

    /// Says that events up to `last` are in the journal.
    pub(super) fn announce_events(&self, last: Sequence) {
        self.events.send_replace(last);
    }

    /// Says when the first timers are due that were put.
    pub(super) fn announce_timers(&self, put: FirstTimers) {
        let first = put.values().min().copied();
        let before = self.await_timers(put);
        if first.is_some_and(|first| before.is_none_or(|before| first < before)) {
            self.timers.send_modify(|count| *count += 1);
        }
    }

    /// Adds to what is awaited, and answers when the first of all was due before.
    fn await_timers(&self, more: FirstTimers) -> Option<Timestamp> {
        let mut awaited = self.timers_awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let before = awaited.values().min().copied();
        for (kind, due) in more {
            let first = awaited.entry(kind).or_insert(due);
            *first = due.min(*first);
        }
        before
    }

    /// Says that deliveries were put into queues.
    pub(super) fn announce_queues(&self, grown: impl IntoIterator<Item = (String, Sequence)>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for (plugin, sequence) in grown {
            let lowest = queues.entry(plugin).or_insert(sequence);
            *lowest = sequence.min(*lowest);
        }
        drop(queues);
        self.queues_grew.notify_one();
    }
}
