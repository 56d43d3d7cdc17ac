//! The plugins in force, and what became of every file that was meant to be one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Compiled, Plugin};
use crate::clock::Timestamp;

/// How often instances that nobody needs are looked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// The plugins of a daemon.
pub struct Registry {
    /// The plugins in force, by id.
    active: ArcSwap<BTreeMap<String, Arc<Plugin>>>,
    /// What is to be said of each, active or not.
    statuses: Mutex<BTreeMap<String, Status>>,
    /// Counts the changes of `active`.
    changes: watch::Sender<u64>,
}

/// What is to be said of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The stem of its file's name.
    pub id: String,
    /// Whether it serves.
    pub state: State,
    /// The version it says it has.
    pub version: Option<String>,
    /// What it says it does.
    pub summary: Option<String>,
    /// The SHA-256 of the file that serves.
    pub hash: Option<String>,
    /// The size of that file, in bytes.
    pub size: Option<u64>,
    /// Since when it serves.
    pub loaded_at: Option<Timestamp>,
    /// Why the newest file does not serve; the one before it still does if the state is ACTIVE.
    pub error: Option<String>,
    /// The lines of rules.toml that would grant what it needs, if it is UNUSED or HELD, or what its newest file needs that is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// Whether a plugin serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It handles deliveries.
    Active,
    /// Its file cannot be used, and there was none before that could. Its deliveries wait.
    Rejected,
    /// Its file needs grants that rules.toml does not have, and there was none before that could be used. Its deliveries wait.
    Held,
    /// Its file was removed. Its deliveries wait.
    Removed,
    /// Its file is good, but rules.toml does not name it, and it needs grants.
    Unused,
}

impl Status {
    /// Of a plugin that nothing else is known of.
    fn new(id: &str, state: State) -> Self {
        Self {
            id: id.to_owned(),
            state,
            version: None,
            summary: None,
            hash: None,
            size: None,
            loaded_at: None,
            error: None,
            needs: Vec::new(),
        }
    }

    /// Of a plugin that rules.toml does not name, and the lines that would grant what it needs.
    pub(crate) fn unused(id: &str, compiled: &Compiled, needs: Vec<String>) -> Self {
        Self { needs, ..Self::of(id, State::Unused, compiled) }
    }

    /// Of a plugin whose code is known.
    fn of(id: &str, state: State, compiled: &Compiled) -> Self {
        Self {
            version: Some(compiled.version().to_owned()),
            summary: Some(compiled.summary().to_owned()),
            hash: Some(compiled.hash.clone()),
            size: Some(compiled.size),
            ..Self::new(id, state)
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self { active: ArcSwap::default(), statuses: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Registry {
    /// The plugin of an id, if it serves.
    pub fn get(&self, id: &str) -> Option<Arc<Plugin>> {
        self.active.load().get(id).cloned()
    }

    /// The plugins that serve.
    pub fn active(&self) -> Arc<BTreeMap<String, Arc<Plugin>>> {
        self.active.load_full()
    }

    /// What is to be said of each plugin, by id.
    pub fn statuses(&self) -> Vec<Status> {
        self.locked().values().cloned().collect()
    }

    /// Changes when other plugins serve.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Lets these plugins serve from now on. Calls that run finish on the old ones.
    pub fn replace(&self, plugins: BTreeMap<String, Arc<Plugin>>, now: Timestamp) {
        let mut statuses = self.locked();
        for (id, plugin) in &plugins {
            let compiled = plugin.compiled();
            let before = statuses
                .get(id)
                .filter(|before| before.state == State::Active && before.hash.as_ref() == Some(&compiled.hash));
            let fresh = Status { loaded_at: Some(now), ..Status::of(id, State::Active, compiled) };
            // What is said of a newer file that does not serve stays said.
            let status = match before {
                Some(Status { loaded_at, error, needs, .. }) => {
                    Status { loaded_at: *loaded_at, error: error.clone(), needs: needs.clone(), ..fresh }
                }
                None => fresh,
            };
            statuses.insert(id.clone(), status);
        }
        for (id, status) in statuses.iter_mut() {
            if status.state == State::Active && !plugins.contains_key(id) {
                status.state = State::Removed;
                (status.error, status.needs) = (None, Vec::new());
            }
        }
        drop(statuses);
        self.active.store(Arc::new(plugins));
        self.changes.send_modify(|count| *count += 1);
    }

    /// Drops instances that wait in vain until it is stopped.
    pub async fn drop_idle(self: Arc<Self>, stop: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.active().values().for_each(|plugin| plugin.drop_idle(Instant::now()));
        }
    }

    /// Says that the newest file of a plugin serves.
    pub fn accept(&self, id: &str) {
        if let Some(status) = self.locked().get_mut(id) {
            (status.error, status.needs) = (None, Vec::new());
        }
    }

    /// Says why the newest file of a plugin does not serve, and which lines would grant what it needs, if it is held for that.
    pub fn refuse(&self, id: &str, error: &str, needs: &[String]) {
        let mut statuses = self.locked();
        let state = if needs.is_empty() { State::Rejected } else { State::Held };
        let status = statuses.entry(id.to_owned()).or_insert_with(|| Status::new(id, state));
        if status.state != State::Active {
            status.state = state;
        }
        (status.error, status.needs) = (Some(error.to_owned()), needs.to_vec());
    }

    /// Says that a plugin's file is there, and that nothing uses it.
    pub fn note_unused(&self, unused: Status) {
        self.locked().insert(unused.id.clone(), unused);
    }

    /// Forgets a plugin that does not serve and whose file is gone.
    pub fn forget(&self, id: &str) {
        let mut statuses = self.locked();
        if statuses.get(id).is_some_and(|status| matches!(status.state, State::Rejected | State::Held | State::Unused))
        {
            statuses.remove(id);
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
