//! What a guest can ask of the host: one file for each interface of wit/, of one shape.
//!
//! Each function checks the grant, then the arguments, then answers from the call's own effects and the store, and
//! remembers what it read. A function that is not granted answers `denied` and names the line that would grant it.

mod commands;
mod config;
mod events;
pub(super) mod http;
pub(super) mod kv;
mod log;
mod metrics;
pub(super) mod recorded;
mod trials;

use super::bindings::trialbridge::plugin::types::{Error, Host};
use super::guest::{Current, Guest};
use crate::storage;

impl Host for Guest {}

impl Guest {
    /// The call that runs.
    fn current(&mut self) -> Result<&mut Current, Error> {
        self.current
            .as_mut()
            .ok_or_else(|| Error::Denied("only `log` and `config` can be used before there is an event".to_owned()))
    }

    /// What is said of a grant that is missing.
    fn denied(&self, line: &str) -> Error {
        Error::Denied(format!("not granted; under [plugins.{}] of rules.toml write: {line}", self.plugin))
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
