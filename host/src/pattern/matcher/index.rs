//! Which rules to look at: a tree of tests.
//!
//! Each rule is filed under the tests of that of its fields which is the rarest among the rules, so that one look at the event's value
//! there finds it, and with it few others. Where many rules share a test, they are filed again, under another field.

use hashbrown::HashMap;

use super::Leaf;
use super::paths::PathId;
use super::records::Records;
use super::test::{Buffers, FieldTests, Often, Test, TestId};

/// So few rules are looked at one by one.
const FEW: usize = 8;

/// How often rules are filed anew.
const MAX_DEPTH: usize = 3;

/// A field with more alternatives than this files no rule anew, or the tree would grow faster than the rules do.
const MAX_ALTERNATIVES: usize = 4;

/// The tree of tests.
#[derive(Debug, Default)]
pub(super) struct Index {
    nodes: Vec<Node>,
    /// Where each test leads from the root.
    root: Vec<Branch>,
    /// Where a test leads from any other node.
    branches: HashMap<(u32, TestId), Branch>,
    /// The fields that the nodes ask about, each node's together.
    splits: Vec<PathId>,
    /// The rules to look at, each node's together.
    candidates: Vec<Candidate>,
    /// The tests of each field that is asked about.
    fields: Vec<Option<Box<FieldTests>>>,
    /// The fields with a test for absence, and the test.
    absent: Vec<(PathId, TestId)>,
    tests: usize,
}

/// A rule to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The rule, by its place among all.
    pub(super) rule: u32,
    /// The leaf that accepts the event, as the tests on the way here tell, unless arrays of objects are in play; or [`UNKNOWN`].
    pub(super) proven: u32,
}

/// No leaf is known to accept the event.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// Where a test leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    Nowhere,
    /// To one rule.
    Rule(Candidate),
    Node(u32),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Where its candidates begin and end.
    candidates: (u32, u32),
    /// Where its splits begin and end.
    splits: (u32, u32),
}

/// What is lent to a search; used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The tests that were passed, each field's together.
    passed: Vec<TestId>,
    /// Where the passed tests of each field begin and end, good if they are of this epoch.
    fields: Vec<(u32, u32, u32)>,
    /// The epoch in which each test was passed last.
    stamps: Vec<u32>,
    epoch: u32,
    buffers: Buffers,
}

impl Index {
    /// Files rules, each given as its place and its leaves. Answers with those too that a search may find more than once.
    pub(super) fn new(leaves: &[Leaf], rules: &[(u32, &[u32])], paths: usize) -> (Self, Vec<u32>) {
        let mut filing = Filing {
            leaves,
            rules,
            filed: vec![0; rules.len()],
            index: Self::default(),
            tests: HashMap::new(),
            likelihoods: Vec::new(),
            of_leaves: Vec::new(),
        };
        filing.of_leaves = leaves.iter().map(|leaf| filing.tests_of(leaf)).collect();
        filing.index.root = vec![Branch::Nowhere; filing.tests.len()];
        let all = (0..filing.rules.len() as u32).map(|rule| Candidate { rule, proven: UNKNOWN }).collect();
        filing.node(all, &mut Vec::new());
        let often = rules.iter().zip(&filing.filed).filter(|(_, filed)| **filed > 1).map(|((place, _), _)| *place);
        let often = often.collect();
        (filing.finish(paths), often)
    }

    /// Calls for each rule that may match, at least once.
    pub(super) fn search(
        &self,
        event: &[u8],
        records: &Records,
        search: &mut Search,
        mut found: impl FnMut(Candidate),
    ) {
        search.reset(self.fields.len(), self.tests);
        for path in records.touched() {
            if let Some(field) = &self.fields[*path as usize] {
                let start = search.passed.len();
                let Search { passed, stamps, epoch, buffers, .. } = search;
                let is_only = records.is_only(*path);
                let mut hit = |test: TestId, often| {
                    let new = is_only && often == Often::Once || stamps[test as usize] != *epoch;
                    if new {
                        if often == Often::Again || !is_only {
                            stamps[test as usize] = *epoch;
                        }
                        passed.push(test);
                    }
                    new
                };
                let mut in_array = false;
                for record in records.of(*path) {
                    field.find(records.scalar(record, event), buffers, &mut hit);
                    in_array |= records.scope(record) != Records::ROOT;
                }
                if let Some(absent) = field.absent().filter(|_| in_array) {
                    // It may be missing from another element.
                    hit(absent, Often::Once);
                }
                search.note(*path, start);
            }
        }
        for (path, test) in &self.absent {
            if search.fields[*path as usize].0 != search.epoch {
                let start = search.passed.len();
                search.passed.push(*test);
                search.note(*path, start);
            }
        }
        if !self.nodes.is_empty() {
            self.visit(0, search, &mut found);
        }
    }

