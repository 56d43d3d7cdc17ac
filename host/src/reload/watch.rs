//! Tells when something changed in the folders of rules.toml and of the plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::Notify;

/// How long a file must be left alone before it is looked at: long enough for a copy to finish, short enough to take effect within
/// a second.
const QUIET: Duration = Duration::from_millis(150);

/// Watches folders while it lives.
pub(super) type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

/// Notifies `changed` whenever rules.toml, a .wasm file or a signature of one may have changed. Folders are watched and not files, because editors and
/// copies replace files.
pub(super) fn start(config: &Path, plugins: &Path, changed: Arc<Notify>) -> anyhow::Result<Watcher> {
    let config_name = config.file_name().map(ToOwned::to_owned);
    let concerns = move |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "wasm" || extension == "minisig")
            || path.file_name() == config_name.as_deref()
    };
    let folder = folder(config);
    let mut folders = vec![folder.to_owned()];
    if std::fs::canonicalize(folder).ok() != std::fs::canonicalize(plugins).ok() {
        folders.push(plugins.to_owned());
    }
    watch(&folders, concerns, changed)
}

/// Notifies `changed` whenever one of some files may have changed, until the answer is dropped.
///
/// # Errors
///
/// If one of their folders cannot be watched.
pub fn files(files: &[PathBuf], changed: Arc<Notify>) -> anyhow::Result<impl Sized + use<>> {
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).map(ToOwned::to_owned).collect();
    let concerns = move |path: &PathBuf| names.iter().any(|name| path.file_name() == Some(name));
    let mut folders: Vec<PathBuf> = files.iter().map(|file| folder(file).to_owned()).collect();
    folders.sort();
    folders.dedup();
    watch(&folders, concerns, changed)
}

fn watch(
    folders: &[PathBuf],
    concerns: impl Fn(&PathBuf) -> bool + Send + 'static,
    changed: Arc<Notify>,
) -> anyhow::Result<Watcher> {
    let mut watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| match result {
        Ok(events) => {
            let changes = events.iter().filter(|event| !matches!(event.kind, EventKind::Access(_)));
            if changes.flat_map(|event| &event.paths).any(&concerns) {
                changed.notify_one();
            }
        }
        Err(errors) => {
            tracing::warn!(?errors, "watching files failed; everything is looked at again");
            changed.notify_one();
        }
    })?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The folder that a file is in.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
