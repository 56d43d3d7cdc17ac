//! How the rest of the daemon learns that something was committed.
//!
//! Signals are hints: they say where to look, and the store says what is there. One that comes twice or
//! too early costs a look. The writer gives them after the commit is durable, so none is missed when whoever
//! asked for the commit has gone away.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::Sequence;

/// Announcements of one store.
#[derive(Debug)]
pub struct Signals {
    /// The sequence of the newest event.
    events: watch::Sender<Sequence>,
    /// Counts the commits that put a timer.
    timers: watch::Sender<u64>,
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
            queues: Mutex::new(BTreeMap::new()),
            queues_grew: Notify::new(),
        }
    }

    /// Follows the sequence of the newest event.
    pub fn events(&self) -> watch::Receiver<Sequence> {
        self.events.subscribe()
    }

    /// Changes when a timer was put.
    pub fn timers(&self) -> watch::Receiver<u64> {
        self.timers.subscribe()
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

    /// Says that a timer was put.
    pub(super) fn announce_timer(&self) {
        self.timers.send_modify(|count| *count += 1);
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
