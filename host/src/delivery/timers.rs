//! Everything that waits for its time, in one queue by due time: expiries, delayed events, retries, schedules.
//!
//! A timer is removed by the commit that does what it is for, so it fires once, whatever crashes. The task sleeps until the
//! earliest timer is due, or one is put that is due before it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::record::Delivery;
use super::schedules;
use crate::bus::{Audience, Bus, Change, Publication};
use crate::clock::Timestamp;
use crate::event::Delayed;
use crate::storage::key::TimerKind;
use crate::storage::signals::FirstTimers;
use crate::storage::{self, CommitError, Expect, Key, KeyRange, Version, Versioned, Write};
use crate::telemetry::Metrics;
use crate::trials::Trials;

/// How many timers fire side by side. They are handed over in the order of their times, and share the store's
/// flushes.
const BATCH: usize = 256;

/// How many are looked for at first.
const FEW: usize = 8;

/// How long to sleep at most: the clock may be set, or go on while the machine stands still.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// How long to wait after the store failed.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Fires timers until it is stopped.
pub struct Timers {
    bus: Arc<Bus>,
    trials: Arc<Trials>,
    metrics: Arc<Metrics>,
}

/// A timer that is due.
struct Due {
    key: Key,
    kind: TimerKind,
    due: Timestamp,
    id: String,
    stored: Versioned,
}

impl Timers {
    /// Timers of the bus's store.
    pub fn new(bus: Arc<Bus>, trials: Arc<Trials>, metrics: Arc<Metrics>) -> Self {
        Self { bus, trials, metrics }
    }

