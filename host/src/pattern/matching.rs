//! From a pattern and an event to the verdict: a walk over both at once, in time proportional to their sizes multiplied.

use super::condition::Scalar;
use super::value::{Kind, Value};
use super::{Error, Field, Fields, json};

/// An event, read once and matched against many patterns.
#[derive(Clone, Debug)]
pub struct Parsed(Value);

impl Parsed {
    /// Reads the JSON text of an event.
    ///
    /// What is nested deeper than 128 levels is not seen by any pattern.
    ///
    /// # Errors
    ///
    /// If it is not JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(text)
            .map_err(|error| Error::new(&(error.valid_up_to()..error.valid_up_to() + 1), "the event is not UTF-8"))?;
        json::parse(text, json::Purpose::Event).map(Self)
    }
}

/// Whether the event has all the fields.
pub(super) fn matches(fields: &Fields, event: &Parsed) -> bool {
    object(fields, &[&event.0]) != Verdict::No
}

/// Whether a part of the event fits, and if so by what.
///
/// The difference matters in arrays of objects. Fields that are there must be fields of the same element; fields that are not there
/// must be missing from that element if there is one, and from every element if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It does not fit.
    No,
    /// It fits, by something that is missing.
    ByAbsence,
    /// It fits, by something that is there.
    ByPresence,
}

/// Matches an object of the pattern with the values of one field. They are many if the event repeats the field or holds an array,
/// and none if it has no such field.
fn object(fields: &Fields, values: &[&Value]) -> Verdict {
    let mut elements = Vec::new();
    for value in values {
        flatten(value, &mut elements);
    }
    let mut objects = elements.iter().filter_map(|value| match &value.kind {
        Kind::Object(members) => Some(members.as_slice()),
        _ => None,
    });
    let Some(first) = objects.next() else { return all(fields, &[]) };
    let mut verdict = Verdict::ByAbsence;
    for members in std::iter::once(first).chain(objects) {
        match all(fields, members) {
            Verdict::ByPresence => return Verdict::ByPresence,
            Verdict::ByAbsence => {}
            Verdict::No => verdict = Verdict::No,
        }
    }
    verdict
}

/// Matches all fields of an object of the pattern with the members of one object of the event.
fn all(fields: &Fields, members: &[(super::value::Key, Value)]) -> Verdict {
    let mut verdict = Verdict::ByAbsence;
    for (name, field) in fields {
        let values: Vec<&Value> = members.iter().filter(|(key, _)| key.name == *name).map(|(_, value)| value).collect();
        let one = match field {
            Field::Object(fields) => object(fields, &values),
            Field::Leaf(conditions) => leaf(conditions, &values),
        };
        match one {
            Verdict::No => return Verdict::No,
            Verdict::ByAbsence => {}
            Verdict::ByPresence => verdict = Verdict::ByPresence,
        }
    }
    verdict
}

/// Matches a leaf of the pattern with the values of one field.
fn leaf(conditions: &[super::Condition], values: &[&Value]) -> Verdict {
    let mut elements = Vec::new();
    for value in values {
        flatten(value, &mut elements);
    }
    let mut scalars = elements.iter().filter_map(|value| Scalar::new(&value.kind)).peekable();
    if scalars.peek().is_none() {
        let absent = conditions.iter().any(super::Condition::accepts_absence);
        return if absent { Verdict::ByAbsence } else { Verdict::No };
    }
    if scalars.any(|scalar| conditions.iter().any(|condition| condition.accepts(&scalar))) {
        return Verdict::ByPresence;
    }
    Verdict::No
}

/// The elements of arrays and of the arrays in them; what is no array, as it is.
fn flatten<'v>(value: &'v Value, elements: &mut Vec<&'v Value>) {
    match &value.kind {
        Kind::Array(items) => items.iter().for_each(|item| flatten(item, elements)),
        _ => elements.push(value),
    }
}
