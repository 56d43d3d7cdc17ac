//! Which deliveries are attempted when: one queue for each plugin, all of them served side by side.
//!
//! One task decides, and starts a task for each attempt, or for each few deliveries that are attempted together. It holds a place in each queue and the
//! deliveries in hand; so its memory is bounded by the plugins' concurrency, however long the queues are. A queue whose plugin is absent waits.
//!
//! Deliveries that can be attempted together are worth waiting for while others of the plugin are in work: two tasks in turn, one that
//! handles and one that commits, take whatever has come meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{Context, Spent, Turns};
use super::events::Events;
use super::record::{Delivery, DeliveryId};
use crate::bus::Bus;
use crate::plugin::Registry;
use crate::storage::{self, Key, KeyRange, Sequence, Storage};
use crate::telemetry::Metrics;

/// How many deliveries a plugin has in hand for each handler that may run at once: while some run, others wait for their commit.
const IN_HAND: usize = 4;

/// How many tasks are in work before deliveries wait for more to come.
const TASKS: usize = 2;

/// How long they wait at most.
const LINGER: Duration = Duration::from_millis(5);

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
    /// Where attempts say what is over.
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
    /// How many tasks are in work.
    tasks: usize,
    /// When the last one began.
    began: Option<Instant>,
    /// What its attempts share.
    turns: Arc<Turns>,
}

/// Whether deliveries wait for more to come.
enum Lingers {
    No,
    Until(Instant),
    UntilATaskIsOver,
}

/// What is over.
enum Finished {
    /// The attempt of a delivery. If the store failed, it is still where it was.
    Attempt { id: DeliveryId, store_failed: bool },
    /// A task for a plugin.
    Task(String),
}

/// A delivery that was taken out of its queue. When it is dropped, its attempt is over.
pub(super) struct Taken {
    pub(super) delivery: Delivery,
    /// With which version it is stored.
    pub(super) version: storage::Version,
    /// What its calls have come to so far.
    pub(super) spent: Spent,
    finished: mpsc::UnboundedSender<Finished>,
    /// Whether it is still where it was.
    is_left: bool,
}

impl Engine {
    /// An engine for the deliveries of the bus's store. Those of events that are deeper than `maximum_depth` become dead letters.
    pub fn new(bus: Arc<Bus>, plugins: Arc<Registry>, metrics: Arc<Metrics>, maximum_depth: Arc<AtomicU32>) -> Self {
        Self {
            context: Arc::new(Context { bus, metrics, maximum_depth, events: Events::default() }),
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
            let (healthy, next) = self.dispatch(storage.as_ref(), Instant::now());
            storage_failed |= !healthy;
            tokio::select! {
                () = stop.cancelled() => break,
                grown = storage.signals().queues() => {
                    for (plugin, sequence) in grown {
                        self.lanes.entry(plugin).or_default().grew(sequence);
                    }
                }
                Some(finished) = self.finished.1.recv() => {
                    storage_failed |= self.finish(finished);
                    while let Ok(finished) = self.finished.1.try_recv() {
                        storage_failed |= self.finish(finished);
                    }
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
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

    /// Starts as many attempts as there is room for. False if the store failed; and when to look again, if anything waits for more to come.
    fn dispatch(&mut self, storage: &dyn Storage, now: Instant) -> (bool, Option<Instant>) {
        let active = self.plugins.active();
        let (mut healthy, mut next) = (true, None);
        for (name, lane) in &mut self.lanes {
            let Some(plugin) = active.get(name) else { continue };
            let concurrency = plugin.settings().concurrency as usize;
            let together = plugin.together();
            // Where several are attempted together, so many more.
            let mut room = (concurrency * IN_HAND + together - 1).saturating_sub(lane.in_hand.len());
            if lane.exhausted || room == 0 {
                continue;
            }
            if together > 1 {
                match lane.lingers(concurrency, now) {
                    Lingers::No => {}
                    Lingers::Until(until) => {
                        next = Some(next.map_or(until, |next: Instant| next.min(until)));
                        continue;
                    }
                    Lingers::UntilATaskIsOver => continue,
                }
                // No more tasks than handlers: those of a plugin with one handler would get into each other's way.
                room = room.min(concurrency * together);
            }
            match lane.take(name, room, storage) {
                Ok(ready) => {
                    let mut ready = ready.into_iter().peekable();
                    while ready.peek().is_some() {
                        let taken = ready.by_ref().take(together).map(|(delivery, version)| Taken {
                            delivery,
                            version,
                            spent: Spent::default(),
                            finished: self.finished.0.clone(),
                            is_left: true,
                        });
                        let taken: Vec<Taken> = taken.collect();
                        self.context.metrics.in_flight(taken.len() as i64);
                        lane.tasks += 1;
                        lane.began = Some(now);
                        let task = Task { finished: self.finished.0.clone(), plugin: name.clone() };
                        let (context, plugin, turns) = (self.context.clone(), plugin.clone(), lane.turns.clone());
                        self.attempts.spawn(async move {
                            let _task = task;
                            context.attempt_all(plugin, taken, turns).await;
                        });
                    }
                }
                Err(error) => {
                    tracing::error!(%error, plugin = %name, "the queue cannot be read");
                    healthy = false;
                }
            }
        }
        (healthy, next)
    }

    /// Notes what is over. True if the store failed.
    fn finish(&mut self, finished: Finished) -> bool {
        match finished {
            Finished::Attempt { id, store_failed } => {
                self.context.metrics.in_flight(-1);
                if let Some(lane) = self.lanes.get_mut(&id.plugin) {
                    lane.in_hand.remove(&id);
                    if lane.met.remove(&id) {
                        lane.grew(id.sequence);
                    }
                }
                store_failed
            }
            Finished::Task(plugin) => {
                if let Some(lane) = self.lanes.get_mut(&plugin) {
                    lane.tasks -= 1;
                }
                false
            }
        }
    }
}

impl Lane {
    /// Whether deliveries wait for more to come.
    fn lingers(&self, concurrency: usize, now: Instant) -> Lingers {
        if self.tasks < TASKS.min(concurrency) {
            return Lingers::No;
        }
        if concurrency == 1 {
            return Lingers::UntilATaskIsOver;
        }
        match self.began.map(|began| began + LINGER) {
            Some(until) if until > now => Lingers::Until(until),
            _ => Lingers::No,
        }
    }

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

impl Taken {
    /// Says that the delivery is not where it was any more.
    pub(super) fn is_over(&mut self) {
        self.is_left = false;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let id = std::mem::take(&mut self.delivery.id);
        // The engine is gone when nobody listens, and then nobody needs to know.
        let _ = self.finished.send(Finished::Attempt { id, store_failed: self.is_left });
    }
}

/// Says that a task is over when it is dropped, which it also is if the task panics.
struct Task {
    finished: mpsc::UnboundedSender<Finished>,
    plugin: String,
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.finished.send(Finished::Task(std::mem::take(&mut self.plugin)));
    }
}
