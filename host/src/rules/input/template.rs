//! JSON text with placeholders: EventBridge's InputTemplate.
//!
//! A template is JSON in which `<name>` stands for a part of the event:
//!
//! * outside a string it is the value itself: `{"type": <type>}` becomes `{"type":"ACS"}`;
//! * inside a string it is text: `"a trial of <type>"` becomes `"a trial of ACS"`. Whatever is no string there is its JSON text, escaped,
//!   so that the outcome is JSON whatever the event holds;
//! * what the event does not have is null outside, and nothing inside a string;
//! * `\<` in a string is a `<` that is meant as such.
//!
//! A template that begins with a string may have one on each of several lines; they become one string of as many lines.

use std::borrow::Cow;

use super::{InputError, MAX_INPUT, Reserved, SyntaxError, check_length, raw};
use crate::pattern::suggest;
use crate::pattern::value::{Kind, Span, Value};

/// JSON text with placeholders, ready to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// As it was written.
    text: String,
    /// What it consists of, without the space between values.
    pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// JSON text.
    Text(String),
    /// A value.
    Value(Variable),
    /// Text in a string.
    InString(Variable),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// What the path at this place among the transformer's finds.
    Path(usize),
    /// What needs no path.
    Reserved(Reserved),
}

impl Template {
    /// Reads a template whose placeholders are among `names` or reserved.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: a template that is empty or longer than [`super::MAX_TEXT`], a placeholder that is unknown or does
    /// not end or is the name of a member, a text that is not JSON once its placeholders are filled in.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, SyntaxError> {
        check_length("a template", text)?;
        if text.trim_ascii().is_empty() {
            let help = "write JSON with placeholders, like {\"type\": <type>}, or a string, like \"a trial of <type>\"";
            return Err(SyntaxError::new(0..text.len(), "the template is empty", help));
        }
        let mut reader = Reader::new(text, names);
        reader.read()?;
        reader.check()?;
        Ok(Self { text: text.to_owned(), pieces: reader.pieces })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fills it in: `found` is what the paths found, `reserved` what the other placeholders stand for, all as JSON text.
    pub(super) fn fill(
        &self,
        found: &[Option<Cow<'_, str>>],
        reserved: impl Fn(Reserved) -> String,
    ) -> Result<String, InputError> {
        let value = |variable: &Variable| match variable {
            Variable::Path(index) => found.get(*index).and_then(Option::as_deref).map(Cow::Borrowed),
            Variable::Reserved(name) => Some(Cow::Owned(reserved(*name))),
        };
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Value(variable) => filled.push_str(value(variable).as_deref().unwrap_or("null")),
                Piece::InString(variable) => match value(variable).as_deref() {
                    None => {}
                    // A string is spliced in as it is spelt, because it is escaped already.
                    Some(json) => match raw::inside(json) {
                        Some(text) => filled.push_str(text),
                        None => filled.push_str(&raw::escaped(json)),
                    },
                },
            }
            // After each piece, so that a template that repeats a large value stops early.
            if filled.len() > MAX_INPUT {
                return Err(InputError::TooLarge);
            }
        }
        Ok(filled)
    }
}