    /// Fires timers until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let signals = self.bus.storage().signals();
        let mut put = signals.timers();
        let mut moves = self.bus.clock().moves();
        // Whether the signals tell when the first timers are due. Lists from the beginning have to pass over those that fired lately.
        let mut known = false;
        while !stop.is_cancelled() {
            put.borrow_and_update();
            if let Some(moves) = &mut moves {
                moves.borrow_and_update();
            }
            let first = signals.timers_looked_at();
            let anywhere = || TimerKind::ALL.map(|kind| (kind, Timestamp::default())).into();
            let fired = self.fire(if known { first } else { anywhere() }).await;
            known = fired.is_ok();
            let next = match fired {
                Ok(next) => {
                    let first = next.values().min().copied();
                    signals.timers_awaited(next);
                    first.and_then(|first| self.bus.clock().wait_until(first))
                }
                Err(error) => {
                    tracing::error!(%error, "timers cannot be fired");
                    Some(AFTER_ERROR)
                }
            };
            let sleep = async {
                match next {
                    Some(wait) => tokio::time::sleep(wait.min(LONGEST_SLEEP)).await,
                    None => std::future::pending().await,
                }
            };
            let moved = async {
                match &mut moves {
                    Some(moves) => drop(moves.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep => {}
                _ = put.changed() => {}
                () = moved => {}
            }
        }
    }

    /// Fires what is due, from the `first` of each kind on, and answers when the next ones will be.
    async fn fire(&self, mut first: FirstTimers) -> Result<FirstTimers, crate::trials::Error> {
        loop {
            let now = self.bus.now();
            let (due, next) = self.due(&first, now)?;
            if let Some(last) = due.last() {
                first.values_mut().for_each(|from| *from = last.due.max(*from));
            }
            for timer in &due {
                self.metrics.timer_lateness(now.since(timer.due));
            }
            // Futures are polled in order, so commits are handed over in the order of the timers.
            for outcome in join_all(due.iter().map(|timer| self.fire_one(timer))).await {
                outcome?;
            }
            if due.len() < BATCH {
                return Ok(next);
            }
        }
    }

    /// The timers that are due at `now`, from the `first` of each kind on, the earliest first, and when the first of the others will be. If there are as many as fire side by side, there may
    /// be more that are due.
    fn due(&self, first: &FirstTimers, now: Timestamp) -> Result<(Vec<Due>, FirstTimers), storage::Error> {
        let mut due = Vec::new();
        let mut next = FirstTimers::new();
        for (&kind, &from) in first {
            if from > now {
                next.insert(kind, from);
                continue;
            }
            // Mostly few are due at one time.
            let mut found = self.earliest(kind, from, FEW)?;
            if found.len() == FEW && found.iter().all(|timer| timer.due <= now) {
                found = self.earliest(kind, from, BATCH)?;
            }
            let later = found.partition_point(|timer| timer.due <= now);
            next.extend(found.get(later).map(|timer| (kind, timer.due)));
            found.truncate(later);
            due.append(&mut found);
        }
        due.sort_by_key(|timer| timer.due);
        due.truncate(BATCH);
        Ok((due, next))
    }

    fn earliest(&self, kind: TimerKind, first: Timestamp, limit: usize) -> Result<Vec<Due>, storage::Error> {
        let found = self.bus.storage().scan(&KeyRange::timers_from(kind, first), limit)?;
        let timers = found.into_iter().filter_map(|(key, stored)| match &key {
            Key::Timer { kind, due, id } => Some(Due { kind: *kind, due: *due, id: id.clone(), key, stored }),
            _ => None,
        });
        Ok(timers.collect())
    }

    async fn fire_one(&self, timer: &Due) -> Result<(), crate::trials::Error> {
        match timer.kind {
            TimerKind::Expiry => return self.trials.expire(&timer.id, timer.key.clone()).await,
            TimerKind::Forget => return self.trials.forget(&timer.id, timer.key.clone()).await,
            TimerKind::Delayed | TimerKind::Retry | TimerKind::Schedule => {}
        }
        let Some(mut change) = self.change(timer)? else {
            tracing::error!(timer = %timer.key, "a timer cannot be read and is dropped");
            self.bus.commit(removing(&timer.key, timer.stored.version)).await?;
            return Ok(());
        };
        let removal = removing(&timer.key, timer.stored.version);
        change.expects.extend(removal.expects);
        change.writes.splice(0..0, removal.writes);
        match self.bus.commit(change).await {
            // It was cancelled, or put off, in this very moment.
            Err(CommitError::Conflict(_)) => Ok(()),
            outcome => outcome.map(drop).map_err(Into::into),
        }
    }

    /// What a timer does, besides going away; nothing if it cannot be read.
    fn change(&self, timer: &Due) -> Result<Option<Change>, storage::Error> {
        let now = self.bus.now();
        Ok(match timer.kind {
            TimerKind::Delayed => Delayed::decode(&timer.stored.value).ok().map(|Delayed { cause, mut event }| {
                event.time = now;
                let publication = Publication { event, cause: Some(cause), audience: Audience::Matching };
                Change { events: vec![publication], ..Change::default() }
            }),
            TimerKind::Retry => {
                let delivery = timer.id.parse().ok().and_then(|id| Delivery::decode(id, &timer.stored.value).ok());
                delivery.map(|delivery| {
                    let back = Write::Put(delivery.id.key(), delivery.encode());
                    Change { writes: vec![back], ..Change::default() }
                })
            }
            TimerKind::Schedule => Some(schedules::fire(&self.bus, &timer.id, timer.due, now)?),
            TimerKind::Expiry | TimerKind::Forget => None,
        })
    }
}

fn removing(key: &Key, version: Version) -> Change {
    Change {
        expects: vec![Expect::Key(key.clone(), version)],
        writes: vec![Write::Delete(key.clone())],
        ..Change::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::delivery::record::DeliveryId;
    use crate::storage::{Commit, MemoryStorage, Storage};

    /// A clock that somebody sets, and that says nothing of it.
    #[derive(Default)]
    struct Settable(AtomicU64);

    impl Clock for Settable {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }

        fn wait_until(&self, time: Timestamp) -> Option<Duration> {
            Some(time.since(self.now()))
        }
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn timers(clock: &Arc<impl Clock + 'static>, storage: &Arc<MemoryStorage>) -> Timers {
        let bus = Arc::new(Bus::new(storage.clone(), clock.clone()));
        Timers::new(bus.clone(), Arc::new(Trials::new(bus)), Arc::new(Metrics::new()))
    }

    /// Puts a timer that brings back a delivery of `plugin`.
    async fn put(storage: &MemoryStorage, plugin: &str, after: Duration) {
        let id = DeliveryId { plugin: plugin.to_owned(), sequence: 1, ordinal: 0 };
        let delivery = Delivery {
            id: id.clone(),
            rule: "r".to_owned(),
            target: "t".to_owned(),
            created: Timestamp::default(),
            failed: 1,
            error: None,
            redriven: false,
        };
        let key = Key::Timer { kind: TimerKind::Retry, due: Timestamp::default().plus(after), id: id.to_string() };
        let writes = vec![Write::Put(key, delivery.encode())];
        storage.commit(Commit { writes, ..Commit::default() }).await.expect("a commit");
    }

    /// Whose deliveries come back.
    async fn back(storage: &MemoryStorage) -> Vec<String> {
        storage.signals().queues().await.into_keys().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_noticed_soon() {
        let (clock, storage) = <(Arc<Settable>, Arc<MemoryStorage>)>::default();
        put(&storage, "p", HOUR).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(timers(&clock, &storage).run(stop.clone()));
        tokio::task::yield_now().await;
        clock.0.store(HOUR.as_millis() as u64, Ordering::Relaxed);
        let started = tokio::time::Instant::now();
        assert_eq!(back(&storage).await, ["p"]);
        assert!(started.elapsed() <= Duration::from_secs(10), "it took {:?}", started.elapsed());
        stop.cancel();
        running.await.expect("an end");
    }

    #[tokio::test]
    async fn a_timer_that_is_put_before_those_that_were_looked_at_fires() {
        let (clock, storage) = (Arc::new(ManualClock::new(Timestamp::default())), Arc::new(MemoryStorage::new()));
        put(&storage, "late", HOUR * 2).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(timers(&clock, &storage).run(stop.clone()));
        let back_later = async || {
            tokio::task::yield_now().await;
            clock.advance(HOUR);
            tokio::time::timeout(Duration::from_secs(60), back(&storage)).await.expect("it fires")
        };
        tokio::task::yield_now().await;
        put(&storage, "early", HOUR).await;
        assert_eq!(back_later().await, ["early"]);
        assert_eq!(back_later().await, ["late"]);
        // None is left, and this one comes before all that there were.
        tokio::task::yield_now().await;
        put(&storage, "past", Duration::ZERO).await;
        assert_eq!(back_later().await, ["past"]);
        stop.cancel();
        running.await.expect("an end");
    }
}
