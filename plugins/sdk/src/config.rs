//! The plugin's configuration.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

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

    /// What `read` makes of it, or what was made of it the last time, if that is of the same type: a type is to be read in one way.
    pub(crate) fn once<T: 'static>(self, read: impl FnOnce(&Self) -> Result<T, String>) -> Result<Rc<T>, String> {
        thread_local! {
            /// The last configuration, and what was made of it.
            static LAST: RefCell<Option<(Config, Rc<dyn Any>)>> = const { RefCell::new(None) };
        }
        let last =
            LAST.with_borrow(|last| last.as_ref().filter(|(config, _)| *config == self).map(|(_, made)| made.clone()));
        if let Some(made) = last.and_then(|made| made.downcast().ok()) {
            return Ok(made);
        }
        let made = Rc::new(read(&self)?);
        LAST.set(Some((self, made.clone())));
        Ok(made)
    }

    /// The configuration as the text of one JSON object.
    pub fn text(&self) -> &str {
        &self.text
    }
}
