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
//! * `condition`: one alternative of a leaf, and which values it accepts; with `number`, `ignore_case`, `wildcard`, `network`
//! * `parse`: from a value to a pattern, with the errors
//! * [`Matcher`]: from many patterns and the bytes of an event to those that match; [`Explanation`]: why one does not
//! * `compare`: what can be said of patterns without an event
//! * [`suggest`]: "did you mean"

mod compare;
mod condition;
mod ignore_case;
mod json;
mod matcher;
mod network;
mod number;
mod parse;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod value;
mod wildcard;

pub use self::compare::Shape;
use self::condition::Condition;
pub use self::matcher::{Explanation, Matcher, Miss, Scratch};
use self::value::{Notation, Span, Value};

/// A pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// What is asked of fields, in the order of the text.
    leaves: Vec<Leaf>,
    /// The ways to match: the places of leaves that must all accept a value, or its absence. More than one if there is an `$or`.
    combinations: Vec<Vec<usize>>,
    /// How it was written.
    notation: Notation,
    /// What is allowed, and probably not meant.
    notes: Vec<Error>,
}

/// What a pattern asks of a field.
#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    /// The names of the field and of the objects it is in, from the outermost on, with dots between them.
    path: String,
    /// The alternatives; at least one.
    conditions: Vec<Condition>,
    /// Where the array of alternatives stands.
    span: Span,
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
    /// The first thing that is wrong: no field at all, a leaf that is not an array or holds nothing, an operator
    /// that does not exist or has the wrong operand, or more of something than there may be.
    pub fn from_value(value: &Value, notation: Notation) -> Result<Self, Error> {
        parse::pattern(value, notation)
    }

    /// Whether the event, given as the JSON text of an object, matches. Whoever asks this of many patterns or events is better
    /// served by a [`Matcher`].
    ///
    /// # Errors
    ///
    /// Those of [`Matcher::matching`].
    pub fn matches(&self, event: &[u8]) -> Result<bool, Error> {
        Matcher::matches(self, event)
    }

    /// What is allowed, and probably not meant: a field that replaces another, an operator that is read as a field.
    pub fn notes(&self) -> &[Error] {
        &self.notes
    }
}

impl Error {
    fn new(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: span.clone(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
