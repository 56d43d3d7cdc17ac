//! What was read of an event: the values of the fields that patterns ask about, and which elements of which arrays they are in.

use std::ops::Range;

use super::super::condition::Scalar;
use super::super::{json, number};
use super::paths::PathId;

/// A value of an event, by its place among those that were read.
pub(super) type RecordId = u32;

/// An element of an array that is an array or object itself, by its number. What is in no array is in [`Records::ROOT`].
pub(super) type ScopeId = u32;

/// No record.
pub(super) const NONE: RecordId = RecordId::MAX;

/// The values of one event; used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Records {
    records: Vec<Record>,
    /// The first and the last record of each field, good if they are of this epoch.
    fields: Vec<Field>,
    /// The fields that have a record.
    touched: Vec<PathId>,
    scopes: Vec<Scope>,
    /// The texts that had escapes, without them.
    text: String,
    epoch: u32,
    /// Whether a record is in an element of an array.
    nested: bool,
}

#[derive(Debug)]
struct Record {
    /// The next one of the same field.
    next: RecordId,
    scope: ScopeId,
    /// Where it stands in the event, or in the text.
    start: u32,
    end: u32,
    /// The nearest double of a number; not a number if nobody compares it.
    double: f64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Unescaped,
}

#[derive(Clone, Copy, Debug, Default)]
struct Field {
    epoch: u32,
    first: RecordId,
    last: RecordId,
}

#[derive(Debug)]
struct Scope {
    parent: ScopeId,
    /// The array it is an element of.
    array: u32,
    /// How many scopes it is in.
    depth: u32,
    /// The first record behind it.
    end: RecordId,
}

impl Records {
    /// The scope of what is in no array.
    pub(super) const ROOT: ScopeId = 0;

    /// Forgets everything; from now on there are `fields` fields.
    pub(super) fn reset(&mut self, fields: usize) {
        self.records.clear();
        self.touched.clear();
        self.scopes.clear();
        self.scopes.push(Scope { parent: Self::ROOT, array: 0, depth: 0, end: NONE });
        self.text.clear();
        self.nested = false;
        if self.fields.len() < fields {
            self.fields.resize(fields, Field::default());
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.fields.fill(Field::default());
            self.epoch = 1;
        }
    }

    pub(super) fn add_null(&mut self, path: PathId, scope: ScopeId) {
        self.add(path, scope, Kind::Null, 0..0, f64::NAN);
    }

    pub(super) fn add_bool(&mut self, path: PathId, scope: ScopeId, value: bool) {
        self.add(path, scope, if value { Kind::True } else { Kind::False }, 0..0, f64::NAN);
    }

    /// A number that nobody compares with others.
    pub(super) fn add_number(&mut self, path: PathId, scope: ScopeId, range: Range<usize>) {
        self.add(path, scope, Kind::Number, range, f64::NAN);
    }

    /// A number that patterns compare with others.
    pub(super) fn add_compared(&mut self, path: PathId, scope: ScopeId, event: &[u8], range: Range<usize>) {
        let double = number::double(&event[range.clone()]);
        self.add(path, scope, Kind::Number, range, double);
    }

    /// A text without escapes.
    pub(super) fn add_string(&mut self, path: PathId, scope: ScopeId, range: Range<usize>) {
        self.add(path, scope, Kind::String, range, f64::NAN);
    }

    /// A text with escapes, given with its quotes.
    pub(super) fn add_escaped(&mut self, path: PathId, scope: ScopeId, quoted: &[u8]) {
        let start = self.text.len();
        json::unescape(quoted, &mut self.text);
        self.add(path, scope, Kind::Unescaped, start..self.text.len(), f64::NAN);
    }

    /// A name with escapes, given with its quotes; good until something is added.
    pub(super) fn unescaped(&mut self, quoted: &[u8]) -> Range<usize> {
        let start = self.text.len();
        json::unescape(quoted, &mut self.text);
        start..self.text.len()
    }

    pub(super) fn text(&self, range: Range<usize>) -> &[u8] {
        &self.text.as_bytes()[range]
    }

