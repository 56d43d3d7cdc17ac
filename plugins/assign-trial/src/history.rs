//! What happened in an execution, kept for whoever asks: `trialbridge trial history`, `GET /trials/ID/history`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trialbridge_plugin::{Failure, Host, NewEvent};
use trialbridge_states::Entry;

/// The bucket that the daemon shows the histories of trials from. A key is `TRIAL/PLUGIN`.
pub(crate) const HISTORY: &str = "history";

/// What this plugin tells itself when a history is to be forgotten.
pub(crate) const OUTDATED: &str = "HistoryOutdated";

/// How many entries are kept of an execution: the latest.
const MOST_ENTRIES: usize = 200;

/// The longest input and output that is kept, in bytes of JSON. Of longer ones the beginning is.
const LONGEST_VALUE: usize = 500;

/// How long the history of an execution is kept that was stopped because its trial ended.
const KEPT_AFTER_THE_TRIAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The history of a trial's execution.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// What happened, the oldest first: `at` in milliseconds since the epoch, `state`, `event`, and what belongs to that.
    entries: Vec<Value>,
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
    history.entries.extend(entries.iter().map(shortened));
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

/// An entry whose values are short.
fn shortened(entry: &Entry) -> Value {
    let mut entry = json!(entry);
    for name in ["input", "output"] {
        let text = entry.get(name).map(Value::to_string).unwrap_or_default();
        if text.len() > LONGEST_VALUE {
            let end = text.floor_char_boundary(LONGEST_VALUE);
            entry[name] = json!(format!("{}... ({} bytes)", &text[..end], text.len()));
        }
    }
    entry
}
