//! `trialbridge run`: the daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use trialbridge::Host;
use trialbridge::api::Token;
use trialbridge::host::StartError;
use trialbridge::storage;

use super::Failure;

/// Run the daemon, until SIGTERM or SIGINT; SIGHUP looks at all files again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trialbridge run --config rules.toml --plugins plugins --data data --listen 127.0.0.1:7878\n\n\
    The log goes to standard error: lines for people on a terminal, JSON otherwise. TRIALBRIDGE_LOG=debug says more."
)]
pub(super) struct Run {
    /// The configuration.
    #[arg(long, default_value = "rules.toml", value_name = "FILE")]
    config: PathBuf,
    /// The folder of the plugins.
    #[arg(long, default_value = "plugins", value_name = "DIR")]
    plugins: PathBuf,
    /// The folder of the store; one daemon at a time.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; beyond loopback a token is needed. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "ADDRESS")]
    listen: SocketAddr,
}

impl Run {
    pub(super) async fn execute(self, token_file: Option<&Path>) -> Result<(), Failure> {
        trialbridge::telemetry::init_tracing();
        let token = Token::from_env_or_file(token_file).map_err(Failure::Usage)?;
        // Before anything is started, so that no signal is missed.
        let mut stop = Stop::new()?;
        let mut hangup = signal(SignalKind::hangup())?;
        let start = Host::builder()
            .config(self.config)
            .plugins(self.plugins)
            .data(self.data)
            .listen(self.listen)
            .token(token)
            .start();
        let host = tokio::select! {
            host = start => host.map_err(failure)?,
            () = stop.asked() => return Ok(()),
        };
        tracing::info!(address = %host.address(), "the daemon is ready");
        tell_systemd(NotifyState::Ready);
        loop {
            tokio::select! {
                () = stop.asked() => break,
                _ = hangup.recv() => host.reload(),
            }
        }
        tracing::info!("the daemon finishes what it is doing, and stops");
        tell_systemd(NotifyState::Stopping);
        tokio::select! {
            () = host.shutdown() => Ok(()),
            () = stop.asked() => {
                tracing::warn!("stopped at once, because it was asked twice; nothing that was accepted is lost");
                // Handlers and reads that still run would keep the process until they end.
                std::process::exit(1)
            }
        }
    }
}

/// Whose fault it is that the daemon does not start.
fn failure(error: StartError) -> Failure {
    match error {
        StartError::Storage(storage::Error::Backend(_)) | StartError::Other(_) => Failure::Refused(error.to_string()),
        _ => Failure::Usage(error.to_string()),
    }
}

/// The ways to ask the daemon to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
