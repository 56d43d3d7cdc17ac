//! What is to be said about a group of commits once it is durable.

use std::collections::BTreeMap;

use crate::storage::signals::FirstTimers;
use crate::storage::{Key, Sequence, Signals};

/// What is to be said about a group.
#[derive(Default)]
pub(super) struct Announcements {
    /// The newest event, if there is a new one.
    last_sequence: Option<Sequence>,
    /// The earliest of the timers that were put.
    timers: FirstTimers,
    /// The queues that grew, each with the lowest sequence put there.
    queues: BTreeMap<String, Sequence>,
}

impl Announcements {
    /// Notes that the newest event is this one.
    pub(super) fn note_event(&mut self, sequence: Sequence) {
        self.last_sequence = Some(sequence);
    }

    /// Notes that a key is put.
    pub(super) fn note(&mut self, key: &Key) {
        match key {
            Key::Timer { kind, due, .. } => {
                let earliest = self.timers.entry(*kind).or_insert(*due);
                *earliest = (*earliest).min(*due);
            }
            Key::Delivery { plugin, sequence, .. } => match self.queues.get_mut(plugin) {
                Some(lowest) => *lowest = (*lowest).min(*sequence),
                None => {
                    self.queues.insert(plugin.clone(), *sequence);
                }
            },
            _ => {}
        }
    }

    /// Says it all. To be called once the group is durable.
    pub(super) fn give(self, signals: &Signals) {
        if let Some(last) = self.last_sequence {
            signals.announce_events(last);
        }
        if !self.timers.is_empty() {
            signals.announce_timers(self.timers);
        }
        if !self.queues.is_empty() {
            signals.announce_queues(self.queues);
        }
    }
}
