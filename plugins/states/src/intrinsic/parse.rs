//! The grammar of intrinsic functions.

use serde_json::Value;

use super::{Argument, Function, functions};
use crate::path::Path;
use crate::suggest::did_you_mean;

/// How deep calls may lie in one another.
const DEEPEST: usize = 10;

/// What is wrong with a backslash that has nothing to escape.
pub(super) const OPEN_BACKSLASH: &str = r"a backslash stands before none of ' { } and \; write \\ for the character";

/// Reads a call that is the whole text.
pub(super) fn parse(text: &str) -> Result<Function, String> {
    let mut reader = Reader { text, rest: text };
    let function = reader.function(1)?;
    reader.skip_blanks();
    if reader.rest.is_empty() { Ok(function) } else { Err(reader.expected("nothing more after the last )")) }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn function(&mut self, depth: usize) -> Result<Function, String> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} intrinsic functions lie in one another"));
        }
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let Some(known) = functions::TABLE.iter().find(|known| known.name == name) else {
            if !name.starts_with("States.") {
                let text = self.text;
                return Err(format!(
                    "{text:?} is neither a path, which begins with $, nor an intrinsic function, States.NAME(...)"
                ));
            }
            let hint = did_you_mean(name, functions::TABLE.iter().map(|known| known.name));
            return Err(format!("there is no intrinsic function {name:?}{hint}"));
        };
        self.rest = self.rest.strip_prefix('(').ok_or_else(|| self.expected(&format!("( right after {name}")))?;
        let mut arguments = Vec::new();
        if !self.skip(')') {
            loop {
                let is_template = name == functions::FORMAT && arguments.is_empty();
                arguments.push(match self.argument(depth)? {
                    Argument::Constant(Value::String(text)) if !is_template => Argument::Constant(plain(&text).into()),
                    other => other,
                });
                if self.skip(')') {
                    break;
                }
                if !self.skip(',') {
                    return Err(self.expected(", or )"));
                }
            }
        }
        let (count, least, most) = (arguments.len(), known.least, known.most);
        if !(least..=most).contains(&count) {
            let wanted = match (least, most) {
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(format!("{name} takes {wanted} arguments, and is given {count}"));
        }
        Ok(Function { known, arguments })
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, String> {
        self.skip_blanks();
        match self.rest.chars().next() {
            Some('\'') => self.text().map(|text| Argument::Constant(Value::String(text))),
            Some('$') => self.path().map(Argument::Path),
            Some('-' | '0'..='9') => {
                let number = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
                serde_json::from_str(number).map(Argument::Constant).map_err(|_| format!("{number:?} is no number"))
            }
            Some('S') => self.function(depth + 1).map(Argument::Function),
            _ => match self.take(|c| c.is_ascii_alphanumeric()) {
                "true" => Ok(Argument::Constant(true.into())),
                "false" => Ok(Argument::Constant(false.into())),
                "null" => Ok(Argument::Constant(Value::Null)),
                _ => Err(self.expected("a 'text', a number, true, false, null, a path or a function")),
            },
        }
    }

    /// A text in single quotation marks. A backslash stays before braces and backslashes, because what they mean in a template is for
    /// States.Format to say.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('{' | '}' | '\\'))) => text.extend(['\\', c]),
                    Some((_, '\'')) => text.push('\''),
                    Some(_) => return Err(format!("in {:?} {OPEN_BACKSLASH}", self.text)),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.expected("' at the end of the text"))
    }

    /// A path ends at a comma or a parenthesis that is not in its brackets.
    fn path(&mut self) -> Result<Path, String> {
        let (mut depth, mut quote) = (0_usize, None);
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (_, '\\') => drop(chars.next()),
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']') => depth = depth.saturating_sub(1),
                (None, ')') if depth > 0 => depth -= 1,
                (None, ',' | ')') if depth == 0 => {
                    end = at;
                    break;
                }
                (None, _) => {}
            }
        }
        let (path, rest) = self.rest.split_at(end);
        self.rest = rest;
        Path::parse(path.trim_end())
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, c: char) -> bool {
        self.skip_blanks();
        let after = self.rest.strip_prefix(c);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expected(&self, what: &str) -> String {
        let place = if self.rest.is_empty() { "the end".to_owned() } else { format!("{:?}", self.rest) };
        format!("{:?} is no intrinsic function: expected {what}, found {place}", self.text)
    }
}

/// A text without the backslashes that were kept for templates.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    plain
}
