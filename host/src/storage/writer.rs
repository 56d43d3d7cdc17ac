//! The single writer that both backends share: a thread that takes commits from a bounded queue, as many as are
//! waiting, and makes them durable with one write.
//!
//! Order is everything here. For each group:
//!
//! 1. every commit is checked against all those before it and staged into a batch
//! 2. one write makes the batch durable and shows it to readers, and *then* the bucket versions that it moved
//! 3. the signals are given, and then the answers
//!
//! A reader who reads a bucket's version, then lists, and then commits with [`super::Expect::Bucket`] therefore
//! never misses a change: the version it read is at most as new as the list. Were the version visible first, it
//! could vouch for a list that does not show the change. The other way round the commit conflicts and is tried again.

mod announcements;
mod batch;
mod group;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use tokio::sync::{mpsc, oneshot, watch};

use self::group::Grouping;
use super::disk::{Counters, Disk};
use super::{BoxFuture, Bucket, Commit, CommitError, Committed, Error, Sequence, Signals, Version};

/// How many commits may wait. Whoever comes later waits for room.
const QUEUE_LENGTH: usize = 1024;

/// The handle on a writer thread. When it is dropped, the thread finishes what was handed over and ends.
pub(super) struct Writer {
    /// Where commits are handed over.
    queue: mpsc::Sender<Request>,
    /// What readers may know.
    shared: Arc<Shared>,
    /// Closes when the thread has ended and let go of its [`Disk`].
    ended: watch::Receiver<()>,
}

/// What the thread tells readers.
struct Shared {
    /// The versions of the buckets that have moved since the opening.
    buckets: RwLock<HashMap<Bucket, Version>>,
    /// The sequence of the newest event that readers can see.
    last_sequence: AtomicU64,
    /// Whether the store was closed on purpose.
    closed: AtomicBool,
    /// What is said after the write.
    signals: Signals,
}

/// What is handed over.
enum Request {
    /// To carry out a commit and to answer.
    Commit(Commit, oneshot::Sender<Result<Committed, CommitError>>),
    /// To finish and to end.
    Close,
}

impl Writer {
    /// Starts the thread on a store, which is set up if it is new.
    ///
    /// # Errors
    ///
    /// * [`Error::Schema`]: the store is of another version
    /// * [`Error::Backend`]: the store cannot be read or written, or there is no thread to be had
    pub(super) fn start(mut disk: impl Disk) -> Result<Self, Error> {
        let counters = Counters::open(&mut disk)?;
        let shared = Arc::new(Shared {
            buckets: RwLock::default(),
            last_sequence: AtomicU64::new(counters.sequence),
            closed: AtomicBool::new(false),
            signals: Signals::new(counters.sequence),
        });
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let (ends, ended) = watch::channel(());
        let grouping = Grouping::new(disk, counters, Arc::clone(&shared));
        thread::Builder::new()
            .name("storage-writer".to_owned())
            .spawn(move || {
                run(grouping, requests);
                drop(ends);
            })
            .map_err(|error| Error::Backend(format!("cannot start the writer's thread: {error}")))?;
        Ok(Self { queue, shared, ended })
    }

    /// See [`super::Storage::commit`].
    pub(super) fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            match self.queue.send(Request::Commit(commit, answer)).await {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(ended_unexpectedly().into())),
                Err(_) if self.shared.closed.load(Ordering::Acquire) => Err(Error::Closed.into()),
                Err(_) => Err(ended_unexpectedly().into()),
            }
        })
    }

    /// Finishes what was handed over, and returns when the thread has let go of its [`Disk`].
    pub(super) async fn close(&self) {
        // Where the queue is closed already, somebody else has closed the store; what remains is to wait.
        let _ = self.queue.send(Request::Close).await;
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// See [`super::Storage::bucket_version`].
    pub(super) fn bucket_version(&self, bucket: &Bucket) -> Version {
        self.shared.bucket_version(bucket)
    }

    /// See [`super::Storage::last_sequence`].
    pub(super) fn last_sequence(&self) -> Sequence {
        self.shared.last_sequence.load(Ordering::Acquire)
    }

    /// See [`super::Storage::signals`].
    pub(super) fn signals(&self) -> &Signals {
        &self.shared.signals
    }
}

impl Shared {
    fn bucket_version(&self, bucket: &Bucket) -> Version {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.get(bucket).copied().unwrap_or(super::ABSENT)
    }

    /// Shows what a batch changed. To be called only once readers can see the batch itself.
    fn publish(&self, moved: HashMap<Bucket, Version>, last_sequence: Sequence) {
        if !moved.is_empty() {
            self.buckets.write().unwrap_or_else(PoisonError::into_inner).extend(moved);
        }
        self.last_sequence.store(last_sequence, Ordering::Release);
    }
}

/// What the thread does. It ends, with the disk, when the store was closed or the handle is gone.
fn run(mut grouping: Grouping<impl Disk>, mut requests: mpsc::Receiver<Request>) {
    let mut taken = Vec::with_capacity(QUEUE_LENGTH);
    while requests.blocking_recv_many(&mut taken, QUEUE_LENGTH) > 0 {
        let mut commits = Vec::with_capacity(taken.len());
        for request in taken.drain(..) {
            match request {
                Request::Commit(commit, answer) => commits.push((commit, answer)),
                Request::Close => {
                    grouping.shared().closed.store(true, Ordering::Release);
                    requests.close();
                }
            }
        }
        let mut commits = commits.into_iter();
        while commits.len() > 0 {
            grouping.carry_out_some(&mut commits);
        }
    }
}

fn ended_unexpectedly() -> Error {
    Error::Backend("the writer ended unexpectedly; restart the daemon and see its log".to_owned())
}

#[cfg(test)]
mod tests;
