//! What a plugin of trialbridge is written with, and tested with.
//!
//! A plugin is a type that implements [`Plugin`], and one line, [`export!`], that makes a component of it. It handles one
//! [`Event`] at a time and reaches the rest through its [`Host`]: keys and values, trials, events now and later, metrics,
//! the log, its configuration, folders, [programs](commands) of the operator, and with the feature `http` the network. What it does there is kept when it returns
//! `Ok`, all of it or nothing, together with the acknowledgement of the event. This one says that a trial ends soon:
//!
//! ```
//! use std::time::Duration;
//! use trialbridge_plugin::{Access, Description, Event, Failure, Host, NewEvent, OnlineTrial, Plugin};
//!
//! struct Remind;
//!
//! trialbridge_plugin::export!(Remind);
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields, rename_all = "kebab-case")]
//! struct Config {
//!     seconds_before: u64,
//! }
//!
//! impl Plugin for Remind {
//!     fn describe() -> Description {
//!         Description::new("says that a trial ends soon", "1.0.0").kv("reminders", Access::ReadWrite).emit("remind")
//!     }
//!
//!     fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
//!         let (ends, trial) = match event.online_trial()? {
//!             OnlineTrial::TrialAssigned(trial) | OnlineTrial::TrialExtended(trial) => (trial.expires_at, trial),
//!             OnlineTrial::TrialExpired(trial) | OnlineTrial::TrialCancelled(trial) => (None, trial),
//!             _ => return Ok(()),
//!         };
//!         let reminders = host.kv("reminders");
//!         if let Some(id) = reminders.get::<String>(&trial.trial_id)? {
//!             host.cancel(&id)?;
//!             reminders.delete(&trial.trial_id)?;
//!         }
//!         if let Some(ends) = ends {
//!             let before = host.config::<Config>()?.seconds_before * 1000;
//!             let delay = Duration::from_millis(ends.saturating_sub(host.now() + before));
//!             let id = host.emit_after(NewEvent::new("remind", "TrialEndsSoon", &trial), delay)?;
//!             reminders.set(&trial.trial_id, &id)?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // Its test needs neither WebAssembly nor a daemon: the host is in memory.
//! use trialbridge_plugin::testing::World;
//!
//! let mut world = World::<Remind>::new();
//! world.configure(serde_json::json!({ "seconds-before": 3600 }));
//! let trial = world.request("t1", "1234567890", "ACS", Duration::from_secs(7200));
//! world.handle("OnlineTrial", "TrialAssigned", trial.detail())?;
//! world.advance(Duration::from_secs(3600));
//! assert_eq!(world.emitted()[0].kind(), ("remind", "TrialEndsSoon"));
//! # Ok::<(), Failure>(())
//! ```
//!
//! # From nothing to a plugin that runs
//!
//! A crate with `crate-type = ["cdylib"]` and this one as a dependency. In the repository of trialbridge it goes into
//! `plugins/remind`, and `cargo xtask plugins` builds it. Elsewhere:
//!
//! ```text
//! cargo build --release --target wasm32-wasip2
//! cp target/wasm32-wasip2/release/remind.wasm /etc/trialbridge/plugins/
//! ```
//!
//! The daemon says in the log what it needs, and does not use it until rules.toml names it. rules.toml grants it, and
//! routes events to it, without a restart:
//!
//! ```toml
//! [plugins.remind]
//! kv = { reminders = "read-write" }
//! emit = ["remind"]
//! config = { seconds-before = 3600 }
//!
//! [[rules]]
//! name = "remind"
//! event-pattern = { source = ["OnlineTrial"] }
//! targets = ["remind"]
//! ```
//!
//! # What to know
//!
//! * A handling runs as if alone. Its reads are checked at the commit; if one has changed, it runs again from the start.
//! * [`Failure`] says whether another attempt makes sense. `?` decides for errors of the host: what may pass is tried
//!   again, what is denied, malformed or too much is a dead letter. [`retry`] and [`permanent`] fit `map_err`.
//! * What leaves the machine may be seen twice: give it [`Delivery::idempotency_key`].
//! * [`Plugin::check_config`] refuses a configuration before the plugin serves under it, so that a mistake is seen when it is made.
//! * Later events about a trial carry the members of earlier ones. [`TrialDetail`] keeps those it does not know, and serializes to all of them.
//! * [`testing`] says what the host in memory does and what it does not.

#![warn(missing_debug_implementations)]

mod backend;
pub mod commands;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod config;
mod detail;
mod error;
mod event;
mod host;
#[cfg(feature = "http")]
pub mod http;
mod kv;
mod log;
mod online_trial;
mod plugin;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod trials;

pub use self::config::Config;
pub use self::detail::{Detail, seconds};
pub use self::error::{Error, Failure, permanent, retry, retry_after};
pub use self::event::{Delivery, Event, NewEvent};
pub use self::host::Host;
pub use self::kv::{Bucket, Entries};
pub use self::log::Level;
pub use self::online_trial::{OnlineTrial, TrialDetail};
pub use self::plugin::{Access, Description, Need, Plugin};
pub use self::trials::{Change, Page, Trial, Trials};

/// Makes a component of the plugin. Once in a crate, for one type that implements [`Plugin`]; in native builds it does nothing.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::component::Exported<$plugin>;
    $crate::component::bindings::export_component!(Exported with_types_in $crate::component::bindings);
        };
    };
}
