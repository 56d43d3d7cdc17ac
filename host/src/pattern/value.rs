//! A value with its place in the text it was read from: what JSON and TOML have in common.

use std::fmt;
use std::ops::Range;

use super::{Error, json};

/// Where something stands in its text: a range of bytes.
pub type Span = Range<usize>;

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing. TOML has no word for it.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as it was written, in the spelling of JSON.
    Number(String),
    /// A text, its escapes resolved.
    String(String),
    /// Values in an order.
    Array(Vec<Value>),
    /// Named values, in the order in which they were written. A name may stand here twice: who reads decides what that means.
    Object(Vec<(Key, Value)>),
}

/// The name of a member of an object, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where.
    pub span: Span,
    /// The name, its escapes resolved.
    pub name: String,
}

/// The notation a value was written in. They differ in what an object is called and how its members are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notation {
    /// `{"prefix": "x"}`, an object.
    #[default]
    Json,
    /// `{ prefix = "x" }`, a table.
    Toml,
}

impl Value {
    /// Reads JSON text.
    ///
    /// # Errors
    ///
    /// Where the text stops being JSON, or is nested deeper than 128 levels.
    pub fn parse_json(text: &str) -> Result<Self, Error> {
        json::parse(text, json::Purpose::Pattern)
    }
}

impl Value {
    /// The text of the value in a notation, on one line. Of null, for which TOML has no word, JSON's.
    pub fn spell(&self, notation: Notation) -> String {
        let list = |texts: Vec<String>| texts.join(", ");
        match &self.kind {
            Kind::Array(items) => format!("[{}]", list(items.iter().map(|item| item.spell(notation)).collect())),
            Kind::Object(members) => {
                let member = |(key, value): &(Key, Self)| match notation {
                    Notation::Json => format!("{}: {}", quoted(&key.name), value.spell(notation)),
                    Notation::Toml if is_bare(&key.name) => format!("{} = {}", key.name, value.spell(notation)),
                    Notation::Toml => format!("{} = {}", quoted(&key.name), value.spell(notation)),
                };
                let members = list(members.iter().map(member).collect());
                match notation {
                    Notation::Json => format!("{{{members}}}"),
                    Notation::Toml => format!("{{ {members} }}"),
                }
            }
            _ => self.to_string(),
        }
    }
}

/// Whether TOML takes a name without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Compact JSON text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Bool(value) => value.fmt(f),
            Kind::Number(text) => f.write_str(text),
            Kind::String(text) => write_string(f, text),
            Kind::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Kind::Object(members) => {
                f.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write_string(f, &key.name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

impl Kind {
    /// What to call it in a message: `a string`.
    pub fn noun(&self, notation: Notation) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => notation.object(),
        }
    }
}

impl Notation {
    /// What an object is called: `an object`, `a table`.
    pub fn object(self) -> &'static str {
        match self {
            Self::Json => "an object",
            Self::Toml => "a table",
        }
    }

    /// An object of one member: `{"prefix": "x"}`, `{ prefix = "x" }`.
    pub fn member(self, name: &str, value: impl fmt::Display) -> String {
        match self {
            Self::Json => format!("{{\"{name}\": {value}}}"),
            Self::Toml if is_bare(name) => format!("{{ {name} = {value} }}"),
            Self::Toml => format!("{{ \"{name}\" = {value} }}"),
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&quoted(text))
}

/// A text as a string of JSON, which is one of TOML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
