//! Where what tests fetch lies: trialbridge/tools in the cache of the user, beside the tools of the command line.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder of a tool, which `install` fills if nobody has. Who comes while it is filled waits.
pub(crate) fn installed(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache"))).expect("there is a cache");
    let tools = cache.join("trialbridge").join("tools");
    fs::create_dir_all(&tools).unwrap();
    let lock = File::create(tools.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = tools.join(name);
    let complete = folder.join(".complete");
    if complete.is_file() {
        return folder;
    }
    if folder.exists() {
        // Half of an installation that was broken off.
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    install(&folder);
    fs::write(complete, "").unwrap();
    folder
}
