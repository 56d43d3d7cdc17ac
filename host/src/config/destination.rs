//! Where a plugin's HTTP requests may go, and under which terms.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::Complaint;
use super::address::AddressRange;
use super::origin::Origin;
use super::path_prefix::PathPrefix;
use super::secret::Secret;

/// Methods that no destination can be asked with: the first makes a tunnel to anywhere, the second an echo of secret headers.
pub(super) const NEVER: [&str; 2] = ["CONNECT", "TRACE"];

/// Where a plugin's HTTP requests may go, and under which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Scheme, host and port.
    pub origin: Origin,
    /// What the path begins with.
    pub path: PathPrefix,
    /// The methods; nothing for all but `CONNECT` and `TRACE`.
    pub methods: Option<BTreeSet<String>>,
    /// The addresses that are not public and that its name may stand for all the same.
    pub addresses: Vec<AddressRange>,
    /// The secrets it may receive.
    pub secrets: Vec<Secret>,
    /// What the host signs requests with.
    pub sign: Option<AwsSignature>,
    /// The certificate authorities, in DER, that it may be certified by beside the public ones.
    pub authorities: Vec<Vec<u8>>,
    /// The longest that a request may last, from the guest's call to the last byte of the answer.
    pub time: Duration,
    /// The most bytes of a request's body.
    pub request_size: u64,
    /// The most bytes of a response's body.
    pub response_size: u64,
}

/// What requests to AWS are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSignature {
    /// The service as signatures name it: `s3`.
    pub service: String,
    /// The region: `eu-central-1`.
    pub region: String,
    /// The access key's id.
    pub access_key_id: Secret,
    /// The access key.
    pub secret_access_key: Secret,
    /// What temporary credentials have beside the key.
    pub session_token: Option<Secret>,
}

impl AwsSignature {
    /// The credentials.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.access_key_id, &self.secret_access_key].into_iter().chain(self.session_token.as_ref())
    }
}

impl Destination {
    /// A destination under the terms that hold unless others are said.
    pub(super) fn new(origin: Origin, path: PathPrefix) -> Self {
        Self {
            origin,
            path,
            methods: None,
            addresses: Vec::new(),
            secrets: Vec::new(),
            sign: None,
            authorities: Vec::new(),
            time: Duration::from_secs(10),
            request_size: 1 << 20,
            response_size: 4 << 20,
        }
    }

    /// Whether a request with this method may go to this URL.
    pub fn allows(&self, method: &str, url: &Url) -> bool {
        let method_allowed = match &self.methods {
            Some(methods) => methods.contains(method),
            None => !NEVER.contains(&method),
        };
        method_allowed && self.origin.allows(url) && self.path.allows(url.path())
    }

    /// Whether its host may stand for an address that is not public.
    pub fn reaches(&self, address: IpAddr) -> bool {
        self.origin.address() == Some(address) || self.addresses.iter().any(|range| range.contains(address))
    }

    /// Every secret of it, the signature's among them.
    pub fn all_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().chain(self.sign.iter().flat_map(AwsSignature::secrets))
    }
}

/// Which of the destinations `granted` a request goes by: of those that allow it the one that says most closely where, by its host and
/// then by its path; of several, the first.
pub fn choose(granted: &[Destination], method: &str, url: &Url) -> Option<usize> {
    let precision = |index: usize| (granted[index].origin.precision(), granted[index].path.len());
    let allowing = (0..granted.len()).filter(|index| granted[*index].allows(method, url));
    allowing.reduce(|best, other| if precision(other) > precision(best) { other } else { best })
}

/// Reads `https://hooks.slack.com/services/`: an origin, and perhaps the beginning of a path.
pub(super) fn parse_url(text: &str) -> Result<(Origin, PathPrefix), Complaint> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find('/').map_or(text.len(), |at| start + at);
    let (origin, path) = text.split_at(end);
    let origin: Origin = origin.parse().map_err(|complaint: Complaint| Complaint {
        message: complaint.message.replace(&format!("`{origin}`"), &format!("`{text}`")),
        ..complaint
    })?;
    if path.is_empty() {
        return Ok((origin, PathPrefix::default()));
    }
    let complain = || {
        let help = "write the beginning of a path as it stands in URLs, like https://hooks.slack.com/services/, without dots, encoded slashes, `?` and `#`";
        Complaint::new(format!("`{text}` has a path that no URL has"), help)
    };
    // A URL writes a path in one way, and that is what prefixes are compared with.
    let url = Url::parse(&format!("https://host{path}")).map_err(|_| complain())?;
    if url.path() != path || url.query().is_some() || url.fragment().is_some() {
        return Err(complain());
    }
    Ok((origin, PathPrefix::new(path).ok_or_else(complain)?))
}

/// As it is written.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}
