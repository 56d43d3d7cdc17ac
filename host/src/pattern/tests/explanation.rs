//! What an explanation says.

use super::super::{Miss, Pattern};

const EVENT: &str = r#"{"source": "OnlineTrial", "detail-type": "TrialRequested", "detail": {"type": "ACS", "leadID": "1234567890",
    "attempts": 3, "zip": "00420", "nodes": [{"zone": "a", "up": false}, {"zone": "b", "up": true}], "tags": []}}"#;

/// Of each field that stands in the way: its name, what to add, and the hint.
fn misses(pattern: &str) -> Vec<(String, String, Option<String>)> {
    let pattern = Pattern::parse_json(pattern).expect(pattern);
    let explanation = pattern.explain(EVENT.as_bytes()).expect("an explanation");
    explanation.misses.into_iter().map(|Miss { field, add, hint, .. }| (field, add, hint)).collect()
}

#[track_caller]
fn check(pattern: &str, expected: &[(&str, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(field, add, hint)| {
            let hint = Some(*hint).filter(|hint| !hint.is_empty()).map(str::to_owned);
            ((*field).to_owned(), (*add).to_owned(), hint)
        })
        .collect();
    assert_eq!(misses(pattern), expected, "{pattern}");
}

#[test]
fn what_stands_in_the_way_is_named() {
    check(r#"{"source": ["OnlineTrial"]}"#, &[]);
    check(
        r#"{"source": ["onlinetrial"], "detail": {"attempts": [{"numeric": [">", 3]}]}}"#,
        &[
            (
                "source",
                r#""OnlineTrial""#,
                r#"they differ in case alone: {"equals-ignore-case": "onlinetrial"} accepts both"#,
            ),
            ("detail.attempts", "3", ""),
        ],
    );
    check(
        r#"{"detail": {"leadId": ["1234567890"]}}"#,
        &[("detail.leadId", r#"{"exists": false}"#, "the event has `leadID`: is one misspelt?")],
    );
    check(
        r#"{"detail": {"zip": [420]}}"#,
        &[("detail.zip", r#""00420""#, "the event has a string, the pattern a number")],
    );
    check(
        r#"{"detail": [{"exists": true}]}"#,
        &[("detail", r#"{"exists": false}"#, "it is an object in the event: ask for one of its fields")],
    );
    check(
        r#"{"detail": {"tags": ["x"]}}"#,
        &[("detail.tags", r#"{"exists": false}"#, "`tags` is an empty array in the event")],
    );
    check(
        r#"{"detail": {"type": [{"exists": false}]}}"#,
        &[("detail.type", r#""ACS""#, "the field must not be there")],
    );
    check(
        r#"{"detail": {"nodes": {"zone": ["a"], "up": [true]}}}"#,
        &[("detail.nodes.up", "false", "an element of the array has it, but not together with the other fields")],
    );
}

#[test]
fn of_several_ways_the_closest_counts() {
    check(
        r#"{"$or": [{"source": ["x"], "detail-type": ["y"]}, {"source": ["OnlineTrial"], "detail": {"type": ["BCS"]}}]}"#,
        &[("detail.type", r#""ACS""#, "they are almost the same: is one misspelt?")],
    );
}
