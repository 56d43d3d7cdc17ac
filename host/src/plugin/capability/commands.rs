//! `commands`: programs of the operator.

use std::time::Instant;

use serde_json::{Map, Value};

use crate::config::Command;
use crate::plugin::bindings::trialbridge::plugin::commands::{Ending, Host, Outcome};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::command;
use crate::plugin::egress::Requests;
use crate::plugin::guest::Guest;
use crate::plugin::usage::Ran;

/// The most bytes of parameters.
const MAX_PARAMETERS: usize = 64 * 1024;

impl Host for Guest {
    async fn run(&mut self, name: String, parameters: String) -> wasmtime::Result<Result<Outcome, Error>> {
        Ok(self.run_command(&name, parameters).await)
    }
}

impl Guest {
    async fn run_command(&mut self, name: &str, parameters: String) -> Result<Outcome, Error> {
        let requests = self.current()?.requests.clone();
        let settings = self.settings.clone();
        let Some(command) = settings.grants.commands.get(name) else { return Err(self.command_denied(name)) };
        check(name, command, &parameters)?;
        if self.recorded.is_some() {
            return Err(Error::Unavailable("commands are run by the daemon only".to_owned()));
        }
        let egress = self.egress.clone();
        let slot = egress.command_slots.acquire().await;
        let _slot = slot.map_err(|_| Error::Unavailable("the plugin is gone".to_owned()))?;
        let note = Note { requests: &requests, command: name, started: Instant::now(), outcome: None };
        let mut input = parameters.into_bytes();
        input.push(b'\n');
        let outcome = command::run(command, input).await;
        let outcome = outcome.map_err(|error| {
            Error::NotFound(format!("the command `{name}`: {} cannot be run: {error}", command.program.display()))
        });
        note.end(match &outcome {
            Ok(outcome) => outcome.ending.clone(),
            Err(_) => Err("it cannot be run".to_owned()),
        });
        let command::Outcome { ending, stdout, stderr } = outcome?;
        let shown = |bytes: &[u8]| egress.redactor.text(&String::from_utf8_lossy(bytes)).into_owned();
        let ending = match ending {
            Ok(code) => Ending::Exited(code),
            Err(reason) => Ending::Killed(reason),
        };
        Ok(Outcome { ending, stdout: shown(&stdout), stderr: shown(&stderr) })
    }

    /// What is said of a command that is not granted.
    fn command_denied(&self, name: &str) -> Error {
        let plugin = &self.plugin;
        Error::Denied(format!(
            "not granted; in rules.toml write: [plugins.{plugin}.commands.{name}] program = \"/...\""
        ))
    }
}

/// Notes what became of a command, whatever ends it.
struct Note<'a> {
    requests: &'a Requests,
    command: &'a str,
    started: Instant,
    outcome: Option<Result<i32, String>>,
}

impl Note<'_> {
    fn end(mut self, outcome: Result<i32, String>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take();
        let outcome = outcome.unwrap_or_else(|| Err("it was killed because its handler was ended".to_owned()));
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(code) => tracing::info!(command = self.command, code, millis, "a command ended"),
            Err(reason) => {
                tracing::warn!(command = self.command, reason, millis, "a command came to no end of its own")
            }
        }
        self.requests.note(Ran { command: self.command.to_owned(), outcome, millis });
    }
}

/// Whether the parameters are those that are granted.
fn check(name: &str, command: &Command, parameters: &str) -> Result<(), Error> {
    let size = parameters.len();
    if size > MAX_PARAMETERS {
        return Err(Error::Limit(format!(
            "the parameters have {size} bytes, and at most {MAX_PARAMETERS} are allowed"
        )));
    }
    let members: Map<String, Value> = serde_json::from_str(parameters)
        .map_err(|error| Error::Invalid(format!("parameters: not a JSON object: {error}")))?;
    match members.keys().find(|member| !command.parameters.contains(*member)) {
        Some(other) => Err(Error::Invalid(format!(
            "parameters: the command `{name}` is not granted `{other}`; add it to its `parameters` in rules.toml"
        ))),
        None => Ok(()),
    }
}
