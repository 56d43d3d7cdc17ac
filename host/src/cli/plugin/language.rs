//! The languages that plugins are written in, and how a project says which.

use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;

/// A language of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// With the SDK, built by cargo.
    Rust,
    /// Built by componentize-js, from npm.
    Javascript,
    /// Built by componentize-py, from PyPI.
    Python,
}

/// What a project says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) language: Language,
    /// The plugin's id.
    pub(super) name: String,
    /// The file to begin with; only in JavaScript.
    pub(super) main: String,
}

impl Project {
    /// Reads the project in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let manifests = [
            ("Cargo.toml", Language::Rust),
            ("package.json", Language::Javascript),
            ("pyproject.toml", Language::Python),
        ];
        let found = manifests.into_iter().find(|(manifest, _)| folder.join(manifest).is_file());
        let Some((manifest, language)) = found else {
            let message = format!(
                "{} is no project of a plugin: it has no Cargo.toml, package.json or pyproject.toml; \
                 `trialbridge plugin new` writes one",
                folder.display()
            );
            return Err(Failure::Usage(message));
        };
        let file = folder.join(manifest);
        let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let value: Value = match language {
            Language::Javascript => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
            _ => toml::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        };
        let (at, field) = match language {
            Language::Rust => (&value["package"], "package.name"),
            Language::Javascript => (&value, "name"),
            Language::Python => (&value["project"], "project.name"),
        };
        let name = at["name"].as_str().map(|name| name.replace('_', "-"));
        let name = name.ok_or_else(|| wrong(format!("`{field}` is missing; it is the id of the plugin")))?;
        check_id(&name).map_err(wrong)?;
        let main = value["main"].as_str().unwrap_or("src/plugin.js").to_owned();
        Ok(Self { language, name, main })
    }
}

/// Whether a name can be that of a plugin.
pub(super) fn check_id(name: &str) -> Result<(), String> {
    match trialbridge::config::is_plugin_id(name) {
        true => Ok(()),
        false => Err(format!(
            "`{name}` cannot be the id of a plugin; use 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_its_manifest() {
        for (manifest, text, language) in [
            ("Cargo.toml", "[package]\nname = \"a_b\"", Language::Rust),
            ("package.json", r#"{"name": "a-b", "main": "src/plugin.js"}"#, Language::Javascript),
            ("pyproject.toml", "[project]\nname = \"a-b\"", Language::Python),
        ] {
            let folder = tempfile::tempdir().expect("a folder can be made");
            std::fs::write(folder.path().join(manifest), text).expect("a file can be written");
            let expected = Project { language, name: "a-b".to_owned(), main: "src/plugin.js".to_owned() };
            assert_eq!(Project::read(folder.path()).expect("it is a project"), expected);
        }
        let empty = tempfile::tempdir().expect("a folder can be made");
        assert!(Project::read(empty.path()).is_err());
    }
}
