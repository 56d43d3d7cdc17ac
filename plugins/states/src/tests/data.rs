//! How data goes through a state.

use serde_json::{Value, json};

use super::{Run, one, problem, run};
use crate::problem::names;

#[test]
fn a_result_is_put_where_it_belongs() {
    let input = || json!({ "title": "Numbers to add", "numbers": { "val1": 3, "val2": 4 } });
    let with = |fields: Value| {
        let mut state = json!({ "Type": "Task", "Resource": "work" });
        state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut run = Run::new(&one(state), input()).answers([Ok(json!({ "sum": 7, "secret": 1 }))]);
        (run.end(), run.calls[0].input.clone())
    };
    let numbers = json!({ "val1": 3, "val2": 4 });
    assert_eq!(with(json!({})), (Ok(json!({ "sum": 7, "secret": 1 })), input()));
    assert_eq!(with(json!({ "InputPath": "$.numbers", "ResultPath": null })), (Ok(input()), numbers.clone()));
    assert_eq!(with(json!({ "InputPath": null })).1, json!({}));
    let (output, _) =
        with(json!({ "ResultSelector": { "of.$": "$.sum" }, "ResultPath": "$.new.place", "OutputPath": "$.new" }));
    assert_eq!(output, Ok(json!({ "place": { "of": 7 } })));
    let (output, _) =
        with(json!({ "ResultPath": "$.numbers.val1", "OutputPath": "$.numbers", "ResultSelector": { "x": 1 } }));
    assert_eq!(output, Ok(json!({ "val1": { "x": 1 }, "val2": 4 })));
    assert_eq!(with(json!({ "OutputPath": null })).0, Ok(json!({})));

    let (_, given) = with(json!({ "InputPath": "$.numbers", "Parameters": {
        "flagged": true,
        "parts": { "first.$": "$.val1", "all.$": "$.*", "list": [{ "last.$": "$['val2']" }] },
        "id.$": "$$.Execution.Id", "began.$": "$$.Execution.StartTime", "title.$": "$$.Execution.Input.title",
        "state.$": "$$.State.Name", "machine.$": "$$.StateMachine.Name", "text.$": "States.Format('{}!', $.val1)",
    } }));
    let expected = json!({
        "flagged": true,
        "parts": { "first": 3, "all": [3, 4], "list": [{ "last": 4 }] },
        "id": "run-1", "began": "2020-05-13T14:19:39Z", "title": "Numbers to add",
        "state": "Only", "machine": "tests", "text": "3!",
    });
    assert_eq!(given, expected);
}

#[test]
fn paths_that_lead_nowhere_fail_by_name() {
    let fails = |state: Value| run(&one(state), json!({ "text": "a", "list": [1] })).unwrap_err();
    let cause = "the path $.gone finds nothing in the input";
    let pass = |name: &str, value: Value| json!({ "Type": "Pass", name: value });
    assert_eq!(fails(pass("InputPath", json!("$.gone"))), problem(names::RUNTIME, &format!("InputPath: {cause}")));
    assert_eq!(fails(pass("OutputPath", json!("$.gone"))), problem(names::RUNTIME, &format!("OutputPath: {cause}")));
    assert_eq!(fails(pass("Parameters", json!({ "a.$": "$.gone" }))), problem(names::PARAMETER_PATH_FAILURE, cause));
    for path in ["$.text.a", "$.list[1]", "$.text[0]", "$.list.a"] {
        assert_eq!(fails(pass("ResultPath", json!(path))).error, names::RESULT_PATH_MATCH_FAILURE, "{path}");
    }
    assert_eq!(
        run(&one(pass("ResultPath", json!("$.list[0]"))), json!({ "list": [1] })),
        Ok(json!({ "list": [{ "list": [1] }] }))
    );
    let large = json!({ "Type": "Pass", "Parameters": { "a.$": "$.a", "b.$": "$.a" } });
    assert_eq!(run(&one(large), json!({ "a": "x".repeat(140_000) })).unwrap_err().error, names::DATA_LIMIT_EXCEEDED);
}

#[test]
fn a_pass_gives_its_result_and_a_fail_its_error() {
    let pass = json!({ "Type": "Pass", "Result": { "x": 0.5 }, "ResultPath": "$.coords" });
    assert_eq!(run(&one(pass), json!({ "a": 1 })), Ok(json!({ "a": 1, "coords": { "x": 0.5 } })));
    let fail = json!({ "Type": "Fail", "Error": "E", "Cause": "because" });
    assert_eq!(run(&one(fail), json!({})), Err(problem("E", "because")));
    let fail = json!({ "Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{} times', $.n)" });
    assert_eq!(run(&one(fail), json!({ "e": "Mine", "n": 3 })), Err(problem("Mine", "3 times")));
    let fail = json!({ "Type": "Fail", "ErrorPath": "$.n" });
    assert_eq!(run(&one(fail), json!({ "n": 3 })).unwrap_err().error, names::RUNTIME);
}

#[test]
fn the_history_says_what_happened() {
    let definition = json!({
        "StartAt": "Work",
        "States": {
            "Work": { "Type": "Task", "Resource": "work", "Next": "Done" },
            "Done": { "Type": "Succeed" },
        }
    });
    let mut run = Run::new(&definition, json!({ "a": 1 }));
    run.end().unwrap();
    let expected = [
        "ExecutionStarted",
        "StateEntered Work",
        "TaskStarted Work",
        "TaskSucceeded Work",
        "StateExited Work",
        "StateEntered Done",
        "StateExited Done",
        "ExecutionSucceeded",
    ];
    assert_eq!(run.events(), expected);
    let entry = serde_json::to_value(&run.history[2]).unwrap();
    assert_eq!(
        entry,
        json!({ "at": super::START, "state": "Work", "event": "TaskStarted", "resource": "work", "input": { "a": 1 } })
    );
}
