//! Who retries what, when, and who catches what is left.

use crate::path::Reference;
use crate::problem::Problem;

/// One of a state's `Retry`.
#[derive(Clone, Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    /// The first interval, in seconds.
    pub(crate) interval: u64,
    /// How often to try again.
    pub(crate) attempts: u32,
    /// What each interval is multiplied with to make the next.
    pub(crate) rate: f64,
    /// The longest interval, in seconds, if there is one.
    pub(crate) longest: Option<u64>,
    pub(crate) jitter: Jitter,
}

/// Whether intervals are as computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jitter {
    /// They are.
    None,
    /// They are anything between nothing and that.
    Full,
}

/// One of a state's `Catch`.
#[derive(Clone, Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) next: String,
    /// Where the error is put in the state's input; nothing to drop it.
    pub(crate) result: Option<Reference>,
}

/// The longest interval there is without `MaxDelaySeconds`, in seconds: a year, which is what it may say at most.
const LONGEST: u64 = 31_622_400;

impl Retrier {
    pub(crate) fn is_for(&self, problem: &Problem) -> bool {
        self.errors.iter().any(|name| problem.is(name))
    }

    /// How long to wait before trying again, in milliseconds, after `retries` that have been made.
    pub(crate) fn delay(&self, retries: u32, random: &mut dyn FnMut() -> u64) -> u64 {
        let longest = self.longest.unwrap_or(LONGEST) as f64;
        let seconds = (self.interval as f64 * self.rate.powf(f64::from(retries))).min(longest);
        let millis = (seconds * 1000.0).round() as u64;
        match self.jitter {
            Jitter::None => millis,
            Jitter::Full => random() % (millis + 1),
        }
    }
}

impl Catcher {
    pub(crate) fn is_for(&self, problem: &Problem) -> bool {
        self.errors.iter().any(|name| problem.is(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::names;

    #[test]
    fn intervals_grow_to_the_longest() {
        let retrier = |interval, rate, longest, jitter| Retrier {
            errors: vec![names::ALL.to_owned()],
            interval,
            attempts: 99,
            rate,
            longest,
            jitter,
        };
        let delays = |retrier: &Retrier, random: u64| -> Vec<u64> {
            (0..5).map(|retries| retrier.delay(retries, &mut || random)).collect()
        };
        assert_eq!(delays(&retrier(3, 2.0, None, Jitter::None), 0), [3_000, 6_000, 12_000, 24_000, 48_000]);
        assert_eq!(delays(&retrier(3, 1.5, Some(10), Jitter::None), 0), [3_000, 4_500, 6_750, 10_000, 10_000]);
        assert_eq!(delays(&retrier(1, 1.0, None, Jitter::None), 0), [1_000; 5]);
        let expected = [4_003 % 1_001, 4_003 % 2_001, 4_003 % 4_001, 4_003, 4_003];
        assert_eq!(delays(&retrier(1, 2.0, Some(5), Jitter::Full), 4_003), expected);
        assert_eq!(retrier(1, 10.0, None, Jitter::None).delay(4_000_000_000, &mut || 0), LONGEST * 1000);
    }

    #[test]
    fn wildcards_leave_out_what_no_retry_mends() {
        let is = |error: &str, name| Problem::new(error, "").is(name);
        assert!(is("Mine", "Mine") && is("Mine", names::TASK_FAILED) && is("Mine", names::ALL) && !is("Mine", "Yours"));
        assert!(is(names::TIMEOUT, names::ALL) && !is(names::TIMEOUT, names::TASK_FAILED));
        assert!(
            is(names::RUNTIME, names::RUNTIME)
                && !is(names::RUNTIME, names::ALL)
                && !is(names::RUNTIME, names::TASK_FAILED)
        );
        assert!(!is(names::DATA_LIMIT_EXCEEDED, names::ALL));
    }
}
