//! `wasi:http` without a network: requests are answered with what was recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

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
    /// The whole URL, with its query.
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
    /// The status of the answer; nothing if none was recorded, or no HTTP is granted.
    pub status: Option<u16>,
}

/// Answers a guest's requests.
pub(in crate::plugin) struct Recorded {
    /// What was recorded. The answers to one request come in this order, and the last of them again and again.
    exchanges: Vec<Exchange>,
    /// Where the requests are noted.
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Whether the plugin may send requests at all.
    granted: bool,
}

impl Recorded {
    pub(in crate::plugin) fn new(exchanges: Vec<Exchange>, sent: Arc<Mutex<Vec<Sent>>>, granted: bool) -> Self {
        Self { exchanges, sent, granted }
    }

    /// The answer to a request, if one was recorded.
    fn answer(&mut self, request: &Request) -> Option<Response> {
        let same = |exchange: &Exchange| exchange.request == *request;
        let first = self.exchanges.iter().position(same)?;
        let another = self.exchanges[first + 1..].iter().any(same);
        let exchange = if another { self.exchanges.remove(first) } else { self.exchanges[first].clone() };
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
        let (parts, body) = request.into_parts();
        let asked = Request { method: parts.method.to_string(), url: parts.uri.to_string() };
        let answer = if self.granted { self.answer(&asked) } else { None };
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let note = Sent {
            request: asked.clone(),
            headers: headers.collect(),
            body: String::new(),
            status: answer.as_ref().map(|answer| answer.status),
        };
        let (sent, granted) = (self.sent.clone(), self.granted);
        let index = {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(note);
            sent.len() - 1
        };
        Box::new(async move {
            // The guest goes on only when somebody takes what it sends.
            let body = body.collect().await?.to_bytes();
            sent.lock().unwrap_or_else(PoisonError::into_inner)[index].body =
                String::from_utf8_lossy(&body).into_owned();
            match answer {
                Some(answer) => Ok((response(answer)?, Box::new(async { Ok(()) }) as Transmission)),
                None if granted => {
                    let message = format!("no answer is recorded for {} {}", asked.method, asked.url);
                    Err(Error::InternalError(Some(message)))
                }
                None => Err(Error::HttpRequestDenied),
            }
        })
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
        .expect("they are exchanges");
        let mut recorded = Recorded::new(exchanges, Arc::default(), true);
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
