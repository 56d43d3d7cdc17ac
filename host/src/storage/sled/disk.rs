//! sled as the writer and the readers use it.

use bytes::Bytes;

use super::Open;
use crate::storage::disk::{Changes, Disk, split_stored, stored_version};
use crate::storage::{ABSENT, Error, Version, Versioned};

/// What the writer holds.
pub(super) struct SledDisk(pub(super) Open);

impl Disk for SledDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        get(&self.0.db, key)
    }

    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        match self.0.db.get(key).map_err(backend_error)? {
            Some(stored) => stored_version(&stored),
            None => Ok(ABSENT),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.db.is_empty()
    }

    fn apply(&mut self, changes: Changes) -> Result<(), Error> {
        let mut batch = ::sled::Batch::default();
        for (key, stored) in changes {
            match stored {
                Some(stored) => batch.insert(key, stored),
                None => batch.remove(key),
            }
        }
        self.0.db.apply_batch(batch).map_err(backend_error)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.db.flush().map(drop).map_err(backend_error)
    }
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
