//! What aws/event-ruler itself says about 6,000 patterns and events.
//!
//! Where it differs from its own documentation (`quirk`), the question was whether somebody who uses EventBridge could depend on it.
//! Followed are: numbers that a double cannot hold, names joined by dots, repeated names in patterns and events, fields that an `$or`
//! overrides, and characters beyond U+FFFF where case is ignored, which match nothing. Not followed, in favour of what is documented, are those of
//! [`DEFECTS`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::{Matcher, Pattern, Scratch};

/// The kinds of quirks that are defects, and how many cases have them.
const DEFECTS: [(&str, usize); 4] = [
    // Values are compared together with their quotes, so that a quote in a prefix or suffix matches the end of the text.
    ("quotes in affixes", 27),
    // 10.0.0.0/8 holds a00::1, and the digits of a number are taken for an address.
    ("networks of the other kind", 27),
    // A text that is an address equals all other spellings of the address, though nobody asked for a network.
    ("addresses as texts", 17),
    // Whether a field of an array's element is missing depends on the order of names in the alphabet.
    ("order of names", 1),
];

#[derive(Deserialize)]
struct Case {
    id: String,
    op: String,
    pattern: String,
    event: String,
    expect: String,
    quirk: bool,
}

#[test]
fn event_ruler_agrees() {
    let text = include_str!("../../../../tests/patterns/event-ruler.jsonl");
    let mut defects: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut scratch = Scratch::default();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect(line);
        let event = case.event.as_bytes();
        let verdict = Pattern::parse_json(&case.pattern).map(|pattern| {
            let among_many = Matcher::new([&pattern]).matching(event, &mut scratch).map(|found| !found.is_empty());
            assert_eq!(among_many.ok(), pattern.matches(event).ok(), "{}", case.id);
            pattern.matches(event)
        });
        let verdict = match verdict {
            Err(_) => "invalid",
            Ok(Ok(true)) => "match",
            Ok(Ok(false)) => "no-match",
            Ok(Err(error)) => panic!("{}: {error}", case.id),
        };
        if verdict != case.expect {
            match defect(&case) {
                Some(kind) if case.quirk => *defects.entry(kind).or_default() += 1,
                _ => wrong.push(format!("{}: {verdict}, {} in event-ruler: {}", case.id, case.expect, case.pattern)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(defects, BTreeMap::from(DEFECTS));
}

/// The defect that a case with a quirk shows.
fn defect(case: &Case) -> Option<&'static str> {
    if case.op == "cidr-cross" {
        Some("networks of the other kind")
    } else if case.op == "exact-ip-string" || case.op == "type-confusion" {
        Some("addresses as texts")
    } else if case.op == "array-exists" {
        Some("order of names")
    } else if case.pattern.contains(r#"\""#) {
        Some("quotes in affixes")
    } else if case.pattern.contains("cidr") {
        Some("networks of the other kind")
    } else {
        None
    }
}
