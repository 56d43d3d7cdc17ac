//! Why a pattern does not match an event, and the least that would have to change in it.

use super::super::condition::{Condition, Scalar};
use super::super::number::{Number, is_comparable};
use super::super::value::{Kind, Notation, Span, Value};
use super::super::{Error, Leaf, Pattern, ignore_case, json, suggest};
use super::Matcher;
use super::paths::Paths;
use super::records::{RecordId, Records, ScopeId};

/// How many values of an event are shown of one field.
const SHOWN: usize = 5;

/// How many values in arrays are tried as the one that all others have to go with.
const MAX_ANCHORS: usize = 64;

/// Whether a pattern matches an event, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What stands in the way: the fields that would have to accept something else. Empty if the pattern matches. If there is an
    /// `$or`, this is about its alternative that comes closest.
    pub misses: Vec<Miss>,
}

/// A field that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The names of the field and of the objects it is in, with dots between them.
    pub field: String,
    /// The first values that the event has there, as JSON text; none if it has no value.
    pub seen: Vec<String>,
    /// The alternatives that the pattern has there, in its notation.
    pub condition: String,
    /// What to look at: a difference in case, in type or by a letter, another field of almost this name.
    pub hint: Option<String>,
    /// The alternative to add, in the notation of the pattern. With those of all misses added, the pattern matches.
    pub add: String,
    /// Where the array of alternatives stands, in bytes of the pattern's text.
    pub span: Span,
}

impl Explanation {
    /// Whether the pattern matches.
    pub fn matches(&self) -> bool {
        self.misses.is_empty()
    }
}

impl Pattern {
    /// Whether the event, given as the JSON text of an object, matches, and if not, why.
    ///
    /// # Errors
    ///
    /// If the event is not JSON, or not an object.
    pub fn explain(&self, event: &[u8]) -> Result<Explanation, Error> {
        let tree = json::parse_event(event)?;
        let (matcher, places) = Matcher::without_index([self]);
        let mut records = Records::default();
        matcher.scan(event, &mut records)?;
        if matcher.matches_any(&places, event, &records) {
            return Ok(Explanation { misses: Vec::new() });
        }
        let explainer = Explainer { pattern: self, paths: &matcher.paths, event, tree: &tree, records: &records };
        let combinations = self.combinations.iter().map(|fields| explainer.closest(fields));
        let closest = combinations.min_by_key(Vec::len).unwrap_or_default();
        Ok(Explanation { misses: closest.into_iter().map(|lack| explainer.miss(lack)).collect() })
    }
}

struct Explainer<'a> {
    pattern: &'a Pattern,
    paths: &'a Paths,
    event: &'a [u8],
    tree: &'a Value,
    records: &'a Records,
}

/// A leaf that would have to accept this value, or that there is none.
#[derive(Clone, Copy, Debug)]
struct Lack {
    leaf: usize,
    record: Option<RecordId>,
}

impl Explainer<'_> {
    /// The fewest changes with which all these leaves would match together.
    fn closest(&self, leaves: &[usize]) -> Vec<Lack> {
        let mut best = self.changes(leaves, None);
        let in_arrays = leaves.iter().flat_map(|leaf| self.records_of(*leaf).map(move |record| (*leaf, record)));
        let in_arrays = in_arrays.filter(|(_, record)| self.records.scope(*record) != Records::ROOT);
        for anchor in in_arrays.take(MAX_ANCHORS) {
            let changes = self.changes(leaves, Some(anchor));
            if changes.len() < best.len() {
                best = changes;
            }
        }
        best
    }

    /// The changes if one leaf after the other takes the first value that goes with those taken before, beginning with the anchor. The more is
    /// taken, the fewer values go with it, so that what is missing stays missing.
    fn changes(&self, leaves: &[usize], anchor: Option<(usize, RecordId)>) -> Vec<Lack> {
        let mut taken: Vec<ScopeId> = Vec::new();
        let mut lacks = Vec::new();
        let first = anchor.iter().map(|(leaf, _)| leaf);
        let others = leaves.iter().filter(|leaf| anchor.is_none_or(|(first, _)| first != **leaf));
        for leaf in first.chain(others) {
            let wanted = anchor.filter(|(first, _)| first == leaf).map(|(_, record)| record);
            let fitting: Vec<RecordId> = self
                .records_of(*leaf)
                .filter(|record| wanted.is_none_or(|wanted| wanted == *record))
                .filter(|record| {
                    taken.iter().all(|scope| self.records.are_consistent(*scope, self.records.scope(*record)))
                })
                .collect();
            let accepted = fitting.iter().find(|record| self.accepts(*leaf, **record));
            let absent = self.leaf(*leaf).conditions.contains(&Condition::Absent);
            match (accepted, fitting.first()) {
                (Some(record), _) => taken.push(self.records.scope(*record)),
                (None, Some(record)) => {
                    taken.push(self.records.scope(*record));
                    lacks.push(Lack { leaf: *leaf, record: Some(*record) });
                }
                (None, None) if absent => {}
                (None, None) => lacks.push(Lack { leaf: *leaf, record: None }),
            }
        }
        lacks.sort_unstable_by_key(|lack| lack.leaf);
        lacks
    }

    fn leaf(&self, leaf: usize) -> &Leaf {
        &self.pattern.leaves[leaf]
    }

    fn accepts(&self, leaf: usize, record: RecordId) -> bool {
        let value = self.records.scalar(record, self.event);
        self.leaf(leaf).conditions.iter().any(|condition| condition.accepts(value))
    }

    fn records_of(&self, leaf: usize) -> impl Iterator<Item = RecordId> {
        let path = self.paths.find(&self.leaf(leaf).path);
        path.into_iter().flat_map(|path| self.records.of(path))
    }

    fn miss(&self, lack: Lack) -> Miss {
        let leaf = self.leaf(lack.leaf);
        let notation = self.pattern.notation;
        let seen = self.records_of(lack.leaf).take(SHOWN);
        let seen = seen.map(|record| condition(self.records.scalar(record, self.event)).value().to_string());
        let wanted = Value { span: 0..0, kind: Kind::Array(leaf.conditions.iter().map(Condition::value).collect()) };
        let add = match lack.record.map(|record| condition(self.records.scalar(record, self.event))) {
            None => Condition::Absent,
            // TOML has no word for it.
            Some(Condition::Null) if notation == Notation::Toml => Condition::Present,
            Some(value) => value,
        };
        Miss {
            field: leaf.path.clone(),
            seen: seen.collect(),
            condition: wanted.spell(notation),
            hint: self.hint(leaf, lack),
            add: add.value().spell(notation),
            span: leaf.span.clone(),
        }
    }

    fn hint(&self, leaf: &Leaf, lack: Lack) -> Option<String> {
        let Some(record) = lack.record else {
            if self.records_of(lack.leaf).next().is_some() {
                return Some("no element of the array has it together with the other fields".to_owned());
            }
            return missing(self.tree, &leaf.path);
        };
        if self.accepts(lack.leaf, record) || self.records_of(lack.leaf).any(|record| self.accepts(lack.leaf, record)) {
            return Some("an element of the array has it, but not together with the other fields".to_owned());
        }
        if *leaf.conditions == [Condition::Absent] {
            return Some("the field must not be there".to_owned());
        }
        let value = self.records.scalar(record, self.event);
        leaf.conditions.iter().find_map(|condition| almost(condition, value, self.pattern.notation))
    }
}

