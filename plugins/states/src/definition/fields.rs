//! The fields of an object of a definition, and the list of what is wrong with them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Amount, Mistake, below};
use crate::path::{Path, Reference};
use crate::suggest::did_you_mean;
use crate::template::Template;

/// The longest time that a definition may speak of, in seconds, as AWS has it: about three years.
const LONGEST: u64 = 99_999_999;

/// Fields that definitions elsewhere have, and why they are none here.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("Arguments", "is of the JSONata dialect; use Parameters"),
    ("Assign", "variables are not supported; put values into the state's output with ResultPath"),
    ("Condition", "is of the JSONata dialect; use Variable with a comparison"),
    ("Credentials", "roles are not known here: rules.toml says what a plugin may do"),
    ("ItemBatcher", "distributed maps are not supported"),
    ("ItemReader", "distributed maps are not supported; use ItemsPath"),
    ("Items", "is of the JSONata dialect; use ItemsPath"),
    ("Output", "is of the JSONata dialect; use ResultSelector, ResultPath and OutputPath"),
    ("ResultWriter", "distributed maps are not supported"),
    ("ToleratedFailureCount", "distributed maps are not supported; catch what may fail within the map"),
    ("ToleratedFailurePercentage", "distributed maps are not supported; catch what may fail within the map"),
];

/// What is wrong so far, and what there is to name.
pub(super) struct Report<'a> {
    mistakes: Vec<Mistake>,
    /// The tasks that there are.
    pub(super) resources: &'a [&'a str],
    /// The names of all states so far.
    pub(super) names: BTreeSet<String>,
}

/// The fields of an object, of which each is taken once.
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    at: String,
    /// What may be asked for, taken or not.
    known: BTreeSet<&'static str>,
}

impl<'a> Report<'a> {
    pub(super) fn new(resources: &'a [&'a str]) -> Self {
        Self { mistakes: Vec::new(), resources, names: BTreeSet::new() }
    }

    /// Notes a mistake.
    pub(super) fn say(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake { path: path.into(), message: message.into() });
    }

    pub(super) fn finish(self) -> Result<(), Vec<Mistake>> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }
}

