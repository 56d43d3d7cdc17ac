//! What can be asked of a value, so that one look at the value answers for all rules at once.
//!
//! A test is a little weaker than the condition it stands for: whatever the condition accepts passes the test. Rules whose
//! tests are passed are looked at closely afterwards.

use hashbrown::HashMap;

use super::super::condition::{Condition, Scalar};
use super::super::ignore_case;
use super::super::network::{self, Network};
use super::super::number::Number;
use super::infixes::Infixes;
use super::intervals::Intervals;
use super::prefixes::Prefixes;
use super::text::Text;

/// A test, by its number among the tests of all fields.
pub(super) type TestId = u32;

/// What can be asked of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Null,
    Bool(bool),
    /// The bits of a double.
    Number(u64),
    Verbatim(Box<str>),
    String(Box<str>),
    AnyString,
    Prefix(Box<str>),
    Suffix(Box<str>),
    Infix(Box<str>),
    /// Of a pattern in ASCII: this is what is left of the text, in ASCII too, without its case.
    AsciiFolded(Box<str>),
    /// This is what is left of the text without its case.
    Folded(Box<str>),
    FoldedPrefix(Box<str>),
    FoldedSuffix(Box<str>),
    /// The bits of the ends.
    Range(u64, u64),
    Network(Network),
    Present,
    Absent,
}

impl Test {
    /// A test that is passed by whatever the condition accepts.
    pub(super) fn of(condition: &Condition) -> Self {
        let folded = |text: &str| ignore_case::fold(text).into_boxed_str();
        match condition {
            Condition::Null => Self::Null,
            Condition::Bool(wanted) => Self::Bool(*wanted),
            Condition::Number(Number::Comparable(wanted)) => Self::Number(wanted.to_bits()),
            Condition::Number(Number::Verbatim(text)) => Self::Verbatim(text.clone()),
            Condition::String(text) => Self::String(text.clone()),
            Condition::Prefix(text) | Condition::PrefixIgnoreCase(text) if text.is_empty() => Self::AnyString,
            Condition::Suffix(text) | Condition::SuffixIgnoreCase(text) if text.is_empty() => Self::AnyString,
            Condition::Prefix(text) => Self::Prefix(text.clone()),
            Condition::Suffix(text) => Self::Suffix(text.clone()),
            Condition::EqualsIgnoreCase(text) if text.is_ascii() => Self::AsciiFolded(folded(text)),
            Condition::EqualsIgnoreCase(text) => Self::Folded(folded(text)),
            Condition::PrefixIgnoreCase(text) => Self::FoldedPrefix(folded(text)),
            Condition::SuffixIgnoreCase(text) => Self::FoldedSuffix(folded(text)),
            Condition::Wildcard(wildcard) => Self::of_pieces(wildcard.pieces()),
            Condition::Numeric(range) => {
                let low = range.low.map_or(f64::NEG_INFINITY, |bound| bound.number);
                let high = range.high.map_or(f64::INFINITY, |bound| bound.number);
                if low == high { Self::Number(low.to_bits()) } else { Self::Range(low.to_bits(), high.to_bits()) }
            }
            Condition::Cidr(network) => Self::Network(*network),
            Condition::AnythingBut(_) | Condition::Present => Self::Present,
            Condition::Absent => Self::Absent,
        }
    }

