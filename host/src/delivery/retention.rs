//! How long events stay in the journal: as long as rules.toml says, and longer while a delivery of theirs is owed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::receipt::Receipt;
use super::record::DeliveryId;
use crate::bus::{Bus, Change};
use crate::clock::Timestamp;
use crate::event::Recorded;
use crate::storage::commit::MAX_OPERATIONS;
use crate::storage::key::TimerKind;
use crate::storage::{CommitError, Expect, Key, KeyRange, Sequence, Storage, Version, Versioned, Write};

/// How often the journal is looked at.
const INTERVAL: Duration = Duration::from_secs(30);

/// Removes old events until it is stopped.
pub struct Retention {
    bus: Arc<Bus>,
    /// How long events stay.
    keep: Arc<ArcSwap<Duration>>,
}

impl Retention {
    /// Removes events of the bus's store that are older than `keep`.
    pub fn new(bus: Arc<Bus>, keep: Arc<ArcSwap<Duration>>) -> Self {
        Self { bus, keep }
    }

    /// Removes old events until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            if let Err(error) = self.trim().await {
                tracing::error!(%error, "old events cannot be removed from the journal");
            }
        }
    }

    /// Removes what is too old now. Answers with how many events that were.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn trim(&self) -> Result<u64, CommitError> {
        let horizon = self.bus.now().minus(**self.keep.load());
        self.trim_receipts(horizon).await?;
        let storage = self.bus.storage().clone();
        let mut removed = 0;
        let mut after: Sequence = 0;
        let mut waiting = waiting_for_retry(storage.as_ref())?;
        loop {
            let found = storage.scan(&KeyRange::events(after), MAX_OPERATIONS)?;
            let old: Vec<(Sequence, Version)> = found
                .iter()
                .map_while(|(key, stored)| match key {
                    Key::Event(sequence) if older(*sequence, &stored.value, horizon) => {
                        Some((*sequence, stored.version))
                    }
                    _ => None,
                })
                .collect();
            let (Some((first, _)), Some((last, _))) = (old.first(), old.last().copied()) else { return Ok(removed) };
            // A delivery may go from ready to waiting and back while this looks; looking at the waiting ones before
            // and after the ready ones misses neither move.
            let mut owed = ready_between(storage.as_ref(), *first, last)?;
            owed.append(&mut waiting);
            waiting = waiting_for_retry(storage.as_ref())?;
            let mut change = Change::default();
            for (sequence, version) in old {
                if !owed.contains(&sequence) && !waiting.contains(&sequence) {
                    // A redrive puts its event again, so one that happens meanwhile keeps it here.
                    change.expects.push(Expect::Key(Key::Event(sequence), version));
                    change.writes.push(Write::Delete(Key::Event(sequence)));
                }
            }
            let count = change.writes.len() as u64;
            match self.bus.commit(change).await {
                Ok(_) => removed += count,
                Err(CommitError::Conflict(_)) => continue,
                Err(error) => return Err(error),
            }
            after = last;
        }
    }

    /// Removes receipts of attempts that are too old. One that cannot be read goes too: nothing depends on it.
    async fn trim_receipts(&self, horizon: Timestamp) -> Result<(), CommitError> {
        let mut range = KeyRange::receipts();
        loop {
            let found = self.bus.storage().scan(&range, MAX_OPERATIONS)?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            range = range.after(Some(last));
            let is_old = |value: &[u8]| !Receipt::decode(value).is_ok_and(|receipt| receipt.at >= horizon);
            let old: Vec<&(Key, Versioned)> = found.iter().filter(|(_, stored)| is_old(&stored.value)).collect();
            if old.is_empty() {
                // They are in the order of their events, so what follows is younger, but for what was tried for long.
                return Ok(());
            }
            let expects = old.iter().map(|(key, stored)| Expect::Key(key.clone(), stored.version)).collect();
            let writes = old.iter().map(|(key, _)| Write::Delete(key.clone())).collect();
            match self.bus.commit(Change { expects, writes, ..Change::default() }).await {
                // One of them belongs to an attempt that ended just now. They go the next time.
                Ok(_) | Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The events from `first` to `last` of which a delivery is ready.
fn ready_between(
    storage: &dyn Storage,
    first: Sequence,
    last: Sequence,
) -> Result<BTreeSet<Sequence>, crate::storage::Error> {
    let mut ready = BTreeSet::new();
    let mut queues = KeyRange::all_deliveries();
    while let Some((Key::Delivery { plugin, .. }, _)) = storage.scan(&queues, 1)?.into_iter().next() {
        let mut range = KeyRange::deliveries(&plugin, first);
        loop {
            let found = storage.scan(&range, MAX_OPERATIONS)?;
            let sequences = found.iter().filter_map(|(key, _)| match key {
                Key::Delivery { sequence, .. } => Some(*sequence),
                _ => None,
            });
            ready.extend(sequences.take_while(|sequence| *sequence <= last));
            match found.last() {
                Some((key @ Key::Delivery { sequence, .. }, _)) if *sequence <= last => range = range.after(Some(key)),
                _ => break,
            }
        }
        queues = KeyRange::deliveries_beyond(&plugin);
    }
    Ok(ready)
}

/// The events of which a delivery waits for its next attempt.
fn waiting_for_retry(storage: &dyn Storage) -> Result<BTreeSet<Sequence>, crate::storage::Error> {
    let mut waiting = BTreeSet::new();
    let mut range = KeyRange::timers(TimerKind::Retry);
    loop {
        let found = storage.scan(&range, 1000)?;
        let Some((last, _)) = found.last() else { return Ok(waiting) };
        range = range.after(Some(last));
        waiting.extend(found.iter().filter_map(|(key, _)| match key {
            Key::Timer { id, .. } => id.parse::<DeliveryId>().ok().map(|id| id.sequence),
            _ => None,
        }));
    }
}

/// Whether an event is from before `horizon`. One that cannot be read is not: somebody should look at it.
fn older(sequence: Sequence, value: &[u8], horizon: Timestamp) -> bool {
    Recorded::decode(sequence, value).is_ok_and(|recorded| recorded.published < horizon)
}
