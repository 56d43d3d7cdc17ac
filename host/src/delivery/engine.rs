//! Which deliveries are attempted when: one queue for each plugin, all of them served side by side.
//!
//! One task decides, and starts a task for each attempt. It holds a place in each queue and the deliveries in hand; so its memory is
//! bounded by the plugins' concurrency, however long the queues are. A queue whose plugin is absent waits.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{Context, Turns};
use super::record::{Delivery, DeliveryId};
use crate::bus::Bus;
use crate::plugin::{Plugin, Registry};
use crate::storage::{self, Key, KeyRange, Sequence, Storage};
use crate::telemetry::Metrics;

/// How many deliveries a plugin has in hand for each handler that may run at once: while some run, others wait for their commit.
const IN_HAND: usize = 4;

/// How long attempts that run may take to finish when the daemon stops.
const DRAIN: Duration = Duration::from_secs(15);

/// How long to leave the queues alone when the store failed.
const AFTER_STORAGE_ERROR: Duration = Duration::from_secs(1);

/// Attempts deliveries until it is stopped.
pub struct Engine {
    /// What every attempt needs.
    context: Arc<Context>,
    /// The plugins in force.
    plugins: Arc<Registry>,
    /// The queues that were seen.
    lanes: BTreeMap<String, Lane>,
    /// The attempts that run.
    attempts: JoinSet<()>,
    /// Where attempts say that they are over.
    finished: (mpsc::UnboundedSender<Finished>, mpsc::UnboundedReceiver<Finished>),
}

/// One plugin's queue.
#[derive(Default)]
struct Lane {
    /// The delivery after which to look for more; from the beginning if none.
    after: Option<(Sequence, u32)>,
    /// Whether there was nothing more at the last look.
    exhausted: bool,
    /// The deliveries in hand.
    in_hand: HashSet<DeliveryId>,
    /// Those of them that were met in the queue again. Such a delivery may have come back from its retry before its attempt
    /// was known to be over, and is looked for once it is.
    met: HashSet<DeliveryId>,
    /// What its attempts share.
    turns: Arc<Turns>,
}

/// An attempt that is over.
struct Finished {
    id: DeliveryId,
    /// Whether the store failed, so that the delivery is still where it was.
    failed: bool,
}

impl Engine {
    /// An engine for the deliveries of the bus's store. Those of events that are deeper than `maximum_depth` become dead letters.
    pub fn new(bus: Arc<Bus>, plugins: Arc<Registry>, metrics: Arc<Metrics>, maximum_depth: Arc<AtomicU32>) -> Self {
        Self {
            context: Arc::new(Context { bus, metrics, maximum_depth }),
            plugins,
            lanes: BTreeMap::new(),
            attempts: JoinSet::new(),
            finished: mpsc::unbounded_channel(),
        }
    }

    /// Attempts deliveries until `stop`, then lets the attempts that run finish. What is not finished by then is
    /// attempted again by the next engine.
    pub async fn run(mut self, stop: CancellationToken) {
        let storage = self.context.bus.storage().clone();
        let mut plugins = self.plugins.changes();
        let mut retry = tokio::time::interval(AFTER_STORAGE_ERROR);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut storage_failed = !self.look_for_queues(storage.as_ref());
        loop {
            storage_failed |= !self.dispatch(storage.as_ref());
            tokio::select! {
                () = stop.cancelled() => break,
                grown = storage.signals().queues() => {
                    for (plugin, sequence) in grown {
                        self.lanes.entry(plugin).or_default().grew(sequence);
                    }
                }
                Some(finished) = self.finished.1.recv() => {
                    storage_failed |= finished.failed;
                    self.finish(&finished);
                    while let Ok(finished) = self.finished.1.try_recv() {
                        storage_failed |= finished.failed;
                        self.finish(&finished);
                    }
                }
                _ = plugins.changed() => {}
                _ = retry.tick(), if storage_failed => {
                    storage_failed = !self.look_for_queues(storage.as_ref());
                }
            }
            while self.attempts.try_join_next().is_some() {}
        }
        let drained = async { while self.attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(
                "handlers that did not finish in {} s will be called again at the next start",
                DRAIN.as_secs()
            );
        }
    }

