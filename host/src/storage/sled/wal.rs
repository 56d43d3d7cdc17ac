//! The write-ahead log: what was committed since the tree was last made durable, in files beside it.
//!
//! A file is a line that says what it is, and records: the changes that are applied together, with their length and their CRC-32 before them, each four
//! bytes, little-endian. One write and one `fdatasync` make a group of commits durable. What follows the last whole record was never answered for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::encoding::{self, length, number};
use crate::storage::Error;
use crate::storage::disk::Changes;

/// What a file begins with.
const HEAD: &[u8] = b"trialbridge write-ahead log 1\n";

/// How the files are named: this, their number, and `EXTENSION`.
const NAME: &str = "wal-";
const EXTENSION: &str = "log";

/// What stands before the changes of a record: their length and their CRC-32.
const RECORD_HEAD: usize = 8;

/// How much of a buffer is kept, in bytes. Most groups of commits have less.
const KEPT_BUFFER: usize = 1 << 20;

/// The file that is written to.
pub(super) struct Wal {
    number: u64,
    path: PathBuf,
    file: File,
    /// How many bytes are in the file.
    bytes: u64,
    /// The memory in which records are put together.
    buffer: Vec<u8>,
}

impl Wal {
    /// Begins the file of this number.
    pub(super) fn begin(folder: &Path, number: u64) -> Result<Self, Error> {
        let path = folder.join(format!("{NAME}{number:020}.{EXTENSION}"));
        let begun = || {
            let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
            file.write_all(HEAD)?;
            file.sync_all()?;
            sync_folder(folder)?;
            Ok(file)
        };
        let file = begun().map_err(|error: io::Error| {
            // The one before goes on, and is still the newest.
            let _ = fs::remove_file(&path).and_then(|()| sync_folder(folder));
            failed("begin", &path, &error)
        })?;
        Ok(Self { number, path, file, bytes: HEAD.len() as u64, buffer: Vec::new() })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes are in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a record, and makes it durable.
    pub(super) fn write(&mut self, changes: &Changes) -> Result<(), Error> {
        self.buffer.extend_from_slice(&[0; RECORD_HEAD]);
        for (key, stored) in changes {
            encoding::append(&mut self.buffer, key, stored.as_deref());
        }
        let (head, changes) = self.buffer.split_at_mut(RECORD_HEAD);
        head[..4].copy_from_slice(&length(changes).to_le_bytes());
        head[4..].copy_from_slice(&crc32fast::hash(changes).to_le_bytes());
        let written = self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data());
        written.map_err(|error| failed("write to", &self.path, &error))?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER);
        Ok(())
    }
}

/// The files in a folder with their numbers, the oldest first.
///
/// # Errors
///
/// [`Error::Backend`] if the folder cannot be read, or one is missing.
pub(super) fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let listed = |error: io::Error| failed("look for write-ahead logs in", folder, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(NAME).and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    match files.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
        Some(pair) => Err(Error::Backend(format!(
            "the write-ahead log before {} is missing; restore the data folder from a backup",
            pair[1].1.display()
        ))),
        None => Ok(files),
    }
}

/// Gives the records of a file to `each`, in order. Only the newest file may end within a record: there the daemon, or the machine, stopped. What is damaged there
/// cannot be told from that, and ends it, too.
///
/// # Errors
///
/// [`Error::Backend`] if the file cannot be read or is damaged.
pub(super) fn replay(path: &Path, is_newest: bool, mut each: impl FnMut(Changes)) -> Result<(), Error> {
    let content = fs::read(path).map_err(|error| failed("read", path, &error))?;
    let Some(mut rest) = content.strip_prefix(HEAD) else {
        // It was not even begun.
        let is_empty = HEAD.starts_with(&content) || content.iter().all(|byte| *byte == 0);
        return if is_newest && is_empty { Ok(()) } else { Err(damaged(path, 0)) };
    };
    while !rest.is_empty() {
        let Some((changes, after)) = record(rest) else {
            let at = content.len() - rest.len();
            if !is_newest {
                return Err(damaged(path, at));
            }
            tracing::warn!(
                path = %path.display(), at, bytes = rest.len(),
                "the write-ahead log ends within a record, as it does when the daemon or the machine stops while it is written"
            );
            return Ok(());
        };
        each(decode(changes).ok_or_else(|| damaged(path, content.len() - rest.len()))?);
        rest = after;
    }
    Ok(())
}

/// Removes the files before a number for good, the oldest first: were an older one there without a newer one, it would undo what that had changed.
pub(super) fn remove_before(folder: &Path, number: u64) -> Result<(), Error> {
    for (_, path) in files(folder)?.iter().filter(|(other, _)| *other < number) {
        fs::remove_file(path).and_then(|()| sync_folder(folder)).map_err(|error| failed("remove", path, &error))?;
    }
    Ok(())
}

