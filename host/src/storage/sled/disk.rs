//! sled as the writer and the readers use it, behind a write-ahead log.
//!
//! A group of commits is durable once the log has it; then readers see it, in memory. When the log is full another begins, a thread brings what the first one has into the tree and makes
//! that durable, and the first is removed. After a crash the tree gets what the logs have. A change says what a key is to be and not what it was, so it does no harm if
//! the tree had it already.
//!
//! sled's own flush would not be enough: it hands data to the disk and waits neither until the disk has stored it, nor until the system has stored how long the file is.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::Open;
use super::lock::SLED_FILE;
use super::recent::Table;
use super::wal::{self, Wal};
use crate::storage::disk::{Changes, Disk};
use crate::storage::{Error, Version, Versioned};

/// The folder in which sled keeps large values.
const LARGE_VALUES: &str = "blobs";

/// How many keys that were removed from a table lists may have to pass over, before the tree has to forget them.
const MOST_REMOVED: usize = 16_384;

/// How many times what fills a log it may have where no other can be begun. What it has is in memory, too.
const MOST_FULL: u64 = 4;

/// What the writer holds.
pub(super) struct SledDisk {
    open: Open,
    wal: Wal,
    /// With how many bytes the log is full.
    full: u64,
    /// What brings the log before this one into the tree, and removes it. It fails if the tree does.
    checkpoint: Option<JoinHandle<Result<(), Error>>>,
    /// Whether the logs have to stay, because something failed.
    failed: bool,
}

impl SledDisk {
    /// Brings the tree up to what the logs have, and begins a new one.
    pub(super) fn open(open: Open) -> Result<Self, Error> {
        let files = wal::files(&open.folder)?;
        let mut logged = Table::new();
        for (place, (_, path)) in files.iter().enumerate() {
            wal::replay(path, place + 1 == files.len(), |changes| logged.extend(changes))?;
        }
        let number = files.last().map_or(1, |(number, _)| number + 1);
        if !files.is_empty() {
            open.tree.insert(&logged)?;
            make_durable(&open, number)?;
        }
        let (wal, full) = (Wal::begin(&open.folder, number)?, open.wal_bytes);
        Ok(Self { open, wal, full, checkpoint: None, failed: false })
    }

    /// Whether what is in memory is to go into the tree.
    fn is_full(&self) -> bool {
        let could_begin = self.full == self.open.wal_bytes;
        self.wal.bytes() >= self.full || (could_begin && self.open.recent().removed() >= MOST_REMOVED)
    }

    /// Begins another log, while a thread brings what was in the one before into the tree. There is one checkpoint at a time: who fills a log before the last
    /// one is over waits.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        let number = self.wal.number() + 1;
        match Wal::begin(&self.open.folder, number) {
            Ok(wal) => self.wal = wal,
            Err(error) if self.wal.bytes() < MOST_FULL * self.open.wal_bytes => {
                tracing::error!(%error, "the write-ahead log goes on, and grows until another can be begun");
                self.full = self.wal.bytes() + self.open.wal_bytes;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.full = self.open.wal_bytes;
        let older = self.open.recent_mut().rotate();
        let (open, table) = (self.open.clone(), Arc::clone(&older));
        let thread = thread::Builder::new().name("storage-checkpoint".to_owned());
        match thread.spawn(move || checkpoint(&open, table, number)) {
            Ok(thread) => self.checkpoint = Some(thread),
            // There are too many threads now. Whoever commits waits.
            Err(_) => checkpoint(&self.open, older, number)?,
        }
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
        self.open.tree.is_empty() && self.open.recent().is_empty()
    }

    fn write(&mut self, changes: Changes) -> Result<(), Error> {
        // Until it is known better, which it is not after a panic.
        self.failed = true;
        if self.is_full() {
            self.finish_checkpoint()?;
            self.begin_checkpoint()?;
        }
        let below = self.open.recent().below(&self.open.tree, &changes)?;
        self.wal.write(&changes)?;
        self.open.recent_mut().apply(changes, &below);
        self.failed = false;
        Ok(())
    }
}

impl Drop for SledDisk {
    /// Leaves no log behind, so that opening again takes no time.
    fn drop(&mut self) {
        let finished = self.finish_checkpoint();
        if self.failed {
            return;
        }
        let rest = || {
            let newer = self.open.recent_mut().rotate();
            checkpoint(&self.open, newer, self.wal.number() + 1)
        };
        if let Err(error) = finished.and_then(|()| rest()) {
            tracing::warn!(%error, "the write-ahead log stays, and is read at the next start");
        }
    }
}

/// Brings a table into the tree, makes that durable, and removes the logs before this number, which have nothing else.
fn checkpoint(open: &Open, table: Arc<Table>, number: u64) -> Result<(), Error> {
    let brought = open.tree.insert(&table).and_then(|()| {
        open.recent_mut().forget_older();
        drop(table);
        make_durable(open, number)
    });
    brought.inspect_err(|error| tracing::error!(%error, "a checkpoint failed, and the write-ahead logs stay"))
}

/// Makes the tree durable, and removes the logs before this number. Where files cannot be opened or removed now, the logs stay until the next time.
///
/// # Errors
///
/// What the disk says. Nobody can tell what it has stored then, and it says so only once.
fn make_durable(open: &Open, before: u64) -> Result<(), Error> {
    open.tree.flush()?;
    let stay = |error: &dyn Display| {
        tracing::error!(%error, "the write-ahead logs stay until the next checkpoint");
        Ok(())
    };
    let large_values = open.folder.join(LARGE_VALUES);
    let listed = fs::read_dir(&large_values).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
        Err(error) => return stay(&error),
    };
    paths.extend([open.folder.join(SLED_FILE), large_values, open.folder.clone()]);
    for path in paths {
        match File::open(&path) {
            Ok(file) => file
                .sync_all()
                .map_err(|error| Error::Backend(format!("the disk has not stored {}: {error}", path.display())))?,
            // sled removes a large value some time after it was replaced.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return stay(&error),
        }
    }
    wal::remove_before(&open.folder, before).or_else(|error| stay(&error))
}
