//! rules.toml: what the operator writes, and what the daemon makes of it.
//!
//! The stages are types, a module each:
//!
//! * `document`: TOML text ─► a tree of values that know where they stand
//! * `read`: the tree ─► authored, or what is wrong with its shape
//! * [`authored`]: what can be written, field by field, with examples
//! * `compile`: authored ─► [`Config`], or what is wrong with its meaning
//! * [`Diagnostics`]: everything that is wrong, with file, line, column and a caret
//!
//! And the words both sides use: [`duration`], [`size`], `name`, [`grants`], [`destination`], [`command`], `settings`.

pub mod address;
pub mod authored;
pub mod command;
mod compile;
pub mod destination;
pub mod diagnostics;
mod document;
pub mod duration;
pub mod grants;
mod name;
pub mod origin;
pub mod path_prefix;
mod read;
pub mod secret;
mod settings;
pub mod size;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::command::Command;
pub use self::destination::{AwsSignature, Destination};
pub use self::diagnostics::{Diagnostic, Diagnostics};
pub use self::grants::{Access, Folder, Grants};
pub use self::secret::Secret;
pub use self::settings::{Instances, Isolation, Limits, PluginSettings};
pub use self::trust::Trust;

use crate::rules::RuleSet;

/// What rules.toml says, checked and ready to use.
///
/// The default is what an empty file says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The types of trials that can be requested, by name.
    pub trials: BTreeMap<String, TrialType>,
    /// What is served at /stacks/; nothing unless it is written.
    pub stacks: Option<Stacks>,
    /// How long events can be read back.
    pub journal: Journal,
    /// What holds for all deliveries.
    pub deliveries: Deliveries,
    /// Which files are believed to be plugins that do not say so themselves; all if there is nothing.
    pub trust: Option<Trust>,
    /// What each plugin may do, by its id. A plugin that is not here has [`PluginSettings::default`].
    pub plugins: BTreeMap<String, PluginSettings>,
    /// The rules.
    pub rules: Arc<RuleSet>,
}

/// A type of trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialType {
    /// How long a trial lives whose request does not say; between the other two.
    pub default_ttl: Duration,
    /// The shortest life that can be requested.
    pub minimum_ttl: Duration,
    /// The longest life that can be requested.
    pub maximum_ttl: Duration,
}

/// The stacks that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stacks {
    /// The folder whose subfolders are served. It need not exist yet.
    pub folder: PathBuf,
}

/// The journal of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// How long an event is kept: a minute to ten years.
    pub retention: Duration,
}

/// What holds for all deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliveries {
    /// The depth of the deepest events that are delivered: 1 to 1000. See [`crate::event::Recorded::depth`].
    pub maximum_depth: u32,
}

/// What is wrong with a short text, such as a duration or a name, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Whether a text can be the id of a plugin: 1 to 63 lower-case letters, digits and `-`, beginning with a letter or digit.
pub fn is_plugin_id(text: &str) -> bool {
    name::PLUGIN.check(text).is_ok()
}

/// What becomes of the secrets and certificates that a file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    /// They are read, and those that are missing are mistakes.
    Read,
    /// They are not looked at, by somebody who sends nothing: a URL of a destination that may receive it stands in for a secret.
    Ignored,
}

impl Config {
    /// Which files are believed to be a plugin; all if there is nothing.
    pub fn trust(&self, plugin: &str) -> Option<&Trust> {
        self.plugins.get(plugin).and_then(|settings| settings.trust.as_ref()).or(self.trust.as_ref())
    }

    /// Reads the file at `path`. Relative paths in it start from its folder, and `${data}` stands for `data`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or for what [`Config::parse`] finds.
    pub fn load(path: &Path, data: &Path) -> Result<Self, Diagnostics> {
        Self::load_with(path, data, Outside::Read)
    }

    /// Reads the file at `path` and no secrets, so that it can be used where the secrets are not, and where nothing is sent. The URL of
    /// the first destination that may receive a secret stands in for it.
    ///
    /// # Errors
    ///
    /// Those of [`Config::load`], but for what is wrong with secrets and certificates.
    pub fn load_without_secrets(path: &Path, data: &Path) -> Result<Self, Diagnostics> {
        Self::load_with(path, data, Outside::Ignored)
    }

    /// Whether it has secrets or certificates in it, which can change without the file.
    pub fn names_secrets(&self) -> bool {
        let mut destinations = self.plugins.values().flat_map(|plugin| &plugin.grants.http);
        destinations
            .any(|destination| destination.all_secrets().next().is_some() || !destination.authorities.is_empty())
    }

    fn load_with(path: &Path, data: &Path, outside: Outside) -> Result<Self, Diagnostics> {
        let file_name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Diagnostics::unreadable(&file_name, &error))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::parse_with(&text, &file_name, folder, data, outside)
    }

    /// Reads the text of a file, and the secrets and certificates that it names. Touches no other file: whether folders exist is
    /// somebody else's question.
    ///
    /// `file_name` is for the messages. Relative paths start from `base`, and `${data}` stands for `data`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the syntax; if nothing is, with the shape and the meaning.
    pub fn parse(text: &str, file_name: &str, base: &Path, data: &Path) -> Result<Self, Diagnostics> {
        Self::parse_with(text, file_name, base, data, Outside::Read)
    }

    fn parse_with(
        text: &str,
        file_name: &str,
        base: &Path,
        data: &Path,
        outside: Outside,
    ) -> Result<Self, Diagnostics> {
        let mut problems = diagnostics::Problems::default();
        let config = document::parse(text, &mut problems).map(|document| {
            let authored = read::config(&document, &mut problems);
            compile::Compiler { text, base, data, outside, problems: &mut problems }.config(authored)
        });
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems.in_file(file_name, text)),
        }
    }
}

impl Default for Journal {
    /// A week.
    fn default() -> Self {
        Self { retention: Duration::from_secs(7 * 24 * 60 * 60) }
    }
}

impl Default for Deliveries {
    /// 32: several times what one request takes from plugin to plugin, and few enough for a loop to end in a moment.
    fn default() -> Self {
        Self { maximum_depth: 32 }
    }
}

impl Complaint {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for Complaint {}
