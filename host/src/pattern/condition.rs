//! One alternative of a leaf, and which values it accepts.

use std::hash::{Hash, Hasher};

use super::ignore_case;
use super::network::Network;
use super::number::{Number, is_comparable};
use super::value::{Key, Kind, Value};
use super::wildcard::Wildcard;

/// One alternative of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// This very number.
    Number(Number),
    /// This very text.
    String(Box<str>),
    /// A text that begins like this.
    Prefix(Box<str>),
    /// A text that ends like this.
    Suffix(Box<str>),
    /// This text, in whatever case.
    EqualsIgnoreCase(Box<str>),
    /// A text that begins like this, in whatever case.
    PrefixIgnoreCase(Box<str>),
    /// A text that ends like this, in whatever case.
    SuffixIgnoreCase(Box<str>),
    /// A text of this form.
    Wildcard(Wildcard),
    /// A number within a range.
    Numeric(Range),
    /// A text that is an address of this network.
    Cidr(Network),
    /// Any value that none of these accepts.
    AnythingBut(Box<[Condition]>),
    /// Any value, null too.
    Present,
    /// No value. Objects and empty arrays are none.
    Absent,
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Range {
    /// Where it begins.
    pub(super) low: Option<Bound>,
    /// Where it ends.
    pub(super) high: Option<Bound>,
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    /// The number.
    pub(super) number: f64,
    /// Whether the number itself belongs to the range.
    pub(super) inclusive: bool,
}

/// No bound is not a number.
impl Eq for Bound {}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.number.to_bits(), self.inclusive).hash(state);
    }
}

/// A value without parts, in an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'v> {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A number: as it is written, and the nearest double.
    Number(&'v [u8], f64),
    /// A text, its escapes resolved. It is UTF-8 if the event is.
    String(&'v [u8]),
}

impl Condition {
    /// Whether it accepts a value that is there.
    pub(super) fn accepts(&self, value: Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Present, _) | (Self::Null, Scalar::Null) => true,
            (Self::AnythingBut(unwanted), _) => !unwanted.iter().any(|unwanted| unwanted.accepts(value)),
            (Self::Bool(wanted), Scalar::Bool(found)) => *wanted == found,
            (Self::Number(wanted), Scalar::Number(text, double)) => wanted.equals(text, double),
            (Self::Numeric(range), Scalar::Number(text, double)) => range.holds(double) && is_comparable(text, double),
            (Self::String(wanted), Scalar::String(found)) => wanted.as_bytes() == found,
            (Self::Prefix(prefix), Scalar::String(found)) => found.starts_with(prefix.as_bytes()),
            (Self::Suffix(suffix), Scalar::String(found)) => found.ends_with(suffix.as_bytes()),
            (Self::Wildcard(wildcard), Scalar::String(found)) => wildcard.accepts(found),
            (Self::Cidr(network), Scalar::String(found)) => network.accepts(found),
            (Self::EqualsIgnoreCase(text), Scalar::String(found)) => ignoring_case(ignore_case::equals, text, found),
            (Self::PrefixIgnoreCase(text), Scalar::String(found)) => {
                ignoring_case(ignore_case::starts_with, text, found)
            }
            (Self::SuffixIgnoreCase(text), Scalar::String(found)) => ignoring_case(ignore_case::ends_with, text, found),
            _ => false,
        }
    }

    /// Whether it compares numbers with others.
    pub(super) fn compares_numbers(&self) -> bool {
        match self {
            Self::Number(Number::Comparable(_)) | Self::Numeric(_) => true,
            Self::AnythingBut(unwanted) => unwanted.iter().any(Self::compares_numbers),
            _ => false,
        }
    }

    /// A character that it can never accept, though the author wrote it.
    pub(super) fn dead_character(&self) -> Option<char> {
        match self {
            Self::EqualsIgnoreCase(text) | Self::PrefixIgnoreCase(text) | Self::SuffixIgnoreCase(text) => {
                text.chars().find(|character| !ignore_case::has_case(*character))
            }
            Self::AnythingBut(unwanted) => unwanted.iter().find_map(Self::dead_character),
            _ => None,
        }
    }

    /// The value that makes this condition, in the notation of patterns.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => value(Kind::Null),
            Self::Bool(wanted) => value(Kind::Bool(*wanted)),
            Self::Number(wanted) => number(wanted),
            Self::String(wanted) => string(wanted),
            Self::Prefix(text) => operator("prefix", string(text)),
            Self::Suffix(text) => operator("suffix", string(text)),
            Self::EqualsIgnoreCase(text) => operator("equals-ignore-case", string(text)),
            Self::PrefixIgnoreCase(text) => operator("prefix", operator("equals-ignore-case", string(text))),
            Self::SuffixIgnoreCase(text) => operator("suffix", operator("equals-ignore-case", string(text))),
            Self::Wildcard(wildcard) => operator("wildcard", string(&wildcard.text())),
            Self::Numeric(range) => operator("numeric", value(Kind::Array(range.value()))),
            Self::Cidr(network) => operator("cidr", string(&network.to_string())),
            Self::Present => operator("exists", value(Kind::Bool(true))),
            Self::Absent => operator("exists", value(Kind::Bool(false))),
            Self::AnythingBut(unwanted) => operator("anything-but", unwanted_value(unwanted)),
        }
    }
}

