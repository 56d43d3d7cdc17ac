//! Texts as keys of tables.

use std::hash::{Hash, Hasher};

use hashbrown::Equivalent;

/// The longest text that is kept in place.
const SHORT: usize = 22;

/// A text as a key. Most are short, and those stand in the table itself, so that finding one touches no other memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// So many of these bytes.
    Short(u8, [u8; SHORT]),
    /// More than fit.
    Long(Box<[u8]>),
}

impl Text {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT {
            return Self::Long(bytes.into());
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Self::Short(bytes.len() as u8, short)
    }
}

/// Like its bytes, so that it is found by them.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl Equivalent<Text> for [u8] {
    fn equivalent(&self, key: &Text) -> bool {
        *self == *key.bytes()
    }
}

#[cfg(test)]
mod tests {
    use hashbrown::HashSet;

    use super::Text;

    #[test]
    fn texts_of_any_length_are_found_by_their_bytes() {
        let texts: Vec<Vec<u8>> = (0..40).map(|length| vec![b'a'; length]).collect();
        let known: HashSet<Text> = texts.iter().map(|text| Text::from(&text[..])).collect();
        assert_eq!(known.len(), texts.len());
        assert!(texts.iter().all(|text| known.contains(&text[..])));
        assert!(!known.contains(&b"b"[..]) && !known.contains(&[b'a'; 40][..]));
    }
}
