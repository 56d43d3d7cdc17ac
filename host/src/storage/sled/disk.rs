//! sled as the writer and the readers use it, behind a write-ahead log.
//!
//! A group of commits is durable once the log has it; then the tree gets it, and readers see it. Now and then a thread makes the tree durable, and the log before
//! that is removed. After a crash the tree gets once more what the logs have. A change says what a key is to be and not what it was, so it does no harm if
//! the tree had it already.
//!
//! sled's own flush would not be enough: it hands data to the disk and waits neither until the disk has stored it, nor until the system has stored how long the file is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
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
    /// With how many bytes the log is full.
    full: u64,
    /// Batches that are not durable yet.
    applied: Vec<HashMap<Vec<u8>, Option<Bytes>>>,
    /// What makes the tree durable, and removes the logs before this one.
    checkpoint: Option<JoinHandle<()>>,
    /// Whether log and tree may differ, because something failed on the way.
    differs: bool,
}

impl SledDisk {
    /// Brings the tree up to what the logs have, and begins a new one.
    pub(super) fn open(open: Open) -> Result<Self, Error> {
        let files = wal::files(&open.folder)?;
        for (place, (_, path)) in files.iter().enumerate() {
            wal::replay(path, place + 1 == files.len(), |changes| insert(&open.db, changes))?;
        }
        let number = files.last().map_or(1, |(number, _)| number + 1);
        if !files.is_empty() {
            open.db.flush().map_err(backend_error)?;
            make_durable(&open.folder, number)?;
        }
        let (wal, full) = (Wal::begin(&open.folder, number)?, open.wal_bytes);
        Ok(Self { open, wal, full, applied: Vec::new(), checkpoint: None, differs: false })
    }

    /// What the batches that are not durable yet make of a key, if they change it.
    fn applied(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.applied.iter().rev().find_map(|changes| changes.get(key))
    }

    /// Makes durable what was applied, and then shows it: what readers see does not get lost.
    fn write(&mut self) -> Result<(), Error> {
        self.wal.sync()?;
        for changes in self.applied.drain(..) {
            insert(&self.open.db, changes)?;
        }
        Ok(())
    }

    /// Begins another log, and makes the tree durable, which has all that was in the one before. There is one checkpoint at a time: who fills a log before the last
    /// one is over waits.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        self.wait_for_checkpoint();
        // Here, because the tree can take no changes meanwhile.
        self.open.db.flush().map_err(backend_error)?;
        let (folder, number) = (self.open.folder.clone(), self.wal.number() + 1);
        self.wal = Wal::begin(&folder, number)?;
        self.full = self.open.wal_bytes;
        let checkpoint = move || {
            if let Err(error) = make_durable(&folder, number) {
                tracing::error!(%error, "the write-ahead logs stay until the next checkpoint");
            }
        };
        let thread = thread::Builder::new().name("storage-checkpoint".to_owned()).spawn(checkpoint);
        self.checkpoint =
            Some(thread.map_err(|error| Error::Backend(format!("cannot start the thread of a checkpoint: {error}")))?);
        Ok(())
    }

    fn wait_for_checkpoint(&mut self) {
        if self.checkpoint.take().is_some_and(|checkpoint| checkpoint.join().is_err()) {
            tracing::error!("a checkpoint ended unexpectedly; the write-ahead logs stay until the next one");
        }
    }
}

impl Disk for SledDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        match self.applied(key) {
            Some(stored) => stored.as_ref().map(decode_value).transpose(),
            None => get(&self.open.db, key),
        }
    }

    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        match self.applied(key) {
            Some(stored) => stored.as_ref().map_or(Ok(ABSENT), |stored| stored_version(stored)),
            None => self.open.db.get(key).map_err(backend_error)?.map_or(Ok(ABSENT), |stored| stored_version(&stored)),
        }
    }

    fn is_empty(&self) -> bool {
        self.open.db.is_empty()
    }

    fn apply(&mut self, changes: Changes) -> Result<(), Error> {
        self.wal.append(&changes);
        self.applied.push(changes.into_iter().collect());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        // Until it is known better, which it is not after a panic.
        self.differs = true;
        self.write()?;
        self.differs = false;
        if self.wal.bytes() >= self.full
            && let Err(error) = self.begin_checkpoint()
        {
            tracing::error!(%error, "the write-ahead log stays, and grows until the next checkpoint");
            self.full = self.wal.bytes() + self.open.wal_bytes;
        }
        Ok(())
    }
}

impl Drop for SledDisk {
    /// Leaves no log behind, so that opening again takes no time.
    fn drop(&mut self) {
        self.wait_for_checkpoint();
        if self.differs {
            return;
        }
        let flushed = self.open.db.flush().map_err(backend_error);
        if let Err(error) = flushed.and_then(|_| make_durable(&self.open.folder, self.wal.number() + 1)) {
            tracing::warn!(%error, "the write-ahead log stays, and is read at the next start");
        }
    }
}

/// Has the disk store what sled has flushed, and removes the logs before this number, which have nothing else.
fn make_durable(folder: &Path, before: u64) -> Result<(), Error> {
    let sync = |path: PathBuf| File::open(path)?.sync_all();
    let synced = || {
        sync(folder.join(SLED_FILE))?;
        for entry in fs::read_dir(folder.join(LARGE_VALUES))? {
            match sync(entry?.path()) {
                // It was replaced meanwhile, and by what is in the next log.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced?,
            }
        }
        sync(folder.join(LARGE_VALUES))?;
        sync(folder.to_owned())
    };
    synced()
        .map_err(|error: io::Error| Error::Backend(format!("cannot make {} durable: {error}", folder.display())))?;
    wal::remove_before(folder, before)
}

/// Puts changes into the tree so that readers see all of them or none.
fn insert(db: &::sled::Db, changes: impl IntoIterator<Item = (Vec<u8>, Option<Bytes>)>) -> Result<(), Error> {
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
