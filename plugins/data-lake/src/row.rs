//! An event as a row of the lake.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trialbridge_plugin::{Event, Failure, permanent};

/// A row: a line of JSON Lines, and what the columns of Parquet are made from. A later version may add members, which
/// rows of before do not have: everything but the envelope is optional.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    /// RFC 3339, UTC, as are the other times.
    pub(crate) time: String,
    pub(crate) source: String,
    pub(crate) detail_type: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) trial_id: Option<String>,
    pub(crate) lead_id: Option<String>,
    #[serde(rename = "type")]
    pub(crate) trial_type: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) requested_at: Option<String>,
    pub(crate) expires_at: Option<String>,
    /// The text of a JSON object.
    pub(crate) detail: String,
}

impl Row {
    /// The row of an event. What the detail does not have, or has of another type, is nothing there; it is still in `detail`.
    ///
    /// # Errors
    ///
    /// Permanent if the event has no detail or no time.
    pub(crate) fn new(event: &Event) -> Result<Self, Failure> {
        millis(&event.time).ok_or_else(|| permanent(format!("the time {:?} is not in RFC 3339", event.time)))?;
        let detail = event.detail()?;
        let text = |name| detail.get(name).and_then(Value::as_str).map(str::to_owned);
        let time = |name| {
            let seconds = detail.get(name).and_then(Value::as_f64)?;
            #[expect(clippy::cast_possible_truncation, reason = "what is beyond the range of a time has no time")]
            let time = DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)?;
            Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
        };
        Ok(Self {
            sequence: event.sequence,
            id: event.id.clone(),
            time: event.time.clone(),
            source: event.source.clone(),
            detail_type: event.detail_type.clone(),
            account: event.account.clone(),
            region: event.region.clone(),
            trial_id: text("trialId"),
            lead_id: text("leadId"),
            trial_type: text("type"),
            status: text("status"),
            requested_at: time("requestedAt"),
            expires_at: time("expiresAt"),
            detail: event.detail_text().to_owned(),
        })
    }

    /// The folder of the row: `detail-type=TrialAssigned/date=2026-11-23`.
    pub(crate) fn partition(&self) -> String {
        let date = self.time.get(..10).unwrap_or_default();
        format!("detail-type={}/date={date}", escape(&self.detail_type))
    }
}

/// Milliseconds since the epoch of a time in RFC 3339.
pub(crate) fn millis(time: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp_millis())
}

/// What may be in names of files and in URLs as it is; every other byte as `%20`, which readers of Hive's folders undo.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        // A name of dots alone would be another folder.
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && index > 0) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
