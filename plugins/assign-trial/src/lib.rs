//! Gives each trial that is requested a warm stack, and says how it ended: for every TrialRequested there is exactly
//! one TrialAssigned or TrialAssignmentFailed, in whatever order events arrive.
//!
//! What is done for a trial is a definition in Amazon States Language, `assign-trial.asl.json`, or another one that rules.toml gives:
//!
//! ```text
//! TrialRequested ─► SelectStack ─► ReserveStack ─► ConfigureTrial ─► CheckReachable ─► AssignTrial ─► TrialAssigned
//!                        │ waits in line,             │ stack-manager prepares it
//!                        ▼ until a deadline           ▼
//!                        FailTrial ─► TrialAssignmentFailed
//! ```
//!
//! * `assign` is what events mean for executions
//! * `run` takes an execution as far as it goes within a call
//! * `tasks` is what a definition can do
//! * `config` finds the definition, and says what is wrong with it
//! * `history` keeps what happened
//! * `record` is what lies in the key-value store
//!
//! A definition that replaces another counts for running executions too: they go on in the state of the same name.
//! One that ends without an outcome, or fails before it, has failed the assignment.
//!
//! This is no pool: building, personalising and deleting stacks is stack-manager's.

mod assign;
mod config;
mod history;
mod record;
mod run;
mod tasks;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use std::fs;
use std::io::ErrorKind;

use trialbridge_plugin::Access::{Read, ReadWrite};
use trialbridge_plugin::{Config, Description, Event, Failure, Host, OnlineTrial, Plugin};

use self::history::HISTORY;
use self::record::{ASSIGNMENTS, POOL, STACKS, WAITING};

/// The plugin.
pub struct AssignTrial;

trialbridge_plugin::export!(AssignTrial);

impl Plugin for AssignTrial {
    fn describe() -> Description {
        Description::new("assigns warm stacks to requested trials", env!("CARGO_PKG_VERSION"))
            .kv(POOL, ReadWrite)
            .kv(STACKS, ReadWrite)
            .kv(ASSIGNMENTS, ReadWrite)
            .kv(WAITING, ReadWrite)
            .kv(HISTORY, ReadWrite)
            .trials(ReadWrite)
            .emit(OnlineTrial::SOURCE)
            .emit(assign::SELF)
            .folder("stacks", Read)
    }

    fn check_config(config: &Config) -> Result<(), String> {
        config::Config::parse(config).map(drop)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        assign::handle(host, event, |stack_id| {
            match fs::read_to_string(host.folder("stacks").join(stack_id).join("trial.json")) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}
