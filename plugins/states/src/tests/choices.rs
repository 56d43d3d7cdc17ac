//! Comparisons, in a table.

use serde_json::{Value, json};

use super::{one, run};
use crate::problem::names;

/// Whether a choice is taken.
fn chosen(condition: &Value, input: &Value) -> Result<bool, String> {
    let mut choice = condition.clone();
    choice["Next"] = json!("Yes");
    let definition = json!({
        "StartAt": "Choose",
        "States": {
            "Choose": { "Type": "Choice", "Choices": [choice], "Default": "No" },
            "Yes": { "Type": "Pass", "Result": true, "End": true },
            "No": { "Type": "Pass", "Result": false, "End": true },
        }
    });
    run(&definition, input.clone()).map(|output| output == true).map_err(|problem| problem.to_string())
}

#[test]
fn comparisons_hold_or_do_not() {
    let input = json!({
        "s": "m", "t": "z", "n": 5, "f": 5.0, "big": 9_007_199_254_740_993_u64, "b": true, "null": null,
        "early": "2020-05-13T14:19:39Z", "same": "2020-05-13T16:19:39+02:00", "late": "2021-01-01T00:00:00.5Z", "file": "log-2020.*.txt",
    });
    // Each operator's tail, and whether it holds for a value that is less, the same and greater.
    let relations = [
        ("Equals", [false, true, false]),
        ("LessThan", [true, false, false]),
        ("GreaterThan", [false, false, true]),
        ("LessThanEquals", [true, true, false]),
        ("GreaterThanEquals", [false, true, true]),
    ];
    let domains = [
        ("String", "s", [json!("n"), json!("m"), json!("l")], ["t", "s", "file"]),
        ("Numeric", "n", [json!(5.5), json!(5.0), json!(4)], ["big", "f", "n"]),
        (
            "Timestamp",
            "early",
            [json!("2020-05-13T14:19:40Z"), json!("2020-05-13T14:19:39Z"), json!("2020-05-13T14:19:39+01:00")],
            ["late", "same", "late"],
        ),
    ];
    for (domain, variable, constants, paths) in domains {
        for (relation, expected) in relations {
            for (i, constant) in constants.iter().enumerate() {
                let condition =
                    json!({ "Variable": format!("$.{variable}"), (format!("{domain}{relation}")): constant });
                assert_eq!(chosen(&condition, &input), Ok(expected[i]), "{condition}");
            }
            for (path, expected) in paths.iter().zip(expected).take(2) {
                let condition = json!({ "Variable": format!("$.{variable}"), (format!("{domain}{relation}Path")): format!("$.{path}") });
                assert_eq!(chosen(&condition, &input), Ok(expected), "{condition}");
            }
            let other = json!({ "Variable": "$.b", (format!("{domain}{relation}")): constants[1] });
            assert_eq!(chosen(&other, &input), Ok(false), "what is of another type does not compare: {other}");
        }
    }
    let cases = [
        ("b", "BooleanEquals", json!(true), true),
        ("b", "BooleanEquals", json!(false), false),
        ("b", "BooleanEqualsPath", json!("$.b"), true),
        ("big", "NumericEquals", json!(9_007_199_254_740_992_u64), false),
        ("null", "IsNull", json!(true), true),
        ("n", "IsNull", json!(false), true),
        ("null", "IsPresent", json!(true), true),
        ("gone", "IsPresent", json!(true), false),
        ("gone", "IsPresent", json!(false), true),
        ("n", "IsNumeric", json!(true), true),
        ("s", "IsNumeric", json!(true), false),
        ("s", "IsString", json!(true), true),
        ("b", "IsBoolean", json!(true), true),
        ("early", "IsTimestamp", json!(true), true),
        ("s", "IsTimestamp", json!(true), false),
        ("file", "StringMatches", json!("log-*.txt"), true),
        ("file", "StringMatches", json!("*"), true),
        ("file", "StringMatches", json!("log-*"), true),
        ("file", "StringMatches", json!("*.txt"), true),
        ("file", "StringMatches", json!("*2020.\\*.t*t"), true),
        ("file", "StringMatches", json!("log-2020.*.txt.*"), false),
        ("file", "StringMatches", json!("log"), false),
        ("file", "StringMatches", json!("*log-2020.*.txtt"), false),
        ("n", "StringMatches", json!("*"), false),
    ];
    for (variable, operator, operand, expected) in cases {
        let condition = json!({ "Variable": format!("$.{variable}"), operator: operand });
        assert_eq!(chosen(&condition, &input), Ok(expected), "{condition}");
    }
}

#[test]
fn conditions_are_joined_and_left_early() {
    let is = |name: &str| json!({ "Variable": format!("$.{name}"), "BooleanEquals": true });
    let there = |name: &str| json!({ "Variable": format!("$.{name}"), "IsPresent": true });
    let input = json!({ "yes": true, "no": false });
    let cases = [
        (json!({ "And": [is("yes"), is("no")] }), Ok(false)),
        (json!({ "Or": [is("no"), is("yes")] }), Ok(true)),
        (json!({ "Not": is("no") }), Ok(true)),
        (json!({ "And": [there("gone"), is("gone")] }), Ok(false)),
        (json!({ "Or": [is("yes"), is("gone")] }), Ok(true)),
        (json!({ "Or": [{ "And": [is("no")] }, { "Not": { "Not": is("yes") } }] }), Ok(true)),
        (json!({ "Variable": "$$.Execution.Id", "StringEquals": "run-1" }), Ok(true)),
        (is("gone"), Err("States.Runtime: the path $.gone finds nothing in the input".to_owned())),
    ];
    for (condition, expected) in cases {
        assert_eq!(chosen(&condition, &input), expected, "{condition}");
    }
}

#[test]
fn a_choice_takes_the_first_that_holds_and_needs_one() {
    let definition = json!({
        "StartAt": "Choose",
        "States": {
            "Choose": { "Type": "Choice", "InputPath": "$.in", "OutputPath": "$.out", "Choices": [
                { "Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big" },
                { "Variable": "$.n", "NumericGreaterThan": 5, "Next": "Middle" },
            ] },
            "Big": { "Type": "Fail" },
            "Middle": { "Type": "Succeed" },
        }
    });
    assert_eq!(run(&definition, json!({ "in": { "n": 7, "out": "o" } })), Ok(json!("o")));
    assert_eq!(run(&definition, json!({ "in": { "n": 1 } })).unwrap_err().error, names::NO_CHOICE_MATCHED);
    assert_eq!(
        run(&one(json!({ "Type": "Succeed", "InputPath": "$.a", "OutputPath": "$.b" })), json!({ "a": { "b": 1 } })),
        Ok(json!(1))
    );
}
