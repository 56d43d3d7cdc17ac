//! What was committed and is not in the tree yet. Readers look here first, and most of what does not stay long never gets into the tree.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use itertools::{EitherOrBoth, Itertools};

use super::tree::{self, Tree};
use crate::storage::disk::{Changes, decode_key, decode_value};
use crate::storage::{Error, Key, KeyRange, Versioned};

/// Encoded keys with their stored values, or `None` where the key is removed.
pub(super) type Table = BTreeMap<Vec<u8>, Option<Bytes>>;

/// What the write-ahead logs have, in memory.
#[derive(Default)]
pub(super) struct Recent {
    /// What is in the log that is written to.
    newer: Table,
    /// What is in the log before that, while a checkpoint brings it into the tree.
    older: Arc<Table>,
    /// How many keys of `newer` are removed.
    removed: usize,
}

impl Recent {
    pub(super) fn is_empty(&self) -> bool {
        self.newer.is_empty() && self.older.is_empty()
    }

    /// How many keys of the newer table are removed: lists have to pass over them.
    pub(super) fn removed(&self) -> usize {
        self.removed
    }

    /// Which of these changes are of a key that the older table or the tree may have, as far as it matters: where a key is removed.
    pub(super) fn below(&self, tree: &Tree, changes: &Changes) -> Result<Vec<bool>, Error> {
        let is_below = |(key, stored): &(Vec<u8>, Option<Bytes>)| match (stored, self.older.get(key)) {
            (Some(_), _) => Ok(false),
            (None, Some(older)) => Ok(older.is_some()),
            (None, None) => tree.may_contain(key),
        };
        changes.iter().map(is_below).collect()
    }

    /// Makes changes visible; `below` is what [`Recent::below`] says of them.
    pub(super) fn apply(&mut self, changes: Changes, below: &[bool]) {
        for ((key, stored), is_below) in changes.into_iter().zip(below) {
            // What is only in the newer table can go without a trace.
            let before = if stored.is_some() || *is_below {
                self.removed += usize::from(stored.is_none());
                self.newer.insert(key, stored)
            } else {
                self.newer.remove(&key)
            };
            self.removed -= usize::from(before == Some(None));
        }
    }

    /// Begins anew, and gives what there is to a checkpoint, which is over with [`Recent::forget_older`].
    pub(super) fn rotate(&mut self) -> Arc<Table> {
        self.removed = 0;
        self.older = Arc::new(std::mem::take(&mut self.newer));
        Arc::clone(&self.older)
    }

    /// Leaves to the tree what it has by now.
    pub(super) fn forget_older(&mut self) {
        self.older = Arc::default();
    }

    /// The stored value of an encoded key.
    pub(super) fn get(&self, tree: &Tree, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.newer.get(key).or_else(|| self.older.get(key)) {
            Some(stored) => Ok(stored.clone()),
            None => tree.get(key),
        }
    }