    /// The longest piece of a wildcard says most.
    fn of_pieces<'p>(pieces: impl ExactSizeIterator<Item = &'p str>) -> Self {
        let last = pieces.len() - 1;
        let longest = pieces.enumerate().max_by_key(|(_, piece)| piece.len());
        match longest {
            Some((_, piece)) if last == 0 => Self::String(piece.into()),
            None | Some((_, "")) => Self::AnyString,
            Some((0, piece)) => Self::Prefix(piece.into()),
            Some((place, piece)) if place == last => Self::Suffix(piece.into()),
            Some((_, piece)) => Self::Infix(piece.into()),
        }
    }

    /// Whether nothing but what the condition accepts passes its test.
    pub(super) fn is_exact(condition: &Condition) -> bool {
        match condition {
            Condition::Null
            | Condition::Bool(_)
            | Condition::String(_)
            | Condition::Prefix(_)
            | Condition::Suffix(_)
            | Condition::Present
            | Condition::Absent => true,
            Condition::EqualsIgnoreCase(text) => text.is_ascii(),
            // One piece, and stars around it.
            Condition::Wildcard(wildcard) => {
                wildcard.pieces().len() <= 3 && wildcard.pieces().filter(|piece| !piece.is_empty()).count() <= 1
            }
            _ => false,
        }
    }

    /// How likely a value is to pass it, compared with other tests: a guess.
    pub(super) fn likelihood(&self) -> u64 {
        match self {
            Self::Number(_) | Self::Verbatim(_) | Self::String(_) | Self::AsciiFolded(_) | Self::Folded(_) => 1,
            Self::Prefix(text) | Self::Suffix(text) | Self::Infix(text) if text.len() > 3 => 2,
            Self::FoldedPrefix(text) | Self::FoldedSuffix(text) if text.len() > 3 => 2,
            Self::Network(network) if network.length > 16 => 2,
            Self::Null | Self::Bool(_) | Self::Range(..) | Self::Network(_) => 16,
            Self::Prefix(_) | Self::Suffix(_) | Self::Infix(_) | Self::FoldedPrefix(_) | Self::FoldedSuffix(_) => 16,
            Self::AnyString | Self::Present | Self::Absent => 64,
        }
    }
}

/// Whether one value can be answered for by the same test more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Often {
    Once,
    Again,
}

/// What is lent to a look at a value; used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    folded: Vec<u8>,
    reversed: Vec<u8>,
}

/// All tests of one field.
#[derive(Debug, Default)]
pub(super) struct FieldTests {
    null: Option<TestId>,
    bools: [Option<TestId>; 2],
    any_string: Option<TestId>,
    present: Option<TestId>,
    absent: Option<TestId>,
    numbers: HashMap<u64, TestId>,
    verbatim: HashMap<Text, TestId>,
    strings: HashMap<Text, TestId>,
    /// Whether there are tests that ignore case.
    ignores_case: bool,
    ascii_folded: HashMap<Text, TestId>,
    folded: HashMap<Text, TestId>,
    ranges: Intervals,
    prefixes: Prefixes,
    /// Of texts from their end to their beginning.
    suffixes: Prefixes,
    folded_prefixes: Prefixes,
    folded_suffixes: Prefixes,
    infixes: Infixes,
    networks: HashMap<Network, TestId>,
    /// The kinds of networks there are: IPv6 or not, and the length.
    network_kinds: Vec<(bool, u8)>,
}

