//! All rules in force.

use std::collections::HashMap;

use super::{Rule, Schedule, Target};
use crate::pattern::{self, Matcher, Scratch};

/// All rules in force: compiled once, immutable, shared by everybody who routes.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The rules in the order of the file.
    rules: Vec<Rule>,
    /// Where a name stands among them.
    by_name: HashMap<String, usize>,
    /// The patterns of those that match events.
    matcher: Matcher,
    /// The rule of each pattern.
    matched: Vec<usize>,
}

impl RuleSet {
    /// Compiles rules. Of those that share a name, only the first is kept.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut set = Self::default();
        for rule in rules {
            let index = set.rules.len();
            if let std::collections::hash_map::Entry::Vacant(free) = set.by_name.entry(rule.name.clone()) {
                free.insert(index);
                set.rules.push(rule);
            }
        }
        let patterns = (0..).zip(&set.rules).filter(|(_, rule)| rule.enabled);
        let patterns = patterns.filter_map(|(index, rule)| Some((index, rule.pattern.as_ref()?)));
        let (matched, patterns): (_, Vec<_>) = patterns.unzip();
        set.matcher = Matcher::new(patterns);
        set.matched = matched;
        set
    }

    /// The rules whose pattern matches an event, given as the JSON text of its envelope; in the order of the file.
    ///
    /// # Errors
    ///
    /// If the text is not a JSON object. An event that was read or made by [`crate::event`] always is.
    pub fn matching<'s>(
        &'s self,
        event_json: &[u8],
        scratch: &'s mut Scratch,
    ) -> Result<impl Iterator<Item = &'s Rule>, pattern::Error> {
        let found = self.matcher.matching(event_json, scratch)?;
        Ok(found.iter().map(|place| &self.rules[self.matched[*place as usize]]))
    }

    /// The rule of this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.by_name.get(name).map(|index| &self.rules[*index])
    }

    /// All rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A target of a rule, disabled or not: what was routed before is still owed.
    pub fn target(&self, rule: &str, id: &str) -> Option<&Target> {
        self.rule(rule)?.targets.iter().find(|target| target.id == id)
    }

    /// The rules that fire by themselves, and when.
    pub fn scheduled(&self) -> impl Iterator<Item = (&Rule, &Schedule)> {
        self.rules.iter().filter(|rule| rule.enabled).filter_map(|rule| Some((rule, rule.schedule.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::RuleSet;
    use crate::pattern::{Pattern, Scratch};
    use crate::rules::{RetryPolicy, Rule, Target};

    fn rule(name: &str, pattern: Option<&str>, schedule: Option<&str>) -> Rule {
        Rule {
            name: name.to_owned(),
            description: None,
            enabled: !name.ends_with("-off"),
            pattern: pattern.map(|text| Pattern::parse_json(text).expect("a pattern")),
            pattern_text: pattern.map(str::to_owned),
            schedule: schedule.map(|text| text.parse().expect("a schedule")),
            targets: vec![Target {
                id: "t".to_owned(),
                plugin: "p".to_owned(),
                input: None,
                retry: RetryPolicy::default(),
            }],
        }
    }

    #[test]
    fn only_enabled_rules_match_and_fire() {
        let trial = Some(r#"{"source": ["OnlineTrial"]}"#);
        let rules = RuleSet::new([
            rule("other", Some(r#"{"source": ["trialbridge"]}"#), None),
            rule("wanted", trial, None),
            rule("wanted-off", trial, Some("rate(1 minute)")),
            rule("timed", None, Some("rate(1 minute)")),
            rule("both", trial, Some("rate(2 minutes)")),
            rule("wanted", Some(r#"{"source": ["late"]}"#), None),
        ]);
        let names = |event: &str| -> Vec<String> {
            let mut scratch = Scratch::default();
            let found = rules.matching(event.as_bytes(), &mut scratch).expect("an event");
            found.map(|rule| rule.name.clone()).collect()
        };
        assert_eq!(names(r#"{"source": "OnlineTrial", "detail": {"huge": 1e400}}"#), ["wanted", "both"]);
        assert_eq!(names(r#"{"source": "late"}"#), [""; 0]);
        assert!(rules.matching(b"{", &mut Scratch::default()).is_err());
        assert_eq!(rules.scheduled().map(|(rule, _)| rule.name.as_str()).collect::<Vec<_>>(), ["timed", "both"]);
        assert_eq!(rules.target("wanted-off", "t").map(|target| target.plugin.as_str()), Some("p"));
        assert_eq!(rules.target("wanted", "u"), None);
        assert_eq!(rules.rules().len(), 5);
    }
}
