//! What a call wants changed, and what it has read.
//!
//! The guest sees its own changes; nobody else does until somebody commits them.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::bindings::trialbridge::plugin::types::Error;
use super::usage::Touched;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::storage::metric::MetricChange;
use crate::storage::{ABSENT, Bucket, Expect, Key, Version};
use crate::trial::Trial;

/// The most operations that one call may want. Below what a commit may hold, to leave room for the acknowledgement.
pub const MAX_OPERATIONS: usize = 240;

/// The most bytes that one call may want to write.
pub const MAX_BYTES: usize = 4 << 20;

/// The most keys that one call may depend on.
pub const MAX_READS: usize = 10_000;

/// A version that nothing ever has.
const NEVER: Version = Version::MAX;

/// The effects of a call, buffered.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The keys that were read, with the versions they had.
    keys_read: BTreeMap<Key, Version>,
    /// The buckets that were listed, with the versions they had.
    buckets_read: BTreeMap<Bucket, Version>,
    /// The keys that were set, or deleted.
    kv: BTreeMap<(String, String), Option<Bytes>>,
    /// The trials that were changed, as they were stored and as they shall be.
    trials: BTreeMap<String, (Trial, Trial)>,
    /// The events that were emitted.
    events: Vec<Event>,
    /// The events that shall be emitted later: when, under which id, what.
    delayed: Vec<(Timestamp, String, Event)>,
    /// The timers of delayed events that were cancelled.
    cancelled: Vec<Key>,
    /// The metrics that were changed.
    metrics: Vec<(Key, MetricChange)>,
    /// How many operations all of it comes to.
    operations: usize,
    /// How many bytes all of it comes to.
    bytes: usize,
}

/// The effects in parts, for whoever commits them.
#[derive(Debug)]
pub struct Parts {
    /// What was read must still be so.
    pub expects: Vec<Expect>,
    /// Keys of the key-value store, set or deleted.
    pub kv: Vec<(Key, Option<Bytes>)>,
    /// Trials, as they were stored and as they shall be.
    pub trials: Vec<(Trial, Trial)>,
    /// Events to publish.
    pub events: Vec<Event>,
    /// Events to publish later: when, under which timer id, what.
    pub delayed: Vec<(Timestamp, String, Event)>,
    /// Timers of delayed events to delete.
    pub cancelled: Vec<Key>,
    /// Metrics to merge.
    pub metrics: Vec<(Key, MetricChange)>,
}

impl Effects {
    /// The effects in parts.
    pub fn into_parts(self) -> Parts {
        let keys = self.keys_read.into_iter().map(|(key, version)| Expect::Key(key, version));
        let buckets = self.buckets_read.into_iter().map(|(bucket, version)| Expect::Bucket(bucket, version));
        Parts {
            expects: keys.chain(buckets).collect(),
            kv: self.kv.into_iter().map(|((bucket, key), value)| (Key::Kv { bucket, key }, value)).collect(),
            trials: self.trials.into_values().collect(),
            events: self.events,
            delayed: self.delayed,
            cancelled: self.cancelled,
            metrics: self.metrics,
        }
    }

    /// What was read and is to be changed, by name.
    pub fn touched(&self) -> Touched {
        let mut touched = Touched::default();
        let Touched { kv_read, kv_written, listed, trials_read, trials_written, emitted, delayed, more } = &mut touched;
        for key in self.keys_read.keys() {
            match key {
                Key::Kv { bucket, key } => Touched::note(kv_read, more, || format!("{bucket}/{key}")),
                Key::Trial(id) => Touched::note(trials_read, more, || id.clone()),
                _ => {}
            }
        }
        for (bucket, key) in self.kv.keys() {
            Touched::note(kv_written, more, || format!("{bucket}/{key}"));
        }
        for bucket in self.buckets_read.keys() {
            Touched::note(listed, more, || match bucket {
                Bucket::Kv(bucket) => bucket.clone(),
                Bucket::Trials { status, trial_type } => format!("trials {status} {trial_type}"),
            });
        }
        for id in self.trials.keys() {
            Touched::note(trials_written, more, || id.clone());
        }
        let name = |event: &Event| format!("{} {}", event.source, event.detail_type);
        for event in &self.events {
            Touched::note(emitted, more, || name(event));
        }
        for (_, _, event) in &self.delayed {
            Touched::note(delayed, more, || name(event));
        }
        touched
    }

    /// Remembers that `key` had `version`. Where it was read before and had another one, somebody has changed it meanwhile, and the commit will fail:
    /// it may have none now as it had then, so that neither version could tell.
    pub(super) fn read_key(&mut self, key: Key, version: Version) -> Result<(), Error> {
        if self.keys_read.len() >= MAX_READS {
            return Err(Error::Limit(format!("one call may read at most {MAX_READS} keys")));
        }
        let seen = self.keys_read.entry(key).or_insert(version);
        if *seen != version {
            *seen = NEVER;
        }
        Ok(())
    }

    /// Remembers that `bucket` had `version`.
    pub(super) fn read_bucket(&mut self, bucket: Bucket, version: Version) {
        self.buckets_read.entry(bucket).or_insert(version);
    }

