//! The HTTP API. The only module that names axum.
//!
//! * `trials`, `events`, `rules`, `plugins`, `deliveries`: a file for each noun
//! * `journal`: which events are asked for, and reading them; `tail`: events as they happen
//! * `stacks`: the stacks' files, for those who try the product
//! * `health`, `metrics`, `index`: for operators
//! * `auth`: who may ask; `manners`: what holds for every request
//! * `body`, `query`, `path`: what a request brings; [`problem`](self): what is answered when it cannot be done

mod auth;
mod body;
mod deliveries;
mod events;
mod health;
mod index;
mod journal;
mod manners;
mod metrics;
mod path;
mod plugins;
mod problem;
mod query;
mod rules;
mod stacks;
mod tail;
#[cfg(test)]
mod tests;
mod trials;

use std::future::IntoFuture;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::auth::{Token, check_exposure};

use crate::bus::Bus;
use crate::delivery::ledger::Ledger;
use crate::plugin::Registry;
use crate::reload;
use crate::telemetry::Metrics;
use crate::trials::Trials;

/// How long requests that run may take to finish when the daemon stops. Tails end at once.
const GRACE: Duration = Duration::from_secs(5);

/// What requests are answered from.
#[derive(Clone)]
pub struct Context {
    /// Takes events, and has the journal and the rules.
    pub bus: Arc<Bus>,
    /// The trials.
    pub trials: Arc<Trials>,
    /// What is owed and what was given up.
    pub ledger: Arc<Ledger>,
    /// The plugins.
    pub plugins: Arc<Registry>,
    /// Tells what became of the latest reload.
    pub reload: reload::Handle,
    /// Shown at /metrics.
    pub metrics: Arc<Metrics>,
    /// The folder whose subfolders are served at /stacks/; nothing if there are none.
    pub stacks: Arc<ArcSwapOption<PathBuf>>,
    /// What requests have to bring; nothing if everybody who reaches the daemon may ask.
    pub token: Option<Token>,
    /// Ends tails, and makes the daemon say that it is not ready.
    pub stopping: CancellationToken,
}

/// The API.
pub fn router(context: Context) -> Router {
    let guarded = Router::new()
        .route("/", get(index::index))
        .route("/trials", get(trials::list).post(trials::request))
        .route("/trials/{id}", get(trials::get).patch(trials::extend).delete(trials::cancel))
        .route("/trials/{id}/history", get(trials::history))
        .route("/events", get(events::list).post(events::publish))
        .route("/events/tail", get(tail::tail))
        .route("/rules", get(rules::list))
        .route("/rules/explain", post(rules::explain))
        .route("/rules/{name}", get(rules::get))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{id}", get(plugins::get))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/redrive", post(deliveries::redrive))
        .route("/deliveries/{*id}", get(deliveries::get))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::unknown_path)
        .layer(from_fn_with_state(context.token.clone(), auth::guard));
    let open = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/stacks/{id}", get(stacks::without_slash))
        .route("/stacks/{id}/", get(stacks::index))
        .route("/stacks/{id}/{*path}", get(stacks::file))
        .method_not_allowed_fallback(problem::method_not_allowed);
    guarded.merge(open).layer(from_fn(manners::of_every_request)).with_state(context)
}

/// Answers requests until `context.stopping`, and then for a short time those that are under way.
///
/// # Errors
///
/// When the operating system takes the listener away.
pub async fn serve(listener: TcpListener, context: Context) -> io::Result<()> {
    let stopping = context.stopping.clone();
    let listener = listener.tap_io(|connection| {
        // Answers are small and complete; waiting to send more at once only delays them.
        let _ = connection.set_nodelay(true);
    });
    let serving =
        axum::serve(listener, router(context)).with_graceful_shutdown(stopping.clone().cancelled_owned()).into_future();
    tokio::select! {
        outcome = serving => outcome,
        () = async { stopping.cancelled().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("requests that did not finish in {} s were left", GRACE.as_secs());
            Ok(())
        }
    }
}

/// Runs what reads much of the store where it keeps nobody else waiting.
///
/// # Panics
///
/// If `work` does.
async fn reading<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("nobody cancels it"),
        },
    }
}
