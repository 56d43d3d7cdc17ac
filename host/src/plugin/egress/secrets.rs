//! Placeholders: what a guest has instead of secrets, and how the host puts the secrets in their place.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// What must be encoded in a path. Not the slash: a secret may be several segments.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What must be encoded in a query and in a form.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes placeholders. It is another one after each start, so that nobody outside of the daemon can know a placeholder: otherwise
/// whoever gets a text into an event could have secrets put into messages.
pub(in crate::plugin) struct Key([u8; 32]);

/// The placeholders of a plugin, and the secrets they stand for.
pub(in crate::plugin) struct Placeholders {
    entries: Vec<Entry>,
    /// Finds the placeholders, in the order of the entries.
    finder: AhoCorasick,
}

struct Entry {
    secret: Secret,
    /// What the guest finds in its configuration: the token, behind the scheme if the secret is a URL.
    shown: String,
    /// What is replaced.
    token: String,
    /// What replaces it: the secret, without the scheme if it is a URL.
    value: String,
}

/// The names of the secrets that were put into a request.
pub(super) type Used = BTreeSet<String>;

/// How a secret is written into a text of some kind.
pub(super) type Encode = fn(&str) -> Cow<'_, str>;

impl Key {
    /// A random key.
    pub(in crate::plugin) fn new() -> Self {
        Self(rand::random())
    }

    /// The placeholder of a secret: of `a-z`, `0-9` and `-`, so that nothing that is done to texts changes it.
    fn token(&self, plugin: &str, secret: &str) -> String {
        let digest = Sha256::new().chain_update(self.0).chain_update(plugin).chain_update([0]).chain_update(secret);
        let digits: String = digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("secret-{secret}-{digits}")
    }
}

impl Placeholders {
    /// The placeholders of `secrets` for a plugin.
    pub(super) fn new<'s>(key: &Key, plugin: &str, secrets: impl Iterator<Item = &'s Secret>) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        for secret in secrets {
            if entries.iter().any(|entry| entry.secret.name() == secret.name()) {
                continue;
            }
            let value = secret.expose();
            let scheme =
                ["https://", "http://"].into_iter().find(|scheme| value.starts_with(scheme)).unwrap_or_default();
            let token = key.token(plugin, secret.name());
            entries.push(Entry {
                secret: secret.clone(),
                shown: format!("{scheme}{token}"),
                token,
                value: value[scheme.len()..].to_owned(),
            });
        }
        let finder = AhoCorasick::new(entries.iter().map(|entry| &entry.token)).map_err(|error| error.to_string())?;
        Ok(Self { entries, finder })
    }

    /// The text of a configuration with placeholders in the place of `${secret:NAME}`.
    pub(in crate::plugin) fn show(&self, config: String) -> String {
        self.entries
            .iter()
            .fold(config, |text, entry| text.replace(&format!("${{secret:{}}}", entry.secret.name()), &entry.shown))
    }

    /// The text with secrets in the place of the placeholders; those that there were are added to `used`.
    pub(super) fn fill<'t>(&self, text: &'t [u8], encode: Encode, used: &mut Used) -> Cow<'t, [u8]> {
        if !self.finder.is_match(text) {
            return Cow::Borrowed(text);
        }
        let mut filled = Vec::with_capacity(text.len());
        self.finder.replace_all_with_bytes(text, &mut filled, |found, _, filled| {
            let entry = &self.entries[found.pattern().as_usize()];
            used.insert(entry.secret.name().to_owned());
            filled.extend_from_slice(encode(&entry.value).as_bytes());
            true
        });
        Cow::Owned(filled)
    }

    /// The text with names in the place of the placeholders; `None` if there are none.
    pub(super) fn name(&self, text: &str) -> Option<String> {
        let names: Vec<String> = self.entries.iter().map(|entry| format!("[secret {}]", entry.secret.name())).collect();
        self.finder.is_match(text).then(|| self.finder.replace_all(text, &names))
    }

    /// The text with names in the place of what the guest has for secrets, with the scheme if it is a URL.
    pub(in crate::plugin) fn describe(&self, text: &str) -> String {
        let text = self.entries.iter().fold(text.to_owned(), |text, entry| {
            text.replace(&entry.shown, &format!("[secret {}]", entry.secret.name()))
        });
        self.name(&text).unwrap_or(text)
    }

    /// The URL of a request, with the secrets in their place. `path` is the path and the query.
    pub(super) fn fill_url(&self, scheme: &str, authority: &str, path: &str, used: &mut Used) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut text =
            |text: &str, encode| String::from_utf8_lossy(&self.fill(text.as_bytes(), encode, used)).into_owned();
        let mut url = format!("{scheme}://{}", text(authority, raw));
        // A placeholder that is a whole URL got a path that the guest did not mean.
        let whole = self.entries.iter().any(|entry| entry.token == authority);
        if !whole || path != "/" {
            let path = if whole && url.ends_with('/') { path.trim_start_matches('/') } else { path };
            url.push_str(&text(path, encode_path));
        }
        if let Some(query) = query {
            url.push('?');
            url.push_str(&text(query, encode_query));
        }
        url
    }

    /// The value of a header. The placeholders in a `Basic` authorization are seen through its encoding.
    pub(super) fn fill_header<'v>(&self, value: &'v [u8], used: &mut Used) -> Cow<'v, [u8]> {
        let encoded = value.split_at_checked(6).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "));
        if let Some(credentials) = encoded.and_then(|(_, encoded)| BASE64.decode(encoded.trim_ascii()).ok())
            && let Cow::Owned(filled) = self.fill(&credentials, raw, used)
        {
            return Cow::Owned(format!("Basic {}", BASE64.encode(filled)).into_bytes());
        }
        self.fill(value, raw, used)
    }

    /// A body, in which a secret is written as the kind of content demands.
    pub(super) fn fill_body<'b>(&self, body: &'b [u8], content_type: &str, used: &mut Used) -> Cow<'b, [u8]> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let encode = match essence.as_str() {
            "application/x-www-form-urlencoded" => encode_query,
            json if json.ends_with("/json") || json.ends_with("+json") => encode_json,
            _ => raw,
        };
        self.fill(body, encode, used)
    }
}

