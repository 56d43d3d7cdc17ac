//! The state behind a guest: its sandbox, its grants and limits, and the call that runs.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{FsPerms, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::Call;
use super::bindings::trialbridge::plugin::types::Error;
use super::capability::http::Http;
use super::capability::kv::Choices;
use super::capability::recorded::Recorded;
use super::compiled::LoadError;
use super::effects::Effects;
use super::egress::{Egress, Requests};
use super::output::Output;
use super::runtime::Runtime;
use crate::clock::Clock;
use crate::config::{Access, Grants, PluginSettings};
use crate::storage::{Key, Storage};
use crate::trial::Trial;

/// What a store holds for its guest.
pub(super) struct Guest {
    /// The plugin's id.
    pub(super) plugin: String,
    /// What it may do.
    pub(super) settings: Arc<PluginSettings>,
    /// What it reads.
    pub(super) storage: Arc<dyn Storage>,
    /// What was chosen last, over all guests.
    pub(super) choices: Arc<Choices>,
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
    /// What the calls before it want, which is to be committed together with that: for this call it is as if it were already.
    pub(super) earlier: Vec<Arc<Effects>>,
    /// Whether it wants something that cannot be told while what is earlier is not committed.
    pub(super) must_wait: bool,
    /// What became of its requests so far.
    pub(super) requests: Requests,
}

impl Current {
    /// What this call, or one before it, has made of a key: nothing, deleted it, or set it.
    pub(super) fn own_kv(&self, bucket: &str, key: &str) -> Option<&Option<Bytes>> {
        self.newest_first().find_map(|effects| effects.own_kv(bucket, key))
    }

    /// The keys of a bucket with a prefix that this call, or one before it, has set or deleted, from `first` on.
    pub(super) fn own_kv_from(
        &self,
        bucket: &str,
        prefix: &str,
        first: &Bound<String>,
    ) -> BTreeMap<String, Option<Bytes>> {
        let all = self.earlier.iter().map(Arc::as_ref).chain([&self.effects]);
        let own = all.flat_map(|effects| effects.own_kv_from(bucket, prefix, first.clone()));
        own.map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// A key with a prefix that calls before this one have read, but not this one, and none has changed.
    pub(super) fn known_kv(&self, bucket: &str, prefix: &str) -> Option<String> {
        let known = self.earlier.iter().flat_map(|effects| effects.kv_read_from(bucket, prefix));
        let is_new = |key: &&str| !self.effects.has_read_kv(bucket, key) && self.own_kv(bucket, key).is_none();
        known.filter(is_new).map(str::to_owned).next()
    }

    fn newest_first(&self) -> impl Iterator<Item = &Effects> {
        std::iter::once(&self.effects).chain(self.earlier.iter().rev().map(Arc::as_ref))
    }

    /// What the calls before this one have made of a trial.
    pub(super) fn earlier_trial(&self, id: &str) -> Option<&Trial> {
        self.earlier.iter().rev().find_map(|effects| effects.own_trial(id))
    }

    /// Ends the call, unless nothing that is earlier is in its way: then it begins again when that is committed.
    pub(super) fn wait_if(&mut self, in_the_way: impl Fn(&Effects) -> bool) -> Result<(), Error> {
        if !self.earlier.iter().any(|effects| in_the_way(effects)) {
            return Ok(());
        }
        self.must_wait = true;
        Err(Error::Unavailable("this handling begins again in a moment".to_owned()))
    }
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
            choices: runtime.choices.clone(),
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
