//! What a call would commit, in words and as JSON.

use serde_json::{Value, json};
use trialbridge::event::Event;
use trialbridge::plugin::effects::Parts;
use trialbridge::storage::Key;
use trialbridge::storage::metric::MetricChange;
use trialbridge::trial::Trial;

use super::super::output::text;

/// As JSON.
pub(super) fn value(parts: &Parts) -> Value {
    let kv = parts.kv.iter().map(|(key, stored)| {
        let (bucket, key) = kv_key(key);
        json!({ "bucket": bucket, "key": key, "value": stored.as_ref().map(|bytes| String::from_utf8_lossy(bytes)) })
    });
    let trials = parts.trials.iter().map(|(stored, new)| changes(stored, new));
    let delayed = parts.delayed.iter().map(|(at, _, event)| json!({ "at": at.to_string(), "event": event }));
    let metrics = parts.metrics.iter().map(|(key, change)| {
        let (name, labels) = series(key);
        let (kind, value) = metric(*change);
        json!({ "name": name, "labels": labels, "change": kind, "value": value })
    });
    json!({
        "kv": kv.collect::<Vec<_>>(),
        "trials": trials.collect::<Vec<_>>(),
        "events": parts.events,
        "delayed": delayed.collect::<Vec<_>>(),
        "cancelled": parts.cancelled.iter().map(timer).collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
    })
}

/// As rows: what, how, and which.
pub(super) fn rows(parts: &Parts) -> Vec<Vec<String>> {
    let row = |what: &str, how: &str, which: String| vec![what.to_owned(), how.to_owned(), text(&Value::String(which))];
    let mut rows = Vec::new();
    for (key, stored) in &parts.kv {
        let (bucket, key) = kv_key(key);
        rows.push(match stored {
            Some(bytes) => row("kv", "set", format!("{bucket}/{key} = {}", String::from_utf8_lossy(bytes))),
            None => row("kv", "delete", format!("{bucket}/{key}")),
        });
    }
    for (stored, new) in &parts.trials {
        let mut changes = changes(stored, new);
        let id = text(&changes["trialId"].take());
        let changes = changes.as_object_mut().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let changes: Vec<String> = changes.map(|(name, value)| format!("{name} = {value}")).collect();
        rows.push(row("trial", "update", format!("{id}: {}", changes.join(", "))));
    }
    let said = |event: &Event| format!("{} {} {}", event.source, event.detail_type, event.detail);
    rows.extend(parts.events.iter().map(|event| row("event", "emit", said(event))));
    rows.extend(parts.delayed.iter().map(|(at, _, event)| row("event", &format!("emit at {at}"), said(event))));
    rows.extend(parts.cancelled.iter().map(|key| row("event", "cancel", timer(key))));
    for (key, change) in &parts.metrics {
        let (name, labels) = series(key);
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let (kind, value) = metric(*change);
        rows.push(row("metric", kind, format!("{name}{{{}}} {value}", labels.join(","))));
    }
    rows
}

/// What is different in a trial, under `trialId`; null is an attribute that is gone.
fn changes(stored: &Trial, new: &Trial) -> Value {
    let mut changes = json!({ "trialId": new.trial_id });
    if stored.status != new.status {
        changes["status"] = json!(new.status);
    }
    for (name, value) in &new.attributes {
        if stored.attributes.get(name) != Some(value) {
            changes[name] = value.clone();
        }
    }
    for name in stored.attributes.keys().filter(|name| !new.attributes.contains_key(*name)) {
        changes[name] = Value::Null;
    }
    changes
}

fn kv_key(key: &Key) -> (&str, &str) {
    match key {
        Key::Kv { bucket, key } => (bucket, key),
        _ => ("", ""),
    }
}

fn timer(key: &Key) -> String {
    match key {
        Key::Timer { due, id, .. } => format!("{}-{id}", due.as_millis()),
        other => other.to_string(),
    }
}

fn series(key: &Key) -> (&str, Vec<(String, String)>) {
    match key {
        Key::Metric { name, labels, .. } => (name, serde_json::from_str(labels).unwrap_or_default()),
        _ => ("", Vec::new()),
    }
}

fn metric(change: MetricChange) -> (&'static str, Value) {
    match change {
        MetricChange::Count(add) => ("count", json!(add)),
        MetricChange::Set(value) => ("set", json!(value)),
        MetricChange::Add(add) => ("add", json!(add)),
        MetricChange::Observe(value) => ("observe", json!(value)),
    }
}
