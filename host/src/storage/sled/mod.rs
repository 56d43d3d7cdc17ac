//! The backend on disk: one sled tree. Nothing outside this folder names sled.
//!
//! What was learned of sled 0.34.7 and is built in here: one tree, no batches (its memory explodes on those of more than some 300 keys), a
//! small cache, no flushing by sled's own clock, and a lock file of our own, because sled tells a locked folder only in
//! words. Its two modes are not chosen between: the setting is there, and nothing in sled reads it.

mod disk;
mod encoding;
mod lock;
mod recent;
mod tree;
mod wal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::disk::SledDisk;
use self::lock::FolderLock;
use self::recent::Recent;
use self::tree::Tree;
use super::disk::{decode_value, stored_version};
use super::writer::Writer;
use super::{
    ABSENT, BoxFuture, Bucket, Commit, CommitError, Committed, Error, Key, KeyRange, Sequence, Signals, Storage,
    Version, Versioned,
};

/// How many keys are listed at a time. The writer waits meanwhile.
const AT_ONCE: usize = 256;

/// How a [`SledStorage`] is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much of the store is kept in memory, in bytes. sled's own default of 1 GiB is far more than a store of
    /// trials needs. Default: 64 MiB.
    pub cache_bytes: u64,
    /// How many bytes of commits are in the write-ahead log, and in memory, before another log begins and they go into the tree. Mostly there is one such log, and for a while two, which are
    /// read after a crash. Default: 32 MiB.
    pub wal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, wal_bytes: 32 << 20 }
    }
}

/// A store in a folder.
pub struct SledStorage {
    /// What readers use; `None` when the store is closed. Declared before the writer, so that it goes first.
    open: RwLock<Option<Open>>,
    /// The way to change it.
    writer: Writer,
}

/// What is held while the store is open. The order matters: the lock is given back after the tree.
#[derive(Clone)]
struct Open {
    /// What was committed, but for what is in `recent`.
    tree: Tree,
    /// What is not in it yet.
    recent: Arc<RwLock<Recent>>,
    /// Where sled's files are, and ours.
    folder: PathBuf,
    /// When a write-ahead log is full.
    wal_bytes: u64,
    /// Keeps other processes away.
    _lock: FolderLock,
}

impl Open {
    /// The value of an encoded key.
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        self.recent().get(&self.tree, key)?.as_ref().map(decode_value).transpose()
    }

    /// The version of an encoded key; [`ABSENT`] if it has no value.
    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        self.recent().get(&self.tree, key)?.map_or(Ok(ABSENT), |stored| stored_version(&stored))
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SledStorage {
    /// Opens the store in the folder `path`, which is created if need be. Takes as long as the disk does: call it where
    /// blocking is allowed. Whoever opens the folder again in the same process waits for [`Storage::close`] first.
    ///
    /// # Errors
    ///
    /// * [`Error::InUse`]: another process, or another `SledStorage` of this one, holds the folder
    /// * [`Error::Schema`]: another version of trialbridge wrote the store
    /// * [`Error::Backend`]: the folder cannot be read or written, or what is in it is damaged
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let lock = FolderLock::take(path)?;
        remove_unfinished_snapshots(path)?;
        let db = ::sled::Config::new()
            .path(path)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(None)
            .open()
            .map_err(|error| Error::Backend(format!("cannot open the store in {}: {error}", path.display())))?;
        let open = Open {
            tree: Tree::open(db)?,
            recent: Arc::default(),
            folder: path.to_owned(),
            wal_bytes: options.wal_bytes,
            _lock: lock,
        };
        let writer = Writer::start(SledDisk::open(open.clone())?)?;
        Ok(Self { open: RwLock::new(Some(open)), writer })
    }

    /// Reads while the store is open and stays so.
    fn read<T>(&self, read: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        read(open.as_ref().ok_or(Error::Closed)?)
    }
}

impl Storage for SledStorage {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.writer.commit(commit)
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned>, Error> {
        self.read(|open| open.get(&key.encode()))
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, Error> {
        self.read(|open| {
            let mut found: Vec<(Key, Versioned)> = Vec::new();
            loop {
                let some = AT_ONCE.min(limit - found.len());
                let rest = range.clone().after(found.last().map(|(key, _)| key));
                let more = open.recent().scan(&open.tree, &rest, some)?;
                let ended = more.len() < some;
                found.extend(more);
                if ended || found.len() == limit {
                    return Ok(found);
                }
            }
        })
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
            let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
            drop(open);
        })
    }

    fn size_on_disk(&self) -> u64 {
        self.read(|open| {
            let logs = wal::files(&open.folder)?.into_iter().filter_map(|(_, path)| path.metadata().ok());
            Ok(open.tree.size_on_disk()? + logs.map(|log| log.len()).sum::<u64>())
        })
        .unwrap_or(0)
    }
}

/// Removes what sled left of a snapshot that it did not finish. It would take that for the newest one, and for damaged.
fn remove_unfinished_snapshots(folder: &Path) -> Result<(), Error> {
    let remove = || {
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
                std::fs::remove_file(folder.join(name))?;
            }
        }
        Ok(())
    };
    remove().map_err(|error: std::io::Error| {
        Error::Backend(format!("cannot remove unfinished snapshots from {}: {error}", folder.display()))
    })
}

#[cfg(test)]
mod tests;
