//! What leaves the daemon for a plugin: requests to granted destinations, with secrets put in, and their answers, with secrets taken out.
//!
//! * `target`: the URL of a request, in the one form that grants are compared with
//! * `secrets`: placeholders, and how secrets are put in their place
//! * `sign`: signatures for AWS
//! * `address`: which IP addresses are public
//! * `connect`: a name is looked up once, and the connection goes to an address that was checked
//! * `exchange`: requests and their answers over one connection
//! * `kept`: connections are used again for a while
//! * `redact`: names instead of secrets, in what comes back and in what is logged

mod address;
mod connect;
mod exchange;
mod kept;
mod redact;
mod secrets;
mod sign;
mod target;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

pub use self::connect::{Resolver, SystemResolver};
pub(super) use self::redact::Redactor;
pub(super) use self::secrets::{Key, Placeholders};

use self::exchange::{Failure, Link};
use self::kept::{Kept, Place};
use self::secrets::Used;
use super::runtime::Runtime;
use super::usage::{Ran, Sent};
use crate::clock::Clock;
use crate::config::destination::choose;
use crate::config::{Destination, PluginSettings};

/// The header that tells a receiver which requests are the same.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How long the rest of a refused request's body is taken.
const REST: Duration = Duration::from_secs(1);

/// A plugin's way out.
pub(super) struct Egress {
    /// Whose it is.
    plugin: String,
    /// Where its requests may go.
    destinations: Vec<Destination>,
    /// What TLS needs to know, for each destination.
    tls: Vec<TlsConnector>,
    /// What the guest has instead of secrets.
    pub(super) placeholders: Placeholders,
    /// Takes secrets out of what the guest sees and says.
    pub(super) redactor: Redactor,
    /// Holds as many permits as requests may be under way.
    slots: Semaphore,
    /// Holds as many permits as commands may be under way.
    pub(super) command_slots: Semaphore,
    resolver: Arc<dyn Resolver>,
    /// Connections for its next requests.
    kept: Kept,
    clock: Arc<dyn Clock>,
}

/// What a guest has left of its time when a request is cut off.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What a receipt says of a request that nobody has waited for to its end.
const NOT_FINISHED: &str = "not finished";

/// The requests of a call, in the order in which they began, and its commands, in the order in which they ended. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    sent: Arc<Mutex<Vec<Sent>>>,
    ran: Arc<Mutex<Vec<Ran>>>,
    /// When a request must be over; when its destination says so, if not given.
    until: Option<Instant>,
}

impl Requests {
    /// Those of a call that lasts until `deadline`, and at most for `limit`. A request is over a little earlier, so that the guest can still say what becomes of
    /// its event.
    pub(super) fn within(deadline: Instant, limit: Duration) -> Self {
        Self { until: Some(deadline - LAST_WORD.min(limit / 10)), ..Self::default() }
    }

    /// The requests that have begun, for whoever keeps them.
    pub(super) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The commands that have ended, for whoever keeps them.
    pub(super) fn take_commands(&self) -> Vec<Ran> {
        std::mem::take(&mut *self.ran.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a request that begins, and answers with its place.
    fn begin(&self, sent: Sent) -> usize {
        let mut requests = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(sent);
        requests.len() - 1
    }

    /// Says what is known now of a request that has begun, unless they have been taken.
    fn update(&self, place: usize, sent: &Sent) {
        if let Some(noted) = self.sent.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            noted.clone_from(sent);
        }
    }

    /// Adds a command that has ended.
    pub(super) fn note(&self, ran: Ran) {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).push(ran);
    }
}

/// What is known of a request so far. It is noted again and again, because the call may be over before the request is.
struct Progress<'r> {
    sent: Sent,
    /// The secrets that were put in, which the destination must list.
    used: Used,
    /// Where it is noted.
    requests: &'r Requests,
    /// Its place there.
    place: usize,
}

