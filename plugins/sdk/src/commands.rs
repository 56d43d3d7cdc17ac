//! Programs of the operator, which rules.toml grants by name.
//!
//! ```
//! use trialbridge_plugin::{Event, Failure, Host};
//!
//! fn restart(event: &Event, host: &Host) -> Result<(), Failure> {
//!     let outcome = host.run("restart", &serde_json::json!({ "service": event.detail()?.text("service")? }))?;
//!     host.info("restarted", &[("said", outcome.success()?.stdout.as_str())]);
//!     Ok(())
//! }
//! ```
//!
//! In a test, [`World::answer_command`](crate::testing::World::answer_command) grants a command and says what comes of it, and
//! [`World::commands`](crate::testing::World::commands) what was run.

use serde::de::DeserializeOwned;

use crate::{Failure, permanent, retry};

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How its process ended.
    pub ending: Ending,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal, or by the host because it took too long or said too much. The text says which.
    Killed(String),
}

impl Outcome {
    /// What a command came to that ended with this exit code and wrote this to standard output: for tests.
    pub fn new(exit_code: i32, stdout: impl Into<String>) -> Self {
        Self { ending: Ending::Exited(exit_code), stdout: stdout.into(), stderr: String::new() }
    }

    /// Why it is no success, for people; nothing if it is one.
    pub fn failure(&self) -> Option<String> {
        let ending = match &self.ending {
            Ending::Exited(0) => return None,
            Ending::Exited(code) => format!("it ended with exit code {code}"),
            Ending::Killed(reason) => reason.clone(),
        };
        // The last words say what went wrong.
        let stderr = self.stderr.trim();
        let start = stderr.char_indices().rev().nth(299).map_or(0, |(at, _)| at);
        Some(if stderr.is_empty() { ending } else { format!("{ending}: {}", &stderr[start..]) })
    }

    /// The outcome, if the exit code is 0.
    ///
    /// # Errors
    ///
    /// Retry.
    pub fn success(self) -> Result<Self, Failure> {
        self.failure().map_or(Ok(self), |reason| Err(retry(reason)))
    }

    /// Standard output, from JSON.
    ///
    /// # Errors
    ///
    /// Permanent if it does not fit; names the member.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        crate::detail::deserialize(&self.stdout).map_err(|reason| permanent(format!("the command's output: {reason}")))
    }
}
