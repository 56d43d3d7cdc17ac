//! Requests over `wasi:http`.

use std::time::Duration;

use self::bindings::wasi::http::outgoing_handler;
use self::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use self::bindings::wasi::io::streams::StreamError;
use super::{Error, Request, Response};

/// What `wasi:http` looks like. Generated.
mod bindings {
    wit_bindgen::generate!({
        inline: "package trialbridge:sdk; world requests { import wasi:http/outgoing-handler@0.2.12; }",
        path: "../../wit",
        world: "trialbridge:sdk/requests",
        generate_all,
    });
}

/// The most bytes of an answer's body.
const MAX_BODY: usize = 4 << 20;

/// The most bytes that one write may have, as WASI has it.
const CHUNK: usize = 4096;

/// Sends a request and waits for the whole answer.
pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    let outgoing = head(request)?;
    let body = outgoing.body().map_err(|()| invalid("the body", request))?;
    let options = RequestOptions::new();
    let timeout = u64::try_from(request.timeout.max(Duration::from_millis(1)).as_nanos()).unwrap_or(u64::MAX);
    // A host that cannot keep one of them refuses it; the plugin's own time limit is still there.
    let _ = options.set_connect_timeout(Some(timeout));
    let _ = options.set_first_byte_timeout(Some(timeout));
    let _ = options.set_between_bytes_timeout(Some(timeout));
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| failed(request, &code))?;
    let written = write(body, &request.body);
    answer.subscribe().block();
    let reason = match answer.get() {
        // A server may answer before it has read everything, and then its answer says what it thinks of the body.
        Some(Ok(Ok(response))) => match read(response) {
            Ok(response) => return Ok(response),
            Err(reason) => reason,
        },
        Some(Ok(Err(code))) => return Err(failed(request, &code)),
        Some(Err(())) | None => written.err().unwrap_or_else(|| "there was no answer".to_owned()),
    };
    Err(Error::Failed(format!("{}: {reason}", name(request))))
}

fn head(request: &Request) -> Result<OutgoingRequest, Error> {
    let (scheme, rest) = request.url.split_once("://").unwrap_or(("", &request.url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // What follows # is for whoever reads the answer.
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(Error::Invalid("the URL of a request must begin with http:// or https://".to_owned())),
    };
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers.append(name, value.as_bytes()).map_err(|_| invalid(&format!("the header {name}"), request))?;
    }
    if !request.body.is_empty() && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        let length = request.body.len().to_string();
        headers.append("content-length", length.as_bytes()).map_err(|_| invalid("the length of the body", request))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(&request.method)).map_err(|()| invalid("the method", request))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme", request))?;
    outgoing.set_authority(Some(authority)).map_err(|()| invalid("the host", request))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| invalid("the path", request))?;
    Ok(outgoing)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    if !bytes.is_empty() {
        let stream = body.write().map_err(|()| "the body cannot be written".to_owned())?;
        for chunk in bytes.chunks(CHUNK) {
            stream.blocking_write_and_flush(chunk).map_err(|error| format!("the body was not sent: {error}"))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(|code| format!("the body was not sent: {code}"))
}

fn read(response: IncomingResponse) -> Result<Response, String> {
    let headers = response.headers().entries().into_iter();
    let headers = headers.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
    let mut whole = Response { status: response.status(), headers, body: Vec::new() };
    let body = response.consume().map_err(|()| "the body cannot be read".to_owned())?;
    let stream = body.stream().map_err(|()| "the body cannot be read".to_owned())?;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => whole.body.extend(bytes),
            Err(StreamError::Closed) => return Ok(whole),
            Err(error) => return Err(format!("the answer broke off: {error}")),
        }
        if whole.body.len() > MAX_BODY {
            return Err(format!("the answer is longer than {MAX_BODY} bytes"));
        }
    }
}

fn method(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn invalid(what: &str, request: &Request) -> Error {
    Error::Invalid(format!("{}: {what} is malformed", name(request)))
}

fn failed(request: &Request, code: &ErrorCode) -> Error {
    let reason = format!("{}: {code}", name(request));
    match code {
        ErrorCode::HttpRequestDenied => Error::Denied(reason),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => Error::Invalid(reason),
        _ => Error::Failed(reason),
    }
}

/// A request for messages: the method and where to. The path may be a secret, as that of a webhook is.
fn name(request: &Request) -> String {
    let origin = request.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{} {origin}", request.method)
}
