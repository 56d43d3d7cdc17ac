//! The engine, what guests are linked to, and the clock that interrupts them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::backtrace;
use super::bindings::Core;
use super::cache::Cache;
use super::capability::kv::Choices;
use super::egress::{Key, Resolver, SystemResolver};
use super::files;
use super::guest::Guest;
use super::long_calls::LongCalls;
use crate::clock::Clock;
use crate::storage::Storage;

/// The most instances that live at one time, over all plugins. Each reserves address space, not memory.
pub(super) const MAX_INSTANCES: u32 = 1024;

/// The most memory that one instance may be granted, in bytes: what rules.toml's `memory` can reach.
const MAX_MEMORY: usize = 4 << 30;

/// How long a guest runs before it has to let others run: the interval of the epoch clock.
pub(super) const SLICE: Duration = Duration::from_millis(2);

/// The same while calls compute for long: for so long others may have to wait for a processor.
const SHORT_SLICE: Duration = Duration::from_micros(250);

/// The stack of a guest, in bytes. Deeper recursion traps.
const STACK: usize = 512 * 1024;

/// What plugins run on. One for the daemon.
pub struct Runtime {
    /// Compiles and runs.
    pub(super) engine: Engine,
    /// Everything that a guest can import. All of it is there; what is not granted is denied at the call.
    pub(super) linker: Linker<Guest>,
    /// What guests read.
    pub(super) storage: Arc<dyn Storage>,
    /// What guests are told the time is.
    pub(super) clock: Arc<dyn Clock>,
    /// Where compiled code is kept, if it is.
    pub(super) cache: Option<Cache>,
    /// What looks the hosts of their requests up.
    pub(super) resolver: Arc<dyn Resolver>,
    /// What their placeholders for secrets are made with.
    pub(super) placeholder_key: Key,
    /// What was chosen last where guests let the host choose.
    pub(super) choices: Arc<Choices>,
    /// Where those go on that compute for long.
    pub(super) long_calls: LongCalls,
    /// How many calls run now. The epoch clock stands still without any.
    running: AtomicUsize,
    /// The epoch clock's thread.
    ticker: thread::Thread,
}

/// What a runtime may be given besides.
pub struct Options {
    /// What looks the hosts of guests' requests up: the system unless said.
    pub resolver: Arc<dyn Resolver>,
    /// The folder in which compiled code is kept: none unless said.
    pub cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), cache: None }
    }
}

/// Lets the epoch clock run while it lives.
pub(super) struct Running<'a>(&'a Runtime);

impl Runtime {
    /// A runtime whose guests read `storage` and are told the time by `clock`.
    ///
    /// # Errors
    ///
    /// If the machine lacks something that WebAssembly needs: address space, threads.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        Self::with(storage, clock, Options::default())
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::new`].
    pub fn with(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, options: Options) -> anyhow::Result<Arc<Self>> {
        let (engine, linker) = engine().map_err(|error| anyhow::anyhow!("WebAssembly cannot be set up: {error:#}"))?;
        let (sender, receiver) = std::sync::mpsc::channel::<Weak<Self>>();
        let ticker = thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || {
            if let Ok(runtime) = receiver.recv() {
                tick(&runtime);
            }
        })?;
        let runtime = Arc::new(Self {
            engine,
            linker,
            storage,
            clock,
            cache: options.cache.map(Cache::new),
            resolver: options.resolver,
            placeholder_key: Key::new(),
            choices: Arc::default(),
            long_calls: LongCalls::new()?,
            running: AtomicUsize::new(0),
            ticker: ticker.thread().clone(),
        });
        sender.send(Arc::downgrade(&runtime))?;
        Ok(runtime)
    }

    /// Says that a call runs, until the answer is dropped.
    pub(super) fn running(&self) -> Running<'_> {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.ticker.unpark();
        }
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.ticker.unpark();
    }
}

/// Moves the epoch on while calls run, and ends with the runtime.
fn tick(runtime: &Weak<Runtime>) {
    loop {
        let Some(live) = runtime.upgrade() else { return };
        let idle = live.running.load(Ordering::Acquire) == 0;
        let is_busy = live.long_calls.is_busy();
        live.engine.increment_epoch();
        drop(live);
        if idle {
            // The time limit only guards against a wake-up lost between the look and the parking.
            thread::park_timeout(Duration::from_secs(1));
        } else {
            thread::sleep(if is_busy { SHORT_SLICE } else { SLICE });
        }
    }
}

fn engine() -> wasmtime::Result<(Engine, Linker<Guest>)> {
    let engine = Engine::new(&config())?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    files::write_at_once(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Core::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
    Ok((engine, linker))
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * 4)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES * 2)
        .total_stacks(MAX_INSTANCES)
        .max_memory_size(MAX_MEMORY)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(100_000)
        .max_unused_warm_slots(64)
        // Only what a guest has written to is cleared after it, where the kernel can tell, and pages that are kept need no fault: an
        // instance for each event takes 25 µs instead of 42.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(1 << 16);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(Some(backtrace::FRAMES))
        .max_wasm_stack(STACK)
        .async_stack_size(STACK * 4)
        .memory_reservation(MAX_MEMORY as u64)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