/// Why a value that looks right is not.
fn almost(condition: &Condition, value: Scalar<'_>, notation: Notation) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    match (condition, value) {
        (Condition::Numeric(_) | Condition::Number(Number::Comparable(_)), Scalar::Number(text, double))
            if !is_comparable(text, double) =>
        {
            Some("the number has more digits than a double holds, so that it cannot be compared".to_owned())
        }
        (Condition::Number(_) | Condition::Numeric(_), Scalar::String(found)) if text(found).parse::<f64>().is_ok() => {
            Some("the event has a string, the pattern a number".to_owned())
        }
        (Condition::String(wanted), Scalar::Number(found, _)) if wanted.as_bytes() == found => {
            Some("the event has a number, the pattern a string".to_owned())
        }
        (Condition::String(wanted), Scalar::Bool(found)) if **wanted == found.to_string() => {
            Some("the event has a boolean, the pattern a string".to_owned())
        }
        (Condition::String(wanted), Scalar::String(found)) => {
            let found = text(found);
            if ignore_case::fold(wanted) == ignore_case::fold(found) {
                let operator = Condition::EqualsIgnoreCase(wanted.clone()).value().spell(notation);
                return Some(format!("they differ in case alone: {operator} accepts both"));
            }
            (wanted.trim() == found.trim()).then(|| "they differ in blanks alone".to_owned()).or_else(|| {
                suggest::closest(found, [&**wanted]).map(|_| "they are almost the same: is one misspelt?".to_owned())
            })
        }
        (Condition::Prefix(wanted), Scalar::String(found)) if ignore_case::starts_with(wanted, text(found)) => {
            let operator = Condition::PrefixIgnoreCase(wanted.clone()).value().spell(notation);
            Some(format!("they differ in case alone: {operator} accepts both"))
        }
        (Condition::Suffix(wanted), Scalar::String(found)) if ignore_case::ends_with(wanted, text(found)) => {
            let operator = Condition::SuffixIgnoreCase(wanted.clone()).value().spell(notation);
            Some(format!("they differ in case alone: {operator} accepts both"))
        }
        _ => None,
    }
}

/// What the event has where it does not have a field.
fn missing(tree: &Value, path: &str) -> Option<String> {
    let mut here = vec![tree];
    for name in path.split('.') {
        let mut names: Vec<&str> = Vec::new();
        let mut next = Vec::new();
        for value in &here {
            let Kind::Object(members) = &value.kind else { continue };
            names.extend(members.iter().map(|(key, _)| key.name.as_str()));
            for (_, value) in members.iter().filter(|(key, _)| key.name == name) {
                flatten(value, &mut next);
            }
        }
        if next.is_empty() {
            let close = suggest::closest(name, names.iter().copied()).filter(|close| *close != name);
            return close
                .map(|close| format!("the event has `{close}`: is one misspelt?"))
                .or_else(|| names.contains(&name).then(|| format!("`{name}` is an empty array in the event")));
        }
        here = next;
    }
    let object = here.iter().any(|value| matches!(value.kind, Kind::Object(_)));
    object.then(|| "it is an object in the event: ask for one of its fields".to_owned())
}

/// The elements of arrays and of the arrays in them; what is no array, as it is.
fn flatten<'v>(value: &'v Value, elements: &mut Vec<&'v Value>) {
    match &value.kind {
        Kind::Array(items) => items.iter().for_each(|item| flatten(item, elements)),
        _ => elements.push(value),
    }
}

/// The condition that accepts this value alone.
fn condition(value: Scalar<'_>) -> Condition {
    match value {
        Scalar::Null => Condition::Null,
        Scalar::Bool(value) => Condition::Bool(value),
        // As it is written, so that it is shown as it was seen.
        Scalar::Number(text, _) => Condition::Number(Number::Verbatim(String::from_utf8_lossy(text).into())),
        Scalar::String(text) => Condition::String(String::from_utf8_lossy(text).into()),
    }
}
