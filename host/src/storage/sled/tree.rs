//! sled's tree, and how keys and values stand in it.
//!
//! Most keys stand in it as they are, and values that are long are compressed. Events and receipts, of which there are by far the most, come in order, stay for days and go in order. They are
//! kept in *blocks*: those that follow each other, compressed together, under the name of the first. sled takes as long for a block as for a key, and its size on disk is
//! several times that of what it was given, so this counts twice.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use ::sled::IVec;
use bytes::Bytes;
use itertools::{Either, EitherOrBoth, Itertools};

use super::encoding;
use super::recent::Table;
use crate::storage::disk::{encode_schema, is_readable, split_stored};
use crate::storage::{Error, Key};

/// The first bytes of the keys that stand in blocks. A block has the same one in lower case, so it is no key.
const IN_BLOCKS: [u8; 2] = *b"ER";

/// With how many bytes a block is full, before it is compressed. A larger one would take less space, and longer to read a key of it.
const FULL_BLOCK: usize = 16 << 10;

/// From how many bytes on a stored value is compressed.
const LONG: usize = 1 << 10;

/// The bit of a stored value, in its version, that says that the rest is compressed. Versions do not get as far.
const COMPRESSED: u8 = 0x80;

/// How many bytes go into blocks at a time when a store is opened that has none.
const AT_ONCE: usize = 8 << 20;

/// An encoded key with its stored value.
pub(super) type Entry = (IVec, Bytes);

/// A block as it stands in the tree, and what is in it.
type Block = (IVec, Arc<[Entry]>);

/// One tree of sled's.
#[derive(Clone)]
pub(super) struct Tree {
    db: ::sled::Db,
    /// The block of each kind that was read last: who reads one key mostly reads the next.
    read_last: Arc<Mutex<[Block; IN_BLOCKS.len()]>>,
}

impl Tree {
    /// The tree of a store. One that was written before there were blocks gets them, and the schema that says so first: who does not know them would not miss what they have.
    pub(super) fn open(db: ::sled::Db) -> Result<Self, Error> {
        let tree = Self { db, read_last: Arc::default() };
        let key = Key::Meta("schema").encode();
        let Some(stored) = tree.get(&key)? else { return Ok(tree) };
        let (version, schema) = split_stored(&stored)?;
        if !is_readable(schema) {
            return Ok(tree);
        }
        let current = encode_schema(version);
        if stored != current {
            tree.insert(&Table::from([(key, Some(current))]))?;
        }
        for kind in IN_BLOCKS {
            loop {
                let mut bytes = 0;
                let some = tree.db.scan_prefix([kind]).take_while(|found| {
                    let is_enough = bytes >= AT_ONCE;
                    bytes += found.as_ref().map_or(0, |(key, stored)| key.len() + stored.len());
                    !is_enough
                });
                let some = some.map_ok(|(key, stored)| (key.to_vec(), Some(Bytes::copy_from_slice(&stored))));
                let some: Table = some.try_collect().map_err(backend_error)?;
                if some.is_empty() {
                    break;
                }
                tree.insert(&some)?;
                for key in some.keys() {
                    tree.db.remove(key).map_err(backend_error)?;
                }
            }
        }
        Ok(tree)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    pub(super) fn size_on_disk(&self) -> Result<u64, Error> {
        self.db.size_on_disk().map_err(backend_error)
    }

    /// Hands everything to the system. It is not on the disk yet.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.db.flush().map(drop).map_err(backend_error)
    }

