//! The placeholders that need no path.

use super::raw;
use crate::event::Recorded;

/// A placeholder that needs no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// `aws.events.rule-arn`: the ARN that the rule would have in the event's account and region.
    RuleArn,
    /// `aws.events.rule-name`.
    RuleName,
    /// `aws.events.event.ingestion-time`: when the event was published, in RFC 3339 and UTC.
    IngestionTime,
    /// `aws.events.event`: the envelope without the detail.
    Event,
    /// `aws.events.event.json`: the whole event.
    EventJson,
}

impl Reserved {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::RuleArn, Self::RuleName, Self::IngestionTime, Self::Event, Self::EventJson];

    /// What is written between `<` and `>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RuleArn => "aws.events.rule-arn",
            Self::RuleName => "aws.events.rule-name",
            Self::IngestionTime => "aws.events.event.ingestion-time",
            Self::Event => "aws.events.event",
            Self::EventJson => "aws.events.event.json",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reserved| reserved.name() == name)
    }

    /// What it stands for: JSON text. `json` is the envelope of `event`.
    pub(super) fn value(self, rule: &str, event: &Recorded, json: &str) -> String {
        match self {
            Self::RuleArn => {
                let (region, account) = (&event.event.region, &event.event.account);
                string(&format!("arn:aws:events:{region}:{account}:rule/{rule}"))
            }
            Self::RuleName => string(rule),
            Self::IngestionTime => string(&event.published.to_string()),
            Self::Event => {
                let members = raw::children(json)
                    .filter_map(|(name, value)| name.map(|name| (name, value)))
                    .filter(|(name, _)| !raw::is_named(name, "detail"))
                    .map(|(name, value)| format!("{name}:{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Self::EventJson => json.to_owned(),
        }
    }
}

fn string(text: &str) -> String {
    format!("\"{}\"", raw::escaped(text))
}
