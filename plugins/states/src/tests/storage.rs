//! An execution that is stored and read back after every step ends as one that is not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, Run, problem};
use crate::{Entry, Execution, Machine, Moment, Start, Step};

/// A machine with everything in it.
fn definition() -> Value {
    json!({
        "StartAt": "Prepare", "TimeoutSeconds": 100_000,
        "States": {
            "Prepare": { "Type": "Pass", "Parameters": { "n.$": "$.n", "id.$": "States.UUID()", "items.$": "States.ArrayRange(1, $.n, 1)" }, "Next": "Work" },
            "Work": {
                "Type": "Task", "Resource": "work", "TimeoutSeconds": 50, "ResultPath": "$.work",
                "Retry": [{ "ErrorEquals": ["Again"], "IntervalSeconds": 3, "MaxAttempts": 2, "JitterStrategy": "FULL" }],
                "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Pause" }],
                "Next": "Both",
            },
            "Pause": { "Type": "Wait", "SecondsPath": "$.n", "Next": "Enough" },
            "Enough": { "Type": "Choice", "Choices": [{ "Variable": "$.n", "NumericGreaterThan": 3, "Next": "Both" }], "Default": "Broken" },
            "Broken": { "Type": "Fail", "Error": "Broken", "CausePath": "$.error.Cause" },
            "Both": {
                "Type": "Parallel", "ResultPath": "$.both", "Next": "Done",
                "Retry": [{ "ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1 }],
                "Branches": [
                    { "StartAt": "Each", "States": { "Each": {
                        "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": true,
                        "ItemProcessor": { "StartAt": "Item", "States": { "Item": { "Type": "Task", "Resource": "other", "End": true } } },
                    } } },
                    { "StartAt": "Sleep", "States": { "Sleep": { "Type": "Wait", "Seconds": 5, "End": true } } },
                ],
            },
            "Done": { "Type": "Succeed", "OutputPath": "$.both" },
        }
    })
}

/// How a run ends: its outcome and what happened.
fn outcome(n: u64, answers: &[u8], stored: impl Fn(Execution) -> Execution) -> (Answer, Vec<Entry>) {
    let mut answers = answers.iter();
    let mut run = Run::new(&definition(), json!({ "n": n }));
    let end = loop {
        run.execution = stored(run.execution);
        match run.step() {
            Step::Moved => {}
            Step::Call(call) => {
                run.execution = stored(run.execution);
                let answer = match answers.next() {
                    None | Some(0..=3) => Ok(json!({ "answer": call.input })),
                    Some(4..=5) => Err(problem("Again", "busy")),
                    Some(6) => Err(problem("Other", "no")),
                    // Nobody answers: the task takes too long, if it has a time.
                    Some(_) if call.deadline.is_some() => continue,
                    Some(_) => Ok(json!(null)),
                };
                run.execution.complete(call.token, answer);
            }
            Step::Wait { until } => run.now = until.expect("everything has a time"),
            Step::Done(output) => break Ok(output),
            Step::Failed(problem) => break Err(problem),
        }
    };
    (end, run.history)
}

proptest! {
    #[test]
    fn storing_an_execution_changes_nothing(n in 0_u64..6, answers in prop::collection::vec(0_u8..8, 0..20)) {
        let at_once = outcome(n, &answers, |execution| execution);
        let step_by_step = outcome(n, &answers, |execution| {
            let text = serde_json::to_string(&execution).unwrap();
            serde_json::from_str(&text).unwrap()
        });
        prop_assert_eq!(at_once, step_by_step);
    }

    /// Whatever somebody writes is good or refused, and never a panic.
    #[test]
    fn any_text_is_good_or_refused(text in "(\\$|States\\.|Format|UUID|[a-z.'\"(),{}*@?\\[\\]0-9 \\\\é-]){0,24}", field in 0_usize..8) {
        let (field, value) = [
            ("InputPath", json!(text)),
            ("ResultPath", json!(text)),
            ("Parameters", json!({ "a.$": text })),
            ("Parameters", json!({ "a.$": format!("States.Format({text})") })),
            ("ItemsPath", json!(text)),
            ("Timestamp", json!(text)),
            ("Next", json!(text)),
            ("Type", json!(text)),
        ][field].clone();
        let definition = super::one(json!({ "Type": "Pass", field: value }));
        if let Ok(machine) = Machine::parse(&definition, &[]) {
            let start = Start { id: "1", name: "1", machine: "1", input: json!({ "a": ["b", { "c": 1 }] }), now: 0 };
            let mut execution = Execution::start(&machine, start);
            let mut random = || 1;
            let mut moment = Moment::new(0, &mut random);
            while execution.step(&machine, &mut moment) == Step::Moved {}
        }
    }
}
