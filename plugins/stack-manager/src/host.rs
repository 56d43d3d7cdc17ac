//! What the logic needs of the host, and the host itself.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::log::Level;
use crate::bindings::trialbridge::plugin::types::Error;
use crate::bindings::trialbridge::plugin::{config, events, kv, log, trials};
use crate::detail::SELF;

/// The most entries in one list.
const PAGE: u32 = 1000;

/// The functions of the host that the logic uses.
pub(crate) trait Host {
    /// The plugin's configuration: the text of a JSON object.
    fn config(&self) -> String;

    /// The wall clock, in milliseconds since the epoch.
    fn now(&self) -> u64;

    /// A part of an id that no other stack has. Later ones are greater.
    fn unique(&mut self) -> String;

    /// Writes a line into the daemon's log.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// The value of a key.
    fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Sets a key.
    fn set(&mut self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error>;

    /// Removes a key.
    fn delete(&mut self, bucket: &str, key: &str) -> Result<(), Error>;

    /// The first `limit` entries after `after` whose keys begin with `prefix`.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error>;

    /// Whether the trial lives.
    fn trial_lives(&self, id: &str) -> Result<bool, Error>;

    /// Emits an event.
    fn emit(&mut self, event: &NewEvent) -> Result<(), Error>;
}

/// The daemon.
pub(crate) struct Imports;

impl Host for Imports {
    fn config(&self) -> String {
        config::get()
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn unique(&mut self) -> String {
        Uuid::now_v7().to_string()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log::log(level, message, &fields);
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        kv::get(bucket, key)
    }

    fn set(&mut self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        kv::set(bucket, key, value)
    }

    fn delete(&mut self, bucket: &str, key: &str) -> Result<(), Error> {
        kv::delete(bucket, key)
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let entries = kv::list(bucket, prefix, after, limit)?;
        Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }

    fn trial_lives(&self, id: &str) -> Result<bool, Error> {
        Ok(trials::get(id)?.is_some())
    }

    fn emit(&mut self, event: &NewEvent) -> Result<(), Error> {
        events::emit(event)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(reason) | Error::Invalid(reason) | Error::Limit(reason) => Self::Permanent(reason),
            Error::NotFound(reason) | Error::Unavailable(reason) => Self::Retry(reason),
        }
    }
}

/// A record of the key-value store.
///
/// # Errors
///
/// Those of the host; permanent if the record is not what this plugin or assign-trial wrote.
pub(crate) fn read<T: DeserializeOwned>(host: &impl Host, bucket: &str, key: &str) -> Result<Option<T>, Failure> {
    host.get(bucket, key)?.map(|value| parse(bucket, key, &value)).transpose()
}

/// Sets a record of the key-value store.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn write(host: &mut impl Host, bucket: &str, key: &str, record: &impl Serialize) -> Result<(), Failure> {
    let value = serde_json::to_vec(record)
        .map_err(|error| Failure::Permanent(format!("the record `{key}` cannot be written: {error}")))?;
    Ok(host.set(bucket, key, &value)?)
}

/// At most `limit` records after `after` whose keys begin with `prefix`.
///
/// # Errors
///
/// Those of the host; permanent if a record is not what this plugin or assign-trial wrote.
pub(crate) fn list<T: DeserializeOwned>(
    host: &impl Host,
    bucket: &str,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, T)>, Failure> {
    let page = host.list(bucket, prefix, after, limit)?;
    page.into_iter().map(|(key, value)| parse(bucket, &key, &value).map(|record| (key, record))).collect()
}

/// Every record whose key begins with `prefix`.
///
/// # Errors
///
/// Those of the host; permanent if a record is not what this plugin or assign-trial wrote.
pub(crate) fn list_all<T: DeserializeOwned>(
    host: &impl Host,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<(String, T)>, Failure> {
    let mut all: Vec<(String, T)> = Vec::new();
    loop {
        let page = list(host, bucket, prefix, all.last().map(|(key, _)| key.as_str()), PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Emits an event of this plugin.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn emit(host: &mut impl Host, detail_type: &str, detail: Map<String, Value>) -> Result<(), Failure> {
    let event = NewEvent {
        source: SELF.to_owned(),
        detail_type: detail_type.to_owned(),
        detail: Value::Object(detail).to_string(),
        resources: Vec::new(),
    };
    Ok(host.emit(&event)?)
}

fn parse<T: DeserializeOwned>(bucket: &str, key: &str, value: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(value)
        .map_err(|error| Failure::Permanent(format!("the record `{key}` of bucket `{bucket}` is damaged: {error}")))
}
