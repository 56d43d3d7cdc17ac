//! promtool, which checks rules for Prometheus and runs their tests. It is fetched once, unless there is one in PATH: out of
//! Debian's package, which takes no rights to unpack.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::tools;

/// Runs promtool in a folder.
pub(crate) fn promtool(folder: &Path, args: &[&str]) -> Output {
    Command::new(installed()).args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// Where promtool is.
fn installed() -> PathBuf {
    let known = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.is_ok_and(|status| status.success()) {
        return PathBuf::from("promtool");
    }
    let folder = tools::installed("promtool", |folder| {
        let fetched = download(folder, &[]) || {
            // The machine has no list of packages, or an old one; one of our own takes no rights either.
            let options = own_lists(folder);
            run(apt(folder, &options).arg("update")) && download(folder, &options)
        };
        assert!(fetched, "promtool cannot be fetched; put it into PATH");
        let package = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let package =
            package.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb")).unwrap();
        assert!(
            run(Command::new("dpkg").arg("-x").arg(&package).arg(folder)),
            "{} cannot be unpacked",
            package.display()
        );
        fs::remove_file(package).unwrap();
    });
    folder.join("usr/bin/promtool")
}

/// Fetches the package into a folder. Whether that succeeds.
fn download(folder: &Path, options: &[String]) -> bool {
    run(apt(folder, options).args(["download", "prometheus"]))
}

fn apt(folder: &Path, options: &[String]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.arg("-qq").args(options.iter().flat_map(|option| ["-o", option])).current_dir(folder);
    apt
}

/// What makes apt keep lists in a folder, which is made, and not where only root may write.
fn own_lists(folder: &Path) -> [String; 3] {
    fs::create_dir_all(folder.join("apt/state/lists/partial")).unwrap();
    fs::create_dir_all(folder.join("apt/cache/archives/partial")).unwrap();
    let place = |name: &str, path: &str| format!("{name}={}", folder.join(path).display());
    let status = "Dir::State::status=/var/lib/dpkg/status".to_owned();
    [place("Dir::State", "apt/state"), status, place("Dir::Cache", "apt/cache")]
}

/// Whether a command succeeds; not if there is none.
fn run(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