impl Egress {
    /// The way out that `settings` allow a plugin.
    ///
    /// # Errors
    ///
    /// If the secrets or certificates are more than can be handled.
    pub(super) fn new(plugin: &str, settings: &PluginSettings, runtime: &Runtime) -> Result<Self, String> {
        let destinations = settings.grants.http.clone();
        let tls = destinations.iter().map(connect::tls).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let listed = destinations.iter().flat_map(|destination| &destination.secrets);
        Ok(Self {
            plugin: plugin.to_owned(),
            tls,
            placeholders: Placeholders::new(&runtime.placeholder_key, plugin, listed)?,
            redactor: Redactor::new(destinations.iter().flat_map(Destination::all_secrets))?,
            slots: Semaphore::new(settings.limits.http_requests as usize),
            command_slots: Semaphore::new(settings.limits.commands as usize),
            resolver: runtime.resolver.clone(),
            kept: Kept::default(),
            clock: runtime.clock.clone(),
            destinations,
        })
    }

    /// Sends a request, if it may be sent, and answers with the whole response. What became of it is added to `requests`.
    ///
    /// # Errors
    ///
    /// [`Error::HttpRequestDenied`] if no destination allows it, or not with the secrets in it; [`Error::DestinationIpProhibited`] if
    /// it leads to an address that is not granted; [`Error::ConnectionLimitReached`] if too many others are under way all
    /// the time; [`Error::HttpResponseTimeout`] after the destination's time; and whatever else can go wrong on the way.
    pub(super) async fn send(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
        idempotency_key: Option<&str>,
        requests: &Requests,
    ) -> Result<Response<WasiBody>, Error> {
        let mut progress = Progress::new(&request, requests);
        let (parts, mut body) = request.into_parts();
        let answer = self.attempt(parts, &mut body, options, idempotency_key, &mut progress).await;
        progress.sent.outcome = match &answer {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(self.redactor.text(&error.to_string()).into_owned()),
        };
        progress.note();
        if answer.is_err() {
            // Guests in JavaScript are aborted when nobody takes what they send.
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = tokio::time::timeout(REST, rest).await;
        }
        self.log(&progress.sent);
        Ok(answer?.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
    }

    async fn attempt(
        &self,
        mut parts: http::request::Parts,
        body: &mut WasiBody,
        options: RequestOptions,
        idempotency_key: Option<&str>,
        progress: &mut Progress<'_>,
    ) -> Result<Response<Bytes>, Error> {
        let (index, url) = self.admit(&mut parts, progress)?;
        let destination = &self.destinations[index];
        progress.note();

        let own = Instant::now() + destination.time;
        let deadline = progress.requests.until.map_or(own, |until| own.min(until));
        let slot = tokio::time::timeout_at(deadline, self.slots.acquire()).await;
        let _slot = slot.ok().and_then(Result::ok).ok_or(Error::ConnectionLimitReached)?;
        let talk = async {
            let body = self.fill_body(body, &parts.headers, destination, progress).await?;
            progress.sent.request_bytes = body.len();

            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = parts.method;
            *request.uri_mut() = url[url::Position::BeforePath..].parse().map_err(|_| Error::HttpRequestUriInvalid)?;
            *request.headers_mut() = self.headers(parts.headers, &url, idempotency_key)?;
            if let Some(signature) = &destination.sign {
                let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().as_millis());
                sign::sign(&mut request, &body, &url, signature, now)
                    .map_err(|reason| Error::InternalError(Some(format!("the request cannot be signed: {reason}"))))?;
                progress.sent.secrets.extend(signature.secrets().map(|secret| secret.name().to_owned()));
            }
            progress.note();
            // The destination's own time is kept around all of this: a second timer for it would end as another error.
            let limit = |wanted: Option<Duration>| wanted.unwrap_or(Duration::MAX);
            let within = limit(options.connect_timeout);
            let pauses = (limit(options.first_byte_timeout), limit(options.between_bytes_timeout));
            let place = Place::new(index, &url);
            let mut kept = self.kept.take(&place);
            loop {
                let was_kept = kept.is_some();
                let mut link = match kept.take() {
                    Some(link) => link,
                    None => self.connect(index, &url, within, &progress.sent).await?,
                };
                match link.exchange(request, destination.response_size, pauses).await {
                    Ok(response) => {
                        self.kept.keep(place, link);
                        return Ok(response);
                    }
                    // It was closed in this very moment.
                    Err(Failure { unsent: Some(again), .. }) if was_kept => request = *again,
                    Err(Failure { error, .. }) => return Err(error),
                }
            }
        };
        let response = tokio::time::timeout_at(deadline, talk).await.map_err(|_| Error::HttpResponseTimeout)??;
        progress.sent.response_bytes = response.body().len();
        self.redact(response)
    }

