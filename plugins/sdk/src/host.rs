//! What a handler can reach: one delivery's way to the daemon.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Backend as _, Current};
use crate::commands::Outcome;
use crate::{Bucket, Config, Delivery, Error, Failure, Level, NewEvent, Trials, permanent};

/// The host, for one delivery. Everything it changes is kept when the handler returns `Ok`, and only then.
///
/// One call may make 240 changes (a trial counts for three), write 4 MiB and read 10,000 keys: who has more to do emits
/// an event to itself and goes on when that arrives.
#[derive(Debug)]
pub struct Host {
    delivery: Delivery,
    pub(crate) backend: Current,
}

impl Host {
    pub(crate) fn new(delivery: Delivery, backend: Current) -> Self {
        Self { delivery, backend }
    }

    /// Which delivery this is: the attempt, the rule, the idempotency key.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// `[plugins.NAME.config]` of rules.toml, as a type of your own. Derive `Deserialize` with `deny_unknown_fields` and
    /// `rename_all = "kebab-case"`, and give what may be left out a default.
    ///
    /// # Errors
    ///
    /// Permanent if it does not fit; names the table and the field.
    pub fn config<T: DeserializeOwned + 'static>(&self) -> Result<Rc<T>, Failure> {
        self.checked_config(Config::read)
    }

    /// The same by a function that also says what is wrong beyond the types, and that [`Plugin::check_config`](crate::Plugin::check_config)
    /// can call, too. What it has made of a configuration is kept by its type, so that it is read once and not for each event: read a type in one
    /// way only.
    ///
    /// # Errors
    ///
    /// Permanent; what `read` says, after the name of the table.
    pub fn checked_config<T: 'static>(
        &self,
        read: impl FnOnce(&Config) -> Result<T, String>,
    ) -> Result<Rc<T>, Failure> {
        let config = Config::new(self.backend.config());
        config.once(read).map_err(|reason| self.config_failure(&reason))
    }

    /// The failure of a configuration that is of the right type and still wrong, with the name of its table before `reason`.
    pub fn config_failure(&self, reason: &str) -> Failure {
        permanent(format!("[plugins.{}.config]: {reason}", self.delivery.target))
    }

    /// The wall clock, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.backend.now()
    }

    /// A UUID that nothing else has. Those of later calls are greater, as texts too.
    pub fn new_id(&self) -> String {
        self.backend.new_id()
    }

    /// Where the granted folder of this name is, for `std::fs`. A folder that is not granted is not there.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.backend.folder(name)
    }

    /// A bucket of the key-value store. Needs the grant `kv = { BUCKET = "read" }` or `"read-write"`.
    pub fn kv<'a>(&'a self, bucket: &'a str) -> Bucket<'a> {
        Bucket::new(self, bucket)
    }

    /// The trials. Needs the grant `trials = "read"` or `"read-write"`.
    pub fn trials(&self) -> Trials<'_> {
        Trials::new(self)
    }

    /// Emits an event when the handling is committed. Needs the grant `emit = ["SOURCE"]`.
    ///
    /// # Errors
    ///
    /// Denied without the grant; invalid for a detail that is no JSON object or above 256 KiB; limit.
    pub fn emit(&self, event: NewEvent) -> Result<(), Error> {
        self.backend.emit(event)
    }

    /// Emits an event `delay` after this handling, in milliseconds precisely, across restarts. Returns the id that
    /// [`cancel`](Self::cancel) takes: keep it in [`kv`](Self::kv).
    ///
    /// # Errors
    ///
    /// Those of [`emit`](Self::emit); invalid for more than 366 days.
    pub fn emit_after(&self, event: NewEvent, delay: Duration) -> Result<String, Error> {
        self.backend.emit_after(event, u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    /// Cancels a delayed event of this plugin. False if it was emitted or cancelled before.
    ///
    /// # Errors
    ///
    /// Invalid for what no [`emit_after`](Self::emit_after) returned; denied for the event of another plugin.
    pub fn cancel(&self, id: &str) -> Result<bool, Error> {
        self.backend.cancel(id)
    }

    /// Adds to a counter; its name ends in `_total`. Metrics need no grant. A name is `[a-z][a-z0-9_]*`, says the unit, and does not begin
    /// with `trialbridge_`; a plugin may have 1000 series.
    ///
    /// # Errors
    ///
    /// Invalid for a name or label that is malformed; limit for a series too many.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)], add: u64) -> Result<(), Error> {
        self.backend.counter(name, labels, add)
    }

    /// Sets a gauge.
    ///
    /// # Errors
    ///
    /// Those of [`counter`](Self::counter); invalid for a value that is not finite.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        self.backend.gauge(name, labels, value)
    }

    /// Adds to a gauge; a negative number takes away.
    ///
    /// # Errors
    ///
    /// Those of [`gauge`](Self::gauge).
    pub fn gauge_add(&self, name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Error> {
        self.backend.gauge_add(name, labels, add)
    }

    /// Puts an observation into a histogram, whose buckets suit seconds: 1 ms to 1 hour.
    ///
    /// # Errors
    ///
    /// Those of [`gauge`](Self::gauge).
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        self.backend.histogram(name, labels, value)
    }

    /// Writes a line with fields into the daemon's log. It is kept whatever becomes of the handling, and carries the plugin's
    /// name and the delivery by itself.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.backend.log(level, message, fields);
    }

    /// Logs what an operator likes to know.
    pub fn info(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Info, message, fields);
    }

    /// Logs that something is wrong, and nothing is lost.
    pub fn warn(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Warn, message, fields);
    }

    /// Runs a program of the operator to its end. Needs a grant that says which: `[plugins.NAME.commands.COMMAND]`. The process reads
    /// the parameters, an object of those that the grant names, from its standard input.
    ///
    /// What it does is no part of the commit, and may happen more than once.
    ///
    /// # Errors
    ///
    /// Denied without the grant; invalid for parameters that it does not name; not found if the program is not there. A process that failed is
    /// no error here: see [`Outcome::success`](crate::commands::Outcome::success).
    pub fn run(&self, command: &str, parameters: &impl Serialize) -> Result<Outcome, Error> {
        let parameters = serde_json::to_string(parameters)
            .map_err(|error| Error::Invalid(format!("parameters: they cannot be written as JSON: {error}")))?;
        self.backend.run(command, &parameters)
    }

    /// Sends a request and waits for the whole answer. Needs the grant `http = ["https://host"]`.
    ///
    /// A request is no part of the commit: it may be sent more than once. Give what is outside the
    /// [idempotency key](Delivery::idempotency_key).
    ///
    /// # Errors
    ///
    /// Denied without the grant; failed if there was no answer. A status of 400 and above is no error here:
    /// see [`Response::success`](crate::http::Response::success).
    #[cfg(feature = "http")]
    pub fn send(&self, request: &crate::http::Request) -> Result<crate::http::Response, crate::http::Error> {
        self.backend.send(request)
    }
}
