//! Plugins: WebAssembly components that handle events, each in its own sandbox.
//!
//! A [`Runtime`] compiles a file into a [`Compiled`]; with its settings from rules.toml that becomes a [`Plugin`], whose
//! [`Plugin::handle`] runs one event and gives back the [`Effects`] that the guest wants. Nothing is written here: whoever calls
//! commits the effects, together with what else has to happen.
//!
//! * `runtime`: the engine, what guests are linked to, the clock that interrupts them
//! * `compiled`: from bytes to code, and what can be wrong with them
//! * `cache`: code that was compiled before
//! * `usage`: what a call touched and took
//! * `trust`: which files are believed
//! * `needs`: what a plugin says it needs, against what is granted
//! * `instance`: a guest in its sandbox, kept for later calls
//! * `stock`: those that are kept; `long_calls`: how calls that compute for long share the processors; `blocking`: where those run that
//!   use files
//! * `guest`: the state behind a guest: its limits, its grants, its effects
//! * `backtrace`: where a guest was when it was ended; `symbols`: files and lines
//! * `effects`: what a call wants changed, and what it has read
//! * `capability`: one file for each interface of wit/
//! * `egress`: what leaves the daemon: requests to granted destinations, with secrets put in
//! * `command`: a program of the operator, from its start to its end
//! * [`inspect`]: what a file is and wants; [`rehearsal`]: one call outside the daemon, watched
//! * `registry`: the plugins in force
//!
//! This module knows neither rules nor deliveries.

mod backtrace;
mod bindings;
mod blocking;
mod cache;
mod capability;
mod command;
mod compiled;
pub mod effects;
mod egress;
mod guest;
pub mod inspect;
mod instance;
mod long_calls;
mod needs;
mod output;
mod registry;
pub mod rehearsal;
mod runtime;
mod stock;
mod symbols;
pub(crate) mod trust;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::{Instant as Deadline, timeout_at};
use tracing::{Instrument, Span};

pub(crate) use self::compiled::hash;
pub use self::compiled::{Compiled, LoadError};
pub use self::effects::Effects;
pub use self::egress::{Resolver, SystemResolver};
pub use self::registry::{Registry, State, Status};
pub use self::runtime::{Options, Runtime};
pub use self::usage::{Ran, Sent, Touched, Usage};

use self::egress::{Egress, Requests};
use self::instance::Instance;
use self::long_calls::{Clock, LongCalls, Meter};
use self::runtime::SLICE;
use self::stock::Stock;
use crate::clock::Timestamp;
use crate::config::{Isolation, PluginSettings};
use crate::event::Recorded;

/// How often an instance is used before another takes its place, so that what a guest leaks does not grow for ever.
const MAX_USES: u32 = 10_000;

/// How many operations calls that are made together may want, with two for the acknowledgement of each, and for how long they may be made, before the
/// others are left to the next time. A commit has room for 256 operations, and the last call may want more than the others.
const MAX_OPERATIONS_TOGETHER: usize = 160;
const MAX_TIME_TOGETHER: Duration = Duration::from_millis(2);

/// A plugin in force: code, and what rules.toml lets it do.
pub struct Plugin {
    /// The stem of its file's name.
    id: String,
    /// The code.
    compiled: Arc<Compiled>,
    /// The grants, limits and configuration.
    settings: Arc<PluginSettings>,
    /// Its way out.
    egress: Arc<Egress>,
    /// What it runs on.
    runtime: Arc<Runtime>,
    /// Instances that wait for the next call.
    idle: Stock<Instance>,
    /// Whether it was ever warmed up.
    warm: AtomicBool,
    /// Whether its last call computed for long.
    long: Arc<AtomicBool>,
    /// Holds as many permits as handlers may run at once.
    slots: Arc<Semaphore>,
    /// Holds as many permits as handlers that use files may compute at once for long.
    turns: Arc<Semaphore>,
}

