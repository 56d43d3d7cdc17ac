//! What the writer needs of a backend, and what a stored value looks like. Both backends share the format, so that
//! what the suite proves of one holds for the other.

use bytes::Bytes;

use super::{Error, Key, Sequence, Version, Versioned};

/// What this code writes under `Key::Meta("schema")`.
const SCHEMA: u32 = 2;

/// What it reads there: version 1 had every key by itself on disk.
const READABLE: [&[u8]; 2] = [b"1", b"2"];

/// The length of the version in front of every stored value, in bytes.
const VERSION_LENGTH: usize = size_of::<Version>();

/// Changes to apply together: encoded keys with the stored value, or `None` to remove the key. No key comes twice.
pub(super) type Changes = Vec<(Vec<u8>, Option<Bytes>)>;

/// A backend as the writer sees it. The writer is the only one who changes it.
pub(super) trait Disk: Send + 'static {
    /// The value of an encoded key.
    fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error>;

    /// The version of an encoded key; [`super::ABSENT`] if it has no value.
    fn version(&self, key: &[u8]) -> Result<Version, Error>;

    /// Whether nothing is stored.
    fn is_empty(&self) -> bool;

    /// Makes all changes durable, so that a crash leaves all or none, and then shows them, so that nobody sees what a crash could undo.
    fn write(&mut self, changes: Changes) -> Result<(), Error>;
}

/// The newest version and the newest sequence that were given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// The version of the newest commit.
    pub(super) version: Version,
    /// The sequence of the newest event.
    pub(super) sequence: Sequence,
}

impl Counters {
    /// Reads the counters of a store, after making sure that it is one this code can read. A new one is set up.
    pub(super) fn open(disk: &mut impl Disk) -> Result<Self, Error> {
        let schema = disk.get(&Key::Meta("schema").encode())?;
        let mut counters = match schema {
            Some(schema) if is_readable(&schema.value) => {
                let stored = disk.get(&Key::Meta("counters").encode())?;
                Self::decode(stored.as_ref().map(|stored| stored.value.as_ref()))?
            }
            Some(schema) => return Err(unknown_schema(String::from_utf8_lossy(&schema.value).into_owned())),
            None if disk.is_empty() => Self::default(),
            None => return Err(unknown_schema("none".to_owned())),
        };
        // What is set up here has a version of its own, like everything stored.
        counters.version += 1;
        let schema = encode_schema(counters.version);
        disk.write(vec![(Key::Meta("schema").encode(), Some(schema)), counters.change()])?;
        Ok(counters)
    }

    /// The change that stores the counters. It belongs into every batch: what was given out and what was given
    /// with it become durable together.
    pub(super) fn change(self) -> (Vec<u8>, Option<Bytes>) {
        let mut payload = [0; 2 * size_of::<u64>()];
        payload[..8].copy_from_slice(&self.version.to_be_bytes());
        payload[8..].copy_from_slice(&self.sequence.to_be_bytes());
        (Key::Meta("counters").encode(), Some(encode_value(self.version, &payload)))
    }

    fn decode(payload: Option<&[u8]>) -> Result<Self, Error> {
        let damaged = || Error::Backend("the counters of the store are damaged; restore it from a backup".to_owned());
        let (version, rest) = payload.and_then(<[u8]>::split_first_chunk).ok_or_else(damaged)?;
        let sequence = rest.try_into().map_err(|_| damaged())?;
        Ok(Self { version: u64::from_be_bytes(*version), sequence: u64::from_be_bytes(sequence) })
    }
}

/// The stored form of a value: its version in eight bytes, big-endian, and then the value.
pub(super) fn encode_value(version: Version, value: &[u8]) -> Bytes {
    let mut stored = Vec::with_capacity(VERSION_LENGTH + value.len());
    stored.extend_from_slice(&version.to_be_bytes());
    stored.extend_from_slice(value);
    stored.into()
}

/// The version in a stored value.
pub(super) fn stored_version(stored: &[u8]) -> Result<Version, Error> {
    let (version, _) = split_stored(stored)?;
    Ok(version)
}

/// The version and the value in a stored value.
pub(super) fn split_stored(stored: &[u8]) -> Result<(Version, &[u8]), Error> {
    let (version, value) = stored.split_first_chunk().ok_or_else(|| {
        Error::Backend(format!("a stored value has {} bytes, too few; restore the store from a backup", stored.len()))
    })?;
    Ok((u64::from_be_bytes(*version), value))
}

/// A stored value taken apart without copying it.
pub(super) fn decode_value(stored: &Bytes) -> Result<Versioned, Error> {
    Ok(Versioned { version: stored_version(stored)?, value: stored.slice(VERSION_LENGTH..) })
}

/// The key in a listing; only a damaged store holds bytes that are no key.
pub(super) fn decode_key(encoded: &[u8]) -> Result<Key, Error> {
    Key::decode(encoded).ok_or_else(|| {
        Error::Backend(format!("{} is no key of trialbridge; restore the store from a backup", encoded.escape_ascii()))
    })
}

/// Whether a schema is one that this code reads.
pub(super) fn is_readable(schema: &[u8]) -> bool {
    READABLE.contains(&schema)
}

/// The stored form of the schema that this code writes.
pub(super) fn encode_schema(version: Version) -> Bytes {
    encode_value(version, SCHEMA.to_string().as_bytes())
}

fn unknown_schema(found: String) -> Error {
    Error::Schema { found, supported: SCHEMA }
}
