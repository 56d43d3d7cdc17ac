//! `wasi:http` without a network: requests are answered with what was recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use crate::plugin::egress::Egress;

/// A request and the answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What is asked.
    pub request: Request,
    /// What is answered.
    pub response: Response,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`, unless it is said.
    #[serde(default = "get")]
    pub method: String,
    /// The whole URL, with its query. A secret in it is `[secret NAME]`.
    pub url: String,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// 200, unless it is said.
    #[serde(default = "ok")]
    pub status: u16,
    /// The headers, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A text is answered as it is, anything else as JSON; nothing if it is left out.
    #[serde(default)]
    pub body: Value,
}

/// A request that a guest sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// What it asked.
    pub request: Request,
    /// Its headers, by name.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
    /// Whether it is not granted.
    pub denied: bool,
    /// The status of the answer; nothing if none was recorded.
    pub status: Option<u16>,
}

/// Answers a guest's requests.
pub(in crate::plugin) struct Recorded {
    exchanges: Arc<Mutex<Exchanges>>,
    /// Where the requests are noted.
    sent: Arc<Mutex<Vec<Sent>>>,
    /// What knows the names of the secrets, and what may be sent.
    egress: Arc<Egress>,
    destinations: Destinations,
}

/// Which requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// Those that the plugin's grants allow, as if they were sent.
    Granted,
    /// All.
    Any,
}

/// What was recorded. The answers to one request come in this order, and the last of them again and again.
struct Exchanges(Vec<Exchange>);

impl Recorded {
    pub(in crate::plugin) fn new(
        exchanges: Vec<Exchange>,
        sent: Arc<Mutex<Vec<Sent>>>,
        egress: Arc<Egress>,
        destinations: Destinations,
    ) -> Self {
        Self { exchanges: Arc::new(Mutex::new(Exchanges(exchanges))), sent, egress, destinations }
    }
}

impl Exchanges {
    /// The answer to a request, if one was recorded.
    fn answer(&mut self, request: &Request) -> Option<Response> {
        let same = |exchange: &Exchange| exchange.request == *request;
        let first = self.0.iter().position(same)?;
        let another = self.0[first + 1..].iter().any(same);
        let exchange = if another { self.0.remove(first) } else { self.0[first].clone() };
        Some(exchange.response)
    }
}

/// What carries the errors of a body.
type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Recorded {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _errors: Transmission,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transmission)>> + Send> {
        let placeholders = &self.egress.placeholders;
        let (parts, body) = request.into_parts();
        let asked = Request { method: parts.method.to_string(), url: placeholders.describe(&parts.uri.to_string()) };
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), placeholders.describe(&String::from_utf8_lossy(value.as_bytes()))));
        let note = Sent {
            request: asked.clone(),
            headers: headers.collect(),
            body: String::new(),
            denied: false,
            status: None,
        };
        let index = {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(note);
            sent.len() - 1
        };
        let (exchanges, sent) = (self.exchanges.clone(), self.sent.clone());
        let (egress, destinations) = (self.egress.clone(), self.destinations);
        let answer = async move {
            let change = |change: &dyn Fn(&mut Sent)| {
                change(&mut sent.lock().unwrap_or_else(PoisonError::into_inner)[index]);
            };
            // The guest goes on only when somebody takes what it sends.
            let body = body.collect().await?.to_bytes();
            change(&|sent| sent.body = egress.placeholders.describe(&String::from_utf8_lossy(&body)));
            if destinations == Destinations::Granted {
                let whole = Full::new(body).map_err(|never| match never {}).boxed_unsync();
                let allowed = egress.rehearse(http::Request::from_parts(parts, whole)).await;
                allowed.inspect_err(|_| change(&|sent| sent.denied = true))?;
            }
            let Some(answer) = exchanges.lock().unwrap_or_else(PoisonError::into_inner).answer(&asked) else {
                let message = format!("no answer is recorded for {} {}", asked.method, asked.url);
                return Err(Error::InternalError(Some(message)));
            };
            change(&|sent| sent.status = Some(answer.status));
            Ok((response(answer)?, Box::new(async { Ok(()) }) as Transmission))
        };
        // Requests run in tasks of their own, and their log lines belong to the call.
        Box::new(answer.in_current_span())
    }
}

fn response(answer: Response) -> Result<http::Response<WasiBody>> {
    let wrong = |error: http::Error| Error::InternalError(Some(format!("the recorded answer is malformed: {error}")));
    let body = match answer.body {
        Value::Null => Bytes::new(),
        Value::String(text) => Bytes::from(text),
        other => Bytes::from(other.to_string()),
    };
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(body).map_err(|never| match never {}).boxed_unsync()).map_err(wrong)
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_the_last_one_stays() {
        let exchanges: Vec<Exchange> = serde_json::from_str(
            r#"[{"request": {"url": "https://a/"}, "response": {"status": 503}},
                {"request": {"method": "POST", "url": "https://a/"}, "response": {"status": 201}},
                {"request": {"url": "https://a/"}, "response": {"body": {"fine": true}}}]"#,
        )
        .expect("exchanges");
        let mut recorded = Exchanges(exchanges);
        let mut ask = |method: &str, url: &str| {
            let request = Request { method: method.to_owned(), url: url.to_owned() };
            recorded.answer(&request).map(|answer| answer.status)
        };
        assert_eq!(
            [ask("GET", "https://a/"), ask("GET", "https://a/"), ask("GET", "https://a/")],
            [Some(503), Some(200), Some(200)]
        );
        assert_eq!([ask("POST", "https://a/"), ask("GET", "https://b/")], [Some(201), None]);
    }
}