    fn visit(&self, id: u32, search: &Search, found: &mut impl FnMut(Candidate)) {
        let node = self.nodes[id as usize];
        self.candidates[node.candidates.0 as usize..node.candidates.1 as usize].iter().for_each(|rule| found(*rule));
        for path in &self.splits[node.splits.0 as usize..node.splits.1 as usize] {
            let (epoch, start, end) = search.fields[*path as usize];
            if epoch == search.epoch {
                for test in &search.passed[start as usize..end as usize] {
                    match self.branch(id, *test) {
                        Branch::Nowhere => {}
                        Branch::Rule(candidate) => found(candidate),
                        Branch::Node(child) => self.visit(child, search, found),
                    }
                }
            }
        }
    }

    #[inline]
    fn branch(&self, node: u32, test: TestId) -> Branch {
        match node {
            0 => self.root[test as usize],
            _ => self.branches.get(&(node, test)).copied().unwrap_or(Branch::Nowhere),
        }
    }
}

impl Search {
    fn reset(&mut self, fields: usize, tests: usize) {
        self.passed.clear();
        if self.fields.len() < fields {
            self.fields.resize(fields, (0, 0, 0));
        }
        if self.stamps.len() < tests {
            self.stamps.resize(tests, 0);
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.fields.fill((0, 0, 0));
            self.stamps.fill(0);
            self.epoch = 1;
        }
    }

    /// Remembers the tests from `start` on as those of a field.
    fn note(&mut self, path: PathId, start: usize) {
        self.fields[path as usize] = (self.epoch, start as u32, self.passed.len() as u32);
    }
}

/// An index in the making.
struct Filing<'a> {
    leaves: &'a [Leaf],
    rules: &'a [(u32, &'a [u32])],
    /// How often each rule was filed.
    filed: Vec<u32>,
    index: Index,
    tests: HashMap<(PathId, Test), TestId>,
    /// How likely each test is to be passed.
    likelihoods: Vec<u64>,
    /// The tests of each leaf, and whether those who pass them are accepted.
    of_leaves: Vec<Box<[(TestId, bool)]>>,
}