    /// Finds the queues that have something in them, and looks at each from the beginning. False if the store failed.
    fn look_for_queues(&mut self, storage: &dyn Storage) -> bool {
        let mut range = KeyRange::all_deliveries();
        loop {
            match storage.scan(&range, 1) {
                Ok(found) => {
                    let Some((Key::Delivery { plugin, .. }, _)) = found.into_iter().next() else { return true };
                    range = KeyRange::deliveries_beyond(&plugin);
                    self.lanes.entry(plugin).or_default().grew(0);
                }
                Err(error) => {
                    tracing::error!(%error, "the queues cannot be read");
                    return false;
                }
            }
        }
    }

    /// Starts as many attempts as there is room for. False if the store failed.
    fn dispatch(&mut self, storage: &dyn Storage) -> bool {
        let active = self.plugins.active();
        let mut healthy = true;
        for (name, lane) in &mut self.lanes {
            let Some(plugin) = active.get(name) else { continue };
            let room = (plugin.settings().concurrency as usize * IN_HAND).saturating_sub(lane.in_hand.len());
            if lane.exhausted || room == 0 {
                continue;
            }
            match lane.take(name, room, storage) {
                Ok(ready) => {
                    for (delivery, version) in ready {
                        let plugin = plugin.clone();
                        let turns = lane.turns.clone();
                        let context = self.context.clone();
                        let finished = self.finished.0.clone();
                        self.attempts.spawn(run(context, plugin, delivery, version, turns, finished));
                        self.context.metrics.in_flight(1);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, plugin = %name, "the queue cannot be read");
                    healthy = false;
                }
            }
        }
        healthy
    }

    fn finish(&mut self, finished: &Finished) {
        self.context.metrics.in_flight(-1);
        if let Some(lane) = self.lanes.get_mut(&finished.id.plugin) {
            lane.in_hand.remove(&finished.id);
            if lane.met.remove(&finished.id) {
                lane.grew(finished.id.sequence);
            }
        }
    }
}

impl Lane {
    /// Takes note that there is something from `sequence` on.
    fn grew(&mut self, sequence: Sequence) {
        self.exhausted = false;
        if self.after.is_some_and(|(after, _)| after >= sequence) {
            self.after = sequence.checked_sub(1).map(|before| (before, u32::MAX));
        }
    }

    /// Takes at most `room` deliveries that are not in hand yet.
    fn take(
        &mut self,
        plugin: &str,
        room: usize,
        storage: &dyn Storage,
    ) -> Result<Vec<(Delivery, storage::Version)>, storage::Error> {
        let after =
            self.after.map(|(sequence, ordinal)| DeliveryId { plugin: plugin.to_owned(), sequence, ordinal }.key());
        // Those in hand may stand in the way, when the place was set back for one that came back.
        let limit = room + self.in_hand.len();
        let found = storage.scan(&KeyRange::deliveries(plugin, 0).after(after.as_ref()), limit)?;
        self.exhausted = found.len() < limit;
        let mut ready = Vec::new();
        for (key, stored) in found {
            let Key::Delivery { plugin, sequence, ordinal } = key else { continue };
            if ready.len() == room {
                self.exhausted = false;
                break;
            }
            self.after = Some((sequence, ordinal));
            let id = DeliveryId { plugin, sequence, ordinal };
            if self.in_hand.contains(&id) {
                self.met.insert(id);
                continue;
            }
            match Delivery::decode(id, &stored.value) {
                Ok(delivery) => {
                    self.in_hand.insert(delivery.id.clone());
                    ready.push((delivery, stored.version));
                }
                Err(error) => tracing::error!(%error, sequence, ordinal, "a delivery cannot be read and is left alone"),
            }
        }
        Ok(ready)
    }
}

/// Attempts one delivery, and says when it is over even if the attempt panics.
async fn run(
    context: Arc<Context>,
    plugin: Arc<Plugin>,
    delivery: Delivery,
    version: storage::Version,
    turns: Arc<Turns>,
    finished: mpsc::UnboundedSender<Finished>,
) {
    let mut guard = Guard { finished, id: delivery.id.clone(), failed: true };
    match context.attempt(&plugin, delivery, version, &turns).await {
        Ok(()) => guard.failed = false,
        Err(error) => tracing::error!(%error, delivery = %guard.id, "the delivery is left where it is"),
    }
}

/// Says that an attempt is over when it is dropped.
struct Guard {
    finished: mpsc::UnboundedSender<Finished>,
    id: DeliveryId,
    failed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The engine is gone when nobody listens, and then nobody needs to know.
        let _ = self.finished.send(Finished { id: std::mem::take(&mut self.id), failed: self.failed });
    }
}
