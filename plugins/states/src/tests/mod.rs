//! Definitions from the outside: what is refused, and what executions come to.

mod choices;
mod data;
mod errors;
mod forks;
mod mistakes;
mod specification;
mod storage;
mod waits;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::{Call, Entry, Execution, Machine, Moment, Problem, Start, Step, What};

/// The tasks of the tests.
const RESOURCES: [&str; 2] = ["work", "other"];

/// When executions of the tests begin: 2020-05-13T14:19:39Z.
const START: u64 = 1_589_379_579_000;

type Answer = Result<Value, Problem>;

/// A run with tasks that answer at once.
struct Run {
    machine: Machine,
    execution: Execution,
    now: u64,
    history: Vec<Entry>,
    calls: Vec<Call>,
    /// What tasks answer, in order; the input once there is nothing left.
    answers: VecDeque<Answer>,
}

impl Run {
    fn new(definition: &Value, input: Value) -> Self {
        let machine = machine(definition);
        let start = Start { id: "run-1", name: "first", machine: "tests", input, now: START };
        let execution = Execution::start(&machine, start);
        Self { machine, execution, now: START, history: Vec::new(), calls: Vec::new(), answers: VecDeque::new() }
    }

    fn answers(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers = answers.into_iter().collect();
        self
    }

    fn step(&mut self) -> Step {
        let mut number = 0;
        let mut random = || {
            number += 1;
            number
        };
        let mut moment = Moment::new(self.now, &mut random);
        let step = self.execution.step(&self.machine, &mut moment);
        self.history.extend(moment.history);
        step
    }

    /// Steps until something is waited for or it ends. Calls are not answered.
    fn go(&mut self) -> Step {
        loop {
            match self.step() {
                Step::Moved => {}
                Step::Call(call) => self.calls.push(call),
                other => return other,
            }
        }
    }

    /// Steps to the end. Calls are answered, and times that are waited for come.
    fn end(&mut self) -> Answer {
        loop {
            match self.step() {
                Step::Moved => {}
                Step::Call(call) => {
                    let answer = self.answers.pop_front().unwrap_or_else(|| Ok(call.input.clone()));
                    assert!(self.execution.complete(call.token, answer));
                    self.calls.push(call);
                }
                Step::Wait { until } => self.now = until.expect("somebody answers"),
                Step::Done(output) => return Ok(output),
                Step::Failed(problem) => return Err(problem),
            }
        }
    }

    /// What happened, by name.
    fn events(&self) -> Vec<String> {
        let name = |what: &What| serde_json::to_value(what).unwrap()["event"].as_str().unwrap().to_owned();
        self.history
            .iter()
            .map(|entry| format!("{} {}", name(&entry.what), entry.state).trim_end().to_owned())
            .collect()
    }
}

fn machine(definition: &Value) -> Machine {
    Machine::parse(definition, &RESOURCES).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// A machine of one state, which is the last.
fn one(mut state: Value) -> Value {
    if !matches!(state["Type"].as_str(), Some("Succeed" | "Fail" | "Choice")) {
        state["End"] = json!(true);
    }
    json!({ "StartAt": "Only", "States": { "Only": state } })
}

fn run(definition: &Value, input: Value) -> Answer {
    Run::new(definition, input).end()
}

fn problem(error: &str, cause: &str) -> Problem {
    Problem::new(error, cause)
}
