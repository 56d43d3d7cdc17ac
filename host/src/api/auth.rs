//! Who may ask: the token, and what protects a daemon without one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// The environment variable that holds the token.
const TOKEN_VARIABLE: &str = "TRIALBRIDGE_TOKEN";

/// The shortest token, in characters: what is shorter can be guessed.
const MIN_LENGTH: usize = 16;

/// The secret that requests have to bring.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token.
    ///
    /// # Errors
    ///
    /// If it has fewer than 16 characters, or others than visible ASCII.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() < MIN_LENGTH {
            return Err(format!("has {} characters, and at least {MIN_LENGTH} are needed", text.len()));
        }
        if !text.chars().all(|character| character.is_ascii_graphic()) {
            return Err("has other characters than visible ASCII without spaces".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The token in `file`, without white space around it, or if there is no `file` the one in the environment variable
    /// `TRIALBRIDGE_TOKEN`; nothing if neither is given.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or for what [`Token::new`] finds. The token is not in the message.
    pub fn from_env_or_file(file: Option<&Path>) -> Result<Option<Self>, String> {
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("--token-file: {} cannot be read: {error}", path.display()))?;
            let token =
                Self::new(text.trim()).map_err(|why| format!("--token-file: the token in {} {why}", path.display()))?;
            return Ok(Some(token));
        }
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => Self::new(&text).map(Some).map_err(|why| format!("{TOKEN_VARIABLE}: the token {why}")),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("{TOKEN_VARIABLE}: the token is not text")),
        }
    }

    /// What a request brings in its header `authorization`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether this is what was presented, found out in a time that tells nothing of where they differ.
    fn is(&self, presented: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(presented)).into()
    }
}

/// Without the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Refuses to listen where other machines reach the daemon, unless requests have to bring a token.
///
/// # Errors
///
/// What is wrong with `address` and what to do, as a sentence.
pub fn check_exposure(address: SocketAddr, token: Option<&Token>) -> Result<(), String> {
    if address.ip().to_canonical().is_loopback() || token.is_some() {
        return Ok(());
    }
    Err(format!(
        "--listen: other machines can reach {address}, and there is no token; put one into {TOKEN_VARIABLE} or a \
         --token-file, or listen at 127.0.0.1"
    ))
}

/// Lets a request pass that brings the token. If there is none, lets it pass if it was meant for this machine: a
/// page in a browser can make a name of its own lead here, but cannot hide the name.
pub(super) async fn guard(State(token): State<Option<Token>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let problem = match &token {
        Some(token) => check_token(token, headers.get(header::AUTHORIZATION)),
        None => check_host(headers.get(header::HOST)),
    };
    match problem {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let challenge = token.map(|_| [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))]);
            (challenge, problem).into_response()
        }
    }
}

fn check_token(token: &Token, presented: Option<&HeaderValue>) -> Result<(), Problem> {
    let unauthorized = |detail: &str| Problem::invalid("authorization", detail).with_status(StatusCode::UNAUTHORIZED);
    let presented = presented.ok_or_else(|| unauthorized("is missing; send `authorization: Bearer TOKEN`"))?;
    let (scheme, secret) = presented.as_bytes().split_at_checked(7).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(unauthorized("must be `Bearer TOKEN`"));
    }
    if token.is(secret) { Ok(()) } else { Err(unauthorized("is not the token of this daemon")) }
}

fn check_host(host: Option<&HeaderValue>) -> Result<(), Problem> {
    let Some(host) = host else { return Ok(()) };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let is_local = authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
    });
    if is_local {
        return Ok(());
    }
    let detail = "must be localhost or an address as long as the daemon has no token; give it one in TRIALBRIDGE_TOKEN";
    Err(Problem::invalid("host", detail).with_status(StatusCode::MISDIRECTED_REQUEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_odd_tokens_are_refused() {
        for (text, outcome) in [
            ("0123456789abcdef", Ok(())),
            ("0123456789abcde", Err("has 15 characters, and at least 16 are needed")),
            ("", Err("has 0 characters, and at least 16 are needed")),
            ("0123456789 abcdef", Err("has other characters than visible ASCII without spaces")),
        ] {
            assert_eq!(Token::new(text).map(drop), outcome.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_file_may_end_with_a_new_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").expect("a file");
        let token = Token::from_env_or_file(Some(&file)).expect("it is good").expect("there is one");
        assert_eq!(token.bearer(), "Bearer 0123456789abcdef");
        assert_eq!(format!("{token:?}"), "Token");
        let missing = Token::from_env_or_file(Some(&folder.path().join("none"))).expect_err("there is no such file");
        assert!(missing.starts_with("--token-file: "), "{missing}");
    }

    #[test]
    fn only_loopback_is_open_without_a_token() {
        let token = Token::new("0123456789abcdef").expect("it is good");
        for (address, open) in [
            ("127.0.0.1:0", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(check_exposure(address, None).is_ok(), open, "{address}");
            assert_eq!(check_exposure(address, Some(&token)), Ok(()));
        }
    }
}
