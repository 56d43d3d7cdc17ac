//! An HTTP request as it is told to be.

use serde_json::{Map, Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::{config, kv};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::order::{Order, give_up, tell};

/// The most that is written to a stream at once, in bytes: what WASI allows.
const PIECE: usize = 4096;

/// Sends a request. What comes back is kept as JSON in bucket `echo` if there is a `key`, and told otherwise.
pub(crate) fn http(order: &Order) -> Result<(), Failure> {
    let answer = send(order, order.text("url", "http://127.0.0.1/"));
    match order.text("key", "") {
        "" => tell(vec![("http", answer.map(|answer| format!("status {}", answer["status"])))]),
        key => {
            let kept = answer.unwrap_or_else(|error| json!({ "error": error }));
            kv::set("echo", key, kept.to_string().as_bytes()).map_err(give_up)
        }
    }
}

/// Sends a request to a URL, as the order says how.
pub(crate) fn send(order: &Order, url: &str) -> Result<Value, String> {
    let told: Map<String, Value> = serde_json::from_str(&config::get()).map_err(|error| error.to_string())?;
    let configured = |text: &str| {
        told.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{config:{name}}}"), value.as_str().unwrap_or_default())
        })
    };
    let url = configured(url);
    let (scheme, rest) = url.split_once("://").ok_or("the url has no scheme")?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let headers = Fields::new();
    for (name, value) in order.members("headers") {
        let value = configured(value.as_str().unwrap_or_default());
        headers.append(&name, value.as_bytes()).map_err(|error| format!("the header {name}: {error:?}"))?;
    }
    let request = OutgoingRequest::new(headers);
    request.set_method(&method(order.text("method", "GET"))).map_err(|()| "the method is refused")?;
    request.set_scheme(Some(&scheme)).map_err(|()| "the scheme is refused")?;
    request.set_authority(Some(authority)).map_err(|()| "the authority is refused")?;
    request.set_path_with_query(Some(path)).map_err(|()| "the path is refused")?;
    let body = configured(order.text("body", "")).repeat(usize::try_from(order.number("times", 1)).unwrap_or(1));
    let outgoing = if body.is_empty() { None } else { Some(request.body().map_err(|()| "there is no body")?) };
    let response = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    if let Some(outgoing) = outgoing {
        // The host stops reading when it has had enough, and says so in its answer.
        let _ = write(outgoing, body.as_bytes());
    }
    response.subscribe().block();
    let answer = response.get().ok_or("there is no answer, although it was announced")?;
    let answer = answer.map_err(|()| "the answer was taken before")?;
    read(answer.map_err(|error| format!("{error:?}"))?)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "HEAD" => Method::Head,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    }
}

fn write(outgoing: OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    let stream = outgoing.write().map_err(|()| "the body cannot be written")?;
    for piece in bytes.chunks(PIECE) {
        stream.blocking_write_and_flush(piece).map_err(|error| format!("{error:?}"))?;
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|error| format!("{error:?}"))
}

fn read(answer: IncomingResponse) -> Result<Value, String> {
    let headers = answer.headers().entries();
    let headers: Map<String, Value> =
        headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into())).collect();
    let status = answer.status();
    let incoming: IncomingBody = answer.consume().map_err(|()| "the answer has no body")?;
    let stream = incoming.stream().map_err(|()| "the body was taken before")?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(PIECE as u64) {
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Ok(json!({ "status": status, "headers": headers, "body": String::from_utf8_lossy(&body) }))
}