    /// The stored value of an encoded key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if !is_in_block(key) {
            return self.db.get(key).map_err(backend_error)?.as_ref().map(unpacked).transpose();
        }
        let mut looked_into = None;
        while let Some((name, block)) = self.block_of(key)? {
            let entries = self.entries(&name, block)?;
            if let Ok(place) = entries.binary_search_by(|(other, _)| other[..].cmp(key)) {
                return Ok(Some(entries[place].1.clone()));
            }
            // While a block is divided sled may have looked for the later one before it was there, and for the first one after.
            if looked_into.as_ref() == Some(&name) {
                break;
            }
            looked_into = Some(name);
        }
        Ok(None)
    }

    /// Whether it may have an encoded key. Blocks are not looked into, which takes longer than removing a key that is not there.
    pub(super) fn may_contain(&self, key: &[u8]) -> Result<bool, Error> {
        if is_in_block(key) { Ok(true) } else { self.db.contains_key(key).map_err(backend_error) }
    }

    /// The keys from an encoded one on that are of its kind, in their order.
    pub(super) fn range(&self, from: &[u8]) -> Result<impl Iterator<Item = Result<Entry, Error>>, Error> {
        if is_in_block(from) {
            return Ok(Either::Left(self.range_of_blocks(from)?));
        }
        let entry = |(key, stored)| Ok((key, unpacked(&stored)?));
        let found = self.db.range(from.to_vec()..end_of_kind(from));
        Ok(Either::Right(found.map(move |found| found.map_err(backend_error).and_then(entry))))
    }

    fn range_of_blocks(&self, from: &[u8]) -> Result<impl Iterator<Item = Result<Entry, Error>>, Error> {
        let first = self.block_of(from)?.map_or_else(|| name(from), |(name, _)| name.to_vec());
        let end = end_of_kind(&first);
        let blocks = self.db.range(first..end).map(Some).chain([None]).tuple_windows();
        let from = from.to_vec();
        let blocks = blocks.filter_map(|(block, next)| Some((block?, next.and_then(Result::ok))));
        let entries = blocks.map(move |(block, next)| {
            let (name, block) = block.map_err(backend_error)?;
            let is_wanted = |key: &[u8]| *key >= from[..] && is_before(key, next.as_ref().map(|(name, _)| name));
            Ok(self.entries(&name, block)?.iter().filter(|(key, _)| is_wanted(key)).cloned().collect_vec())
        });
        Ok(entries.flatten_ok())
    }

    /// Changes keys, which nobody else does meanwhile. Who reads meanwhile sees some of the changes.
    pub(super) fn insert(&self, changes: &Table) -> Result<(), Error> {
        let runs = changes.iter().chunk_by(|(key, _)| is_in_block(key).then(|| key[0]));
        for (kind, run) in &runs {
            if kind.is_some() {
                self.insert_into_blocks(run)?;
                continue;
            }
            for (key, stored) in run {
                let changed = match stored {
                    Some(stored) => self.db.insert(key, packed(stored)),
                    None => self.db.remove(key),
                };
                changed.map_err(backend_error)?;
            }
        }
        Ok(())
    }

    /// Changes keys of one kind, in their order.
    fn insert_into_blocks<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
    ) -> Result<(), Error> {
        let mut changes = changes.peekable();
        while let Some((first, _)) = changes.peek() {
            let old = self.block_of(first)?;
            let before = old.clone().map(|(name, block)| self.entries(&name, block)).transpose()?.unwrap_or_default();
            let next = self.block_after(first)?;
            let before = before.iter().filter(|(key, _)| is_before(key, next.as_ref()));
            let changed = changes.peeking_take_while(|(key, _)| is_before(key, next.as_ref()));
            let after = before.merge_join_by(changed, |before, changed| before.0[..].cmp(changed.0));
            let after = after.filter_map(|entry| match entry {
                EitherOrBoth::Left(before) => Some(before.clone()),
                EitherOrBoth::Right((key, stored)) | EitherOrBoth::Both(_, (key, stored)) => {
                    Some((IVec::from(&key[..]), stored.clone()?))
                }
            });
            self.write_blocks(old.map(|(name, _)| name), &after.collect_vec())?;
        }
        Ok(())
    }

    /// Puts entries in the place of a block, in as many as it takes. The later ones are written first: until the first is, it has theirs too, so none is ever missing, and where an entry is
    /// twice the later block counts. After a crash in between the log changes the first one again: the first key that changed is in it, because no block is full before its last key.
    fn write_blocks(&self, old: Option<IVec>, entries: &[Entry]) -> Result<(), Error> {
        let mut rest = entries;
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let mut bytes = Vec::with_capacity(FULL_BLOCK);
            let (first, mut count) = (&rest[0].0, 0);
            while count < rest.len() && bytes.len() < FULL_BLOCK {
                let (key, stored) = &rest[count];
                encoding::append(&mut bytes, key, Some(stored));
                count += 1;
            }
            blocks.push((IVec::from(name(first)), lz4_flex::compress_prepend_size(&bytes)));
            rest = &rest[count..];
        }
        // The first one keeps the name, though the key may be gone.
        match (old, blocks.first_mut()) {
            (Some(old), Some((name, _))) => *name = old,
            (Some(old), None) => drop(self.db.remove(old).map_err(backend_error)?),
            (None, _) => {}
        }
        for (name, block) in blocks.into_iter().rev() {
            self.db.insert(name, block).map_err(backend_error)?;
        }
        Ok(())
    }

    /// What is in a block.
    fn entries(&self, name: &[u8], block: IVec) -> Result<Arc<[Entry]>, Error> {
        let kind = IN_BLOCKS.iter().position(|kind| kind.to_ascii_lowercase() == name[0]).unwrap_or_default();
        let read_last = || self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entries)) = Some(&read_last()[kind]).filter(|(last, _)| *last == block) {
            return Ok(entries.clone());
        }
        let bytes = Bytes::from(lz4_flex::decompress_size_prepended(&block).map_err(damaged)?);
        let changes = encoding::decode(&bytes).ok_or_else(|| damaged("it has no entries"))?;
        let entry = |(key, stored): encoding::Change<'_>| Some((IVec::from(key), bytes.slice_ref(stored?)));
        let entries: Arc<[Entry]> = changes.into_iter().filter_map(entry).collect();
        read_last()[kind] = (block, entries.clone());
        Ok(entries)
    }

    /// The block that has a key if there is one, with its name.
    fn block_of(&self, key: &[u8]) -> Result<Option<(IVec, IVec)>, Error> {
        let name = name(key);
        self.db.range(name[..1].to_vec()..=name).next_back().transpose().map_err(backend_error)
    }

    /// The name of the block after that one, if there is one.
    fn block_after(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        let name = name(key);
        let end = end_of_kind(&name);
        let next = self.db.range((Bound::Excluded(name), Bound::Excluded(end))).next().transpose();
        Ok(next.map_err(backend_error)?.map(|(name, _)| name))
    }
}