    /// Whether a key was read.
    pub(super) fn has_read_kv(&self, bucket: &str, key: &str) -> bool {
        self.keys_read.contains_key(&Key::Kv { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The keys with a prefix that were read and were there.
    pub(super) fn kv_read_from(&self, bucket: &str, prefix: &str) -> impl Iterator<Item = &str> {
        let first = Key::Kv { bucket: bucket.to_owned(), key: prefix.to_owned() };
        self.keys_read
            .range(first..)
            .map_while(move |(read, version)| match read {
                Key::Kv { bucket: of, key } if of == bucket && key.starts_with(prefix) => {
                    Some((key.as_str(), *version))
                }
                _ => None,
            })
            .filter(|(_, version)| *version != ABSENT)
            .map(|(key, _)| key)
    }

    /// What this call has made of a key: nothing, deleted it, or set it.
    pub(super) fn own_kv(&self, bucket: &str, key: &str) -> Option<&Option<Bytes>> {
        self.kv.get(&(bucket.to_owned(), key.to_owned()))
    }

    /// The keys of a bucket with a prefix that this call has set or deleted, from `first` on, which is none before the prefix.
    pub(super) fn own_kv_from<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        first: Bound<String>,
    ) -> impl Iterator<Item = (&'a str, &'a Option<Bytes>)> {
        let bound = first.map(|key| (bucket.to_owned(), key));
        self.kv
            .range((bound, Bound::Unbounded))
            .take_while(move |((name, key), _)| name == bucket && key.starts_with(prefix))
            .map(|((_, key), value)| (key.as_str(), value))
    }

    /// Sets a key, or deletes it.
    pub(super) fn write_kv(&mut self, bucket: String, key: String, value: Option<Bytes>) -> Result<(), Error> {
        let size = bucket.len() + key.len() + value.as_ref().map_or(0, Bytes::len);
        let again = self.kv.contains_key(&(bucket.clone(), key.clone()));
        self.spend(if again { 0 } else { 1 }, size)?;
        self.kv.insert((bucket, key), value);
        Ok(())
    }

    /// What this call has made of a trial.
    pub(super) fn own_trial(&self, id: &str) -> Option<&Trial> {
        self.trials.get(id).map(|(_, new)| new)
    }

    /// Whether this call has changed any trial.
    pub(super) fn changes_trials(&self) -> bool {
        !self.trials.is_empty()
    }

    /// Changes a trial from what is stored.
    pub(super) fn write_trial(&mut self, stored: Trial, new: Trial) -> Result<(), Error> {
        let again = self.trials.contains_key(&new.trial_id);
        let size = new.attributes.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        // The record, and its entry in the index, which moves.
        self.spend(if again { 0 } else { 3 }, size)?;
        self.trials.entry(new.trial_id.clone()).and_modify(|(_, own)| own.clone_from(&new)).or_insert((stored, new));
        Ok(())
    }

    /// Emits an event.
    pub(super) fn emit(&mut self, event: Event) -> Result<(), Error> {
        self.spend(1, event.detail.get().len())?;
        self.events.push(event);
        Ok(())
    }

    /// Emits an event later, by the timer `id`.
    pub(super) fn emit_later(&mut self, due: Timestamp, id: String, event: Event) -> Result<(), Error> {
        self.spend(1, event.detail.get().len())?;
        self.delayed.push((due, id, event));
        Ok(())
    }

    /// Takes back a delayed event of this very call. False if there is none.
    pub(super) fn cancel_own(&mut self, due: Timestamp, id: &str) -> bool {
        let before = self.delayed.len();
        self.delayed.retain(|(at, own, _)| *at != due || own != id);
        self.delayed.len() < before
    }

    /// Whether this call emits a delayed event.
    pub(super) fn emits_later(&self, due: Timestamp, id: &str) -> bool {
        self.delayed.iter().any(|(at, own, _)| *at == due && own == id)
    }

    /// Whether this call has cancelled the delayed event of a timer.
    pub(super) fn has_cancelled(&self, timer: &Key) -> bool {
        self.cancelled.contains(timer)
    }

    /// Cancels the delayed event of a timer.
    pub(super) fn cancel(&mut self, timer: Key) -> Result<(), Error> {
        self.spend(1, 0)?;
        self.cancelled.push(timer);
        Ok(())
    }

    /// Changes a metric.
    pub(super) fn measure(&mut self, key: Key, change: MetricChange) -> Result<(), Error> {
        self.spend(1, 64)?;
        self.metrics.push((key, change));
        Ok(())
    }

    /// How many operations all of it comes to.
    pub(super) fn operations(&self) -> usize {
        self.operations
    }

    /// How many bytes all of it comes to.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events are emitted.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    fn spend(&mut self, operations: usize, bytes: usize) -> Result<(), Error> {
        if self.operations + operations > MAX_OPERATIONS {
            let message =
                format!("one call may make at most {MAX_OPERATIONS} changes; emit an event and go on when it arrives");
            return Err(Error::Limit(message));
        }
        if self.bytes + bytes > MAX_BYTES {
            return Err(Error::Limit(format!("one call may write at most {MAX_BYTES} bytes")));
        }
        self.operations += operations;
        self.bytes += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_came_and_went_between_two_reads_cannot_be_committed_on() {
        let key = |name: &str| Key::Kv { bucket: "b".to_owned(), key: name.to_owned() };
        let mut effects = Effects::default();
        for (name, version) in [("same", 7), ("same", 7), ("came", ABSENT), ("came", 8), ("came", ABSENT)] {
            effects.read_key(key(name), version).expect("it is within the limits");
        }
        let expects = effects.into_parts().expects;
        assert_eq!(expects, [Expect::Key(key("came"), NEVER), Expect::Key(key("same"), 7)]);
    }
}
