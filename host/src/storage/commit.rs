//! What a commit asks for, and what comes of it.

use bytes::Bytes;

use super::metric::MetricChange;
use super::{Bucket, Error, Key, Sequence, Version};

/// The most operations in one commit: writes, metric changes and events, each counting one. Other stores that commits may have to fit
/// allow few more. Deliveries of an event come on top: rules decide their number, not the
/// one who commits.
pub const MAX_OPERATIONS: usize = 256;

/// One atomic change. Built up by whoever changes something, handed to [`super::Storage::commit`].
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What must hold for the commit to happen.
    pub expects: Vec<Expect>,
    /// What to put and delete. Of several writes to one key the last one counts.
    pub writes: Vec<Write>,
    /// Metrics to merge into what is stored, after the writes. Their keys are [`Key::Metric`].
    pub metrics: Vec<(Key, MetricChange)>,
    /// Events to append to the journal, in this order.
    pub events: Vec<NewEvent>,
}

/// A precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key has this version; [`super::ABSENT`] if it must have no value.
    Key(Key, Version),
    /// Nothing was inserted into or removed from the bucket since it had this version.
    Bucket(Bucket, Version),
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key. The sequence in a key of an event, a delivery or a dead letter counts as given out from then on.
    Put(Key, Bytes),
    /// Removes a key. Removing what is not there is no error.
    Delete(Key),
}

/// An event to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The value to store under [`Key::Event`].
    pub body: Bytes,
    /// The obligations that come with it, each stored under [`Key::Delivery`] with its place in this list as ordinal.
    pub deliveries: Vec<NewDelivery>,
}

/// An obligation that comes with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Whose queue it goes to.
    pub plugin: String,
    /// The value to store.
    pub body: Bytes,
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that everything written now has.
    pub version: Version,
    /// The sequence of the first event appended; those after it follow without gaps. Where there was no event, the
    /// sequence that the next one will have.
    pub first_sequence: Sequence,
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Something that was read has changed since. Read again and try again.
    #[error("{0:?} does not hold any more")]
    Conflict(Expect),
    /// It is more than one commit may hold.
    #[error("{0} operations in one commit are more than the {MAX_OPERATIONS} there may be")]
    TooLarge(usize),
    /// The store could not do it. Whether the commit happened is unknown when the disk failed, and known not to have
    /// when the store was closed. A commit that no program should make, such as one that writes [`Key::Meta`], comes
    /// to this too.
    #[error(transparent)]
    Storage(#[from] Error),
}

impl Commit {
    /// How many operations it holds, as [`MAX_OPERATIONS`] counts them.
    pub fn operations(&self) -> usize {
        self.writes.len() + self.metrics.len() + self.events.len()
    }
}
