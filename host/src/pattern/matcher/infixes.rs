//! Which of many texts stand somewhere in a value: the automaton of Aho and Corasick.

/// No state, no answer.
const NONE: u32 = u32::MAX;

/// Texts, to be found anywhere in a value, in one pass over it.
///
/// The states are numbered from the root outwards, level by level, so that the edges of a state lead to states with successive numbers:
/// edge `n` leads to state `n + 1`.
#[derive(Debug, Default)]
pub(super) struct Infixes {
    /// The first edge of each state, and one more number for the end.
    edges: Vec<u32>,
    /// The byte of each edge.
    bytes: Vec<u8>,
    /// Where to go on if no edge fits: the longest end of what was read that begins a text.
    fallback: Vec<u32>,
    /// The text that ends at each state.
    hits: Vec<u32>,
    /// The next state on the way of fallbacks at which a text ends.
    shorter: Vec<u32>,
    /// Where the root's edges lead.
    root: Vec<u32>,
}

impl Infixes {
    /// From texts that all differ and are not empty, and what to answer for each.
    pub(super) fn new(mut texts: Vec<(Box<[u8]>, u32)>) -> Self {
        if texts.is_empty() {
            return Self::default();
        }
        texts.sort_unstable();
        let mut automaton = Self { root: vec![0; 256], ..Self::default() };
        // Of each state: the texts that go through it.
        let mut level = Vec::from([std::ops::Range { start: 0, end: texts.len() }]);
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for through in level {
                automaton.edges.push(automaton.bytes.len() as u32);
                let ends = texts[through.start].0.len() == depth;
                automaton.hits.push(if ends { texts[through.start].1 } else { NONE });
                let longer = through.start + usize::from(ends)..through.end;
                let mut start = longer.start;
                for group in texts[longer].chunk_by(|left, right| left.0[depth] == right.0[depth]) {
                    next.push(start..start + group.len());
                    start += group.len();
                    automaton.bytes.push(group[0].0[depth]);
                }
            }
            level = next;
            depth += 1;
        }
        automaton.edges.push(automaton.bytes.len() as u32);
        automaton.link();
        automaton
    }

    /// Finds the fallbacks, from the root outwards.
    fn link(&mut self) {
        let states = self.hits.len();
        self.fallback = vec![0; states];
        self.shorter = vec![NONE; states];
        for edge in self.edges[0]..self.edges[1] {
            self.root[usize::from(self.bytes[edge as usize])] = edge + 1;
        }
        for state in 0..states as u32 {
            for edge in self.edges[state as usize]..self.edges[state as usize + 1] {
                let child = edge as usize + 1;
                let fallback = match state {
                    0 => 0,
                    _ => self.step(self.fallback[state as usize], self.bytes[edge as usize]),
                };
                self.fallback[child] = fallback;
                let ends_there = self.hits[fallback as usize] != NONE;
                self.shorter[child] = if ends_there { fallback } else { self.shorter[fallback as usize] };
            }
        }
    }

    /// The state after one more byte.
    #[inline]
    fn step(&self, mut state: u32, byte: u8) -> u32 {
        while state != 0 {
            let edges = self.edges[state as usize] as usize..self.edges[state as usize + 1] as usize;
            if let Some(place) = self.bytes[edges.clone()].iter().position(|edge| *edge == byte) {
                return (edges.start + place) as u32 + 1;
            }
            state = self.fallback[state as usize];
        }
        self.root[usize::from(byte)]
    }

    /// Answers for the texts that stand in `value`. `hit` says whether the answer is new; a text whose answer is not new has been
    /// found before, and so have all texts that it ends with, so that no text is looked at for each of its places.
    pub(super) fn find(&self, value: &[u8], mut hit: impl FnMut(u32) -> bool) {
        if self.root.is_empty() {
            return;
        }
        let mut state = 0;
        for byte in value {
            state = self.step(state, *byte);
            let mut ending = if self.hits[state as usize] == NONE { self.shorter[state as usize] } else { state };
            while ending != NONE && hit(self.hits[ending as usize]) {
                ending = self.shorter[ending as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::Infixes;

    proptest! {
        #[test]
        fn all_parts_are_found(texts in btree_set("[abc]{1,5}", 0..30), value in "[abc]{0,30}") {
            let numbered: Vec<(&str, u32)> = texts.iter().map(String::as_str).zip(0..).collect();
            let infixes = Infixes::new(numbered.iter().map(|(text, hit)| (text.as_bytes().into(), *hit)).collect());
            let mut found = BTreeSet::new();
            infixes.find(value.as_bytes(), |hit| found.insert(hit));
            let expected: BTreeSet<u32> =
                numbered.iter().filter(|(text, _)| value.contains(text)).map(|(_, hit)| *hit).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
