//! Requests to what is outside the machine. With the feature `http`.
//!
//! ```
//! use trialbridge_plugin::http::Request;
//! use trialbridge_plugin::{Event, Failure, Host};
//!
//! fn announce(event: &Event, host: &Host) -> Result<(), Failure> {
//!     let text = serde_json::json!({ "text": format!("{} happened", event.detail_type) });
//!     let request = Request::post("https://hooks.example.com/services/1")
//!         .header("Idempotency-Key", &host.delivery().idempotency_key)
//!         .json(&text);
//!     host.send(&request)?.success()?;
//!     Ok(())
//! }
//! ```
//!
//! In a test, [`World::answer`](crate::testing::World::answer) says what comes back, and
//! [`World::requests`](crate::testing::World::requests) what was sent.

#[cfg(target_arch = "wasm32")]
pub(crate) mod outgoing;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, permanent, retry, retry_after};

/// How long each step of a request may take if it does not say otherwise. The plugin's own time limit counts beside it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Absolute, of scheme `http` or `https`.
    pub url: String,
    /// Names and values, in order. The host adds `Host`.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long each of the connection, the first byte of the answer and a pause in it may take. 5 seconds if not said.
    pub timeout: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, at most 4 MiB.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// rules.toml does not grant the destination, or not the address that its host stands for.
    Denied(String),
    /// The request is malformed.
    Invalid(String),
    /// Nobody answered, or not in time, or not in HTTP.
    Failed(String),
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: TIMEOUT }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to JSON, with its `Content-Type`.
    ///
    /// # Panics
    ///
    /// If the value cannot be written as JSON, which maps with other keys than texts cannot.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("the value is made of what JSON knows");
        self.header("Content-Type", "application/json").body(body)
    }

    /// Sets how long each step may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Response {
    /// An answer without headers: for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A header, whatever the case of its name; the first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The answer, if its status is 200 to 299.
    ///
    /// # Errors
    ///
    /// Retry for what may pass: 408, 425, 429, 500 and above, after as many seconds as `Retry-After` says. Permanent for the rest.
    pub fn success(self) -> Result<Self, Failure> {
        let status = self.status;
        let text = String::from_utf8_lossy(&self.body);
        let reason = || format!("the answer was {status}: {}", text.chars().take(200).collect::<String>());
        match status {
            200..=299 => Ok(self),
            408 | 425 | 429 | 500.. => match self.header("retry-after").and_then(|seconds| seconds.parse().ok()) {
                Some(seconds) => Err(retry_after(Duration::from_secs(seconds), reason())),
                None => Err(retry(reason())),
            },
            _ => Err(permanent(reason())),
        }
    }

    /// The body, from JSON.
    ///
    /// # Errors
    ///
    /// Permanent if it does not fit; names the member.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = std::str::from_utf8(&self.body).map_err(|error| permanent(format!("the answer: {error}")))?;
        crate::detail::deserialize(text).map_err(|reason| permanent(format!("the answer: {reason}")))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(reason) | Error::Invalid(reason) => Self::Permanent(reason),
            Error::Failed(reason) => Self::Retry(reason),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(reason) | Self::Invalid(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}
