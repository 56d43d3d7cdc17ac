//! Which of many ranges a number is in.

use std::ops::Range;

use super::sorted::Sorted;

/// How many ranges, and how many groups of ranges, make a group: as a power of two.
const GROUP: usize = 4;

/// Ranges with both their ends, to be found by a number in them. Takes as long as a binary search for each hit.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    /// The lower ends, in order.
    low: Sorted,
    /// The upper ends, in the order of the lower ones; then the largest of each group, and of each group of groups.
    high: Vec<Vec<f64>>,
    hits: Vec<u32>,
}

impl Intervals {
    /// From lower and upper ends, which may be infinite, and what to answer for each.
    pub(super) fn new(mut ranges: Vec<(f64, f64, u32)>) -> Self {
        ranges.sort_unstable_by_key(|(low, _, _)| ordered(*low));
        let low = Sorted::new(ranges.iter().map(|(low, _, _)| ordered(*low)).collect());
        let mut high: Vec<Vec<f64>> = vec![ranges.iter().map(|(_, high, _)| *high).collect()];
        while let Some(level) = high.last().filter(|level| level.len() > 1 << GROUP) {
            let largest = |group: &[f64]| group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            high.push(level.chunks(1 << GROUP).map(largest).collect());
        }
        Self { low, high, hits: ranges.iter().map(|(_, _, hit)| *hit).collect() }
    }

    /// Answers for all ranges that `number` is in.
    pub(super) fn find(&self, number: f64, mut hit: impl FnMut(u32)) {
        if !self.hits.is_empty() && !number.is_nan() {
            let begun = self.low.less_than(ordered(number) + 1);
            let top = self.high.len() - 1;
            self.descend(top, 0..self.high[top].len(), begun, number, &mut hit);
        }
    }

    /// The ranges of some groups, of which those before `begun` count.
    fn descend(&self, level: usize, places: Range<usize>, begun: usize, number: f64, hit: &mut impl FnMut(u32)) {
        let groups = begun.div_ceil(1 << (GROUP * level));
        for place in places.start..places.end.min(groups) {
            if self.high[level][place] < number {
                continue;
            }
            match level.checked_sub(1) {
                None => hit(self.hits[place]),
                Some(inner) => {
                    let end = self.high[inner].len().min((place + 1) << GROUP);
                    self.descend(inner, place << GROUP..end, begun, number, hit);
                }
            }
        }
    }
}

/// The order of numbers, as that of whole numbers.
fn ordered(number: f64) -> u64 {
    // Zero has no sign here.
    let bits = (number + 0.0).to_bits();
    bits ^ if number < 0.0 { u64::MAX } else { 1 << 63 }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Intervals;

    proptest! {
        #[test]
        fn all_ranges_are_found(ends in vec((-20..20_i32, -20..20_i32), 0..600), number in -20..20_i32) {
            let ranges: Vec<(f64, f64, u32)> =
                ends.iter().zip(0..).map(|((low, high), hit)| (f64::from(*low), f64::from(*high), hit)).collect();
            let mut found = Vec::new();
            Intervals::new(ranges.clone()).find(f64::from(number), |hit| found.push(hit));
            found.sort_unstable();
            let holds = |(low, high, _): &&(f64, f64, u32)| *low <= f64::from(number) && f64::from(number) <= *high;
            let expected: Vec<u32> = ranges.iter().filter(holds).map(|(_, _, hit)| *hit).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