impl Range {
    /// Whether a number is in it.
    pub(super) fn holds(&self, number: f64) -> bool {
        let above = self.low.is_none_or(|low| number > low.number || low.inclusive && number == low.number);
        let below = self.high.is_none_or(|high| number < high.number || high.inclusive && number == high.number);
        above && below
    }

    fn value(&self) -> Vec<Value> {
        let side = |sign: &str, bound: Bound| {
            let sign = if bound.inclusive { format!("{sign}=") } else { sign.to_owned() };
            [string(&sign), number(&Number::Comparable(bound.number))]
        };
        match (self.low, self.high) {
            (Some(low), Some(high)) if low.number == high.number => {
                vec![string("="), number(&Number::Comparable(low.number))]
            }
            (low, high) => {
                let low = low.into_iter().flat_map(|bound| side(">", bound));
                low.chain(high.into_iter().flat_map(|bound| side("<", bound))).collect()
            }
        }
    }
}

/// What follows `anything-but`: one value or several, or an operator with one text or several.
fn unwanted_value(unwanted: &[Condition]) -> Value {
    let mut values = unwanted.iter().map(Condition::value);
    match (values.next(), values.len()) {
        (Some(only), 0) => only,
        (Some(Value { kind: Kind::Object(first), .. }), _) => {
            let operands = unwanted.iter().filter_map(|condition| match condition.value().kind {
                Kind::Object(members) => members.into_iter().next().map(|(_, operand)| operand),
                _ => None,
            });
            let name = first.first().map_or("", |(key, _)| key.name.as_str());
            operator(name, value(Kind::Array(operands.collect())))
        }
        (first, _) => value(Kind::Array(first.into_iter().chain(values).collect())),
    }
}

fn ignoring_case(compare: fn(&str, &str) -> bool, text: &str, found: &[u8]) -> bool {
    std::str::from_utf8(found).is_ok_and(|found| compare(text, found))
}

fn operator(name: &str, operand: Value) -> Value {
    value(Kind::Object(vec![(Key { span: 0..0, name: name.to_owned() }, operand)]))
}

fn string(text: &str) -> Value {
    value(Kind::String(text.to_owned()))
}

fn number(number: &Number) -> Value {
    value(Kind::Number(match number {
        Number::Comparable(double) => double.to_string(),
        Number::Verbatim(text) => text.to_string(),
    }))
}

/// A value that stands nowhere.
fn value(kind: Kind) -> Value {
    Value { span: 0..0, kind }
}
