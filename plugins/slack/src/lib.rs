//! Tells a channel of Slack what happened: `TrialAssigned` and `TrialAssignmentFailed`, and any other event that the configuration has a
//! message for.
//!
//! # Configuration
//!
//! | field | |
//! |---|---|
//! | `webhook` | the URL of an incoming webhook, a secret |
//! | `token`, `channel` | instead of it, a bot's token, a secret, and where it writes: `chat.postMessage` is used then |
//! | `api` | where Slack's methods are, for a token; `https://slack.com/api` |
//! | `remember-days` | how long it is known what was sent; 7 |
//! | `messages.DETAIL-TYPE` | what is said: `text`, and perhaps `header`, `sections`, `fields` and `context` |
//!
//! All texts of a message are templates in Slack's markup. `{{detail.NAME}}` is a field of the detail, `{{input.NAME}}` one of what the rule makes of the
//! event, `{{id}}`, `{{source}}`, `{{detail-type}}`, `{{time}}`, `{{account}}`, `{{region}}` and `{{rule}}` are what they say, and `{{detail.NAME|date}}` is a
//! time as the reader's clock has it. What is filled in is escaped, so that no event can mention anybody. A text none of whose placeholders has
//! a value is left out, and what exceeds Slack's limits is shortened.
//!
//! The schedule of a rule that leads here is the plugin's clock, by which it forgets what it sent long ago; it is not told.
//!
//! # How often
//!
//! Once for each event, whatever rules send it here and whoever redrives it, as long as it is remembered. With `concurrency = 1` one instance does it all, and
//! knows what it sent even if that is not committed yet. Slack knows no idempotency keys, so this remains: a message is there twice if its
//! answer is lost, or the daemon is killed (or the instance replaced) between Slack's having taken it and the commit. No message is lost: what cannot be sent is tried again, or is a dead letter that says why.

mod config;
mod message;
mod pace;
mod send;
mod sent;
mod template;
#[cfg(test)]
mod tests;
mod text;

use trialbridge_plugin::{Access, Description, Event, Failure, Host, Plugin};

use crate::config::Config;
use crate::template::Source;

/// The plugin.
#[derive(Debug)]
pub struct Slack;

trialbridge_plugin::export!(Slack);

impl Plugin for Slack {
    fn describe() -> Description {
        let version = env!("CARGO_PKG_VERSION");
        Description::new("tells Slack what happened", version).kv(sent::BUCKET, Access::ReadWrite).http()
    }

    fn check_config(config: &trialbridge_plugin::Config) -> Result<(), String> {
        Config::parse(config).map(drop)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let config = Config::read(host)?;
        if event.kind() == ("trialbridge", "Scheduled Event") {
            return Ok(sent::forget(host, config.remember)?);
        }
        let Some(message) = config.messages.get(&event.detail_type) else {
            let fields = [("source", event.source.as_str()), ("detail-type", event.detail_type.as_str())];
            host.warn(
                "ignored an event that there is no message for; add one, or narrow the rule that sends it",
                &fields,
            );
            return Ok(());
        };
        if sent::is_noted(event, host)? {
            return Ok(());
        }
        if !sent::is_remembered(event) {
            let message = message.fill(&Source::new(event, host)?, &event.detail_type);
            send::send(host, &config.way, message)?;
            sent::remember(event);
        }
        Ok(sent::note(event, host)?)
    }
}
