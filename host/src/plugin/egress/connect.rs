//! Connections: a name is looked up once, its addresses are checked, and the connection goes to an address that was checked.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use wasmtime_wasi_http::Error;

use super::address::is_public;
use crate::config::Destination;

/// Looks names of hosts up.
pub trait Resolver: Send + Sync {
    /// The addresses of a host, those to be tried first before the others.
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

/// Asks the system, and with it its hosts file and its name servers.
#[derive(Debug, Default)]
pub struct SystemResolver;

/// What requests and answers pass through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// What TLS needs to know to connect to a destination.
pub(super) fn tls(destination: &Destination) -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in &destination.authorities {
        roots.add(CertificateDer::from(authority.as_slice()).into_owned())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects to where `url` leads, within `limit`.
///
/// # Errors
///
/// [`Error::DestinationIpProhibited`] if it only leads to addresses that are neither public nor granted; else what the network or TLS
/// says.
pub(super) async fn connect(
    resolver: &dyn Resolver,
    destination: &Destination,
    tls: &TlsConnector,
    url: &Url,
    limit: Duration,
) -> Result<Box<dyn Stream>, Error> {
    let port = url.port_or_known_default().ok_or(Error::HttpRequestUriInvalid)?;
    let (addresses, name) = match url.host() {
        Some(Host::Ipv4(address)) => (vec![IpAddr::V4(address)], ServerName::IpAddress(IpAddr::V4(address).into())),
        Some(Host::Ipv6(address)) => (vec![IpAddr::V6(address)], ServerName::IpAddress(IpAddr::V6(address).into())),
        Some(Host::Domain(host)) => {
            let host = host.strip_suffix('.').unwrap_or(host);
            let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?;
            let found = resolver.resolve(host).await;
            (found.map_err(|_| Error::DnsError { rcode: None, info_code: None })?, name)
        }
        None => return Err(Error::HttpRequestUriInvalid),
    };
    if addresses.is_empty() {
        return Err(Error::DnsError { rcode: None, info_code: None });
    }
    let allowed: Vec<IpAddr> =
        addresses.into_iter().filter(|address| is_public(*address) || destination.reaches(*address)).collect();
    if allowed.is_empty() {
        return Err(Error::DestinationIpProhibited);
    }
    let stream = connect_first(&allowed, port, limit).await?;
    if url.scheme() != "https" {
        return Ok(Box::new(stream));
    }
    match tokio::time::timeout(limit, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(tls_error(&error)),
        Err(_) => Err(Error::ConnectionTimeout),
    }
}

/// Connects to the first address that answers. Each has its share of the time, so that one that is silent leaves some for the others.
async fn connect_first(addresses: &[IpAddr], port: u16, limit: Duration) -> Result<TcpStream, Error> {
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = Error::DestinationUnavailable;
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                // Requests are written in one piece; what is small need not wait for more.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => last = Error::ConnectionRefused,
            Ok(Err(error)) => last = Error::Connect(error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last)
}

/// What TLS says, in the words of wasi:http.
fn tls_error(error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}