    /// A new connection to where `url` leads.
    async fn connect(&self, index: usize, url: &Url, within: Duration, sent: &Sent) -> Result<Link, Error> {
        let destination = &self.destinations[index];
        let stream = connect::connect(&*self.resolver, destination, &self.tls[index], url, within).await;
        if let Err(Error::DestinationIpProhibited) = stream {
            let reason = "its host stands for an address that is not public; to grant it write { url = \"...\", addresses = [\"...\"] }";
            self.denied(sent, reason);
        }
        Link::new(stream?).await
    }

    /// Whether a request would be sent, as far as can be said without a network. Puts the secrets into it.
    ///
    /// # Errors
    ///
    /// Those of [`Egress::send`].
    pub(super) async fn rehearse(&self, request: Request<WasiBody>) -> Result<(), Error> {
        let requests = Requests::default();
        let mut progress = Progress::new(&request, &requests);
        let (mut parts, mut body) = request.into_parts();
        let (index, _) = self.admit(&mut parts, &mut progress)?;
        self.fill_body(&mut body, &parts.headers, &self.destinations[index], &mut progress).await.map(drop)
    }

    /// Chooses the destination that a request may go to, and says where that is. Puts the secrets into the URL and the headers.
    fn admit(&self, parts: &mut http::request::Parts, progress: &mut Progress<'_>) -> Result<(usize, Url), Error> {
        let (Some(scheme), Some(authority)) = (parts.uri.scheme_str(), parts.uri.authority()) else {
            return Err(Error::HttpRequestUriInvalid);
        };
        // The host of a URL that has a secret in it is a part of the secret.
        let named = self.placeholders.name(&format!("{scheme}://{authority}"));
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = target::read(&self.placeholders.fill_url(scheme, authority.as_str(), path, &mut progress.used));
        let url = url.ok_or(Error::HttpRequestUriInvalid)?;
        let destination = named.unwrap_or_else(|| url.origin().ascii_serialization());
        progress.sent.destination = self.redactor.text(&destination).into_owned();
        let Some(index) = choose(&self.destinations, parts.method.as_str(), &url) else {
            let reason = "to grant it write http = [\"https://...\"] for the plugin in rules.toml";
            return Err(self.denied(&progress.sent, reason));
        };
        self.fill_headers(&mut parts.headers, &mut progress.used)?;
        self.check_secrets(&self.destinations[index], progress)?;
        Ok((index, url))
    }

    /// The body as it is sent, with its secrets, if the destination may receive it.
    async fn fill_body(
        &self,
        body: &mut WasiBody,
        headers: &HeaderMap,
        destination: &Destination,
        progress: &mut Progress<'_>,
    ) -> Result<Bytes, Error> {
        let too_large = || Error::HttpRequestBodySize(Some(destination.request_size));
        let body = collect(body, destination.request_size, too_large()).await?;
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let filled = self.placeholders.fill_body(&body, content_type.unwrap_or_default(), &mut progress.used);
        let body = match filled {
            std::borrow::Cow::Borrowed(_) => body.clone(),
            std::borrow::Cow::Owned(filled) => Bytes::from(filled),
        };
        self.check_secrets(destination, progress)?;
        if body.len() as u64 > destination.request_size {
            return Err(too_large());
        }
        Ok(body)
    }

    /// Puts secrets into headers.
    fn fill_headers(&self, headers: &mut HeaderMap, used: &mut Used) -> Result<(), Error> {
        for value in headers.values_mut() {
            if let std::borrow::Cow::Owned(filled) = self.placeholders.fill_header(value.as_bytes(), used) {
                // A secret that cannot stand in a header must not stand in the error either.
                *value = HeaderValue::from_maybe_shared(Bytes::from(filled)).map_err(|_| {
                    Error::InternalError(Some("a secret has characters that no header can have".to_owned()))
                })?;
                value.set_sensitive(true);
            }
        }
        Ok(())
    }

