//! What is allowed in rules, and probably not meant.

use std::collections::BTreeSet;

use super::{Rule, RuleSet};
use crate::event::TRIAL_SOURCE;
use crate::pattern::{Pattern, Shape, suggest};

/// Up to this many rules are compared each with each.
const MAX_COMPARED: usize = 2000;

/// The events of trials: what the daemon publishes, and what answers it.
const TRIAL_EVENTS: [&str; 6] =
    ["TrialRequested", "TrialAssigned", "TrialAssignmentFailed", "TrialExpired", "TrialCancelled", "TrialExtended"];

/// The events of trials that nobody may miss.
const NEEDED: [&str; 3] = ["TrialRequested", "TrialAssignmentFailed", "TrialExpired"];

/// The fields of the envelope.
const ENVELOPE: [&str; 9] =
    ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"];

/// Something that is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The rule, unless it is about all of them.
    pub rule: Option<String>,
    /// What.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl RuleSet {
    /// What is probably not meant: rules that can never match, that another rule covers, that can loop, or whose detail-type is
    /// misspelt; and events of trials that nobody gets. `emits` says the sources that a plugin may emit events as.
    pub fn lint<'e>(&self, emits: impl Fn(&str) -> Vec<&'e str>) -> Vec<Warning> {
        let enabled: Vec<(&Rule, &Pattern)> = self
            .rules()
            .iter()
            .filter(|rule| rule.enabled)
            .filter_map(|rule| Some((rule, rule.pattern.as_ref()?)))
            .collect();
        let mut warnings: Vec<Warning> = enabled.iter().flat_map(|(rule, pattern)| alone(rule, pattern)).collect();
        warnings.extend(covered(&enabled));
        warnings.extend(loops(&enabled, emits));
        for needed in NEEDED {
            let fields = [("source", TRIAL_SOURCE), ("detail-type", needed)];
            if !enabled.iter().any(|(_, pattern)| pattern.admits(&fields)) {
                warnings.push(Warning {
                    rule: None,
                    message: format!("no rule takes {needed}"),
                    help: format!("add a rule for source {TRIAL_SOURCE} and detail-type {needed}"),
                });
            }
        }
        warnings
    }
}

/// What one rule says by itself.
fn alone(rule: &Rule, pattern: &Pattern) -> Vec<Warning> {
    let warning = |message: String, help: String| Warning { rule: Some(rule.name.clone()), message, help };
    let mut warnings: Vec<Warning> = pattern
        .notes()
        .iter()
        .map(|note| warning(note.message.clone(), note.help.clone().unwrap_or_default()))
        .collect();
    if let Some(field) = pattern.impossible(shape) {
        let outermost = field.split('.').next().unwrap_or(field);
        let help = match shape(field) {
            Shape::Missing if field == "detail" => "`detail` is an object: ask for one of its fields".to_owned(),
            Shape::Missing if ENVELOPE.contains(&outermost) => format!("`{outermost}` has no fields"),
            Shape::Missing => format!("no event has `{outermost}`; {}", suggest::advice(outermost, &ENVELOPE)),
            Shape::TextWithout(beginning) => format!("it is always a text, and none begins with `{beginning}`"),
            Shape::Constant(text) => format!("it is always \"{text}\""),
            Shape::Text | Shape::Texts | Shape::Any => "it is always a text".to_owned(),
        };
        warnings.push(warning(format!("it can never match, for what it asks of `{field}`"), help));
    }
    let known = TRIAL_EVENTS;
    for text in pattern.texts("detail-type").filter(|text| !known.contains(text)) {
        if let Some(close) = suggest::closest(text, known) {
            warnings.push(warning(
                format!("the detail-type `{text}` is not one of the trials"),
                format!("did you mean `{close}`?"),
            ));
        }
    }
    warnings
}

/// What is known of the fields of all events.
fn shape(path: &str) -> Shape<'static> {
    match path {
        "version" => Shape::Constant("0"),
        "source" => Shape::TextWithout("aws."),
        "id" | "detail-type" | "account" | "time" | "region" => Shape::Text,
        "resources" => Shape::Texts,
        path if path.starts_with("detail.") => Shape::Any,
        _ => Shape::Missing,
    }
}

/// Rules that send a plugin what another rule sends it too.
fn covered(rules: &[(&Rule, &Pattern)]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (place, (narrow, pattern)) in rules.iter().enumerate().take(MAX_COMPARED) {
        for (other, (wide, covering)) in rules.iter().enumerate().take(MAX_COMPARED) {
            let shared = narrow.targets.iter().find(|target| {
                wide.targets.iter().any(|other| other.plugin == target.plugin && other.input == target.input)
            });
            let Some(shared) = shared.filter(|_| place != other && covering.covers(pattern)) else { continue };
            let equal = pattern.covers(covering);
            if equal && place < other {
                continue;
            }
            let how = if equal { "wants the same events as" } else { "is covered by" };
            warnings.push(Warning {
                rule: Some(narrow.name.clone()),
                message: format!("it {how} `{}`, so that `{}` gets them twice", wide.name, shared.plugin),
                help: "remove one of the two targets, or narrow a pattern".to_owned(),
            });
        }
    }
    warnings
}

