//! What lies below [`Host`](crate::Host): the daemon in a component, a [`World`](crate::testing::World) in a test.

use std::path::PathBuf;

use crate::commands::Outcome;
use crate::trials::{Change, Page, Trial};
use crate::{Error, Level, NewEvent};

/// The backend of this build.
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::component::Daemon as Current;
/// The backend of this build.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Call as Current;

/// The functions of the world `core`, in texts and bytes, and the little of WASI that goes with them.
pub(crate) trait Backend {
    /// The plugin's configuration: the text of a JSON object.
    fn config(&self) -> String;

    /// The wall clock, in milliseconds since the epoch.
    fn now(&self) -> u64;

    /// A UUID of version 7.
    fn new_id(&self) -> String;

    /// Where a granted folder is.
    fn folder(&self, name: &str) -> PathBuf;

    /// Writes a line into the daemon's log.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// The value of a key.
    fn kv_get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Sets a key.
    fn kv_set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error>;

    /// Removes a key.
    fn kv_delete(&self, bucket: &str, key: &str) -> Result<(), Error>;

    /// At most `limit` entries after `after` whose keys begin with `prefix`.
    fn kv_list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error>;

    /// The keys of the same, without their values.
    fn kv_keys(&self, bucket: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error>;

    /// One of the entries whose keys begin with `prefix`.
    fn kv_any(&self, bucket: &str, prefix: &str) -> Result<Option<(String, Vec<u8>)>, Error>;

    /// The trial, if it lives.
    fn trial(&self, id: &str) -> Result<Option<Trial>, Error>;

    /// At most `limit` trials of a status and type after `after`.
    fn trials(&self, status: &str, trial_type: &str, after: Option<&str>, limit: u32) -> Result<Page, Error>;

    /// Changes a trial.
    fn update(&self, id: &str, change: &Change) -> Result<Trial, Error>;

    /// Emits an event.
    fn emit(&self, event: NewEvent) -> Result<(), Error>;

    /// Emits an event after so many milliseconds.
    fn emit_after(&self, event: NewEvent, delay: u64) -> Result<String, Error>;

    /// Cancels a delayed event.
    fn cancel(&self, id: &str) -> Result<bool, Error>;

    /// Adds to a counter.
    fn counter(&self, name: &str, labels: &[(&str, &str)], add: u64) -> Result<(), Error>;

    /// Sets a gauge.
    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error>;

    /// Adds to a gauge.
    fn gauge_add(&self, name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Error>;

    /// Puts an observation into a histogram.
    fn histogram(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error>;

    /// Runs a command with the text of a JSON object.
    fn run(&self, command: &str, parameters: &str) -> Result<Outcome, Error>;

    /// Sends a request.
    #[cfg(feature = "http")]
    fn send(&self, request: &crate::http::Request) -> Result<crate::http::Response, crate::http::Error>;
}
