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
//! * `together`: calls that are made one after the other, for one commit
//! * `stock`: those that are kept; `long_calls`: how calls that compute for long share the processors; `blocking`: where those run that
//!   use files; `files`: how they write them
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
mod files;
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
mod together;
pub(crate) mod trust;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::{Instant as Deadline, timeout_at};

pub(crate) use self::compiled::hash;
pub use self::compiled::{Compiled, LoadError};
pub use self::effects::Effects;
pub use self::egress::{Resolver, SystemResolver};
pub use self::registry::{Registry, State, Status};
pub use self::runtime::{Options, Runtime};
pub use self::together::Row;
pub use self::usage::{Ran, Sent, Touched, Usage};

use self::egress::{Egress, Requests};
use self::instance::Instance;
use self::long_calls::{Clock, LongCalls, Meter};
use self::runtime::SLICE;
use self::stock::Stock;
use self::together::Pace;
use crate::clock::Timestamp;
use crate::config::{Isolation, PluginSettings};
use crate::event::Recorded;

/// How often an instance is used before another takes its place, so that what a guest leaks does not grow for ever.
const MAX_USES: u32 = 10_000;

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
    /// How long its calls take.
    pace: Pace,
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
            pace: Pace::default(),
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
        let mut instance = self.instance(deadline).await?;
        let requests = Requests::within(deadline, self.settings.limits.time);
        let (meter, memory) = (Meter::new(&self.long, self.clock()), instance.memory());
        let handling = {
            let (runtime, requests) = (self.runtime.clone(), requests.clone());
            async move {
                let outcome = instance.handle(call, Vec::new(), requests, &runtime).await;
                // Who waits for the disk longer than the call may last keeps the place of a handler until then.
                (instance, outcome, slot)
            }
        };
        let started = Instant::now();
        let handled = self.run(handling, deadline, &meter).await;
        self.pace.note(started.elapsed());
        usage.add(Usage {
            touched: Touched::default(),
            cpu: meter.computed(),
            memory: memory.load(Ordering::Relaxed),
            requests: requests.take(),
            commands: requests.take_commands(),
        });
        let (mut instance, outcome, _slot) = handled?;
        usage.touched = instance.take_touched();
        if !matches!(outcome, Err(CallError::Trap(_))) {
            self.keep(instance);
        }
        outcome
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

    /// An instance that waits for a call, or a new one.
    async fn instance(&self, deadline: Deadline) -> Result<Instance, CallError> {
        match self.idle.take() {
            Some(instance) => Ok(instance),
            None => self.instantiate(deadline).await,
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
        let (runtime, meter, turns) = (self.runtime.clone(), meter.clone(), self.turns.clone());
        let running = async move { runtime.long_calls.run(guest, SLICE, &meter, &turns).await };
        self.wait(running, deadline).await
    }

    /// Waits for what guests do until their time is over, in a thread that they may block if they use files.
    async fn wait<F>(&self, guests: F, deadline: Deadline) -> Result<F::Output, CallError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let ran = if self.uses_files() {
            timeout_at(deadline, blocking::run(guests)).await
        } else {
            timeout_at(deadline, guests).await
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