/// The changes of the first record, still encoded, and what follows it; nothing if it is not whole. There is no record without changes: zeros are none.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    let (checksum, rest) = number(rest)?;
    let (changes, rest) = rest.split_at_checked(length as usize)?;
    (length > 0 && crc32fast::hash(changes) == checksum).then_some((changes, rest))
}

/// The changes of a record that is whole.
fn decode(bytes: &[u8]) -> Option<Changes> {
    let owned = |(key, stored): encoding::Change<'_>| (key.to_vec(), stored.map(Bytes::copy_from_slice));
    Some(encoding::decode(bytes)?.into_iter().map(owned).collect())
}

/// Makes durable which files are in a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Backend(format!("cannot {what} {}: {error}", path.display()))
}

fn damaged(path: &Path, at: usize) -> Error {
    Error::Backend(format!("{} is damaged at byte {at}; restore the data folder from a backup", path.display()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn changes() -> Changes {
        vec![
            (b"key".to_vec(), Some(Bytes::from_static(b"value"))),
            (b"gone".to_vec(), None),
            (b"empty".to_vec(), Some(Bytes::new())),
        ]
    }

    /// A log with three records: its folder, its path, and where each record ends.
    fn log() -> (tempfile::TempDir, PathBuf, Vec<u64>) {
        let folder = tempfile::TempDir::new().unwrap();
        let mut wal = Wal::begin(folder.path(), 7).unwrap();
        let mut ends = Vec::new();
        for _ in 0..3 {
            wal.write(&changes()).unwrap();
            ends.push(wal.bytes());
        }
        (folder, wal.path, ends)
    }

    /// How many records are read before the end, or before the error.
    fn read(path: &Path, is_newest: bool) -> (usize, Result<(), Error>) {
        let mut count = 0;
        let outcome = replay(path, is_newest, |found| {
            assert_eq!(found, changes());
            count += 1;
        });
        (count, outcome)
    }

    #[test]
    fn what_was_written_is_read() {
        let (folder, path, ends) = log();
        assert_eq!(files(folder.path()).unwrap(), [(7, path.clone())]);
        assert_eq!(fs::metadata(&path).unwrap().len(), ends[2]);
        for is_newest in [true, false] {
            assert!(matches!(read(&path, is_newest), (3, Ok(()))));
        }
        Wal::begin(folder.path(), 8).unwrap();
        Wal::begin(folder.path(), 10).unwrap();
        assert!(files(folder.path()).unwrap_err().to_string().contains("is missing"));
        fs::remove_file(folder.path().join("wal-00000000000000000010.log")).unwrap();
        remove_before(folder.path(), 8).unwrap();
        assert!(matches!(files(folder.path()).unwrap()[..], [(8, _)]));
    }

    #[test]
    fn only_the_newest_may_end_within_a_record() {
        let (_folder, path, ends) = log();
        let whole = fs::read(&path).unwrap();
        for at in [0, 5, HEAD.len(), HEAD.len() + 3, ends[0] as usize + 9, ends[2] as usize - 1] {
            fs::write(&path, &whole[..at]).unwrap();
            let kept = ends.iter().filter(|end| **end <= at as u64).count();
            assert!(matches!(read(&path, true), (count, Ok(())) if count == kept), "{at} of {ends:?}");
            let ends_with_a_record = at == HEAD.len();
            assert_eq!(read(&path, false).1.is_ok(), ends_with_a_record, "{at} of {ends:?}");
        }
    }

    #[test]
    fn what_is_damaged_is_not_taken_for_a_change() {
        let (_folder, path, ends) = log();
        let whole = fs::read(&path).unwrap();
        for at in ends[0] as usize..ends[1] as usize {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            fs::write(&path, damaged).unwrap();
            assert!(matches!(read(&path, true), (1, Ok(()))), "byte {at}");
            let (count, outcome) = read(&path, false);
            let expected = format!("is damaged at byte {}; restore the data folder from a backup", ends[0]);
            assert!(count == 1 && outcome.unwrap_err().to_string().ends_with(&expected), "byte {at}");
        }
        fs::write(&path, [&whole[..], &[0; 40]].concat()).unwrap();
        assert!(matches!(read(&path, true), (3, Ok(()))));
        assert!(matches!(read(&path, false), (3, Err(_))), "zeros are no record");
        fs::write(&path, [0; 40]).unwrap();
        assert!(matches!((read(&path, true), read(&path, false)), ((0, Ok(())), (0, Err(_)))));
        fs::write(&path, "something else").unwrap();
        assert!(read(&path, true).1.is_err());
    }
}
