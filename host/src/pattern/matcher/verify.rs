//! Whether fields match together: each by itself, and none by another element of an array than the others.

use super::Leaf;
use super::records::{NONE, RecordId, Records, ScopeId};

/// How many ways to choose values are tried where an event repeats names, or spells them with dots, so that a field can be in several arrays
/// at once. An event in which more would have to be tried does not match.
const MAX_TRIES: u32 = 10_000;

/// Whether a part of the event fits, and if so by what.
///
/// The difference matters in arrays. Fields that are there must be fields of the same element; fields that are not there
/// must be missing from that element if there is one, and from every element if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It does not fit.
    No,
    /// It fits, by something that is missing.
    ByAbsence,
    /// It fits, by something that is there.
    ByPresence,
    /// A field is in several arrays at once, so that going from array to array does not tell.
    Entangled,
}

/// A field on the way through the event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// Its place among the fields.
    field: u32,
    /// The next value that was not looked at.
    record: RecordId,
    /// The array it is in, within the scope that is looked at.
    array: Option<u32>,
}

/// Whether `fields` match together, of which the leaf `proven` does by itself. `stack` is empty, and only lent.
pub(super) fn verify(
    leaves: &[Leaf],
    fields: &[u32],
    proven: u32,
    event: &[u8],
    records: &Records,
    stack: &mut Vec<Cursor>,
) -> bool {
    let mut verifier = Verifier { leaves, fields, event, records, stack };
    if !records.is_nested() {
        return (0..fields.len() as u32).all(|field| fields[field as usize] == proven || verifier.alone(field));
    }
    stack_fields(&mut verifier);
    match verifier.within(Records::ROOT, 0) {
        Verdict::No => false,
        Verdict::ByAbsence | Verdict::ByPresence => true,
        Verdict::Entangled => verifier.search(0, &mut Vec::new(), &mut Vec::new(), &mut MAX_TRIES.clone()),
    }
}

fn stack_fields(verifier: &mut Verifier<'_>) {
    verifier.stack.clear();
    for field in 0..verifier.fields.len() as u32 {
        let record = verifier.records.first(verifier.leaf(field).path);
        verifier.stack.push(Cursor { field, record, array: None });
    }
}

struct Verifier<'a> {
    leaves: &'a [Leaf],
    fields: &'a [u32],
    event: &'a [u8],
    records: &'a Records,
    stack: &'a mut Vec<Cursor>,
}

impl<'a> Verifier<'a> {
    fn leaf(&self, field: u32) -> &'a Leaf {
        &self.leaves[self.fields[field as usize] as usize]
    }

    fn accepts(&self, field: u32, record: RecordId) -> bool {
        self.leaf(field).accepts(self.records.scalar(record, self.event))
    }

    /// A field of which no value is in an array.
    #[inline]
    fn alone(&self, field: u32) -> bool {
        let leaf = self.leaf(field);
        let mut record = self.records.first(leaf.path);
        if record == NONE {
            return leaf.absent;
        }
        while record != NONE {
            if self.accepts(field, record) {
                return true;
            }
            record = self.records.next(record);
        }
        false
    }

    /// The fields of the stack from `base` on, within a scope.
    fn within(&mut self, scope: ScopeId, base: usize) -> Verdict {
        let end = self.records.end(scope);
        let top = self.stack.len();
        let mut verdict = Verdict::ByAbsence;
        for place in base..top {
            match self.directly_within(scope, end, place) {
                Verdict::ByPresence => verdict = Verdict::ByPresence,
                Verdict::ByAbsence => {}
                other => return other,
            }
        }
        for place in base..top {
            let Some(array) = self.stack[place].array else { continue };
            match self.within_array(scope, end, array, (base, top)) {
                Verdict::ByPresence => verdict = Verdict::ByPresence,
                Verdict::ByAbsence => {}
                other => return other,
            }
        }
        verdict
    }

    /// A field, if it is missing from a scope, or in it and in none of its arrays. Otherwise notes the array.
    fn directly_within(&mut self, scope: ScopeId, end: RecordId, place: usize) -> Verdict {
        let Cursor { field, record: first, .. } = self.stack[place];
        self.stack[place].array = None;
        if first >= end {
            return if self.leaf(field).absent { Verdict::ByAbsence } else { Verdict::No };
        }
        let array_of = |record| {
            let inner = self.records.step_towards(scope, self.records.scope(record));
            inner.map(|inner| self.records.array(inner))
        };
        let array = array_of(first);
        let mut accepted = false;
        let mut record = first;
        while record < end {
            if array_of(record) != array {
                return Verdict::Entangled;
            }
            accepted |= array.is_none() && self.accepts(field, record);
            record = self.records.next(record);
        }
        self.stack[place].array = array;
        match array {
            // Nothing is said yet.
            Some(_) => Verdict::ByAbsence,
            None if accepted => Verdict::ByPresence,
            None => Verdict::No,
        }
    }

    /// Those of the fields that are in an array: together in one of its elements, or missing from all of them.
    fn within_array(&mut self, scope: ScopeId, end: RecordId, array: u32, (base, top): (usize, usize)) -> Verdict {
        let mut verdict = Verdict::ByAbsence;
        loop {
            let waiting = self.stack[base..top].iter().filter(|cursor| cursor.array == Some(array));
            let next = waiting.map(|cursor| cursor.record).min().filter(|record| *record < end);
            let Some(element) = next.and_then(|next| self.records.step_towards(scope, self.records.scope(next))) else {
                break;
            };
            let element_end = self.records.end(element);
            for place in base..top {
                let cursor = self.stack[place];
                if cursor.array == Some(array) {
                    self.stack.push(Cursor { array: None, ..cursor });
                    let mut record = cursor.record;
                    while record < element_end {
                        record = self.records.next(record);
                    }
                    self.stack[place].record = record;
                }
            }
            let found = self.within(element, top);
            self.stack.truncate(top);
            match found {
                Verdict::ByPresence => {
                    verdict = Verdict::ByPresence;
                    break;
                }
                Verdict::No => verdict = Verdict::No,
                Verdict::ByAbsence => {}
                Verdict::Entangled => return Verdict::Entangled,
            }
        }
        for cursor in &mut self.stack[base..top] {
            if cursor.array == Some(array) {
                cursor.array = None;
            }
        }
        verdict
    }

    /// Tries one value after the other for each field, from `field` on.
    fn search(&self, field: u32, chosen: &mut Vec<ScopeId>, missing: &mut Vec<u32>, tries: &mut u32) -> bool {
        if field as usize == self.fields.len() {
            return missing.iter().all(|field| {
                let mut records = self.records.of(self.leaf(*field).path);
                !records.any(|record| self.goes_with(chosen, record))
            });
        }
        for record in self.records.of(self.leaf(field).path) {
            if *tries == 0 {
                return false;
            }
            *tries -= 1;
            if self.goes_with(chosen, record) && self.accepts(field, record) {
                chosen.push(self.records.scope(record));
                let found = self.search(field + 1, chosen, missing, tries);
                chosen.pop();
                if found {
                    return true;
                }
            }
        }
        if self.leaf(field).absent {
            missing.push(field);
            let found = self.search(field + 1, chosen, missing, tries);
            missing.pop();
            return found;
        }
        false
    }

    fn goes_with(&self, chosen: &[ScopeId], record: RecordId) -> bool {
        let scope = self.records.scope(record);
        chosen.iter().all(|chosen| self.records.are_consistent(*chosen, scope))
    }
}
