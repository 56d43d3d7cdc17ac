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
        let in_use = || Error::InUse { path: folder.display().to_string() };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if wait_until_free(&folder.join(SLED_FILE)).map_err(failed)? { Ok(Self(Arc::new(file))) } else { Err(in_use()) }
    }
}

/// Waits until nobody holds `path`; false if somebody holds on to it.
fn wait_until_free(path: &Path) -> io::Result<bool> {
    if !path.try_exists()? {
        return Ok(true);
    }
    let file = open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LINGERING => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}
