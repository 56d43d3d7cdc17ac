//! `wasi:http`: requests to granted destinations. What may be sent, and how, is `plugin::egress`'s to say.

use std::sync::Arc;

use http::{Request, Response};
use tracing::Instrument;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use crate::plugin::egress::{Egress, Requests};

/// Takes a guest's requests.
pub(in crate::plugin) struct Http {
    egress: Arc<Egress>,
    /// What all requests of the call that runs are marked with; nothing during `describe`.
    idempotency_key: Option<String>,
    /// What became of the requests of the call that runs.
    requests: Requests,
}

/// What carries the errors of a body.
type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Http {
    pub(in crate::plugin) fn new(egress: Arc<Egress>) -> Self {
        Self { egress, idempotency_key: None, requests: Requests::default() }
    }

    /// Says which call the next requests belong to.
    pub(in crate::plugin) fn begin_call(&mut self, idempotency_key: &str, requests: Requests) {
        self.idempotency_key = Some(idempotency_key.to_owned());
        self.requests = requests;
    }
}

impl WasiHttpHooks for Http {
    fn set_host_header(&mut self) -> bool {
        // It is made from the URL that the request really goes to.
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _errors: Transmission,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Transmission)>> + Send> {
        let (egress, requests) = (self.egress.clone(), self.requests.clone());
        let idempotency_key = self.idempotency_key.clone();
        let send = async move {
            let options = options.unwrap_or_default();
            let response = egress.send(request, options, idempotency_key.as_deref(), &requests).await?;
            // The response is whole, so nothing is left to be transmitted.
            Ok((response, Box::new(async { Ok(()) }) as Transmission))
        };
        // Requests run in tasks of their own, and their log lines belong to the call.
        Box::new(send.in_current_span())
    }
}
