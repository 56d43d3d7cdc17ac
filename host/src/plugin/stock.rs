//! Instances that wait for their next call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Things that wait, each since a time. The one that waited least is used next, so that those that are not needed are not used.
#[derive(Debug)]
pub(super) struct Stock<T>(Mutex<Vec<(T, Instant)>>);

impl<T> Default for Stock<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Stock<T> {
    /// Takes one out.
    pub(super) fn take(&self) -> Option<T> {
        self.locked().pop().map(|(one, _)| one)
    }

    /// Puts one in.
    pub(super) fn put(&self, one: T, now: Instant) {
        self.locked().push((one, now));
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.locked().len()
    }

    /// Takes out those that have waited for `longest`, but leaves `fewest`.
    pub(super) fn surplus(&self, longest: Duration, fewest: usize, now: Instant) -> Vec<T> {
        let mut waiting = self.locked();
        let waited = waiting.iter().take_while(|(_, since)| now.saturating_duration_since(*since) >= longest).count();
        let surplus = waited.min(waiting.len().saturating_sub(fewest));
        waiting.drain(..surplus).map(|(one, _)| one).collect()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(T, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Stock;

    #[test]
    fn what_is_not_needed_goes_and_what_is_to_stay_stays() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let minute = Duration::from_secs(60);
        let stock = Stock::default();
        (0..4).for_each(|number| stock.put(number, at(number)));
        assert_eq!(stock.take(), Some(3), "the newest is used");
        stock.put(3, at(50));

        assert!(stock.surplus(minute, 1, at(59)).is_empty());
        assert_eq!(stock.surplus(minute, 1, at(61)), [0, 1]);
        assert_eq!(stock.surplus(minute, 1, at(600)), [2]);
        assert_eq!(stock.len(), 1);
        assert_eq!(stock.surplus(minute, 0, at(600)), [3]);
    }
}
