//! What a plugin is: the trait to implement, and what it says of itself.

use crate::{Config, Event, Failure, Host};

/// A plugin. Hand the type to [`export!`](crate::export) to make a component of it.
pub trait Plugin {
    /// Says what the plugin is and needs. Called once when it is loaded, before there is a host: it must not depend
    /// on time, randomness or configuration.
    fn describe() -> Description;

    /// Says what is wrong with the configuration, if anything is. Called when the plugin is loaded and whenever its configuration has
    /// changed, before it serves under it: an error keeps what was in force before, and is seen in `trialbridge check`. It must not
    /// depend on time or randomness.
    ///
    /// # Errors
    ///
    /// What is wrong, and how to mend it.
    fn check_config(config: &Config) -> Result<(), String> {
        let _ = config;
        Ok(())
    }

    /// Handles one event.
    ///
    /// What it does through `host` is kept, all or nothing, when it returns `Ok`, together with the acknowledgement of the
    /// delivery. It may assume that it runs alone: if another commit has changed what it read, it runs again. What it
    /// does beyond the store (HTTP, files) cannot be taken back and may happen more than once.
    ///
    /// # Errors
    ///
    /// [`Failure`] says whether another attempt makes sense.
    fn handle(event: &Event, host: &Host) -> Result<(), Failure>;
}

/// What a plugin says of itself: what it does, its version, and what it cannot work without.
///
/// A plugin whose needs are not granted in rules.toml is not activated, and the daemon says what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// One line for people: what it does.
    pub summary: String,
    /// Its version, `1.2.3`.
    pub version: String,
    /// What it cannot work without.
    pub needs: Vec<Need>,
}

/// One thing a plugin cannot work without.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// A bucket of the key-value store, by name.
    Kv(String, Access),
    /// The trials.
    Trials(Access),
    /// To emit events of this source.
    Emit(String),
    /// A granted folder, by its name.
    Folder(String, Access),
    /// To send HTTP requests. Where to is the operator's to say.
    Http,
}

/// How far a grant reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
}

impl Description {
    /// A plugin that needs nothing yet. `version` is best `env!("CARGO_PKG_VERSION")`.
    pub fn new(summary: impl Into<String>, version: impl Into<String>) -> Self {
        Self { summary: summary.into(), version: version.into(), needs: Vec::new() }
    }

    /// It needs this bucket of the key-value store.
    #[must_use]
    pub fn kv(self, bucket: impl Into<String>, access: Access) -> Self {
        self.need(Need::Kv(bucket.into(), access))
    }

    /// It needs the trials.
    #[must_use]
    pub fn trials(self, access: Access) -> Self {
        self.need(Need::Trials(access))
    }

    /// It emits events of this source.
    #[must_use]
    pub fn emit(self, source: impl Into<String>) -> Self {
        self.need(Need::Emit(source.into()))
    }

    /// It needs this folder.
    #[must_use]
    pub fn folder(self, name: impl Into<String>, access: Access) -> Self {
        self.need(Need::Folder(name.into(), access))
    }

    /// It sends HTTP requests.
    #[must_use]
    pub fn http(self) -> Self {
        self.need(Need::Http)
    }

    fn need(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}
