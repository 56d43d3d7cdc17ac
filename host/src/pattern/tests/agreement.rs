//! The compiled matcher, the obvious one and the explanation say the same.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::value::Value;
use super::super::{Matcher, Pattern, Scratch, json};
use super::{generate, reference};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn all_patterns_at_once_match_as_each_does_in_the_obvious_way(
        patterns in vec(generate::pattern(), 1..40),
        events in vec(prop_oneof![generate::event(), generate::plain_event()], 1..6),
    ) {
        let compiled: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse_json(text).expect(text)).collect();
        let matcher = Matcher::new(&compiled);
        let mut scratch = Scratch::default();
        for event in &events {
            let found = matcher.matching(event.as_bytes(), &mut scratch).expect(event);
            let read = json::parse_event(event.as_bytes()).expect(event);
            for (place, text) in (0_u32..).zip(&patterns) {
                let expected = reference::matches(&Value::parse_json(text).expect(text), &read);
                prop_assert_eq!(found.contains(&place), expected, "{} and {}", text, event);
            }
        }
    }

    #[test]
    fn what_an_explanation_suggests_makes_the_pattern_match(
        text in generate::pattern(),
        event in prop_oneof![generate::event(), generate::plain_event()],
    ) {
        let pattern = Pattern::parse_json(&text).expect("a pattern");
        let explanation = pattern.explain(event.as_bytes()).expect("an explanation");
        prop_assert_eq!(explanation.matches(), pattern.matches(event.as_bytes()).expect("an event"));
        let mut misses = explanation.misses;
        misses.sort_by_key(|miss| std::cmp::Reverse(miss.span.end));
        let mut mended = text.clone();
        for miss in &misses {
            mended.insert_str(miss.span.end - 1, &format!(",{}", miss.add));
        }
        prop_assert!(super::matches(&mended, &event), "{text} made {mended} by {misses:?} does not match {event}");
    }
}