pub(super) fn raw(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(value)
}

pub(super) fn encode_path(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, PATH).into()
}

pub(super) fn encode_query(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, QUERY).into()
}

/// Within the quotes of a JSON string.
pub(super) fn encode_json(value: &str) -> Cow<'_, str> {
    let quoted = serde_json::Value::from(value).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::{BASE64, Key, Placeholders, Used, raw};
    use crate::config::Secret;
    use base64::Engine as _;

    fn placeholders() -> Placeholders {
        let secrets = [
            Secret::new("hook", "https://hooks.slack.com/services/T/B?x=1"),
            Secret::new("key", "a \"b\"/c&d"),
            Secret::new("base", "https://api.example.com/v1/"),
        ];
        Placeholders::new(&Key::new(), "p", secrets.iter()).expect("few secrets")
    }

    #[test]
    fn secrets_are_written_as_their_place_demands() {
        let placeholders = placeholders();
        let shown = |name: &str| placeholders.show(format!("${{secret:{name}}}"));
        let (hook, key, base) = (shown("hook"), shown("key"), shown("base"));
        assert!(hook.starts_with("https://secret-hook-") && key.starts_with("secret-key-"), "{hook} {key}");
        assert_ne!(
            key,
            Placeholders::new(&Key::new(), "p", [Secret::new("key", "x")].iter())
                .expect("one")
                .show("${secret:key}".to_owned())
        );

        let authority = |url: &str| url.strip_prefix("https://").expect("a URL").to_owned();
        for (authority, path, url) in [
            (authority(&hook), "/".to_owned(), "https://hooks.slack.com/services/T/B?x=1"),
            (authority(&base), "/trials".to_owned(), "https://api.example.com/v1/trials"),
            (authority(&base), "/?a=b".to_owned(), "https://api.example.com/v1/?a=b"),
            ("h".to_owned(), format!("/{key}?k={key}"), "https://h/a%20%22b%22/c&d?k=a%20%22b%22%2Fc%26d"),
            ("h".to_owned(), "/x?y".to_owned(), "https://h/x?y"),
        ] {
            assert_eq!(placeholders.fill_url("https", &authority, &path, &mut Used::new()), url);
        }

        let mut used = Used::new();
        let body = |kind: &str| {
            let filled = placeholders.fill_body(key.as_bytes(), kind, &mut Used::new()).into_owned();
            String::from_utf8(filled).expect("a text")
        };
        assert_eq!(body("application/json; charset=utf-8"), r#"a \"b\"/c&d"#);
        assert_eq!(body("application/x-www-form-urlencoded"), "a%20%22b%22%2Fc%26d");
        assert_eq!(body("text/plain"), r#"a "b"/c&d"#);
        let header = |value: String| {
            String::from_utf8(placeholders.fill_header(value.as_bytes(), &mut Used::new()).into_owned())
        };
        assert_eq!(header(format!("Bearer {key}")).as_deref(), Ok(r#"Bearer a "b"/c&d"#));
        let basic = format!("Basic {}", BASE64.encode(format!("me:{key}")));
        assert_eq!(header(basic), Ok(format!("Basic {}", BASE64.encode(r#"me:a "b"/c&d"#))));
        assert_eq!(&*placeholders.fill(b"nothing", raw, &mut used), b"nothing");
        assert!(used.is_empty());
        placeholders.fill(format!("{key} {hook}").as_bytes(), raw, &mut used);
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["hook", "key"]);
    }
}
