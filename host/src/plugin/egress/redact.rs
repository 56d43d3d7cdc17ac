//! Finds secrets in what a guest may see or the log may show, in the forms they come back in, and shows their names instead.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::secrets::{encode_json, encode_path, encode_query};
use crate::config::Secret;

/// The shortest form that is looked for beside a secret itself, in bytes: shorter ones turn up by chance.
const SHORTEST: usize = 6;

/// What is encoded in a form by browsers and Java.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// What is encoded by JavaScript's `encodeURIComponent`.
const COMPONENT: &AsciiSet = &FORM.remove(b'!').remove(b'~').remove(b'\'').remove(b'(').remove(b')');

/// What is encoded by Python's `quote`.
const SEGMENTS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Shows names instead of secrets.
pub(in crate::plugin) struct Redactor {
    /// Finds the forms; nothing if there are no secrets.
    finder: Option<AhoCorasick>,
    /// What is shown instead, for each form.
    shown: Vec<String>,
}

impl Redactor {
    /// What shows the names of `secrets`.
    pub(super) fn new<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Result<Self, String> {
        let mut found: BTreeSet<(Vec<u8>, String)> = BTreeSet::new();
        for secret in secrets.filter(|secret| !secret.is_stand_in()) {
            let shown = format!("[secret {}]", secret.name());
            found.extend(forms(secret.expose()).into_iter().map(|form| (form, shown.clone())));
        }
        let (forms, shown): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let finder =
            (!forms.is_empty()).then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms));
        Ok(Self { finder: finder.transpose().map_err(|error| error.to_string())?, shown })
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.finder.is_none()
    }

    /// The bytes, with names instead of secrets.
    pub(super) fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.finder {
            Some(finder) if finder.is_match(bytes) => Cow::Owned(finder.replace_all_bytes(bytes, &self.shown)),
            _ => Cow::Borrowed(bytes),
        }
    }

    /// The text, with names instead of secrets.
    pub(in crate::plugin) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.finder {
            Some(finder) if finder.is_match(text) => Cow::Owned(finder.replace_all(text, &self.shown)),
            _ => Cow::Borrowed(text),
        }
    }
}

/// What a secret looks like when it comes back: as it is, percent-encoded, within JSON or HTML, in Base64 or hexadecimal, and, of one that
/// is a URL, without the scheme and the host.
fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut texts: BTreeSet<String> = BTreeSet::from([secret.to_owned()]);
    if let Some((_, rest)) = secret.split_once("://") {
        texts.insert(rest.to_owned());
        texts.extend(rest.find('/').map(|path| rest[path..].to_owned()));
    }
    let mut forms = BTreeSet::new();
    for text in texts {
        forms.extend(in_urls(&text).map(String::into_bytes));
        forms.extend(in_json(&text).map(String::into_bytes));
        forms.extend(in_html(&text).map(String::into_bytes));
        let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([hexadecimal.to_uppercase(), hexadecimal].map(String::into_bytes));
        forms.extend((0..3).flat_map(|shift| in_base64(text.as_bytes(), shift)));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.insert(secret.as_bytes().to_vec());
    forms
}

/// As the encoders of URLs and forms write it, which differ in what they leave as it is, in the case of the digits, and in the blank.
fn in_urls(text: &str) -> impl Iterator<Item = String> {
    let encoded = [NON_ALPHANUMERIC, FORM, COMPONENT, SEGMENTS].map(|set| utf8_percent_encode(text, set).to_string());
    let encoded = encoded.into_iter().chain([encode_path(text).into_owned(), encode_query(text).into_owned()]);
    let encoded = encoded.flat_map(|form| [lower_case_escapes(&form), form]);
    encoded.flat_map(|form| [form.replace("%20", "+"), form])
}