    /// The headers as they are sent, with those that are the host's to say.
    fn headers(&self, mut headers: HeaderMap, url: &Url, idempotency_key: Option<&str>) -> Result<HeaderMap, Error> {
        let host = url[url::Position::BeforeHost..url::Position::AfterPort].replacen(".:", ":", 1);
        let host = HeaderValue::from_str(host.trim_end_matches('.')).map_err(|_| Error::HttpRequestUriInvalid)?;
        headers.insert(header::HOST, host);
        // The body is another one once secrets are in it, and is sent whole.
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        if !self.redactor.is_empty() {
            // A secret cannot be found in what is compressed.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(key) = idempotency_key
            && !headers.contains_key(IDEMPOTENCY_KEY)
        {
            let key = HeaderValue::from_str(key).map_err(|_| Error::InternalError(None))?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        Ok(headers)
    }

    /// Whether a destination may receive what was put in.
    fn check_secrets(&self, destination: &Destination, progress: &Progress<'_>) -> Result<(), Error> {
        let listed = |name: &String| destination.secrets.iter().any(|secret| secret.name() == name);
        match progress.used.iter().find(|name| !listed(name)) {
            Some(name) => {
                let reason =
                    format!("it has the secret {name}; to grant it write secrets = [\"{name}\"] for {destination}");
                Err(self.denied(&progress.sent, &reason))
            }
            None => Ok(()),
        }
    }

    /// The response as the guest may see it.
    fn redact(&self, response: Response<Bytes>) -> Result<Response<Bytes>, Error> {
        if self.redactor.is_empty() {
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        let coding =
            parts.headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
        if let Some(coding) = coding.filter(|coding| !coding.eq_ignore_ascii_case("identity") && !body.is_empty()) {
            return Err(Error::HttpResponseContentCoding(Some(coding.into_owned())));
        }
        for value in parts.headers.values_mut() {
            if let std::borrow::Cow::Owned(redacted) = self.redactor.bytes(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&redacted).map_err(|_| Error::HttpProtocolError)?;
            }
        }
        let std::borrow::Cow::Owned(redacted) = self.redactor.bytes(&body) else {
            return Ok(Response::from_parts(parts, body));
        };
        if parts.headers.contains_key(header::CONTENT_LENGTH) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(redacted.len()));
        }
        Ok(Response::from_parts(parts, redacted.into()))
    }

    /// Says why a request is denied, to the operator; the guest is only told that it is.
    fn denied(&self, Sent { method, destination, .. }: &Sent, reason: &str) -> Error {
        tracing::warn!(target: "trialbridge::guest", plugin = self.plugin, method, destination, "request denied: {reason}");
        Error::HttpRequestDenied
    }

    fn log(&self, sent: &Sent) {
        let Sent { method, destination, outcome, request_bytes, response_bytes, secrets } = sent;
        let outcome = outcome.as_ref().map_or_else(Clone::clone, ToString::to_string);
        tracing::debug!(
            target: "trialbridge::guest",
            plugin = self.plugin, method, destination, outcome, request_bytes, response_bytes, ?secrets,
            "request"
        );
    }
}

impl<'r> Progress<'r> {
    fn new(request: &Request<WasiBody>, requests: &'r Requests) -> Self {
        let sent = Sent {
            method: request.method().to_string(),
            destination: String::new(),
            outcome: Err(NOT_FINISHED.to_owned()),
            request_bytes: 0,
            response_bytes: 0,
            secrets: Vec::new(),
        };
        let place = requests.begin(sent.clone());
        Self { sent, used: Used::new(), requests, place }
    }

    /// Notes what is known now.
    fn note(&mut self) {
        self.sent.secrets.extend(self.used.iter().cloned());
        self.sent.secrets.sort_unstable();
        self.sent.secrets.dedup();
        self.requests.update(self.place, &self.sent);
    }
}

/// The whole body of a request, which the guest may take its time to write.
async fn collect(body: &mut WasiBody, limit: u64, too_large: Error) -> Result<Bytes, Error> {
    exchange::collect(body, limit, Duration::from_secs(60 * 60), too_large).await
}
