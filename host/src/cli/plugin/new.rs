//! `trialbridge plugin new`: a project that builds at once.

use std::path::{Path, PathBuf};

use clap::Args;
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;

use super::language::{Language, check_id};
use super::{Failure, Output};

static SCAFFOLD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scaffold");

/// What plugins are built against.
pub(super) static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");

/// The SDK for plugins in Rust. It is not published, so each project has its own copy.
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugins/sdk");

/// The manifest that the one of the SDK inherits from.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// What `plugin new` takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The plugin's id: a-z, 0-9 and -.
    name: String,
    /// The language.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Language,
    /// Where to write it, if not in a folder here that is called like the plugin. It must not exist yet.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl New {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        check_id(&self.name).map_err(Failure::Usage)?;
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        if folder.exists() {
            return Err(Failure::Usage(format!("{} exists; say another place with --dir", folder.display())));
        }
        let scaffold = match self.lang {
            Language::Rust => "rust",
            Language::Javascript => "javascript",
            Language::Python => "python",
        };
        let missing = || Failure::Refused(format!("this trialbridge was built without its scaffold of {scaffold}"));
        let scaffold = SCAFFOLD.get_dir(scaffold).ok_or_else(missing)?;
        write(scaffold, scaffold.path(), &folder, &Fill::Names(&self.name))?;
        write(&WIT, Path::new(""), &folder.join("wit"), &Fill::Nothing)?;
        if self.lang == Language::Rust {
            write(&SDK, Path::new(""), &folder.join("vendor").join("trialbridge-plugin"), &Fill::Nothing)?;
            inherit(&folder.join("Cargo.toml"))?;
        }
        if output.json {
            return Ok(output.value(&json!({ "plugin": self.name, "folder": folder }))?);
        }
        let shown = folder.display();
        Ok(output.line(&format!("{shown} is written; build it: trialbridge plugin build {shown}"))?)
    }
}

/// What becomes of the text of a file.
enum Fill<'a> {
    /// It stays.
    Nothing,
    /// `{{name}}` and `{{crate}}` become the plugin's.
    Names(&'a str),
}

/// Writes a folder that is part of the program.
fn write(from: &Dir<'_>, base: &Path, to: &Path, fill: &Fill<'_>) -> Result<(), Failure> {
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(folder) => write(folder, base, to, fill)?,
            DirEntry::File(file) => {
                let path = to.join(file.path().strip_prefix(base).unwrap_or(file.path()));
                let (path, text) = match fill {
                    Fill::Nothing => (path, file.contents().to_vec()),
                    Fill::Names(name) => {
                        let text = String::from_utf8_lossy(file.contents());
                        let text = text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
                        (without_in(path), text.into_bytes())
                    }
                };
                let wrong = |error| Failure::Refused(format!("{} cannot be written: {error}", path.display()));
                path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(wrong)?;
                std::fs::write(&path, text).map_err(wrong)?;
            }
        }
    }
    Ok(())
}

/// Writes what is part of the program and built against, where it is not there yet.
pub(super) fn write_wit(to: &Path) -> Result<(), Failure> {
    write(&WIT, Path::new(""), to, &Fill::Nothing)
}

fn without_in(path: PathBuf) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "in" => path.with_extension(""),
        _ => path,
    }
}

/// Makes the project a workspace from which the manifest of the SDK inherits what it did in its own.
fn inherit(manifest: &Path) -> Result<(), Failure> {
    let broken = |error: toml::de::Error| Failure::Refused(format!("the manifest of trialbridge: {error}"));
    let mut own: toml::Table = toml::from_str(WORKSPACE).map_err(broken)?;
    let mut workspace = match own.remove("workspace") {
        Some(toml::Value::Table(workspace)) => workspace,
        _ => toml::Table::new(),
    };
    workspace.retain(|name, _| ["resolver", "package", "dependencies", "lints"].contains(&name));
    workspace.insert("members".to_owned(), toml::Value::Array(vec!["vendor/trialbridge-plugin".into()]));
    if let Some(toml::Value::Table(dependencies)) = workspace.get_mut("dependencies") {
        let vendored = toml::Table::from_iter([("path".to_owned(), "vendor/trialbridge-plugin".into())]);
        dependencies.insert("trialbridge-plugin".to_owned(), toml::Value::Table(vendored));
    }
    let text = toml::to_string(&toml::Table::from_iter([("workspace".to_owned(), toml::Value::Table(workspace))]))
        .map_err(|error| Failure::Refused(error.to_string()))?;
    let written = std::fs::read_to_string(manifest)?;
    let head = "# What the manifest of the SDK in vendor/ inherits.";
    Ok(std::fs::write(manifest, format!("{written}\n{head}\n{text}"))?)
}
