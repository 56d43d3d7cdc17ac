//! Which part of an event: EventBridge's subset of JSONPath.

use std::borrow::Cow;
use std::fmt;

use super::{SyntaxError, raw};

/// The longest path, in characters: EventBridge's limit.
const MAX_LENGTH: usize = 256;

/// What can be written.
const SUPPORTED: &str = "supported are $, .name, ['name'], [0], [*] and .*, as in $.detail.items[0].id";

/// Which part of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// As it was written.
    text: String,
    /// From the event inwards.
    steps: Vec<Step>,
}

/// One step inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// To the member of this name.
    Name(String),
    /// To the element at this place, counted from 0.
    Index(usize),
    /// To all members or elements.
    All,
}

impl Path {
    /// Reads a path: `$`, `$.detail.type`, `$.detail['a name']`, `$.resources[0]`, `$.detail.items[*].id`.
    ///
    /// # Errors
    ///
    /// The first thing that is not supported, or a path of more than 256 characters.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            let message = format!("a path of {length} characters is too long");
            return Err(SyntaxError::new(0..text.len(), message, format!("at most {MAX_LENGTH} are allowed")));
        }
        if !text.starts_with('$') {
            let help = match text.trim_start_matches('.') {
                "" => "write `$` for the whole event, `$.detail` for its detail".to_owned(),
                rest => format!("write `$.{rest}`"),
            };
            return Err(SyntaxError::new(0..text.len(), "a path begins with `$`, the event", help));
        }
        let mut steps = Vec::new();
        let mut at = 1;
        while at < text.len() {
            let (step, length) = Step::parse(&text[at..]).map_err(|error| error.after(at))?;
            steps.push(step);
            at += length;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The part of the event, given as JSON text; nothing if it has no such part. A path with a wildcard yields an array of
    /// whatever it finds, be it nothing. Of members that share a name, the last one counts.
    pub(super) fn find<'e>(&self, event: &'e str) -> Option<Cow<'e, str>> {
        let mut found = vec![event];
        for step in &self.steps {
            let mut further = Vec::new();
            for value in found {
                step.go(value, &mut further);
            }
            found = further;
        }
        if self.steps.contains(&Step::All) {
            return Some(Cow::Owned(format!("[{}]", found.join(","))));
        }
        found.first().copied().map(Cow::Borrowed)
    }
}

/// As it was written.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    /// Reads the step that the text begins with, and how long it is.
    fn parse(text: &str) -> Result<(Self, usize), SyntaxError> {
        if let Some(rest) = text.strip_prefix('.') {
            if rest.starts_with('*') {
                return Ok((Self::All, 2));
            }
            let end = rest.find(|character| !is_plain(character)).unwrap_or(rest.len());
            if end == 0 {
                let shown = rest.chars().next().map_or(1, |next| 1 + next.len_utf8());
                return Err(SyntaxError::new(0..shown, "there is no name after `.`", SUPPORTED));
            }
            return Ok((Self::Name(rest[..end].to_owned()), 1 + end));
        }
        let Some(rest) = text.strip_prefix('[') else {
            let found = text.chars().next().unwrap_or_default();
            let message = format!("`{found}` cannot stand here");
            let help = format!(
                "a name with other characters than letters, digits, `_`, `-` and `/` is written ['name']; {SUPPORTED}"
            );
            return Err(SyntaxError::new(0..found.len_utf8(), message, help));
        };
        if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '\'' | '"')) {
            return Self::quoted(text, quote);
        }
        let Some(end) = rest.find(']') else {
            return Err(SyntaxError::new(0..text.len(), "a bracket that does not end", "close it with `]`"));
        };
        let subscript = &rest[..end];
        let step = match subscript {
            "*" => Some(Self::All),
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().map(Self::Index)
            }
            _ => None,
        };
        let length = end + 2;
        step.map(|step| (step, length))
            .ok_or_else(|| SyntaxError::new(0..length, format!("`[{subscript}]` is not supported"), SUPPORTED))
    }

    /// Reads `['name']`, in which a backslash stands before a quote or backslash that belongs to the name.
    fn quoted(text: &str, quote: char) -> Result<(Self, usize), SyntaxError> {
        let unfinished = |message| SyntaxError::new(0..text.len(), message, "write it like ['a name']");
        let mut name = String::new();
        let mut characters = text[2..].char_indices();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                let end = 2 + at + 1;
                return match text[end..].starts_with(']') {
                    true => Ok((Self::Name(name), end + 1)),
                    false => Err(unfinished("a bracket that does not end after the name")),
                };
            }
            let character = if character == '\\' { characters.next().map(|(_, next)| next) } else { Some(character) };
            name.extend(character);
        }
        Err(unfinished("a name that does not end"))
    }

    /// Adds to `found` where this step leads from a value.
    fn go<'e>(&self, value: &'e str, found: &mut Vec<&'e str>) {
        let mut children = raw::children(value);
        match self {
            Self::Name(name) => {
                let named = children.filter(|(spelt, _)| spelt.is_some_and(|spelt| raw::is_named(spelt, name)));
                found.extend(named.last().map(|(_, value)| value));
            }
            Self::Index(index) => {
                found.extend(children.nth(*index).and_then(|(name, value)| name.is_none().then_some(value)));
            }
            Self::All => found.extend(children.map(|(_, value)| value)),
        }
    }
}

impl SyntaxError {
    /// The same in a longer text, of which the text begins at byte `offset`.
    fn after(self, offset: usize) -> Self {
        Self { span: offset + self.span.start..offset + self.span.end, ..self }
    }
}

/// Whether a character may stand in a name without quotes.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '/')
}
