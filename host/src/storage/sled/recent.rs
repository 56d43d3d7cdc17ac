//! What was committed and is not in the tree yet. Readers look here first, and most of what does not stay long never gets into the tree.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use ::sled::IVec;
use bytes::Bytes;
use itertools::{EitherOrBoth, Itertools};

use super::disk::backend_error;
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

    /// How many keys lists have to pass over.
    pub(super) fn removed(&self) -> usize {
        self.removed
    }

    /// Makes changes visible.
    pub(super) fn apply(&mut self, db: &::sled::Db, changes: Changes) -> Result<(), Error> {
        for (key, stored) in changes {
            // What is only here can go without a trace.
            let change = if stored.is_some() || self.is_below(db, &key)? {
                self.removed += usize::from(stored.is_none());
                self.newer.insert(key, stored)
            } else {
                self.newer.remove(&key)
            };
            self.removed -= usize::from(change == Some(None));
        }
        Ok(())
    }

    /// Begins anew, and gives what there is to a checkpoint, which is over with [`Recent::forget_older`].
    pub(super) fn rotate(&mut self) -> Arc<Table> {
        self.removed = 0;
        self.older = Arc::new(std::mem::take(&mut self.newer));
        Arc::clone(&self.older)
    }

    /// Leaves to the tree what it has by now.
    pub(super) fn forget_older(&mut self) -> Arc<Table> {
        std::mem::take(&mut self.older)
    }

    /// The stored value of an encoded key.
    pub(super) fn get(&self, db: &::sled::Db, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.newer.get(key).or_else(|| self.older.get(key)) {
            Some(stored) => Ok(stored.clone()),
            None => Ok(db.get(key).map_err(backend_error)?.as_ref().map(copied)),
        }
    }

    /// The first `limit` keys of a range.
    pub(super) fn scan(&self, db: &::sled::Db, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, Error> {
        let from = || (Bound::Included(range.from()), Bound::Unbounded);
        let older = self.older.range::<[u8], _>(from());
        let recent = self.newer.range::<[u8], _>(from()).merge_join_by(older, |newer, older| newer.0.cmp(older.0));
        let recent = recent.map(|change| change.reduce(|newer, _| newer));
        let tree = db.range(range.from()..);
        // An error comes first, and ends the list.
        let order = |change: &(&Vec<u8>, _), stored: &::sled::Result<(IVec, IVec)>| {
            stored.as_ref().map_or(Ordering::Greater, |(key, _)| change.0.as_slice().cmp(key))
        };
        let mut found = Vec::new();
        for entry in recent.merge_join_by(tree, order) {
            let (key, stored) = match &entry {
                EitherOrBoth::Left((key, stored)) | EitherOrBoth::Both((key, stored), _) => {
                    (&key[..], (*stored).clone())
                }
                EitherOrBoth::Right(Ok((key, stored))) => (&key[..], Some(copied(stored))),
                EitherOrBoth::Right(Err(error)) => return Err(backend_error(error.clone())),
            };
            if found.len() == limit || !key.starts_with(range.prefix()) {
                break;
            }
            let Some(stored) = stored else { continue };
            found.push((decode_key(key)?, decode_value(&stored)?));
        }
        Ok(found)
    }

    fn is_below(&self, db: &::sled::Db, key: &[u8]) -> Result<bool, Error> {
        match self.older.get(key) {
            Some(stored) => Ok(stored.is_some()),
            None => db.contains_key(key).map_err(backend_error),
        }
    }
}

/// A value of the tree. It is copied, because a part of sled's value would keep alive more than itself.
fn copied(stored: &IVec) -> Bytes {
    Bytes::copy_from_slice(stored)
}
