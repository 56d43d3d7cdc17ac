//! The specification's examples and what follows from its rules, as data: the files of `tests/`.
//!
//! A file is an array of cases. A case has a `definition`, its `text`, or one `state`, which is called `A` and is the last; and one of
//!
//! * `output`: what an execution with the `input` gives,
//! * `error`: the name of the error that it ends with,
//! * `refused`: the JSON paths of all mistakes,
//! * `accepted`: nothing is wrong with it.
//!
//! `answers` are what tasks answer, in order: `{"output"}`, `{"error"}`, or `"never"`. Tasks that are left over answer with their input. Also checked
//! are, where given, `calls`, the inputs of tasks; `entered`, the states; and `waits`, the seconds that the execution stood still.
//! Cases of `deviations.json` say in `specification` what stands there, and in `because` why it is not so here.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Answer, RESOURCES, Run, one};
use crate::{Machine, Problem, Step, What};

/// A case. A field that is not given is not checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    definition: Option<Value>,
    text: Option<String>,
    state: Option<Value>,
    #[serde(default = "nothing")]
    input: Value,
    #[serde(default)]
    answers: Vec<Value>,
    #[serde(default, deserialize_with = "given")]
    output: Option<Value>,
    error: Option<String>,
    refused: Option<BTreeSet<String>>,
    accepted: Option<bool>,
    calls: Option<Vec<Value>>,
    entered: Option<Vec<String>>,
    waits: Option<Vec<f64>>,
    specification: Option<String>,
    because: Option<String>,
}

/// What has become of a case, in the fields in which it says what is expected.
#[derive(Debug, Default, PartialEq)]
struct Found {
    output: Option<Value>,
    error: Option<String>,
    refused: Option<BTreeSet<String>>,
    calls: Option<Vec<Value>>,
    entered: Option<Vec<String>>,
    waits: Option<Vec<f64>>,
}

/// The files of what is as the specification has it.
const EXAMPLES: [(&str, &str); 6] = [
    ("data", include_str!("../../tests/data.json")),
    ("paths", include_str!("../../tests/paths.json")),
    ("functions", include_str!("../../tests/functions.json")),
    ("states", include_str!("../../tests/states.json")),
    ("errors", include_str!("../../tests/errors.json")),
    ("validation", include_str!("../../tests/validation.json")),
];

#[test]
fn examples_and_rules_of_the_specification() {
    for (file, cases) in EXAMPLES {
        check(file, cases, |case| case.specification.is_none() && case.because.is_none());
    }
}

#[test]
fn deviations_are_as_they_are_listed() {
    check("deviations", include_str!("../../tests/deviations.json"), |case| {
        case.specification.is_some() && case.because.is_some()
    });
}

/// Runs the cases of a file, each of which must be `well_formed`.
fn check(file: &str, cases: &str, well_formed: impl Fn(&Case) -> bool) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|case| {
            assert!(well_formed(&case), "{file}: {} has the fields of another kind of case", case.name);
            let name = case.name.clone();
            let (found, expected) = run(case);
            (found != expected).then(|| format!("{file}: {name}\n   found {found:?}\nexpected {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a case comes to, and what is expected of it.
fn run(case: Case) -> (Found, Found) {
    let text = match (case.definition, case.text, case.state) {
        (Some(definition), None, None) => definition.to_string(),
        (None, Some(text), None) => text,
        (None, None, Some(state)) => named(state).to_string(),
        _ => panic!("{}: either a definition, a text or a state", case.name),
    };
    let expected = Found {
        output: case.output,
        error: case.error,
        refused: case.refused,
        calls: case.calls,
        entered: case.entered,
        waits: case.waits,
    };
    let runs = expected.output.is_some() || expected.error.is_some();
    let ways = [runs, expected.refused.is_some(), case.accepted.is_some()];
    assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{}: one thing is expected", case.name);
    if let Err(mistakes) = Machine::from_json(&text, &RESOURCES) {
        let paths = mistakes.into_iter().map(|mistake| mistake.path).collect();
        return (Found { refused: Some(paths), ..Found::default() }, expected);
    }
    if !runs {
        return (Found::default(), expected);
    }
    let mut run = Run::new(&serde_json::from_str(&text).unwrap(), case.input);
    let mut waits = Vec::new();
    let end = end(&mut run, case.answers, &mut waits);
    let (output, error) = match end {
        Ok(output) => (Some(output), None),
        Err(problem) => (None, Some(problem.error)),
    };
    let entered = run.history.iter().filter(|entry| matches!(entry.what, What::StateEntered { .. }));
    let found = Found {
        output,
        error,
        refused: None,
        calls: expected.calls.is_some().then(|| run.calls.iter().map(|call| call.input.clone()).collect()),
        entered: expected.entered.is_some().then(|| entered.map(|entry| entry.state.clone()).collect()),
        waits: expected.waits.is_some().then_some(waits),
    };
    (found, expected)
}

/// Steps to the end, answers calls and notes the seconds between steps.
fn end(run: &mut Run, answers: Vec<Value>, waits: &mut Vec<f64>) -> Answer {
    let mut answers = answers.into_iter();
    loop {
        match run.step() {
            Step::Moved => {}
            Step::Call(call) => {
                let answer = match answers.next() {
                    None => Some(Ok(call.input.clone())),
                    Some(Value::String(never)) if never == "never" => None,
                    Some(answer) => Some(read(&answer)),
                };
                if let Some(answer) = answer {
                    assert!(run.execution.complete(call.token, answer));
                }
                run.calls.push(call);
            }
            Step::Wait { until } => {
                let until = until.expect("somebody answers");
                waits.push((until - run.now) as f64 / 1000.0);
                run.now = until;
            }
            Step::Done(output) => return Ok(output),
            Step::Failed(problem) => return Err(problem),
        }
    }
}

fn read(answer: &Value) -> Answer {
    match (answer.get("output"), answer.get("error")) {
        (Some(output), None) => Ok(output.clone()),
        (None, Some(Value::String(error))) => {
            Err(Problem::new(error, answer.get("cause").and_then(Value::as_str).unwrap_or_default()))
        }
        _ => panic!("{answer} is no answer of a task"),
    }
}

/// A machine of one state, `A`.
fn named(state: Value) -> Value {
    let is_last = state.get("Next").is_some() || state.get("End").is_some();
    let state = if is_last { state } else { one(state)["States"]["Only"].take() };
    json!({ "StartAt": "A", "States": { "A": state } })
}

/// A value that is there, even if it is null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn nothing() -> Value {
    json!({})
}
