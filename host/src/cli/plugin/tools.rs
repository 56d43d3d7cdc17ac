//! The tools that make components, installed once for all projects, outside of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use trialbridge::clock::Clock;
use trialbridge::plugin::{Options, Runtime};
use trialbridge::storage::Storage;

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
    let folder = cache().map(|cache| cache.join("tools"));
    folder.ok_or_else(|| Failure::Usage("there is no place for tools; set XDG_CACHE_HOME".to_owned()))
}

/// What plugins are tried and inspected on. Code that was compiled before is kept in trialbridge/compiled.
pub(super) fn runtime(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Result<Arc<Runtime>, Failure> {
    let cache = cache().map(|cache| cache.join("compiled"));
    let runtime = Runtime::with(storage, clock, Options { cache, ..Options::default() });
    runtime.map_err(|error| Failure::Refused(format!("{error:#}")))
}

/// What can be made again: the folder trialbridge in $XDG_CACHE_HOME, or in ~/.cache.
fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("trialbridge"))
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
