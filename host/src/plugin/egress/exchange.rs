//! One request and its answer over one connection, both with bodies that are whole and no larger than allowed.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::io::TokioIo;

use super::connect::Stream;

/// Sends a request and waits for the whole answer. Follows no redirect.
///
/// # Errors
///
/// [`Error::ConnectionReadTimeout`] if the first byte, or another, takes longer than the guest wants to wait for it;
/// [`Error::HttpResponseBodySize`] if the answer's body has more than `limit` bytes; else what the network or HTTP says.
pub(super) async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    limit: u64,
    (first_byte, between_bytes): (Duration, Duration),
) -> Result<Response<Bytes>, Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let sent = tokio::time::timeout(first_byte, sender.send_request(request)).await;
        let (parts, body) = sent.map_err(|_| Error::ConnectionReadTimeout)??.into_parts();
        let body = collect(body, limit, between_bytes, Error::HttpResponseBodySize(Some(limit))).await?;
        Ok(Response::from_parts(parts, body))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What came before the connection ended is still there to be read; what did not is an error.
        _ = &mut connection => exchange.await,
    }
}

/// The whole of a body, unless it has more than `limit` bytes: then `too_large`.
///
/// # Errors
///
/// That one; those of the body; [`Error::ConnectionReadTimeout`] if a part of it takes longer than `pause`.
pub(super) async fn collect<B>(body: B, limit: u64, pause: Duration, too_large: Error) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    Error: From<B::Error>,
{
    let mut body = pin!(body);
    let mut whole = Vec::new();
    loop {
        let frame = tokio::time::timeout(pause, body.frame()).await.map_err(|_| Error::ConnectionReadTimeout)?;
        let Some(frame) = frame else { return Ok(whole.into()) };
        // Trailers are read and dropped: nothing that plugins talk to needs them.
        if let Ok(data) = frame?.into_data() {
            if (whole.len() + data.len()) as u64 > limit {
                return Err(too_large);
            }
            whole.extend_from_slice(&data);
        }
    }
}
