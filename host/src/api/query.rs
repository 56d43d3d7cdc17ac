//! The query of a request: parameters that are known, each at most once.

use axum::http::Uri;

use super::problem::Problem;
use crate::storage::key::valid_text;

/// How long a list is if the request does not say.
pub(super) const DEFAULT_LIMIT: usize = 100;

/// The longest list there may be.
const MAX_LIMIT: usize = 1000;

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the parameters of `uri`, all of which must be in `known`.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let detail = match known {
                    [] => "is not a parameter; there are none here".to_owned(),
                    known => format!("is not a parameter; there are {}", known.join(", ")),
                };
                return Err(Problem::invalid(name, detail));
            }
            if found.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::invalid(name, "is there twice; give it once"));
            }
            if !valid_text(&value) {
                return Err(Problem::invalid(
                    name,
                    "must be 1 to 512 bytes without NUL; leave it out if it does not matter",
                ));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    /// The value of a parameter, if it is there.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }

    /// The whole number that a parameter is, if it is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| Problem::invalid(name, format!("`{text}` is not a whole number")));
        number.map(Some)
    }

    /// The parameter `limit`.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.number("limit")? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| Problem::invalid("limit", format!("{limit} is out of range; ask for 1 to {MAX_LIMIT}"))),
        }
    }
}
