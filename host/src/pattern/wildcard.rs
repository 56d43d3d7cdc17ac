//! Texts with `*` in them, which stands for any text.

use memchr::memmem;

/// A text with `*` in it. `\*` and `\\` in it are a star and a backslash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wildcard {
    /// What stands between the stars; so there is one more than there are stars.
    pieces: Box<[Box<str>]>,
}

/// Why a text is not a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Two stars in a row.
    TwoStars,
    /// A backslash before something else than a star or a backslash, or at the end.
    Escape,
    /// More than [`Wildcard::MAX_STARS`].
    TooManyStars,
}

impl Wildcard {
    /// The most stars there can be.
    pub(super) const MAX_STARS: usize = 100;

    /// Reads a text.
    pub(super) fn new(text: &str) -> Result<Self, Malformed> {
        let mut pieces = vec![String::new()];
        let mut characters = text.chars();
        let mut after_star = false;
        while let Some(character) = characters.next() {
            if character == '*' {
                if after_star {
                    return Err(Malformed::TwoStars);
                }
                pieces.push(String::new());
            } else if let Some(piece) = pieces.last_mut() {
                piece.push(match character {
                    '\\' => characters.next().filter(|next| matches!(next, '*' | '\\')).ok_or(Malformed::Escape)?,
                    plain => plain,
                });
            }
            after_star = character == '*';
        }
        if pieces.len() > Self::MAX_STARS + 1 {
            return Err(Malformed::TooManyStars);
        }
        Ok(Self { pieces: pieces.into_iter().map(String::into_boxed_str).collect() })
    }

    /// Whether a text is of this form. Takes time in proportion to the text, however many stars there are.
    pub(super) fn accepts(&self, value: &[u8]) -> bool {
        let (first, last) = match &*self.pieces {
            [] => return false,
            [only] => return only.as_bytes() == value,
            [first, .., last] => (first.as_bytes(), last.as_bytes()),
        };
        let Some(middle) = value.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
        // The leftmost place of each piece leaves the most room for the others.
        let mut rest = middle;
        self.pieces[1..self.pieces.len() - 1].iter().all(|piece| {
            let found = memmem::find(rest, piece.as_bytes());
            found.is_some_and(|place| {
                rest = &rest[place + piece.len()..];
                true
            })
        })
    }

    /// What stands between the stars.
    pub(super) fn pieces(&self) -> impl ExactSizeIterator<Item = &str> {
        self.pieces.iter().map(|piece| &**piece)
    }

    /// The text that makes this wildcard.
    pub(super) fn text(&self) -> String {
        let escaped: Vec<String> =
            self.pieces.iter().map(|piece| piece.replace('\\', r"\\").replace('*', r"\*")).collect();
        escaped.join("*")
    }
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Wildcard};

    #[test]
    fn stars_stand_for_anything() {
        for (text, accepted, refused) in [
            ("*", &["", "a", "*"][..], &[][..]),
            ("", &[""], &["a"]),
            ("a*", &["a", "ab"], &["", "ba"]),
            ("*a", &["a", "ba"], &["", "ab"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("*a*b*", &["ab", "xaxbx"], &["ba", "a"]),
            ("ab*bc*cd", &["abbccd", "ab-bc-bc-cd"], &["abccd", "abbcd"]),
            (r"\**\\", &[r"*\", r"*x\"], &[r"x\", "*"]),
        ] {
            let wildcard = Wildcard::new(text).expect("a wildcard");
            assert_eq!(wildcard.text(), text);
            assert!(accepted.iter().all(|value| wildcard.accepts(value.as_bytes())), "{text}");
            assert!(!refused.iter().any(|value| wildcard.accepts(value.as_bytes())), "{text}");
        }
    }

    #[test]
    fn malformed_ones_are_refused() {
        for (text, expected) in [
            ("a**", Malformed::TwoStars),
            (r"a\b", Malformed::Escape),
            (r"a\", Malformed::Escape),
            (&"*a".repeat(101), Malformed::TooManyStars),
        ] {
            assert_eq!(Wildcard::new(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn many_stars_take_no_longer() {
        let wildcard = Wildcard::new(&"*a".repeat(100)).expect("a wildcard");
        assert!(!wildcard.accepts("ab".repeat(99).as_bytes()));
        assert!(!wildcard.accepts(format!("{}b", "a".repeat(100_000)).as_bytes()));
    }
}
