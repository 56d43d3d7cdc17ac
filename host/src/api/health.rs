//! GET /healthz and /readyz: for whoever watches the daemon.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use super::problem::Problem;
use crate::storage::Commit;

/// How long the store may take to answer until the daemon is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon lives if it answers at all.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The daemon is ready if its store takes commits and it is not about to stop. Rules are in force as soon as it
/// listens, and stay so whatever becomes of their file.
pub(super) async fn ready(State(context): State<Context>) -> Result<Json<Value>, Problem> {
    let not_ready = |detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if context.stopping.is_cancelled() {
        return Err(not_ready("the daemon is stopping".to_owned()));
    }
    // A commit of nothing costs nothing, and passes by everything that can be wrong with the writer.
    match tokio::time::timeout(PATIENCE, context.bus.storage().commit(Commit::default())).await {
        Ok(Ok(_)) => Ok(Json(json!({ "status": "ready", "rules": context.bus.rules().rules().len() }))),
        Ok(Err(error)) => Err(not_ready(error.to_string())),
        Err(_) => Err(not_ready(format!("the store did not answer in {} s", PATIENCE.as_secs()))),
    }
}
