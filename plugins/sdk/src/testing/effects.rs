//! What a handling wants changed, buffered until it returns.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{MAX_BYTES, MAX_OPERATIONS, MAX_READS};
use super::state::{Due, Series};
use crate::trials::Trial;
use crate::{Error, Event};

/// The effects of a handling.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Keys that were set or deleted, by bucket.
    pub(super) kv: BTreeMap<String, BTreeMap<String, Option<Vec<u8>>>>,
    /// Trials as they shall be.
    pub(super) trials: BTreeMap<String, Trial>,
    pub(super) events: Vec<Event>,
    pub(super) delayed: BTreeMap<Due, Event>,
    pub(super) cancelled: BTreeSet<Due>,
    pub(super) metrics: Vec<(Series, MetricChange)>,
    /// The keys that were read; the trials have the bucket "".
    reads: BTreeSet<(String, String)>,
    pub(super) operations: usize,
    bytes: usize,
}

/// A change of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) enum MetricChange {
    Count(u64),
    Set(f64),
    Add(f64),
    Observe(f64),
}

impl Effects {
    /// Remembers that a key was read.
    pub(super) fn read(&mut self, bucket: &str, key: &str) -> Result<(), Error> {
        if self.reads.len() >= MAX_READS {
            return Err(Error::Limit(format!("one call may read at most {MAX_READS} keys")));
        }
        self.reads.insert((bucket.to_owned(), key.to_owned()));
        Ok(())
    }

    /// Sets or deletes a key.
    pub(super) fn write(&mut self, bucket: &str, key: &str, value: Option<Vec<u8>>) -> Result<(), Error> {
        let again = self.kv.get(bucket).is_some_and(|keys| keys.contains_key(key));
        let size = bucket.len() + key.len() + value.as_ref().map_or(0, Vec::len);
        self.spend(usize::from(!again), size)?;
        self.kv.entry(bucket.to_owned()).or_default().insert(key.to_owned(), value);
        Ok(())
    }

    /// Takes so much from what a handling may do.
    pub(super) fn spend(&mut self, operations: usize, bytes: usize) -> Result<(), Error> {
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
