//! When two numbers are the same: 300, 300.0 and 3.0e2 are.
//!
//! As in event-ruler, a number is *comparable* if a double holds it as it is written, that is, if the shortest decimal that reads as the
//! same double has the same value. Any other number, like 9007199254740993 or 1e400, equals its own spelling and nothing else, and is
//! neither less nor more than anything.

use std::hash::{Hash, Hasher};
use std::io::Write;

/// A number in a pattern, made of the text it was written as.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// A number that equals every spelling of itself. Never -0, NaN or infinite.
    Comparable(f64),
    /// A number that a double would round.
    Verbatim(Box<str>),
}

/// What is comparable is a number.
impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Comparable(double) => double.to_bits().hash(state),
            Self::Verbatim(text) => text.hash(state),
        }
    }
}

impl Number {
    /// From the text of a JSON number.
    pub(super) fn new(text: &str) -> Self {
        let double = double(text.as_bytes());
        if is_comparable(text.as_bytes(), double) {
            // Zero has no sign here.
            Self::Comparable(double + 0.0)
        } else {
            Self::Verbatim(text.into())
        }
    }

    /// Whether a number in an event is this one; `double` is the nearest to its `text`.
    pub(super) fn equals(&self, text: &[u8], double: f64) -> bool {
        match self {
            Self::Comparable(wanted) => *wanted == double && is_comparable(text, double),
            Self::Verbatim(wanted) => wanted.as_bytes() == text,
        }
    }
}

/// The double that is nearest to a JSON number; not a number if the text is none.
pub(super) fn double(text: &[u8]) -> f64 {
    match small_integer(text) {
        Some(integer) => integer,
        None => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
    }
}

/// Most numbers in events are counters and times, which need no thorough reader.
fn small_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut integer = 0_u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        integer = integer * 10 + u64::from(byte - b'0');
    }
    Some(integer as f64)
}

/// Whether `double`, the nearest to the number `text`, is exactly that number in its shortest spelling.
pub(super) fn is_comparable(text: &[u8], double: f64) -> bool {
    if !double.is_finite() {
        return false;
    }
    let Some(decimal) = Decimal::new(text) else { return false };
    // Fifteen digits survive the way to a double and back, as long as the double is a normal one.
    if decimal.digits().count() <= 15 && (decimal.digits().next().is_none() || double.abs() > 1e-300) {
        return true;
    }
    let mut buffer = [0_u8; 32];
    let mut rest = &mut buffer[..];
    if write!(rest, "{double:e}").is_err() {
        return false;
    }
    let unused = rest.len();
    let shortest = &buffer[..buffer.len() - unused];
    Decimal::new(shortest).is_some_and(|shortest| shortest.equals(&decimal))
}

/// A decimal number: the digits without zeros before and behind, and the power of ten they are multiplied with.
struct Decimal<'t> {
    negative: bool,
    /// Digits, and perhaps a point.
    mantissa: &'t [u8],
    exponent: i64,
}

impl<'t> Decimal<'t> {
    /// Reads digits with sign, point and exponent; `None` if the exponent is beyond all reason.
    fn new(text: &'t [u8]) -> Option<Self> {
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(place) => (&text[..place], std::str::from_utf8(&text[place + 1..]).ok()?.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix(b"-") {
            Some(mantissa) => (true, mantissa),
            None => (false, mantissa),
        };
        let leading = mantissa.iter().take_while(|byte| matches!(byte, b'0' | b'.')).count();
        let trailing = if mantissa.contains(&b'.') {
            mantissa.iter().rev().take_while(|byte| matches!(byte, b'0' | b'.')).count()
        } else {
            mantissa.iter().rev().take_while(|byte| **byte == b'0').count()
        };
        if leading == mantissa.len() {
            return Some(Self { negative: false, mantissa: &[], exponent: 0 });
        }
        let last = mantissa.len() - trailing;
        let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
        // How many places the last digit stands before the point, or behind it.
        let shift = if last <= point { (point - last) as i64 } else { -((last - point - 1) as i64) };
        Some(Self { negative, mantissa: &mantissa[leading..last], exponent: exponent.checked_add(shift)? })
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.mantissa.iter().filter(|byte| **byte != b'.')
    }

    fn equals(&self, other: &Self) -> bool {
        self.negative == other.negative && self.exponent == other.exponent && self.digits().eq(other.digits())
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn spellings_of_one_number_are_equal() {
        for (left, right, equal) in [
            ("300", "300.0", true),
            ("300", "3.0e2", true),
            ("300", "3e+02", true),
            ("0.5", "5E-1", true),
            ("0", "-0.0e9", true),
            ("3", "-3", false),
            ("1", "1.0000001", false),
            ("100", "1e2", true),
            ("0.00123", "12.3e-4", true),
            ("38.80780792169409", "3880780792169409e-14", true),
            ("38.807807921694092", "38.807807921694092", true),
            ("38.807807921694092", "38.80780792169409", false),
            ("9007199254740992", "9007199254740993", false),
            ("9007199254740993", "9007199254740993", true),
            ("9007199254740993", "9007199254740993.0", false),
            ("1e400", "1e400", true),
            ("1e400", "10e399", false),
            ("1e99999999999999999999", "2e99999999999999999999", false),
        ] {
            assert_eq!(Number::new(left) == Number::new(right), equal, "{left} and {right}");
            let double = super::double(right.as_bytes());
            assert_eq!(Number::new(left).equals(right.as_bytes(), double), equal, "{left} and {right}");
        }
    }
}
