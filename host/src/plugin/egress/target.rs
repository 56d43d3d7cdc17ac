//! The URL of a request, in the one form that grants are compared with.

use url::Url;

/// Reads the URL of a request.
///
/// Hosts become lower case and numbers become addresses (`http://2130706433/` is `http://127.0.0.1/`), and dots in paths are
/// followed, encoded or not, as by any client. `None` for what clients and servers read in different ways: user names, backslashes,
/// blanks and what is no URL at all.
pub(super) fn read(text: &str) -> Option<Url> {
    if text.bytes().any(|byte| byte == b'\\' || byte <= b' ' || byte == 0x7f) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && !authority(text).contains('@');
    (plain && url.has_host() && url.fragment().is_none()).then_some(url)
}

/// What stands between the scheme and the path.
fn authority(text: &str) -> &str {
    let start = text.find("://").map_or(0, |at| at + 3);
    text[start..].split(['/', '?', '#']).next().unwrap_or_default()
}
