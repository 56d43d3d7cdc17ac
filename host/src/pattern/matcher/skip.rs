//! Over strings, arrays and objects that nobody asked about, many bytes at a time.

use wide::u8x16;

/// Where a string that begins at `start`, behind its opening quote, has its closing quote; and whether there are escapes in it.
#[inline]
pub(super) fn string_end(text: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start;
    let mut escaped = false;
    loop {
        let found = match text.get(at..)?.first_chunk::<16>() {
            Some(bytes) => {
                let bytes = u8x16::new(*bytes);
                let hits = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
                let hits = hits.to_bitmask();
                if hits == 0 {
                    at += 16;
                    continue;
                }
                at + hits.trailing_zeros() as usize
            }
            None => at + text[at..].iter().position(|byte| matches!(byte, b'"' | b'\\'))?,
        };
        if text[found] == b'"' {
            return Some((found, escaped));
        }
        escaped = true;
        at = found + 2;
    }
}

/// Where the array or object that begins at `start` is over: the place behind its closing bracket.
///
/// Sixty-four bytes at a time become masks of quotes, backslashes and brackets, with one bit for each byte; what stands in strings is
/// masked out, and the rest is counted.
pub(super) fn container_end(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    // All ones if the block begins within a string.
    let mut in_string = 0_u64;
    // One if the block begins behind a backslash that escapes its first byte.
    let mut escaping = 0_u64;
    let mut at = start;
    while at < text.len() {
        let masks = match text[at..].first_chunk::<64>() {
            Some(block) => Masks::new(block),
            None => {
                let mut block = [b' '; 64];
                block[..text.len() - at].copy_from_slice(&text[at..]);
                Masks::new(&block)
            }
        };
        let mut quotes = masks.quotes;
        if masks.backslashes | escaping != 0 {
            let escaped = escaped(masks.backslashes, &mut escaping);
            quotes &= !escaped;
        }
        let (mut opened, mut closed) = (masks.opened, masks.closed);
        if quotes | in_string != 0 {
            let strings = prefix_xor(quotes) ^ in_string;
            in_string = 0_u64.wrapping_sub(strings >> 63);
            opened &= !strings;
            closed &= !strings;
        }
        if depth <= closed.count_ones() as usize {
            // It may end in this block.
            let mut brackets = opened | closed;
            while brackets != 0 {
                let lowest = brackets & brackets.wrapping_neg();
                if opened & lowest != 0 {
                    depth += 1;
                } else {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at + lowest.trailing_zeros() as usize + 1);
                    }
                }
                brackets ^= lowest;
            }
        } else {
            depth = depth + opened.count_ones() as usize - closed.count_ones() as usize;
        }
        at += 64;
    }
    None
}

/// What stands where in a block, one bit for each byte.
struct Masks {
    quotes: u64,
    backslashes: u64,
    /// `{` and `[`.
    opened: u64,
    /// `}` and `]`.
    closed: u64,
}

impl Masks {
    #[inline]
    fn new(block: &[u8; 64]) -> Self {
        let mut masks = Self { quotes: 0, backslashes: 0, opened: 0, closed: 0 };
        for (quarter, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            // A square bracket differs from a brace in this bit alone.
            let braces = bytes | u8x16::splat(0x20);
            let bits = |found: u8x16| u64::from(found.to_bitmask()) << (16 * quarter);
            masks.quotes |= bits(bytes.simd_eq(u8x16::splat(b'"')));
            masks.backslashes |= bits(bytes.simd_eq(u8x16::splat(b'\\')));
            masks.opened |= bits(braces.simd_eq(u8x16::splat(b'{')));
            masks.closed |= bits(braces.simd_eq(u8x16::splat(b'}')));
        }
        masks
    }
}

/// The bytes that a backslash escapes, going from backslash to backslash.
fn escaped(mut backslashes: u64, escaping: &mut u64) -> u64 {
    let mut escaped = *escaping;
    backslashes &= !escaped;
    *escaping = 0;
    while backslashes != 0 {
        let lowest = backslashes & backslashes.wrapping_neg();
        let next = lowest << 1;
        if next == 0 {
            *escaping = 1;
        }
        escaped |= next;
        backslashes &= !(lowest | next);
    }
    escaped
}

/// For each bit, whether the number of bits up to it is odd: with quotes, whether it is within a string.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{container_end, string_end};

    /// The same, byte by byte.
    fn plain_end(text: &[u8], start: usize) -> Option<usize> {
        let (mut depth, mut at) = (0_usize, start);
        while at < text.len() {
            match text[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return Some(at + 1),
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b'"' => at = string_end(text, at + 1)?.0,
                _ => {}
            }
            at += 1;
        }
        None
    }

    proptest! {
        #[test]
        fn skipping_by_blocks_ends_where_skipping_by_bytes_does(
            parts in vec(prop_oneof![
                "[\\[\\]{}a-c, :0]{0,9}",
                r#""([a\[\]{}]|\\["\\]){0,9}""#,
                r#""(\\\\){20,40}(\\")?""#,
            ], 0..30)
        ) {
            let text = format!("[{}", parts.concat());
            prop_assert_eq!(container_end(text.as_bytes(), 0), plain_end(text.as_bytes(), 0), "{}", text);
        }
    }

    #[test]
    fn strings_end_at_the_first_quote_without_a_backslash() {
        for (text, expected) in [
            ("abc\"", Some((3, false))),
            ("\"", Some((0, false))),
            (r#"0123456789\"x""#, Some((13, true))),
            (r#"\\""#, Some((2, true))),
            ("abcdefghij", None),
            ("abc\\", None),
            ("abc\\\"", None),
        ] {
            assert_eq!(string_end(text.as_bytes(), 0), expected, "{text}");
        }
    }
}
