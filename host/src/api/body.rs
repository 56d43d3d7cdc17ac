//! The body of a request: one JSON object, and nothing else.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::Problem;

/// The largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The bytes of a body that is a JSON object, whatever is in it.
pub(super) struct JsonText(pub(super) Bytes);

/// A body that is a JSON object of a certain shape.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let bytes = read(request.into_body()).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Problem::invalid("body", "is empty; send a JSON object"));
        }
        serde_json::from_slice::<IgnoredAny>(&bytes)
            .map_err(|error| Problem::invalid("body", format!("is not JSON: {error}")))?;
        // Arrays are shapes of records too in the eyes of serde.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Problem::invalid("body", "must be a JSON object, in braces"));
        }
        Ok(Self(bytes))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonText(bytes) = JsonText::from_request(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        serde_path_to_error::deserialize(&mut deserializer).map(Self).map_err(|error| {
            let path = error.path().to_string();
            misshapen(&path, &error.inner().to_string())
        })
    }
}

/// What is wrong with the shape of a JSON object: `message` is what serde says, `path` where it was, as far as that is
/// known.
pub(super) fn misshapen(path: &str, message: &str) -> Problem {
    let message = without_place(message);
    for (beginning, advice) in [
        ("missing field `", "is missing"),
        ("duplicate field `", "is there twice; give it once"),
        ("unknown field `", "is not a field"),
    ] {
        if let Some((field, rest)) = message.strip_prefix(beginning).and_then(|rest| rest.split_once('`')) {
            let rest = rest.replacen(", expected one of ", "; there are ", 1).replacen(", expected ", "; there is ", 1);
            return Problem::invalid(field, format!("{advice}{rest}"));
        }
    }
    Problem::invalid(if path == "." { "body" } else { path }, message)
}

/// A message of serde_json without its ` at line 1 column 2`, which helps nobody where a field is named.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported =
        |detail: String| Problem::invalid("content-type", detail).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(unsupported("is missing; send `content-type: application/json`".to_owned()));
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter(|part| !part.is_empty()).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(unsupported(format!("is `{text}`, and only application/json in UTF-8 is taken")))
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("is larger than the {MAX_BODY} bytes there may be");
            Err(Problem::invalid("body", detail).with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(error) => Err(Problem::invalid("body", format!("did not arrive whole: {error}"))),
    }
}
