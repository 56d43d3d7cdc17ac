//! How the host says no, and how a handler gives up.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Why a function of the host did not do what was asked. Nothing was done.
///
/// In a handler `?` turns it into the [`Failure`] that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// rules.toml does not grant it. The text names the grant that is missing.
    Denied(String),
    /// An argument is malformed. The text names it.
    Invalid(String),
    /// What was asked for does not exist.
    NotFound(String),
    /// A limit on size or number was reached. The text names the limit.
    Limit(String),
    /// The store cannot answer now.
    Unavailable(String),
    /// What is stored is not what the type asked for can hold. The text names it.
    Damaged(String),
}

/// How a handler gives up. Whatever it had set, emitted or counted is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Try again after the target's back-off.
    Retry(String),
    /// Try again after so long.
    RetryAfter(Duration, String),
    /// Never try again: the delivery becomes a dead letter.
    Permanent(String),
}

/// A failure that asks for another attempt, after the target's back-off. Fits `map_err`.
pub fn retry(reason: impl Display) -> Failure {
    Failure::Retry(reason.to_string())
}

/// A failure that asks for another attempt after `delay`, in milliseconds precisely.
pub fn retry_after(delay: Duration, reason: impl Display) -> Failure {
    Failure::RetryAfter(delay, reason.to_string())
}

/// A failure that no other attempt can mend: the delivery becomes a dead letter. Fits `map_err`.
pub fn permanent(reason: impl Display) -> Failure {
    Failure::Permanent(reason.to_string())
}

impl Error {
    /// What is wrong, for people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Denied(reason)
            | Self::Invalid(reason)
            | Self::NotFound(reason)
            | Self::Limit(reason)
            | Self::Unavailable(reason)
            | Self::Damaged(reason) => reason,
        }
    }
}

impl Failure {
    /// Why, for people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry(reason) | Self::RetryAfter(_, reason) | Self::Permanent(reason) => reason,
        }
    }
}

impl From<Error> for Failure {
    /// What another attempt may find mended is tried again; the rest is permanent.
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(reason) | Error::Invalid(reason) | Error::Limit(reason) | Error::Damaged(reason) => {
                Self::Permanent(reason)
            }
            // What was there a moment ago has ended meanwhile; the next attempt sees that.
            Error::NotFound(reason) | Error::Unavailable(reason) => Self::Retry(reason),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Error {}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_host_say_whether_to_try_again() {
        let text = || "text".to_owned();
        for error in [Error::Denied(text()), Error::Invalid(text()), Error::Limit(text()), Error::Damaged(text())] {
            assert_eq!(Failure::from(error), permanent("text"));
        }
        for error in [Error::NotFound(text()), Error::Unavailable(text())] {
            assert_eq!(Failure::from(error), retry("text"));
        }
    }
}
