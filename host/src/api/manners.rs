//! What holds for every request: a limit in time, a line in the log, and that a panic is an answer like any other.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use super::problem::Problem;

/// How long a request may take until its answer begins. What follows, such as a tail, may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Passes a request on, and answers with a problem if that takes too long or panics.
pub(super) async fn of_every_request(request: Request, next: Next) -> Response {
    let span = tracing::info_span!("api.request", method = %request.method(), path = request.uri().path());
    let answer = async {
        let started = Instant::now();
        let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
        let response = match tokio::time::timeout(PATIENCE, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => {
                let what = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(panic = what.unwrap_or("without a message"), "a request made the daemon panic");
                let detail = "this should not have happened; the daemon's log has more";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
            }
            Err(_) => {
                let detail = format!(
                    "there was no answer in {} s; whether the request was carried out is unknown, so look, or repeat \
                     it with the same trialId or Idempotency-Key",
                    PATIENCE.as_secs()
                );
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
            }
        };
        tracing::debug!(status = response.status().as_u16(), took = ?started.elapsed(), "answered");
        response
    };
    answer.instrument(span).await
}