/// What a handler is called with.
#[derive(Clone, Debug)]
pub struct Call {
    /// The event.
    pub event: Arc<Recorded>,
    /// Unique to the obligation; the same for every attempt.
    pub delivery: String,
    /// The rule that matched.
    pub rule: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The same for every attempt and redrive.
    pub idempotency_key: String,
    /// What the target makes of the event, as JSON text; nothing if it takes the event as it is.
    pub input: Option<String>,
    /// The time of the call: what decides which trials are visible.
    pub now: Timestamp,
}

/// How a call failed. Its effects are gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The handler asks to be called again.
    #[error("{0}")]
    Retry(String),
    /// The handler asks to be called again after a time.
    #[error("{1}")]
    RetryAfter(Duration, String),
    /// The handler says that calling it again is of no use.
    #[error("{0}")]
    Permanent(String),
    /// The guest trapped or reached a limit.
    #[error("{0}")]
    Trap(String),
    /// The guest took too long.
    #[error("the handler was stopped after {}, its time limit", crate::config::duration::format(*.0))]
    TimedOut(Duration),
    /// No instance could be made.
    #[error("no instance could be made: {0}")]
    Instantiate(String),
}

impl Plugin {
    /// A plugin without instances.
    ///
    /// # Errors
    ///
    /// [`LoadError::Needs`] if it needs something that `settings` do not grant, [`LoadError::Folder`] if a granted folder cannot
    /// be opened, [`LoadError::Http`] if its destinations are more than can be handled.
    pub fn new(
        id: &str,
        compiled: Arc<Compiled>,
        settings: Arc<PluginSettings>,
        runtime: Arc<Runtime>,
    ) -> Result<Self, LoadError> {
        let missing = needs::missing(&compiled.description.needs, &settings.grants);
        if !missing.is_empty() {
            return Err(LoadError::Needs { id: id.to_owned(), lines: missing });
        }
        guest::check_folders(&settings.grants)?;
        let egress = Arc::new(Egress::new(id, &settings, &runtime).map_err(LoadError::Http)?);
        let slots = Arc::new(Semaphore::new(settings.concurrency as usize));
        Ok(Self {
            id: id.to_owned(),
            compiled,
            settings,
            egress,
            runtime,
            idle: Stock::default(),
            warm: AtomicBool::new(false),
            long: Arc::default(),
            slots,
            turns: Arc::new(Semaphore::new(LongCalls::at_one_time())),
        })
    }

    /// The stem of its file's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The code.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// The grants, limits and configuration.
    pub fn settings(&self) -> &Arc<PluginSettings> {
        &self.settings
    }

    /// Runs the handler on one event. What it wants changed is in the effects; nothing has happened yet, but for what it did
    /// over HTTP and to files.
    ///
    /// # Errors
    ///
    /// [`CallError`], cause by cause.
    pub async fn handle(&self, call: Call) -> Result<Effects, CallError> {
        self.observe(call, &mut Usage::default()).await
    }

