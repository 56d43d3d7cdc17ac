//! Events: EventBridge's envelope, as it is published, stored and delivered.

mod delayed;
mod journal;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

pub use self::delayed::Delayed;
pub use self::journal::{Cause, Recorded};

use crate::clock::Timestamp;

/// The source of what the daemon itself has to say.
pub const DAEMON_SOURCE: &str = "trialbridge";

/// The source of the events of trials, as the first system sent them.
pub const TRIAL_SOURCE: &str = "OnlineTrial";

/// The account that events carry whose sender names none.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// The region that events carry whose sender names none.
pub const DEFAULT_REGION: &str = "local";

/// The largest detail, in bytes: EventBridge's limit for an event.
pub const MAX_DETAIL: usize = 256 * 1024;

/// An event. As JSON it is the envelope that EventBridge delivers:
///
/// ```json
/// {"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"TrialRequested","source":"OnlineTrial",
///  "account":"111122223333","time":"2020-05-13T14:19:39Z","region":"us-east-1","resources":[],"detail":{}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Always "0": the version of the envelope.
    #[serde(default = "envelope_version")]
    version: String,
    /// A UUID, unique to the event.
    pub id: String,
    /// What happened.
    pub detail_type: String,
    /// Who says so.
    pub source: String,
    /// The account, twelve digits.
    pub account: String,
    /// When, to the second.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    /// The region.
    pub region: String,
    /// What it is about; often empty.
    pub resources: Vec<String>,
    /// The detail: the text of one JSON object.
    pub detail: Box<RawValue>,
}

/// Why an event is refused.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Error {
    /// The field that is wrong, as the sender wrote it.
    pub field: &'static str,
    /// What is wrong with it and what it should be.
    pub message: String,
}

impl Event {
    /// An event that happens at `now`.
    pub fn new(source: &str, detail_type: &str, now: Timestamp, detail: Box<RawValue>) -> Self {
        Self {
            version: envelope_version(),
            id: Uuid::new_v4().to_string(),
            detail_type: detail_type.to_owned(),
            source: source.to_owned(),
            account: DEFAULT_ACCOUNT.to_owned(),
            time: now,
            region: DEFAULT_REGION.to_owned(),
            resources: Vec::new(),
            detail,
        }
    }

    /// An event that the daemon itself sends at `now`.
    pub fn of_daemon(detail_type: &str, now: Timestamp, detail: &impl Serialize) -> Self {
        Self::new(DAEMON_SOURCE, detail_type, now, raw(detail))
    }

    /// Reads what somebody publishes: an envelope in which everything but `source`, `detail-type` and `detail` may be
    /// left out, and which is completed with a new id and the time `now`.
    ///
    /// # Errors
    ///
    /// Names the field that is missing, unknown, of the wrong type or too long, or the source that is reserved.
    pub fn published(json: &[u8], now: Timestamp) -> Result<Self, Error> {
        let event = Self::read(json, now)?;
        if event.source == DAEMON_SOURCE || event.source.starts_with("aws.") {
            let message = format!("`{}` is reserved; choose another source", event.source);
            return Err(Error { field: "source", message });
        }
        Ok(event)
    }

    /// Reads an envelope as [`Event::published`] does, whoever sends it.
    ///
    /// # Errors
    ///
    /// Names the field that is missing, unknown, of the wrong type or too long.
    pub fn read(json: &[u8], now: Timestamp) -> Result<Self, Error> {
        let draft: Draft = serde_json::from_slice(json)
            .map_err(|error| Error { field: "body", message: format!("not an event: {error}") })?;
        let event = Self {
            version: envelope_version(),
            id: draft.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            account: draft.account.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
            time: match draft.time {
                Some(time) => time.parse().map_err(|_| Error {
                    field: "time",
                    message: format!("`{time}` is not a time; write it like 2020-05-13T14:19:39Z"),
                })?,
                None => now,
            },
            region: draft.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            resources: draft.resources,
            detail_type: draft.detail_type,
            source: draft.source,
            detail: draft.detail,
        };
        event.check()?;
        Ok(event)
    }

    /// Checks what the type does not: lengths, and that the detail is an object.
    ///
    /// # Errors
    ///
    /// Names the field.
    pub fn check(&self) -> Result<(), Error> {
        length("source", &self.source, 256)?;
        length("detail-type", &self.detail_type, 128)?;
        length("id", &self.id, 128)?;
        let detail = self.detail.get();
        if !detail.starts_with('{') {
            return Err(Error { field: "detail", message: "must be a JSON object".to_owned() });
        }
        if detail.len() > MAX_DETAIL {
            let message = format!("has {} bytes, and at most {MAX_DETAIL} are allowed", detail.len());
            return Err(Error { field: "detail", message });
        }
        Ok(())
    }

    /// The envelope as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event is made of texts")
    }
}

/// Any value as JSON text.
///
/// # Panics
///
/// If the value cannot be written as JSON, which maps with other keys than texts cannot.
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("the value is made of what JSON knows")
}

/// An event as its sender writes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Draft {
    #[serde(rename = "version")]
    _version: Option<serde::de::IgnoredAny>,
    id: Option<String>,
    detail_type: String,
    source: String,
    account: Option<String>,
    time: Option<String>,
    region: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail: Box<RawValue>,
}

fn length(field: &'static str, text: &str, most: usize) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error { field, message: "must not be empty".to_owned() });
    }
    if text.len() > most {
        let message = format!("has {} bytes, and at most {most} are allowed", text.len());
        return Err(Error { field, message });
    }
    Ok(())
}

fn envelope_version() -> String {
    "0".to_owned()
}

mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::clock::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
