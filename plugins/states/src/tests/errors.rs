//! Retry and Catch.

use serde_json::{Value, json};

use super::{Run, START, machine, one, problem};
use crate::problem::names;
use crate::{Moment, Status, Step};

fn task(fields: Value) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": "work" });
    state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    one(state)
}

#[test]
fn each_retrier_counts_for_itself() {
    let definition = task(json!({ "Retry": [
        { "ErrorEquals": ["ErrorA", "ErrorB"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 2 },
        { "ErrorEquals": ["ErrorC"], "IntervalSeconds": 5 },
        { "ErrorEquals": ["States.ALL"], "MaxAttempts": 0 },
    ] }));
    let fails = |names: &[&str]| names.iter().map(|name| Err(problem(name, ""))).collect::<Vec<_>>();
    // The specification's example: A, C and B come back, and the next A is one too many.
    let mut run = Run::new(&definition, json!({})).answers(fails(&["ErrorA", "ErrorC", "ErrorB", "ErrorC", "ErrorA"]));
    assert_eq!(run.end().unwrap_err().error, "ErrorA");
    let waited: Vec<u64> =
        run.history.windows(2).map(|pair| pair[1].at - pair[0].at).filter(|wait| *wait > 0).collect();
    assert_eq!(waited, [1_000, 5_000, 2_000, 10_000]);
    assert_eq!(run.calls.len(), 5);

    let mut run = Run::new(&definition, json!({})).answers(fails(&["Other"]));
    assert_eq!(run.end().unwrap_err().error, "Other");
    let mut run = Run::new(&definition, json!({ "ok": 1 })).answers(fails(&["ErrorA"]));
    assert_eq!(run.end(), Ok(json!({ "ok": 1 })));
    let tokens: Vec<u64> = run.calls.iter().map(|call| call.token).collect();
    assert_eq!(tokens, [1, 2], "no two calls have one token");
    assert!(run.calls.iter().all(|call| call.visit == 1), "but they are of one stay");

    // A retry is counted until the state is left.
    let definition = task(json!({
        "Parameters": { "retries.$": "$$.State.RetryCount" }, "Retry": [{ "ErrorEquals": ["States.TaskFailed"] }],
    }));
    let mut run = Run::new(&definition, json!({})).answers(fails(&["a", "b"]));
    assert_eq!(run.end(), Ok(json!({ "retries": 2 })));
    let mut run = Run::new(&definition, json!({})).answers(fails(&[names::TIMEOUT]));
    assert_eq!(run.end().unwrap_err().error, names::TIMEOUT);
}

#[test]
fn what_is_not_retried_is_caught() {
    let definition = |catch: Value| {
        json!({
            "StartAt": "Work",
            "States": {
                "Work": { "Type": "Task", "Resource": "work", "Catch": catch, "OutputPath": "$.nothing", "End": true },
                "Caught": { "Type": "Succeed" },
                "Other": { "Type": "Pass", "Result": "other", "End": true },
            }
        })
    };
    let end = |result: Value, name: &str| {
        let mut first = json!({ "ErrorEquals": ["Mine"], "Next": "Caught" });
        first.as_object_mut().unwrap().extend(result.as_object().unwrap().clone());
        let catch = json!([first, { "ErrorEquals": ["States.ALL"], "Next": "Other" }]);
        Run::new(&definition(catch), json!({ "a": 1 })).answers([Err(problem(name, "why"))]).end()
    };
    let error = json!({ "Error": "Mine", "Cause": "why" });
    assert_eq!(end(json!({}), "Mine"), Ok(error.clone()));
    assert_eq!(end(json!({ "ResultPath": "$.error" }), "Mine"), Ok(json!({ "a": 1, "error": error })));
    assert_eq!(end(json!({ "ResultPath": null }), "Mine"), Ok(json!({ "a": 1 })));
    assert_eq!(end(json!({ "ResultPath": "$.a.b" }), "Mine").unwrap_err().error, names::RESULT_PATH_MATCH_FAILURE);
    assert_eq!(end(json!({}), "Else"), Ok(json!("other")));
    assert_eq!(end(json!({}), names::RUNTIME).unwrap_err().error, names::RUNTIME);
    // What fails around the task is caught as well.
    let catch =
        json!([{ "ErrorEquals": ["Mine"], "Next": "Caught" }, { "ErrorEquals": ["States.Runtime"], "Next": "Other" }]);
    let mut run = Run::new(&definition(catch), json!({}));
    assert_eq!(run.end(), Ok(json!("other")));
}

#[test]
fn tasks_and_machines_may_take_so_long() {
    let mut run = Run::new(&task(json!({ "TimeoutSecondsPath": "$.limit" })), json!({ "limit": 5 }));
    assert_eq!(run.go(), Step::Wait { until: Some(START + 5_000) });
    assert_eq!(run.calls[0].deadline, Some(START + 5_000));
    run.now += 4_999;
    assert_eq!(run.go(), Step::Wait { until: Some(START + 5_000) });
    run.now += 1;
    assert!(matches!(run.go(), Step::Failed(problem) if problem.error == names::TIMEOUT));
    assert!(!run.execution.complete(1, Ok(json!(1))), "nobody waits any more");

    let mut definition = task(json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Only" }] }));
    definition["TimeoutSeconds"] = json!(60);
    let mut run = Run::new(&definition, json!({}));
    assert_eq!(run.go(), Step::Wait { until: Some(START + 60_000) });
    run.now += 60_000;
    let Step::Failed(problem) = run.go() else { panic!("it is over") };
    assert_eq!(
        (problem.error.as_str(), problem.cause.as_str()),
        (names::TIMEOUT, "the execution took longer than 60 s")
    );
    assert!(matches!(run.go(), Step::Failed(_)), "it stays over");
}

#[test]
fn an_execution_is_stopped_or_loses_its_way() {
    let mut run = Run::new(&task(json!({})), json!({}));
    run.go();
    let mut random = || 0;
    let mut moment = Moment::new(START, &mut random);
    assert!(run.execution.abort("the trial was cancelled", &mut moment) && !run.execution.abort("again", &mut moment));
    assert_eq!(moment.history.len(), 1);
    assert!(matches!(run.execution.status(), Status::Aborted(cause) if cause == "the trial was cancelled"));
    assert!(!run.execution.complete(1, Ok(json!(1))));

    let mut run = Run::new(&task(json!({})), json!({}));
    run.step();
    run.machine = machine(&json!({ "StartAt": "Else", "States": { "Else": { "Type": "Succeed" } } }));
    let reason = r#"States.Runtime: the definition has no state "Only" any more"#;
    assert!(matches!(run.go(), Step::Failed(problem) if problem.to_string() == reason));

    let forever = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Variable": "$.stop", "IsPresent": true, "Next": "B" }], "Default": "A" },
        "B": { "Type": "Succeed" },
    } });
    let mut run = Run::new(&forever, json!({}));
    assert!(matches!(run.go(), Step::Failed(problem) if problem.error == names::RUNTIME));
    assert!(run.history.len() < 25_010);
}
