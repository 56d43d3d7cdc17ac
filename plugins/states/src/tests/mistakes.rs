//! Everything that is wrong with a definition is said, with its path.

use serde_json::{Value, json};

use super::RESOURCES;
use crate::Machine;

fn mistakes(definition: &Value) -> Vec<String> {
    match Machine::parse(definition, &RESOURCES) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// What is wrong with a single state.
fn of(state: Value) -> Vec<String> {
    mistakes(&json!({ "StartAt": "A", "States": { "A": state, } }))
}

#[test]
fn names_that_lead_nowhere_are_found() {
    let definition = json!({
        "StartAt": "Reserv",
        "States": {
            "Reserve": { "Type": "Task", "Resource": "wrok", "Next": "Configre",
                         "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Gone" }] },
            "Configure": { "Type": "Pass", "End": true },
        }
    });
    let expected = [
        r#"$.States.Reserve.Resource: there is no resource "wrok", but work, other; did you mean "work"?"#,
        r#"$.StartAt: there is no state "Reserv"; did you mean "Reserve"?"#,
        r#"$.States.Reserve.Next: there is no state "Configre"; did you mean "Configure"?"#,
        r#"$.States.Reserve.Catch[0].Next: there is no state "Gone""#,
    ];
    assert_eq!(mistakes(&definition), expected);
}

