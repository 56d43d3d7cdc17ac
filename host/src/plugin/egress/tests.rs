//! Where requests may go, as a table: what a guest asks for, what is granted, and what becomes of it.

use super::target;
use crate::config::Config;
use crate::config::destination::choose;

const RULES: &str = r#"
[secrets.slack]
file = "Cargo.toml"

[plugins.p]
http = [
    "https://api.example.com",
    "https://*.example.org:8443",
    "http://127.0.0.1:8080",
    "http://[::1]",
    "http://169.254.169.254/latest/",
    { url = "https://hooks.example.com/services/", methods = ["POST"] },
    { url = "https://hooks.example.com/services/public", methods = ["GET"] },
    "https://paths.example.com/a%20b/c",
    "https://deep.example.net/v1",
    "https://*.example.net",
]
"#;

/// The URL that is asked for, and the destination that allows a GET of it; `None` if none does.
const CASES: [(&str, Option<&str>); 79] = [
    ("https://api.example.com/", Some("https://api.example.com")),
    ("https://api.example.com", Some("https://api.example.com")),
    ("https://api.example.com/any/path?and=query", Some("https://api.example.com")),
    ("https://api.example.com:443/", Some("https://api.example.com")),
    ("HTTPS://API.Example.COM/", Some("https://api.example.com")),
    ("https://api.example.com./", Some("https://api.example.com")),
    ("https://%61pi.example.com/", Some("https://api.example.com")),
    // Dots, fullwidth letters and soft hyphens as browsers read them.
    ("https://api。example。com/", Some("https://api.example.com")),
    ("https://ａpi.example.com/", Some("https://api.example.com")),
    ("https://api.exam\u{ad}ple.com/", Some("https://api.example.com")),
    ("https://api.example.com../", None),
    ("http://api.example.com/", None),
    ("http://api.example.com:443/", None),
    ("https://api.example.com:8443/", None),
    ("https://api.example.com:0/", None),
    ("ftp://api.example.com/", None),
    ("https://x.api.example.com/", None),
    ("https://api.example.com.evil.test/", None),
    ("https://api-example.com/", None),
    ("https://evil.test/https://api.example.com/", None),
    ("https://evil.test#api.example.com", None),
    ("https://evil.test?api.example.com", None),
    ("https://api.example.com#fragment", None),
    // Whose host is it? Clients differ, so nobody's.
    ("https://api.example.com@evil.test/", None),
    ("https://evil.test@api.example.com/", None),
    ("https://user:password@api.example.com/", None),
    ("https://@api.example.com/", None),
    ("https://evil.test\\@api.example.com/", None),
    ("https://api.example.com\\.evil.test/", None),
    ("https:\\\\api.example.com/", None),
    ("https://api.example.com\t/", None),
    ("https://api.example.com /", None),
    (" https://api.example.com/", None),
    ("https://api.example.com/\r\nhost: evil.test", None),
    ("https://api.example.com\0.evil.test/", None),
    ("https:api.example.com/", Some("https://api.example.com")),
    ("https:///api.example.com/", Some("https://api.example.com")),
    ("//api.example.com/", None),
    ("api.example.com/", None),
    ("", None),
    // All hosts below a domain.
    ("https://a.example.org:8443/", Some("https://*.example.org:8443")),
    ("https://a.b.example.org:8443/", Some("https://*.example.org:8443")),
    ("https://example.org:8443/", None),
    ("https://.example.org:8443/", None),
    ("https://a..example.org:8443/", None),
    ("https://evilexample.org:8443/", None),
    ("https://a.example.org/", None),
    ("https://a.example.org:8443.evil.test/", None),
    ("https://a.example.net/x", Some("https://*.example.net")),
    ("https://deep.example.net/v1/x", Some("https://deep.example.net/v1")),
    ("https://deep.example.net/v2", Some("https://*.example.net")),
    // Addresses, in whichever way they are written.
    ("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080")),
    ("http://2130706433:8080/", Some("http://127.0.0.1:8080")),
    ("http://0x7f000001:8080/", Some("http://127.0.0.1:8080")),
    ("http://0177.0.0.1:8080/", Some("http://127.0.0.1:8080")),
    ("http://127.1:8080/", Some("http://127.0.0.1:8080")),
    ("http://127.0.0.1.:8080/", Some("http://127.0.0.1:8080")),
    ("http://127.0.0.2:8080/", None),
    ("http://127.0.0.1/", None),
    ("http://2130706433/", None),
    ("http://localhost:8080/", None),
    ("http://[::ffff:127.0.0.1]:8080/", None),
    ("http://[::127.0.0.1]:8080/", None),
    ("http://[::1]/", Some("http://[::1]")),
    ("http://[0:0:0:0:0:0:0:1]:80/", Some("http://[::1]")),
    ("http://[::1%25lo]/", None),
    ("http://[::2]/", None),
    ("http://169.254.169.254/latest/meta-data", Some("http://169.254.169.254/latest")),
    ("http://169.254.169.254/", None),
    ("http://2852039166/latest/meta-data", Some("http://169.254.169.254/latest")),
    ("http://[fd00:ec2::254]/latest/", None),
    // The beginnings of paths.
    ("https://paths.example.com/a%20b/c/d", Some("https://paths.example.com/a%20b/c")),
    ("https://paths.example.com/a%20b/cd", None),
    ("https://paths.example.com/a b/c", None),
    ("https://paths.example.com/a%20b/c/%2e%2E/%2e./admin", None),
    ("https://paths.example.com/x/../a%20b/c", Some("https://paths.example.com/a%20b/c")),
    ("https://paths.example.com//a%20b/c", None),
    ("https://paths.example.com/A%20b/c", None),
    ("https://api.example.com/group%2Fproject", Some("https://api.example.com")),
];

