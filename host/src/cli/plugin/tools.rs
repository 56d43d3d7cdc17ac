//! The tools that make components, installed once for all projects, outside of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::output::complain;
use super::Failure;

/// The versions that the examples are built and tested with.
const COMPONENTIZE_JS: &str = "0.23.0";
const COMPONENTIZE_PY: &str = "0.25.0";

/// The script that calls componentize-js, whose own command takes fewer options.
pub(super) const BUILD_JS: &str = "build.mjs";
const BUILD_JS_TEXT: &str = r#"import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
try {
  const { component } = await componentize({ sourcePath, witPath, worldName });
  await writeFile(output, component);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
"#;

/// The folder of componentize-js, where [`BUILD_JS`] is.
pub(super) fn componentize_js() -> Result<PathBuf, Failure> {
    installed("componentize-js", COMPONENTIZE_JS, |folder| {
        fs::write(folder.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
        fs::write(folder.join(BUILD_JS), BUILD_JS_TEXT)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel", "error"]);
        npm.arg(format!("@bytecodealliance/componentize-js@{COMPONENTIZE_JS}"));
        run(npm.current_dir(folder))
    })
}

/// The folder of componentize-py: an environment of Python.
pub(super) fn componentize_py() -> Result<PathBuf, Failure> {
    installed("componentize-py", COMPONENTIZE_PY, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg(format!("componentize-py=={COMPONENTIZE_PY}")))
    })
}

/// Where tools are kept: trialbridge/tools in $XDG_CACHE_HOME, or in ~/.cache.
pub(super) fn folder() -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    let cache = cache.ok_or_else(|| Failure::Usage("there is no place for tools; set XDG_CACHE_HOME".to_owned()))?;
    Ok(cache.join("trialbridge").join("tools"))
}

/// Runs a tool to its end. What it says goes to standard error.
pub(super) fn run(command: &mut Command) -> Result<(), Failure> {
    let name = PathBuf::from(command.get_program());
    let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    // Its own backtrace says nothing of the plugin.
    let output = command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Failure::Refused(format!("`{name}` cannot be started: {error}; install it, or put it into PATH"))
    })?;
    for said in [&output.stdout, &output.stderr] {
        if !said.trim_ascii().is_empty() {
            complain(&String::from_utf8_lossy(said));
        }
    }
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::Refused(format!("`{name}` failed: {}", output.status))),
    }
}

/// The folder of a tool, which is installed if it is not there. Who comes meanwhile waits.
fn installed(
    tool: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let name = format!("{tool}-{version}");
    let lock = File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()?;
    let tool = folder.join(&name);
    let complete = tool.join(".complete");
    if complete.is_file() {
        return Ok(tool);
    }
    complain(&format!("installing {name} into {}", tool.display()));
    if tool.exists() {
        // Half of an installation that was broken off.
        fs::remove_dir_all(&tool)?;
    }
    fs::create_dir_all(&tool)?;
    install(&tool)?;
    fs::write(complete, "")?;
    Ok(tool)
}
