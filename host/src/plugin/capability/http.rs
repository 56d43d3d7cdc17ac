//! `wasi:http`: requests to granted destinations.

use http::{Request, Response};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks, default_send_request};

use crate::config::Origin;

/// Where a guest's requests may go.
pub(in crate::plugin) struct Egress {
    plugin: String,
    granted: Vec<Origin>,
}

impl Egress {
    pub(in crate::plugin) fn new(plugin: &str, granted: &[Origin]) -> Self {
        Self { plugin: plugin.to_owned(), granted: granted.to_vec() }
    }

    fn allows(&self, uri: &http::Uri) -> bool {
        let scheme = uri.scheme_str().unwrap_or("https");
        let port = uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        uri.host().is_some_and(|host| self.granted.iter().any(|origin| origin.allows(scheme, host, port)))
    }
}

/// What carries the errors of a body.
type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _errors: Transmission,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Transmission)>> + Send> {
        if !self.allows(request.uri()) {
            let destination = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                target: "trialbridge::guest",
                plugin = self.plugin,
                destination,
                "request denied; to grant it write http = [\"https://...\"] for the plugin in rules.toml"
            );
            return Box::new(async move {
                // Guests in JavaScript are aborted when nobody takes what they send.
                let mut body = request.into_body();
                while let Some(Ok(_)) = body.frame().await {}
                Err(Error::HttpRequestDenied)
            });
        }
        Box::new(async move {
            let (response, transmission) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(transmission) as Transmission))
        })
    }
}
