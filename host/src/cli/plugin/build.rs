//! `trialbridge plugin build`: a project to a component, by its language's own tool.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::{Value, json};

use super::super::output::complain;
use super::language::{Language, Project};
use super::new::write_wit;
use super::{Failure, Output, tools};

/// The world of wit/ that plugins are of.
const WORLD: &str = "plugin";

/// What Rust is compiled for.
const TARGET: &str = "wasm32-wasip2";

/// What `plugin build` takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The project.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Where to write the component, if not into the project, as NAME.wasm.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        let project = Project::read(&self.folder)?;
        let folder = std::path::absolute(&self.folder)?;
        let to = self.output.unwrap_or_else(|| self.folder.join(format!("{}.wasm", project.name)));
        // Beside its place, and moved there in one step, because a daemon may be watching.
        let half = std::path::absolute(&to)?.with_file_name(format!(".{}.tmp", project.name));
        match project.language {
            Language::Rust => rust(&folder, &half)?,
            Language::Javascript => javascript(&folder, &project, &half)?,
            Language::Python => python(&folder, &half)?,
        }
        std::fs::rename(&half, &to)?;
        let size = std::fs::metadata(&to)?.len();
        if output.json {
            return Ok(output.value(&json!({ "plugin": project.name, "file": to, "size": size }))?);
        }
        Ok(output.line(&format!("{} is built, {size} bytes", to.display()))?)
    }
}

fn rust(folder: &Path, to: &Path) -> Result<(), Failure> {
    install_target(folder)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    cargo.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let said = cargo.output().map_err(|error| Failure::Refused(format!("cargo cannot be started: {error}")))?;
    if !said.status.success() {
        return Err(Failure::Refused(format!("cargo failed: {}", said.status)));
    }
    // The last one is the project's own: what it depends on is built before.
    let files = said.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let files = files.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let component = files.filter_map(|file| file.as_str().map(PathBuf::from)).rfind(|file| is_wasm(file));
    let component = component.ok_or_else(|| {
        Failure::Usage("cargo built no component; write crate-type = [\"cdylib\"] under [lib] of Cargo.toml".to_owned())
    })?;
    std::fs::copy(component, to)?;
    Ok(())
}

/// Installs what the compiler needs for the target, in the toolchain that the project is built with. Without rustup the toolchain is somebody else's
/// to arrange, and cargo will say what is missing.
fn install_target(folder: &Path) -> Result<(), Failure> {
    let rustup = || {
        let mut rustup = Command::new("rustup");
        rustup.arg("target").current_dir(folder);
        rustup
    };
    let Ok(installed) = rustup().args(["list", "--installed"]).output() else { return Ok(()) };
    if !installed.status.success() || String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == TARGET) {
        return Ok(());
    }
    complain(&format!("installing the target {TARGET} with rustup"));
    tools::run(rustup().args(["add", TARGET]))
}

fn javascript(folder: &Path, project: &Project, to: &Path) -> Result<(), Failure> {
    let tool = tools::componentize_js()?;
    let mut node = Command::new("node");
    node.arg(tool.join(tools::BUILD_JS)).arg(folder.join(&project.main)).arg(wit(folder)?).args([WORLD]).arg(to);
    tools::run(node.current_dir(folder))
}

fn python(folder: &Path, to: &Path) -> Result<(), Failure> {
    let tool = tools::componentize_py()?;
    let mut componentize = Command::new(tool.join("bin").join("componentize-py"));
    componentize.arg("--wit-path").arg(wit(folder)?).args(["--world", WORLD, "--quiet", "componentize", "app"]);
    componentize.arg("--python-path").arg(folder).arg("--output").arg(to);
    // Environments of other projects are not to be part of this one.
    tools::run(componentize.env_remove("VIRTUAL_ENV").current_dir(folder))
}

/// What the project is built against: its own wit/, or else what this program knows.
fn wit(folder: &Path) -> Result<PathBuf, Failure> {
    let own = folder.join("wit");
    if own.is_dir() {
        return Ok(own);
    }
    let known = tools::folder()?.join(format!("wit-{}", env!("CARGO_PKG_VERSION")));
    write_wit(&known)?;
    Ok(known)
}

fn is_wasm(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "wasm")
}
