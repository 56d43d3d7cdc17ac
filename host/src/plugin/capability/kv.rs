//! `kv`: named buckets of keys and values.

use std::ops::Bound;

use bytes::Bytes;

use crate::config::Access;
use crate::plugin::bindings::trialbridge::plugin::kv::{Entry, Host};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::guest::Guest;
use crate::storage::{ABSENT, Bucket, Key, KeyRange};

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

/// The largest value, in bytes.
const MAX_VALUE: usize = 256 * 1024;

/// The most bytes in one list.
const MAX_LIST: usize = 1 << 20;

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
        if let Some(own) = self.current()?.effects.own_kv(&bucket, &key) {
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
        let storage = self.storage.clone();
        let effects = &mut self.current()?.effects;
        let shared = Bucket::Kv(bucket.to_owned());
        effects.read_bucket(shared.clone(), storage.bucket_version(&shared));

        // Own deletions hide stored keys, so as many more are read.
        let first = after.clone().map_or(Bound::Included(prefix.to_owned()), |after| {
            if after.as_str() < prefix { Bound::Included(prefix.to_owned()) } else { Bound::Excluded(after) }
        });
        let own: Vec<(String, Option<Bytes>)> = effects
            .own_kv_from(bucket, first)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        let after = after.map(|key| Key::Kv { bucket: bucket.to_owned(), key });
        let range = KeyRange::kv(bucket, prefix).after(after.as_ref());
        let wanted = limit + own.len();
        let stored = storage.scan(&range, wanted)?;
        let all_stored = stored.len() < wanted;
        let last_stored = stored.last().and_then(|(key, _)| match key {
            Key::Kv { key, .. } => Some(key.clone()),
            _ => None,
        });

        let mut merged = std::collections::BTreeMap::new();
        for (key, found) in stored {
            let Key::Kv { key: name, .. } = &key else { continue };
            let name = name.clone();
            if what == What::Entries {
                effects.read_key(key, found.version)?;
            }
            merged.insert(name, found.value);
        }
        for (key, value) in own {
            // Beyond the last stored key that was read there may be others, so own keys there wait for the next page.
            if !all_stored && last_stored.as_ref().is_some_and(|last| key > *last) {
                continue;
            }
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        let mut size = 0;
        let mut fits = |(key, value): &(String, Bytes)| {
            size += key.len() + value.len();
            size <= MAX_LIST || size == key.len() + value.len()
        };
        // As many keys as may be listed always fit.
        Ok(merged.into_iter().take(limit).take_while(|entry| what == What::Keys || fits(entry)).collect())
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
