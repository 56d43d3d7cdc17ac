//! `kv`: named buckets of keys and values.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::config::Access;
use crate::plugin::bindings::trialbridge::plugin::kv::{Entry, Host};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::effects::Effects;
use crate::plugin::guest::Guest;
use crate::storage::{ABSENT, Bucket, Key, KeyRange, Version, Versioned};

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

/// The largest value, in bytes.
const MAX_VALUE: usize = 256 * 1024;

/// The most bytes in one list.
const MAX_LIST: usize = 1 << 20;

/// Among how many entries after the last choice `any` chooses.
const CANDIDATES: usize = 8;

/// Of how many kinds of choices it is remembered what was chosen last. When there are more, all are forgotten.
const MAX_REMEMBERED_CHOICES: usize = 1024;

impl Host for Guest {
    fn get(&mut self, bucket: String, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.kv_get(bucket, key))
    }

    fn set(&mut self, bucket: String, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.kv_write(bucket, key, Some(value.into())))
    }

    fn delete(&mut self, bucket: String, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.kv_write(bucket, key, None))
    }

    fn list(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let listed = self.kv_list(&bucket, &prefix, after, limit as usize, What::Entries);
        Ok(listed.map(|entries| entries.into_iter().map(|(key, value)| Entry { key, value: value.to_vec() }).collect()))
    }

    fn keys(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let listed = self.kv_list(&bucket, &prefix, after, limit as usize, What::Keys);
        Ok(listed.map(|entries| entries.into_iter().map(|(key, _)| key).collect()))
    }

    fn any(&mut self, bucket: String, prefix: String) -> wasmtime::Result<Result<Option<Entry>, Error>> {
        let any = self.kv_any(&bucket, &prefix);
        Ok(any.map(|entry| entry.map(|(key, value)| Entry { key, value: value.to_vec() })))
    }
}

/// What `any` has chosen last, by bucket and prefix. The next choice is one of those that follow, so that handlers that run side by side choose differently.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Choices(Mutex<HashMap<(String, String), String>>);

impl Choices {
    fn last(&self, kind: &(String, String)) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    fn note(&self, kind: (String, String), chosen: String) {
        let mut choices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if choices.len() >= MAX_REMEMBERED_CHOICES {
            choices.clear();
        }
        choices.insert(kind, chosen);
    }
}

/// An entry as a call sees it.
struct Found {
    key: String,
    value: Bytes,
    /// The version that is stored; nothing if the call itself has set it.
    stored: Option<Version>,
}

impl Found {
    /// Makes the commit depend on it, unless the call itself has set it.
    fn note(&self, bucket: &str, effects: &mut Effects) -> Result<(), Error> {
        let Some(version) = self.stored else { return Ok(()) };
        effects.read_key(Key::Kv { bucket: bucket.to_owned(), key: self.key.clone() }, version)
    }
}

/// What a list shows, and so what of it the commit depends on beside the bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Entries,
    Keys,
}

impl Guest {
    fn kv_get(&mut self, bucket: String, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.kv_granted(&bucket, Access::Read)?;
        check_key(&key)?;
        if let Some(own) = self.current()?.own_kv(&bucket, &key) {
            return Ok(own.as_ref().map(|value| value.to_vec()));
        }
        let key = Key::Kv { bucket, key };
        let found = self.storage.get(&key)?;
        let version = found.as_ref().map_or(ABSENT, |found| found.version);
        self.current()?.effects.read_key(key, version)?;
        Ok(found.map(|found| found.value.to_vec()))
    }

    fn kv_write(&mut self, bucket: String, key: String, value: Option<Bytes>) -> Result<(), Error> {
        self.kv_granted(&bucket, Access::ReadWrite)?;
        check_key(&key)?;
        if let Some(size) = value.as_ref().map(Bytes::len).filter(|size| *size > MAX_VALUE) {
            return Err(Error::Limit(format!("the value has {size} bytes, and at most {MAX_VALUE} are allowed")));
        }
        self.current()?.effects.write_kv(bucket, key, value)
    }

