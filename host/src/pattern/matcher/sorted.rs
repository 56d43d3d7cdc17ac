//! Numbers in order, to be searched without leaving the cache for long.

/// How many numbers lie from one milestone to the next: two lines of the cache.
const STRIDE: usize = 16;

/// Numbers in order.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Every so many numbers, the first.
    milestones: Vec<u64>,
    numbers: Vec<u64>,
}

impl Sorted {
    /// From numbers that are in order.
    pub(super) fn new(numbers: Vec<u64>) -> Self {
        Self { milestones: numbers.iter().step_by(STRIDE).copied().collect(), numbers }
    }

    /// How many are less than this.
    pub(super) fn less_than(&self, number: u64) -> usize {
        let start = self.milestones.partition_point(|other| *other < number).saturating_sub(1) * STRIDE;
        let near = &self.numbers[start..self.numbers.len().min(start + STRIDE)];
        start + near.partition_point(|other| *other < number)
    }

    /// From the place of a number on, how many in a row equal it.
    pub(super) fn equal_from(&self, place: usize, number: u64) -> usize {
        match self.numbers.get(place) {
            Some(found) if *found == number => self.numbers[place..].partition_point(|other| *other == number),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Sorted;

    proptest! {
        #[test]
        fn places_are_found(mut numbers in vec(0..50_u64, 0..100), number in 0..50_u64) {
            numbers.sort_unstable();
            let sorted = Sorted::new(numbers.clone());
            let less = numbers.iter().filter(|other| **other < number).count();
            prop_assert_eq!(sorted.less_than(number), less);
            prop_assert_eq!(sorted.equal_from(less, number), numbers.iter().filter(|other| **other == number).count());
        }
    }
}
