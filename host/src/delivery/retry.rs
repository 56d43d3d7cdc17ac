//! When a delivery that failed is tried again. Pure.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::rules::RetryPolicy;

use super::record::{Delivery, Exhausted};

/// What becomes of a delivery after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up.
    Never(Exhausted),
}

/// What becomes of `delivery`, whose count of failures includes the one at `now`.
///
/// The wait doubles with each failure, from the policy's minimum to its maximum, and of that a random part is
/// taken (`dice`, 0 to 1): full jitter, so that deliveries which failed together do not come back together. A handler
/// that asked for a certain wait (`asked`) gets it.
pub fn after_failure(
    policy: &RetryPolicy,
    delivery: &Delivery,
    now: Timestamp,
    asked: Option<Duration>,
    dice: f64,
) -> Verdict {
    if delivery.failed >= policy.maximum_attempts {
        return Verdict::Never(Exhausted::MaximumRetryAttempts);
    }
    let wait = asked.unwrap_or_else(|| backoff(policy, delivery.failed).mul_f64(dice));
    // An age that is reached while waiting is reached: the attempt would be made too late.
    if now.plus(wait).since(delivery.created) > policy.maximum_age {
        return Verdict::Never(Exhausted::MaximumEventAge);
    }
    Verdict::Again(now.plus(wait))
}

/// The longest wait after so many failures.
fn backoff(policy: &RetryPolicy, failed: u32) -> Duration {
    let doublings = failed.saturating_sub(1).min(30);
    policy.minimum_backoff.saturating_mul(1 << doublings).min(policy.maximum_backoff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::record::DeliveryId;

    fn delivery(failed: u32) -> Delivery {
        Delivery {
            id: DeliveryId::default(),
            rule: "rule".to_owned(),
            target: "target".to_owned(),
            created: Timestamp::from_millis(0),
            failed,
            error: None,
            redriven: false,
        }
    }

    #[test]
    fn waits_double_up_to_the_maximum() {
        let policy = RetryPolicy {
            maximum_attempts: 185,
            maximum_age: Duration::from_secs(86_400),
            minimum_backoff: Duration::from_secs(1),
            maximum_backoff: Duration::from_secs(10),
        };
        let waits: Vec<u64> = (1..=6)
            .map(|failed| match after_failure(&policy, &delivery(failed), Timestamp::from_millis(0), None, 1.0) {
                Verdict::Again(at) => at.as_seconds(),
                Verdict::Never(why) => panic!("given up: {why:?}"),
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn the_dice_decide_how_much_of_the_wait_is_taken() {
        let policy = RetryPolicy::default();
        let at = |dice| after_failure(&policy, &delivery(3), Timestamp::from_millis(0), None, dice);
        assert_eq!(at(0.0), Verdict::Again(Timestamp::from_millis(0)));
        assert!(at(0.0) != at(0.5) && at(0.5) != at(1.0));
    }

    #[test]
    fn limits_end_it() {
        let policy =
            RetryPolicy { maximum_attempts: 2, maximum_age: Duration::from_secs(60), ..RetryPolicy::default() };
        let after = |failed, now, asked| after_failure(&policy, &delivery(failed), now, asked, 0.0);
        let start = Timestamp::from_millis(0);
        assert_eq!(after(1, start, None), Verdict::Again(start));
        assert_eq!(after(2, start, None), Verdict::Never(Exhausted::MaximumRetryAttempts));
        let late = Some(Duration::from_secs(61));
        assert_eq!(after(1, start, late), Verdict::Never(Exhausted::MaximumEventAge));
    }
}
