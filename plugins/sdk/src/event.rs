//! Events and deliveries: those that arrive, and those to emit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::detail::{Detail, deserialize};
use crate::{Failure, OnlineTrial, permanent};

/// An event as it stands in the journal: EventBridge's envelope, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Place in the journal. Sequences ascend in the order of commits, without gaps.
    pub sequence: u64,
    /// A UUID, unique to this event.
    pub id: String,
    /// Who sent it: `OnlineTrial`, the name of a plugin, `trialbridge`.
    pub source: String,
    /// What happened: `TrialRequested`.
    pub detail_type: String,
    /// When, in RFC 3339 and UTC, to the second: `2020-05-13T14:19:39Z`.
    pub time: String,
    /// The account of the envelope, twelve digits.
    pub account: String,
    /// The region of the envelope.
    pub region: String,
    /// The resources of the envelope; often none.
    pub resources: Vec<String>,
    /// The detail: the text of one JSON object.
    pub(crate) detail: String,
}

/// One obligation: this event, for this rule, to this plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Unique to the obligation. The same for every attempt.
    pub id: String,
    /// The rule that matched.
    pub rule: String,
    /// The plugin the rule names: the one that is running.
    pub target: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The same for every attempt and every redrive. Give it to what is outside the machine, which may see an attempt twice.
    pub idempotency_key: String,
    /// What the target's `input`, `input-path` or `input-transformer` made of the event, as JSON text; nothing when it has none of them.
    pub input: Option<String>,
}

/// An event to emit. Its id and time are given to it by the host.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Who says it; needs the grant to emit for this source.
    pub(crate) source: String,
    /// What happened.
    pub(crate) detail_type: String,
    /// The text of the detail, or why it has none.
    pub(crate) detail: Result<String, String>,
    /// Resources for the envelope.
    pub(crate) resources: Vec<String>,
}

impl Event {
    /// Source and detail-type, to match on.
    pub fn kind(&self) -> (&str, &str) {
        (&self.source, &self.detail_type)
    }

    /// The detail as the text of one JSON object.
    pub fn detail_text(&self) -> &str {
        &self.detail
    }

    /// The detail, member by member.
    ///
    /// # Errors
    ///
    /// Permanent if it is not a JSON object.
    pub fn detail(&self) -> Result<Detail<'_>, Failure> {
        Detail::parse(&self.detail_type, &self.detail)
    }

    /// The detail as a type of your own.
    ///
    /// # Errors
    ///
    /// Permanent if the detail does not fit; names the member.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        deserialize(&self.detail).map_err(|error| permanent(format!("the detail of {}: {error}", self.detail_type)))
    }

    /// What happened to a trial; [`OnlineTrial::Other`] if the event is none of those of trials.
    ///
    /// # Errors
    ///
    /// Permanent if the event is one of them and its detail is malformed; names the member.
    pub fn online_trial(&self) -> Result<OnlineTrial, Failure> {
        OnlineTrial::read(self)
    }
}

impl Delivery {
    /// What the target made of the event, as a type of your own; nothing if the target says nothing of it.
    ///
    /// # Errors
    ///
    /// Permanent if it does not fit; names the member and the rule.
    pub fn input<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let Some(input) = &self.input else { return Ok(None) };
        deserialize(input)
            .map(Some)
            .map_err(|error| permanent(format!("the input that rule `{}` makes: {error}", self.rule)))
    }
}

impl NewEvent {
    /// An event of this source. The detail must become one JSON object; if it does not, emitting fails and says why.
    pub fn new(source: impl Into<String>, detail_type: impl Into<String>, detail: impl Serialize) -> Self {
        let detail = serde_json::to_string(&detail).map_err(|error| error.to_string());
        Self { source: source.into(), detail_type: detail_type.into(), detail, resources: Vec::new() }
    }

    /// Adds a resource to the envelope.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }
}
