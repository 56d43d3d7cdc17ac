//! A backend in memory, for tests and for embedding: what is in it goes when it is dropped.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::disk::{Changes, Disk, decode_key, decode_value, stored_version};
use super::writer::Writer;
use super::{
    ABSENT, BoxFuture, Bucket, Commit, CommitError, Committed, Error, Key, KeyRange, Sequence, Signals, Storage,
    Version, Versioned,
};

/// Encoded keys and stored values; `None` when the store is closed.
type Map = Arc<RwLock<Option<BTreeMap<Vec<u8>, Bytes>>>>;

/// A store in memory.
pub struct MemoryStorage {
    /// What is stored. The writer alone changes it.
    map: Map,
    /// The way to change it.
    writer: Writer,
}

impl MemoryStorage {
    /// An empty store.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left for the writer.
    pub fn new() -> Self {
        let map: Map = Arc::new(RwLock::new(Some(BTreeMap::new())));
        let writer = Writer::start(MemoryDisk(Arc::clone(&map))).expect("an empty map is a readable store");
        Self { map, writer }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.writer.commit(commit)
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned>, Error> {
        get(&self.map, &key.encode())
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, Error> {
        let map = read(&self.map);
        let map = map.as_ref().ok_or(Error::Closed)?;
        let entries = map.range::<[u8], _>((Bound::Included(range.from()), Bound::Unbounded));
        let entries = entries.take_while(|(key, _)| key.starts_with(range.prefix())).take(limit);
        entries.map(|(key, stored)| Ok((decode_key(key)?, decode_value(stored)?))).collect()
    }

    fn bucket_version(&self, bucket: &Bucket) -> Version {
        self.writer.bucket_version(bucket)
    }

    fn last_sequence(&self) -> Sequence {
        self.writer.last_sequence()
    }

    fn signals(&self) -> &Signals {
        self.writer.signals()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.writer.close().await;
            *self.map.write().unwrap_or_else(PoisonError::into_inner) = None;
        })
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}

/// What the writer holds.
struct MemoryDisk(Map);

impl Disk for MemoryDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        get(&self.0, key)
    }

    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        let map = read(&self.0);
        map.as_ref().ok_or(Error::Closed)?.get(key).map_or(Ok(ABSENT), |stored| stored_version(stored))
    }

    fn is_empty(&self) -> bool {
        read(&self.0).as_ref().is_none_or(BTreeMap::is_empty)
    }

    fn write(&mut self, changes: Changes) -> Result<(), Error> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let map = map.as_mut().ok_or(Error::Closed)?;
        for (key, stored) in changes {
            match stored {
                Some(stored) => map.insert(key, stored),
                None => map.remove(&key),
            };
        }
        Ok(())
    }
}

fn get(map: &Map, key: &[u8]) -> Result<Option<Versioned>, Error> {
    read(map).as_ref().ok_or(Error::Closed)?.get(key).map(decode_value).transpose()
}

fn read(map: &Map) -> RwLockReadGuard<'_, Option<BTreeMap<Vec<u8>, Bytes>>> {
    map.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::conformance;

    #[tokio::test]
    async fn passes_what_every_backend_must_pass() {
        conformance::run(|| Arc::new(MemoryStorage::new())).await;
    }
}
