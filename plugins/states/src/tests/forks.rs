//! Parallel and Map.

use serde_json::{Value, json};

use super::{Run, START, one, problem};
use crate::Step;
use crate::problem::names;

fn parallel(extra: Value) -> Value {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: { "Type": "Task", "Resource": "work", "Parameters": { "is": name, "in.$": "$.x" }, "End": true } } });
    let mut state =
        json!({ "Type": "Parallel", "Branches": [branch("Left"), branch("Right")], "ResultPath": "$.both" });
    state.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    one(state)
}

#[test]
fn branches_run_beside_one_another_and_end_together() {
    let mut run = Run::new(&parallel(json!({})), json!({ "x": 1 }));
    assert_eq!(run.go(), Step::Wait { until: None });
    let inputs: Vec<&Value> = run.calls.iter().map(|call| &call.input).collect();
    assert_eq!(inputs, [&json!({ "is": "Left", "in": 1 }), &json!({ "is": "Right", "in": 1 })]);
    assert!(run.execution.complete(run.calls[1].token, Ok(json!("r"))));
    assert_eq!(run.go(), Step::Wait { until: None });
    assert!(run.execution.complete(run.calls[0].token, Ok(json!("l"))));
    assert_eq!(run.go(), Step::Done(json!({ "x": 1, "both": ["l", "r"] })));
    assert!(run.events().contains(&"StateEntered Only[1]/Right".to_owned()));
}

#[test]
fn one_branch_that_fails_ends_the_others() {
    let mut run =
        Run::new(&parallel(json!({})), json!({ "x": 1 })).answers([Ok(json!(1)), Err(problem("Broken", "why"))]);
    assert_eq!(run.end(), Err(problem("Broken", "why")));
    let retry = json!({ "Retry": [{ "ErrorEquals": ["Broken"], "IntervalSeconds": 7 }] });
    let mut run = Run::new(&parallel(retry), json!({ "x": 1 }));
    run.go();
    let (left, right) = (run.calls[0].token, run.calls[1].token);
    assert!(run.execution.complete(right, Err(problem("Broken", ""))));
    assert_eq!(run.go(), Step::Wait { until: Some(START + 7_000) });
    assert!(!run.execution.complete(left, Ok(json!(1))), "the left one was stopped");
    run.now += 7_000;
    run.go();
    assert_eq!(run.calls.len(), 4, "both begin again");
}

#[test]
fn a_map_works_on_each_item() {
    let definition = |extra: Value| {
        let processor = json!({
            "ProcessorConfig": { "Mode": "INLINE" }, "StartAt": "Each",
            "States": { "Each": { "Type": "Task", "Resource": "work", "End": true } },
        });
        let mut state = json!({ "Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor });
        state.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        one(state)
    };
    let input = || json!({ "shipper": "s", "items": [{ "p": "a" }, { "p": "b" }, { "p": "c" }] });
    let mut run = Run::new(&definition(json!({})), input());
    assert_eq!(run.end(), Ok(json!([{ "p": "a" }, { "p": "b" }, { "p": "c" }])));
    let selector = json!({ "ItemSelector": { "parcel.$": "$$.Map.Item.Value.p", "n.$": "$$.Map.Item.Index", "by.$": "$.shipper" }, "ResultPath": "$.done" });
    let output = Run::new(&definition(selector), input()).end().unwrap();
    assert_eq!(output["done"][2], json!({ "parcel": "c", "n": 2, "by": "s" }));

    let mut run = Run::new(&definition(json!({ "MaxConcurrency": 2 })), input());
    run.go();
    assert_eq!(run.calls.len(), 2);
    assert!(run.execution.complete(run.calls[1].token, Ok(json!(1))));
    run.go();
    assert_eq!(run.calls.len(), 3);

    assert_eq!(Run::new(&definition(json!({})), json!({ "items": [] })).end(), Ok(json!([])));
    assert_eq!(Run::new(&definition(json!({})), json!({ "items": 1 })).end().unwrap_err().error, names::RUNTIME);
    // As older definitions say it.
    let old = json!({ "Type": "Map", "MaxConcurrencyPath": "$.most", "ItemsPath": "$.items", "Parameters": { "v.$": "$$.Map.Item.Value" },
        "Iterator": { "StartAt": "Each", "States": { "Each": { "Type": "Pass", "End": true } } } });
    assert_eq!(Run::new(&one(old), json!({ "most": 1, "items": [1, 2] })).end(), Ok(json!([{ "v": 1 }, { "v": 2 }])));
}
