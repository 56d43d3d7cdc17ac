//! Secrets: named in rules.toml, read from the environment or a file, never shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest secret, in bytes.
const MAX_SECRET: usize = 64 * 1024;

/// A secret and its value. Its [`fmt::Debug`] shows the name alone; there is no other way to print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    name: String,
    value: Arc<str>,
    /// Whether the value is made up.
    stand_in: bool,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In this variable of the daemon's environment.
    Environment(String),
    /// In this file, up to the line break at its end.
    File(PathBuf),
}

impl Secret {
    /// A secret.
    pub fn new(name: impl Into<String>, value: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), value: value.into(), stand_in: false }
    }

    /// What stands in for a secret that is not read, where nothing is sent.
    pub(super) fn stand_in(name: impl Into<String>, value: impl Into<Arc<str>>) -> Self {
        Self { stand_in: true, ..Self::new(name, value) }
    }

    /// Whether it is no secret but stands in for one.
    pub fn is_stand_in(&self) -> bool {
        self.stand_in
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What nobody but its destinations may see.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[secret {}]", self.name)
    }
}

impl Source {
    /// The value, or why there is none, without any of it.
    pub(super) fn read(&self) -> Result<String, String> {
        let value = match self {
            Self::Environment(variable) => match std::env::var(variable) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => {
                    return Err(format!("the environment variable {variable} is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(format!("the environment variable {variable} is not UTF-8"));
                }
            },
            Self::File(path) => read_file(path)?,
        };
        match value.len() {
            0 => Err(format!("{self} is empty")),
            size if size > MAX_SECRET => Err(format!("{self} has {size} bytes, and at most {MAX_SECRET} are allowed")),
            _ => Ok(value),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => write!(f, "the environment variable {variable}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let mut text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // Editors and `echo` end a file with a line break that nobody means.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Secret, Source};

    #[test]
    fn secrets_are_read_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        for (content, value) in [("a b\n", Some("a b")), ("a\r\n", Some("a")), ("a\n\n", Some("a\n")), ("\n", None)] {
            std::fs::write(&file, content).expect("a file");
            assert_eq!(Source::File(file.clone()).read().ok().as_deref(), value, "{content:?}");
        }
        assert!(Source::Environment("CARGO_MANIFEST_DIR".to_owned()).read().is_ok_and(|value| !value.is_empty()));
        assert_eq!(format!("{:?}", Secret::new("slack", "hunter2")), "[secret slack]");
    }
}
