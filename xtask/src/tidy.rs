//! What no compiler checks: who may name which crate.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::command::root;

/// A crate, and the parts of host/src that may name it.
const ONLY: [(&str, &[&str]); 4] =
    [("sled::", &["storage/sled"]), ("wasmtime", &["plugin"]), ("axum::", &["api"]), ("notify", &["reload/watch.rs"])];

/// What `pattern` and `rules` must not touch: they take values and give values.
const IMPURE: [&str; 6] =
    ["std::fs", "std::net", "std::thread", "std::time::Instant", "std::time::SystemTime", "tokio"];

/// Checks it.
pub(crate) fn run() -> Result<()> {
    let source = root().join("host").join("src");
    let mut faults = Vec::new();
    for path in files(&source)? {
        let name = path.strip_prefix(&source)?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        let code = || text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (crate_name, places) in ONLY {
            if places.iter().any(|place| name.starts_with(place)) {
                continue;
            }
            for (number, _) in code().filter(|(_, line)| names(line, crate_name)) {
                let places = places.join(", ");
                faults.push(format!("{name}:{}: only {places} may name {crate_name}", number + 1));
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
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// Whether a line of code names a crate: in a path that begins with it, not in one of our own modules' paths.
fn names(line: &str, crate_name: &str) -> bool {
    let Some(at) = line.find(crate_name) else { return false };
    let before = &line[..at];
    let own_path = before.ends_with("::") || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
    let path = line[at + crate_name.trim_end_matches(':').len()..].starts_with(['_', ':']);
    !own_path && path
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
