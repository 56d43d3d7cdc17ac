//! Which of many ranges a number is in.

/// Ranges with both their ends, to be found by a number in them. Takes as long as a binary search for each hit.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    /// The lower ends, in order.
    low: Vec<f64>,
    /// A tree of the upper ends, in the order of the lower ones, each inner node with the largest below it.
    high: Vec<f64>,
    hits: Vec<u32>,
}

impl Intervals {
    /// From lower and upper ends, which may be infinite, and what to answer for each.
    pub(super) fn new(mut ranges: Vec<(f64, f64, u32)>) -> Self {
        ranges.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let leaves = ranges.len().next_power_of_two();
        let mut high = vec![f64::NEG_INFINITY; 2 * leaves];
        for (place, (_, end, _)) in ranges.iter().enumerate() {
            high[leaves + place] = *end;
        }
        for node in (1..leaves).rev() {
            high[node] = high[2 * node].max(high[2 * node + 1]);
        }
        let low = ranges.iter().map(|(start, _, _)| *start).collect();
        Self { low, high, hits: ranges.iter().map(|(_, _, hit)| *hit).collect() }
    }

    /// Answers for all ranges that `number` is in.
    pub(super) fn find(&self, number: f64, mut hit: impl FnMut(u32)) {
        let begun = self.low.partition_point(|low| *low <= number);
        if begun > 0 {
            self.descend(1, self.high.len() / 2, (0, begun), number, &mut hit);
        }
    }

    /// The ranges below a node of `size` leaves from the one at `first` on, of which those before `begun` count.
    fn descend(
        &self,
        node: usize,
        size: usize,
        (first, begun): (usize, usize),
        number: f64,
        hit: &mut impl FnMut(u32),
    ) {
        if first >= begun || self.high[node] < number {
            return;
        }
        if size == 1 {
            hit(self.hits[first]);
            return;
        }
        self.descend(2 * node, size / 2, (first, begun), number, hit);
        self.descend(2 * node + 1, size / 2, (first + size / 2, begun), number, hit);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Intervals;

    proptest! {
        #[test]
        fn all_ranges_are_found(ends in vec((0..20_i32, 0..20_i32), 0..40), number in 0..20_i32) {
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
