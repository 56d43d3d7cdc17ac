//! What states do: how they begin, finish, fail and are left.

use std::borrow::Cow;
use std::io;

use serde_json::{Map, Value};

use super::context::Item;
use super::thread::{Branch, Limit, Phase, Progress, Thread, Turn};
use super::{Call, earlier};
use crate::definition::{Amount, Kind, Said, State, Until};
use crate::history::What;
use crate::problem::{Problem, names};
use crate::template::{Scene, Template};
use crate::time;

/// The largest value that a state may give on, in bytes of JSON, as AWS has it.
const LARGEST: usize = 256 * 1024;

impl Thread {
    /// Does what the state does.
    pub(super) fn begin(&mut self, state: &State, name: &str, turn: &mut Turn<'_, '_>) -> Progress {
        let begun = self.effective_input(state, turn).and_then(|input| self.act(state, name, input, turn));
        begun.unwrap_or_else(|problem| self.handle(state, name, problem, turn))
    }

    /// Makes the state's output of its result, and leaves it.
    pub(super) fn finish(&mut self, state: &State, name: &str, result: Value, turn: &mut Turn<'_, '_>) -> Progress {
        let output = self.output(state, result, turn);
        match output {
            Ok(output) => self.leave(name, output, state.next.as_deref(), turn),
            Err(problem) => self.handle(state, name, problem, turn),
        }
    }

    /// Tries again, or goes where the error is caught, or gives up.
    pub(super) fn handle(&mut self, state: &State, name: &str, problem: Problem, turn: &mut Turn<'_, '_>) -> Progress {
        let retrier = state.retry.iter().position(|retrier| retrier.is_for(&problem));
        if let Some(i) = retrier
            && let Some(retries) = self.retries.get(i).copied()
            && retries < state.retry[i].attempts
        {
            self.retries[i] += 1;
            let until = turn.moment.now.saturating_add(state.retry[i].delay(retries, turn.moment.random));
            let Problem { error, cause } = problem;
            let retry = self.retries.iter().sum();
            turn.moment.note(name, What::RetryScheduled { error, cause, retry, until });
            self.phase = Phase::Retrying { until };
            return Progress::Moved;
        }
        let Some(catcher) = state.catch.iter().find(|catcher| catcher.is_for(&problem)) else {
            return Progress::Ended(Err(problem));
        };
        let output = match &catcher.result {
            None => Ok(self.input.clone()),
            Some(reference) => reference.put(self.input.clone(), problem.output()),
        };
        match output {
            Err(cause) => Progress::Ended(Err(Problem::new(names::RESULT_PATH_MATCH_FAILURE, cause))),
            Ok(output) => {
                let Problem { error, cause } = problem;
                turn.moment.note(name, What::ErrorCaught { error, cause, next: catcher.next.clone() });
                self.leave(name, output, Some(&catcher.next), turn)
            }
        }
    }

    /// Leaves the state for the next, or for good.
    pub(super) fn leave(&mut self, name: &str, output: Value, next: Option<&str>, turn: &mut Turn<'_, '_>) -> Progress {
        let size = size(&output);
        if size > LARGEST {
            let cause = format!("the output of {name:?} has {size} bytes, and at most {LARGEST} are allowed");
            return Progress::Ended(Err(Problem::new(names::DATA_LIMIT_EXCEEDED, cause)));
        }
        turn.moment.note(name, What::StateExited { output: output.clone() });
        match next {
            None => Progress::Ended(Ok(output)),
            Some(next) => {
                next.clone_into(&mut self.state);
                self.input = output;
                self.retries.clear();
                self.visit = None;
                self.phase = Phase::Before;
                Progress::Moved
            }
        }
    }

