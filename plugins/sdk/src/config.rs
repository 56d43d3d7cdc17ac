//! The plugin's configuration.

use serde::de::DeserializeOwned;

use crate::detail::deserialize;

/// `[plugins.NAME.config]` of rules.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    text: String,
}

impl Config {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    /// The configuration as a type of your own. Derive `Deserialize` with `deny_unknown_fields` and `rename_all = "kebab-case"`, and
    /// give what may be left out a default.
    ///
    /// # Errors
    ///
    /// What does not fit; names the field.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        deserialize(&self.text)
    }

    /// The configuration as the text of one JSON object.
    pub fn text(&self) -> &str {
        &self.text
    }
}
