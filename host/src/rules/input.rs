//! Input shaping: what a target's plugin gets beside the event, as EventBridge has it. Pure: values in, values out.
//!
//! * [`Input`]: how a target shapes it: a constant, a part of the event, or a template
//! * [`Path`]: which part of an event: EventBridge's subset of JSONPath
//! * [`Template`]: JSON text with placeholders
//! * `reserved`: the placeholders that need no path
//! * `raw`: a look into JSON text without reading it into values

mod path;
mod raw;
mod reserved;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::path::Path;
pub use self::reserved::Reserved;
pub use self::template::Template;

use crate::event::Recorded;
use crate::pattern;
use crate::pattern::value::{Kind, Span, Value};

/// The largest input that a plugin gets, in bytes: EventBridge's limit for what it sends to a target.
pub const MAX_INPUT: usize = 256 * 1024;

/// The longest constant or template, in characters: EventBridge's limit.
pub const MAX_TEXT: usize = 8192;

/// The most paths of a transformer: EventBridge's limit.
pub const MAX_PATHS: usize = 100;

/// What a target makes of an event for its plugin. The outcome is always JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The same for every event: JSON text.
    Constant(String),
    /// A part of the event; null where it has no such part.
    Path(Path),
    /// A template, filled in with parts of the event.
    Transformer(Transformer),
}

/// A template and the parts of the event that its placeholders stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformer {
    /// The names of the placeholders, and what they stand for; in the order of the file.
    paths: Vec<(String, Path)>,
    /// Where they stand.
    template: Template,
}

/// Why an input cannot be made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It would be longer than [`MAX_INPUT`].
    #[error("the input is larger than {MAX_INPUT} bytes; let the target take less of the event")]
    TooLarge,
}

/// What is wrong with the text of a constant, a path or a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Span,
    /// What to write instead.
    pub help: String,
}

impl Input {
    /// A constant: a string is JSON text, every other value is itself.
    ///
    /// # Errors
    ///
    /// If the string is not JSON, or what comes of it is longer than [`MAX_TEXT`]. Places are counted from the beginning of the
    /// string.
    pub fn constant(value: &Value) -> Result<Self, SyntaxError> {
        let json = match &value.kind {
            Kind::String(text) => {
                Value::parse_json(text).map_err(|error| SyntaxError::of_json(error, text, 0))?.to_string()
            }
            _ => value.to_string(),
        };
        check_length("an input", &json)?;
        Ok(Self::Constant(json))
    }

    /// What the plugin gets for `event`, which matched the rule called `rule`: JSON text.
    ///
    /// # Errors
    ///
    /// [`InputError`], cause by cause.
    pub fn shape(&self, rule: &str, event: &Recorded) -> Result<String, InputError> {
        let json = match self {
            Self::Constant(json) => json.clone(),
            Self::Path(path) => path.find(&event.event.to_json()).map_or_else(|| "null".to_owned(), Cow::into_owned),
            Self::Transformer(transformer) => transformer.shape(rule, event)?,
        };
        if json.len() > MAX_INPUT { Err(InputError::TooLarge) } else { Ok(json) }
    }
}

impl Transformer {
    /// A transformer whose template knows the names of `paths`, and the reserved ones.
    ///
    /// # Errors
    ///
    /// Those of [`Template::parse`].
    pub fn new(paths: Vec<(String, Path)>, template: &str) -> Result<Self, SyntaxError> {
        let names: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
        let template = Template::parse(template, &names)?;
        Ok(Self { paths, template })
    }

    /// The names of the placeholders, and what they stand for.
    pub fn paths(&self) -> &[(String, Path)] {
        &self.paths
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    fn shape(&self, rule: &str, event: &Recorded) -> Result<String, InputError> {
        let json = event.event.to_json();
        // Every part is looked up once, however often it is used.
        let found: Vec<Option<Cow<'_, str>>> = self.paths.iter().map(|(_, path)| path.find(&json)).collect();
        self.template.fill(&found, |reserved| reserved.value(rule, event, &json))
    }
}

impl SyntaxError {
    fn new(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), span, help: help.into() }
    }

    /// What is wrong with JSON text that begins at byte `offset` of the whole text.
    fn of_json(error: pattern::Error, text: &str, offset: usize) -> Self {
        let at_once = text[..error.span.start.min(text.len())].trim_ascii().is_empty();
        let help = match error.help {
            // Most likely it was not meant to be JSON.
            _ if at_once => {
                "write JSON: an object, or a text with double quotes around all of it, like '\"a text\"'".to_owned()
            }
            Some(help) => help,
            None => "write JSON".to_owned(),
        };
        Self::new(offset + error.span.start..offset + error.span.end, error.message, help)
    }
}

fn check_length(what: &str, text: &str) -> Result<(), SyntaxError> {
    let length = text.chars().count();
    if length <= MAX_TEXT {
        return Ok(());
    }
    let help = format!("at most {MAX_TEXT} are allowed");
    Err(SyntaxError::new(0..text.len(), format!("{what} of {length} characters is too long"), help))
}