/// As the encoders of JSON write it, which differ in what they escape by its number, in the case of the digits, and in the slash.
fn in_json(text: &str) -> impl Iterator<Item = String> {
    let json = encode_json(text).into_owned();
    let kinds: [fn(char) -> bool; 6] = [
        |_| false,
        // Go, and Ruby on Rails.
        |found| "<>&\u{2028}\u{2029}".contains(found),
        // Gson.
        |found| "<>&='\u{2028}\u{2029}".contains(found),
        // Python and PHP.
        |found| !found.is_ascii(),
        // The two together, for what stands within HTML.
        |found| !found.is_ascii() || "<>&'".contains(found),
        // .NET.
        |found| !found.is_ascii() || "<>&'+`".contains(found),
    ];
    let numbered = kinds.into_iter().flat_map(move |kind| {
        [(kind, lower as fn(u16) -> String), (kind, upper)].map(|(kind, number)| by_number(&json, kind, number))
    });
    let quoted = numbered.flat_map(|form| [form.replace("\\\"", "\\u0022"), form]);
    quoted.flat_map(|form| [form.replace('/', "\\/"), form])
}

/// A text of JSON in which some characters are escaped by their numbers.
fn by_number(json: &str, escaped: fn(char) -> bool, number: fn(u16) -> String) -> String {
    let mut units = [0; 2];
    json.chars().fold(String::new(), |mut text, found| {
        if escaped(found) {
            text.extend(found.encode_utf16(&mut units).iter().map(|unit| number(*unit)));
        } else {
            text.push(found);
        }
        text
    })
}

fn lower(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

fn upper(unit: u16) -> String {
    format!("\\u{unit:04X}")
}

/// As the encoders of HTML and XML write it, which differ in the quotes, and in whether they escape more than they must.
fn in_html(text: &str) -> impl Iterator<Item = String> {
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = ["\"", "&quot;", "&#34;"].into_iter().flat_map(move |quote| {
        let apostrophes = ["'", "&#39;", "&#x27;", "&#039;", "&apos;"];
        apostrophes.map(|apostrophe| html.replace('"', quote).replace('\'', apostrophe))
    });
    let more = [('/', "&#x2F;"), ('=', "&#x3D;"), ('`', "&#x60;")];
    let eager = move |form: &str| more.iter().fold(form.to_owned(), |form, (from, to)| form.replace(*from, to));
    let quoted = quoted.flat_map(move |form| [eager(&form), form]);
    quoted.flat_map(|form| [only_ascii(&form), form])
}

/// A text of HTML in which the characters beyond ASCII are references.
fn only_ascii(html: &str) -> String {
    html.chars().fold(String::new(), |mut text, found| {
        if found.is_ascii() {
            text.push(found);
        } else {
            text.push_str(&format!("&#{};", u32::from(found)));
        }
        text
    })
}

/// `%2f` instead of `%2F`.
fn lower_case_escapes(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let (escape, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        format!("{text}%{}{rest}", escape.to_ascii_lowercase())
    })
}

