//! What must hold for every pattern and every event.
//!
//! The patterns' module is compiled into this crate, because it is pure and small and the daemon is neither.

#[path = "../../host/src/pattern/mod.rs"]
pub mod pattern;

use pattern::{Matcher, Pattern, Scratch};

/// Checks an input: lines, of which the last is an event and the others are patterns. What is no pattern is left out.
///
/// # Panics
///
/// If the compiled matcher finds other patterns than an explanation says match, or refuses an event that one can be given of.
pub fn check(input: &[u8]) {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let event = lines.pop().unwrap_or_default();
    let texts: Vec<&str> = lines.into_iter().filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let patterns: Vec<Pattern> = texts.into_iter().filter_map(|text| Pattern::parse_json(text).ok()).collect();
    let matcher = Matcher::new(&patterns);
    let mut scratch = Scratch::default();
    let compiled = matcher.matching(event, &mut scratch).map(<[u32]>::to_vec);
    // A matcher skips what nobody asks about, so it may not see what is wrong with an event.
    for (place, pattern) in (0u32..).zip(&patterns) {
        if let Ok(explanation) = pattern.explain(event) {
            let matches = compiled.as_ref().map(|found| found.contains(&place));
            assert_eq!(matches, Ok(explanation.matches()), "compiled, and explained");
        }
    }
    // What an event leaves in the scratch must not change what comes next.
    let again = matcher.matching(event, &mut scratch).map(<[u32]>::to_vec);
    assert_eq!(again, compiled, "a second time, and the first");
}
