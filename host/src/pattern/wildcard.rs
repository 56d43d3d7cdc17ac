//! Texts with `*` in them, which stands for any text.

use memchr::memmem;

/// A text with `*` in it. `\*` and `\\` in it are a star and a backslash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wildcard {
    /// The text without its stars.
    text: Box<str>,
    /// Where the stars were.
    stars: Box<[u32]>,
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
        let (mut plain, mut stars) = (String::new(), Vec::new());
        let mut characters = text.chars();
        let mut after_star = false;
        while let Some(character) = characters.next() {
            match character {
                '*' if after_star => return Err(Malformed::TwoStars),
                '*' => stars.push(plain.len() as u32),
                '\\' => {
                    plain.push(characters.next().filter(|next| matches!(next, '*' | '\\')).ok_or(Malformed::Escape)?);
                }
                _ => plain.push(character),
            }
            after_star = character == '*';
        }
        if stars.len() > Self::MAX_STARS {
            return Err(Malformed::TooManyStars);
        }
        Ok(Self { text: plain.into(), stars: stars.into() })
    }

    /// Whether a text is of this form. Takes time in proportion to the text, however many stars there are.
    pub(super) fn accepts(&self, value: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let [first, inner @ ..] = &*self.stars else { return text == value };
        let (first, last) = (*first as usize, inner.last().map_or(*first, |last| *last) as usize);
        let middle = value.strip_prefix(&text[..first]).and_then(|rest| rest.strip_suffix(&text[last..]));
        let Some(mut rest) = middle else { return false };
        // The leftmost place of each piece leaves the most room for the others.
        let mut start = first;
        inner.iter().all(|end| {
            let piece = &text[start..*end as usize];
            start = *end as usize;
            memmem::find(rest, piece).is_some_and(|place| {
                rest = &rest[place + piece.len()..];
                true
            })
        })
    }

    /// What stands between the stars; so there is one more than there are stars.
    pub(super) fn pieces(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.stars.len() + 1).map(|piece| {
            let start = piece.checked_sub(1).map_or(0, |star| self.stars[star] as usize);
            let end = self.stars.get(piece).map_or(self.text.len(), |star| *star as usize);
            &self.text[start..end]
        })
    }

    /// The text that makes this wildcard.
    pub(super) fn text(&self) -> String {
        let escaped: Vec<String> = self.pieces().map(|piece| piece.replace('\\', r"\\").replace('*', r"\*")).collect();
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