impl FieldTests {
    /// From tests that all differ.
    pub(super) fn new(tests: impl IntoIterator<Item = (Test, TestId)>) -> Self {
        let mut field = Self::default();
        let (mut prefixes, mut suffixes, mut infixes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut folded_prefixes, mut folded_suffixes, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        for (test, id) in tests {
            match test {
                Test::Null => field.null = Some(id),
                Test::Bool(value) => field.bools[usize::from(value)] = Some(id),
                Test::Number(bits) => drop(field.numbers.insert(bits, id)),
                Test::Verbatim(text) => drop(field.verbatim.insert(Text::from(text.as_bytes()), id)),
                Test::String(text) => drop(field.strings.insert(Text::from(text.as_bytes()), id)),
                Test::AnyString => field.any_string = Some(id),
                Test::Prefix(text) => prefixes.push((text.into_boxed_bytes(), id)),
                Test::Suffix(text) => suffixes.push((reversed(&text), id)),
                Test::Infix(text) => infixes.push((text.into_boxed_bytes(), id)),
                Test::AsciiFolded(text) => drop(field.ascii_folded.insert(Text::from(text.as_bytes()), id)),
                Test::Folded(text) => drop(field.folded.insert(Text::from(text.as_bytes()), id)),
                Test::FoldedPrefix(text) => folded_prefixes.push((text.into_boxed_bytes(), id)),
                Test::FoldedSuffix(text) => folded_suffixes.push((reversed(&text), id)),
                Test::Range(low, high) => ranges.push((f64::from_bits(low), f64::from_bits(high), id)),
                Test::Network(network) => {
                    let kind = (network.v6, network.length);
                    if !field.network_kinds.contains(&kind) {
                        field.network_kinds.push(kind);
                    }
                    field.networks.insert(network, id);
                }
                Test::Present => field.present = Some(id),
                Test::Absent => field.absent = Some(id),
            }
        }
        field.ignores_case = !(field.ascii_folded.is_empty()
            && field.folded.is_empty()
            && folded_prefixes.is_empty()
            && folded_suffixes.is_empty());
        field.prefixes = Prefixes::new(prefixes);
        field.suffixes = Prefixes::new(suffixes);
        field.infixes = Infixes::new(infixes);
        field.folded_prefixes = Prefixes::new(folded_prefixes);
        field.folded_suffixes = Prefixes::new(folded_suffixes);
        field.ranges = Intervals::new(ranges);
        field
    }

    /// The test that is passed if there may be no value.
    pub(super) fn absent(&self) -> Option<TestId> {
        self.absent
    }

    /// Answers for all tests that a value passes, once for each but for the infixes, of which `again` says whether the answer is new.
    pub(super) fn find(
        &self,
        value: Scalar<'_>,
        Buffers { folded, reversed }: &mut Buffers,
        mut hit: impl FnMut(TestId, Often) -> bool,
    ) {
        let mut one = |test: Option<TestId>| {
            if let Some(test) = test {
                hit(test, Often::Once);
            }
        };
        one(self.present);
        match value {
            Scalar::Null => one(self.null),
            Scalar::Bool(value) => one(self.bools[usize::from(value)]),
            Scalar::Number(text, double) => {
                // Zero has no sign here.
                one(self.numbers.get(&(double + 0.0).to_bits()).copied());
                if !self.verbatim.is_empty() {
                    one(self.verbatim.get(text).copied());
                }
                self.ranges.find(double, |test| one(Some(test)));
            }
            Scalar::String(text) => {
                one(self.any_string);
                if !self.strings.is_empty() {
                    one(self.strings.get(text).copied());
                }
                self.prefixes.find(text, |test| one(Some(test)));
                ending(&self.suffixes, text, reversed, |test| one(Some(test)));
                if self.ignores_case {
                    ignore_case::fold_into(folded, text);
                    if !self.ascii_folded.is_empty() && text.is_ascii() {
                        one(self.ascii_folded.get(&folded[..]).copied());
                    }
                    if !self.folded.is_empty() {
                        one(self.folded.get(&folded[..]).copied());
                    }
                    self.folded_prefixes.find(folded, |test| one(Some(test)));
                    ending(&self.folded_suffixes, folded, reversed, |test| one(Some(test)));
                }
                self.find_networks(text, |test| one(Some(test)));
                self.infixes.find(text, |test| hit(test, Often::Again));
            }
        }
    }

    fn find_networks(&self, text: &[u8], mut hit: impl FnMut(TestId)) {
        if self.network_kinds.is_empty() {
            return;
        }
        let Some((v6, bits)) = network::address(text) else { return };
        for (_, length) in self.network_kinds.iter().filter(|(kind, _)| *kind == v6) {
            let network = Network { v6, bits: network::masked(bits, *length), length: *length };
            if let Some(test) = self.networks.get(&network) {
                hit(*test);
            }
        }
    }
}

/// Answers for all texts that `value` ends with.
fn ending(suffixes: &Prefixes, value: &[u8], buffer: &mut Vec<u8>, hit: impl FnMut(TestId)) {
    if suffixes.longest() > 0 {
        buffer.clear();
        buffer.extend(value.iter().rev().take(suffixes.longest()));
        suffixes.find(buffer, hit);
    }
}

fn reversed(text: &str) -> Box<[u8]> {
    text.bytes().rev().collect()
}