impl<'a> Fields<'a> {
    /// The fields of what must be an object.
    pub(super) fn of(value: &'a Value, at: String, what: &str, report: &mut Report<'_>) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self { members, at, known: BTreeSet::new() }),
            other => {
                report.say(at, format!("{what} must be an object, and is {}", short(other)));
                None
            }
        }
    }

    /// The path of the object.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        below(&self.at, name)
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A field, whatever it is.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.insert(name);
        self.members.get(name)
    }

    /// A field that must be there.
    pub(super) fn need(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'a Value> {
        let value = self.take(name);
        if value.is_none() {
            report.say(self.at.as_str(), format!("has no {name}"));
        }
        value
    }

    pub(super) fn text(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'a str> {
        self.need(name, report)?;
        self.optional_text(name, report)
    }

    pub(super) fn optional_text(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'a str> {
        let value = self.take(name)?;
        self.expect(name, value, value.as_str(), "a text", report)
    }

    /// A whole number that is not below `least`.
    pub(super) fn number(&mut self, name: &'static str, least: u64, report: &mut Report<'_>) -> Option<u64> {
        let value = self.take(name)?;
        let number = value.as_u64().filter(|number| (least..=LONGEST).contains(number));
        self.expect(name, value, number, &format!("a whole number from {least} to {LONGEST}"), report)
    }

    /// A time in seconds.
    pub(super) fn seconds(&mut self, name: &'static str, least: u64, report: &mut Report<'_>) -> Option<u64> {
        self.number(name, least, report)
    }

    /// A number in the field `name`, or a path to one in the field `path`.
    pub(super) fn amount(
        &mut self,
        name: &'static str,
        path: &'static str,
        least: u64,
        report: &mut Report<'_>,
    ) -> Option<Amount> {
        self.either(&[name, path], report);
        let given = self.number(name, least, report).map(Amount::Given);
        let found = self.definite_path(path, report).map(Amount::Found);
        given.or(found)
    }

    /// Says so if more than one of some fields is there.
    pub(super) fn either(&self, names: &[&str], report: &mut Report<'_>) {
        let there: Vec<&str> = names.iter().copied().filter(|name| self.has(name)).collect();
        if let [first, second, ..] = there.as_slice() {
            report.say(
                self.path(second),
                format!("cannot be beside {first}: only one of {} is allowed", names.join(", ")),
            );
        }
    }

    /// A list that is not empty, with the paths of its items.
    pub(super) fn list(&mut self, name: &'static str, report: &mut Report<'_>) -> Vec<(&'a Value, String)> {
        if let Some(Value::Array(items)) = self.take(name)
            && items.is_empty()
        {
            report.say(self.path(name), "must not be empty");
        }
        self.any_list(name, report)
    }

    /// A list, with the paths of its items.
    pub(super) fn any_list(&mut self, name: &'static str, report: &mut Report<'_>) -> Vec<(&'a Value, String)> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let items = self.expect(name, value, value.as_array(), "an array", report);
        let at = self.path(name);
        items.into_iter().flatten().enumerate().map(|(i, item)| (item, format!("{at}[{i}]"))).collect()
    }

    /// A path to any number of places. `null` counts as not given.
    pub(super) fn any_path(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Path> {
        let text = self.optional_text(name, report)?;
        Path::parse(text).map_err(|reason| report.say(self.path(name), reason)).ok()
    }

    /// A path to one place.
    pub(super) fn definite_path(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Path> {
        let path = self.any_path(name, report)?;
        self.definite(name, path, report)
    }

    /// The path in the field `name`, if it leads to one place.
    pub(super) fn definite(&self, name: &str, path: Path, report: &mut Report<'_>) -> Option<Path> {
        if path.is_definite() {
            return Some(path);
        }
        report.say(self.path(name), "must be a path to one place, without *, .., slices and filters");
        None
    }

    /// InputPath or OutputPath: the whole unless given, and nothing for `null`.
    pub(super) fn part(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Path> {
        match self.take(name) {
            None => Some(Path::whole()),
            Some(Value::Null) => None,
            Some(_) => self.any_path(name, report),
        }
    }

    /// ResultPath: the whole unless given, and nothing for `null`.
    pub(super) fn result_path(&mut self, report: &mut Report<'_>) -> Option<Reference> {
        match self.take("ResultPath") {
            None => Some(Reference::whole()),
            Some(Value::Null) => None,
            Some(_) => {
                let text = self.optional_text("ResultPath", report)?;
                Reference::parse(text).map_err(|reason| report.say(self.path("ResultPath"), reason)).ok()
            }
        }
    }

    /// A payload template: an object, or an array, as AWS takes it too.
    pub(super) fn template(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Template> {
        let value = self.take(name)?;
        let value = Some(value).filter(|value| value.is_object() || value.is_array());
        let value = self.expect(name, self.members.get(name)?, value, "an object", report)?;
        let at = self.path(name);
        Some(Template::parse(value, &at, &mut |path, message| report.say(path, message)))
    }

    /// QueryLanguage, of which only JSONPath is supported.
    pub(super) fn dialect(&mut self, report: &mut Report<'_>) {
        if let Some(dialect) = self.optional_text("QueryLanguage", report)
            && dialect != "JSONPath"
        {
            report.say(self.path("QueryLanguage"), format!("{dialect:?} is not supported, only \"JSONPath\" is"));
        }
    }

    /// Names what was not asked for.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        for name in self.members.keys().filter(|name| !self.known.contains(name.as_str())) {
            let path = self.path(name);
            match UNSUPPORTED.iter().find(|(field, _)| field == name) {
                Some((_, reason)) => report.say(path, *reason),
                None => {
                    let hint = did_you_mean(name, self.known.iter().copied());
                    report.say(path, format!("there is no field {name:?} here{hint}"));
                }
            }
        }
    }

    /// `found`, or a mistake that says what was expected.
    pub(super) fn expect<T>(
        &self,
        name: &str,
        value: &Value,
        found: Option<T>,
        expected: &str,
        report: &mut Report<'_>,
    ) -> Option<T> {
        if found.is_none() {
            report.say(self.path(name), format!("must be {expected}, and is {}", short(value)));
        }
        found
    }
}

/// A value for messages.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        other => other.to_string(),
    }
}
