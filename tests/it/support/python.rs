//! Programs in Python that tests need. Each is installed once, into trialbridge/tools in the cache of the user, beside the other tools.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of an environment in which a package of PyPI is installed. Who comes while it is made waits.
pub(crate) fn environment(name: &str, package: &str, version: &str) -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache"))).expect("there is a cache");
    let tools = cache.join("trialbridge").join("tools");
    fs::create_dir_all(&tools).unwrap();
    let lock = File::create(tools.join(format!("{name}-{version}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = tools.join(format!("{name}-{version}"));
    let complete = folder.join(".complete");
    if complete.is_file() {
        return folder;
    }
    if folder.exists() {
        // Half of an installation that was broken off.
        fs::remove_dir_all(&folder).unwrap();
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let mut pip = Command::new(folder.join("bin").join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.arg(format!("{package}=={version}")));
    fs::write(complete, "").unwrap();
    folder
}

/// Runs a command that must succeed. What it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{} cannot be started: {error}; install Python 3", Path::new(command.get_program()).display())
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
