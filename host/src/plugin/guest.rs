//! The state behind a guest: its sandbox, its grants and limits, and the call that runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{FsPerms, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::Call;
use super::capability::http::Http;
use super::capability::recorded::Recorded;
use super::compiled::LoadError;
use super::effects::Effects;
use super::egress::{Egress, Requests};
use super::output::Output;
use super::runtime::Runtime;
use crate::clock::Clock;
use crate::config::{Access, Grants, PluginSettings};
use crate::storage::{Key, Storage};

/// What a store holds for its guest.
pub(super) struct Guest {
    /// The plugin's id.
    pub(super) plugin: String,
    /// What it may do.
    pub(super) settings: Arc<PluginSettings>,
    /// What it reads.
    pub(super) storage: Arc<dyn Storage>,
    /// How often anything was chosen, over all guests: whose turn it is.
    pub(super) turns: Arc<AtomicUsize>,
    /// What it says.
    pub(super) output: Output,
    /// The call that runs; nothing during `describe`.
    pub(super) current: Option<Current>,
    /// The metrics' series that it is known to have.
    pub(super) series: HashSet<Key>,
    /// The WASI resources it holds.
    table: ResourceTable,
    /// Its WASI: no environment, no arguments, no network, the granted folders.
    wasi: WasiCtx,
    /// Its wasi:http.
    http: WasiHttpCtx,
    /// What takes its requests.
    requests: Http,
    /// What answers them instead, outside the daemon.
    pub(super) recorded: Option<Recorded>,
    /// Its way out, and what knows its secrets.
    pub(super) egress: Arc<Egress>,
    /// How much it may take of the machine.
    pub(super) limiter: Limiter,
}

/// A call that runs.
pub(super) struct Current {
    /// What it was called with.
    pub(super) call: Call,
    /// What it wants so far.
    pub(super) effects: Effects,
    /// What became of its requests so far.
    pub(super) requests: Requests,
}

/// Refuses growth beyond the limits with an error that says which, instead of the failed allocation that guests report as
/// something else.
pub(super) struct Limiter {
    /// Limits on numbers of things.
    numbers: StoreLimits,
    /// The limit on memory, in bytes, over all memories of the instance.
    memory: u64,
    /// How many bytes there are now, for whoever wants to know when the instance is gone.
    used: Arc<AtomicU64>,
}

impl Guest {
    /// The state of a new instance.
    pub(super) fn new(
        plugin: &str,
        settings: &Arc<PluginSettings>,
        egress: &Arc<Egress>,
        runtime: &Runtime,
    ) -> Result<Self, LoadError> {
        let output = Output::new(plugin, settings.limits.output, egress.clone());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(output.clone()).stderr(output.clone()).wall_clock(GuestClock(runtime.clock.clone()));
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        // Who has folders runs in a thread that may be blocked.
        wasi.allow_blocking_current_thread(!settings.grants.folders.is_empty());
        for (name, folder) in &settings.grants.folders {
            let permissions = match folder.access {
                Access::Read => FsPerms::ReadOnly,
                Access::ReadWrite => FsPerms::ReadWrite,
            };
            wasi.preopened_dir(&folder.path, format!("/{name}"), permissions).map_err(|error| LoadError::Folder {
                name: name.clone(),
                path: folder.path.clone(),
                reason: format!("{error:#}"),
            })?;
        }
        Ok(Self {
            plugin: plugin.to_owned(),
            settings: settings.clone(),
            storage: runtime.storage.clone(),
            turns: runtime.turns.clone(),
            output,
            current: None,
            series: HashSet::new(),
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            requests: Http::new(egress.clone()),
            recorded: None,
            egress: egress.clone(),
            limiter: Limiter::new(settings.limits.memory),
        })
    }

    /// Makes a call the one that runs.
    pub(super) fn begin_call(&mut self, current: Current) {
        self.requests.begin_call(&current.call.idempotency_key, current.requests.clone());
        self.current = Some(current);
    }
}

/// Whether every granted folder can be opened.
pub(super) fn check_folders(grants: &Grants) -> Result<(), LoadError> {
    for (name, folder) in &grants.folders {
        std::fs::read_dir(&folder.path).map_err(|error| LoadError::Folder {
            name: name.clone(),
            path: folder.path.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let hooks: &mut dyn WasiHttpHooks = match &mut self.recorded {
            Some(recorded) => recorded,
            None => &mut self.requests,
        };
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks }
    }
}

/// The daemon's clock as a guest sees it.
struct GuestClock(Arc<dyn Clock>);

impl HostWallClock for GuestClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().as_millis())
    }
}

impl Limiter {
    fn new(memory: u64) -> Self {
        let numbers = StoreLimitsBuilder::new().instances(20).memories(4).tables(20).table_elements(100_000).build();
        Self { numbers, memory, used: Arc::default() }
    }

    /// How many bytes of memory there are.
    pub(super) fn used(&self) -> &Arc<AtomicU64> {
        &self.used
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.load(Ordering::Relaxed) + (desired - current) as u64;
        if used > self.memory {
            return Err(wasmtime::format_err!("the memory limit of {} bytes is reached", self.memory));
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.numbers.table_growing(current, desired, maximum)
    }

    fn instances(&self) -> usize {
        self.numbers.instances()
    }

    fn tables(&self) -> usize {
        self.numbers.tables()
    }

    fn memories(&self) -> usize {
        self.numbers.memories()
    }
}