    /// What is given on of a value.
    pub(super) fn given_on(&self, state: &State, value: Value, turn: &Turn<'_, '_>) -> Result<Value, Problem> {
        match &state.output {
            None => Ok(Value::Object(Map::new())),
            Some(path) if path.is_whole() => Ok(value),
            Some(path) => {
                let context = self.context(turn.about);
                let given = path.read(&value, &context).map(Cow::into_owned);
                given.map_err(|cause| Problem::runtime(format!("OutputPath: {cause}")))
            }
        }
    }

    fn act(&mut self, state: &State, name: &str, input: Value, turn: &mut Turn<'_, '_>) -> Result<Progress, Problem> {
        match &state.kind {
            Kind::Task { resource, timeout, heartbeat } => {
                let timeout = self.time_of(timeout.as_ref(), "TimeoutSecondsPath", turn)?;
                // A task gives no sign of life but its answer, so that is what has to come in time.
                let heartbeat = self.time_of(heartbeat.as_ref(), "HeartbeatSecondsPath", turn)?;
                let limit = match heartbeat {
                    Some(heartbeat) if timeout.is_none_or(|timeout| heartbeat < timeout) => Limit::Heartbeat,
                    _ => Limit::Timeout,
                };
                let deadline = earlier(timeout, heartbeat);
                let token = *turn.next_token;
                *turn.next_token += 1;
                let visit = *self.visit.get_or_insert(token);
                let resource = resource.clone();
                turn.moment.note(name, What::TaskStarted { resource: resource.clone(), input: input.clone() });
                self.phase = Phase::Calling { token, deadline, limit };
                Ok(Progress::Call(Call { token, visit, resource, input, deadline }))
            }
            Kind::Choice { rules, default } => {
                let context = self.context(turn.about);
                let mut next = default.as_deref();
                for (condition, target) in rules {
                    if condition.holds(&input, &context).map_err(Problem::runtime)? {
                        next = Some(target);
                        break;
                    }
                }
                drop(context);
                let Some(next) = next else {
                    let cause = format!("no choice of {name:?} matches, and it has no Default");
                    return Err(Problem::new(names::NO_CHOICE_MATCHED, cause));
                };
                let output = self.given_on(state, input, turn)?;
                Ok(self.leave(name, output, Some(next), turn))
            }
            Kind::Wait(until) => {
                let until = match until {
                    Until::Seconds(amount) => {
                        let seconds = self.amount(amount, "SecondsPath", &input, turn)?;
                        turn.moment.now.saturating_add(seconds.saturating_mul(1000))
                    }
                    Until::Timestamp(time) => *time,
                    Until::TimestampPath(path) => {
                        let context = self.context(turn.about);
                        let value = path
                            .read(&input, &context)
                            .map_err(|cause| Problem::runtime(format!("TimestampPath: {cause}")))?;
                        let time = value.as_str().and_then(time::parse).map(time::millis);
                        time.ok_or_else(|| {
                            Problem::runtime(format!("TimestampPath leads to {value}, and must lead to a time"))
                        })?
                    }
                };
                turn.moment.note(name, What::WaitStarted { until });
                // What was taken of the input is what is given on.
                self.input = input;
                self.phase = Phase::Waiting { until };
                Ok(Progress::Moved)
            }
            Kind::Pass { result } => Ok(self.finish(state, name, result.clone().unwrap_or(input), turn)),
            Kind::Succeed => {
                let output = self.given_on(state, input, turn)?;
                Ok(self.leave(name, output, None, turn))
            }
            Kind::Fail { error, cause } => {
                let error = self.said(error.as_ref(), turn)?;
                let cause = self.said(cause.as_ref(), turn)?;
                Err(Problem::new(error, cause))
            }
            Kind::Parallel { branches } => {
                let threads = branches.iter().map(|scope| Self::new(scope, input.clone(), self.item.clone()));
                self.phase = Phase::Forked(threads.map(|thread| Branch::Before(Box::new(thread))).collect());
                Ok(Progress::Moved)
            }
            Kind::Map { items, selector, processor, .. } => {
                let context = self.context(turn.about);
                let found = items.read(&input, &context).map(Cow::into_owned);
                drop(context);
                let Value::Array(values) = found.map_err(|cause| Problem::runtime(format!("ItemsPath: {cause}")))?
                else {
                    return Err(Problem::runtime("ItemsPath leads to what is no array"));
                };
                let outer = self.item.take();
                let mut branches = Vec::with_capacity(values.len());
                for (index, value) in values.into_iter().enumerate() {
                    self.item = Some(Item { index, value: value.clone() });
                    let given = match selector {
                        None => Ok(value),
                        Some(selector) => self.fill(selector, &input, turn),
                    };
                    branches.push(
                        given.map(|given| Branch::Before(Box::new(Self::new(processor, given, self.item.clone())))),
                    );
                }
                self.item = outer;
                self.phase = Phase::Forked(branches.into_iter().collect::<Result<_, _>>()?);
                Ok(Progress::Moved)
            }
        }
    }

