//! `config`: the plugin's own part of rules.toml.

use crate::plugin::bindings::trialbridge::plugin::config::Host;
use crate::plugin::guest::Guest;

impl Host for Guest {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.egress.placeholders.show(serde_json::to_string(&self.settings.config)?))
    }
}
