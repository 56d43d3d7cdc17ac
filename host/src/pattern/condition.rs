//! One alternative of a leaf, and which values it accepts.

use super::number::Number;
use super::value::Kind;

/// One alternative of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// This very value.
    Equals(Scalar),
    /// A string that begins like this.
    Prefix(String),
    /// Any value but these.
    AnythingBut(Vec<Scalar>),
    /// Any value but a string that begins like this.
    AnythingButPrefix(String),
    /// Any value, null too.
    Present,
    /// No value. Objects and empty arrays are none.
    Absent,
}

/// A value without parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
}

impl Condition {
    /// Whether it accepts a value that is there.
    pub(super) fn accepts(&self, value: &Scalar) -> bool {
        match self {
            Self::Equals(wanted) => value == wanted,
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::AnythingBut(unwanted) => !unwanted.contains(value),
            Self::AnythingButPrefix(prefix) => !value.starts_with(prefix),
            Self::Present => true,
            Self::Absent => false,
        }
    }

    /// Whether it accepts that there is no value.
    pub(super) fn accepts_absence(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl Scalar {
    /// The value, unless it has parts.
    pub(super) fn new(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Null => Some(Self::Null),
            Kind::Bool(value) => Some(Self::Bool(*value)),
            Kind::Number(text) => Some(Self::Number(Number::new(text))),
            Kind::String(text) => Some(Self::String(text.clone())),
            Kind::Array(_) | Kind::Object(_) => None,
        }
    }

    fn starts_with(&self, prefix: &str) -> bool {
        matches!(self, Self::String(text) if text.starts_with(prefix))
    }
}
