//! The transactional store behind one trait, and the one door through which everything changes:
//! [`Storage::commit`].
//!
//! A store maps a [`Key`] to a value and a [`Version`]. Nothing here knows what a value means, and
//! nothing here reads a clock.
//!
//! * [`commit`]: what a commit asks for and what comes of it
//! * [`key`]: the frozen key space
//! * [`signals`]: how the rest of the daemon learns that something was committed
//! * [`metric`]: values that are merged, not overwritten
//! * `writer`: the single writer that both backends share: preconditions, versions, sequences, groups
//! * `disk`: what the writer needs of a backend, and the stored form of a value
//! * [`memory`]: a backend for tests and for embedding
//! * [`sled`]: the backend on disk
//! * [`conformance`]: what every backend must pass

pub mod commit;
pub mod conformance;
mod disk;
pub mod key;
pub mod memory;
pub mod metric;
pub mod signals;
pub mod sled;
mod writer;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use self::commit::{Commit, CommitError, Committed, Expect, NewDelivery, NewEvent, Write};
pub use self::key::{Bucket, Key, KeyRange};
pub use self::memory::MemoryStorage;
pub use self::signals::Signals;
pub use self::sled::SledStorage;

/// When a value was written: the number of the commit that wrote it. Ascends over the whole store and is
/// never used twice. [`ABSENT`] stands for a key that has no value.
pub type Version = u64;

/// The version of a key that has no value.
pub const ABSENT: Version = 0;

/// The place of an event in the journal: 1, 2, 3, ... in the order of commits.
pub type Sequence = u64;

/// A value with the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The commit that wrote it.
    pub version: Version,
    /// The value.
    pub value: Bytes,
}

/// A boxed future, so that the trait can be used as `dyn Storage`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process holds the data folder.
    #[error("the data folder {path} is in use by another trialbridge; stop that one or choose another --data")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The store was written by a version of trialbridge that this one does not know.
    #[error(
        "the store has schema version {found}, and this trialbridge reads version {supported}; \
         use the trialbridge that wrote it"
    )]
    Schema {
        /// What the store says.
        found: String,
        /// What this code reads.
        supported: u32,
    },
    /// The disk, or what is on it, failed.
    #[error("the store failed: {0}")]
    Backend(String),
    /// The store was closed: the daemon is stopping.
    #[error("the store is closed")]
    Closed,
}

/// A transactional, versioned, ordered store.
///
/// Reads see every commit that was answered, and may see one that is about to be. They may touch the disk for
/// a moment; they never wait for the writer.
pub trait Storage: Send + Sync + 'static {
    /// Writes all of `commit`, or nothing, and answers when it is durable. Commits are applied in the order of
    /// their arrival.
    ///
    /// The future may be dropped at any time; a commit that was handed over is then still carried out.
    ///
    /// # Errors
    ///
    /// * [`CommitError::Conflict`]: an expectation does not hold; nothing was written
    /// * [`CommitError::TooLarge`]: more than [`commit::MAX_OPERATIONS`] operations
    /// * [`CommitError::Storage`]: the store failed or is closed
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>>;

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn get(&self, key: &Key) -> Result<Option<Versioned>, Error>;

    /// At most `limit` keys of `range` with their values, in ascending order of the encoded keys.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, Error>;

    /// The version that every insert into and removal from `bucket` moves; overwriting a value does not. Read it
    /// *before* the list whose stability it is to vouch for. [`ABSENT`] when nothing has moved since
    /// the store was opened.
    fn bucket_version(&self, bucket: &Bucket) -> Version;

    /// The sequence of the newest event; 0 if there was never one.
    fn last_sequence(&self) -> Sequence;

    /// Where this store announces what it committed.
    fn signals(&self) -> &Signals;

    /// Finishes what was handed over, makes it durable, and refuses what comes later.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// How many bytes the store takes on disk; 0 for one in memory.
    fn size_on_disk(&self) -> u64;
}

#[cfg(test)]
mod model_tests;
