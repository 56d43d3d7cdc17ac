//! A thread of an execution: the state it is in, and how far that is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{About, Here, Item};
use super::{Call, Moment, earlier};
use crate::definition::{Amount, Kind, Scope, State};
use crate::history::What;
use crate::path::Context;
use crate::problem::{Problem, names};

/// A thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// The state it is in.
    pub(super) state: String,
    /// What that state was given.
    pub(super) input: Value,
    /// When it was entered, in milliseconds since the epoch.
    pub(super) entered_at: u64,
    /// How often each of its retriers has been used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retries: Vec<u32>,
    /// The first call of this stay in the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) visit: Option<u64>,
    /// The item of the Map that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<Item>,
    pub(super) phase: Phase,
}

/// How far a state is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// It is about to be entered.
    Before,
    /// It was entered, and is about to do what it does, for the first time or again.
    Entered,
    /// A task works for it.
    Calling {
        token: u64,
        deadline: Option<u64>,
        #[serde(default)]
        limit: Limit,
    },
    /// The task has answered.
    Answered(Result<Value, Problem>),
    /// It waits for a time.
    Waiting { until: u64 },
    /// It is tried again at a time.
    Retrying { until: u64 },
    /// Its branches, or items, run.
    Forked(Vec<Branch>),
}

/// What sets the deadline of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Limit {
    /// Its TimeoutSeconds.
    #[default]
    Timeout,
    /// Its HeartbeatSeconds.
    Heartbeat,
}

/// A branch of a Parallel, or an item of a Map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Branch {
    /// It has not begun.
    Before(Box<Thread>),
    Running(Box<Thread>),
    /// It ended, with this output.
    Ended(Value),
}

/// What a step has come to.
pub(super) enum Progress {
    Moved,
    Call(Call),
    /// Nothing can be done before this time, if ever.
    Idle(Option<u64>),
    Ended(Result<Value, Problem>),
}

/// What one step of a thread is made with.
pub(super) struct Turn<'a, 'm> {
    pub(super) about: &'a About,
    pub(super) next_token: &'a mut u64,
    pub(super) moment: &'a mut Moment<'m>,
}

impl Thread {
    /// A thread that is about to enter the first state of a scope.
    pub(super) fn new(scope: &Scope, input: Value, item: Option<Item>) -> Self {
        let state = scope.start_at.clone();
        Self { state, input, entered_at: 0, retries: Vec::new(), visit: None, item, phase: Phase::Before }
    }

    /// Hands a result to the state that waits for it; hands it back if none does.
    pub(super) fn complete(&mut self, token: u64, result: Result<Value, Problem>) -> Option<Result<Value, Problem>> {
        match &mut self.phase {
            Phase::Calling { token: waiting, .. } if *waiting == token => {
                self.phase = Phase::Answered(result);
                None
            }
            Phase::Forked(branches) => branches.iter_mut().try_fold(result, |result, branch| match branch {
                Branch::Running(thread) => thread.complete(token, result),
                _ => Some(result),
            }),
            _ => Some(result),
        }
    }

    /// Whether a call of it, or of a branch, is waited for.
    pub(super) fn awaits(&self, token: u64) -> bool {
        match &self.phase {
            Phase::Calling { token: waiting, .. } => *waiting == token,
            Phase::Forked(branches) => {
                branches.iter().any(|branch| matches!(branch, Branch::Running(thread) if thread.awaits(token)))
            }
            _ => false,
        }
    }

    /// Makes a step in `scope`. `above` is what the names of its states have before them in the history.
    pub(super) fn advance(&mut self, scope: &Scope, above: &str, turn: &mut Turn<'_, '_>) -> Progress {
        let Some(state) = scope.states.get(&self.state) else {
            let reason = format!("the definition has no state {:?} any more", self.state);
            return Progress::Ended(Err(Problem::runtime(reason)));
        };
        let name = format!("{above}{}", self.state);
        let now = turn.moment.now;
        let waits = match &self.phase {
            Phase::Calling { deadline, .. } => Some(*deadline),
            Phase::Waiting { until } | Phase::Retrying { until } => Some(Some(*until)),
            _ => None,
        };
        if let Some(until) = waits
            && until.is_none_or(|until| now < until)
        {
            return Progress::Idle(until);
        }
        match std::mem::replace(&mut self.phase, Phase::Entered) {
            Phase::Before => {
                self.entered_at = now;
                self.retries = vec![0; state.retry.len()];
                turn.moment.note(&name, What::StateEntered { input: self.input.clone() });
                Progress::Moved
            }
            Phase::Entered | Phase::Retrying { .. } => self.begin(state, &name, turn),
            Phase::Answered(Ok(output)) => {
                turn.moment.note(&name, What::TaskSucceeded { output: output.clone() });
                self.finish(state, &name, output, turn)
            }
            Phase::Answered(Err(problem)) => self.task_failed(state, &name, problem, turn),
            Phase::Calling { limit, .. } => {
                let (error, field) = match limit {
                    Limit::Timeout => (names::TIMEOUT, "TimeoutSeconds"),
                    Limit::Heartbeat => (names::HEARTBEAT_TIMEOUT, "HeartbeatSeconds"),
                };
                let task = match &state.kind {
                    Kind::Task { resource, .. } => resource,
                    _ => &self.state,
                };
                let problem = Problem::new(error, format!("the task {task} took longer than its {field}"));
                self.task_failed(state, &name, problem, turn)
            }
            Phase::Waiting { .. } => match self.given_on(state, self.input.clone(), turn) {
                Ok(output) => self.leave(&name, output, state.next.as_deref(), turn),
                Err(problem) => Progress::Ended(Err(problem)),
            },
            Phase::Forked(branches) => self.fork(state, &name, branches, turn),
        }
    }