impl Filing<'_> {
    fn tests_of(&mut self, leaf: &Leaf) -> Box<[(TestId, bool)]> {
        let mut ids: Vec<(TestId, bool)> = leaf
            .tests()
            .map(|(test, is_exact)| {
                let likelihood = test.likelihood();
                let id = *self.tests.entry((leaf.path, test)).or_insert_with(|| {
                    self.likelihoods.push(likelihood);
                    self.likelihoods.len() as TestId - 1
                });
                (id, is_exact)
            })
            .collect();
        // Of two conditions with the same test, the one that it proves counts.
        ids.sort_unstable_by_key(|(id, is_exact)| (*id, !is_exact));
        ids.dedup_by_key(|(id, _)| *id);
        ids.into()
    }

    /// Makes a node for `rules`, which have passed tests of the fields `asked`.
    fn node(&mut self, rules: Vec<Candidate>, asked: &mut Vec<PathId>) -> Branch {
        if let ([only], false) = (&rules[..], asked.is_empty()) {
            return Branch::Rule(self.file(*only));
        }
        let id = self.index.nodes.len() as u32;
        self.index.nodes.push(Node { candidates: (0, 0), splits: (0, 0) });
        let mut candidates = Vec::new();
        let mut filed: HashMap<(PathId, TestId), Vec<Candidate>> = HashMap::new();
        if asked.is_empty() || rules.len() > FEW && asked.len() < MAX_DEPTH {
            let sharing = self.sharing(&rules, asked);
            for rule in &rules {
                match self.rarest(rule.rule, rules.len(), &sharing, asked) {
                    Some(leaf) => {
                        let path = self.leaves[leaf as usize].path;
                        for (test, is_exact) in &self.of_leaves[leaf as usize] {
                            let proven = if *is_exact { leaf } else { rule.proven };
                            filed.entry((path, *test)).or_default().push(Candidate { proven, ..*rule });
                        }
                    }
                    None => candidates.push(*rule),
                }
            }
        } else {
            candidates = rules;
        }
        let mut splits: Vec<PathId> = filed.keys().map(|(path, _)| *path).collect();
        splits.sort_unstable();
        splits.dedup();
        let candidates: Vec<Candidate> = candidates.into_iter().map(|rule| self.file(rule)).collect();
        self.index.nodes[id as usize] = Node {
            candidates: append(&mut self.index.candidates, candidates),
            splits: append(&mut self.index.splits, splits),
        };
        for ((path, test), rules) in filed {
            asked.push(path);
            let child = self.node(rules, asked);
            asked.pop();
            match id {
                0 => self.index.root[test as usize] = child,
                _ => drop(self.index.branches.insert((id, test), child)),
            }
        }
        Branch::Node(id)
    }

    /// What a search is to find.
    fn file(&mut self, Candidate { rule, proven }: Candidate) -> Candidate {
        self.filed[rule as usize] += 1;
        Candidate { rule: self.rules[rule as usize].0, proven }
    }

    /// How many of the rules have each test, leaving out the fields that were asked about.
    fn sharing(&self, rules: &[Candidate], asked: &[PathId]) -> HashMap<TestId, u64> {
        let mut sharing = HashMap::new();
        for rule in rules {
            for leaf in self.rules[rule.rule as usize].1 {
                if !asked.contains(&self.leaves[*leaf as usize].path) {
                    for (test, _) in &self.of_leaves[*leaf as usize] {
                        *sharing.entry(*test).or_default() += 1;
                    }
                }
            }
        }
        sharing
    }

    /// The leaf of a rule whose tests are passed least often; none if filing the rule under it does not help.
    fn rarest(&self, rule: u32, among: usize, sharing: &HashMap<TestId, u64>, asked: &[PathId]) -> Option<u32> {
        let likelihood = |leaf: &u32| -> u64 {
            let tests = self.of_leaves[*leaf as usize].iter();
            tests.map(|(test, _)| sharing.get(test).copied().unwrap_or(0) * self.likelihoods[*test as usize]).sum()
        };
        let again = !asked.is_empty();
        let leaves = self.rules[rule as usize].1.iter().filter(|leaf| {
            let tests = &self.of_leaves[**leaf as usize];
            let helps = || {
                tests.len() <= MAX_ALTERNATIVES
                    && tests.iter().all(|(test, _)| sharing.get(test).is_some_and(|count| *count < among as u64))
            };
            !asked.contains(&self.leaves[**leaf as usize].path) && (!again || helps())
        });
        leaves.min_by_key(|leaf| likelihood(leaf)).copied()
    }

    /// Keeps the tests of those fields that nodes ask about.
    fn finish(self, paths: usize) -> Index {
        let Self { mut index, tests, .. } = self;
        let mut asked = vec![false; paths];
        index.splits.iter().for_each(|path| asked[*path as usize] = true);
        index.tests = tests.len();
        let mut by_field: Vec<Vec<(Test, TestId)>> = vec![Vec::new(); paths];
        for ((path, test), id) in tests {
            if asked[path as usize] {
                by_field[path as usize].push((test, id));
            }
        }
        index.fields =
            by_field.into_iter().map(|tests| (!tests.is_empty()).then(|| Box::new(FieldTests::new(tests)))).collect();
        let absent = |(path, field): (PathId, &Option<Box<FieldTests>>)| Some((path, field.as_ref()?.absent()?));
        index.absent = (0..).zip(&index.fields).filter_map(absent).collect();
        index
    }
}

/// Adds items, and answers with where they begin and end.
fn append<T>(all: &mut Vec<T>, items: Vec<T>) -> (u32, u32) {
    let start = all.len() as u32;
    all.extend(items);
    (start, all.len() as u32)
}
