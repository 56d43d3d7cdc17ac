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
    let mut scanner = Scanner { event, paths, records, depth: 0, arrays: 0, in_arrays: 0, may_end_early };
    let start = scanner.space(0);
    match scanner.peek(start) {
        Some(b'{') => scanner.value(start, Paths::ROOT, Records::ROOT).map(drop),
        _ => Err(Malformed { at: start }),
    }
}

/// Whoever reads something is told where it begins, and answers with where the rest begins: so the place stays in a register.
struct Scanner<'a> {
    event: &'a [u8],
    paths: &'a Paths,
    records: &'a mut Records,
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
    fn value(&mut self, at: usize, node: NodeId, scope: ScopeId) -> Result<usize, Malformed> {
        match self.peek(at) {
            Some(b'{') if self.depth < MAX_DEPTH && self.paths.has_children(node) => {
                self.depth += 1;
                let end = self.object(at, node, scope);
                self.depth -= 1;
                end
            }
            Some(b'[') if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.in_arrays += 1;
                let end = self.array(at, node, scope);
                self.in_arrays -= 1;
                self.depth -= 1;
                end
            }
            Some(b'{' | b'[') => self.skip(at),
            _ => match self.paths.path(node) {
                Some(path) => self.scalar(at, path, node, scope),
                None => self.skip(at),
            },
        }
    }

    fn object(&mut self, at: usize, node: NodeId, scope: ScopeId) -> Result<usize, Malformed> {
        let mut at = self.space(at + 1);
        if self.peek(at) == Some(b'}') {
            return Ok(at + 1);
        }
        loop {
            let start = self.expect(at, b'"')?;
            let (end, escaped) = skip::string_end(self.event, start).ok_or(Malformed { at: start })?;
            at = self.space(end + 1);
            at = self.expect(at, b':')?;
            at = self.space(at);
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
                    at = self.value(at, child, scope)?;
                    if self.is_over(at) {
                        return Ok(self.event.len());
                    }
                }
                None => at = self.skip(at)?,
            }
            at = self.space(at);
            if self.peek(at) == Some(b'}') {
                return Ok(at + 1);
            }
            at = self.expect(at, b',')?;
            at = self.space(at);
        }
    }

    /// Whether nothing that patterns ask about can follow: all fields have been seen, and no name of them stands in the rest.
    #[inline]
    fn is_over(&mut self, at: usize) -> bool {
        if at == self.event.len() {
            return true;
        }
        if !self.may_end_early || self.in_arrays > 0 || self.records.touched().len() < self.paths.count() {
            return false;
        }
        self.may_end_early = false;
        !self.paths.may_be_named_in(&self.event[at..])
    }

    /// The place of a name with dots in it: that of several objects, one in the other.
    #[inline]
    fn dotted(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        if !name.contains(&b'.') {
            return None;
        }
        name.split(|byte| *byte == b'.').try_fold(node, |node, name| self.paths.child(node, name))
    }

    fn array(&mut self, at: usize, node: NodeId, scope: ScopeId) -> Result<usize, Malformed> {
        let array = self.arrays;
        self.arrays += 1;
        let mut at = self.space(at + 1);
        if self.peek(at) == Some(b']') {
            return Ok(at + 1);
        }
        loop {
            match self.peek(at) {
                Some(b'{' | b'[') => {
                    let element = self.records.open_scope(scope, array);
                    at = self.value(at, node, element)?;
                    self.records.close_scope(element);
                }
                _ => at = self.value(at, node, scope)?,
            }
            at = self.space(at);
            if self.peek(at) == Some(b']') {
                return Ok(at + 1);
            }
            at = self.expect(at, b',')?;
            at = self.space(at);
        }
    }

    fn scalar(&mut self, at: usize, path: PathId, node: NodeId, scope: ScopeId) -> Result<usize, Malformed> {
        let first = self.peek(at);
        if first == Some(b'"') {
            let start = at + 1;
            let (end, escaped) = skip::string_end(self.event, start).ok_or(Malformed { at: start })?;
            if escaped {
                self.records.add_escaped(path, scope, &self.event[start - 1..=end]);
            } else {
                self.records.add_string(path, scope, start..end);
            }
            return Ok(end + 1);
        }
        let end = self.skip_scalar(at)?;
        match first {
            Some(b'n') => self.records.add_null(path, scope),
            Some(b't') => self.records.add_bool(path, scope, true),
            Some(b'f') => self.records.add_bool(path, scope, false),
            _ if self.paths.is_numeric(node) => self.records.add_compared(path, scope, self.event, at..end),
            _ => self.records.add_number(path, scope, at..end),
        }
        Ok(end)
    }

    /// Over a value that nobody asked about.
    #[inline]
    fn skip(&self, at: usize) -> Result<usize, Malformed> {
        match self.peek(at) {
            Some(b'"') => skip::string_end(self.event, at + 1).map(|(end, _)| end + 1).ok_or(Malformed { at }),
            Some(b'{' | b'[') => skip::container_end(self.event, at).ok_or(Malformed { at }),
            _ => self.skip_scalar(at),
        }
    }

    /// Over a number or a word.
    fn skip_scalar(&self, at: usize) -> Result<usize, Malformed> {
        let rest = self.event.get(at..).unwrap_or_default();
        let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
        match rest.iter().position(ends).unwrap_or(rest.len()) {
            0 => Err(Malformed { at }),
            length => Ok(at + length),
        }
    }

    /// Over spaces.
    #[inline]
    fn space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek(at).filter(|byte| *byte <= b' ') {
            at += 1;
        }
        at
    }

    #[inline]
    fn peek(&self, at: usize) -> Option<u8> {
        self.event.get(at).copied()
    }

    /// Over a byte that must be there.
    #[inline]
    fn expect(&self, at: usize, byte: u8) -> Result<usize, Malformed> {
        if self.peek(at) == Some(byte) { Ok(at + 1) } else { Err(Malformed { at }) }
    }
}
