//! Counts how often each lead asks for a trial, and greets those who come back.

#[cfg(test)]
mod tests;

use serde_json::json;
use trialbridge_plugin::{Access, Description, Event, Failure, Host, NewEvent, Plugin};

/// The bucket that holds how often each lead has come, and the source of what is emitted.
const NAME: &str = "{{name}}";

/// The plugin.
pub struct Greeter;

trialbridge_plugin::export!(Greeter);

impl Plugin for Greeter {
    /// What is not granted in rules.toml keeps it from being loaded.
    fn describe() -> Description {
        Description::new("greets leads who come back", env!("CARGO_PKG_VERSION"))
            .kv(NAME, Access::ReadWrite)
            .emit(NAME)
    }

    /// What it writes and emits is committed when it returns, all or nothing.
    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let detail = event.detail()?;
        let lead = detail.text("leadId")?;
        let leads = host.kv(NAME);
        let times = leads.get::<u64>(lead)?.unwrap_or(0) + 1;
        leads.set(lead, &times)?;
        if times > 1 {
            host.emit(NewEvent::new(NAME, "LeadReturned", &json!({ "leadId": lead, "times": times })))?;
            host.info("a lead has come back", &[("lead", lead)]);
        }
        Ok(())
    }
}
