//! No pattern and no event makes the work explode. What these tests take would be years if the work grew faster than the text.

use super::super::{Matcher, Pattern, Scratch};

fn matching(patterns: &[String], event: &str) -> usize {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse_json(text).expect("a pattern")).collect();
    let mut scratch = Scratch::default();
    Matcher::new(&patterns).matching(event.as_bytes(), &mut scratch).expect("an event").len()
}

#[test]
fn wildcards_do_not_explode() {
    let patterns: Vec<String> =
        (1..200).map(|count| format!(r#"{{"a": [{{"wildcard": "{}*b"}}]}}"#, "*a".repeat(count % 99 + 1))).collect();
    assert_eq!(matching(&patterns, &format!(r#"{{"a": "{}"}}"#, "a".repeat(100_000))), 0);
}

#[test]
fn texts_within_texts_are_found_once() {
    let patterns: Vec<String> =
        (1..1000).map(|length| format!(r#"{{"a": [{{"wildcard": "*{}*"}}]}}"#, "a".repeat(length))).collect();
    assert_eq!(matching(&patterns, &format!(r#"{{"a": "{}"}}"#, "a".repeat(100_000))), 999);
}

#[test]
fn large_arrays_are_walked_once() {
    let element = r#"{"b": 1, "c": [{"d": 1}, {"e": 1}]},"#;
    let event = format!(r#"{{"a": [{}1]}}"#, element.repeat(20_000));
    let impossible = r#"{"a": {"b": [1], "c": {"d": [1], "e": [1]}}}"#.to_owned();
    let missing = r#"{"a": {"b": [1], "c": {"d": [1], "f": [{"exists": false}]}}}"#.to_owned();
    assert_eq!(matching(&[impossible, missing], &event), 1);
}

#[test]
fn arrays_behind_one_name_are_tried_within_a_limit() {
    let event = format!("{{{}}}", vec![r#""a": [{"b": 1}, {"c": 1}, {"d": 1}, {"e": 2}]"#; 500].join(","));
    let within = r#"{"a": {"b": [1], "c": [1], "d": [1], "e": [2]}}"#.to_owned();
    let beyond = r#"{"a": {"b": [1], "c": [1], "d": [1], "e": [1]}}"#.to_owned();
    assert_eq!(matching(&[within, beyond], &event), 1);
}

#[test]
fn deep_events_and_long_names_are_bounded() {
    let event =
        format!(r#"{{"a": {}1{}, "{}": 1}}"#, "[{\"a\":".repeat(50_000), "}]".repeat(50_000), "k".repeat(1_000_000));
    assert_eq!(matching(&[r#"{"a": {"a": {"a": [1]}}}"#.to_owned()], &event), 0);
}

#[test]
fn too_much_is_refused() {
    let alternatives = r#"{"x": [1]}, "#.repeat(10) + r#"{"y": [1]}"#;
    let or = format!(r#""$or": [{alternatives}]"#);
    for (pattern, message) in [
        (format!("{{{or}, {or}, {or}}}"), "more than 1000 ways to combine the alternatives of `$or`"),
        (
            format!(r#"{{"a": ["{}"]}}"#, "x".repeat(70_000)),
            "the pattern has 70003 bytes of names and values, and at most 65536 are allowed",
        ),
        (format!(r#"{{"a": [{{"wildcard": "{}"}}]}}"#, "*a".repeat(101)), "more than 100 stars"),
        (format!("{}[1]{}", "{\"a\":".repeat(130), "}".repeat(130)), "nested deeper than 128 levels"),
    ] {
        assert_eq!(Pattern::parse_json(&pattern).expect_err(message).message, message);
    }
}
