//! What patterns match, what they refuse, and that no text brings the reader down.

mod agreement;
mod bounds;
mod conformance;
mod explanation;
pub(super) mod generate;
mod reference;

use proptest::prelude::*;

use super::value::Value;
use super::{Pattern, json};

fn matches(pattern: &str, event: &str) -> bool {
    let pattern = Pattern::parse_json(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    pattern.matches(event.as_bytes()).unwrap_or_else(|error| panic!("{event}: {error}"))
}

#[track_caller]
fn check(pattern: &str, matching: &[&str], other: &[&str]) {
    for event in matching {
        assert!(matches(pattern, event), "{pattern} does not match {event}");
    }
    for event in other {
        assert!(!matches(pattern, event), "{pattern} matches {event}");
    }
}

#[test]
fn exact_values() {
    check(r#"{"a": ["x", "y"]}"#, &[r#"{"a": "y"}"#], &[r#"{"a": "X"}"#, r#"{"a": "xy"}"#, r#"{"b": "x"}"#, "{}"]);
    check(r#"{"a": [300]}"#, &[r#"{"a": 300.0}"#, r#"{"a": 3.0e2}"#], &[r#"{"a": "300"}"#, r#"{"a": 301}"#]);
    check(r#"{"a": [1e400]}"#, &[r#"{"a": 1e400}"#], &[r#"{"a": 1e401}"#]);
    check(r#"{"a": [true]}"#, &[r#"{"a": true}"#], &[r#"{"a": false}"#, r#"{"a": "true"}"#, r#"{"a": 1}"#]);
    check(r#"{"a": [null]}"#, &[r#"{"a": null}"#], &[r#"{"a": "null"}"#, "{}", r#"{"a": []}"#]);
    check(r#"{"a": [""]}"#, &[r#"{"a": ""}"#], &[r#"{"a": null}"#]);
    check(r#"{"\u00e9": ["\ud83d\ude00\n"]}"#, &["{\"é\": \"😀\\n\"}"], &[r#"{"é": "\ud83d"}"#]);
}

#[test]
fn every_field_must_match() {
    let pattern = r#"{"source": ["s"], "detail": {"a": [1], "b": {"c": ["x"]}}}"#;
    check(
        pattern,
        &[r#"{"detail": {"b": {"c": "x", "d": 0}, "a": 1}, "source": "s"}"#],
        &[r#"{"source": "s", "detail": {"a": 1}}"#, r#"{"source": "s", "detail": {"a": 2, "b": {"c": "x"}}}"#],
    );
}

#[test]
fn prefixes() {
    check(
        r#"{"a": [{"prefix": "ab"}]}"#,
        &[r#"{"a": "ab"}"#, r#"{"a": "abc"}"#],
        &[r#"{"a": "a"}"#, r#"{"a": "cab"}"#],
    );
    check(r#"{"a": [{"prefix": ""}]}"#, &[r#"{"a": ""}"#, r#"{"a": "x"}"#], &[r#"{"a": 1}"#, r#"{"a": null}"#, "{}"]);
}

#[test]
fn anything_but() {
    check(
        r#"{"a": [{"anything-but": ["x", "y"]}]}"#,
        &[r#"{"a": "z"}"#, r#"{"a": null}"#, r#"{"a": 1}"#, r#"{"a": ["x", "z"]}"#],
        &[r#"{"a": "x"}"#, r#"{"a": ["x", "y"]}"#, r#"{"a": []}"#, r#"{"a": {"x": 1}}"#, "{}"],
    );
    check(r#"{"a": [{"anything-but": 300}]}"#, &[r#"{"a": "300"}"#, r#"{"a": 1}"#], &[r#"{"a": 3e2}"#]);
    check(
        r#"{"a": [{"anything-but": {"prefix": "x"}}]}"#,
        &[r#"{"a": "y"}"#, r#"{"a": 1}"#],
        &[r#"{"a": "xy"}"#, "{}"],
    );
    check(r#"{"a": [{"anything-but": "x"}, {"anything-but": "y"}]}"#, &[r#"{"a": "x"}"#, r#"{"a": "y"}"#], &["{}"]);
}

#[test]
fn existence_is_about_leaves() {
    let absent = [r#"{}"#, r#"{"a": {}}"#, r#"{"a": {"b": 1}}"#, r#"{"a": []}"#, r#"{"a": [[], {}]}"#];
    let present = [r#"{"a": null}"#, r#"{"a": 0}"#, r#"{"a": ""}"#, r#"{"a": [{}, 1]}"#];
    check(r#"{"a": [{"exists": true}]}"#, &present, &absent);
    check(r#"{"a": [{"exists": false}]}"#, &absent, &present);
    check(r#"{"a": [{"exists": false}, "x"]}"#, &["{}", r#"{"a": "x"}"#], &[r#"{"a": "y"}"#]);
    check(
        r#"{"a": {"b": [{"exists": false}]}}"#,
        &["{}", r#"{"a": 1}"#, r#"{"a": [{"c": 1}]}"#],
        &[r#"{"a": [{}, {"b": 1}]}"#],
    );
}

#[test]
fn arrays_match_by_any_element() {
    check(r#"{"a": [3]}"#, &[r#"{"a": [1, 3]}"#, r#"{"a": [[1], [[2], 3]]}"#], &[r#"{"a": [1, "3"]}"#, r#"{"a": []}"#]);
}

#[test]
fn fields_of_one_array_come_from_one_element() {
    let people = r#"{"people": [{"first": "Anna", "last": "Smith", "phones": [{"type": "home"}]},
                                {"first": "Ben", "last": "Jones", "phones": [{"type": "work"}], "left": true}]}"#;
    check(r#"{"people": {"first": ["Anna"], "last": ["Smith"]}}"#, &[people], &[]);
    check(r#"{"people": {"first": ["Anna"], "last": ["Jones"]}}"#, &[], &[people]);
    check(r#"{"people": {"phones": {"type": ["work"]}, "last": ["Jones"]}}"#, &[people], &[]);
    check(r#"{"people": {"phones": {"type": ["work"]}, "last": ["Smith"]}}"#, &[], &[people]);
    check(r#"{"people": {"first": ["Anna"], "left": [{"exists": false}]}}"#, &[people], &[]);
    check(r#"{"people": {"first": ["Ben"], "left": [{"exists": false}]}}"#, &[], &[people]);
    check(r#"{"people": {"left": [{"exists": false}]}}"#, &[], &[people]);
    check(r#"{"people": {"age": [{"exists": false}]}}"#, &[people], &[]);
}

#[test]
fn odd_events_are_still_events() {
    check(r#"{"a": [1]}"#, &[r#"{"a": 2, "a": 1}"#, r#"{"a": 1, "b": 1e400, "c": "\ud800"}"#], &[]);
    let deep = |levels: usize| format!(r#"{{"b": {}1{}, "a": 1}}"#, "[".repeat(levels), "]".repeat(levels));
    check(r#"{"a": [1], "b": [1]}"#, &[&deep(100)], &[&deep(200_000)]);
    check(r#"{"a": [1]}"#, &[&deep(200_000)], &[]);
}

#[test]
fn numbers_are_within_ranges() {
    check(
        r#"{"a": [{"numeric": [">", 1, "<=", 10]}]}"#,
        &[r#"{"a": 1.5}"#, r#"{"a": 1e1}"#, r#"{"a": ["x", 2]}"#],
        &[r#"{"a": 1}"#, r#"{"a": 10.5}"#, r#"{"a": "5"}"#, r#"{"a": 5.00000000000000000001}"#, "{}"],
    );
    check(r#"{"a": [{"numeric": ["=", 0]}]}"#, &[r#"{"a": -0.0}"#], &[r#"{"a": null}"#]);
}

#[test]
fn dots_join_names() {
    check(
        r#"{"a.b": [1], "c": {"d": [2]}}"#,
        &[r#"{"a": {"b": 1}, "c.d": 2}"#, r#"{"a.b": 1, "c": [{"d": 2}]}"#],
        &[r#"{"a": {"x.b": 1}, "c.d": 2}"#],
    );
}

#[test]
fn one_of_several_sets_of_fields() {
    check(
        r#"{"a": [1], "$or": [{"b": [2]}, {"$or": [{"c": [3]}, {"d": [4], "b": [5]}]}]}"#,
        &[r#"{"a": 1, "b": 2}"#, r#"{"a": 1, "c": 3}"#, r#"{"a": 1, "b": 5, "d": 4}"#],
        &[r#"{"a": 1}"#, r#"{"b": 2}"#, r#"{"a": 1, "d": 4, "b": 3}"#],
    );
    // What is asked last of a field counts.
    check(r#"{"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}"#, &[r#"{"a": 2}"#, r#"{"a": 1, "b": 3}"#], &[r#"{"a": 1}"#]);
    check(r#"{"a": ["x"], "a": ["y"]}"#, &[r#"{"a": "y"}"#], &[r#"{"a": "x"}"#]);
}

#[test]
fn what_is_probably_not_meant_is_noted() {
    for (pattern, note) in [
        (r#"{"a": ["x"], "a": ["y"]}"#, "this replaces what was asked of `a` before"),
        (
            r#"{"a": {"anything-but": ["x"]}}"#,
            "`anything-but` outside an array is a field of that name, not the operator",
        ),
        (r#"{"a": [{"equals-ignore-case": "😀"}]}"#, "`😀` matches nothing where case is ignored, not even itself"),
    ] {
        let pattern = Pattern::parse_json(pattern).expect(pattern);
        assert_eq!(pattern.notes().iter().map(|note| note.message.as_str()).collect::<Vec<_>>(), [note]);
    }
}

#[test]
fn errors_point_at_the_place() {
    for (pattern, place, message) in [
        (r#"{"a": "x"}"#, r#""x""#, "`a` must be an array of alternatives, not a string"),
        (r#"{"a": {"prefix": "x"}}"#, r#"{"prefix": "x"}"#, "the operator `prefix` stands outside an array"),
        (r#"{"a": [{"prefix": 1}]}"#, "1", "`prefix` takes a string, not a number"),
        (r#"["a"]"#, r#"["a"]"#, "a pattern is an object, not an array"),
        (r#"{"a": ["x"]} y"#, "y", "expected the end of the text, found `y`"),
        (r#"{"a": [01]}"#, "01", "a number that begins with 0"),
        (r#"{"a": ["x}"#, r#""x}"#, "a string that does not end"),
        (r#"{"a": ["\x"]}"#, r"\", "an escape that JSON does not know"),
        (r#"{"a": ["\ud800"]}"#, r"\ud800", "half a surrogate pair, which is no character"),
        ("", "", "expected a value, and the text ends"),
    ] {
        let error = Pattern::parse_json(pattern).expect_err(pattern);
        assert_eq!((&pattern[error.span.clone()], error.message.as_str()), (place, message), "{pattern}");
        assert!(error.help.is_some(), "{pattern}: no advice");
    }
    let deep = Pattern::parse_json(&"[".repeat(200_000)).expect_err("too deep");
    assert_eq!(deep.message, "nested deeper than 128 levels");
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in r#"[\[\]{}":,\\u0-9aeE.+ -]{0,40}|\PC{0,20}"#) {
        let read = Value::parse_json(&text);
        let known = serde_json::from_str::<serde_json::Value>(&text);
        // Numbers beyond a double are JSON, though serde_json has no room for them.
        prop_assert!(read.is_ok() == known.is_ok() || known.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
        let _ = json::parse_event(text.as_bytes());
        let pattern = Pattern::parse_json(r#"{"a": [{"exists": false}], "b": {"c": [1, "x"]}}"#).expect("a pattern");
        let outcome = pattern.matches(text.as_bytes());
        if matches!(known, Ok(serde_json::Value::Object(_))) {
            prop_assert!(outcome.is_ok());
        }
    }

    #[test]
    fn what_is_read_is_written_back(text in r#"[a-z"\\\n😀]{0,8}"#, number in any::<i64>(), flag in any::<bool>()) {
        let json = serde_json::json!({ "text": text, "list": [number, flag, null, { "": [] }] }).to_string();
        prop_assert_eq!(Value::parse_json(&json).map(|value| value.to_string()), Ok(json));
    }
}