    fn add(&mut self, path: PathId, scope: ScopeId, kind: Kind, range: Range<usize>, double: f64) {
        let id = self.records.len() as RecordId;
        let (start, end) = (range.start as u32, range.end as u32);
        self.records.push(Record { next: NONE, scope, start, end, double, kind });
        self.nested |= scope != Self::ROOT;
        let field = &mut self.fields[path as usize];
        if field.epoch == self.epoch {
            self.records[field.last as usize].next = id;
            field.last = id;
        } else {
            *field = Field { epoch: self.epoch, first: id, last: id };
            self.touched.push(path);
        }
    }

    pub(super) fn open_scope(&mut self, parent: ScopeId, array: u32) -> ScopeId {
        let depth = self.scopes[parent as usize].depth + 1;
        self.scopes.push(Scope { parent, array, depth, end: NONE });
        self.scopes.len() as ScopeId - 1
    }

    pub(super) fn close_scope(&mut self, scope: ScopeId) {
        self.scopes[scope as usize].end = self.records.len() as RecordId;
    }

    /// The fields that have a value.
    pub(super) fn touched(&self) -> &[PathId] {
        &self.touched
    }

    /// Whether a value is in an element of an array, so that fields may be of different elements.
    pub(super) fn is_nested(&self) -> bool {
        self.nested
    }

    /// The first value of a field, or [`NONE`].
    #[inline]
    pub(super) fn first(&self, path: PathId) -> RecordId {
        let field = self.fields[path as usize];
        if field.epoch == self.epoch { field.first } else { NONE }
    }

    /// Whether a field has one value and no more.
    #[inline]
    pub(super) fn is_only(&self, path: PathId) -> bool {
        let field = self.fields[path as usize];
        field.epoch == self.epoch && field.first == field.last
    }

    /// The next value of the same field, or [`NONE`].
    #[inline]
    pub(super) fn next(&self, record: RecordId) -> RecordId {
        self.records[record as usize].next
    }

    /// All values of a field, in the order of the event.
    pub(super) fn of(&self, path: PathId) -> impl Iterator<Item = RecordId> {
        let step = |record: RecordId| (record != NONE).then_some(record);
        std::iter::successors(step(self.first(path)), move |record| step(self.next(*record)))
    }

    pub(super) fn scope(&self, record: RecordId) -> ScopeId {
        self.records[record as usize].scope
    }

    /// The first record behind a scope.
    pub(super) fn end(&self, scope: ScopeId) -> RecordId {
        self.scopes[scope as usize].end
    }

    pub(super) fn array(&self, scope: ScopeId) -> u32 {
        self.scopes[scope as usize].array
    }

    /// The scope directly within `outer` that `scope` is, or is within; nothing if it is `outer` itself.
    pub(super) fn step_towards(&self, outer: ScopeId, mut scope: ScopeId) -> Option<ScopeId> {
        let depth = self.scopes[outer as usize].depth + 1;
        if self.scopes[scope as usize].depth < depth {
            return None;
        }
        while self.scopes[scope as usize].depth > depth {
            scope = self.scopes[scope as usize].parent;
        }
        Some(scope)
    }

    /// Whether two scopes go together: never through different elements of one array.
    pub(super) fn are_consistent(&self, mut left: ScopeId, mut right: ScopeId) -> bool {
        let scope = |id: ScopeId| &self.scopes[id as usize];
        while scope(left).depth > scope(right).depth {
            left = scope(left).parent;
        }
        while scope(right).depth > scope(left).depth {
            right = scope(right).parent;
        }
        while left != right {
            if scope(left).parent == scope(right).parent {
                return scope(left).array != scope(right).array;
            }
            (left, right) = (scope(left).parent, scope(right).parent);
        }
        true
    }

    /// The value itself.
    #[inline]
    pub(super) fn scalar<'v>(&'v self, record: RecordId, event: &'v [u8]) -> Scalar<'v> {
        let record = &self.records[record as usize];
        let range = record.start as usize..record.end as usize;
        match record.kind {
            Kind::Null => Scalar::Null,
            Kind::True => Scalar::Bool(true),
            Kind::False => Scalar::Bool(false),
            Kind::Number => Scalar::Number(&event[range], record.double),
            Kind::String => Scalar::String(&event[range]),
            Kind::Unescaped => Scalar::String(&self.text.as_bytes()[range]),
        }
    }
}
