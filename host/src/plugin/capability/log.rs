//! `log`: lines for the daemon's log.

use crate::plugin::bindings::trialbridge::plugin::log::{Host, Level};
use crate::plugin::guest::Guest;

impl Host for Guest {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let size = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.output.spend(size.max(1))?;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        let (fields, message) = (self.egress.redactor.text(&fields), self.egress.redactor.text(&message));
        let delivery = self.current.as_ref().map_or("", |current| current.call.delivery.as_str());
        let plugin = self.plugin.as_str();
        match level {
            Level::Trace => tracing::trace!(target: "trialbridge::guest", plugin, delivery, %fields, "{message}"),
            Level::Debug => tracing::debug!(target: "trialbridge::guest", plugin, delivery, %fields, "{message}"),
            Level::Info => tracing::info!(target: "trialbridge::guest", plugin, delivery, %fields, "{message}"),
            // A guest's error is not the host's: to the operator of the daemon it is a warning.
            Level::Warn | Level::Error => {
                tracing::warn!(target: "trialbridge::guest", plugin, delivery, %fields, "{message}");
            }
        }
        Ok(())
    }
}
