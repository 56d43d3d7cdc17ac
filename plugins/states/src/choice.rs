//! What Choice states compare.

use std::cmp::Ordering;

use serde_json::Value;

use crate::path::{Context, Path};
use crate::time;

/// A condition of a Choice.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// Whether `variable` is there, or is not.
    IsPresent(Path, bool),
    Compare(Path, Test),
}

/// What a value is asked.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Whether it is of a kind, or is not.
    Is(Kind, bool),
    /// Whether it has a place in an order.
    Order(Domain, Relation, Operand),
    /// Whether it looks like a pattern with `*`.
    Matches(Vec<Piece>),
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

/// What values are compared as. Those that are something else compare as false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

/// A place in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

/// What is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Value(Value),
    Path(Path),
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    /// Any characters, or none.
    Any,
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    ///
    /// A sentence, if a path finds nothing.
    pub(crate) fn holds(&self, input: &Value, context: &Context<'_>) -> Result<bool, String> {
        Ok(match self {
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(input, context)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(input, context)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(condition) => !condition.holds(input, context)?,
            Self::IsPresent(variable, wanted) => variable.find(input, context).is_some() == *wanted,
            Self::Compare(variable, test) => {
                let value = variable.read(input, context)?;
                match test {
                    Test::Is(kind, wanted) => kind.is_of(&value) == *wanted,
                    Test::Matches(pieces) => value.as_str().is_some_and(|text| matches(text, pieces)),
                    Test::Order(domain, relation, Operand::Value(other)) => domain.compare(&value, other, *relation),
                    Test::Order(domain, relation, Operand::Path(other)) => {
                        domain.compare(&value, other.read(input, context)?.as_ref(), *relation)
                    }
                }
            }
        })
    }
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Numeric => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Timestamp => value.as_str().and_then(time::parse).is_some(),
        }
    }
}

impl Domain {
    /// Whether a constant can be compared with here.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match self {
            Self::String => Kind::String.is_of(value),
            Self::Numeric => Kind::Numeric.is_of(value),
            Self::Boolean => Kind::Boolean.is_of(value),
            Self::Timestamp => Kind::Timestamp.is_of(value),
        }
    }

    fn compare(self, one: &Value, other: &Value, relation: Relation) -> bool {
        let order = match self {
            Self::String => one.as_str().zip(other.as_str()).map(|(one, other)| one.cmp(other)),
            Self::Numeric => numbers(one, other),
            Self::Boolean => one.as_bool().zip(other.as_bool()).map(|(one, other)| one.cmp(&other)),
            Self::Timestamp => {
                let times = one.as_str().and_then(time::parse).zip(other.as_str().and_then(time::parse));
                times.map(|(one, other)| one.cmp(&other))
            }
        };
        order.is_some_and(|order| match relation {
            Relation::Equals => order == Ordering::Equal,
            Relation::LessThan => order == Ordering::Less,
            Relation::GreaterThan => order == Ordering::Greater,
            Relation::LessThanEquals => order != Ordering::Greater,
            Relation::GreaterThanEquals => order != Ordering::Less,
        })
    }
}

/// Whole numbers are compared as such: beyond 2^53 a fraction cannot tell neighbours apart.
fn numbers(one: &Value, other: &Value) -> Option<Ordering> {
    let whole = |value: &Value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// Reads a pattern: `*` is anything, `\*` a star and `\\` a backslash.
pub(crate) fn pattern(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('*' | '\\')) => plain.push(c),
                _ => return Err(format!("in {text:?} a backslash stands before neither * nor a backslash")),
            },
            '*' => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                if pieces.last() != Some(&Piece::Any) {
                    pieces.push(Piece::Any);
                }
            }
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Whether a text looks like a pattern. Each piece is taken where it comes first, which never takes away what a later one
/// needs; only the last one must stand at the end.
fn matches(text: &str, pieces: &[Piece]) -> bool {
    let (mut rest, mut anywhere) = (text, false);
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Any => anywhere = true,
            Piece::Text(piece) if anywhere && i + 1 == pieces.len() => return rest.ends_with(piece.as_str()),
            Piece::Text(piece) => {
                let Some(at) = rest.find(piece.as_str()).filter(|at| anywhere || *at == 0) else { return false };
                rest = &rest[at + piece.len()..];
                anywhere = false;
            }
        }
    }
    anywhere || rest.is_empty()
}
