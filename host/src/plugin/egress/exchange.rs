//! Requests and their answers, one after the other over one connection, all with bodies that are whole and no larger than allowed.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use wasmtime_wasi_http::Error;

use super::connect::Stream;

type Io = TokioIo<Box<dyn Stream>>;

/// A connection that speaks HTTP. Nothing happens on it but within its methods.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Fuse<Connection<Io, Full<Bytes>>>,
    /// Since when there is the connection.
    pub(super) begun: Instant,
}

/// Why there is no answer.
pub(super) struct Failure {
    pub(super) error: Error,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<Box<Request<Full<Bytes>>>>,
}

impl Link {
    /// Speaks HTTP on a new connection.
    pub(super) async fn new(stream: Box<dyn Stream>) -> Result<Self, Error> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: connection.fuse(), begun: Instant::now() })
    }

    /// Whether another request can be sent, as far as can be told without waiting.
    pub(super) fn is_open(&mut self) -> bool {
        let ended = (&mut self.connection).now_or_never().is_some() || self.connection.is_terminated();
        !ended && self.sender.is_ready()
    }

    /// Sends a request and waits for the whole answer. Follows no redirect.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionReadTimeout`] if the first byte, or another, takes longer than the guest wants to wait for it;
    /// [`Error::HttpResponseBodySize`] if the answer's body has more than `limit` bytes; else what the network or HTTP says.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: u64,
        (first_byte, between_bytes): (Duration, Duration),
    ) -> Result<Response<Bytes>, Failure> {
        let Self { sender, connection, .. } = self;
        let exchange = async {
            let sent = tokio::time::timeout(first_byte, sender.try_send_request(request)).await;
            let answer = sent.map_err(|_| Error::ConnectionReadTimeout)?.map_err(|mut failed| {
                let unsent = failed.take_message().map(Box::new);
                Failure { unsent, ..Failure::from(Error::from(failed.into_error())) }
            });
            let (parts, body) = answer?.into_parts();
            let body = collect(body, limit, between_bytes, Error::HttpResponseBodySize(Some(limit))).await?;
            Ok(Response::from_parts(parts, body))
        };
        let mut exchange = pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // What came before the connection ended is still there to be read; what did not is an error.
            _ = connection => exchange.await,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, unsent: None }
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
