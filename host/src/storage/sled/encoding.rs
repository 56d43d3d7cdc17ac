//! Changes as bytes, as they stand in the write-ahead log and in the tree's blocks: the lengths of the key and of the stored value, each four bytes,
//! little-endian, and then both.

/// What stands for the length of a value where there is none, because the key is removed.
const REMOVED: u32 = u32::MAX;

/// An encoded key with its stored value, or `None` where the key is removed.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Appends a change.
pub(super) fn append(out: &mut Vec<u8>, key: &[u8], stored: Option<&[u8]>) {
    out.extend_from_slice(&length(key).to_le_bytes());
    out.extend_from_slice(&stored.map_or(REMOVED, length).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(stored.unwrap_or_default());
}

/// The changes that were appended, in their order; nothing if these bytes are no changes.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Change<'_>>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let (key_length, rest) = number(bytes)?;
        let (stored_length, rest) = number(rest)?;
        let (key, rest) = rest.split_at_checked(key_length as usize)?;
        let (stored, rest) = match stored_length {
            REMOVED => (None, rest),
            length => rest.split_at_checked(length as usize).map(|(stored, rest)| (Some(stored), rest))?,
        };
        changes.push((key, stored));
        bytes = rest;
    }
    Some(changes)
}

/// A number at the beginning, and what follows it.
pub(super) fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// The length of what fits into a commit, which is far less than 4 GiB.
pub(super) fn length(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}
