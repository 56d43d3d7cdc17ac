//! Paths: where a value is read, and where a result is put.

use std::borrow::Cow;
use std::cell::LazyCell;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

/// The context object, `$$`, which is made for whoever reads it. Few do.
pub(crate) type Context<'a> = LazyCell<Value, Box<dyn FnOnce() -> Value + 'a>>;

/// A path that reads.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    text: String,
    /// Whether it reads the context object.
    of_context: bool,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    /// To one place.
    Definite(Vec<Part>),
    /// To any number of places: with wildcards, slices, filters or descendants.
    Indefinite(JsonPath),
}

/// One part of a path to one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Name(String),
    /// From the end if negative.
    Index(i64),
}

/// A reference path: one place, which may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference(Vec<Part>);

impl Path {
    /// Reads `$...` or `$$...`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let of_context = text.starts_with("$$");
        let rest = if of_context { &text[1..] } else { text };
        if !rest.starts_with('$') {
            return Err(format!("{text:?} is no path: a path begins with $, or $$ for the context object"));
        }
        let way = match parts(rest) {
            Some(parts) => Way::Definite(parts),
            None => Way::Indefinite(indefinite(rest).map_err(|error| format!("{text:?} is no path: {error}"))?),
        };
        Ok(Self { text: text.to_owned(), of_context, way })
    }

    /// The path of everything.
    pub(crate) fn whole() -> Self {
        Self { text: "$".to_owned(), of_context: false, way: Way::Definite(Vec::new()) }
    }

    /// Whether it leads to one place at most, so that its value is that place's, and not an array of what was found.
    pub(crate) fn is_definite(&self) -> bool {
        matches!(self.way, Way::Definite(_))
    }

    /// Whether it leads to all of the input.
    pub(crate) fn is_whole(&self) -> bool {
        !self.of_context && matches!(&self.way, Way::Definite(parts) if parts.is_empty())
    }

    /// What is there. A path to any number of places finds an array, which may be empty.
    pub(crate) fn find<'v>(&self, input: &'v Value, context: &'v Context<'_>) -> Option<Cow<'v, Value>> {
        let root = if self.of_context { context } else { input };
        match &self.way {
            Way::Definite(parts) => get(root, parts).map(Cow::Borrowed),
            Way::Indefinite(path) => Some(Cow::Owned(path.query(root).all().into_iter().cloned().collect())),
        }
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// A sentence that says that nothing is.
    pub(crate) fn read<'v>(&self, input: &'v Value, context: &'v Context<'_>) -> Result<Cow<'v, Value>, String> {
        let place = if self.of_context { "the context object" } else { "the input" };
        self.find(input, context).ok_or_else(|| format!("the path {} finds nothing in {place}", self.text))
    }
}

impl Reference {
    /// Reads `$...`: names and indexes only.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = parts(text).filter(|parts| !parts.iter().any(|part| matches!(part, Part::Index(..0))));
        parts.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no reference path, which is $ with names and indexes: $.stack.id, $['a name'], $.list[0]"
            )
        })
    }

    /// The path of everything.
    pub(crate) fn whole() -> Self {
        Self(Vec::new())
    }

    /// Puts a result there. Objects that are missing on the way are made.
    ///
    /// # Errors
    ///
    /// A sentence that says what is in the way.
    pub(crate) fn put(&self, mut root: Value, result: Value) -> Result<Value, String> {
        let mut place = &mut root;
        for part in &self.0 {
            place = match (part, place) {
                (Part::Name(name), Value::Object(members)) => {
                    members.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()))
                }
                (Part::Index(index), Value::Array(items)) => {
                    let length = items.len();
                    let item = usize::try_from(*index).ok().and_then(|index| items.get_mut(index));
                    item.ok_or_else(|| {
                        format!("the ResultPath has the index {index}, but the array has {length} items")
                    })?
                }
                (Part::Name(name), _) => {
                    return Err(format!("the ResultPath has the name {name:?} where the input is no object"));
                }
                (Part::Index(index), _) => {
                    return Err(format!("the ResultPath has the index {index} where the input is no array"));
                }
            };
        }
        *place = result;
        Ok(root)
    }
}

fn get<'a>(root: &'a Value, parts: &[Part]) -> Option<&'a Value> {
    parts.iter().try_fold(root, |value, part| match part {
        Part::Name(name) => value.get(name),
        Part::Index(index) => {
            let items = value.as_array()?;
            let index =
                if *index < 0 { items.len().checked_sub(index.unsigned_abs() as usize)? } else { *index as usize };
            items.get(index)
        }
    })
}

/// The parts of a path that has nothing but names and indexes; nothing for another.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut rest = text.strip_prefix('$')?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = plain(after)?;
            parts.push(Part::Name(name));
            rest = after;
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
            if let Some(quote) = quote {
                let (name, after) = quoted(&after[1..], quote)?;
                parts.push(Part::Name(name));
                rest = after.strip_prefix(']')?;
            } else {
                let (index, after) = after.split_once(']')?;
                parts.push(Part::Index(index.parse().ok()?));
                rest = after;
            }
        }
    }
    Some(parts)
}

/// A path to any number of places. RFC 9535 has names without quotation marks that are shorter than those of the language, so these
/// are put in quotation marks where it does not take them.
fn indefinite(text: &str) -> Result<JsonPath, serde_json_path::ParseError> {
    JsonPath::parse(text).or_else(|error| JsonPath::parse(&with_quoted_names(text)).map_err(|_| error))
}

/// A path with `['name']` for each `.name`, but for those in brackets.
fn with_quoted_names(text: &str) -> String {
    let (mut written, mut rest, mut depth, mut quote) = (String::new(), text, 0_usize, None);
    while let Some(c) = rest.chars().next() {
        if c == '.' && depth == 0 {
            let after = rest.trim_start_matches('.');
            if let Some((name, after_name)) = plain(after) {
                let descends = if rest.len() - after.len() > 1 { &rest[..rest.len() - after.len()] } else { "" };
                let name = name.replace('\\', r"\\").replace('\'', r"\'");
                written += &format!("{descends}['{name}']");
                rest = after_name;
                continue;
            }
        }
        match (quote, c) {
            (Some(_), '\\') => {
                written.push(c);
                rest = &rest[1..];
                let Some(escaped) = rest.chars().next() else { break };
                written.push(escaped);
                rest = &rest[escaped.len_utf8()..];
                continue;
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        written.push(c);
        rest = &rest[c.len_utf8()..];
    }
    written
}

/// The name at the beginning of a text, without quotation marks, and what follows it. A backslash takes the next character as it is. The
/// hyphen and `&` are no part of RFC 9535, but of the language's examples: `$.delivery-partner`.
fn plain(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            Some('\\') => name.push(chars.next()?),
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | '-' | '&') || !c.is_ascii() => name.push(c),
            _ => return (!name.is_empty()).then_some((name, rest)),
        }
    }
}

/// The text up to a quotation mark, and what follows that. A backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            c if c == quote => return Some((name, &text[at + c.len_utf8()..])),
            c => name.push(c),
        }
    }
    None
}