    /// The same, and adds what the call took, whatever comes of it.
    ///
    /// # Errors
    ///
    /// [`CallError`], cause by cause.
    pub async fn observe(&self, call: Call, usage: &mut Usage) -> Result<Effects, CallError> {
        usage.touched = Touched::default();
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|_| CallError::Instantiate("the plugin is gone".to_owned()))?;
        let deadline = self.deadline();
        let mut instance = match self.idle.take() {
            Some(instance) => instance,
            None => self.instantiate(deadline).await?,
        };
        let requests = Requests::within(deadline, self.settings.limits.time);
        let (meter, memory) = (Meter::new(&self.long, self.clock()), instance.memory());
        let handling = {
            let (runtime, requests) = (self.runtime.clone(), requests.clone());
            async move {
                let outcome = instance.handle(call, &mut Vec::new(), requests, &runtime).await;
                // Who waits for the disk longer than the call may last keeps the place of a handler until then.
                (instance, outcome, slot)
            }
        };
        let handled = self.run(handling, deadline, &meter).await;
        usage.cpu += meter.computed();
        usage.memory = usage.memory.max(memory.load(Ordering::Relaxed));
        usage.requests.extend(requests.take());
        usage.commands.extend(requests.take_commands());
        let (mut instance, outcome, _slot) = handled?;
        usage.touched = instance.take_touched();
        if !matches!(outcome, Err(CallError::Trap(_))) {
            self.keep(instance);
        }
        outcome
    }

    /// Whether several events may be handled as one: what a handler does that cannot be undone must not be done again because what
    /// another one has read has changed.
    pub fn handles_together(&self) -> bool {
        let grants = &self.settings.grants;
        grants.http.is_empty() && grants.commands.is_empty() && self.settings.isolation == Isolation::Reuse
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
                let outcome;
                (instance, earlier, outcome) = match clock {
                    Clock::Processor => runtime.long_calls.run_in_place(one, SLICE, &meter, turns.clone()).await,
                    Clock::Wall => runtime.long_calls.run(one, SLICE, &meter).await,
                };
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
                let enough = operations >= MAX_OPERATIONS_TOGETHER || started.elapsed() >= MAX_TIME_TOGETHER;
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

    /// Asks the plugin whether it can serve under its configuration.
    ///
    /// # Errors
    ///
    /// [`LoadError::Config`] with what the plugin says is wrong.
    pub async fn check_config(&self) -> Result<(), LoadError> {
        let checked =
            instance::check_config(&self.id, &self.compiled, &self.settings, &self.egress, &self.runtime).await;
        checked.map_err(|reason| LoadError::Config { id: self.id.clone(), reason })
    }

    /// Makes the instances that are to wait for the first event, once.
    ///
    /// # Errors
    ///
    /// [`CallError::Instantiate`], [`CallError::TimedOut`]: the first event will meet the same.
    pub async fn warm_up(&self) -> Result<(), CallError> {
        if self.settings.isolation == Isolation::Reuse && !self.warm.swap(true, Ordering::Relaxed) {
            for _ in 0..self.settings.instances.warm {
                self.idle.put(self.instantiate(self.deadline()).await?, Instant::now());
            }
        }
        Ok(())
    }

    /// Drops the instances that have waited in vain for as long as rules.toml says, but for those that are to be warm.
    pub fn drop_idle(&self, now: Instant) {
        let instances = &self.settings.instances;
        drop(self.idle.surplus(instances.idle_time, instances.warm as usize, now));
    }

    /// How many instances wait for a call.
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Keeps an instance for later calls.
    fn keep(&self, instance: Instance) {
        if self.settings.isolation == Isolation::Reuse && instance.uses() < MAX_USES {
            self.idle.put(instance, Instant::now());
        }
    }

    /// Makes an instance, which begins with whatever the guest does at its start.
    async fn instantiate(&self, deadline: Deadline) -> Result<Instance, CallError> {
        let (id, compiled, settings) = (self.id.clone(), self.compiled.clone(), self.settings.clone());
        let (egress, runtime) = (self.egress.clone(), self.runtime.clone());
        let making = async move { Instance::new(&id, &compiled, &settings, &egress, &runtime).await };
        // How long it takes says nothing of the handler.
        self.run(making, deadline, &Meter::new(&Arc::default(), self.clock())).await?
    }

    /// Runs what the guest does until its time is over, where that holds up nobody.
    async fn run<F>(&self, guest: F, deadline: Deadline, meter: &Meter) -> Result<F::Output, CallError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let ran = if self.uses_files() {
            let (runtime, meter, turns) = (self.runtime.clone(), meter.clone(), self.turns.clone());
            let running = async move { runtime.long_calls.run_in_place(guest, SLICE, &meter, turns).await };
            timeout_at(deadline, blocking::run(running)).await
        } else {
            timeout_at(deadline, self.runtime.long_calls.run(guest, SLICE, meter)).await
        };
        ran.map_err(|_| CallError::TimedOut(self.settings.limits.time))
    }

    /// When a call is over that begins now.
    fn deadline(&self) -> Deadline {
        Deadline::now() + self.settings.limits.time
    }

    /// What tells for how long its guest computes.
    fn clock(&self) -> Clock {
        if self.uses_files() { Clock::Processor } else { Clock::Wall }
    }

    /// Whether its guest may wait for the disk, which it does in the thread that it runs on.
    fn uses_files(&self) -> bool {
        !self.settings.grants.folders.is_empty()
    }
}
