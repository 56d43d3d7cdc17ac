//! Threads in which a guest may wait for the disk.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Runs a future in a thread of its own, which it may block: one change of threads for a whole call, where each operation on a file would be two. If this
/// one is dropped, the future is, too, as soon as it waits for anything else than the disk.
pub(super) async fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let (stop, runtime, span) = (CancellationToken::new(), Handle::current(), tracing::Span::current());
    let _stopped = stop.clone().drop_guard();
    let running = move || span.in_scope(|| runtime.block_on(stop.run_until_cancelled_owned(future)));
    match tokio::task::spawn_blocking(running).await {
        Ok(Some(output)) => output,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The daemon ends, and so does whoever waits.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
