//! Stacks that programs of the operator make: docker compose, terraform, kubectl, a script.
//!
//! Each program is a command that rules.toml grants. It reads one JSON object from its standard input, and may write one to its standard
//! output:
//!
//! | command | what it reads | what it writes | if it writes nothing |
//! |---|---|---|---|
//! | create | `stackId`, `type` | `{"state": "creating"}`, or `{"state": "ready", "url": "https://..."}` | the stack is being made |
//! | status | `stackId` | the same, or `failed` with a `reason`, `deleting`, `delete-failed` with a `reason`, `absent` | a mistake |
//! | delete | `stackId` | `{"state": "deleting"}`, `{"state": "absent"}` | the stack is gone |
//! | list | nothing | `{"stacks": ["ID", ...]}`, without those that are being deleted | a mistake |
//! | configure | `stackId`, `type`, `trialId`, `leadId`, `expiresAt` | nothing that counts | the stack is ready for its trial |
//!
//! Exit code 75, EX_TEMPFAIL of sysexits.h, asks to come back later; any other but 0 is a failure. Every command may be run again
//! for the same stack and then does what is left to do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trialbridge_plugin::Host;
use trialbridge_plugin::commands::{Ending, Outcome};

use crate::provider::{Error, Extent, Found, Order, Provider, Readiness, Status, Tenant};

/// What asks to come back later: EX_TEMPFAIL.
const LATER: i32 = 75;

/// The names of the granted commands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Commands {
    /// Makes a stack, or begins to. `create` unless said.
    create: String,
    /// Deletes a stack, or begins to. `delete` unless said.
    delete: String,
    /// Says how far a stack is. Without it, stacks are ready when `create` has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Lists the stacks there are. Without it, nobody notices those that came or went by other hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    /// Prepares a stack for its trial. Without it, nothing is prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    configure: Option<String>,
}

impl Default for Commands {
    fn default() -> Self {
        Self { create: "create".to_owned(), delete: "delete".to_owned(), status: None, list: None, configure: None }
    }
}

/// Runs the commands.
pub(crate) struct Command<'a> {
    host: &'a Host,
    commands: &'a Commands,
}

/// What a command says of a stack.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    state: State,
    url: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Creating,
    Ready,
    Failed,
    Deleting,
    DeleteFailed,
    Absent,
}

/// What a command says of all stacks.
#[derive(Deserialize)]
struct Listed {
    stacks: Vec<String>,
}

impl<'a> Command<'a> {
    /// Runs these commands.
    pub(crate) fn new(host: &'a Host, commands: &'a Commands) -> Self {
        Self { host, commands }
    }

    fn run(&self, name: &str, parameters: &Value) -> Result<Outcome, Error> {
        let outcome = self.host.run(name, parameters)?;
        let failure = |reason| format!("the command `{name}`: {reason}");
        match outcome.failure() {
            None => Ok(outcome),
            Some(reason) if outcome.ending == Ending::Exited(LATER) => Err(Error::Busy(failure(reason))),
            Some(reason) => Err(Error::Failed(failure(reason))),
        }
    }

    /// Runs a command about a stack. What it says; `silence` if it says nothing.
    fn ask(&self, name: &str, parameters: &Value, silence: Option<Status>) -> Result<Status, Error> {
        let outcome = self.run(name, parameters)?;
        if let Some(silence) = silence.filter(|_| outcome.stdout.trim().is_empty()) {
            return Ok(silence);
        }
        let said: Said = read(name, &outcome)?;
        let reason = said.reason.unwrap_or_else(|| format!("the command `{name}` gives no reason"));
        Ok(match said.state {
            State::Creating => Status::Building,
            State::Ready => Status::Ready(said.url),
            State::Failed => Status::Failed(reason),
            State::Deleting => Status::Deleting,
            State::DeleteFailed => Status::DeletionFailed(reason),
            State::Absent => Status::Absent,
        })
    }
}

