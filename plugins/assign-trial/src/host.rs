//! What the logic needs of the host, and the host itself.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::log::Level;
use crate::bindings::trialbridge::plugin::trials::{Change, Trial};
use crate::bindings::trialbridge::plugin::types::Error;
use crate::bindings::trialbridge::plugin::{config, events, kv, log, trials};

/// The functions of the host that the logic uses, and the granted folder.
pub(crate) trait Host {
    /// The plugin's configuration: the text of a JSON object.
    fn config(&self) -> String;

    /// The wall clock, in milliseconds since the epoch.
    fn now(&self) -> u64;

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

    /// The trial, if it lives.
    fn trial(&self, id: &str) -> Result<Option<Trial>, Error>;

    /// Changes a trial.
    fn update(&mut self, id: &str, change: &Change) -> Result<Trial, Error>;

    /// Emits an event.
    fn emit(&mut self, event: &NewEvent) -> Result<(), Error>;

    /// Emits an event after `delay` milliseconds; returns what cancels it.
    fn emit_after(&mut self, event: &NewEvent, delay: u64) -> Result<String, Error>;

    /// Cancels a delayed event.
    fn cancel(&mut self, id: &str) -> Result<bool, Error>;

    /// The text of a file in the folder of a stack; nothing if there is none.
    fn read_stack_file(&self, stack: &str, file: &str) -> io::Result<Option<String>>;
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

    fn trial(&self, id: &str) -> Result<Option<Trial>, Error> {
        trials::get(id)
    }

    fn update(&mut self, id: &str, change: &Change) -> Result<Trial, Error> {
        trials::update(id, change)
    }

    fn emit(&mut self, event: &NewEvent) -> Result<(), Error> {
        events::emit(event)
    }

    fn emit_after(&mut self, event: &NewEvent, delay: u64) -> Result<String, Error> {
        events::emit_after(event, delay)
    }

    fn cancel(&mut self, id: &str) -> Result<bool, Error> {
        events::cancel(id)
    }

    fn read_stack_file(&self, stack: &str, file: &str) -> io::Result<Option<String>> {
        match std::fs::read_to_string(Path::new("/stacks").join(stack).join(file)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(reason) | Error::Invalid(reason) | Error::Limit(reason) => Self::Permanent(reason),
            // What was there a moment ago has ended meanwhile; the next attempt sees that.
            Error::NotFound(reason) | Error::Unavailable(reason) => Self::Retry(reason),
        }
    }
}

/// A record of the key-value store.
///
/// # Errors
///
/// Those of the host; permanent if the record is not what this plugin or stack-manager wrote.
pub(crate) fn read<T: DeserializeOwned>(host: &impl Host, bucket: &str, key: &str) -> Result<Option<T>, Failure> {
    host.get(bucket, key)?.map(|value| parse(bucket, key, &value)).transpose()
}

/// A record from its bytes.
///
/// # Errors
///
/// Permanent if the record is not what this plugin or stack-manager wrote.
pub(crate) fn parse<T: DeserializeOwned>(bucket: &str, key: &str, value: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(value)
        .map_err(|error| Failure::Permanent(format!("the record `{key}` of bucket `{bucket}` is damaged: {error}")))
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

/// An event to emit.
pub(crate) fn event(source: &str, detail_type: &str, detail: impl Into<Value>) -> NewEvent {
    NewEvent {
        source: source.to_owned(),
        detail_type: detail_type.to_owned(),
        detail: detail.into().to_string(),
        resources: Vec::new(),
    }
}
