//! Where HTTP requests may go.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use url::Url;

use super::Complaint;

/// Where HTTP requests may go: a scheme, a host or all hosts below a domain, and a port.
///
/// Written `https://api.example.com`, `http://localhost:8080`, `https://*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Names are lower case, without a dot behind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// The host of this name.
    Name(String),
    /// Those whose name ends like this, which begins with a dot.
    Below(String),
    /// This address, and no name, whatever it resolves to.
    Address(IpAddr),
}

impl Origin {
    /// Whether a request may go there. A URL knows letters of one case only, and addresses in one form only; a host with a dot
    /// behind is the same host.
    pub fn allows(&self, url: &Url) -> bool {
        let host_allowed = match (&self.host, url.host()) {
            (Host::Name(name), Some(url::Host::Domain(host))) => plain(host) == name,
            (Host::Below(domain), Some(url::Host::Domain(host))) => {
                let host = plain(host);
                host.len() > domain.len() && host.ends_with(domain.as_str()) && !host.split('.').any(str::is_empty)
            }
            (Host::Address(address), Some(url::Host::Ipv4(host))) => *address == host,
            (Host::Address(address), Some(url::Host::Ipv6(host))) => *address == host,
            _ => false,
        };
        self.scheme.name() == url.scheme() && Some(self.port) == url.port_or_known_default() && host_allowed
    }

    /// The address, if it is one that is granted and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Address(address) => Some(address),
            Host::Name(_) | Host::Below(_) => None,
        }
    }

    /// How closely it says where: addresses and names more than all hosts below a domain, and those less than the ones below a
    /// subdomain of it.
    pub(super) fn precision(&self) -> usize {
        match &self.host {
            Host::Below(domain) => domain.len(),
            Host::Name(_) | Host::Address(_) => usize::MAX,
        }
    }
}

impl FromStr for Origin {
    type Err = Complaint;

    fn from_str(text: &str) -> Result<Self, Complaint> {
        let complain = |message: &str| {
            let help =
                "write a scheme, a host and perhaps a port, like https://api.example.com or https://*.example.com:8443";
            Complaint::new(format!("`{text}` {message}"), help)
        };
        let (scheme, authority) = match text.split_once("://") {
            Some(("https", authority)) => (Scheme::Https, authority),
            Some(("http", authority)) => (Scheme::Http, authority),
            _ => return Err(complain("does not begin with https:// or http://")),
        };
        if authority.contains(['/', '?', '#', '@']) {
            return Err(complain("has more than a scheme, a host and a port"));
        }
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => {
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
                (host, port.ok_or_else(|| complain("has a port that is not between 1 and 65535"))?)
            }
            None => (authority, scheme.port()),
        };
        let host = Host::new(host).ok_or_else(|| complain("has no valid host"))?;
        Ok(Self { scheme, host, port })
    }
}

/// As it is written; the port only where the scheme does not imply it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{}://{name}", self.scheme.name())?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{}://{address}", self.scheme.name())?,
            Host::Address(IpAddr::V6(address)) => write!(f, "{}://[{address}]", self.scheme.name())?,
            Host::Below(domain) => write!(f, "{}://*{domain}", self.scheme.name())?,
        }
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a request that names none.
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Host {
    fn new(text: &str) -> Option<Self> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        if let Some(address) = name.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return Some(Self::Address(address));
        }
        let (below, domain) = match name.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, name.as_str()),
        };
        let label = |label: &str| {
            let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            plain && !label.is_empty() && label.len() <= 63
        };
        // What a URL would take for an address that is written in another way, like 0x7f.1, is no name.
        let last = domain.rsplit('.').next().unwrap_or_default();
        let numeric = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
        if domain.len() > 253 || numeric || !domain.split('.').all(label) {
            return None;
        }
        Some(if below { Self::Below(format!(".{domain}")) } else { Self::Name(domain.to_owned()) })
    }
}

/// A host without the dot that may stand behind it.
fn plain(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn origins_are_written_as_they_are_read() {
        for (text, written) in [
            ("https://API.example.com.", "https://api.example.com"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[0:0::1]:81", "http://[::1]:81"),
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok(written));
        }
    }

    #[test]
    fn only_origins_are_origins() {
        for text in [
            "",
            "example.com",
            "ftp://a",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.b",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://a..b",
            "https://a b",
            "https://[::1",
            "https://[x]",
            "https://2130706433",
            "https://0x7f.1",
            "https://0177.0.0.1",
            "https://*.0.0.1",
            "HTTPS://a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