impl Provider for Command<'_> {
    fn create(&mut self, order: &Order<'_>) -> Result<Status, Error> {
        let parameters = json!({ "stackId": order.stack_id, "type": order.trial_type });
        // Without a command that says more, the end of this one says that the stack is there.
        let has_status = self.commands.status.is_some();
        let silence = if has_status { Status::Building } else { Status::Ready(None) };
        match self.ask(&self.commands.create, &parameters, Some(silence))? {
            Status::Building if !has_status => {
                let reason = "a command that says `creating` needs another that says how far the stack is; name it: status = \"...\"";
                Err(Error::Refused(reason.to_owned()))
            }
            status => Ok(status),
        }
    }

    fn status(&mut self, stack_id: &str) -> Result<Status, Error> {
        if let Some(status) = &self.commands.status {
            return self.ask(status, &of(stack_id), None);
        }
        let listed = self.list()?.is_none_or(|found| found.iter().any(|found| found.stack_id == stack_id));
        Ok(if listed { Status::Ready(None) } else { Status::Absent })
    }

    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> Result<Readiness, Error> {
        if let Some(configure) = &self.commands.configure {
            let mut parameters = Map::new();
            parameters.insert("stackId".to_owned(), json!(stack_id));
            parameters.insert("type".to_owned(), json!(tenant.trial_type));
            parameters.insert("trialId".to_owned(), json!(tenant.trial_id));
            parameters.insert("leadId".to_owned(), json!(tenant.lead_id));
            parameters.insert("expiresAt".to_owned(), json!(tenant.expires_at));
            self.run(configure, &Value::Object(parameters))?;
        }
        Ok(Readiness::Vouched)
    }

    fn delete(&mut self, stack_id: &str) -> Result<Status, Error> {
        self.ask(&self.commands.delete, &of(stack_id), Some(Status::Absent))
    }

    fn list(&mut self) -> Result<Option<Vec<Found>>, Error> {
        let Some(list) = &self.commands.list else { return Ok(None) };
        let listed: Listed = read(list, &self.run(list, &json!({}))?)?;
        let found = listed.stacks.into_iter().map(|id| Found { name: id.clone(), stack_id: id, extent: Extent::Whole });
        let mut found: Vec<Found> = found.collect();
        found.sort();
        Ok(Some(found))
    }

    fn discard(&mut self, found: &Found) -> Result<(), Error> {
        self.delete(&found.stack_id).map(drop)
    }
}

/// What a command about a stack that is known by its id alone is told.
fn of(stack_id: &str) -> Value {
    json!({ "stackId": stack_id })
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, outcome: &Outcome) -> Result<T, Error> {
    serde_json::from_str(&outcome.stdout)
        .map_err(|error| Error::Failed(format!("the command `{name}` wrote no answer that is understood: {error}")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use trialbridge_plugin::testing::World;

    use super::*;
    use crate::StackManager;

    /// A world in which a stack was ordered that commands make, and what was said when these outcomes had come.
    fn ordered(command: &Value, outcomes: &[(&str, i32, &str)]) -> (World<StackManager>, Vec<(String, Value)>) {
        let mut world = World::<StackManager>::new();
        world.folder("stacks");
        world.configure(json!({ "pools": { "LAB": { "warm": 1, "command": command } } }));
        for (name, code, stdout) in outcomes {
            world.answer_command(name, Outcome::new(*code, *stdout));
        }
        world.handle("trialbridge", "Scheduled Event", json!({})).unwrap();
        let mut said = settle(&mut world);
        for _ in 0..2 {
            world.advance(Duration::from_secs(30));
            said.extend(settle(&mut world));
        }
        (world, said)
    }

    fn settle(world: &mut World<StackManager>) -> Vec<(String, Value)> {
        let own = ["StackCreateRequested", "StackDeleteRequested", "StackPollDue", "ReconcileContinued"];
        let said = world.settle(|event| own.contains(&event.detail_type.as_str())).unwrap();
        said.iter().map(|event| (event.detail_type.clone(), event.read().unwrap())).collect()
    }

    fn names(said: &[(String, Value)]) -> Vec<&str> {
        said.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn commands_are_told_what_they_need_and_believed_what_they_say() {
        let ready = r#"{"state":"ready","url":"https://t.example/"}"#;
        let outcomes = [("up", 75, ""), ("up", 0, ""), ("how", 0, r#"{"state":"creating"}"#), ("how", 0, ready)];
        let (world, said) = ordered(&json!({ "create": "up", "status": "how" }), &outcomes);
        assert_eq!(names(&said), ["StackCreated"]);
        let mut world = world;
        world.advance(Duration::from_secs(30));
        let said = settle(&mut world);
        assert_eq!((names(&said), &said[0].1["url"]), (vec!["StackWarm"], &json!("https://t.example/")));
        let id = world.keys("stacks")[0];
        let told: Vec<_> =
            world.commands().iter().map(|command| (command.name.as_str(), command.parameters.as_str())).collect();
        let (up, how) = (format!(r#"{{"stackId":"{id}","type":"LAB"}}"#), format!(r#"{{"stackId":"{id}"}}"#));
        assert_eq!(told, [("up", up.as_str()), ("up", &up), ("how", &how), ("how", &how)]);
    }

    #[test]
    fn without_a_status_a_stack_is_ready_when_it_is_created() {
        let created = [("create", 0, r#"{"state":"ready","url":"https://t.example/"}"#)];
        assert_eq!(names(&ordered(&json!({}), &created).1), ["StackCreated", "StackWarm"]);
        let (_, said) = ordered(&json!({}), &[("create", 0, r#"{"state":"creating"}"#), ("delete", 0, "")]);
        assert_eq!(names(&said), ["StackFailed", "StackDeleted"]);
        assert!(said[0].1["reason"].as_str().unwrap().ends_with("name it: status = \"...\""));
        let (_, said) = ordered(&json!({}), &[("create", 0, ""), ("delete", 0, "")]);
        assert!(said[0].1["reason"].as_str().unwrap().ends_with("is ready and has no URL"));
        // Nothing is granted: the reason says what to write.
        let (_, said) = ordered(&json!({}), &[]);
        assert!(said[0].1["reason"].as_str().unwrap().contains("[plugins.stack-manager.commands.create]"));
    }
}
