//! All patterns at once: compiled when rules change, immutable, and asked for every event.
//!
//! An event is read once, from left to right (`scan`), over whatever no pattern asks about (`skip`), into the values of the fields that
//! patterns ask about (`paths`, `records`). The values pass tests (`test`), each kind of which answers for all patterns at
//! once (`prefixes`, `infixes`, `intervals`); the tests lead through a tree (`index`) to the few patterns that may match, and those are
//! looked at closely (`verify`). `explain` says of one pattern why it does not match.
//!
//! Nothing is allocated per event once the [`Scratch`] has grown to what events need. The time is bounded, whoever writes
//! patterns and events: reading takes time in proportion to the event; tests take time in proportion to the texts they look at and to the number of
//! tests that are passed; a close look takes time in proportion to the pattern and to the values it asks about, times how deep they are nested in
//! arrays. No wildcard, no depth of nesting and no number of alternatives makes any of these grow faster.

mod explain;
mod index;
mod infixes;
mod intervals;
mod paths;
mod prefixes;
mod records;
mod scan;
mod skip;
mod sorted;
mod test;
mod text;
mod verify;

use hashbrown::{HashMap, HashSet};

pub use self::explain::{Explanation, Miss};
use self::index::{Candidate, Index, Search, UNKNOWN};
use self::paths::{PathId, Paths};
use self::records::Records;
use self::test::Test;
use self::verify::Cursor;
use super::condition::{Condition, Scalar};
use super::{Error, Pattern};

/// Many patterns, ready to match.
#[derive(Debug, Default)]
pub struct Matcher {
    paths: Paths,
    /// What patterns ask of fields. Patterns that ask the same share it.
    leaves: Vec<Leaf>,
    /// The combinations of all patterns, one behind the other: the pattern; twice the number of leaves, and one more if a search may
    /// find it more than once; the leaves. So a close look at one touches little memory.
    rules: Vec<u32>,
    index: Index,
    patterns: usize,
}

/// What matching an event takes; used again for the next one. Each thread needs one of its own.
#[derive(Debug, Default)]
pub struct Scratch {
    records: Records,
    search: Search,
    stack: Vec<Cursor>,
    found: Vec<u32>,
    /// The combinations that were looked at, of those that may be found more than once.
    looked: HashSet<u32>,
}

/// What a pattern asks of a field.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Leaf {
    path: PathId,
    /// Whether the field may be missing.
    absent: bool,
    /// The texts it may be, in order, if they are many.
    strings: Box<[Box<str>]>,
    /// What it may be otherwise, the first apart, because most have no other.
    first: Option<Condition>,
    others: Box<[Condition]>,
}