    fn kv_list(
        &mut self,
        bucket: &str,
        prefix: &str,
        after: Option<String>,
        limit: usize,
        what: What,
    ) -> Result<Vec<(String, Bytes)>, Error> {
        self.kv_granted(bucket, Access::Read)?;
        if !(1..=1000).contains(&limit) {
            return Err(Error::Invalid(format!("limit: {limit} is not between 1 and 1000")));
        }
        let whole = Bucket::Kv(bucket.to_owned());
        let version = self.storage.bucket_version(&whole);
        let found = self.kv_found(bucket, prefix, after, limit)?;
        let effects = &mut self.current()?.effects;
        effects.read_bucket(whole, version);
        let mut size = 0;
        let mut listed = Vec::with_capacity(found.len());
        for entry in found {
            if what == What::Entries {
                size += entry.key.len() + entry.value.len();
                // As many keys as may be listed always fit, and one entry does.
                if size > MAX_LIST && !listed.is_empty() {
                    break;
                }
                entry.note(bucket, effects)?;
            }
            listed.push((entry.key, entry.value));
        }
        Ok(listed)
    }

    fn kv_any(&mut self, bucket: &str, prefix: &str) -> Result<Option<(String, Bytes)>, Error> {
        self.kv_granted(bucket, Access::Read)?;
        let kind = (bucket.to_owned(), prefix.to_owned());
        // What an earlier call depends on, the commit does anyway.
        if let Some(key) = self.current()?.known_kv(bucket, prefix)
            && let Some(value) = self.kv_get(bucket.to_owned(), key.clone())?
        {
            self.choices.note(kind, key.clone());
            return Ok(Some((key, value.into())));
        }
        let whole = Bucket::Kv(bucket.to_owned());
        let version = self.storage.bucket_version(&whole);
        let last = self.choices.last(&kind);
        let mut candidates = self.kv_found(bucket, prefix, last, CANDIDATES)?;
        if candidates.is_empty() {
            candidates = self.kv_found(bucket, prefix, None, CANDIDATES)?;
        }
        let effects = &mut self.current()?.effects;
        // Who asks again wants another one.
        let is_new = |entry: &Found| !effects.has_read_kv(bucket, &entry.key);
        if candidates.iter().any(is_new) {
            candidates.retain(is_new);
        }
        if candidates.is_empty() {
            effects.read_bucket(whole, version);
            return Ok(None);
        }
        // Whoever takes entries and whoever only looks whether there are any must not go round in step.
        let entry = candidates.swap_remove(rand::random_range(..candidates.len()));
        entry.note(bucket, effects)?;
        self.choices.note(kind, entry.key.clone());
        Ok(Some((entry.key, entry.value)))
    }

    /// At most `limit` entries as this call sees them, which are not noted as read.
    fn kv_found(
        &mut self,
        bucket: &str,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found>, Error> {
        let storage = self.storage.clone();
        // Own deletions hide stored keys, so as many more are read.
        let first = after.clone().map_or(Bound::Included(prefix.to_owned()), |after| {
            if after.as_str() < prefix { Bound::Included(prefix.to_owned()) } else { Bound::Excluded(after) }
        });
        let own = self.current()?.own_kv_from(bucket, prefix, &first);
        let after = after.map(|key| Key::Kv { bucket: bucket.to_owned(), key });
        let range = KeyRange::kv(bucket, prefix).after(after.as_ref());
        let wanted = limit + own.len();
        let stored = storage.scan(&range, wanted)?;
        let all_stored = stored.len() < wanted;
        let mut found: Vec<Found> = Vec::with_capacity(wanted);
        for (key, Versioned { version, value }) in stored {
            let Key::Kv { key, .. } = key else { continue };
            found.push(Found { key, value, stored: Some(version) });
        }
        let last_stored = found.last().map(|last| last.key.clone());
        for (key, value) in own {
            // Beyond the last stored key that was read there may be others, so own keys there wait for the next page.
            if !all_stored && last_stored.as_ref().is_some_and(|last| key > *last) {
                continue;
            }
            let place = found.binary_search_by(|other| other.key.cmp(&key));
            match (place, value) {
                (Ok(at), Some(value)) => found[at] = Found { key, value, stored: None },
                (Err(at), Some(value)) => found.insert(at, Found { key, value, stored: None }),
                (Ok(at), None) => drop(found.remove(at)),
                (Err(_), None) => {}
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn kv_granted(&self, bucket: &str, wanted: Access) -> Result<(), Error> {
        match (self.settings.grants.kv.get(bucket), wanted) {
            (Some(Access::ReadWrite), _) | (Some(Access::Read), Access::Read) => Ok(()),
            (_, Access::Read) => Err(self.denied(&format!("kv = {{ {bucket} = \"read\" }}"))),
            (_, Access::ReadWrite) => Err(self.denied(&format!("kv = {{ {bucket} = \"read-write\" }}"))),
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_KEY || key.contains('\0') {
        return Err(Error::Invalid(format!("key: {key:?} is not 1 to {MAX_KEY} bytes without NUL")));
    }
    Ok(())
}
