//! When two numbers are the same: 300, 300.0 and 3.0e2 are.

/// A number to compare with others, made of the text it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A number that a double holds exactly as it is written; it equals every spelling of itself.
    Comparable(Decimal),
    /// A number that a double would round, like 9007199254740993 or 1e400; as in event-ruler it equals its own spelling only.
    Verbatim(String),
}

/// An exact decimal, in the one form each has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// Below zero. Zero itself never is.
    negative: bool,
    /// The digits without zeros before and behind; none for zero.
    digits: String,
    /// The power of ten that the digits, as a whole number, are multiplied with.
    exponent: i64,
}

impl Number {
    /// From the text of a JSON number.
    pub(super) fn new(text: &str) -> Self {
        let double = text.parse::<f64>().ok().filter(|double| double.is_finite());
        let comparable = double.and_then(|double| {
            let exact = Decimal::new(text)?;
            // The shortest text that reads as this double: what is left of the number after rounding.
            (Decimal::new(&format!("{double:e}"))? == exact).then_some(exact)
        });
        match comparable {
            Some(decimal) => Self::Comparable(decimal),
            None => Self::Verbatim(text.to_owned()),
        }
    }
}

impl Decimal {
    /// Reads digits with sign, point and exponent; `None` if the exponent is beyond all reason.
    fn new(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(mantissa) => (true, mantissa),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let dropped = all.len() - all.trim_end_matches('0').len();
        let shift = i64::try_from(dropped).ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let exponent = exponent.parse::<i64>().ok()?.checked_add(shift)?;
        Some(Self { negative, digits: digits.to_owned(), exponent })
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
            ("9007199254740992", "9007199254740993", false),
            ("9007199254740993", "9007199254740993", true),
            ("9007199254740993", "9007199254740993.0", false),
            ("1e400", "1e400", true),
            ("1e400", "10e399", false),
            ("1e99999999999999999999", "2e99999999999999999999", false),
        ] {
            assert_eq!(Number::new(left) == Number::new(right), equal, "{left} and {right}");
        }
    }
}