    /// The first `limit` keys of a range.
    pub(super) fn scan(&self, tree: &Tree, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, Error> {
        let from = || (Bound::Included(range.from()), Bound::Unbounded);
        let older = self.older.range::<[u8], _>(from());
        let recent = self.newer.range::<[u8], _>(from()).merge_join_by(older, |newer, older| newer.0.cmp(older.0));
        let recent = recent.map(|change| change.reduce(|newer, _| newer));
        let tree = tree.range(range.from())?;
        // An error comes first, and ends the list.
        let order = |change: &(&Vec<u8>, &Option<Bytes>), entry: &Result<tree::Entry, Error>| {
            entry.as_ref().map_or(Ordering::Greater, |(key, _)| change.0[..].cmp(key))
        };
        let mut found = Vec::new();
        let mut goes_on = |key: &[u8], stored: Option<&Bytes>| {
            let is_wanted = found.len() < limit && key.starts_with(range.prefix());
            if let (true, Some(stored)) = (is_wanted, stored) {
                found.push((decode_key(key)?, decode_value(stored)?));
            }
            Ok::<_, Error>(is_wanted)
        };
        for entry in recent.merge_join_by(tree, order) {
            let goes_on = match entry {
                EitherOrBoth::Left((key, stored)) | EitherOrBoth::Both((key, stored), _) => {
                    goes_on(key, stored.as_ref())
                }
                EitherOrBoth::Right(entry) => entry.and_then(|(key, stored)| goes_on(&key, Some(&stored))),
            };
            if !goes_on? {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::storage::disk::encode_value;

    const TEXT: &[u8] = b"a value";

    fn event(sequence: u64) -> Key {
        Key::Event(sequence)
    }

    fn tree() -> Tree {
        Tree::open(::sled::Config::new().temporary(true).open().unwrap()).unwrap()
    }

    fn change(recent: &mut Recent, tree: &Tree, changes: impl IntoIterator<Item = (u64, bool)>) {
        let stored = |is_put: bool| is_put.then(|| encode_value(1, TEXT));
        let changes: Changes =
            changes.into_iter().map(|(number, is_put)| (event(number).encode(), stored(is_put))).collect();
        let below = recent.below(tree, &changes).unwrap();
        recent.apply(changes, &below);
    }

    fn listed(recent: &Recent, tree: &Tree, limit: usize) -> Vec<u64> {
        let found = recent.scan(tree, &KeyRange::events(0), limit).unwrap().into_iter();
        let sequence = |(key, _): (Key, Versioned)| match key {
            Key::Event(sequence) => sequence,
            other => panic!("{other} was not asked for"),
        };
        found.map(sequence).collect()
    }

    /// Every way in which a key can be in the tree, the older table and the newer one, in each of which it is put, removed or not mentioned.
    #[test]
    fn the_newest_counts_wherever_it_is() {
        let tree = tree();
        let mut recent = Recent::default();
        let at = |place: u32, number: u64| number / 3_u64.pow(place) % 3;
        let mentioned = |place| {
            let numbers = (1..=27).filter(move |number| at(place, *number) > 0);
            numbers.map(move |number| (number, at(place, number) == 1))
        };
        let first =
            mentioned(0).map(|(number, is_put)| (event(number).encode(), is_put.then(|| encode_value(1, TEXT))));
        tree.insert(&first.collect()).unwrap();
        change(&mut recent, &tree, mentioned(1));
        let older = recent.rotate();
        change(&mut recent, &tree, mentioned(2));
        let is_there = |number: &u64| {
            let newest = (0..3).rev().find(|place| at(*place, *number) > 0);
            newest.is_some_and(|place| at(place, *number) == 1)
        };
        let expected: Vec<u64> = (1..=27).filter(is_there).collect();
        let holds = |recent: &Recent| {
            assert_eq!(listed(recent, &tree, 100), expected);
            assert_eq!(listed(recent, &tree, 5), expected[..5]);
            for number in 1..=27 {
                let found = recent.get(&tree, &event(number).encode()).unwrap();
                assert_eq!(found.is_some(), expected.contains(&number), "{number}");
            }
        };
        holds(&recent);
        for (key, stored) in &*older {
            tree.insert(&Table::from([(key.clone(), stored.clone())])).unwrap();
            holds(&recent);
        }
        recent.forget_older();
        holds(&recent);
        assert_eq!(recent.removed(), recent.newer.values().filter(|stored| stored.is_none()).count());
    }

    #[test]
    fn what_comes_and_goes_leaves_no_trace() {
        let (tree, mut recent) = (tree(), Recent::default());
        let mut change = |changes: &[(&str, bool)]| {
            let stored = |is_put: bool| is_put.then(|| encode_value(1, TEXT));
            let key = |id: &str| Key::Trial(id.to_owned()).encode();
            let changes: Changes = changes.iter().map(|(id, is_put)| (key(id), stored(*is_put))).collect();
            let below = recent.below(&tree, &changes).unwrap();
            recent.apply(changes, &below);
            let found = recent.scan(&tree, &KeyRange::trials(None), 10).unwrap();
            (recent.is_empty(), recent.removed(), found.len())
        };
        assert_eq!(change(&[("a", true)]), (false, 0, 1));
        assert_eq!(change(&[("a", false), ("b", false)]), (true, 0, 0));
        tree.insert(&Table::from([(Key::Trial("a".to_owned()).encode(), Some(encode_value(1, TEXT)))])).unwrap();
        assert_eq!(change(&[("a", false), ("b", true)]), (false, 1, 1));
        assert_eq!(change(&[("a", true)]), (false, 0, 2));
    }
}
