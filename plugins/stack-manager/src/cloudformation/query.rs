//! A request in the Query protocol: a form that is posted, and XML that comes back.

use std::time::Duration;

use form_urlencoded::Serializer;
use trialbridge_plugin::Host;
use trialbridge_plugin::http::{self, Request};

use super::answer;
use crate::provider::Error;

/// The version of the API.
const VERSION: &str = "2010-05-15";

/// How long each step of a request may take: a page of a hundred stacks takes some time to make.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What AWS answers when it is asked too often, or is not well.
const BUSY: [&str; 10] = [
    "Throttling",
    "ThrottlingException",
    "RateExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequestsException",
    "OperationInProgressException",
    "OperationStatusCheckFailed",
    "ServiceUnavailable",
    "InternalFailure",
];

/// What AWS answers when it does not take the credentials, or they may not do what is asked. It says nothing of the stack, and is mended without
/// this plugin's help, so it is waited for like a service that is busy. Whatever comes with 401 or 403 is the same.
const NOT_ALLOWED: [&str; 14] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// What to do about that.
const ALLOW: &str = "see that the credentials are valid, that they may do this, and that the clock is right; \
     those in files are read again at SIGHUP, those in the environment when the daemon starts";

/// A request.
pub(super) struct Query(String);

/// Why a request did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such stack.
    NotThere,
    /// There is such a stack already.
    Exists,
    /// Anything else.
    Other(Error),
}

impl Query {
    /// A request for an action.
    pub(super) fn new(action: &str) -> Self {
        Self(String::new()).with("Action", action).with("Version", VERSION)
    }

    /// Adds a parameter.
    pub(super) fn with(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let mut form = Serializer::new(self.0);
        form.append_pair(name.as_ref(), value.as_ref());
        Self(form.finish())
    }

    /// Sends it. The text of the answer, if that is a success.
    pub(super) fn send(&self, host: &Host, endpoint: &str) -> Result<String, Trouble> {
        let request = Request::post(format!("{endpoint}/"))
            .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
            .timeout(TIMEOUT)
            .body(self.0.as_str());
        let response = host.send(&request).map_err(|error| {
            Trouble::Other(match error {
                http::Error::Failed(reason) => Error::Busy(reason),
                other => Error::Refused(other.to_string()),
            })
        })?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        if response.status == 200 {
            return Ok(text);
        }
        let (code, message) = answer::error(&text).unwrap_or_else(|| (String::new(), text.chars().take(200).collect()));
        let reason = format!("CloudFormation answered {} {code}: {message}", response.status);
        Err(match code.as_str() {
            "ValidationError" if message.contains("does not exist") => Trouble::NotThere,
            "AlreadyExistsException" | "TokenAlreadyExistsException" => Trouble::Exists,
            code if BUSY.contains(&code) => Trouble::Other(Error::Busy(reason)),
            code if matches!(response.status, 401 | 403) || NOT_ALLOWED.contains(&code) => {
                Trouble::Other(Error::Busy(format!("{reason}; {ALLOW}")))
            }
            _ if response.status == 429 || response.status >= 500 => Trouble::Other(Error::Busy(reason)),
            // What others can mend meanwhile: stacks may go, and quotas grow.
            "LimitExceededException" | "InsufficientCapabilitiesException" => Trouble::Other(Error::Failed(reason)),
            _ => Trouble::Other(Error::Refused(reason)),
        })
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NotThere => Self::Failed("CloudFormation says that there is no such stack".to_owned()),
            Trouble::Exists => Self::Failed("CloudFormation says that there is such a stack".to_owned()),
            Trouble::Other(error) => error,
        }
    }
}