/// Whether a key, or the beginning of one, is of those that stand in blocks.
fn is_in_block(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| IN_BLOCKS.contains(kind))
}

/// The name of a block that begins with a key. Names have the order of keys.
fn name(key: &[u8]) -> Vec<u8> {
    let mut name = key.to_vec();
    name[..1].make_ascii_lowercase();
    name
}

/// What all keys and names of the same kind are less than.
fn end_of_kind(key: &[u8]) -> Vec<u8> {
    key.iter().take(1).map(|kind| kind + 1).collect()
}

/// Whether a key stands before the block of this name, if there is one.
fn is_before(key: &[u8], block: Option<&IVec>) -> bool {
    block.is_none_or(|block| key[1..] < block[1..])
}

/// A stored value as it stands in the tree.
fn packed(stored: &Bytes) -> IVec {
    let Some((version, value)) = stored.split_first_chunk::<8>().filter(|_| stored.len() >= LONG) else {
        return IVec::from(&stored[..]);
    };
    let mut packed = version.to_vec();
    packed[0] |= COMPRESSED;
    packed.append(&mut lz4_flex::compress_prepend_size(value));
    if packed.len() < stored.len() { IVec::from(packed) } else { IVec::from(&stored[..]) }
}

/// A stored value of the tree. It is copied, because a part of sled's value would keep alive more than itself.
fn unpacked(packed: &IVec) -> Result<Bytes, Error> {
    match packed.split_first_chunk::<8>().filter(|(version, _)| version[0] & COMPRESSED != 0) {
        None => Ok(Bytes::copy_from_slice(packed)),
        Some((version, value)) => {
            let value = lz4_flex::decompress_size_prepended(value).map_err(damaged)?;
            let mut stored = [&version[..], &value].concat();
            stored[0] &= !COMPRESSED;
            Ok(stored.into())
        }
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Backend(format!("something stored cannot be read: {error}; restore the data folder from a backup"))
}

fn backend_error(error: ::sled::Error) -> Error {
    Error::Backend(error.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::storage::disk::encode_value;

    fn db() -> ::sled::Db {
        ::sled::Config::new().temporary(true).open().unwrap()
    }

    fn event(sequence: u64) -> Vec<u8> {
        Key::Event(sequence).encode()
    }

    /// A value that does not compress well.
    fn value(random: &mut StdRng, length: usize) -> Bytes {
        let text: Vec<u8> = (0..length).map(|_| random.random_range(b' '..=b'~')).collect();
        encode_value(random.random_range(1..1000), &text)
    }

    fn listed(tree: &Tree, from: &[u8]) -> Vec<(Vec<u8>, Bytes)> {
        tree.range(from).unwrap().map(|entry| entry.map(|(key, stored)| (key.to_vec(), stored)).unwrap()).collect()
    }

    #[test]
    fn is_an_ordered_map_however_keys_stand_in_it() {
        let (tree, mut random) = (Tree::open(db()).unwrap(), StdRng::seed_from_u64(1));
        let mut model = BTreeMap::<Vec<u8>, Bytes>::new();
        for round in 0..60 {
            let mut changes = Table::new();
            for _ in 0..random.random_range(1..200) {
                let sequence = random.random_range(round * 20..round * 20 + 300);
                let key = match random.random_range(0..5) {
                    0 | 1 => event(sequence),
                    2 | 3 => Key::Receipt { sequence, ordinal: random.random_range(0..3) }.encode(),
                    _ => Key::Trial(sequence.to_string()).encode(),
                };
                let longest = [100, 1000, 40_000][random.random_range(0..100_usize).saturating_sub(97)];
                let length = random.random_range(0..longest);
                let stored = random.random_bool(0.7).then(|| value(&mut random, length));
                changes.insert(key, stored);
            }
            tree.insert(&changes).unwrap();
            for (key, stored) in changes {
                match stored {
                    Some(stored) => drop(model.insert(key, stored)),
                    None => drop(model.remove(&key)),
                }
            }
            for kind in [b"E", b"R", b"T"] {
                let keys = model.range(kind.to_vec()..).take_while(|(key, _)| key[0] == kind[0]);
                let expected: Vec<(Vec<u8>, Bytes)> = keys.map(|(key, stored)| (key.clone(), stored.clone())).collect();
                assert!(listed(&tree, kind) == expected, "round {round}");
                let at = random.random_range(0..expected.len());
                assert!(listed(&tree, &expected[at].0) == expected[at..], "round {round}, from {at}");
                assert_eq!(tree.get(&expected[at].0).unwrap().unwrap(), expected[at].1);
            }
            let absent = (0..1000).map(event).filter(|key| !model.contains_key(key));
            assert!(absent.into_iter().all(|key| tree.get(&key).unwrap().is_none()));
        }
        let all = model.keys().map(|key| (key.clone(), None)).collect();
        tree.insert(&all).unwrap();
        assert!(tree.is_empty());
    }

    #[test]
    fn blocks_that_a_crash_left_half_divided_are_whole() {
        let (tree, mut random) = (Tree::open(db()).unwrap(), StdRng::seed_from_u64(2));
        let mut put = |sequences: &[u64]| -> Table {
            sequences.iter().map(|sequence| (event(*sequence), Some(value(&mut random, 1000)))).collect()
        };
        tree.insert(&put(&(0..30).step_by(2).collect::<Vec<_>>())).unwrap();
        let (name, undivided) = tree.db.first().unwrap().unwrap();
        let changes = put(&(1..30).step_by(2).collect::<Vec<_>>());
        tree.insert(&changes).unwrap();
        let all = listed(&tree, b"E");
        assert_eq!((all.len(), tree.db.len()), (30, 2));
        // The first block is written last.
        tree.db.insert(name, undivided).unwrap();
        let now = listed(&tree, b"E");
        assert!(now.is_sorted_by(|one, next| one.0 < next.0), "nothing is listed twice");
        assert!(now.iter().all(|entry| all.contains(entry)), "what is listed is the newest");
        assert!((0..30).step_by(2).all(|sequence| tree.get(&event(sequence)).unwrap().is_some()), "nothing is missing");
        // The log still has the changes.
        tree.insert(&changes).unwrap();
        assert!(listed(&tree, b"E") == all);
    }

    #[test]
    fn who_reads_while_blocks_are_divided_finds_what_is_there() {
        let (tree, mut random) = (Tree::open(db()).unwrap(), StdRng::seed_from_u64(4));
        // Every tenth is there before.
        let mut put = |sequences: &mut dyn Iterator<Item = u64>| {
            tree.insert(&sequences.map(|sequence| (event(sequence), Some(value(&mut random, 500)))).collect()).unwrap();
        };
        put(&mut (0..10_000).step_by(10));
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for sequence in (0..10_000).step_by(10) {
                        assert!(tree.get(&event(sequence)).unwrap().is_some(), "{sequence}");
                    }
                    assert!(listed(&tree, b"E").len() >= 1000);
                }
            });
            (1..10).for_each(|first| {
                (0..100).for_each(|part| put(&mut (part * 100 + first..part * 100 + 100).step_by(10)))
            });
            is_done.store(true, Ordering::Relaxed);
        });
        assert_eq!(listed(&tree, b"E").len(), 10_000);
    }

    #[test]
    fn a_store_without_blocks_gets_them() {
        let (db, mut random) = (db(), StdRng::seed_from_u64(3));
        let keys = (0..10_000).map(event).chain([Key::Trial("t".to_owned()).encode()]);
        let before: Vec<(Vec<u8>, Bytes)> = keys.map(|key| (key, value(&mut random, 20))).collect();
        for (key, stored) in &before {
            db.insert(key, &stored[..]).unwrap();
        }
        for (schema, now, has_blocks) in [("9", "9", false), ("1", "2", true), ("2", "2", true)] {
            db.insert(b"Mschema", &encode_value(7, schema.as_bytes())[..]).unwrap();
            let tree = Tree::open(db.clone()).unwrap();
            assert_eq!(tree.get(b"Mschema").unwrap(), Some(encode_value(7, now.as_bytes())));
            assert_eq!(tree.db.len() < 100, has_blocks, "{} keys", tree.db.len());
            if has_blocks {
                assert!([listed(&tree, b"E"), listed(&tree, b"T")].concat() == before);
            }
        }
    }
}
