//! The rules.

use std::collections::HashMap;
use std::time::Duration;

use super::{Compiler, DAY, Problem, TEN_YEARS, name};
use crate::config::authored::{self, Spanned};
use crate::config::duration;
use crate::pattern::value::{Kind, Notation, Span, Value};
use crate::pattern::{self, Pattern};
use crate::rules::{RetryPolicy, Rule, RuleSet, Schedule, SchedulePart, Target};

/// The most targets of a rule.
const MAX_TARGETS: usize = 100;

/// How often a delivery can be tried.
const ATTEMPTS: (u32, u32) = (1, 10_000);

/// How old an event can be when it is tried.
const AGES: (Duration, Duration) = (Duration::from_secs(1), TEN_YEARS);

/// How long the waits between attempts can be.
const BACKOFFS: (Duration, Duration) = (Duration::from_millis(1), DAY);

impl Compiler<'_> {
    pub(super) fn rules(&mut self, authored: Vec<authored::Rule>) -> RuleSet {
        let mut seen = HashMap::new();
        for rule in &authored {
            self.name(&name::RULE, &rule.name);
            self.only_once(&rule.name, &mut seen, ("a rule", "give this one another name"));
        }
        RuleSet::new(authored.into_iter().map(|rule| self.rule(rule)).collect::<Vec<_>>())
    }

    fn rule(&mut self, authored: authored::Rule) -> Rule {
        let Spanned { span, value: name } = authored.name;
        if authored.event_pattern.is_none() && authored.schedule.is_none() {
            let help = "add event-pattern = { source = [\"OnlineTrial\"] } or schedule = \"rate(1 minute)\"";
            self.complain(&span, format!("the rule `{name}` has neither an event-pattern nor a schedule"), help);
        }
        if authored.targets.is_empty() {
            let help = "write the names of plugins, like targets = [\"assign-trial\"]";
            self.complain(&span, format!("the rule `{name}` has no targets"), help);
        }
        if authored.targets.len() > MAX_TARGETS {
            let message = format!("the rule `{name}` has {} targets", authored.targets.len());
            self.complain(&span, message, format!("at most {MAX_TARGETS} are allowed: make several rules of it"));
        }
        let pattern = authored.event_pattern.and_then(|value| self.pattern(&value));
        let (pattern, pattern_text) = pattern.unzip();
        let schedule = self.schedule(authored.schedule.as_ref(), authored.schedule_timezone.as_ref());
        let targets = self.targets(&authored.targets);
        let enabled = authored.enabled.unwrap_or(true);
        Rule { name, description: authored.description, enabled, pattern, pattern_text, schedule, targets }
    }

    /// A pattern, and its JSON text.
    fn pattern(&mut self, authored: &Value) -> Option<(Pattern, String)> {
        let Kind::String(text) = &authored.kind else {
            let pattern = Pattern::from_value(authored, Notation::Toml);
            return self.noted(pattern).map(|pattern| (pattern, authored.to_string()));
        };
        let outcome = Value::parse_json(text).and_then(|value| {
            let pattern = Pattern::from_value(&value, Notation::Json)?;
            Ok((pattern, value.to_string()))
        });
        let outcome = outcome
            .map_err(|error| pattern::Error { span: self.within_string(&authored.span, text, &error.span), ..error });
        self.noted(outcome)
    }

    fn noted<T>(&mut self, outcome: Result<T, pattern::Error>) -> Option<T> {
        outcome
            .map_err(|error| {
                let problem = Problem::new(&error.span, error.message);
                self.problems.add(match error.help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            })
            .ok()
    }

    /// Where a part of a string stands in the file. A string with escapes is longer there than it is here; then it is the whole string.
    pub(super) fn within_string(&self, string: &Span, decoded: &str, part: &Span) -> Span {
        match self.text[string.clone()].find(decoded) {
            Some(offset) => string.start + offset + part.start..string.start + offset + part.end,
            None => string.clone(),
        }
    }

    fn schedule(
        &mut self,
        authored: Option<&Spanned<String>>,
        time_zone: Option<&Spanned<String>>,
    ) -> Option<Schedule> {
        let Some(expression) = authored else {
            if let Some(zone) = time_zone {
                let help = "leave it out, or add schedule = \"cron(0 12 * * ? *)\"";
                self.complain(&zone.span, "there is a schedule-timezone, but no schedule", help);
            }
            return None;
        };
        let schedule = Schedule::parse(&expression.value, time_zone.map(|zone| zone.value.as_str()));
        schedule
            .map_err(|error| {
                let place = match error.part {
                    SchedulePart::Expression => expression,
                    SchedulePart::TimeZone => time_zone.unwrap_or(expression),
                };
                self.complain(&place.span, error.message, error.help);
            })
            .ok()
    }

    fn targets(&mut self, authored: &[authored::Target]) -> Vec<Target> {
        let mut seen = HashMap::new();
        let mut targets = Vec::new();
        for target in authored {
            self.name(&name::PLUGIN, &target.plugin);
            if let Some(id) = &target.id {
                self.name(&name::TARGET, id);
            }
            let id = target.id.as_ref().unwrap_or(&target.plugin);
            let help = "give this one an id of its own: { plugin = \"...\", id = \"...\" }";
            self.only_once(id, &mut seen, ("a target", help));
            let input = self.input(target);
            let retry = self.retry(target);
            targets.push(Target { id: id.value.clone(), plugin: target.plugin.value.clone(), input, retry });
        }
        targets
    }

    fn retry(&mut self, authored: &authored::Target) -> RetryPolicy {
        let default = RetryPolicy::default();
        let attempts = self.within("maximum-attempts", &authored.maximum_attempts, default.maximum_attempts, ATTEMPTS);
        let retry = RetryPolicy {
            maximum_attempts: attempts,
            maximum_age: self.within("maximum-age", &authored.maximum_age, default.maximum_age, AGES),
            minimum_backoff: self.within(
                "minimum-backoff",
                &authored.minimum_backoff,
                default.minimum_backoff,
                BACKOFFS,
            ),
            maximum_backoff: self.within(
                "maximum-backoff",
                &authored.maximum_backoff,
                default.maximum_backoff,
                BACKOFFS,
            ),
        };
        if retry.minimum_backoff > retry.maximum_backoff {
            let place = authored.minimum_backoff.as_ref().or(authored.maximum_backoff.as_ref());
            let span = place.map_or(&authored.plugin.span, |backoff| &backoff.span);
            let [shortest, longest] = [retry.minimum_backoff, retry.maximum_backoff].map(duration::format);
            let message = format!("the minimum-backoff of {shortest} is longer than the maximum-backoff of {longest}");
            self.complain(span, message, "change one of them");
        }
        retry
    }

    fn only_once(&mut self, name: &Spanned<String>, seen: &mut HashMap<String, Span>, (what, help): (&str, &str)) {
        if let Some(first) = seen.get(&name.value) {
            let problem = Problem::new(&name.span, format!("there is {what} `{}` already", name.value));
            self.problems.add(problem.related(first, "the first").help(help));
        } else {
            seen.insert(name.value.clone(), name.span.clone());
        }
    }
}