    /// The context object.
    pub(super) fn context<'a>(&'a self, about: &'a About) -> Context<'a> {
        Context::new(Box::new(|| {
            about.context(&Here {
                state: &self.state,
                entered_at: self.entered_at,
                retries: self.retries.iter().sum(),
                item: self.item.as_ref(),
            })
        }))
    }

    fn task_failed(&mut self, state: &State, name: &str, problem: Problem, turn: &mut Turn<'_, '_>) -> Progress {
        let Problem { error, cause } = problem.clone();
        turn.moment.note(name, What::TaskFailed { error, cause });
        self.handle(state, name, problem, turn)
    }

    /// Moves the first branch that can move.
    fn fork(&mut self, state: &State, name: &str, mut branches: Vec<Branch>, turn: &mut Turn<'_, '_>) -> Progress {
        let most = match self.most_at_once(state, turn) {
            Ok(most) => most,
            Err(problem) => return self.handle(state, name, problem, turn),
        };
        let mut until = None;
        let mut running = 0;
        for (i, branch) in branches.iter_mut().enumerate() {
            if running >= most {
                break;
            }
            if let Branch::Before(thread) = branch {
                *branch = Branch::Running(thread.clone());
            }
            let Branch::Running(thread) = branch else { continue };
            running += 1;
            let scope = match &state.kind {
                Kind::Parallel { branches } => branches.get(i),
                Kind::Map { processor, .. } => Some(processor),
                _ => None,
            };
            let progress = match scope {
                Some(scope) => thread.advance(scope, &format!("{name}[{i}]/"), turn),
                None => Progress::Ended(Err(Problem::runtime(format!(
                    "the definition has no branch {i} of {name:?} any more"
                )))),
            };
            match progress {
                Progress::Idle(time) => until = earlier(until, time),
                Progress::Ended(Err(problem)) => return self.handle(state, name, problem, turn),
                Progress::Ended(Ok(output)) => {
                    *branch = Branch::Ended(output);
                    self.phase = Phase::Forked(branches);
                    return Progress::Moved;
                }
                other => {
                    self.phase = Phase::Forked(branches);
                    return other;
                }
            }
        }
        if running > 0 {
            self.phase = Phase::Forked(branches);
            return Progress::Idle(until);
        }
        let outputs = branches.into_iter().map(|branch| match branch {
            Branch::Ended(output) => output,
            Branch::Before(_) | Branch::Running(_) => Value::Null,
        });
        self.finish(state, name, outputs.collect(), turn)
    }

    /// How many branches may run at once.
    fn most_at_once(&self, state: &State, turn: &Turn<'_, '_>) -> Result<usize, Problem> {
        let Kind::Map { at_once, .. } = &state.kind else { return Ok(usize::MAX) };
        let most = match at_once {
            Amount::Given(most) => *most,
            found => self.amount(found, "MaxConcurrencyPath", &self.input, turn)?,
        };
        Ok(if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) })
    }

    /// A whole number that is given, or found in `input`.
    pub(super) fn amount(
        &self,
        amount: &Amount,
        field: &str,
        input: &Value,
        turn: &Turn<'_, '_>,
    ) -> Result<u64, Problem> {
        match amount {
            Amount::Given(number) => Ok(*number),
            Amount::Found(path) => {
                let context = self.context(turn.about);
                let value =
                    path.read(input, &context).map_err(|cause| Problem::runtime(format!("{field}: {cause}")))?;
                value.as_u64().ok_or_else(|| {
                    Problem::runtime(format!("{field} leads to {value}, and must lead to a whole number"))
                })
            }
        }
    }
}
