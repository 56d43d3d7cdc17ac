//! What must hold for every pattern and every event.
//!
//! The patterns' module is compiled into this crate, because it is pure and small and the daemon is neither.

#[path = "../../host/src/pattern/mod.rs"]
pub mod pattern;

use pattern::{Matcher, Parsed, Pattern, Scratch};

/// Checks an input: lines, of which the last is an event and the others are patterns. What is no pattern is left out.
///
/// # Panics
///
/// If the compiled matcher finds other patterns than those that match one by one, or refuses an event that they take.
pub fn check(input: &[u8]) {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let event = lines.pop().unwrap_or_default();
    let texts: Vec<&str> = lines.into_iter().filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let patterns: Vec<Pattern> = texts.into_iter().filter_map(|text| Pattern::parse_json(text).ok()).collect();
    let matcher = Matcher::new(&patterns);
    let mut scratch = Scratch::default();
    let compiled = matcher.matching(event, &mut scratch).map(<[u32]>::to_vec);
    // A matcher may stop reading when it knows enough, so it may not see what is wrong with an event.
    if let Ok(parsed) = Parsed::from_json(event) {
        let one_by_one: Vec<u32> =
            (0u32..).zip(&patterns).filter(|(_, pattern)| pattern.matches(&parsed)).map(|(index, _)| index).collect();
        assert_eq!(compiled.as_ref(), Ok(&one_by_one), "compiled, and one by one");
    }
    // What an event leaves in the scratch must not change what comes next.
    let again = matcher.matching(event, &mut scratch).map(<[u32]>::to_vec);
    assert_eq!(again, compiled, "a second time, and the first");
}
