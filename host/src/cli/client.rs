//! Asking a daemon.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde_json::Value;
use trialbridge::api::Token;

use super::{Failure, Server};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the daemon may be silent. It answers every request within 30 s, and keeps streams alive every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// The body of a request that has none.
pub(super) const NOTHING: Option<&()> = None;

/// A daemon to ask.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<Token>,
}

impl Client {
    pub(super) fn new(server: &Server) -> Result<Self, Failure> {
        let url = Url::parse(&server.server)
            .ok()
            .filter(|url| url.scheme() == "http" && url.has_host())
            .ok_or_else(|| Failure::Usage(format!("--server: `{}` is not like http://HOST:PORT", server.server)))?;
        let token = Token::from_env_or_file(server.token_file.as_deref()).map_err(Failure::Usage)?;
        // The daemon is a neighbour: a proxy for the outside world is not to be asked for it.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).read_timeout(SILENCE).build();
        let http = http.map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { http, server: url, token })
    }

    /// Sends a request, whose path is made of segments that may hold any characters, and answers with the JSON of the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<Value, Failure> {
        let answer = self.send(method, path, query, body, "application/json").await?;
        answer.json().await.map_err(|error| Failure::Refused(format!("the answer cannot be read: {error}")))
    }

    /// Gets what is at a path.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, query, NOTHING).await
    }

    /// Gets every page of a list, whose items are called `items`, or the first one.
    pub(super) async fn list(
        &self,
        path: &str,
        items: &str,
        query: Vec<(&str, String)>,
        pages: Pages,
    ) -> Result<Value, Failure> {
        let mut query = query;
        let mut page = self.get(&[path], &query).await?;
        while pages == Pages::All && !page["next"].is_null() {
            query.retain(|(name, _)| *name != "after");
            query.push(("after", super::output::text(&page["next"])));
            let mut rest = self.get(&[path], &query).await?;
            if let (Some(all), Some(more)) = (page[items].as_array_mut(), rest[items].as_array_mut()) {
                all.append(more);
            }
            page["next"] = rest["next"].take();
        }
        Ok(page)
    }

    /// Opens a stream of server-sent events.
    pub(super) async fn follow(&self, path: &[&str], query: &[(&str, String)]) -> Result<Response, Failure> {
        self.send(Method::GET, path, query, NOTHING, "text/event-stream").await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
        accept: &str,
    ) -> Result<Response, Failure> {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).header(ACCEPT, accept);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.bearer());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        Err(Failure::Refused(match problem["field"].as_str() {
            Some(field) if !detail.starts_with(field) => format!("{field}: {detail}"),
            _ => detail,
        }))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::Refused(format!(
            "no daemon answers at {} ({cause}); start one with `trialbridge run`, or name another with --server",
            self.server
        ))
    }
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// One page.
    First,
    /// Everything.
    All,
}

impl Pages {
    /// How many to ask for in one page, where `limit` is asked for.
    pub(super) fn limit(self, limit: u32) -> String {
        match self {
            Self::First => limit,
            Self::All => 1000,
        }
        .to_string()
    }
}

impl From<bool> for Pages {
    /// As `--all` says.
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::First }
    }
}
