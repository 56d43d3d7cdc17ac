//! What surrounds a plugin that is tested by hand: a store, a clock, grants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use trialbridge::clock::{Clock, Timestamp};
use trialbridge::config::{Access, Config, PluginSettings};
use trialbridge::plugin::Compiled;
use trialbridge::storage::commit::MAX_OPERATIONS;
use trialbridge::storage::{Commit, Key, MemoryStorage, Storage, Write};
use trialbridge::trial::{REQUESTED, Stored, Trial};
use uuid::Uuid;

use super::{Failure, read};

/// How long a trial lives that does not say.
const LIFE: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Where requests of a plugin may go that has no rules.toml: nowhere, because they are answered with what was recorded.
const RECORDED: &str = "https://recorded.example";

/// A clock that always tells the same time.
#[derive(Debug)]
pub(super) struct Stopped(pub(super) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn wait_until(&self, _time: Timestamp) -> Option<std::time::Duration> {
        None
    }
}

/// A trial as it is written for a test: in the form of the API, with less.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    trial_id: String,
    #[serde(rename = "type")]
    trial_type: String,
    #[serde(default)]
    lead_id: String,
    status: Option<String>,
    requested_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// What an answer of the API has, and nobody needs here.
    #[serde(rename = "version")]
    _version: Option<Value>,
    #[serde(flatten)]
    attributes: Map<String, Value>,
}

/// A store that holds some trials and keys.
pub(super) async fn store(
    trials: Option<&Path>,
    kv: Option<&Path>,
    now: Timestamp,
) -> Result<Arc<dyn Storage>, Failure> {
    let mut writes = Vec::new();
    if let Some(file) = trials {
        let written: Vec<Written> = json(file, "--trials", "a list of trials: [{\"trialId\", \"type\", ...}]")?;
        for trial in written.into_iter().map(|written| written.stored(now)) {
            writes.push(Write::Put(trial.index_key(), Default::default()));
            writes.push(Write::Put(trial.key(), Stored::Live(trial).encode()));
        }
    }
    if let Some(file) = kv {
        let buckets: Map<String, Value> = json(file, "--kv", "buckets of keys: {\"BUCKET\": {\"KEY\": VALUE}}")?;
        for (bucket, keys) in buckets {
            let Value::Object(keys) = keys else {
                let message = format!("--kv: {}: bucket `{bucket}` is not an object of keys", file.display());
                return Err(Failure::Usage(message));
            };
            writes.extend(keys.into_iter().map(|(key, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                Write::Put(Key::Kv { bucket: bucket.clone(), key }, value.into())
            }));
        }
    }
    let storage = MemoryStorage::new();
    for some in writes.chunks(MAX_OPERATIONS) {
        let commit = Commit { writes: some.to_vec(), ..Commit::default() };
        storage.commit(commit).await.map_err(|error| Failure::Refused(error.to_string()))?;
    }
    Ok(Arc::new(storage))
}

/// What rules.toml says of a plugin; without it, the grants that the plugin says it needs, and the lines that grant them. Folders that
/// may be written to are empty ones in `scratch`: a test leaves those of the machine alone.
pub(super) fn settings(
    id: &str,
    compiled: &Compiled,
    config: Option<&Path>,
    scratch: &Path,
) -> Result<(PluginSettings, Vec<String>), Failure> {
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let (mut config, lines) = match config {
        Some(file) => {
            let config = Config::load_without_secrets(file, Path::new("data"));
            (config.map_err(|error| usage(&error))?, Vec::new())
        }
        None => {
            let lines = compiled.needed_grants(&scratch.to_string_lossy(), RECORDED);
            let text = format!("[plugins.{id}]\n{}\n", lines.join("\n"));
            let config = Config::parse(&text, "the needs of the plugin", Path::new("."), Path::new("data"));
            (config.map_err(|error| usage(&error))?, lines)
        }
    };
    let mut settings = config.plugins.remove(id).unwrap_or_default();
    for (name, folder) in &mut settings.grants.folders {
        if folder.access == Access::ReadWrite || folder.path.starts_with(scratch) {
            folder.path = scratch.join(name);
            std::fs::create_dir_all(&folder.path)?;
        }
    }
    Ok((settings, lines))
}

/// A folder for a test alone. It is made when it is needed.
pub(super) fn scratch() -> PathBuf {
    std::env::temp_dir().join(format!("trialbridge-test-{}", Uuid::new_v4()))
}

/// What a file holds as JSON.
pub(super) fn json<T: for<'de> Deserialize<'de>>(file: &Path, option: &str, what: &str) -> Result<T, Failure> {
    let bytes = read(file, option)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Usage(format!("{option}: {}: {error}; write {what}", file.display())))
}

impl Written {
    fn stored(self, now: Timestamp) -> Trial {
        let requested_at = self.requested_at.unwrap_or(now);
        Trial {
            trial_id: self.trial_id,
            lead_id: self.lead_id,
            trial_type: self.trial_type,
            status: self.status.unwrap_or_else(|| REQUESTED.to_owned()),
            requested_at,
            expires_at: self.expires_at.unwrap_or_else(|| now.plus(LIFE)),
            chosen_id: false,
            attributes: self.attributes,
        }
    }
}
