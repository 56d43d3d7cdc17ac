//! One process per folder. The operating system gives the lock back however the process ends, `kill -9` included.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::Error;

/// Our own lock. sled has one too, but reports it in words only.
const LOCK_FILE: &str = "lock";

/// The file that sled locks, and keeps all but large values in.
pub(super) const SLED_FILE: &str = "db";

/// How long to wait for our lock. A process that is just being started from the one before holds what that one held, until it is another program.
const STARTING: Duration = Duration::from_secs(1);

/// How long to wait for sled's own lock when ours is free. After a close in this process, sled's helper threads may
/// hold its file for a moment longer.
const LINGERING: Duration = Duration::from_secs(5);

/// The right to use a folder, until the last clone is dropped.
#[derive(Clone)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "held for its lock only")] Arc<File>);

impl FolderLock {
    /// Takes the lock on `folder`, and creates the folder if need be.
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let failed =
            |error: io::Error| Error::Backend(format!("cannot use the data folder {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = open(&folder.join(LOCK_FILE)).map_err(failed)?;
        let sled_file = folder.join(SLED_FILE);
        let is_free = lock(&file, STARTING).map_err(failed)?
            && (!sled_file.try_exists().map_err(failed)?
                || open(&sled_file).and_then(|file| lock(&file, LINGERING)).map_err(failed)?);
        if is_free { Ok(Self(Arc::new(file))) } else { Err(Error::InUse { path: folder.display().to_string() }) }
    }
}

/// Locks a file; false if somebody else holds on to it for longer than `patience`.
fn lock(file: &File, patience: Duration) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}
