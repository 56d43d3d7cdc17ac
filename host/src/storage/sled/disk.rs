//! sled as the writer and the readers use it, behind a write-ahead log.
//!
//! A group of commits is durable once the log has it; then readers see it, in memory. When the log is full another begins, a thread brings what the first one has into the tree and makes
//! that durable, and the first is removed. After a crash the tree gets what the logs have. A change says what a key is to be and not what it was, so it does no harm if
//! the tree had it already.
//!
//! sled's own flush would not be enough: it hands data to the disk and waits neither until the disk has stored it, nor until the system has stored how long the file is.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::Open;
use super::lock::SLED_FILE;
use super::recent::Table;
use super::wal::{self, Wal};
use crate::storage::disk::{Changes, Disk};
use crate::storage::{Error, Version, Versioned};

/// The folder in which sled keeps large values.
const LARGE_VALUES: &str = "blobs";

/// How many keys that were removed lists may have to pass over, before the tree has to forget them.
const MOST_REMOVED: usize = 16_384;

/// What the writer holds.
pub(super) struct SledDisk {
    open: Open,
    wal: Wal,
    /// With how many bytes the log is full.
    full: u64,
    /// What brings the log before this one into the tree, and removes it. It fails if the tree does.
    checkpoint: Option<JoinHandle<Result<(), Error>>>,
    /// Whether the logs have what is not in memory, because something failed on the way.
    differs: bool,
}

impl SledDisk {
    /// Brings the tree up to what the logs have, and begins a new one.
    pub(super) fn open(open: Open) -> Result<Self, Error> {
        let files = wal::files(&open.folder)?;
        let mut logged = Table::new();
        for (place, (_, path)) in files.iter().enumerate() {
            wal::replay(path, place + 1 == files.len(), |changes| {
                logged.extend(changes);
                Ok(())
            })?;
        }
        let number = files.last().map_or(1, |(number, _)| number + 1);
        if !files.is_empty() {
            insert(&open.db, &logged)?;
            make_durable(&open, number)?;
        }
        let (wal, full) = (Wal::begin(&open.folder, number)?, open.wal_bytes);
        Ok(Self { open, wal, full, checkpoint: None, differs: false })
    }

    /// Begins another log, while a thread brings what was in the one before into the tree. There is one checkpoint at a time: who fills a log before the last
    /// one is over waits.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        let number = self.wal.number() + 1;
        match Wal::begin(&self.open.folder, number) {
            Ok(wal) => self.wal = wal,
            Err(error) => {
                tracing::error!(%error, "the write-ahead log goes on, and grows until another can be begun");
                self.full = self.wal.bytes() + self.open.wal_bytes;
                return Ok(());
            }
        }
        self.full = self.open.wal_bytes;
        let (open, older) = (self.open.clone(), self.open.recent_mut().rotate());
        let checkpoint = move || {
            insert(&open.db, &older)?;
            open.recent_mut().forget_older();
            if let Err(error) = make_durable(&open, number) {
                tracing::error!(%error, "the write-ahead logs stay until the next checkpoint");
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("storage-checkpoint".to_owned()).spawn(checkpoint);
        let failed = |error| Error::Backend(format!("cannot start the thread of a checkpoint: {error}"));
        self.checkpoint = Some(thread.map_err(failed)?);
        Ok(())
    }

    /// Waits until the tree has what it is to have.
    fn finish_checkpoint(&mut self) -> Result<(), Error> {
        let Some(checkpoint) = self.checkpoint.take() else { return Ok(()) };
        checkpoint.join().unwrap_or_else(|_| Err(Error::Backend("a checkpoint ended unexpectedly".to_owned())))
    }
}

impl Disk for SledDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        self.open.get(key)
    }

    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        self.open.version(key)
    }

    fn is_empty(&self) -> bool {
        self.open.db.is_empty() && self.open.recent().is_empty()
    }

    fn write(&mut self, changes: Changes) -> Result<(), Error> {
        // Until it is known better, which it is not after a panic.
        self.differs = true;
        if self.wal.bytes() >= self.full || self.open.recent().removed() >= MOST_REMOVED {
            self.finish_checkpoint()?;
            self.begin_checkpoint()?;
        }
        self.wal.write(&changes)?;
        self.open.recent_mut().apply(&self.open.db, changes)?;
        self.differs = false;
        Ok(())
    }
}

impl Drop for SledDisk {
    /// Leaves no log behind, so that opening again takes no time.
    fn drop(&mut self) {
        let finished = self.finish_checkpoint();
        if self.differs {
            return;
        }
        let brought = finished.and_then(|()| {
            let rest = self.open.recent_mut().rotate();
            insert(&self.open.db, &rest)?;
            make_durable(&self.open, self.wal.number() + 1)
        });
        if let Err(error) = brought {
            tracing::warn!(%error, "the write-ahead log stays, and is read at the next start");
        }
    }
}

/// Makes the tree durable, and removes the logs before this number, which have nothing else.
fn make_durable(open: &Open, before: u64) -> Result<(), Error> {
    open.db.flush().map_err(backend_error)?;
    let folder = &open.folder;
    let sync = |path: PathBuf| File::open(path)?.sync_all();
    let synced = || {
        sync(folder.join(SLED_FILE))?;
        for entry in fs::read_dir(folder.join(LARGE_VALUES))? {
            sync(entry?.path())?;
        }
        sync(folder.join(LARGE_VALUES))?;
        sync(folder.clone())
    };
    synced()
        .map_err(|error: io::Error| Error::Backend(format!("cannot make {} durable: {error}", folder.display())))?;
    wal::remove_before(folder, before)
}

/// Brings changes into the tree, which nobody else changes meanwhile.
fn insert(db: &::sled::Db, changes: &Table) -> Result<(), Error> {
    for (key, stored) in changes {
        let changed = match stored {
            Some(stored) => db.insert(key, &stored[..]),
            None => db.remove(key),
        };
        changed.map_err(backend_error)?;
    }
    Ok(())
}

pub(super) fn backend_error(error: ::sled::Error) -> Error {
    Error::Backend(error.to_string())
}
