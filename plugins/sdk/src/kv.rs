//! Buckets of the key-value store, with records in JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::Backend as _;
use crate::{Error, Host};

/// How many entries [`Entries`] reads at once if it is not told otherwise.
const PAGE: u32 = 100;

/// The most keys in one list.
const MOST: u32 = 1000;

/// A bucket of the key-value store. Plugins that are granted the same bucket share it.
///
/// A key is 1 to 512 bytes without NUL, a value at most 256 KiB. What was read must still be so at the commit, or the handler
/// runs again; a set without a get before it is blind, and the last commit wins. Reads see what this handling has written.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    host: &'a Host,
    name: &'a str,
}

impl<'a> Bucket<'a> {
    pub(crate) fn new(host: &'a Host, name: &'a str) -> Self {
        Self { host, name }
    }

    /// The record of a key; nothing if it has none.
    ///
    /// # Errors
    ///
    /// Damaged if the record is not a `T`; denied, invalid, limit, unavailable.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.get_bytes(key)?.map(|value| self.parse(key, &value)).transpose()
    }

    /// Sets the record of a key.
    ///
    /// # Errors
    ///
    /// Invalid if the record cannot be written as JSON; denied, limit.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, record: &T) -> Result<(), Error> {
        let value = serde_json::to_vec(record)
            .map_err(|error| Error::Invalid(format!("the record `{key}` cannot be written: {error}")))?;
        self.set_bytes(key, &value)
    }

    /// Removes a key. Removing what is not there is no error.
    ///
    /// # Errors
    ///
    /// Denied, invalid, limit.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.host.backend.kv_delete(self.name, key)
    }

    /// At most `limit` (1 to 1000) records whose keys begin with `prefix` and come after `after`, in byte order
    /// of the keys; fewer where they exceed 1 MiB together. An empty list is the end.
    ///
    /// The commit depends on each of them, and on no key having been added to or removed from the bucket: keep what is
    /// listed often apart, in a bucket of its own.
    ///
    /// # Errors
    ///
    /// Damaged if a record is not a `T`; denied, invalid, limit, unavailable.
    pub fn page<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, T)>, Error> {
        let page = self.page_bytes(prefix, after, limit)?;
        page.into_iter().map(|(key, value)| self.parse(&key, &value).map(|record| (key, record))).collect()
    }

    /// One of the records whose keys begin with `prefix`, whichever the host likes; nothing if there is none. For taking one of many that are as good as
    /// each other: handlers that run side by side are mostly given different ones. The commit depends on this record alone, or, where
    /// there is none, on no key having been added to or removed from the bucket. In a [`World`](crate::testing::World) it is the first.
    ///
    /// # Errors
    ///
    /// Damaged if the record is not a `T`; denied, unavailable.
    pub fn any<T: DeserializeOwned>(&self, prefix: &str) -> Result<Option<(String, T)>, Error> {
        let Some((key, value)) = self.host.backend.kv_any(self.name, prefix)? else { return Ok(None) };
        let record = self.parse(&key, &value)?;
        Ok(Some((key, record)))
    }

    /// How many keys begin with `prefix`. The commit depends only on no key having been added to or removed from the bucket: of many records this is
    /// far less than [`entries`](Self::entries).
    ///
    /// # Errors
    ///
    /// Denied, unavailable.
    pub fn count(&self, prefix: &str) -> Result<usize, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let mut keys = self.host.backend.kv_keys(self.name, prefix, after.as_deref(), MOST)?;
            count += keys.len();
            if keys.len() < MOST as usize {
                return Ok(count);
            }
            after = keys.pop();
        }
    }

    /// Every record whose key begins with `prefix`, read page by page as the iterator is used.
    pub fn entries<T: DeserializeOwned>(&self, prefix: &'a str) -> Entries<'a, T> {
        Entries { bucket: *self, prefix, limit: PAGE, after: None, page: Vec::new().into_iter(), record: PhantomData }
    }

    /// The value of a key that is not JSON.
    ///
    /// # Errors
    ///
    /// Denied, invalid, limit, unavailable.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.host.backend.kv_get(self.name, key)
    }

    /// Sets a value that is not JSON.
    ///
    /// # Errors
    ///
    /// Denied, invalid, limit.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.host.backend.kv_set(self.name, key, value)
    }

    /// [`page`](Self::page) for values that are not JSON.
    ///
    /// # Errors
    ///
    /// Denied, invalid, limit, unavailable.
    pub fn page_bytes(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.host.backend.kv_list(self.name, prefix, after, limit)
    }

    fn parse<T: DeserializeOwned>(&self, key: &str, value: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(value).map_err(|error| {
            Error::Damaged(format!("the record `{key}` of bucket `{}` is damaged: {error}", self.name))
        })
    }
}

/// The records of a bucket, with their keys, in the order of these. Ends after the first error.
#[derive(Debug)]
pub struct Entries<'a, T> {
    bucket: Bucket<'a>,
    prefix: &'a str,
    limit: u32,
    /// The last key of the pages that were read; nothing before the first.
    after: Option<String>,
    page: std::vec::IntoIter<(String, Vec<u8>)>,
    record: PhantomData<fn() -> T>,
}

impl<T> Entries<'_, T> {
    /// Reads so many at once, 1 to 1000; 100 if not said.
    #[must_use]
    pub fn in_pages_of(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

impl<T: DeserializeOwned> Iterator for Entries<'_, T> {
    type Item = Result<(String, T), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // A limit of nothing marks the end.
        if self.page.as_slice().is_empty() && self.limit > 0 {
            match self.bucket.page_bytes(self.prefix, self.after.as_deref(), self.limit) {
                Ok(page) => {
                    match page.last() {
                        Some((last, _)) => self.after = Some(last.clone()),
                        None => self.limit = 0,
                    }
                    self.page = page.into_iter();
                }
                Err(error) => {
                    self.limit = 0;
                    return Some(Err(error));
                }
            }
        }
        let (key, value) = self.page.next()?;
        let record = self.bucket.parse(&key, &value);
        if record.is_err() {
            self.limit = 0;
            self.page = Vec::new().into_iter();
        }
        Some(record.map(|record| (key, record)))
    }
}