/// Rules whose plugins may emit what leads back to them: a plugin may emit as a source, of which a rule takes any detail-type.
fn loops<'e>(rules: &[(&Rule, &Pattern)], emits: impl Fn(&str) -> Vec<&'e str>) -> Vec<Warning> {
    // Where the events of each rule's plugins may go.
    let next = |place: usize| -> Vec<usize> {
        let sources: BTreeSet<&str> = rules[place].0.targets.iter().flat_map(|target| emits(&target.plugin)).collect();
        let takes =
            |pattern: &Pattern| sources.iter().any(|source| pattern.admits_any(("source", source), "detail-type"));
        (0..rules.len()).filter(|other| !sources.is_empty() && takes(rules[*other].1)).collect()
    };
    let edges: Vec<Vec<usize>> = (0..rules.len().min(MAX_COMPARED)).map(next).collect();
    let mut warnings = Vec::new();
    let mut told = BTreeSet::new();
    for start in 0..edges.len() {
        if told.contains(&start) {
            continue;
        }
        let Some(way) = way_back(start, &edges) else { continue };
        told.extend(way.iter().copied());
        let names: Vec<String> =
            way.iter().chain([&start]).map(|place| format!("`{}`", rules[*place].0.name)).collect();
        warnings.push(Warning {
            rule: Some(rules[start].0.name.clone()),
            message: format!("it can loop: {}", names.join(" to ")),
            help: "name the detail-types that the rule wants: its plugin may emit as a source it takes everything of"
                .to_owned(),
        });
    }
    warnings
}

/// The shortest way from a rule back to itself.
fn way_back(start: usize, edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut from = vec![None; edges.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(place) = queue.pop_front() {
        for next in edges[place].iter().copied().filter(|next| *next < edges.len()) {
            if next == start {
                let mut way: Vec<usize> = std::iter::successors(Some(place), |place| from[*place]).collect();
                way.reverse();
                return Some(way);
            }
            if from[next].is_none() {
                from[next] = Some(place);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{RetryPolicy, Rule, RuleSet, Target};
    use crate::pattern::Pattern;

    /// Rules of a name, a pattern and a plugin each, and what is said of them.
    fn lint(rules: &[(&str, &str, &str)]) -> Vec<String> {
        let rules = rules.iter().map(|(name, pattern, plugin)| Rule {
            name: (*name).to_owned(),
            description: None,
            enabled: true,
            pattern: Some(Pattern::parse_json(pattern).expect(pattern)),
            pattern_text: None,
            schedule: None,
            targets: vec![Target {
                id: "t".to_owned(),
                plugin: (*plugin).to_owned(),
                input: None,
                retry: RetryPolicy::default(),
            }],
        });
        let warnings = RuleSet::new(rules).lint(|plugin| match plugin {
            "echo" => vec!["echo"],
            "cry" => vec!["cry"],
            _ => Vec::new(),
        });
        let warnings = warnings.into_iter().filter(|warning| warning.rule.is_some());
        warnings
            .map(|warning| format!("{}: {}; {}", warning.rule.unwrap_or_default(), warning.message, warning.help))
            .collect()
    }

    #[test]
    fn what_is_probably_not_meant_is_said() {
        let echo = r#"{"source": ["echo"]}"#;
        let twice = "remove one of the two targets, or narrow a pattern";
        let named = "name the detail-types that the rule wants: its plugin may emit as a source it takes everything of";
        for (rules, expected) in [
            (&[("r", r#"{"source": ["x"], "detail": {"a": [1]}}"#, "p")][..], vec![]),
            (
                &[("r", r#"{"source": ["x"], "detailtype": ["y"]}"#, "p")],
                vec!["r: it can never match, for what it asks of `detailtype`; no event has `detailtype`; did you mean `detail-type`?".to_owned()],
            ),
            (
                &[("r", r#"{"source": ["aws.ec2"]}"#, "p")],
                vec!["r: it can never match, for what it asks of `source`; it is always a text, and none begins with `aws.`".to_owned()],
            ),
            (
                &[("r", r#"{"detail-type": ["TrialRequestd"]}"#, "p")],
                vec!["r: the detail-type `TrialRequestd` is not one of the trials; did you mean `TrialRequested`?".to_owned()],
            ),
            (
                &[("a", r#"{"source": ["x"]}"#, "p"), ("b", r#"{"source": ["x"], "id": ["1"]}"#, "p")],
                vec![format!("b: it is covered by `a`, so that `p` gets them twice; {twice}")],
            ),
            (
                &[("a", r#"{"source": ["x"]}"#, "p"), ("b", r#"{"source": ["x"]}"#, "p"), ("c", r#"{"source": ["x"]}"#, "q")],
                vec![format!("b: it wants the same events as `a`, so that `p` gets them twice; {twice}")],
            ),
            (&[("r", echo, "echo")], vec![format!("r: it can loop: `r` to `r`; {named}")]),
            (
                &[("a", echo, "cry"), ("b", r#"{"source": ["cry"], "detail-type": [{"anything-but": "x"}]}"#, "echo")],
                vec![format!("a: it can loop: `a` to `b` to `a`; {named}")],
            ),
            (&[("r", r#"{"source": ["echo"], "detail-type": ["x"]}"#, "echo")], vec![]),
        ] {
            assert_eq!(lint(rules), expected);
        }
    }
}
