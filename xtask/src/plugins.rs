//! Builds the plugins and the guests of the tests into WebAssembly components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{cargo, root, run};

/// What plugins are compiled to.
const TARGET: &str = "wasm32-wasip2";

/// Builds everything, and copies the plugins to plugins/ and the guests to target/guests/. Answers with the folder of the guests.
pub(crate) fn build() -> Result<PathBuf> {
    install_target()?;
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

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Installs what the compiler needs for [`TARGET`], where rustup has not done it by itself.
fn install_target() -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()).output();
    match installed {
        Ok(output) if !String::from_utf8_lossy(&output.stdout).lines().any(|line| line == TARGET) => {
            run(Command::new("rustup").args(["target", "add", TARGET]).current_dir(root()))
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
