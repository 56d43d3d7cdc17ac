//! Definitions: what a machine is, once it has been read.

mod choices;
mod fields;
mod graph;
mod handlers;
mod states;
mod text;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use self::fields::{Fields, Report};
use crate::choice::Condition;
use crate::path::{Path, Reference};
use crate::retry::{Catcher, Retrier};
use crate::template::{Expression, Template};

/// A definition that was found good.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) scope: Scope,
    /// How long an execution may take, in seconds, if that is limited.
    pub(crate) timeout: Option<u64>,
}

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The JSON path of what is wrong: `$.States.Reserve.Next`.
    pub path: String,
    /// What is wrong with it, and how to mend it.
    pub message: String,
}

/// States that can reach one another: those of the machine, a branch or a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) start_at: String,
    pub(crate) states: BTreeMap<String, State>,
}

/// A state. What its type does not have is at its default, which changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) kind: Kind,
    /// What part of the input is taken; nothing for `null`, which takes an empty object.
    pub(crate) input: Option<Path>,
    /// What is made of the input.
    pub(crate) parameters: Option<Template>,
    /// What is made of the result.
    pub(crate) selector: Option<Template>,
    /// Where the result is put in the input; nothing to drop it.
    pub(crate) result: Option<Reference>,
    /// What part of the output is given on; nothing for `null`, which gives an empty object.
    pub(crate) output: Option<Path>,
    /// The state after it; nothing for the last.
    pub(crate) next: Option<String>,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

/// What a state does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Task { resource: String, timeout: Option<Amount>, heartbeat: Option<Amount> },
    Choice { rules: Vec<(Condition, String)>, default: Option<String> },
    Wait(Until),
    Pass { result: Option<Value> },
    Succeed,
    Fail { error: Option<Said>, cause: Option<Said> },
    Parallel { branches: Vec<Scope> },
    Map { items: Path, selector: Option<Template>, processor: Scope, at_once: Amount },
}

/// A number that is given, or where it is found.
#[derive(Clone, Debug)]
pub(crate) enum Amount {
    Given(u64),
    Found(Path),
}

/// A text that is given, or how it is made.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Given(String),
    Made(Expression),
}

/// What a Wait waits for.
#[derive(Clone, Debug)]
pub(crate) enum Until {
    /// So many seconds.
    Seconds(Amount),
    /// A time, in milliseconds since the epoch.
    Timestamp(u64),
    /// A time that is found.
    TimestampPath(Path),
}

impl Machine {
    /// Reads a definition that is a text in JSON. `resources` are the tasks that there are.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, names that are there twice among that; at least one thing.
    pub fn from_json(text: &str, resources: &[&str]) -> Result<Self, Vec<Mistake>> {
        let (definition, mut mistakes) = text::read(text).map_err(|mistake| vec![mistake])?;
        match Self::parse(&definition, resources) {
            Ok(machine) if mistakes.is_empty() => Ok(machine),
            Ok(_) => Err(mistakes),
            Err(others) => {
                mistakes.extend(others);
                Err(mistakes)
            }
        }
    }

    /// Reads a definition. `resources` are the tasks that there are.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; at least one thing.
    pub fn parse(definition: &Value, resources: &[&str]) -> Result<Self, Vec<Mistake>> {
        let mut report = Report::new(resources);
        let mut machine = Self { scope: Scope::default(), timeout: None };
        if let Some(mut fields) = Fields::of(definition, "$".to_owned(), "the definition", &mut report) {
            fields.optional_text("Comment", &mut report);
            if let Some(version) = fields.optional_text("Version", &mut report)
                && version != "1.0"
            {
                report.say(fields.path("Version"), format!("version {version:?} is not known, only \"1.0\" is"));
            }
            fields.dialect(&mut report);
            machine.timeout = fields.seconds("TimeoutSeconds", 1, &mut report);
            machine.scope = states::scope(&mut fields, &mut report);
            fields.finish(&mut report);
        }
        report.finish().map(|()| machine)
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for Mistake {}

/// The JSON path of a member.
pub(crate) fn below(at: &str, name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_plain {
        format!("{at}.{name}")
    } else {
        format!("{at}['{}']", name.replace('\\', r"\\").replace('\'', r"\'"))
    }
}
