//! A run of a machine.
//!
//! An [`Execution`] is a tree of threads: one for the machine, and one for each branch of a Parallel and item of a Map that
//! runs. A step moves the first thread that can move.

mod context;
mod handle;
mod thread;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::context::About;
use self::thread::{Progress, Thread};
use crate::definition::Machine;
use crate::history::{Entry, What};
use crate::problem::{Problem, names};

/// The most that can happen in an execution, as AWS has it: what goes on for ever must end some time.
const MOST_ENTRIES: u32 = 25_000;

/// A run of a machine. It can be written and read back between any two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    about: About,
    /// When it has taken too long, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    status: Status,
    /// The number of the next call.
    next_token: u64,
    /// How much has happened.
    entries: u32,
    thread: Thread,
}

/// How an execution is started.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// Its id: `$$.Execution.Id`.
    pub id: &'a str,
    /// Its name: `$$.Execution.Name`.
    pub name: &'a str,
    /// The name of the machine: `$$.StateMachine.Name`.
    pub machine: &'a str,
    /// What it is given.
    pub input: Value,
    /// The time, in milliseconds since the epoch.
    pub now: u64,
}

/// How far an execution is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It runs, or waits.
    Running,
    /// It ended well, with this output.
    Succeeded(Value),
    /// It ended with an error; a machine that took too long with `States.Timeout`.
    Failed(Problem),
    /// It was stopped from outside, for this reason.
    Aborted(String),
}

/// What a step may use of the world, and what it says.
pub struct Moment<'a> {
    /// The time, in milliseconds since the epoch.
    pub now: u64,
    /// Random numbers.
    pub random: &'a mut dyn FnMut() -> u64,
    /// What has happened.
    pub history: Vec<Entry>,
}

/// What has come of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It went on, and can go on at once.
    Moved,
    /// A task is to be done; its result is for [`Execution::complete`], now or later. The execution may go on meanwhile.
    Call(Call),
    /// Nothing can go on before a time, in milliseconds since the epoch, or before a task is completed. Without a time, only that.
    Wait {
        /// The time.
        until: Option<u64>,
    },
    /// It ended well, with this output.
    Done(Value),
    /// It failed, or was stopped.
    Failed(Problem),
}

/// A task that is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Which call it is. No other of the execution has the same.
    pub token: u64,
    /// The first call of this stay in the state: the same for every retry, and for no other stay. What makes repetitions harmless elsewhere
    /// can be made of it.
    pub visit: u64,
    /// The task.
    pub resource: String,
    /// What it is given.
    pub input: Value,
    /// When it has taken too long, in milliseconds since the epoch.
    pub deadline: Option<u64>,
}

impl Execution {
    /// A run that has not made a step.
    pub fn start(machine: &Machine, start: Start<'_>) -> Self {
        let about = About {
            id: start.id.to_owned(),
            name: start.name.to_owned(),
            machine: start.machine.to_owned(),
            input: start.input.clone(),
            started_at: start.now,
        };
        Self {
            about,
            deadline: machine.timeout.map(|seconds| start.now.saturating_add(seconds * 1000)),
            status: Status::Running,
            next_token: 1,
            entries: 0,
            thread: Thread::new(&machine.scope, start.input, None),
        }
    }

    /// How far it is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Makes one step: enters a state, leaves one, asks for a task, or finds that there is nothing to do yet.
    pub fn step(&mut self, machine: &Machine, moment: &mut Moment<'_>) -> Step {
        match &self.status {
            Status::Running => {}
            Status::Succeeded(output) => return Step::Done(output.clone()),
            Status::Failed(problem) => return Step::Failed(problem.clone()),
            Status::Aborted(cause) => return Step::Failed(Problem::new("", cause.as_str())),
        }
        let before = moment.history.len();
        if self.entries == 0 {
            let input = self.about.input.clone();
            moment.note("", What::ExecutionStarted { input });
        }
        let step = self.advance(machine, moment);
        self.entries = self.entries.saturating_add((moment.history.len() - before) as u32);
        step
    }

    /// Takes the result of a call. False if nobody waits for it any more: the call took too long, a branch beside it failed, or the execution ended.
    pub fn complete(&mut self, token: u64, result: Result<Value, Problem>) -> bool {
        self.status == Status::Running && self.thread.complete(token, result).is_none()
    }

    /// Whether the result of a call is still waited for.
    pub fn awaits(&self, token: u64) -> bool {
        self.status == Status::Running && self.thread.awaits(token)
    }

    /// Stops it, if it runs. False if it does not.
    pub fn abort(&mut self, cause: &str, moment: &mut Moment<'_>) -> bool {
        let runs = self.status == Status::Running;
        if runs {
            moment.note("", What::ExecutionAborted { cause: cause.to_owned() });
            self.status = Status::Aborted(cause.to_owned());
        }
        runs
    }

    fn advance(&mut self, machine: &Machine, moment: &mut Moment<'_>) -> Step {
        if self.deadline.is_some_and(|deadline| moment.now >= deadline) {
            let seconds = machine.timeout.unwrap_or_default();
            let problem = Problem::new(names::TIMEOUT, format!("the execution took longer than {seconds} s"));
            return self.fail(problem, moment);
        }
        if self.entries >= MOST_ENTRIES {
            return self.fail(Problem::runtime(format!("more than {MOST_ENTRIES} things have happened")), moment);
        }
        let mut turn = thread::Turn { about: &self.about, next_token: &mut self.next_token, moment: &mut *moment };
        match self.thread.advance(&machine.scope, "", &mut turn) {
            Progress::Moved => Step::Moved,
            Progress::Call(call) => Step::Call(call),
            Progress::Idle(until) => Step::Wait { until: earlier(until, self.deadline) },
            Progress::Ended(Ok(output)) => {
                moment.note("", What::ExecutionSucceeded { output: output.clone() });
                self.status = Status::Succeeded(output.clone());
                Step::Done(output)
            }
            Progress::Ended(Err(problem)) => self.fail(problem, moment),
        }
    }

    fn fail(&mut self, problem: Problem, moment: &mut Moment<'_>) -> Step {
        let Problem { error, cause } = problem.clone();
        moment.note("", What::ExecutionFailed { error, cause });
        self.status = Status::Failed(problem.clone());
        Step::Failed(problem)
    }
}

impl<'a> Moment<'a> {
    /// A moment in which nothing has happened.
    pub fn new(now: u64, random: &'a mut dyn FnMut() -> u64) -> Self {
        Self { now, random, history: Vec::new() }
    }

    pub(crate) fn note(&mut self, state: &str, what: What) {
        self.history.push(Entry { at: self.now, state: state.to_owned(), what });
    }
}

/// The earlier of two times, either of which may be never.
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