impl Matcher {
    /// Compiles patterns.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Self {
        let (mut matcher, places) = Self::without_index(patterns);
        matcher.paths.finish();
        let rules: Vec<(u32, &[u32])> = places.iter().map(|place| (*place, matcher.rule(*place).1)).collect();
        let (index, often) = Index::new(&matcher.leaves, &rules, matcher.paths.count());
        matcher.index = index;
        often.into_iter().for_each(|place| matcher.rules[place as usize + 1] |= 1);
        matcher
    }

    /// Whether an event matches one pattern. An index would take longer to make than it saves.
    pub(super) fn matches(pattern: &Pattern, event: &[u8]) -> Result<bool, Error> {
        let (matcher, places) = Self::without_index([pattern]);
        let mut records = Records::default();
        matcher.scan(event, &mut records)?;
        Ok(matcher.matches_any(&places, event, &records))
    }

    /// Whether an event matches one of the combinations.
    fn matches_any(&self, places: &[u32], event: &[u8], records: &Records) -> bool {
        let mut stack = Vec::new();
        let mut fields = places.iter().map(|place| self.rule(*place).1);
        fields.any(|fields| verify::verify(&self.leaves, fields, UNKNOWN, event, records, &mut stack))
    }

    /// The leaves and the combinations of patterns, and the places of these.
    fn without_index<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> (Self, Vec<u32>) {
        let mut matcher = Self::default();
        let mut known: HashMap<Leaf, u32> = HashMap::new();
        let mut places = Vec::new();
        for pattern in patterns {
            let number = matcher.patterns as u32;
            matcher.patterns += 1;
            let leaves: Vec<u32> = pattern
                .leaves
                .iter()
                .map(|leaf| {
                    let next = known.len() as u32;
                    *known.entry(Leaf::new(&mut matcher.paths, leaf)).or_insert(next)
                })
                .collect();
            for combination in &pattern.combinations {
                places.push(matcher.rules.len() as u32);
                matcher.rules.extend([number, 2 * combination.len() as u32]);
                matcher.rules.extend(combination.iter().map(|leaf| leaves[*leaf]));
            }
        }
        let mut leaves: Vec<(Leaf, u32)> = known.into_iter().collect();
        leaves.sort_unstable_by_key(|(_, number)| *number);
        matcher.leaves = leaves.into_iter().map(|(leaf, _)| leaf).collect();
        (matcher, places)
    }

    fn scan(&self, event: &[u8], records: &mut Records) -> Result<(), Error> {
        records.reset(self.paths.count());
        scan::scan(event, &self.paths, records).map_err(|malformed| not_an_event(event, malformed))
    }

    /// The patterns that match an event, by their places among those the matcher was made of, in ascending order.
    ///
    /// `event` is the JSON text of an object. What is nested deeper than 128 levels is not seen by any pattern.
    ///
    /// # Errors
    ///
    /// If the event is not JSON as far as patterns ask about it, or not an object. What is skipped is not checked.
    pub fn matching<'s>(&self, event: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u32], Error> {
        let Scratch { records, search, stack, found, looked } = scratch;
        found.clear();
        looked.clear();
        self.scan(event, records)?;
        self.index.search(event, records, search, |Candidate { rule, proven }| {
            let (pattern, fields, often) = self.rule(rule);
            if (!often || looked.insert(rule)) && verify::verify(&self.leaves, fields, proven, event, records, stack) {
                found.push(pattern);
            }
        });
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The combination at a place: its pattern, its leaves, and whether a search may find it more than once.
    #[inline]
    fn rule(&self, place: u32) -> (u32, &[u32], bool) {
        let place = place as usize;
        let (pattern, shape) = (self.rules[place], self.rules[place + 1]);
        (pattern, &self.rules[place + 2..][..shape as usize / 2], shape % 2 == 1)
    }
}

impl Leaf {
    fn new(paths: &mut Paths, leaf: &super::Leaf) -> Self {
        let path = paths.add(&leaf.path);
        if leaf.conditions.iter().any(Condition::compares_numbers) {
            paths.compare_numbers(&leaf.path);
        }
        let (mut strings, mut others) = (Vec::new(), Vec::new());
        for condition in &leaf.conditions {
            match condition {
                Condition::String(text) if leaf.conditions.len() > 8 => strings.push(text.clone()),
                Condition::Absent => {}
                other => others.push(other.clone()),
            }
        }
        strings.sort_unstable();
        let absent = leaf.conditions.contains(&Condition::Absent);
        let mut others = others.into_iter();
        Self { path, absent, strings: strings.into(), first: others.next(), others: others.collect() }
    }

    /// Tests of which whatever it accepts passes one; and whether whatever passes it is accepted.
    fn tests(&self) -> impl Iterator<Item = (Test, bool)> {
        let strings = self.strings.iter().map(|text| (Test::String(text.clone()), true));
        let others =
            self.first.iter().chain(&self.others).map(|condition| (Test::of(condition), Test::is_exact(condition)));
        strings.chain(others).chain(self.absent.then_some((Test::Absent, true)))
    }

    /// Whether it accepts a value that is there.
    #[inline]
    fn accepts(&self, value: Scalar<'_>) -> bool {
        if let Scalar::String(text) = value
            && self.strings.binary_search_by(|wanted| wanted.as_bytes().cmp(text)).is_ok()
        {
            return true;
        }
        self.first.iter().chain(&self.others).any(|condition| condition.accepts(value))
    }
}

fn not_an_event(event: &[u8], malformed: scan::Malformed) -> Error {
    let at = malformed.at.min(event.len());
    let end = (at + 1).min(event.len());
    Error::new(&(at..end), "the event is not the JSON text of an object")
}
