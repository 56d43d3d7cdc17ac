//! Reads an event once, from left to right, and keeps the values of the fields that patterns ask about. Everything else is skipped.

use super::paths::{NodeId, PathId, Paths};
use super::records::{Records, ScopeId};
use super::skip;

/// What is nested deeper than this is not seen by any pattern, so that no event can exhaust the stack.
const MAX_DEPTH: usize = 128;

/// Why an event cannot be read: it is no JSON from this byte on, or not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The byte.
    pub(super) at: usize,
}

/// Reads `event` into `records`, which are empty.
pub(super) fn scan(event: &[u8], paths: &Paths, records: &mut Records) -> Result<(), Malformed> {
    let may_end_early = event.last() == Some(&b'}');
    let mut scanner = Scanner { event, paths, records, at: 0, depth: 0, arrays: 0, in_arrays: 0, may_end_early };
    scanner.space();
    match scanner.peek() {
        Some(b'{') => scanner.value(Paths::ROOT, Records::ROOT),
        _ => Err(scanner.malformed()),
    }
}

struct Scanner<'a> {
    event: &'a [u8],
    paths: &'a Paths,
    records: &'a mut Records,
    /// The byte that comes next.
    at: usize,
    /// How many arrays and objects are open.
    depth: usize,
    /// How many arrays there were.
    arrays: u32,
    /// How many arrays are open.
    in_arrays: usize,
    /// Whether nobody has looked yet if the rest can be left unread.
    may_end_early: bool,
}

impl Scanner<'_> {
    /// A value at a place that patterns ask about.
    fn value(&mut self, node: NodeId, scope: ScopeId) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'{') if self.depth < MAX_DEPTH && self.paths.has_children(node) => {
                self.depth += 1;
                self.object(node, scope)?;
                self.depth -= 1;
                Ok(())
            }
            Some(b'[') if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.in_arrays += 1;
                self.array(node, scope)?;
                self.in_arrays -= 1;
                self.depth -= 1;
                Ok(())
            }
            Some(b'{' | b'[') => self.skip(),
            _ => match self.paths.path(node) {
                Some(path) => self.scalar(path, node, scope),
                None => self.skip(),
            },
        }
    }

    fn object(&mut self, node: NodeId, scope: ScopeId) -> Result<(), Malformed> {
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if !self.take(b'"') {
                return Err(self.malformed());
            }
            let start = self.at;
            let (end, escaped) = skip::string_end(self.event, start).ok_or(Malformed { at: start })?;
            self.at = end + 1;
            self.space();
            if !self.take(b':') {
                return Err(self.malformed());
            }
            self.space();
            let child = if escaped {
                let name = self.records.unescaped(&self.event[start - 1..=end]);
                let name = self.records.text(name);
                self.paths.child(node, name).or_else(|| self.dotted(node, name))
            } else {
                let child = self.paths.child_in(node, self.event, start, end);
                child.or_else(|| self.dotted(node, &self.event[start..end]))
            };
            match child {
                Some(child) => {
                    self.value(child, scope)?;
                    if self.is_over() {
                        self.at = self.event.len();
                        return Ok(());
                    }
                }
                None => self.skip()?,
            }
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.malformed());
            }
            self.space();
        }
    }

    /// Whether nothing that patterns ask about can follow: all fields have been seen, and no name of them stands in the rest.
    #[inline]
    fn is_over(&mut self) -> bool {
        if self.at == self.event.len() {
            return true;
        }
        if !self.may_end_early || self.in_arrays > 0 || self.records.touched().len() < self.paths.count() {
            return false;
        }
        self.may_end_early = false;
        !self.paths.may_be_named_in(&self.event[self.at..])
    }

    /// The place of a name with dots in it: that of several objects, one in the other.
    #[inline]
    fn dotted(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        if !name.contains(&b'.') {
            return None;
        }
        name.split(|byte| *byte == b'.').try_fold(node, |node, name| self.paths.child(node, name))
    }

    fn array(&mut self, node: NodeId, scope: ScopeId) -> Result<(), Malformed> {
        let array = self.arrays;
        self.arrays += 1;
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    let element = self.records.open_scope(scope, array);
                    self.value(node, element)?;
                    self.records.close_scope(element);
                }
                _ => self.value(node, scope)?,
            }
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.malformed());
            }
            self.space();
        }
    }

    fn scalar(&mut self, path: PathId, node: NodeId, scope: ScopeId) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => {
                let start = self.at + 1;
                let (end, escaped) = skip::string_end(self.event, start).ok_or(Malformed { at: start })?;
                self.at = end + 1;
                if escaped {
                    self.records.add_escaped(path, scope, &self.event[start - 1..=end]);
                } else {
                    self.records.add_string(path, scope, start..end);
                }
            }
            first => {
                let start = self.at;
                self.skip_scalar()?;
                let range = start..self.at;
                match first {
                    Some(b'n') => self.records.add_null(path, scope),
                    Some(b't') => self.records.add_bool(path, scope, true),
                    Some(b'f') => self.records.add_bool(path, scope, false),
                    _ if self.paths.is_numeric(node) => self.records.add_compared(path, scope, self.event, range),
                    _ => self.records.add_number(path, scope, range),
                }
            }
        }
        Ok(())
    }

    /// Over a value that nobody asked about.
    fn skip(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => {
                let (end, _) = skip::string_end(self.event, self.at + 1).ok_or(self.malformed())?;
                self.at = end + 1;
                Ok(())
            }
            Some(b'{' | b'[') => {
                self.at = skip::container_end(self.event, self.at).ok_or(self.malformed())?;
                Ok(())
            }
            _ => self.skip_scalar(),
        }
    }

    /// Over a number or a word.
    fn skip_scalar(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+')) {
                break;
            }
            self.at += 1;
        }
        if self.at == start { Err(self.malformed()) } else { Ok(()) }
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.event.get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }
}
