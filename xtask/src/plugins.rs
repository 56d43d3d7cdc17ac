//! Builds the plugins and the guests of the tests into WebAssembly components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::command::{cargo, root, run};

/// What plugins are compiled to.
const TARGET: &str = "wasm32-wasip2";

/// Where the examples in other languages are.
const EXAMPLES: &str = "plugins/examples";

/// Builds everything, and copies the plugins to plugins/ and the guests to target/guests/. Answers with the folder of the guests.
pub(crate) fn build() -> Result<PathBuf> {
    install_target(TARGET)?;
    let plugins = packages("plugins")?;
    let guests = packages("tests/guests")?;
    let mut build = cargo(&["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    for package in plugins.iter().chain(&guests) {
        build.args(["--package", package]);
    }
    run(&mut build)?;
    let built = target_folder().join(TARGET).join("plugin");
    copy(&built, &plugins, &root().join("plugins"))?;
    let guest_folder = target_folder().join("guests");
    copy(&built, &guests, &guest_folder)?;
    Ok(guest_folder)
}

/// Builds the examples in other languages to target/guests/, with the command line that their authors use. What has not changed since
/// is not built again.
pub(crate) fn examples() -> Result<()> {
    // As the tests build it, so that it is built once.
    run(&mut cargo(&["test", "--locked", "--workspace", "--test", "it", "--no-run"]))?;
    let program = target_folder().join("debug").join("trialbridge");
    let wit = newest(&root().join("wit"))?;
    for example in fs::read_dir(root().join(EXAMPLES))? {
        let example = example?.path();
        let name = example.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let built = target_folder().join("guests").join(format!("{name}.wasm"));
        let sources = newest(&example)?.max(wit);
        if fs::metadata(&built).and_then(|built| built.modified()).is_ok_and(|built| built > sources) {
            continue;
        }
        run(Command::new(&program).args(["plugin", "build"]).arg(&example).arg("--output").arg(&built))?;
    }
    Ok(())
}

/// Runs the examples' own tests, with their languages' own runners.
pub(crate) fn test_examples() -> Result<()> {
    for example in fs::read_dir(root().join(EXAMPLES))? {
        let example = example?.path();
        if example.join("package.json").is_file() {
            run(Command::new("node").arg("--test").current_dir(&example))?;
        } else {
            // Without what would lie beside the sources and look like a change.
            let mut python = Command::new("python3");
            python.args(["-B", "-m", "unittest", "discover", "tests", "-t", "."]);
            run(python.current_dir(&example))?;
        }
    }
    Ok(())
}

/// When a folder was changed last: the latest of its files, but for what is hidden or built.
fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let built = name.starts_with('.') || name.ends_with(".wasm") || name == "__pycache__" || name == "node_modules";
        if built {
            continue;
        }
        newest = newest.max(if path.is_dir() { self::newest(&path)? } else { entry.metadata()?.modified()? });
    }
    Ok(newest)
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Installs what the compiler needs for a target, where rustup has not done it by itself.
pub(crate) fn install_target(target: &str) -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()).output();
    match installed {
        Ok(output) if !String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target) => {
            run(Command::new("rustup").args(["target", "add", target]).current_dir(root()))
        }
        // Without rustup the toolchain is somebody else's to arrange, and the build will say what is missing.
        _ => Ok(()),
    }
}

/// The names of the packages in `folder` that become components: those of type `cdylib`. A package is called like its folder.
fn packages(folder: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join(folder)).with_context(|| format!("{folder} cannot be listed"))? {
        let path = entry?.path();
        // Built plugins lie beside the packages.
        let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) else { continue };
        if manifest.contains("\"cdylib\"") {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Copies built packages to where they are used, each in one step, because a daemon may be watching.
fn copy(built: &Path, packages: &[String], to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for package in packages {
        let from = built.join(format!("{}.wasm", package.replace('-', "_")));
        let copied = to.join(format!(".{package}.tmp"));
        fs::copy(&from, &copied).with_context(|| format!("{} cannot be copied", from.display()))?;
        fs::rename(&copied, to.join(format!("{package}.wasm")))?;
    }
    Ok(())
}
