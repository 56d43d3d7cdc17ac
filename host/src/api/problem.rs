//! What is answered when something cannot be done: RFC 9457 problems that name the field and how to mend it.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::delivery::ledger;
use crate::storage::{self, CommitError};
use crate::{event, trials};

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// The field, query parameter or header that is wrong.
    field: Option<String>,
    detail: String,
}

/// The form on the wire.
#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, field: None, detail: detail.into() }
    }

    /// A field of the request is wrong.
    pub(super) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, field: Some(field.into()), detail: detail.into() }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// The fallback for paths.
pub(super) async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}; GET / lists the paths", uri.path()))
}

/// The fallback for methods. What is allowed is in the header `allow`, which the router adds.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} cannot be done at {}; the header `allow` says what can", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
            field: self.field,
        };
        let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        (self.status, content_type, Json(document)).into_response()
    }
}

impl From<trials::Error> for Problem {
    fn from(error: trials::Error) -> Self {
        match error {
            trials::Error::Invalid { field, message } => Self::invalid(field, message),
            trials::Error::NotFound(_) => Self::not_found(error.to_string()),
            trials::Error::Different { .. } | trials::Error::Ended { .. } => {
                let text = error.to_string();
                let (field, detail) = text.split_once(": ").unwrap_or(("trialId", &text));
                Self::invalid(field, detail).with_status(StatusCode::CONFLICT)
            }
            trials::Error::Storage(error) => error.into(),
            trials::Error::Commit(error) => error.into(),
            trials::Error::Corrupt { .. } => {
                tracing::error!(%error, "a trial cannot be read");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}

impl From<event::Error> for Problem {
    fn from(error: event::Error) -> Self {
        Self::invalid(error.field, error.message)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Self {
        let text = error.to_string();
        match error {
            ledger::Error::Cursor(_) => Self::invalid("after", text),
            ledger::Error::NotFound(_) => Self::not_found(text),
            ledger::Error::NotDead(_) => Self::invalid("ids", text).with_status(StatusCode::NOT_FOUND),
            ledger::Error::Storage(error) => error.into(),
            ledger::Error::Commit(error) => error.into(),
        }
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        let detail = match error {
            storage::Error::Closed => "the daemon is stopping; try again when it is back".to_owned(),
            error => {
                tracing::error!(%error, "the store failed");
                format!("{error}; see the daemon's log")
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            CommitError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "somebody else changed it in the same moment; try again")
            }
            error => {
                tracing::error!(%error, "a commit was refused");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}
