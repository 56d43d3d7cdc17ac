//! Calls that are made one after the other in one instance, for one commit.
//!
//! It is worth it where the handling of an event takes less than its commit does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use tracing::{Instrument, Span};

use super::egress::Requests;
use super::long_calls::{Clock, Meter};
use super::runtime::SLICE;
use super::{Call, CallError, Effects, MAX_USES, Plugin, Usage, blocking};
use crate::config::Isolation;

/// How many events are handled as one at most.
const MAX_CALLS: usize = 32;

/// No more than are expected to be handled in this time, so that handlers which compute for long are spread over the processors.
const EXPECTED_TIME: Duration = Duration::from_millis(8);

/// For how long calls are made before the others are left to the next time, and so to the next commit.
const MAX_TIME: Duration = Duration::from_millis(2);

/// How many operations they want before that, with two for the acknowledgement of each. A commit has room for 256, and the last call may want more than the
/// others.
const MAX_OPERATIONS: usize = 160;

/// How long a plugin's calls take on average, of which the latest count most.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<AtomicU64>);

impl Pace {
    /// Notes how long a call took, waiting included.
    pub(super) fn note(&self, took: Duration) {
        // Where two calls note at once, one of them is not noted, which does no harm.
        let average = self.0.load(Ordering::Relaxed);
        let took = took.as_nanos().min(u128::from(u32::MAX)) as u64;
        self.0.store((average * 7 + took) / 8, Ordering::Relaxed);
    }

    /// How many calls fit into a time: at least one.
    fn fits_into(&self, time: Duration) -> usize {
        let average = self.0.load(Ordering::Relaxed).max(1);
        (time.as_nanos() as u64 / average).clamp(1, MAX_CALLS as u64) as usize
    }
}

impl Plugin {
    /// How many events may be handled as one; 1 if each is to be handled alone. What a handler sends cannot be undone, and must not be sent again because what
    /// another one has read has changed.
    pub fn together(&self) -> usize {
        let grants = &self.settings.grants;
        let sends = !grants.http.is_empty() || !grants.commands.is_empty();
        if sends || self.settings.isolation == Isolation::PerEvent { 1 } else { self.pace.fits_into(EXPECTED_TIME) }
    }

    /// Runs the handler on events, one after the other, each as if what those before it want were committed. Ends after one that does not succeed, or
    /// when they have taken long enough or want enough. What they want is to be committed together or not at all, so the answer has those that
    /// succeeded: none if all of them together took too long.
    pub async fn observe_together(
        &self,
        calls: impl Iterator<Item = (Call, Span)> + Send + 'static,
    ) -> Vec<(Effects, Usage)> {
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return Vec::new() };
        let deadline = self.deadline();
        let instance = match self.idle.take() {
            Some(instance) => Ok(instance),
            None => self.instantiate(deadline).await,
        };
        // The first of them meets the same when it is handled alone, and tells of it.
        let Ok(mut instance) = instance else { return Vec::new() };
        let (runtime, clock, long, turns) = (self.runtime.clone(), self.clock(), self.long.clone(), self.turns.clone());
        let pace = self.pace.clone();
        let time = self.settings.limits.time;
        let handling = async move {
            let (mut earlier, mut usages, mut reusable) = (Vec::new(), Vec::new(), true);
            let (started, mut operations) = (Instant::now(), 0);
            for (call, span) in calls {
                let (requests, meter) = (Requests::within(deadline, time), Meter::new(&long, clock));
                let one = {
                    let runtime = runtime.clone();
                    async move {
                        let outcome = instance.handle(call, &mut earlier, requests, &runtime).await;
                        (instance, earlier, outcome)
                    }
                };
                let one = one.instrument(span);
                let begun = Instant::now();
                let outcome;
                (instance, earlier, outcome) = match clock {
                    Clock::Processor => runtime.long_calls.run_in_place(one, SLICE, &meter, turns.clone()).await,
                    Clock::Wall => runtime.long_calls.run(one, SLICE, &meter).await,
                };
                pace.note(begun.elapsed());
                let effects: Effects = match outcome {
                    Ok(effects) => effects,
                    Err(error) => {
                        reusable = !matches!(error, CallError::Trap(_));
                        break;
                    }
                };
                operations += effects.operations() + 2;
                earlier.push(effects);
                let memory = instance.memory().load(Ordering::Relaxed);
                usages.push(Usage { cpu: meter.computed(), memory, ..Usage::default() });
                let enough = operations >= MAX_OPERATIONS || started.elapsed() >= MAX_TIME;
                if enough || instance.uses() >= MAX_USES {
                    break;
                }
            }
            (instance, reusable, earlier, usages, slot)
        };
        let handled = if self.uses_files() {
            timeout_at(deadline, blocking::run(handling)).await
        } else {
            timeout_at(deadline, handling).await
        };
        let Ok((instance, reusable, effects, usages, _slot)) = handled else { return Vec::new() };
        if reusable {
            self.keep(instance);
        }
        effects.into_iter().zip(usages).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_take_long_are_made_alone_until_they_are_short_again() {
        let pace = Pace::default();
        assert_eq!(pace.fits_into(EXPECTED_TIME), MAX_CALLS);
        pace.note(Duration::from_secs(1));
        assert_eq!(pace.fits_into(EXPECTED_TIME), 1);
        (0..60).for_each(|_| pace.note(Duration::from_micros(100)));
        assert_eq!(pace.fits_into(EXPECTED_TIME), MAX_CALLS);
        (0..60).for_each(|_| pace.note(Duration::from_millis(1)));
        assert!((7..=9).contains(&pace.fits_into(EXPECTED_TIME)), "{pace:?}");
    }
}
