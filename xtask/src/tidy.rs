//! What no compiler checks: who may name which crate.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::command::root;

/// The paths of a crate, and the parts of host/src that may begin one so. The model's tests open both backends.
const ONLY: [(&str, &[&str]); 7] = [
    ("sled::", &["storage/sled", "storage/model_tests.rs"]),
    ("wasmtime::", &["plugin"]),
    ("wasmtime_wasi::", &["plugin"]),
    ("wasmtime_wasi_http::", &["plugin"]),
    ("axum::", &["api"]),
    ("notify::", &["reload/watch.rs"]),
    ("notify_debouncer_full::", &["reload/watch.rs"]),
];

/// What `pattern` and `rules` must not touch, nor `plugins/states`: they take values and give values.
const IMPURE: [&str; 6] =
    ["std::fs", "std::net", "std::thread", "std::time::Instant", "std::time::SystemTime", "tokio"];

/// Checks it.
pub(crate) fn run() -> Result<()> {
    let source = root().join("host").join("src");
    let mut faults = Vec::new();
    for file in files(&source)? {
        let name = file.strip_prefix(&source)?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&file)?;
        let code = || text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (path, places) in ONLY {
            if places.iter().any(|place| name.starts_with(place)) {
                continue;
            }
            for (number, _) in code().filter(|(_, line)| names(line, path)) {
                let places = places.join(", ");
                faults.push(format!("{name}:{}: only {places} may say {path}", number + 1));
            }
        }
        if name.starts_with("pattern/") || name.starts_with("rules/") {
            for (number, line) in code() {
                if let Some(impure) = IMPURE.iter().find(|impure| line.contains(**impure)) {
                    faults.push(format!("{name}:{}: pattern and rules are pure and may not name {impure}", number + 1));
                }
            }
        }
    }
    let states = root().join("plugins").join("states").join("src");
    for file in files(&states)? {
        let name = file.strip_prefix(&states)?.to_string_lossy().into_owned();
        for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
            if let Some(impure) = IMPURE.iter().chain(&["trialbridge_plugin"]).find(|impure| line.contains(**impure)) {
                faults.push(format!("plugins/states/src/{name}:{}: it is pure and may not name {impure}", number + 1));
            }
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// Whether a line of code has a path that begins with a crate, and not one of our own modules called like it.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let own = |before: char| before.is_alphanumeric() || matches!(before, '_' | ':' | '"');
        !line[..at].ends_with(own)
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
