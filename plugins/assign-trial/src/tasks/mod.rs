//! What the tasks of a definition do.
//!
//! | resource | input | output | errors of its own |
//! |---|---|---|---|
//! | `selectStack` | `type` | `stackId`, as soon as one is warm and the trial is the first in line | |
//! | `reserveStack` | `stackId` | `stackId` | `StackTaken` |
//! | `configureTrial` | `stackId` | `stackId`, `url`, as soon as stack-manager has prepared it | `StackFailed` |
//! | `checkReachable` | `stackId` | `stackId` | `StackUnreachable`, `StackUnreadable` |
//! | `updateTrial` | `status`, `progress`, `attributes` | the trial as events carry it | |
//! | `emitEvent` | `detailType`, `source`, `detail` | the detail that was emitted | `OutcomeEmitted` |
//! | `httpRequest` | `url`, `method`, `headers`, `body`, `timeoutSeconds` | `status`, `headers`, `body` | `States.Http.StatusCode.NNN`, `States.Http.Socket` |
//!
//! What rules.toml does not grant fails with `States.Permissions`, and what is malformed with `States.TaskFailed`. `checkReachable` is no request
//! of the definition's: where rules.toml does not grant it, the word of the stack's provider is enough.

mod events;
mod http;
mod stacks;

use serde::de::DeserializeOwned;
use serde_json::Value;
use trialbridge_plugin::{Error, Failure};
use trialbridge_states::{Call, Problem, names};

use crate::record::{Assignment, Pending};
use crate::run::Run;

pub(crate) use self::events::{fail, progress};
pub(crate) use self::http::send;
pub(crate) use self::stacks::warm_stack;

/// The tasks that there are.
pub(crate) const RESOURCES: [&str; 7] =
    ["selectStack", "reserveStack", "configureTrial", "checkReachable", "httpRequest", "emitEvent", "updateTrial"];

/// What has come of a task.
pub(crate) enum Answer {
    /// Its result.
    Now(Result<Value, Problem>),
    /// An event will bring it.
    Later,
}

/// How a task ends: with its output, with an error of the definition's, or with one of the delivery's.
pub(crate) type Outcome = Result<Result<Value, Problem>, Failure>;

/// Does a task for a trial that lives.
pub(crate) fn perform(
    run: &mut Run<'_>,
    id: &str,
    assignment: &mut Assignment,
    call: &Call,
) -> Result<Answer, Failure> {
    let outcome = match call.resource.as_str() {
        "selectStack" => return stacks::select(run, id, assignment, call),
        // Who asks, and for what, is committed before it is asked: so a repetition asks for the same. `checkReachable` does the same.
        "httpRequest" => {
            assignment.pending.push(Pending::HttpRequest(call.clone()));
            return Ok(Answer::Later);
        }
        "configureTrial" => return stacks::configure(run, id, assignment, call),
        "checkReachable" => return Ok(stacks::check_reachable(run, id, assignment, call)),
        "reserveStack" => stacks::reserve(run, id, assignment, call),
        "emitEvent" => events::emit(run, id, assignment, call),
        "updateTrial" => events::update(run, id, assignment, call),
        other => Ok(Err(Problem::new(names::RUNTIME, format!("there is no task {other:?}")))),
    };
    outcome.map(Answer::Now)
}

/// The input of a task as a type of its own.
fn input<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    T::deserialize(&call.input)
        .map_err(|error| Problem::new(names::TASK_FAILED, format!("the input of {}: {error}", call.resource)))
}

/// What the host refuses is an error of the definition's; what may pass is one of the delivery's.
fn refused(error: Error) -> Result<Problem, Failure> {
    match error {
        Error::Denied(reason) => Ok(Problem::new(names::PERMISSIONS, reason)),
        Error::Invalid(reason) | Error::Limit(reason) => Ok(Problem::new(names::TASK_FAILED, reason)),
        other => Err(other.into()),
    }
}
