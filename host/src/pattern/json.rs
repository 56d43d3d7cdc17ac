//! Reads JSON text into a value that keeps the spelling of numbers, repeated members, and the place of everything.

use super::Error;
use super::value::{Key, Kind, Value};

/// How deep arrays and objects may be nested, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 128;

/// What the text is read for, which decides about what is legal but odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody wrote it and can mend it: nesting that is too deep, and half a surrogate pair, are errors.
    Pattern,
    /// It was accepted long ago: what is nested too deep to be asked about is skipped, as if it were empty, and half a
    /// surrogate pair becomes U+FFFD.
    Event,
}

/// Reads a text that holds one value.
pub(super) fn parse(text: &str, purpose: Purpose) -> Result<Value, Error> {
    let mut reader = Reader { text, at: 0, depth: 0, purpose };
    reader.space();
    let value = reader.value()?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected("the end of the text")),
    }
}

/// Reads the text of an event.
pub(super) fn parse_event(text: &[u8]) -> Result<Value, Error> {
    let text = std::str::from_utf8(text)
        .map_err(|error| Error::new(&(error.valid_up_to()..error.valid_up_to() + 1), "the event is not UTF-8"))?;
    parse(text, Purpose::Event)
}

/// Adds the text of a string of an event, given with its quotes, to `decoded`; what cannot be read is left out.
pub(super) fn unescape(quoted: &[u8], decoded: &mut String) {
    let text = String::from_utf8_lossy(quoted);
    let mut reader = Reader { text: &text, at: 0, depth: 0, purpose: Purpose::Event };
    // Whoever asks found the closing quote, so that only an escape can be wrong, and no event has a wrong one.
    let _ = reader.string_into(decoded);
}

struct Reader<'t> {
    text: &'t str,
    /// The byte that comes next.
    at: usize,
    /// How many arrays and objects are open.
    depth: usize,
    purpose: Purpose,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, Error> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Value { span: start..self.at, kind })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind, Error>) -> Result<Kind, Error> {
        if self.depth == MAX_DEPTH {
            return match self.purpose {
                Purpose::Pattern => {
                    let message = format!("nested deeper than {MAX_DEPTH} levels");
                    Err(Error::new(&(self.at..self.at + 1), message).help("ask for fields further up"))
                }
                Purpose::Event => self.skip(),
            };
        }
        self.depth += 1;
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn object(&mut self) -> Result<Kind, Error> {
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a field in double quotes"));
            }
            let start = self.at;
            let name = self.string()?;
            let key = Key { span: start..self.at, name };
            self.space();
            if !self.take(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.space();
            members.push((key, self.value()?));
            self.space();
            if self.take(b'}') {
                return Ok(Kind::Object(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.space();
        }
    }

    fn array(&mut self) -> Result<Kind, Error> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Kind::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
            self.space();
        }
    }

    /// Skips an array or object without looking into it.
    fn skip(&mut self) -> Result<Kind, Error> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => open += 1,
                Some(b'}' | b']') => open -= 1,
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(_) => {}
                None => return Err(self.unexpected("`]` or `}`")),
            }
            self.at += 1;
            if open == 0 {
                return Ok(Kind::Array(Vec::new()));
            }
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let mut decoded = String::new();
        self.string_into(&mut decoded)?;
        Ok(decoded)
    }

    fn string_into(&mut self, decoded: &mut String) -> Result<(), Error> {
        let start = self.at;
        self.at += 1;
        loop {
            let plain = self.at;
            while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            decoded.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => decoded.push(self.escape()?),
                Some(_) => {
                    let message = "a control character in a string";
                    return Err(Error::new(&(self.at..self.at + 1), message).help("write it as an escape: \\n, \\t"));
                }
                None => {
                    return Err(Error::new(&(start..self.at), "a string that does not end").help("close it with `\"`"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let start = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(start),
            _ => {
                self.at = start;
                let message = "an escape that JSON does not know";
                return Err(Error::new(&(start..start + 1), message).help("write a backslash as `\\\\`"));
            }
        })
    }

    fn code_point(&mut self, start: usize) -> Result<char, Error> {
        let first = self.hex(start)?;
        let mut code = first;
        if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let second_start = self.at;
            self.at += 2;
            let second = self.hex(second_start)?;
            if (0xDC00..0xE000).contains(&second) {
                code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            } else {
                self.at = second_start;
            }
        }
        match (char::from_u32(code), self.purpose) {
            (Some(decoded), _) => Ok(decoded),
            (None, Purpose::Event) => Ok(char::REPLACEMENT_CHARACTER),
            (None, Purpose::Pattern) => {
                let message = "half a surrogate pair, which is no character";
                Err(Error::new(&(start..self.at), message).help("write the character itself"))
            }
        }
    }

    fn hex(&mut self, start: usize) -> Result<u32, Error> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| {
            Error::new(&(start..start + 2), "an escape without four hexadecimal digits").help("write it like \\u00e9")
        })
    }

    fn number(&mut self) -> Result<String, Error> {
        let start = self.at;
        self.take(b'-');
        let zero = self.peek() == Some(b'0');
        let integer = self.digits()?;
        if zero && integer > 1 {
            return Err(Error::new(&(start..self.at), "a number that begins with 0").help("leave the zero out"));
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) -> Result<usize, Error> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.unexpected("a digit")),
            count => Ok(count),
        }
    }

    fn word(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        match &self.text[start..self.at] {
            "null" => Ok(Kind::Null),
            "true" => Ok(Kind::Bool(true)),
            "false" => Ok(Kind::Bool(false)),
            word => Err(Error::new(&(start..self.at), format!("`{word}` is not a value"))
                .help(format!("a string stands in double quotes: \"{word}\""))),
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, wanted: &str) -> Error {
        match self.text[self.at..].chars().next() {
            Some(found) => {
                let span = self.at..self.at + found.len_utf8();
                let after_comma = matches!(found, ']' | '}') && self.text[..self.at].trim_end().ends_with(',');
                let help = if after_comma {
                    "remove the comma before it"
                } else {
                    "write JSON, like {\"source\": [\"OnlineTrial\"]}"
                };
                Error::new(&span, format!("expected {wanted}, found `{found}`")).help(help)
            }
            None => {
                let message = format!("expected {wanted}, and the text ends");
                Error::new(&(self.at..self.at), message).help("close every bracket, brace and quote")
            }
        }
    }
}
