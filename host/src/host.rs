//! The composition root: the only file that knows every module. What is started in which order, and stopped in the reverse.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Token};
use crate::bus::Bus;
use crate::clock::{Clock, SystemClock};
use crate::config::Diagnostics;
use crate::delivery::engine::Engine;
use crate::delivery::ledger::Ledger;
use crate::delivery::retention::Retention;
use crate::delivery::timers::Timers;
use crate::event::Event;
use crate::plugin::{self, Registry, Resolver, Runtime, SystemResolver};
use crate::reload::{self, Paths, Reloader, Targets};
use crate::storage::sled::{Options, SledStorage};
use crate::storage::{self, Storage};
use crate::telemetry::Metrics;
use crate::trials::Trials;

/// A daemon that runs.
///
/// ```
/// use trialbridge::Host;
/// use trialbridge::storage::memory::MemoryStorage;
/// use trialbridge::trials::Request;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let config = folder.path().join("rules.toml");
/// std::fs::write(&config, "[trials.ACS]\ndefault-ttl = '14d'\nminimum-ttl = '1s'\nmaximum-ttl = '90d'\n")?;
/// let host = Host::builder()
///     .config(config)
///     .plugins(folder.path().join("plugins"))
///     .data(folder.path().join("data"))
///     .storage(std::sync::Arc::new(MemoryStorage::new()))
///     .listen("127.0.0.1:0".parse()?)
///     .start()
///     .await?;
///
/// let request = Request { lead_id: "1234567890".to_owned(), trial_type: "ACS".to_owned(), ..Request::default() };
/// let requested = host.trials().request(request).await?;
/// assert_eq!(host.trials().get(&requested.trial.trial_id)?.0.status, "REQUESTED");
/// host.shutdown().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct Host {
    /// Where the API listens.
    address: SocketAddr,
    bus: Arc<Bus>,
    trials: Arc<Trials>,
    plugins: Arc<Registry>,
    ledger: Arc<Ledger>,
    reload: reload::Handle,
    /// Stops what takes requests in.
    stop_api: CancellationToken,
    /// Stops what works on its own.
    stop_work: CancellationToken,
    api: JoinHandle<()>,
    work: Vec<JoinHandle<()>>,
}

/// What a daemon is to be like. The defaults are those of `trialbridge run`.
pub struct Builder {
    config: PathBuf,
    plugins: PathBuf,
    data: PathBuf,
    listen: SocketAddr,
    token: Option<Token>,
    clock: Arc<dyn Clock>,
    resolver: Arc<dyn Resolver>,
    storage: Option<Arc<dyn Storage>>,
    compiled: Option<PathBuf>,
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// rules.toml is wrong.
    #[error("{0}")]
    Config(Diagnostics),
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Something else failed.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Builder {
    /// The configuration: `rules.toml` unless said.
    #[must_use]
    pub fn config(self, config: PathBuf) -> Self {
        Self { config, ..self }
    }

    /// The folder of the plugins: `plugins` unless said. It is made if it is not there.
    #[must_use]
    pub fn plugins(self, plugins: PathBuf) -> Self {
        Self { plugins, ..self }
    }

    /// The folder of the store: `data` unless said. It is made if it is not there.
    #[must_use]
    pub fn data(self, data: PathBuf) -> Self {
        Self { data, ..self }
    }

    /// The folder in which compiled plugins are kept: `compiled` in that of the store unless said. Several daemons can share one.
    #[must_use]
    pub fn compiled(self, folder: PathBuf) -> Self {
        Self { compiled: Some(folder), ..self }
    }

    /// Where the API listens: `127.0.0.1:7878` unless said. Port 0 takes a free one.
    #[must_use]
    pub fn listen(self, listen: SocketAddr) -> Self {
        Self { listen, ..self }
    }

    /// The token that the API demands: none unless said, and then only a loopback address can be listened at.
    #[must_use]
    pub fn token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// What looks up the hosts of plugins' requests: the system unless said.
    #[must_use]
    pub fn resolver(self, resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, ..self }
    }

    /// The clock: the system's unless said.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The store: sled in the data folder unless said.
    #[must_use]
    pub fn storage(self, storage: Arc<dyn Storage>) -> Self {
        Self { storage: Some(storage), ..self }
    }