/// Paths below `/services/`, and whether they are allowed.
const PATHS: [(&str, bool); 24] = [
    ("/services/", true),
    ("/services", true),
    ("/services/T0/B0/x", true),
    ("/services/T0//x", true),
    ("/services/a.b/..c/...", true),
    ("/services/a;b=c", true),
    ("/services/%41?/../..", true),
    ("/servicesx", false),
    ("/service", false),
    ("/", false),
    ("/admin", false),
    ("/Services/x", false),
    ("//services/x", false),
    ("/%73ervices/x", false),
    ("/services/../admin", false),
    ("/services/%2e%2e/admin", false),
    ("/services/x/../../admin", false),
    ("/services/%252e%252e/admin", false),
    ("/services/..%2fadmin", false),
    ("/services/..%5Cadmin", false),
    ("/services/a%2Fb", false),
    ("/services/..;/admin", false),
    ("/services/%2e%2e%3bx/admin", false),
    ("/services%2f..%2fadmin", false),
];

fn destination(method: &str, url: &str) -> Option<String> {
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::parse(RULES, "rules.toml", base, base).unwrap_or_else(|problems| panic!("{problems}"));
    let granted = &config.plugins["p"].grants.http;
    let url = target::read(url)?;
    choose(granted, method, &url).map(|index| granted[index].to_string())
}

#[test]
fn requests_go_where_they_are_granted_and_nowhere_else() {
    for (url, allowed) in CASES {
        assert_eq!(destination("GET", url).as_deref(), allowed, "{url:?}");
    }
}

#[test]
fn paths_are_followed_before_they_are_compared() {
    for (path, allowed) in PATHS {
        let found = destination("POST", &format!("https://hooks.example.com{path}"));
        assert_eq!(found.is_some(), allowed, "{path}: {found:?}");
    }
}

#[test]
fn methods_are_those_of_the_destination_that_counts() {
    for (method, url, allowed) in [
        ("POST", "https://hooks.example.com/services/x", true),
        ("GET", "https://hooks.example.com/services/x", false),
        ("post", "https://hooks.example.com/services/x", false),
        ("GET", "https://hooks.example.com/services/public/x", true),
        ("POST", "https://hooks.example.com/services/public/x", true),
        ("DELETE", "https://api.example.com/", true),
        ("PROPFIND", "https://api.example.com/", true),
        ("CONNECT", "https://api.example.com/", false),
        ("TRACE", "https://api.example.com/", false),
    ] {
        assert_eq!(destination(method, url).is_some(), allowed, "{method} {url}");
    }
}
