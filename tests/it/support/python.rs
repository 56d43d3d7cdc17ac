//! Programs in Python that tests need. Each is installed once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools;

/// The folder of an environment in which a package of PyPI is installed.
pub(crate) fn environment(name: &str, package: &str, version: &str) -> PathBuf {
    tools::installed(&format!("{name}-{version}"), |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder));
        let mut pip = Command::new(folder.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg(format!("{package}=={version}")));
    })
}

/// Runs a command that must succeed. What it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{} cannot be started: {error}; install Python 3", Path::new(command.get_program()).display())
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
