//! Comparing texts without regard to case.
//!
//! As in event-ruler, it is the pattern's characters that have two cases: each stands for its lower case, its upper case and itself, by
//! Unicode's full mappings, one character at a time. So `ß` in a pattern accepts `SS`, while `s` does not accept `ſ`. And a character beyond
//! U+FFFF, like an emoji, accepts nothing, not even itself: [`has_case`].

/// Whether `value` is `pattern`.
pub(super) fn equals(pattern: &str, value: &str) -> bool {
    strip_prefix(pattern, value).is_some_and(str::is_empty)
}

/// Whether `value` begins with `pattern`.
pub(super) fn starts_with(pattern: &str, value: &str) -> bool {
    strip_prefix(pattern, value).is_some()
}

/// Whether `value` ends with `pattern`.
pub(super) fn ends_with(pattern: &str, value: &str) -> bool {
    let mut rest = value;
    pattern.chars().rev().all(|character| {
        let mut cases = cases(character).into_iter();
        let found = cases.find_map(|case| rest.strip_suffix(case.as_str())).filter(|_| has_case(character));
        found.is_some_and(|shorter| {
            rest = shorter;
            true
        })
    })
}

fn strip_prefix<'v>(pattern: &str, value: &'v str) -> Option<&'v str> {
    let mut rest = value;
    for character in pattern.chars() {
        rest = match rest.as_bytes().first() {
            Some(byte) if character.is_ascii() && byte.eq_ignore_ascii_case(&(character as u8)) => &rest[1..],
            _ if character.is_ascii() || !has_case(character) => return None,
            _ => cases(character).into_iter().find_map(|case| rest.strip_prefix(case.as_str()))?,
        };
    }
    Some(rest)
}

/// Whether a pattern that ignores case can have this character, as far as event-ruler is concerned.
pub(super) fn has_case(character: char) -> bool {
    u32::from(character) <= 0xFFFF
}

fn cases(character: char) -> [String; 3] {
    [character.to_string(), character.to_lowercase().collect(), character.to_uppercase().collect()]
}

/// A text that is the same for all texts that the same pattern accepts, and for the pattern. Other texts may share it.
pub(super) fn fold(text: &str) -> String {
    characters(text).collect()
}

/// The same, of a text in UTF-8, into a buffer that is used again.
pub(super) fn fold_into(folded: &mut Vec<u8>, text: &[u8]) {
    folded.clear();
    if text.is_ascii() {
        folded.extend(text.iter().map(u8::to_ascii_lowercase));
    } else if let Ok(text) = std::str::from_utf8(text) {
        characters(text).for_each(|character| folded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()));
    }
}

fn characters(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::{cases, ends_with, equals, fold, starts_with};

    #[test]
    fn the_cases_are_those_of_the_pattern() {
        for (pattern, value, equal) in [
            ("Trial", "tRIAL", true),
            ("Trial", "Trials", false),
            ("", "", true),
            ("ß", "SS", true),
            ("ß", "ss", false),
            ("STRASSE", "straße", false),
            ("ς", "Σ", true),
            ("ς", "σ", false),
            ("K", "\u{212a}", false),
            ("\u{212a}", "k", true),
            ("ǅ", "ǅ", true),
            ("ǅ", "Ǆ", true),
            ("É", "é", true),
            ("😀", "😀", false),
        ] {
            assert_eq!(equals(pattern, value), equal, "{pattern} and {value}");
            assert_eq!(
                starts_with(pattern, &format!("{value}x")),
                equal || pattern == "Trial",
                "{pattern} and {value}"
            );
            assert_eq!(ends_with(pattern, &format!("x{value}")), equal, "{pattern} and {value}");
        }
    }

    #[test]
    fn what_a_pattern_accepts_folds_like_the_pattern() {
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            for case in cases(character) {
                assert_eq!(fold(&character.to_string()), fold(&case), "{character:?} and {case:?}");
            }
        }
    }
}
