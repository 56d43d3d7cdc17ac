//! Hot loading: rules.toml and plugins/*.wasm, watched, built, checked, and put in force.
//!
//! A reload is all or nothing for each thing it concerns: rules.toml as a whole, and each plugin's file. What cannot be put in
//! force changes nothing but a log line, a metric, an event from `trialbridge` and a status; what was in force before goes
//! on. Calls that run finish on the version they began with.

mod build;
mod check;
mod files;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::check::{Checked, check};
pub use self::watch::files as watch_files;

use self::build::{Builder, Change};
use crate::bus::Bus;
use crate::clock::Timestamp;
use crate::config::{Config, Diagnostics};
use crate::delivery::schedules;
use crate::event::Event;
use crate::plugin::{LoadError, Registry, Runtime};
use crate::telemetry::{Metrics, Reload};
use crate::trials::Trials;

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// rules.toml.
    pub config: PathBuf,
    /// The folder of the plugins.
    pub plugins: PathBuf,
    /// The daemon's data folder, which rules.toml calls `${data}`.
    pub data: PathBuf,
}

/// What a reload puts things into.
#[derive(Clone)]
pub struct Targets {
    /// Gets the rules.
    pub bus: Arc<Bus>,
    /// Gets the types of trials.
    pub trials: Arc<Trials>,
    /// Gets the plugins.
    pub plugins: Arc<Registry>,
    /// Gets the folder of the stacks.
    pub stacks: Arc<ArcSwapOption<PathBuf>>,
    /// Gets the time that events are kept.
    pub retention: Arc<ArcSwap<Duration>>,
    /// Gets the depth beyond which events are not delivered.
    pub maximum_depth: Arc<AtomicU32>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// Asks for reloads, and tells what became of the latest one.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    wanted: Notify,
    status: Mutex<Status>,
}

/// What became of the latest reload of rules.toml.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The file.
    pub file: PathBuf,
    /// Since when the rules in force are in force.
    pub reloaded_at: Timestamp,
    /// Why the newest version of the file is not in force.
    pub error: Option<String>,
}

/// Why there is nothing to put in force.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// rules.toml, of which there must be a good version to start with.
    #[error("{0}")]
    Config(Diagnostics),
    /// A folder that rules.toml speaks of cannot be made.
    #[error(transparent)]
    Folder(LoadError),
}

/// Watches the files and puts them in force until it is stopped.
pub struct Reloader {
    builder: Builder,
    targets: Targets,
    handle: Handle,
}

impl Handle {
    /// A handle that nobody listens to yet.
    pub(crate) fn new(status: Status) -> Self {
        Self(Arc::new(Shared { wanted: Notify::new(), status: Mutex::new(status) }))
    }

    /// Looks at all files again, as if they had changed. Answers at once.
    pub fn reload(&self) {
        self.0.wanted.notify_one();
    }

    /// What became of the latest reload of rules.toml.
    pub fn status(&self) -> Status {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Reloader {
    /// Puts in force what the files say now.
    ///
    /// # Errors
    ///
    /// [`StartError`]. A plugin that cannot be loaded is no error: its deliveries wait.
    pub async fn start(paths: Paths, runtime: Arc<Runtime>, targets: Targets) -> Result<Self, StartError> {
        let config = Config::load(&paths.config, &paths.data).map_err(StartError::Config)?;
        let status = Status { file: paths.config.clone(), reloaded_at: targets.bus.now(), error: None };
        let handle = Handle::new(status);
        let mut reloader = Self { builder: Builder::new(paths, runtime, config), targets, handle };
        reloader.builder.make_folders().map_err(StartError::Folder)?;
        let changes = reloader.builder.look_at_plugins().await;
        reloader.put_in_force().await;
        reloader.announce(changes).await;
        Ok(reloader)
    }

    /// Asks for reloads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Follows the files until `stop`. Says through `watching` when no change is missed any more.
    pub async fn run(mut self, watching: oneshot::Sender<()>, stop: CancellationToken) {
        let paths = self.builder.paths();
        let changed = Arc::new(Notify::new());
        let watcher = watch::start(&paths.config, &paths.plugins, changed.clone());
        if let Err(error) = &watcher {
            tracing::error!(%error, "files are not watched; send SIGHUP to reload");
        }
        let _ = watching.send(());
        // Between the first look and the first watch something may have changed.
        self.reload().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.notified() => {}
                () = self.handle.0.wanted.notified() => self.builder.look_again(),
            }
            self.reload().await;
        }
    }

