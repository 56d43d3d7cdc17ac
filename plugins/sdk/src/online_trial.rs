//! The events of trials, typed.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::detail::{Detail, seconds};
use crate::{Event, Failure};

/// What happened to a trial: an event of source `OnlineTrial`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OnlineTrial {
    /// A lead asked for a trial.
    TrialRequested(TrialDetail),
    /// The trial got its stack: `url` and `stack_id` are there.
    TrialAssigned(TrialDetail),
    /// The trial got none: `reason` is there.
    TrialAssignmentFailed(TrialDetail),
    /// The trial may live longer: `expires_at` has moved.
    TrialExtended(TrialDetail),
    /// The trial's time is over.
    TrialExpired(TrialDetail),
    /// Somebody ended the trial before its time.
    TrialCancelled(TrialDetail),
    /// Another event, of this source or another.
    Other,
}

/// The detail of an event about a trial.
///
/// It serializes to what it was read from, so an event that is to follow it in time drops nothing: change what has
/// changed and emit it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialDetail {
    /// The version of the form, `1.0`.
    pub version: String,
    /// The trial.
    pub trial_id: String,
    /// The lead who asked for it.
    pub lead_id: String,
    /// The type of trial, one of those in rules.toml. The wire calls it `type`.
    pub trial_type: String,
    /// When it was asked for, in milliseconds since the epoch. The wire has seconds.
    pub requested_at: u64,
    /// `REQUESTED`, `ASSIGNED`, `FAILED`, or what else a plugin sets.
    pub status: String,
    /// When it ends, in milliseconds since the epoch. The wire has seconds.
    pub expires_at: Option<u64>,
    /// Where its stack answers.
    pub url: Option<String>,
    /// Its stack.
    pub stack_id: Option<String>,
    /// Why it has none.
    pub reason: Option<String>,
    /// Every other member, as it came.
    pub others: Map<String, Value>,
}

impl OnlineTrial {
    /// The source of the events of trials.
    pub const SOURCE: &str = "OnlineTrial";

    /// The detail; nothing for [`OnlineTrial::Other`].
    pub fn detail(&self) -> Option<&TrialDetail> {
        match self {
            Self::TrialRequested(detail)
            | Self::TrialAssigned(detail)
            | Self::TrialAssignmentFailed(detail)
            | Self::TrialExtended(detail)
            | Self::TrialExpired(detail)
            | Self::TrialCancelled(detail) => Some(detail),
            Self::Other => None,
        }
    }

    pub(crate) fn read(event: &Event) -> Result<Self, Failure> {
        let variant = match event.kind() {
            (Self::SOURCE, "TrialRequested") => Self::TrialRequested,
            (Self::SOURCE, "TrialAssigned") => Self::TrialAssigned,
            (Self::SOURCE, "TrialAssignmentFailed") => Self::TrialAssignmentFailed,
            (Self::SOURCE, "TrialExtended") => Self::TrialExtended,
            (Self::SOURCE, "TrialExpired") => Self::TrialExpired,
            (Self::SOURCE, "TrialCancelled") => Self::TrialCancelled,
            _ => return Ok(Self::Other),
        };
        TrialDetail::read(event.detail()?).map(variant)
    }
}

impl TrialDetail {
    /// Reads the members that every event about a trial has, and those that later ones add.
    ///
    /// # Errors
    ///
    /// Permanent if one is missing or odd; names it.
    pub fn read(detail: Detail<'_>) -> Result<Self, Failure> {
        let optional = |name| Ok::<_, Failure>(detail.optional_text(name)?.map(str::to_owned));
        let mut read = Self {
            version: optional("version")?.unwrap_or_else(|| "1.0".to_owned()),
            trial_id: detail.text("trialId")?.to_owned(),
            lead_id: detail.text("leadId")?.to_owned(),
            trial_type: detail.text("type")?.to_owned(),
            requested_at: millis(detail.seconds("requestedAt")?),
            status: detail.text("status")?.to_owned(),
            expires_at: detail.optional_seconds("expiresAt")?.map(millis),
            url: optional("url")?,
            stack_id: optional("stackId")?,
            reason: optional("reason")?,
            others: Map::new(),
        };
        read.others = detail.into_members();
        for name in read.known().keys() {
            read.others.shift_remove(name);
        }
        Ok(read)
    }

    /// The members as events carry them.
    pub fn members(&self) -> Map<String, Value> {
        let mut members = self.known();
        for (name, value) in &self.others {
            // What is known now may have been `null` before.
            members.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        members
    }

    /// The members that have a field here and a value.
    fn known(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("version".to_owned(), json!(self.version));
        members.insert("trialId".to_owned(), json!(self.trial_id));
        members.insert("leadId".to_owned(), json!(self.lead_id));
        members.insert("type".to_owned(), json!(self.trial_type));
        members.insert("requestedAt".to_owned(), seconds(self.requested_at));
        members.insert("status".to_owned(), json!(self.status));
        members.extend(self.expires_at.map(|at| ("expiresAt".to_owned(), seconds(at))));
        let texts = [("url", &self.url), ("stackId", &self.stack_id), ("reason", &self.reason)];
        members.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))));
        members
    }
}

impl Serialize for TrialDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members().serialize(serializer)
    }
}

/// The daemon's times are milliseconds, so that nothing is lost.
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(detail_type: &str, detail: &Value) -> Result<OnlineTrial, Failure> {
        let envelope = |text: &str| text.to_owned();
        OnlineTrial::read(&Event {
            sequence: 1,
            id: envelope("event"),
            source: envelope("OnlineTrial"),
            detail_type: envelope(detail_type),
            time: envelope("2020-05-13T14:19:39Z"),
            account: envelope("000000000000"),
            region: envelope("local"),
            resources: Vec::new(),
            detail: detail.to_string(),
        })
    }

    #[test]
    fn what_is_read_is_passed_on_whole() {
        let detail = json!({
            "version": "1.0", "trialId": "40ea41b6", "leadId": "1234567890", "type": "ACS", "requestedAt": 1_589_379_579,
            "status": "ASSIGNED", "expiresAt": 1_589_379_639.5, "url": null, "stackId": "acs-1",
            "progress": { "since": 1_589_379_579.25 }, "campaign": null,
        });
        let Ok(OnlineTrial::TrialAssigned(mut trial)) = read("TrialAssigned", &detail) else { panic!("{detail}") };
        assert_eq!((trial.requested_at, trial.expires_at), (1_589_379_579_000, Some(1_589_379_639_500)));
        assert_eq!((trial.url.as_ref(), trial.others.len()), (None, 3));
        assert_eq!(json!(trial), detail);
        trial.url = Some("/stacks/acs-1/".to_owned());
        assert_eq!(json!(trial)["url"], "/stacks/acs-1/");
    }

    #[test]
    fn other_events_are_not_looked_into() {
        assert_eq!(read("TrialMentioned", &json!({})), Ok(OnlineTrial::Other));
        let reason = "the detail of TrialExpired has no `trialId`";
        assert_eq!(read("TrialExpired", &json!({})), Err(crate::permanent(reason)));
    }
}
