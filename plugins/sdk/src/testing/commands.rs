//! Commands, what was recorded of them, and what was run.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::Error;
use crate::commands::Outcome;

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What it was told: the text of a JSON object.
    pub parameters: String,
}

/// What was run, and what comes of it.
#[derive(Debug, Default)]
pub(super) struct Commands {
    run: Vec<Command>,
    /// By name. Those that are here are granted.
    outcomes: BTreeMap<String, VecDeque<Outcome>>,
}

impl Commands {
    pub(super) fn record(&mut self, name: &str, outcome: Outcome) {
        self.outcomes.entry(name.to_owned()).or_default().push_back(outcome);
    }

    pub(super) fn run(&self) -> &[Command] {
        &self.run
    }

    pub(super) fn answer(&mut self, plugin: &str, name: &str, parameters: &str) -> Result<Outcome, Error> {
        let Some(outcomes) = self.outcomes.get_mut(name) else {
            return Err(Error::Denied(format!(
                "not granted; in rules.toml write: [plugins.{plugin}.commands.{name}] program = \"/...\""
            )));
        };
        if serde_json::from_str::<Map<String, Value>>(parameters).is_err() {
            return Err(Error::Invalid("parameters: they are not a JSON object".to_owned()));
        }
        self.run.push(Command { name: name.to_owned(), parameters: parameters.to_owned() });
        let outcome = if outcomes.len() > 1 { outcomes.pop_front() } else { outcomes.front().cloned() };
        outcome.ok_or_else(|| Error::Unavailable(format!("the test has recorded no outcome of {name}")))
    }
}