/// Takes a template apart.
struct Reader<'t> {
    text: &'t str,
    /// The names that have a path.
    names: &'t [&'t str],
    /// Whether it begins with a string, so that others may follow on lines of their own.
    lines: bool,
    pieces: Vec<Piece>,
    /// The placeholders, and where they stand.
    placeholders: Vec<Span>,
    /// The template with something in place of each placeholder that is as long, so that places stay the same.
    sample: String,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, names: &'t [&'t str]) -> Self {
        let lines = text.trim_ascii_start().starts_with('"');
        Self { text, names, lines, pieces: Vec::new(), placeholders: Vec::new(), sample: String::new() }
    }

    fn read(&mut self) -> Result<(), SyntaxError> {
        let mut in_string = false;
        while let Some(character) = self.text[self.sample.len()..].chars().next() {
            match character {
                '<' => self.placeholder(in_string)?,
                '\\' if in_string => self.escape(),
                '"' if !in_string && self.lines && !self.pieces.is_empty() => {
                    // The string goes on with that of this line, instead of ending with that of the last.
                    self.closing_quote_to_line_end();
                    self.sample.push('"');
                    in_string = true;
                }
                _ => {
                    in_string ^= character == '"';
                    if in_string || !character.is_ascii_whitespace() {
                        self.push(character);
                    }
                    self.sample.push(character);
                }
            }
        }
        Ok(())
    }

    fn placeholder(&mut self, in_string: bool) -> Result<(), SyntaxError> {
        let start = self.sample.len();
        let rest = &self.text[start + 1..];
        let length = rest.find(|character| !is_name(character)).unwrap_or(rest.len());
        let name = &rest[..length];
        if name.is_empty() || !rest[length..].starts_with('>') {
            return Err(self.no_placeholder(start, length));
        }
        let span = start..start + 1 + length + 1;
        let variable = self.variable(name, &span)?;
        let blank = span.len() - 2;
        let sample = if in_string { " ".repeat(span.len()) } else { format!(" 0{}", " ".repeat(blank)) };
        self.sample.push_str(&sample);
        self.pieces.push(if in_string { Piece::InString(variable) } else { Piece::Value(variable) });
        self.placeholders.push(span);
        Ok(())
    }

    fn variable(&self, name: &str, span: &Span) -> Result<Variable, SyntaxError> {
        if let Some(index) = self.names.iter().position(|known| *known == name) {
            return Ok(Variable::Path(index));
        }
        if let Some(reserved) = Reserved::named(name) {
            return Ok(Variable::Reserved(reserved));
        }
        let reserved = Reserved::ALL.map(Reserved::name);
        if name.starts_with("aws.") {
            let message = format!("there is no reserved variable `{name}`");
            return Err(SyntaxError::new(span.clone(), message, suggest::advice(name, &reserved)));
        }
        let help = match suggest::closest(name, self.names.iter().copied().chain(reserved)) {
            Some(known) => format!("did you mean `<{known}>`?"),
            None => format!("add it to input-paths, like {name} = \"$.detail.{name}\""),
        };
        Err(SyntaxError::new(span.clone(), format!("input-paths has no `{name}`"), help))
    }

    /// What is wrong with a `<` at `start` that `length` bytes of a name follow, and no `>`.
    fn no_placeholder(&self, start: usize, length: usize) -> SyntaxError {
        let literal = "in a string, write `\\<` for a `<` that is meant as such";
        let rest = &self.text[start + 1..];
        let end = rest.find(['>', '<', '"', '\\', '\n']).filter(|end| rest[*end..].starts_with('>'));
        let Some(end) = end else {
            let message = "a placeholder that does not end";
            return SyntaxError::new(start..start + 1 + length, message, format!("close it with `>`; {literal}"));
        };
        let message = format!("`<{}>` is no placeholder", &rest[..end]);
        let help = format!("a name has letters, digits, `_` and `-`; {literal}");
        SyntaxError::new(start..start + 1 + end + 1, message, help)
    }

    /// A backslash in a string, and what follows it.
    fn escape(&mut self) {
        let next = self.text[self.sample.len() + 1..].chars().next();
        match next {
            Some(bracket @ ('<' | '>')) => {
                self.push(bracket);
                self.sample.push(' ');
                self.sample.push(bracket);
            }
            _ => {
                for character in std::iter::once('\\').chain(next) {
                    self.push(character);
                    self.sample.push(character);
                }
            }
        }
    }

    fn push(&mut self, character: char) {
        if !matches!(self.pieces.last(), Some(Piece::Text(_))) {
            self.pieces.push(Piece::Text(String::new()));
        }
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push(character);
        }
    }

    fn closing_quote_to_line_end(&mut self) {
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.pop();
        }
        self.push('\\');
        self.push('n');
    }

    /// Whether the sample is JSON, which makes the template JSON whatever is filled in.
    fn check(&self) -> Result<(), SyntaxError> {
        if !self.lines {
            return self.check_value(0..self.text.len());
        }
        let mut at = 0;
        for line in self.sample.split_inclusive('\n') {
            let span = at..at + line.len();
            at = span.end;
            if !line.trim_ascii().is_empty() {
                self.check_value(span)?;
            }
        }
        Ok(())
    }

    fn check_value(&self, span: Span) -> Result<(), SyntaxError> {
        let offset = span.start;
        let sample = &self.sample[span];
        let value = Value::parse_json(sample).map_err(|error| {
            let error = SyntaxError::of_json(error, sample, offset);
            self.misplaced(error.span.start).unwrap_or(error)
        })?;
        if self.lines && !matches!(value.kind, Kind::String(_)) {
            let span = offset + value.span.start..offset + value.span.end;
            let help = "a template that begins with a string has one on each line; for more than text, write an object";
            let error = SyntaxError::new(span, "a string should stand here", help);
            return Err(self.misplaced(error.span.start).unwrap_or(error));
        }
        self.check_keys(&value, offset)
    }

    /// What is wrong at byte `at`, if there is a placeholder.
    fn misplaced(&self, at: usize) -> Option<SyntaxError> {
        let place = self.placeholders.iter().find(|place| place.contains(&at))?;
        let message = format!("`{}` cannot stand here", &self.text[place.clone()]);
        let help = "it stands for a whole value: in a text, put double quotes around all of it";
        Some(SyntaxError::new(place.clone(), message, help))
    }

    /// A placeholder in the name of a member could make two of one name.
    fn check_keys(&self, value: &Value, offset: usize) -> Result<(), SyntaxError> {
        match &value.kind {
            Kind::Array(items) => items.iter().try_for_each(|item| self.check_keys(item, offset)),
            Kind::Object(members) => members.iter().try_for_each(|(key, value)| {
                let name = offset + key.span.start..offset + key.span.end;
                match self.placeholders.iter().find(|place| name.contains(&place.start)) {
                    Some(place) => Err(SyntaxError::new(
                        place.clone(),
                        format!("`{}` stands in the name of a member", &self.text[place.clone()]),
                        "placeholders stand for values only: write the name itself",
                    )),
                    None => self.check_keys(value, offset),
                }
            }),
            _ => Ok(()),
        }
    }
}

/// Whether a character may stand in a placeholder; those with dots are the reserved ones.
fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}
