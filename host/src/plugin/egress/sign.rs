//! Signatures for AWS: Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use tracing::subscriber::NoSubscriber;
use url::Url;

use crate::config::AwsSignature;

/// Headers that belong to a signature: a guest's own would contradict it.
const OWN: [&str; 4] = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// The services that take a path as it is, and want the checksum of the body in a header.
const PLAIN: [&str; 4] = ["s3", "s3express", "s3-outposts", "s3-object-lambda"];

/// Adds the headers of the signature. `url` is where the request goes; its `Host` must be there already.
///
/// # Errors
///
/// If a header is not a text.
pub(super) fn sign(
    request: &mut Request<Full<Bytes>>,
    body: &[u8],
    url: &Url,
    signature: &AwsSignature,
    now: SystemTime,
) -> Result<(), String> {
    for name in OWN {
        request.headers_mut().remove(name);
    }
    let mut settings = SigningSettings::default();
    if PLAIN.contains(&signature.service.as_str()) {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let token = signature.session_token.as_ref().map(|token| token.expose().to_owned());
    let identity = Credentials::new(
        signature.access_key_id.expose(),
        signature.secret_access_key.expose(),
        token,
        None,
        "rules.toml",
    )
    .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&signature.region)
        .name(&signature.service)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let instructions = {
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .map(|(name, value)| {
                Ok((name.as_str(), value.to_str().map_err(|_| format!("the header {name} is no text"))?))
            })
            .collect::<Result<_, String>>()?;
        let signable = SignableRequest::new(
            request.method().as_str(),
            url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body),
        )
        .map_err(|error| error.to_string())?;
        // The crate writes what it signs into its trace, and a guest's headers may have other secrets.
        let signed = tracing::subscriber::with_default(NoSubscriber::default(), || {
            aws_sigv4::http_request::sign(signable, &parameters)
        });
        signed.map_err(|error| error.to_string())?.into_parts().0
    };
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let mut value = http::HeaderValue::from_str(header.value()).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        request.headers_mut().insert(header.name(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::Request;
    use http_body_util::Full;
    use url::Url;

    use super::sign;
    use crate::config::{AwsSignature, Secret};

    /// The examples of AWS's documentation: Signature Version 4, and the two of S3's.
    #[test]
    fn signatures_are_those_of_the_documentation() {
        let s3 = (1_369_353_600, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let iam = (1_440_938_160, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        for (service, (time, id, key), method, url, headers, body, expected) in [
            (
                "iam",
                iam,
                "GET",
                "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")][..],
                "",
                "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
            (
                "s3",
                s3,
                "GET",
                "https://examplebucket.s3.amazonaws.com/test.txt",
                &[("range", "bytes=0-9"), ("authorization", "the guest's own")],
                "",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "s3",
                s3,
                "PUT",
                "https://examplebucket.s3.amazonaws.com/test%24file.text",
                &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                "Welcome to Amazon S3.",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
        ] {
            let url: Url = url.parse().expect("a URL");
            let mut request = Request::builder().method(method).header("host", url.host_str().expect("a host"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let mut request = request.body(Full::from(body)).expect("a request");
            let signature = AwsSignature {
                service: service.to_owned(),
                region: "us-east-1".to_owned(),
                access_key_id: Secret::new("id", id),
                secret_access_key: Secret::new("key", key),
                session_token: None,
            };
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
            sign(&mut request, body.as_bytes(), &url, &signature, now).expect("a signature");
            let authorization = request.headers()["authorization"].to_str().expect("a text");
            assert!(authorization.ends_with(expected), "{url}: {authorization}");
        }
    }
}
