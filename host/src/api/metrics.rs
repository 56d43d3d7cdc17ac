//! GET /metrics: for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::problem::Problem;
use super::{Context, reading};

/// The metrics of the daemon and of the plugins.
pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, Problem> {
    let text = reading(move || context.metrics.render(context.bus.storage().as_ref())).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
