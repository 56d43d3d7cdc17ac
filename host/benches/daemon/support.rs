//! What the benchmarks share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use trialbridge::Host;
use trialbridge::clock::{Clock, SystemClock};
use trialbridge::storage::{KeyRange, Storage};

/// A line of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What keeps the figure from being better.
    pub(crate) limit: &'static str,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str, limit: &'static str) -> Self {
        Self { what: what.into(), value, unit, limit }
    }
}

/// A number with as many digits as mean something.
pub(crate) fn readable(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 1.0 => format!("{middle:.1}"),
        small => format!("{small:.3}"),
    }
}

/// Rules with one type of trials, and nobody who cares.
pub(crate) const PLAIN: &str = "[trials.ACS]\ndefault-ttl = '14d'\nminimum-ttl = '1ms'\nmaximum-ttl = '90d'\n";

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("..")
}

/// The guest that does what it is told.
pub(crate) fn misbehave() -> PathBuf {
    target_folder().join("guests").join("misbehave.wasm")
}

/// A daemon on sled, with these rules and plugins.
pub(crate) async fn host(
    folder: &Path,
    rules: &str,
    plugins: &[(&str, PathBuf)],
    clock: Option<Arc<dyn Clock>>,
) -> Host {
    std::fs::write(folder.join("rules.toml"), rules).unwrap();
    std::fs::create_dir_all(folder.join("plugins")).unwrap();
    for (name, file) in plugins {
        std::fs::copy(file, folder.join("plugins").join(format!("{name}.wasm"))).unwrap();
    }
    Host::builder()
        .config(folder.join("rules.toml"))
        .plugins(folder.join("plugins"))
        .data(folder.join("data"))
        .listen("127.0.0.1:0".parse().unwrap())
        .clock(clock.unwrap_or_else(|| Arc::new(SystemClock::default())))
        .start()
        .await
        .unwrap()
}

/// A daemon on sled, with the shipped plugins.
pub(crate) async fn shipped(rules: PathBuf, data: PathBuf) -> Host {
    Host::builder()
        .config(rules)
        .plugins(repository().join("plugins"))
        .data(data)
        .listen("127.0.0.1:0".parse().unwrap())
        .start()
        .await
        .unwrap()
}

/// Waits until no delivery is ready. Looks often, because what is measured is a throughput over seconds.
pub(crate) async fn drained(storage: &dyn Storage) {
    while !storage.scan(&KeyRange::all_deliveries(), 1).unwrap().is_empty() {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// The value below which so many percent of the sorted values are.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