    /// Starts the daemon. When this answers it is ready: rules and plugins are in force, files are watched, requests are
    /// answered.
    ///
    /// # Errors
    ///
    /// * [`StartError::Config`]: rules.toml is wrong
    /// * [`StartError::Usage`]: the address is not loopback and there is no token, or it cannot be listened at
    /// * [`StartError::Storage`]: the data folder is in use, of another version, or broken
    /// * [`StartError::Other`]: the machine lacks something
    pub async fn start(self) -> Result<Host, StartError> {
        api::check_exposure(self.listen, self.token.as_ref()).map_err(StartError::Usage)?;
        for (option, folder) in [("--plugins", &self.plugins), ("--data", &self.data)] {
            std::fs::create_dir_all(folder).map_err(|error| {
                StartError::Usage(format!("{option}: the folder {} cannot be made: {error}", folder.display()))
            })?;
        }
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|error| StartError::Usage(format!("--listen: {} cannot be listened at: {error}", self.listen)))?;
        let address = listener.local_addr().map_err(anyhow::Error::from)?;
        let storage = match self.storage {
            Some(storage) => storage,
            None => {
                let path = self.data.clone();
                let open = tokio::task::spawn_blocking(move || SledStorage::open(&path, Options::default()));
                Arc::new(open.await.map_err(anyhow::Error::from)??)
            }
        };

        let options = plugin::Options {
            resolver: self.resolver,
            cache: Some(self.compiled.unwrap_or_else(|| self.data.join("compiled"))),
        };
        let runtime = Runtime::with(storage.clone(), self.clock.clone(), options)?;
        let bus = Arc::new(Bus::new(storage, self.clock));
        let trials = Arc::new(Trials::new(bus.clone()));
        let plugins = Arc::new(Registry::default());
        let metrics = Arc::new(Metrics::new());
        let ledger = Arc::new(Ledger::new(bus.clone()));
        let stacks = Arc::new(ArcSwapOption::empty());
        let retention = Arc::new(ArcSwap::from_pointee(Duration::MAX));
        let maximum_depth = Arc::new(AtomicU32::new(u32::MAX));
        let targets = Targets {
            bus: bus.clone(),
            trials: trials.clone(),
            plugins: plugins.clone(),
            stacks: stacks.clone(),
            retention: retention.clone(),
            maximum_depth: maximum_depth.clone(),
            metrics: metrics.clone(),
        };
        let paths = Paths { config: self.config, plugins: self.plugins, data: self.data };
        let reloader = Reloader::start(paths, runtime, targets).await.map_err(|error| match error {
            reload::StartError::Config(diagnostics) => StartError::Config(diagnostics),
            reload::StartError::Folder(error) => StartError::Usage(error.to_string()),
        })?;

        let stop_api = CancellationToken::new();
        let stop_work = CancellationToken::new();
        let reload = reloader.handle();
        let (watching, watched) = oneshot::channel();
        let work = vec![
            tokio::spawn(reloader.run(watching, stop_work.clone())),
            tokio::spawn(
                Engine::new(bus.clone(), plugins.clone(), metrics.clone(), maximum_depth).run(stop_work.clone()),
            ),
            tokio::spawn(Timers::new(bus.clone(), trials.clone(), metrics.clone()).run(stop_work.clone())),
            tokio::spawn(plugins.clone().drop_idle(stop_work.clone())),
            tokio::spawn(Retention::new(bus.clone(), retention).run(stop_work.clone())),
        ];
        let _ = watched.await;
        let started = Event::of_daemon("DaemonStarted", bus.now(), &json!({ "version": env!("CARGO_PKG_VERSION") }));
        bus.publish(started).await.map_err(anyhow::Error::from)?;

        let context = api::Context {
            bus: bus.clone(),
            trials: trials.clone(),
            ledger: ledger.clone(),
            plugins: plugins.clone(),
            reload: reload.clone(),
            metrics,
            stacks,
            token: self.token,
            stopping: stop_api.clone(),
        };
        let api = tokio::spawn(async move {
            if let Err(error) = api::serve(listener, context).await {
                tracing::error!(%error, "the API stopped");
            }
        });
        Ok(Host { address, bus, trials, plugins, ledger, reload, stop_api, stop_work, api, work })
    }
}

impl Host {
    /// A daemon to be.
    pub fn builder() -> Builder {
        Builder {
            config: "rules.toml".into(),
            plugins: "plugins".into(),
            data: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7878)),
            token: None,
            clock: Arc::new(SystemClock::default()),
            resolver: Arc::new(SystemResolver),
            storage: None,
            compiled: None,
        }
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way to the store: publish events, commit changes.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// The trials.
    pub fn trials(&self) -> &Arc<Trials> {
        &self.trials
    }

    /// The plugins.
    pub fn plugins(&self) -> &Arc<Registry> {
        &self.plugins
    }

    /// What is owed and what was given up.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Looks at rules.toml and the plugins now.
    pub fn reload(&self) {
        self.reload.reload();
    }

    /// Stops: no more requests, no more deliveries; what runs may finish; then the store is closed.
    pub async fn shutdown(self) {
        self.stop_api.cancel();
        let _ = self.api.await;
        self.stop_work.cancel();
        for part in self.work {
            let _ = part.await;
        }
        self.bus.storage().close().await;
    }
}
