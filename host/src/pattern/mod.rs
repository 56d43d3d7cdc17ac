//! The event pattern language of EventBridge, as aws/event-ruler understands it. Pure: values in, values out.
//!
//! A [`Pattern`] is an object of the shape of the events it wants; each of its leaves is an array of alternatives. An event matches if
//! every leaf has an alternative that accepts the event's value there:
//!
//! ```json
//! {"source": ["OnlineTrial"], "detail": {"type": ["ACS", {"prefix": "AC-"}], "stackId": [{"exists": false}]}}
//! ```
//!
//! * [`value`]: what patterns and events are read into: a value that knows where it stands in its text, whatever the notation
//! * `json`: from JSON text to such a value
//! * `number`: when two numbers are the same
//! * `condition`: one alternative of a leaf, and which values it accepts
//! * `parse`: from a value to a pattern, with the errors
//! * `matching`: from a pattern and an event to the verdict
//! * [`suggest`]: "did you mean"
//!
//! The operators: exact values, `prefix`, `anything-but` of a value, a list or a prefix, and `exists`.

mod condition;
mod json;
mod matching;
mod number;
mod parse;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod value;

use self::condition::Condition;
pub use self::matching::Parsed;
use self::value::{Notation, Span, Value};

/// A pattern, ready to match.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The fields of the outermost object.
    fields: Fields,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text that the pattern was read from.
    pub span: Span,
    /// What to write instead, where that can be said.
    pub help: Option<String>,
}

impl Pattern {
    /// Reads a pattern from JSON text.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: malformed JSON, or what [`Pattern::from_value`] says.
    pub fn parse_json(text: &str) -> Result<Self, Error> {
        Self::from_value(&Value::parse_json(text)?, Notation::Json)
    }

    /// Makes a pattern of a value. The notation it was written in decides how the errors spell their advice.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: no field at all, a field twice, a leaf that is not an array or holds nothing, an operator
    /// that does not exist or has the wrong operand.
    pub fn from_value(value: &Value, notation: Notation) -> Result<Self, Error> {
        parse::Parser::new(notation).pattern(value)
    }

    /// Whether the event matches.
    pub fn matches(&self, event: &Parsed) -> bool {
        matching::matches(&self.fields, event)
    }
}

/// The fields of an object in a pattern. Each has another name, and there is at least one.
type Fields = Vec<(String, Field)>;

/// What a pattern asks of one field.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    /// It is an object, or an array of them, with these fields.
    Object(Fields),
    /// It holds a value that one of these accepts.
    Leaf(Vec<Condition>),
}

impl Error {
    fn new(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: span.clone(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