    /// When a time in seconds is over that begins now. A path to it is one into what the state was given: what Parameters make of that is
    /// for the task.
    fn time_of(&self, seconds: Option<&Amount>, field: &str, turn: &Turn<'_, '_>) -> Result<Option<u64>, Problem> {
        let Some(seconds) = seconds else { return Ok(None) };
        match self.amount(seconds, field, &self.input, turn)? {
            0 => Err(Problem::runtime(format!("{field} leads to 0, and must lead to at least 1"))),
            seconds => Ok(Some(turn.moment.now.saturating_add(seconds.saturating_mul(1000)))),
        }
    }

    /// What the state works on: a part of what it was given, and what is made of that.
    fn effective_input(&self, state: &State, turn: &mut Turn<'_, '_>) -> Result<Value, Problem> {
        let context = self.context(turn.about);
        let input = match &state.input {
            None => Cow::Owned(Value::Object(Map::new())),
            Some(path) => {
                path.read(&self.input, &context).map_err(|cause| Problem::runtime(format!("InputPath: {cause}")))?
            }
        };
        match &state.parameters {
            None => Ok(input.into_owned()),
            Some(template) => self.fill(template, &input, turn),
        }
    }

    /// The state's output: the result, what is selected of it, put where it belongs, and the part that is given on.
    fn output(&self, state: &State, result: Value, turn: &mut Turn<'_, '_>) -> Result<Value, Problem> {
        let result = match &state.selector {
            None => result,
            Some(template) => self.fill(template, &result, turn)?,
        };
        let whole = match &state.result {
            None => self.input.clone(),
            Some(reference) => reference
                .put(self.input.clone(), result)
                .map_err(|cause| Problem::new(names::RESULT_PATH_MATCH_FAILURE, cause))?,
        };
        self.given_on(state, whole, turn)
    }

    fn fill(&self, template: &Template, input: &Value, turn: &mut Turn<'_, '_>) -> Result<Value, Problem> {
        let context = self.context(turn.about);
        template.fill(&mut Scene { input, context: &context, random: &mut *turn.moment.random })
    }

    fn said(&self, said: Option<&Said>, turn: &mut Turn<'_, '_>) -> Result<String, Problem> {
        let value = match said {
            None => return Ok(String::new()),
            Some(Said::Given(text)) => return Ok(text.clone()),
            Some(Said::Made(expression)) => {
                let context = self.context(turn.about);
                let mut scene = Scene { input: &self.input, context: &context, random: &mut *turn.moment.random };
                expression.evaluate(&mut scene).map_err(|problem| Problem::runtime(problem.cause))?
            }
        };
        match value {
            Value::String(text) => Ok(text),
            other => {
                Err(Problem::runtime(format!("ErrorPath and CausePath must lead to texts, and one leads to {other}")))
            }
        }
    }
}

/// How many bytes a value has as JSON.
fn size(value: &Value) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("a value can be written, and counting cannot fail");
    count.0
}
