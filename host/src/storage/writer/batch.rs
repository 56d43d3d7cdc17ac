//! Changes that are staged and not written yet: what later commits must see, though readers do not.

use std::collections::HashMap;

use bytes::Bytes;

use crate::storage::disk::{Changes, Counters, encode_value, stored_version};
use crate::storage::metric::Metric;
use crate::storage::{ABSENT, Bucket, Error, Version};

/// With how many keys a batch is full. Bounds how long the first commit in it waits for the others.
const FULL_KEYS: usize = 8192;

/// With how many bytes of values a batch is full, for the sake of memory.
const FULL_BYTES: usize = 8 << 20;

/// The changes of whole commits, to be written together.
#[derive(Default)]
pub(super) struct Batch {
    /// By encoded key; the last change to a key is the one that counts.
    changes: HashMap<Vec<u8>, Change>,
    /// The versions of the buckets that these changes moved.
    moved: HashMap<Bucket, Version>,
    /// How many bytes the values take.
    bytes: usize,
    /// Whether any commit is in here, be it one that changes no key.
    holds_a_commit: bool,
}

/// What was in a batch.
pub(super) struct Taken {
    /// What to write.
    pub(super) changes: Changes,
    /// The buckets that it moves.
    pub(super) moved: HashMap<Bucket, Version>,
    /// The metrics that it merges, by encoded key.
    pub(super) metrics: Vec<(Vec<u8>, Metric)>,
}

/// What happens to a key.
pub(super) enum Change {
    /// It gets a value, in its stored form.
    Put(Bytes),
    /// It gets a metric. Encoding waits until the batch is written, because many commits change the same ones.
    Merge(Version, Metric),
    /// It is removed.
    Delete,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        !self.holds_a_commit
    }

    /// Says that a commit was staged, though it may have changed nothing: its version was given out, so the
    /// counters have to be stored.
    pub(super) fn begin_commit(&mut self) {
        self.holds_a_commit = true;
    }

    /// Whether no more commits belong into it.
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= FULL_KEYS || self.bytes >= FULL_BYTES
    }

    pub(super) fn put(&mut self, key: Vec<u8>, version: Version, value: &[u8]) {
        self.bytes += value.len();
        self.changes.insert(key, Change::Put(encode_value(version, value)));
    }

    pub(super) fn merge(&mut self, key: Vec<u8>, version: Version, metric: Metric) {
        self.changes.insert(key, Change::Merge(version, metric));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, Change::Delete);
    }

    pub(super) fn move_bucket(&mut self, bucket: Bucket, version: Version) {
        self.moved.insert(bucket, version);
    }

    /// The version of a key, or `None` if this batch does not change it.
    pub(super) fn version(&self, key: &[u8]) -> Result<Option<Version>, Error> {
        self.changes.get(key).map(Change::version).transpose()
    }

    /// The version of a bucket, or `None` if this batch does not move it.
    pub(super) fn bucket_version(&self, bucket: &Bucket) -> Option<Version> {
        self.moved.get(bucket).copied()
    }

    /// Takes back what was to happen to a key.
    pub(super) fn withdraw(&mut self, key: &[u8]) -> Option<Change> {
        self.changes.remove(key)
    }

    /// Empties the batch: what to write, the buckets that it moves, and the metrics as they are afterwards.
    pub(super) fn take(&mut self, counters: Counters) -> Result<Taken, Error> {
        let mut taken = Taken {
            changes: Changes::with_capacity(self.changes.len() + 1),
            moved: std::mem::take(&mut self.moved),
            metrics: Vec::new(),
        };
        self.bytes = 0;
        self.holds_a_commit = false;
        for (key, change) in self.changes.drain() {
            let stored = match change {
                Change::Put(stored) => Some(stored),
                Change::Merge(version, metric) => {
                    let json = serde_json::to_vec(&metric)
                        .map_err(|error| Error::Backend(format!("cannot write {metric:?} as JSON: {error}")))?;
                    taken.metrics.push((key.clone(), metric));
                    Some(encode_value(version, &json))
                }
                Change::Delete => None,
            };
            taken.changes.push((key, stored));
        }
        taken.changes.push(counters.change());
        Ok(taken)
    }
}

impl Change {
    fn version(&self) -> Result<Version, Error> {
        match self {
            Self::Put(stored) => stored_version(stored),
            Self::Merge(version, _) => Ok(*version),
            Self::Delete => Ok(ABSENT),
        }
    }
}
