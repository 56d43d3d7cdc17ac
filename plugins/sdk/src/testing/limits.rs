//! What the daemon refuses, whatever is granted.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::{Error, NewEvent};

/// The most operations of one handling.
pub(super) const MAX_OPERATIONS: usize = 240;

/// The most bytes that one handling writes.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// The most keys that one handling depends on.
pub(super) const MAX_READS: usize = 10_000;

/// The most bytes in one list.
pub(super) const MAX_LIST: usize = 1 << 20;

/// The most series of a plugin.
pub(super) const MAX_SERIES: usize = 1000;

/// The longest delay, in milliseconds: 366 days.
const MAX_DELAY: u64 = 366 * 24 * 60 * 60 * 1000;

/// The largest value, and the largest detail, in bytes.
const MAX_VALUE: usize = 256 * 1024;

/// The names of a trial's own fields.
const FIELDS: [&str; 7] = ["trialId", "leadId", "type", "status", "requestedAt", "expiresAt", "version"];

pub(super) fn key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > 512 || key.contains('\0') {
        return Err(Error::Invalid(format!("key: {key:?} is not 1 to 512 bytes without NUL")));
    }
    Ok(())
}

pub(super) fn value(value: &[u8]) -> Result<(), Error> {
    if value.len() > MAX_VALUE {
        let size = value.len();
        return Err(Error::Limit(format!("the value has {size} bytes, and at most {MAX_VALUE} are allowed")));
    }
    Ok(())
}

pub(super) fn page(limit: u32) -> Result<(), Error> {
    if !(1..=1000).contains(&limit) {
        return Err(Error::Invalid(format!("limit: {limit} is not between 1 and 1000")));
    }
    Ok(())
}

pub(super) fn delay(millis: u64) -> Result<(), Error> {
    if millis > MAX_DELAY {
        return Err(Error::Invalid("delay-ms: is longer than 366 days".to_owned()));
    }
    Ok(())
}

/// The text of the event's detail, if the event can be emitted.
pub(super) fn event(event: &NewEvent) -> Result<&str, Error> {
    let invalid = |text: String| Err(Error::Invalid(text));
    for (field, text, most) in [("source", &event.source, 256), ("detail-type", &event.detail_type, 128)] {
        if text.is_empty() || text.len() > most {
            return invalid(format!("{field}: has {} bytes, and must have 1 to {most}", text.len()));
        }
    }
    let detail = match &event.detail {
        Ok(detail) => detail,
        Err(reason) => return invalid(format!("detail: {reason}")),
    };
    if !detail.starts_with('{') || serde_json::from_str::<IgnoredAny>(detail).is_err() {
        return invalid("detail: must be a JSON object".to_owned());
    }
    if detail.len() > MAX_VALUE {
        return invalid(format!("detail: has {} bytes, and at most {MAX_VALUE} are allowed", detail.len()));
    }
    Ok(detail)
}

pub(super) fn status(status: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if status.is_empty() || status.len() > 64 || !status.chars().all(fits) {
        return Err(Error::Invalid(format!("status: {status:?} is not 1 to 64 characters of A-Z, 0-9 and _")));
    }
    Ok(())
}

pub(super) fn attributes(changes: &Map<String, Value>) -> Result<(), Error> {
    match changes.keys().find(|name| FIELDS.contains(&name.as_str())) {
        Some(name) => Err(Error::Invalid(format!("attributes: `{name}` is a field of the trial, not an attribute"))),
        None => Ok(()),
    }
}

/// Checks the name of a metric and its labels, which are sorted.
pub(super) fn series(name: &str, labels: &[(String, String)]) -> Result<(), Error> {
    if !is_name(name) || name.starts_with("trialbridge_") {
        let message = format!("name: {name:?} is not [a-z][a-z0-9_]* without the prefix trialbridge_");
        return Err(Error::Invalid(message));
    }
    for (label, value) in labels {
        if !is_name(label) || matches!(label.as_str(), "plugin" | "le") || value.len() > 256 {
            let message = format!("labels: {label:?} is not a label, or its value is longer than 256 bytes");
            return Err(Error::Invalid(message));
        }
    }
    if labels.len() > 16 || labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Invalid("labels: more than 16, or one twice".to_owned()));
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
