//! Secrets, and where plugins' requests may go.

use std::collections::BTreeMap;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Bytes, Compiler, name};
use crate::config::Outside;
use crate::config::authored::{self, Named, Spanned};
use crate::config::destination::{NEVER, parse_url};
use crate::config::secret::Source;
use crate::config::{AwsSignature, Destination, Secret};
use crate::pattern::suggest;
use crate::pattern::value::{Kind, Span, Value};

/// The secrets by name; nothing for those that have a problem of their own.
pub(super) type Secrets = BTreeMap<String, Option<Secret>>;

/// What a placeholder of a secret begins with, in a plugin's configuration.
const PLACEHOLDER: &str = "${secret:";

/// The largest body that a destination can allow, in bytes. It is in memory as a whole while a request is under way.
const MAX_BODY: u64 = 64 << 20;

impl Compiler<'_> {
    pub(super) fn secrets(&mut self, authored: Named<Spanned<authored::Secret>>) -> Secrets {
        let mut secrets = Secrets::new();
        for (name, secret) in authored {
            self.name(&name::SECRET, &name);
            let secret = self.place(&secret).and_then(|(span, source)| self.secret(&span, &name.value, &source));
            secrets.insert(name.value, secret);
        }
        secrets
    }

    /// Where a secret is, and where that is written.
    fn place(&mut self, authored: &Spanned<authored::Secret>) -> Option<(Span, Source)> {
        match (&authored.value.env, &authored.value.file) {
            (Some(variable), None) => Some((variable.span.clone(), Source::Environment(variable.value.clone()))),
            (None, Some(file)) => Some((file.span.clone(), Source::File(self.path(file)))),
            (Some(_), Some(file)) => {
                self.complain(&file.span, "a secret cannot be in two places", "write either `env` or `file`");
                None
            }
            (None, None) => {
                let help = "write env = \"VARIABLE\" or file = \"PATH\"";
                self.complain(&authored.span, "it is not said where the secret is", help);
                None
            }
        }
    }

    fn secret(&mut self, span: &Span, name: &str, source: &Source) -> Option<Secret> {
        if self.outside == Outside::Ignored {
            return Some(Secret::stand_in(name, ""));
        }
        match source.read() {
            Ok(value) => Some(Secret::new(name, value)),
            Err(reason) => {
                let help = match source {
                    Source::Environment(_) => "start the daemon with it, or keep the secret in a file: file = \"PATH\"",
                    Source::File(_) => "write the secret there; relative paths start from the folder of this file",
                };
                self.complain(span, format!("the secret `{name}` cannot be read: {reason}"), help);
                None
            }
        }
    }

    pub(super) fn destination(&mut self, authored: &authored::Destination, secrets: &Secrets) -> Option<Destination> {
        let url =
            parse_url(&authored.url.value).map_err(|complaint| self.problems.complain(&authored.url.span, complaint));
        let addresses = authored.addresses.iter().filter_map(|range| {
            range.value.parse().map_err(|complaint| self.problems.complain(&range.span, complaint)).ok()
        });
        let addresses = addresses.collect();
        let methods = authored.methods.as_ref().map(|methods| {
            if methods.value.is_empty() {
                self.complain(
                    &methods.span,
                    "no method at all is allowed",
                    "write one, like \"POST\", or leave this out",
                );
            }
            methods.value.iter().map(|method| self.method(method)).collect()
        });
        let allowed: Vec<Secret> = authored.secrets.iter().filter_map(|name| self.known(name, secrets)).collect();
        let sign = authored.sign.as_ref().and_then(|sign| self.aws(&sign.aws, secrets));
        let authorities = authored.certificate_authority.as_ref().map(|file| self.certificates(file));
        let seconds = (std::time::Duration::from_millis(1), std::time::Duration::from_secs(60 * 60));
        let sizes = (Bytes(0), Bytes(MAX_BODY));
        let (origin, path) = url.ok()?;
        let default = Destination::new(origin, path);
        // A secret can be a whole URL, and its stand-in has to be as good.
        let stand_in = |secret: Secret| match secret.is_stand_in() {
            true => Secret::stand_in(secret.name(), default.to_string()),
            false => secret,
        };
        let allowed = allowed.into_iter().map(stand_in).collect();
        Some(Destination {
            methods,
            addresses,
            secrets: allowed,
            sign,
            authorities: authorities.unwrap_or_default(),
            time: self.within("time", &authored.time, default.time, seconds),
            request_size: self.within("request-size", &authored.request_size, Bytes(default.request_size), sizes).0,
            response_size: self.within("response-size", &authored.response_size, Bytes(default.response_size), sizes).0,
            ..default
        })
    }

    fn method(&mut self, method: &Spanned<String>) -> String {
        let text = method.value.as_str();
        if NEVER.contains(&text) {
            let help = "leave it out: it would reach more than the destination, or show what is secret";
            self.complain(&method.span, format!("`{text}` is never allowed"), help);
        } else if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            self.complain(&method.span, format!("`{text}` is no method"), "write it in capitals, like \"POST\"");
        }
        text.to_owned()
    }

    /// The secret of a name, if nothing is wrong with it.
    fn known(&mut self, name: &Spanned<String>, secrets: &Secrets) -> Option<Secret> {
        if let Some(secret) = secrets.get(&name.value) {
            return secret.clone();
        }
        let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
        let help = match suggest::closest(&name.value, names.iter().copied()) {
            Some(closest) => format!("did you mean `{closest}`?"),
            None => format!("say where it is: [secrets.{}] with env = \"VARIABLE\" or file = \"PATH\"", name.value),
        };
        self.complain(&name.span, format!("there is no secret `{}`", name.value), help);
        None
    }

    fn aws(&mut self, authored: &Spanned<authored::Aws>, secrets: &Secrets) -> Option<AwsSignature> {
        let Spanned { span, value: aws } = authored;
        for text in [&aws.service, &aws.region] {
            let plain =
                text.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if text.value.is_empty() || !plain {
                let help = "write it as signatures have it, like \"s3\" and \"eu-central-1\"";
                self.complain(&text.span, format!("`{}` is neither a service nor a region of AWS", text.value), help);
            }
        }
        let session_token = aws.session_token.as_ref().and_then(|name| self.known(name, secrets));
        let (access_key_id, secret_access_key, session_token) = match (&aws.access_key_id, &aws.secret_access_key) {
            (Some(id), Some(key)) => (self.known(id, secrets), self.known(key, secrets), session_token),
            (None, None) if aws.session_token.is_none() => {
                let mut variable = |name: &str| self.secret(span, name, &Source::Environment(name.to_owned()));
                let (id, key) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
                let token = std::env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty());
                (id, key, token.map(|token| Secret::new("AWS_SESSION_TOKEN", token)))
            }
            _ => {
                let help =
                    "name the secrets of both, access-key-id = \"...\" and secret-access-key = \"...\", or of nothing";
                self.complain(span, "credentials have an id and a key", help);
                return None;
            }
        };
        Some(AwsSignature {
            service: aws.service.value.clone(),
            region: aws.region.value.clone(),
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token,
        })
    }

    fn certificates(&mut self, file: &Spanned<String>) -> Vec<Vec<u8>> {
        let path = self.path(file);
        if self.outside == Outside::Ignored {
            return Vec::new();
        }
        let certificates = CertificateDer::pem_file_iter(&path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
        let reason = match certificates {
            Ok(certificates) if !certificates.is_empty() => {
                let mut roots = rustls::RootCertStore::empty();
                match certificates.iter().try_for_each(|certificate| roots.add(certificate.clone())) {
                    Ok(()) => return certificates.iter().map(|certificate| certificate.to_vec()).collect(),
                    Err(error) => error.to_string(),
                }
            }
            Ok(_) => "it has no certificate".to_owned(),
            Err(rustls::pki_types::pem::Error::Io(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let help = "name a file of certificates in PEM; relative paths start from the folder of this file";
        self.complain(&file.span, format!("the certificates in {} cannot be used: {reason}", path.display()), help);
        Vec::new()
    }

    /// Complains about placeholders in a plugin's configuration that can never be sent anywhere.
    pub(super) fn placeholders(&mut self, plugin: &authored::Plugin) {
        let listed: Vec<&str> =
            plugin.http.iter().flat_map(|destination| &destination.secrets).map(|name| name.value.as_str()).collect();
        for (_, value) in &plugin.config {
            self.placeholders_in(value, &listed);
        }
    }

    fn placeholders_in(&mut self, value: &Value, listed: &[&str]) {
        match &value.kind {
            Kind::String(text) => {
                for rest in text.split(PLACEHOLDER).skip(1) {
                    let Some((name, _)) = rest.split_once('}') else {
                        self.complain(&value.span, "a placeholder of a secret has no end", "write ${secret:NAME}");
                        continue;
                    };
                    if !listed.contains(&name) {
                        let message = format!("no destination of this plugin may receive the secret `{name}`");
                        let help = match suggest::closest(name, listed.iter().copied()) {
                            Some(closest) => format!("did you mean `{closest}`?"),
                            None => format!("add it to one: http = [{{ url = \"...\", secrets = [\"{name}\"] }}]"),
                        };
                        self.complain(&value.span, message, help);
                    }
                }
            }
            Kind::Array(items) => items.iter().for_each(|item| self.placeholders_in(item, listed)),
            Kind::Object(members) => members.iter().for_each(|(_, member)| self.placeholders_in(member, listed)),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
        }
    }
}
