//! A look into JSON text without reading it into values: what is taken out is spelt as it was, be it a number that no type
//! holds or nesting that no stack holds.
//!
//! The text must be JSON. Of any other, the answers are of no use, but they end.

/// What stands directly in an object or array, in order: the name, spelt with its quotes, and the value. Elements of arrays have
/// no name; neither objects nor arrays have nothing in them.
pub(super) fn children(text: &str) -> Children<'_> {
    let named = text.starts_with('{');
    let rest = if named || text.starts_with('[') { &text[1..] } else { "" };
    Children { rest, named }
}

/// Whether a name, spelt with its quotes, is this one.
pub(super) fn is_named(spelt: &str, name: &str) -> bool {
    if spelt.contains('\\') {
        return serde_json::from_str::<String>(spelt).is_ok_and(|decoded| decoded == name);
    }
    inside(spelt) == Some(name)
}

/// What stands between the quotes of a string, escapes and all; nothing if it is no string.
pub(super) fn inside(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// A text as a string of JSON, without the quotes around it.
pub(super) fn escaped(text: &str) -> String {
    let mut quoted = serde_json::Value::from(text).to_string();
    quoted.pop();
    quoted.remove(0);
    quoted
}

/// See [`children`].
pub(super) struct Children<'t> {
    /// What was not looked at.
    rest: &'t str,
    /// Whether it is an object.
    named: bool,
}

impl<'t> Iterator for Children<'t> {
    type Item = (Option<&'t str>, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(',');
        if self.rest.is_empty() || self.rest.starts_with(['}', ']']) {
            return None;
        }
        let name = self.named.then(|| self.take());
        self.skip(':');
        Some((name, self.take()))
    }
}

impl<'t> Children<'t> {
    fn skip(&mut self, separator: char) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', separator]);
    }

    fn take(&mut self) -> &'t str {
        let (value, rest) = self.rest.split_at(length(self.rest.as_bytes()));
        self.rest = rest;
        value
    }
}

/// How many bytes the value has that the text begins with.
fn length(text: &[u8]) -> usize {
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b'{' | b'[' => open += 1,
            b'}' | b']' if open == 0 => return at,
            b'}' | b']' => open -= 1,
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if open == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 1;
        if open == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// Where the quote is that ends the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}