#[test]
fn states_that_are_never_reached_and_machines_without_end_are_found() {
    let definition = json!({
        "StartAt": "A",
        "States": {
            "A": { "Type": "Pass", "Next": "B" },
            "B": { "Type": "Choice", "Choices": [{ "Variable": "$.x", "IsPresent": true, "Next": "A" }], "Default": "B" },
            "on an island": { "Type": "Succeed" },
        }
    });
    let expected = [
        r#"$.States['on an island']: cannot be reached from StartAt, "A": no state leads here"#,
        r#"$.StartAt: no way from "A" leads to an end: to "End": true, a Succeed or a Fail"#,
    ];
    assert_eq!(mistakes(&definition), expected);
    let nested = json!({ "StartAt": "A", "States": { "A": { "Type": "Parallel", "End": true, "Branches": [
        { "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "Outside" } } },
    ] } } });
    let expected = [
        "$.States.A.Branches[0].States.A: another state of the machine has this name already",
        r#"$.States.A.Branches[0].States.A.Next: there is no state "Outside""#,
    ];
    assert_eq!(mistakes(&nested), expected);
}

#[test]
fn fields_are_checked_one_by_one() {
    let cases = [
        (
            json!({ "Type": "Tsak" }),
            r#"$.States.A.Type: there is no type "Tsak", but Task, Choice, Wait, Pass, Succeed, Fail, Parallel, Map; did you mean "Task"?"#,
        ),
        (json!({}), "$.States.A: has no Type"),
        (json!({ "Type": "Pass" }), r#"$.States.A: has neither Next nor "End": true"#),
        (
            json!({ "Type": "Pass", "End": true, "Next": "A" }),
            "$.States.A.End: cannot be beside Next: a state goes on, or is the last",
        ),
        (
            json!({ "Type": "Pass", "End": true, "ResutlPath": "$.x" }),
            r#"$.States.A.ResutlPath: there is no field "ResutlPath" here; did you mean "ResultPath"?"#,
        ),
        (
            json!({ "Type": "Succeed", "ResultPath": "$.x" }),
            r#"$.States.A.ResultPath: there is no field "ResultPath" here"#,
        ),
        (
            json!({ "Type": "Pass", "End": true, "Assign": {} }),
            "$.States.A.Assign: variables are not supported; put values into the state's output with ResultPath",
        ),
        (
            json!({ "Type": "Pass", "End": true, "QueryLanguage": "JSONata" }),
            r#"$.States.A.QueryLanguage: "JSONata" is not supported, only "JSONPath" is"#,
        ),
        (
            json!({ "Type": "Pass", "End": true, "InputPath": "x" }),
            r#"$.States.A.InputPath: "x" is no path: a path begins with $, or $$ for the context object"#,
        ),
        (
            json!({ "Type": "Pass", "End": true, "ResultPath": "$.x[*]" }),
            r#"$.States.A.ResultPath: "$.x[*]" is no reference path, which is $ with names and indexes: $.stack.id, $['a name'], $.list[0]"#,
        ),
        (
            json!({ "Type": "Pass", "End": true, "Parameters": { "a": [{ "b.$": "States.Nothing()" }] } }),
            r#"$.States.A.Parameters.a[0]['b.$']: there is no intrinsic function "States.Nothing""#,
        ),
        (
            json!({ "Type": "Pass", "End": true, "Parameters": { "a.$": 1 } }),
            "$.States.A.Parameters['a.$']: must be a text, a path or an intrinsic function, because the name \"a.$\" ends in .$",
        ),
        (
            json!({ "Type": "Pass", "End": true, "Parameters": { "a": 1, "a.$": "$.a" } }),
            r#"$.States.A.Parameters['a.$']: both "a" and "a.$" are given, and both would be "a""#,
        ),
        (json!({ "Type": "Task", "End": true }), "$.States.A: has no Resource"),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "TimeoutSeconds": 0 }),
            "$.States.A.TimeoutSeconds: must be a whole number from 1 to 99999999, and is 0",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t" }),
            "$.States.A.TimeoutSecondsPath: cannot be beside TimeoutSeconds: only one of TimeoutSeconds, TimeoutSecondsPath is allowed",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "HeartbeatSeconds": 9, "TimeoutSeconds": 9 }),
            "$.States.A.HeartbeatSeconds: must be less than TimeoutSeconds, 9, and is 9",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": [] }] }),
            "$.States.A.Retry[0].ErrorEquals: must not be empty",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": ["States.ALL", "x"] }] }),
            "$.States.A.Retry[0].ErrorEquals: States.ALL must stand alone",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": ["States.ALL"] }, { "ErrorEquals": ["x"] }] }),
            "$.States.A.Retry[0].ErrorEquals: States.ALL must be in the last one: those after it would never be used",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": ["x"], "BackoffRate": 0.5 }] }),
            "$.States.A.Retry[0].BackoffRate: must be a number of 1.0 or more, and is 0.5",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": ["x"], "IntervalSeconds": 9, "MaxDelaySeconds": 9 }] }),
            "$.States.A.Retry[0].MaxDelaySeconds: must be greater than IntervalSeconds, 9, and at most 31622400, and is 9",
        ),
        (
            json!({ "Type": "Task", "End": true, "Resource": "work", "Retry": [{ "ErrorEquals": ["x"], "JitterStrategy": "SOME" }] }),
            r#"$.States.A.Retry[0].JitterStrategy: must be "NONE" or "FULL", and is "SOME""#,
        ),
        (
            json!({ "Type": "Wait", "End": true }),
            "$.States.A: has none of Seconds, SecondsPath, Timestamp, TimestampPath",
        ),
        (
            json!({ "Type": "Wait", "End": true, "Timestamp": "tomorrow" }),
            "$.States.A.Timestamp: must be a time as 2020-05-13T14:19:39Z, and is \"tomorrow\"",
        ),
        (
            json!({ "Type": "Fail", "ErrorPath": "$.e", "Error": "x" }),
            "$.States.A.ErrorPath: cannot be beside Error: only one of Error, ErrorPath is allowed",
        ),
        (json!({ "Type": "Map", "End": true }), "$.States.A: has no ItemProcessor"),
        (
            json!({ "Type": "Map", "End": true, "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED" }, "StartAt": "B", "States": { "B": { "Type": "Succeed" } } } }),
            r#"$.States.A.ItemProcessor.ProcessorConfig.Mode: "DISTRIBUTED" is not supported, only "INLINE" is"#,
        ),
    ];
    for (state, expected) in cases {
        // Some lead nowhere beside that.
        assert_eq!(of(state.clone()).first().map(String::as_str), Some(expected), "{state}");
    }
    for (choice, expected) in [
        (
            json!({ "Variable": "$.x", "StringEqals": "a", "Next": "A" }),
            r#".StringEqals: there is no comparison "StringEqals"; did you mean "StringEquals"?"#,
        ),
        (json!({ "Variable": "$.x", "Next": "A" }), ": has no comparison, as StringEquals, and none of And, Or, Not"),
        (json!({ "StringEquals": "a", "Next": "A" }), ": has no Variable"),
        (
            json!({ "Variable": "$.x", "NumericEquals": "1", "Next": "A" }),
            r#".NumericEquals: must be a number, and is "1""#,
        ),
        (json!({ "Variable": "$.x", "IsNull": "yes", "Next": "A" }), r#".IsNull: must be true or false, and is "yes""#),
        (
            json!({ "Variable": "$.x", "IsNull": true, "IsString": true, "Next": "A" }),
            ".IsString: cannot be beside IsNull: a choice has one comparison; join several with And",
        ),
        (
            json!({ "Not": { "Variable": "$.x", "IsNull": true, "Next": "A" }, "Next": "A" }),
            ".Not.Next: only the outermost condition of a choice has Next",
        ),
        (
            json!({ "And": [{ "Variable": "$.x", "StringMatches": "\\a" }], "Next": "A" }),
            r#".And[0].StringMatches: in "\\a" a backslash stands before neither * nor a backslash"#,
        ),
    ] {
        let found = of(json!({ "Type": "Choice", "Choices": [choice.clone()], "Default": "A" }));
        let expected = format!("$.States.A.Choices[0]{expected}");
        assert!(found.contains(&expected), "{choice}: {found:?}");
    }
    assert_eq!(mistakes(&json!([])), ["$: the definition must be an object, and is an array"]);
    let empty = ["$: has no StartAt", "$.States: must be an object with a state at least, and is an object"];
    assert_eq!(mistakes(&json!({ "States": {} })), empty);
}
