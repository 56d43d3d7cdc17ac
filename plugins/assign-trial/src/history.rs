//! What happened in an execution, kept for whoever asks: `trialbridge trial history`, `GET /trials/ID/history`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use trialbridge_plugin::{Failure, Host, NewEvent, permanent};
use trialbridge_states::{Entry, What};

/// The bucket that the daemon shows the histories of trials from. A key is `TRIAL/PLUGIN`.
pub(crate) const HISTORY: &str = "history";

/// What this plugin tells itself when a history is to be forgotten.
pub(crate) const OUTDATED: &str = "HistoryOutdated";

/// How many entries are kept of an execution: the latest.
const MOST_ENTRIES: usize = 200;

/// The longest input and output that is kept, in bytes of JSON. Of longer ones the beginning is.
const LONGEST_VALUE: usize = 500;

/// What a placeholder of a secret begins with.
const PLACEHOLDER: &str = "secret-";

/// How long the history of an execution is kept that was stopped because its trial ended.
const KEPT_AFTER_THE_TRIAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The history of a trial's execution.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// What happened, the oldest first: `at` in milliseconds since the epoch, `state`, `event`, and what belongs to that.
    entries: Vec<Box<RawValue>>,
    /// How many entries there were before these.
    #[serde(default)]
    omitted: usize,
}

/// Adds to the history of a trial.
pub(crate) fn append(host: &Host, trial_id: &str, entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let key = key(host, trial_id);
    let bucket = host.kv(HISTORY);
    let mut history = bucket.get::<History>(&key)?.unwrap_or_default();
    // What states give on stands there once, until another one gives on something else.
    let mut given_on = None;
    for entry in entries {
        let given = match &entry.what {
            What::ExecutionStarted { input } => Some(("ExecutionStarted", input)),
            What::StateEntered { input } => Some(("StateEntered", input)),
            What::StateExited { output } => Some(("StateExited", output)),
            What::ExecutionSucceeded { output } => Some(("ExecutionSucceeded", output)),
            _ => None,
        };
        let repeating = given.filter(|(_, data)| given_on == Some(*data)).map(|(event, _)| event);
        history.entries.push(shown(entry, repeating)?);
        given_on = given.map(|(_, data)| data).or(given_on);
    }
    let surplus = history.entries.len().saturating_sub(MOST_ENTRIES);
    history.entries.drain(..surplus);
    history.omitted += surplus;
    Ok(bucket.set(&key, &history)?)
}

/// Forgets the history of a trial.
pub(crate) fn forget(host: &Host, trial_id: &str) -> Result<(), Failure> {
    Ok(host.kv(HISTORY).delete(&key(host, trial_id))?)
}

/// Forgets it in a day.
pub(crate) fn forget_later(host: &Host, source: &str, trial_id: &str) -> Result<(), Failure> {
    let event = NewEvent::new(source, OUTDATED, json!({ "trialId": trial_id }));
    host.emit_after(event, KEPT_AFTER_THE_TRIAL)?;
    Ok(())
}

fn key(host: &Host, trial_id: &str) -> String {
    format!("{trial_id}/{}", host.delivery().target)
}

/// An entry whose values are short, and without the placeholders of secrets, which nobody is to know. Its input or output is left out if it is `repeating`
/// what stands above it; then that is the name of what happened.
fn shown(entry: &Entry, repeating: Option<&str>) -> Result<Box<RawValue>, Failure> {
    let unreadable = |error: serde_json::Error| permanent(format!("an entry of the history cannot be kept: {error}"));
    let whole = match repeating {
        Some(event) => to_raw_value(&json!({ "at": entry.at, "state": entry.state, "event": event })),
        None => to_raw_value(entry),
    };
    let whole = whole.map_err(unreadable)?;
    let is_short = whole.get().len() <= LONGEST_VALUE;
    if is_short && !whole.get().contains(PLACEHOLDER) {
        return Ok(whole);
    }
    let mut text = masked(whole.get());
    if !is_short {
        let mut members: Map<String, Value> = serde_json::from_str(&text).map_err(unreadable)?;
        for name in ["input", "output"] {
            let Some(value) = members.get_mut(name) else { continue };
            let whole = value.to_string();
            if whole.len() > LONGEST_VALUE {
                let end = whole.floor_char_boundary(LONGEST_VALUE);
                *value = json!(format!("{}... ({} bytes)", &whole[..end], whole.len()));
            }
        }
        text = json!(members).to_string();
    }
    RawValue::from_string(text).map_err(unreadable)
}

/// A text without placeholders: they are words that begin with [`PLACEHOLDER`] and have 32 hexadecimal digits.
fn masked(text: &str) -> String {
    let is_digest = |part: &str| part.len() >= 32 && part.bytes().take(32).all(|byte| byte.is_ascii_hexdigit());
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(PLACEHOLDER) {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let end = rest[at..].find(ends).map_or(rest.len(), |length| at + length);
        let word = &rest[at..end];
        shown.push_str(&rest[..at]);
        shown.push_str(if word.split(['-', '_']).any(is_digest) { "[secret]" } else { word });
        rest = &rest[end..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_not_shown() {
        let digest = "0123456789abcdef0123456789abcdef";
        let text = format!(
            r#"{{"a":"Bearer secret-token-{digest}","b":"https://secret-hook-{digest}/x","c":"a secret-garden"}}"#
        );
        assert_eq!(masked(&text), r#"{"a":"Bearer [secret]","b":"https://[secret]/x","c":"a secret-garden"}"#);
    }
}
