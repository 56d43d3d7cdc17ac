//! Finds secrets in what a guest may see or the log may show, in the forms they come back in, and shows their names instead.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::secrets::{encode_json, encode_path, encode_query};
use crate::config::Secret;

/// The shortest form that is looked for beside a secret itself, in bytes: shorter ones turn up by chance.
const SHORTEST: usize = 6;

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
        for secret in secrets {
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

/// What a secret looks like when it comes back: as it is, percent-encoded, within JSON, in Base64 or hexadecimal, and, of one that is a
/// URL, without the scheme and the host.
fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut texts: BTreeSet<String> = BTreeSet::from([secret.to_owned()]);
    if let Some((_, rest)) = secret.split_once("://") {
        texts.insert(rest.to_owned());
        texts.extend(rest.find('/').map(|path| rest[path..].to_owned()));
    }
    let mut forms = BTreeSet::new();
    for text in texts {
        let strict = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let json = encode_json(&text).into_owned();
        let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let path = encode_path(&text).into_owned();
        forms.extend([lower_case_escapes(&path), path].map(String::into_bytes));
        forms.extend([encode_query(&text).into_owned(), lower_case_escapes(&strict), strict].map(String::into_bytes));
        forms.extend([encode_json(&text).replace('/', "\\/"), json].map(String::into_bytes));
        forms.extend([hexadecimal.to_uppercase(), hexadecimal].map(String::into_bytes));
        forms.extend((0..3).flat_map(|shift| in_base64(text.as_bytes(), shift)));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.insert(secret.as_bytes().to_vec());
    forms
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
        let secrets =
            [Secret::new("key", "p/s+w \"ö\" é"), Secret::new("hook", "https://hooks.slack.com/services/T0/B1/x?y")];
        let redactor = Redactor::new(secrets.iter()).expect("few secrets");
        for text in [
            "p/s+w \"ö\" é".to_owned(),
            r#"{"a":"p/s+w \"ö\" é"}"#.to_owned(),
            r#"{"a":"p\/s+w \"ö\" é"}"#.to_owned(),
            "k=p%2Fs%2Bw%20%22%C3%B6%22%20%C3%A9".to_owned(),
            "/p/s+w%20%22%C3%B6%22%20%C3%A9/x".to_owned(),
            "k=p%2fs%2bw%20%22%c3%b6%22%20%c3%a9".to_owned(),
            STANDARD.encode("p/s+w \"ö\" é"),
            STANDARD.encode("me:p/s+w \"ö\" é:and more"),
            STANDARD.encode("you:p/s+w \"ö\" é"),
            "702f732b772022c3b62220c3a9".to_owned(),
            "at https://hooks.slack.com/services/T0/B1/x?y.".to_owned(),
            "at /services/T0/B1/x?y".to_owned(),
        ] {
            let shown = redactor.text(&text);
            assert!(shown.contains("[secret key]") || shown.contains("[secret hook]"), "{text}: {shown}");
            assert!(!shown.contains("T0") && !shown.contains("s+w"), "{shown}");
        }
        assert_eq!(&*redactor.bytes(b"hooks.slack.com\xff"), b"hooks.slack.com\xff");
        assert!(Redactor::new([].iter()).expect("none").is_empty());
    }
}
