//! sled as the writer and the readers use it, behind a write-ahead log.
//!
//! A group of commits is durable once the log has it; then the tree gets it, and readers see it. Now and then a thread makes the tree durable, and the log before
//! that is removed. After a crash the tree gets once more what the logs have. A change says what a key is to be and not what it was, so it does no harm if
//! the tree had it already.
//!
//! sled alone would be slower, because its flush writes whole pages and wakes seven threads; and it would be less sure: it hands data to the disk and waits neither until
//! the disk has stored it, nor until the system has stored how long the file is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use super::Open;
use super::lock::SLED_FILE;
use super::wal::{self, Wal};
use crate::storage::disk::{Changes, Disk, decode_value, split_stored, stored_version};
use crate::storage::{ABSENT, Error, Version, Versioned};

/// The folder in which sled keeps large values.
const LARGE_VALUES: &str = "blobs";

/// What the writer holds.
pub(super) struct SledDisk {
    open: Open,
    wal: Wal,
    /// Batches that are not durable yet.
    applied: Vec<Changes>,
    /// What they make of each key.
    changed: HashMap<Vec<u8>, Option<Bytes>>,
    /// What makes the tree durable, and removes the log before this one.
    checkpoint: Option<JoinHandle<Result<(), Error>>>,
    /// Whether log and tree may differ, because one of them failed.
    failed: bool,
}

impl SledDisk {
    /// Brings the tree up to what the logs have, and begins a new one.
    pub(super) fn open(open: Open) -> Result<Self, Error> {
        let files = wal::files(&open.folder)?;
        for (place, (_, path)) in files.iter().enumerate() {
            wal::replay(path, place + 1 == files.len(), |changes| insert(&open.db, changes))?;
        }
        if !files.is_empty() {
            make_durable(&open, &files.iter().map(|(_, path)| path.clone()).collect::<Vec<_>>())?;
        }
        let number = files.last().map_or(1, |(number, _)| number + 1);
        let wal = Wal::begin(&open.folder, number)?;
        Ok(Self { open, wal, applied: Vec::new(), changed: HashMap::new(), checkpoint: None, failed: false })
    }

    /// Makes durable what was applied, and then shows it: what readers see does not get lost.
    fn write(&mut self) -> Result<(), Error> {
        self.wal.sync()?;
        self.changed.clear();
        for changes in self.applied.drain(..) {
            insert(&self.open.db, changes)?;
        }
        if self.wal.bytes() >= self.open.wal_bytes { self.begin_checkpoint() } else { Ok(()) }
    }

    /// Begins another log, and makes the tree durable, which has all that was in the one before.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        self.wait_for_checkpoint()?;
        let next = Wal::begin(&self.open.folder, self.wal.number() + 1)?;
        let full = std::mem::replace(&mut self.wal, next);
        let (open, full) = (self.open.clone(), vec![full.path().to_owned()]);
        let thread = thread::Builder::new().name("storage-checkpoint".to_owned());
        let checkpoint = thread.spawn(move || make_durable(&open, &full));
        self.checkpoint = Some(checkpoint.map_err(|error| {
            Error::Backend(format!("cannot start the thread that makes the tree durable: {error}"))
        })?);
        Ok(())
    }

    /// There is one at a time: who fills a log before the tree has what was in the last one waits.
    fn wait_for_checkpoint(&mut self) -> Result<(), Error> {
        match self.checkpoint.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(made_durable)) => made_durable,
            Some(Err(_)) => Err(Error::Backend("the thread that makes the tree durable ended unexpectedly".to_owned())),
        }
    }
}

impl Disk for SledDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        match self.changed.get(key) {
            Some(stored) => stored.as_ref().map(decode_value).transpose(),
            None => get(&self.open.db, key),
        }
    }

    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        match self.changed.get(key) {
            Some(stored) => stored.as_ref().map_or(Ok(ABSENT), |stored| stored_version(stored)),
            None => self.open.db.get(key).map_err(backend_error)?.map_or(Ok(ABSENT), |stored| stored_version(&stored)),
        }
    }

    fn is_empty(&self) -> bool {
        self.open.db.is_empty()
    }

    fn apply(&mut self, changes: Changes) -> Result<(), Error> {
        self.wal.append(&changes);
        for (key, stored) in &changes {
            self.changed.insert(key.clone(), stored.clone());
        }
        self.applied.push(changes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let written = self.write();
        self.failed |= written.is_err();
        written
    }
}

impl Drop for SledDisk {
    /// Leaves no log behind, so that opening again takes no time.
    fn drop(&mut self) {
        if self.failed {
            return;
        }
        let path = vec![self.wal.path().to_owned()];
        if let Err(error) = self.wait_for_checkpoint().and_then(|()| make_durable(&self.open, &path)) {
            tracing::warn!(%error, "the write-ahead log stays, and is read at the next start");
        }
    }
}

/// Makes durable what the tree holds, and removes the `logs` that have nothing else.
fn make_durable(open: &Open, logs: &[PathBuf]) -> Result<(), Error> {
    open.db.flush().map_err(backend_error)?;
    let sync = |path: PathBuf| File::open(path)?.sync_all();
    let synced = || {
        sync(open.folder.join(SLED_FILE))?;
        for entry in fs::read_dir(open.folder.join(LARGE_VALUES))? {
            sync(entry?.path())
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        sync(open.folder.join(LARGE_VALUES))?;
        sync(open.folder.clone())
    };
    synced().map_err(|error: io::Error| {
        Error::Backend(format!("cannot make {} durable: {error}", open.folder.display()))
    })?;
    wal::remove(&open.folder, logs)
}

/// Puts changes into the tree so that readers see all of them or none.
fn insert(db: &::sled::Db, changes: Changes) -> Result<(), Error> {
    let mut batch = ::sled::Batch::default();
    for (key, stored) in changes {
        match stored {
            Some(stored) => batch.insert(key, &stored[..]),
            None => batch.remove(key),
        }
    }
    db.apply_batch(batch).map_err(backend_error)
}

/// The value of an encoded key.
pub(super) fn get(db: &::sled::Db, key: &[u8]) -> Result<Option<Versioned>, Error> {
    db.get(key).map_err(backend_error)?.map(|stored| decode_stored(&stored)).transpose()
}

/// A stored value taken apart. It is copied, because a part of sled's value would keep alive more than itself.
pub(super) fn decode_stored(stored: &[u8]) -> Result<Versioned, Error> {
    let (version, value) = split_stored(stored)?;
    Ok(Versioned { version, value: Bytes::copy_from_slice(value) })
}

pub(super) fn backend_error(error: ::sled::Error) -> Error {
    Error::Backend(error.to_string())
}
