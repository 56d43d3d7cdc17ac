//! A server that plugins talk to, over HTTP or HTTPS, and that remembers what it was asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// A server on a port of its own. What it answers depends on the path:
///
/// | path | answer |
/// |---|---|
/// | `/redirect?URL` | 302, to that URL |
/// | `/size?BYTES` | so many bytes, without saying so before |
/// | `/silence` | none |
/// | `/closing` | 200, and the end of the connection, of which the answer says nothing |
/// | `/held` | 200, once the test lets one go |
/// | `/failing?TIMES` | 503 so many times, then 200 |
/// | `/compressed` | 200, in gzip as it says |
/// | any, to an [`Answer`] that has one | that |
/// | any other | 200, with the request as its body and its `authorization` in a header `x-authorization` |
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<State>,
}

/// What a test answers to a request itself: the status, headers with their ends of lines, and the body; nothing for what is not its own.
pub(crate) type Answer = Box<dyn Fn(&Seen) -> Option<(u16, String, String)> + Send + Sync>;

struct State {
    answer: Answer,
    seen: Mutex<Vec<Seen>>,
    /// How many connections there were.
    connections: AtomicUsize,
    /// The answers that are held and may go.
    released: Semaphore,
    held: AtomicUsize,
    most_held: AtomicUsize,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The first line and the headers, whose names are lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What was asked for: the path and the query.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

impl Server {
    /// A server for HTTP.
    pub(crate) async fn http() -> Self {
        Self::start(Ipv4Addr::LOCALHOST.into(), None, Box::new(|_| None)).await
    }

    /// The same, where `[::1]` is.
    pub(crate) async fn http_on_ipv6() -> Self {
        Self::start(Ipv6Addr::LOCALHOST.into(), None, Box::new(|_| None)).await
    }

    /// A server for HTTPS whose certificate is for `names`, and the certificate, in PEM, of the authority that vouches for it.
    pub(crate) async fn https(names: &[&str]) -> (Self, String) {
        Self::https_answering(names, Box::new(|_| None)).await
    }

    /// The same, which answers as the test says.
    pub(crate) async fn https_answering(names: &[&str], answer: Answer) -> (Self, String) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let issuer = Issuer::new(authority, authority_key);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        (Self::start(Ipv4Addr::LOCALHOST.into(), Some(TlsAcceptor::from(Arc::new(config))), answer).await, pem)
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many connections there were so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Lets one held answer go.
    pub(crate) fn release(&self) {
        self.state.released.add_permits(1);
    }

    /// How many answers were held at one time, at most.
    pub(crate) fn most_held(&self) -> usize {
        self.state.most_held.load(Ordering::SeqCst)
    }

    async fn start(address: IpAddr, tls: Option<TlsAcceptor>, answer: Answer) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((address, 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            answer,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            released: Semaphore::new(0),
            held: AtomicUsize::new(0),
            most_held: AtomicUsize::new(0),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        // A client that does not believe the certificate ends the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                state.serve(stream).await;
                            }
                        }
                        None => state.serve(stream).await,
                    }
                });
            }
        });
        Self { port, state }
    }
}

impl State {
    /// Answers what comes over one connection.
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        while self.answer_next(&mut stream).await.is_some() {}
        let _ = stream.shutdown().await;
    }

    /// Answers one request. `None` if there is no other to come.
    async fn answer_next(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<()> {
        let seen = receive(stream).await?;
        let target = seen.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        self.seen.lock().unwrap().push(seen.clone());
        if let Some((status, headers, body)) = (self.answer)(&seen) {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {length}\r\n\r\n{body}");
            return stream.write_all(answer.as_bytes()).await.ok();
        }
        let answer = match path {
            "/redirect" => format!("HTTP/1.1 302 Found\r\nlocation: {query}\r\ncontent-length: 0\r\n\r\n"),
            "/size" => {
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(query.parse().unwrap()))
            }
            "/silence" => {
                let _ = stream.read(&mut [0]).await;
                return None;
            }
            "/held" => {
                self.most_held.fetch_max(self.held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let released = self.released.acquire().await.ok()?;
                released.forget();
                self.held.fetch_sub(1, Ordering::SeqCst);
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
            }
            "/failing" => {
                let times = self.seen.lock().unwrap().iter().filter(|seen| seen.target() == target).count();
                let status = if times <= query.parse().unwrap() { "503 Service Unavailable" } else { "200 OK" };
                format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok")
            }
            "/compressed" => "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx".to_owned(),
            _ => {
                let body = format!("{}\n{}", seen.head, seen.body);
                let authorization = seen.header("authorization").unwrap_or_default();
                let length = body.len();
                format!("HTTP/1.1 200 OK\r\nx-authorization: {authorization}\r\ncontent-length: {length}\r\n\r\n{body}")
            }
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        (!matches!(path, "/size" | "/closing")).then_some(())
    }
}

/// Reads one request. `None` if the client went away.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut seen = Seen { head, body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(seen)
}
