//! Calls that are made one after the other in one instance, for one commit.
//!
//! It is worth it where the handling of an event takes less than its commit does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Instrument, Span};

use super::egress::Requests;
use super::long_calls::Meter;
use super::runtime::SLICE;
use super::{Call, CallError, Effects, MAX_USES, Plugin, Usage};
use crate::config::Isolation;
use crate::storage::commit;

/// How many events are handled as one at most.
const MAX_CALLS: usize = 32;

/// No more than are expected to be handled in this time, so that handlers which compute for long are spread over the processors.
const EXPECTED_TIME: Duration = Duration::from_millis(8);

/// For how long calls are made before the others are left to the next time, and so to the next commit.
const MAX_TIME: Duration = Duration::from_millis(2);

/// What they may want before that.
const ENOUGH_OPERATIONS: usize = 160;
const ENOUGH_BYTES: usize = 1 << 20;

/// The operations of an acknowledgement, and how many deliveries an event is expected to become.
const ACKNOWLEDGEMENT: usize = 2;
const DELIVERIES: usize = 4;

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

    /// Makes the calls of a row, one after the other, each as if what those before it want were committed. Ends with the first that does not succeed, or when
    /// they have taken long enough or want enough; and it can be dropped at any time. What succeeded is in the row.
    pub async fn observe_together(&self, row: Arc<Row>) {
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
        let deadline = self.deadline();
        // Whoever is handled alone meets the same, and tells of it.
        let Ok(mut instance) = self.instance(deadline).await else { return };
        let (runtime, clock, long, turns) = (self.runtime.clone(), self.clock(), self.long.clone(), self.turns.clone());
        let (pace, time) = (self.pace.clone(), self.settings.limits.time);
        let handling = async move {
            let started = Instant::now();
            let mut reusable = true;
            while let Some((call, span, earlier)) = row.next() {
                let (requests, meter) = (Requests::within(deadline, time), Meter::new(&long, clock));
                let one = {
                    let runtime = runtime.clone();
                    let call = Call { now: runtime.clock.now(), ..call };
                    async move {
                        let outcome = instance.handle(call, earlier, requests, &runtime).await;
                        (instance, outcome)
                    }
                };
                let one = one.instrument(span);
                let begun = Instant::now();
                let outcome;
                (instance, outcome) = runtime.long_calls.run(one, SLICE, &meter, &turns).await;
                pace.note(begun.elapsed());
                let memory = instance.memory().load(Ordering::Relaxed);
                let usage = Usage { cpu: meter.computed(), memory, ..Usage::default() };
                reusable = !matches!(outcome, Err(CallError::Trap(_)));
                let has_room = outcome.is_ok_and(|effects| row.succeed(effects, usage));
                if !has_room || started.elapsed() >= MAX_TIME || instance.uses() >= MAX_USES {
                    break;
                }
            }
            (instance, reusable, slot)
        };
        if let Ok((instance, true, _slot)) = self.wait(handling, deadline).await {
            self.keep(instance);
        }
    }
}

/// Calls that are made one after the other, and what has come of them so far.
pub struct Row(Mutex<State>);

/// The state of a [`Row`].
#[derive(Default)]
struct State {
    /// Those that are not begun.
    waiting: VecDeque<(Call, Span)>,
    /// What those want that have succeeded, which are the first.
    succeeded: Vec<(Arc<Effects>, Usage)>,
    /// How many operations that comes to, with those of the acknowledgements.
    operations: usize,
    /// How many bytes it comes to.
    bytes: usize,
    /// Whether nobody waits for more.
    is_over: bool,
}

impl Row {
    /// Calls to be made in this order, each with what is logged of it.
    pub fn new(calls: impl Iterator<Item = (Call, Span)>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { waiting: calls.collect(), ..State::default() })))
    }

    /// Ends it: what those want that have succeeded and what they took, in order, and how many calls were not begun. The one in between, if there is
    /// one, failed or is not over.
    pub fn end(&self) -> (Vec<(Effects, Usage)>, usize) {
        let mut state = self.locked();
        state.is_over = true;
        let not_begun = std::mem::take(&mut state.waiting).len();
        let succeeded = std::mem::take(&mut state.succeeded).into_iter();
        (succeeded.map(|(effects, usage)| (Arc::unwrap_or_clone(effects), usage)).collect(), not_begun)
    }

    /// Begins the next call; with what those before it want.
    fn next(&self) -> Option<(Call, Span, Vec<Arc<Effects>>)> {
        let mut state = self.locked();
        let (call, span) = state.waiting.pop_front()?;
        Some((call, span, state.succeeded.iter().map(|(effects, _)| effects.clone()).collect()))
    }

    /// Notes that the call that was begun last has succeeded, unless what it wants does not fit into the same commit. True if there is room for another.
    fn succeed(&self, effects: Effects, usage: Usage) -> bool {
        let mut state = self.locked();
        let operations = state.operations + effects.operations() + ACKNOWLEDGEMENT + effects.events() * DELIVERIES;
        if state.is_over || (operations > commit::MAX_OPERATIONS && !state.succeeded.is_empty()) {
            return false;
        }
        state.operations = operations;
        state.bytes += effects.bytes();
        state.succeeded.push((Arc::new(effects), usage));
        state.operations < ENOUGH_OPERATIONS && state.bytes < ENOUGH_BYTES
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
