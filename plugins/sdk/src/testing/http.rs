//! Requests and the answers recorded for them.

use std::collections::{BTreeMap, VecDeque};

use crate::http::{Error, Request, Response};

type Answer = Result<Response, Error>;

/// What was sent, and what is answered.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    requests: Vec<Request>,
    /// By method and URL.
    answers: BTreeMap<(String, String), VecDeque<Answer>>,
}

impl Exchange {
    pub(super) fn record(&mut self, method: &str, url: &str, answer: Answer) {
        self.answers.entry((method.to_owned(), url.to_owned())).or_default().push_back(answer);
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        self.requests.push(request.clone());
        let (method, url) = (&request.method, &request.url);
        match self.answers.get_mut(&(method.clone(), url.clone())) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        }
        .unwrap_or_else(|| Err(Error::Failed(format!("the test has recorded no answer to {method} {url}"))))
    }
}
