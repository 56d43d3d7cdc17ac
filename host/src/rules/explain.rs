//! Which rules match an event, and why the others do not.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Rule, RuleSet};
use crate::pattern::{self, Miss};

/// What a rule makes of an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The rule.
    pub rule: String,
    /// Whether its targets get the event.
    pub verdict: Verdict,
    /// What stands in the way; empty if the pattern matches or there is none. With all of them mended the pattern matches.
    pub misses: Vec<ShownMiss>,
}

/// Whether a rule's targets get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They do.
    Match,
    /// The pattern does not match.
    NoMatch,
    /// The rule is disabled, whatever its pattern says.
    Disabled,
    /// The rule has a schedule alone.
    NoPattern,
}

/// A field that stands in the way.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownMiss {
    /// The names of the field and of the objects it is in, with dots between them.
    pub field: String,
    /// The first values that the event has there; none if it has no value.
    pub seen: Vec<Box<RawValue>>,
    /// The alternatives that the rule has there, as its author writes them.
    pub condition: String,
    /// What to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The alternative to add there.
    pub add: String,
}

impl RuleSet {
    /// What all rules, or the one of the name `only`, make of an event, given as the JSON text of its envelope: first those that
    /// match, then those that come close, then the others; otherwise in the order of the file.
    ///
    /// # Errors
    ///
    /// If the text is not a JSON object.
    pub fn explain(&self, event_json: &[u8], only: Option<&str>) -> Result<Vec<Explanation>, pattern::Error> {
        let rules = self.rules().iter().filter(|rule| only.is_none_or(|name| name == rule.name));
        let mut explanations = rules.map(|rule| explain(rule, event_json)).collect::<Result<Vec<_>, _>>()?;
        explanations.sort_by_key(|explanation| (explanation.verdict, explanation.misses.len()));
        Ok(explanations)
    }
}

fn explain(rule: &Rule, event_json: &[u8]) -> Result<Explanation, pattern::Error> {
    let misses = match &rule.pattern {
        Some(pattern) => pattern.explain(event_json)?.misses,
        None => Vec::new(),
    };
    let verdict = match &rule.pattern {
        _ if !rule.enabled => Verdict::Disabled,
        None => Verdict::NoPattern,
        Some(_) if misses.is_empty() => Verdict::Match,
        Some(_) => Verdict::NoMatch,
    };
    Ok(Explanation { rule: rule.name.clone(), verdict, misses: misses.into_iter().map(shown).collect() })
}

fn shown(miss: Miss) -> ShownMiss {
    // Each is a piece of the event, which was read as JSON.
    let seen = miss.seen.into_iter().filter_map(|text| RawValue::from_string(text).ok()).collect();
    ShownMiss { field: miss.field, seen, condition: miss.condition, hint: miss.hint, add: miss.add }
}