/// The part of the Base64 of a text that depends on `bytes` alone, if so many bytes modulo 3 stand before them there.
fn in_base64(bytes: &[u8], shift: usize) -> [Vec<u8>; 2] {
    let mut shifted = vec![0; shift];
    shifted.extend_from_slice(bytes);
    // Each character is six bits; those that hold bits of what stands before or behind are cut off.
    let (first, last) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
    [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)].map(|text| text.as_bytes()[first.min(last)..last].to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Redactor, STANDARD};
    use crate::config::Secret;
    use base64::Engine as _;

    #[test]
    fn secrets_are_found_in_every_form() {
        const KEY: &str = "p/s+w \"ö\" é<'&=`😀";
        let secrets = [Secret::new("key", KEY), Secret::new("hook", "https://hooks.slack.com/services/T0/B1/x?y&z")];
        let redactor = Redactor::new(secrets.iter()).expect("few secrets");
        for text in [
            KEY.to_owned(),
            // URLs and forms: strict, Python's quote and quote_plus, JavaScript's encodeURIComponent, browsers.
            "k=p%2Fs%2Bw%20%22%C3%B6%22%20%C3%A9%3C%27%26%3D%60%F0%9F%98%80".to_owned(),
            "k=p%2fs%2bw%20%22%c3%b6%22%20%c3%a9%3c%27%26%3d%60%f0%9f%98%80".to_owned(),
            "k=p/s%2Bw%20%22%C3%B6%22%20%C3%A9%3C%27%26%3D%60%F0%9F%98%80".to_owned(),
            "k=p%2Fs%2Bw+%22%C3%B6%22+%C3%A9%3C%27%26%3D%60%F0%9F%98%80".to_owned(),
            "k=p%2Fs%2Bw%20%22%C3%B6%22%20%C3%A9%3C'%26%3D%60%F0%9F%98%80".to_owned(),
            "/p/s+w%20%22%C3%B6%22%20%C3%A9%3C'&=%60%F0%9F%98%80/x".to_owned(),
            // JSON: serde and JavaScript, PHP, Go, Gson, Python, .NET.
            r#"{"a":"p/s+w \"ö\" é<'&=`😀"}"#.to_owned(),
            r#"{"a":"p\/s+w \"\u00f6\" \u00e9<'&=`\ud83d\ude00"}"#.to_owned(),
            r#"{"a":"p/s+w \"ö\" é\u003c'\u0026=`😀"}"#.to_owned(),
            r#"{"a":"p/s+w \"ö\" é\u003c\u0027\u0026\u003d`😀"}"#.to_owned(),
            r#"{"a":"p/s+w \"\u00f6\" \u00e9<'&=`\ud83d\ude00"}"#.to_owned(),
            r#"{"a":"p/s\u002Bw \u0022\u00F6\u0022 \u00E9\u003C\u0027\u0026=\u0060\uD83D\uDE00"}"#.to_owned(),
            // HTML and XML: Python, Go, PHP, XML, mustache, and in ASCII alone.
            "<p>p/s+w &quot;ö&quot; é&lt;&#x27;&amp;=`😀".to_owned(),
            "<p>p/s+w &#34;ö&#34; é&lt;&#39;&amp;=`😀".to_owned(),
            "<p>p/s+w &quot;ö&quot; é&lt;&#039;&amp;=`😀".to_owned(),
            "<p>p/s+w \"ö\" é&lt;'&amp;=`😀".to_owned(),
            "<p>p/s+w &quot;ö&quot; é&lt;&apos;&amp;=`😀".to_owned(),
            "<p>p&#x2F;s+w &quot;ö&quot; é&lt;&#39;&amp;&#x3D;&#x60;😀".to_owned(),
            "<p>p/s+w &quot;&#246;&quot; &#233;&lt;&#x27;&amp;=`&#128512;".to_owned(),
            STANDARD.encode(KEY),
            STANDARD.encode(format!("me:{KEY}:and more")),
            STANDARD.encode(format!("you:{KEY}")),
            "702f732b772022c3b62220c3a93c27263d60f09f9880".to_owned(),
            "at https://hooks.slack.com/services/T0/B1/x?y&z.".to_owned(),
            "at /services/T0/B1/x?y&amp;z".to_owned(),
            r#"{"at":"https://hooks.slack.com/services/T0/B1/x?y\u0026z"}"#.to_owned(),
        ] {
            let shown = redactor.text(&text);
            assert!(shown.contains("[secret key]") || shown.contains("[secret hook]"), "{text}: {shown}");
            assert!(!shown.contains("T0") && !shown.contains("s+w"), "{shown}");
            assert!(shown.len() < 60, "all of it is found: {shown}");
        }
        assert_eq!(&*redactor.bytes(b"hooks.slack.com\xff"), b"hooks.slack.com\xff");
        assert!(Redactor::new([].iter()).expect("none").is_empty());
    }
}
