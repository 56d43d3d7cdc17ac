//! The histories of trials: what plugins note of what they do for one.
//!
//! A plugin that is granted the bucket [`BUCKET`] keeps one under `TRIAL/PLUGIN`, a JSON object: `entries`, the oldest first, each
//! with `at` (milliseconds since the epoch), `event` and whatever else there is to say, and `omitted`, how many there were before those. How
//! long it is and how long it is kept is for the plugin to say.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::storage::{Error, Key, KeyRange, Storage};

/// The bucket of the histories.
pub const BUCKET: &str = "history";

/// How many plugins' histories are shown of one trial.
const MOST_PLUGINS: usize = 100;

/// What is known of a trial's past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What happened, the oldest first: `at` in seconds since the epoch, `plugin`, `event`, and what belongs to that.
    pub entries: Vec<Map<String, Value>>,
    /// How many entries there were before these.
    pub omitted: u64,
}

/// A history as a plugin keeps it.
#[derive(Deserialize)]
struct Kept {
    entries: Vec<Map<String, Value>>,
    #[serde(default)]
    omitted: u64,
}

/// The history of a trial; nothing if no plugin keeps one.
///
/// # Errors
///
/// When the store fails.
pub fn read(storage: &dyn Storage, trial_id: &str) -> Result<Option<History>, Error> {
    let prefix = format!("{trial_id}/");
    let mut histories = Vec::new();
    for (key, stored) in storage.scan(&KeyRange::kv(BUCKET, &prefix), MOST_PLUGINS)? {
        let Key::Kv { key, .. } = key else { continue };
        match serde_json::from_slice::<Kept>(&stored.value) {
            Ok(kept) => histories.push((key[prefix.len()..].to_owned(), kept)),
            Err(error) => tracing::warn!(key, %error, "a history is not what is shown of trials"),
        }
    }
    if histories.is_empty() {
        return Ok(None);
    }
    let mut history = History::default();
    for (plugin, kept) in histories {
        history.omitted += kept.omitted;
        history.entries.extend(kept.entries.into_iter().map(|mut entry| {
            entry.insert("plugin".to_owned(), json!(plugin));
            entry
        }));
    }
    let at = |entry: &Map<String, Value>| entry.get("at").and_then(Value::as_u64).unwrap_or_default();
    // Stable: what one plugin notes at one time stays in its order.
    history.entries.sort_by_key(at);
    for entry in &mut history.entries {
        let seconds = at(entry) as f64 / 1000.0;
        entry.insert("at".to_owned(), json!(seconds));
    }
    Ok(Some(history))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Commit, MemoryStorage, Write};

    #[tokio::test]
    async fn the_histories_of_all_plugins_are_one() {
        let storage = MemoryStorage::new();
        for (key, value) in [
            (
                "t1/a",
                json!({ "entries": [{ "at": 1000, "event": "one" }, { "at": 3000, "event": "three" }], "omitted": 2 }),
            ),
            ("t1/b", json!({ "entries": [{ "at": 1500, "event": "two" }] })),
            ("t1/c", json!("something else")),
            ("t11/a", json!({ "entries": [{ "at": 1, "event": "of another" }] })),
        ] {
            let key = Key::Kv { bucket: BUCKET.to_owned(), key: key.to_owned() };
            let writes = vec![Write::Put(key, value.to_string().into())];
            storage.commit(Commit { writes, ..Commit::default() }).await.expect("the store takes it");
        }
        let history = read(&storage, "t1").expect("the store answers").expect("there is one");
        let entries: Vec<_> =
            history.entries.iter().map(|entry| json!([entry["at"], entry["plugin"], entry["event"]])).collect();
        assert_eq!(entries, [json!([1.0, "a", "one"]), json!([1.5, "b", "two"]), json!([3.0, "a", "three"])]);
        assert_eq!(history.omitted, 2);
        assert_eq!(read(&storage, "t").expect("the store answers"), None);
    }
}
