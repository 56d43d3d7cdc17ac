//! Where HTTP requests may go.

use std::fmt;
use std::str::FromStr;

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

/// Lower case, without a dot behind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// This one.
    Exact(String),
    /// Those whose name ends like this, which begins with a dot.
    Below(String),
}

impl Origin {
    /// Whether a request may go there. Letters of either case are the same, and so is a host with a dot behind.
    pub fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let host_allowed = match &self.host {
            Host::Exact(name) => host == *name,
            Host::Below(domain) => host.len() > domain.len() && host.ends_with(domain.as_str()),
        };
        self.scheme.name().eq_ignore_ascii_case(scheme) && self.port == port && host_allowed
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
            Host::Exact(name) => write!(f, "{}://{name}", self.scheme.name())?,
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
            let address: std::net::Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Exact(format!("[{address}]")));
        }
        let (below, domain) = match name.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, name.as_str()),
        };
        let label = |label: &str| {
            let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            plain && !label.is_empty() && label.len() <= 63
        };
        if domain.len() > 253 || !domain.split('.').all(label) {
            return None;
        }
        Some(if below { Self::Below(format!(".{domain}")) } else { Self::Exact(domain.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn origins_allow_what_they_say() {
        for (origin, scheme, host, port, allowed) in [
            ("https://api.example.com", "https", "api.example.com", 443, true),
            ("https://api.example.com", "https", "API.Example.com.", 443, true),
            ("https://api.example.com", "http", "api.example.com", 443, false),
            ("https://api.example.com", "https", "api.example.com", 8443, false),
            ("https://api.example.com", "https", "x.api.example.com", 443, false),
            ("https://*.example.com:8443", "https", "a.b.example.com", 8443, true),
            ("https://*.example.com", "https", "example.com", 443, false),
            ("https://*.example.com", "https", ".example.com", 443, false),
            ("https://*.example.com", "https", "evilexample.com", 443, false),
            ("https://*.example.com", "https", "a.example.com.evil.org", 443, false),
            ("http://localhost:8080", "http", "localhost", 8080, true),
            ("http://127.0.0.1", "http", "127.0.0.1", 80, true),
            ("http://[0:0::1]:81", "http", "[::1]", 81, true),
        ] {
            let parsed: Origin = origin.parse().expect("an origin");
            assert_eq!(parsed.allows(scheme, host, port), allowed, "{origin} for {scheme}://{host}:{port}");
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
            "HTTPS://a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