    /// Looks at everything, and puts in force what is new and good.
    async fn reload(&mut self) {
        let mut changes = Vec::new();
        match self.builder.look_at_config().await {
            Ok(None) => {}
            Ok(Some(rules)) => changes.push(Change::Rules { rules }),
            Err(error) => changes.push(Change::RulesRejected { error }),
        }
        changes.extend(self.builder.look_at_plugins().await);
        if changes.iter().any(Change::is_good) {
            self.put_in_force().await;
        }
        self.announce(changes).await;
    }

    async fn put_in_force(&mut self) {
        let config = self.builder.config();
        let now = self.targets.bus.now();
        self.targets.maximum_depth.store(config.deliveries.maximum_depth, Ordering::Relaxed);
        self.targets.bus.replace_rules(config.rules.clone());
        self.targets.trials.replace_types(config.trials.clone());
        self.targets.stacks.store(config.stacks.as_ref().map(|stacks| Arc::new(stacks.folder.clone())));
        self.targets.retention.store(Arc::new(config.journal.retention));
        let plugins = self.builder.plugins();
        let warm = plugins.iter().map(async |(id, plugin)| {
            if let Err(error) = plugin.warm_up().await {
                tracing::warn!(plugin = id, %error, "the plugin has no warm instance");
            }
        });
        join_all(warm).await;
        self.targets.plugins.replace(plugins, now);
        if let Err(error) = schedules::reconcile(&self.targets.bus).await {
            tracing::error!(%error, "the schedules cannot be stored");
        }
    }

    /// Tells everybody what became of the files.
    async fn announce(&self, changes: Vec<Change>) {
        for change in changes {
            self.note(&change);
            let (detail_type, detail) = match change {
                Change::Rules { rules } => ("RulesReloaded", json!({ "rules": rules })),
                Change::RulesRejected { error } => ("RulesRejected", json!({ "error": error })),
                Change::Plugin { id, hash, version } => {
                    ("PluginLoaded", json!({ "plugin": id, "hash": hash, "version": version }))
                }
                Change::PluginRejected { id, error, needs } if needs.is_empty() => {
                    ("PluginRejected", json!({ "plugin": id, "error": error }))
                }
                Change::PluginRejected { id, error, needs } => {
                    ("PluginRejected", json!({ "plugin": id, "error": error, "needs": needs }))
                }
                Change::PluginUnused(_) => continue,
                Change::PluginRemoved { id } => ("PluginRemoved", json!({ "plugin": id })),
            };
            let event = Event::of_daemon(detail_type, self.targets.bus.now(), &detail);
            if let Err(error) = self.targets.bus.publish(event).await {
                tracing::error!(%error, detail_type, "the event cannot be published");
            }
        }
    }

    /// Logs, counts, and keeps the status.
    fn note(&self, change: &Change) {
        let Targets { plugins, metrics, bus, .. } = &self.targets;
        match change {
            Change::Rules { rules } => {
                tracing::info!(rules, "rules.toml is in force");
                metrics.rules_reload(Reload::InForce);
                let now = bus.now();
                self.handle.set_status(|status| {
                    status.reloaded_at = now;
                    status.error = None;
                });
            }
            Change::RulesRejected { error } => {
                tracing::error!("rules.toml is not put in force, and what was in force still is:\n{error}");
                metrics.rules_reload(Reload::Rejected);
                self.handle.set_status(|status| status.error = Some(error.clone()));
            }
            Change::Plugin { id, hash, version } => {
                tracing::info!(plugin = id, hash = &hash[..12], version, "the plugin serves");
                metrics.plugin_load(Reload::InForce);
                plugins.accept(id);
            }
            Change::PluginRejected { id, error, needs } => {
                tracing::error!(plugin = id, error, "the plugin's file is not put in force");
                metrics.plugin_load(Reload::Rejected);
                plugins.refuse(id, error, needs);
            }
            Change::PluginUnused(status) => {
                let needs = status.needs.join("; ");
                tracing::info!(plugin = status.id, %needs, "rules.toml does not name the plugin, which is not used");
                plugins.note_unused(status.clone());
            }
            Change::PluginRemoved { id } => {
                tracing::warn!(plugin = id, "the plugin was removed; its deliveries wait");
                plugins.forget(id);
            }
        }
    }
}
