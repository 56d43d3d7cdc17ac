//! A message on its way, and what Slack says to it.

use std::time::Duration;

use serde_json::{Map, Value};
use trialbridge_plugin::http::{Request, Response};
use trialbridge_plugin::{Failure, Host, permanent, retry};

use crate::config::Way;
use crate::pace;

/// How long to wait if Slack says that it was too much and not for how long.
const PAUSE: Duration = Duration::from_secs(30);

/// What may pass by itself. Everything else that Slack says is for somebody to mend.
const PASSING: [&str; 8] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "rollup_error",
    "team_added_to_org",
];

/// What Slack says, and how to mend it.
const MENDING: [(&str, &str); 21] = [
    ("invalid_payload", "a text of the message is malformed; mend messages in the configuration"),
    ("invalid_blocks", "a text of the message is malformed; mend messages in the configuration"),
    ("invalid_blocks_format", "a text of the message is malformed; mend messages in the configuration"),
    ("no_text", "the message has no text; mend messages in the configuration"),
    ("msg_too_long", "the message is too long; shorten messages in the configuration"),
    ("msg_blocks_too_long", "the message is too long; shorten messages in the configuration"),
    ("no_service", "the webhook was removed or disabled; make a new one and change the secret"),
    ("no_active_hooks", "the webhook was disabled; make a new one and change the secret"),
    ("no_team", "the workspace is gone, or the URL is not that of a webhook; change the secret"),
    ("invalid_token", "the URL is not that of a webhook; change the secret"),
    ("invalid_auth", "the token is not valid; change the secret"),
    ("not_authed", "the token is empty; change the secret"),
    ("token_revoked", "the token was revoked; make a new one and change the secret"),
    ("token_expired", "the token has expired; make a new one and change the secret"),
    ("account_inactive", "the bot was removed from the workspace; install it again and change the secret"),
    ("missing_scope", "the bot lacks the scope chat:write; add it and install the bot again"),
    ("channel_not_found", "there is no such channel, or the bot cannot see it; mend channel, or invite the bot"),
    ("not_in_channel", "the bot is not in the channel; invite it there"),
    ("is_archived", "the channel is archived; mend channel, or unarchive it"),
    ("channel_is_archived", "the channel is archived; unarchive it, or make a webhook for another"),
    ("action_prohibited", "the workspace does not allow it; ask its administrators"),
];

/// Sends a message.
///
/// # Errors
///
/// Retry, after as long as Slack says, for what may pass; permanent, with how to mend it, for what Slack does not take.
pub(crate) fn send(host: &Host, way: &Way, mut message: Map<String, Value>) -> Result<(), Failure> {
    if let Some(turn) = pace::turn(host.now()) {
        return Err(trialbridge_plugin::retry_after(turn, "Slack asked for a pause, which is not over"));
    }
    let request = match way {
        Way::Webhook(url) => Request::post(url),
        Way::Method { url, token, channel } => {
            message.insert("channel".to_owned(), Value::from(channel.as_str()));
            Request::post(url).header("Authorization", format!("Bearer {token}"))
        }
    };
    let body = Value::Object(message).to_string();
    // Slack's methods warn of JSON that does not say its charset.
    let request = request.header("Content-Type", "application/json; charset=utf-8").body(body);
    let response = host.send(&request)?;
    if response.status == 429 {
        return Err(too_much(host, &response, "ratelimited"));
    }
    judge(host, way, &response)
}

/// What an answer means that is not 429.
fn judge(host: &Host, way: &Way, response: &Response) -> Result<(), Failure> {
    let status = response.status;
    let text = String::from_utf8_lossy(&response.body);
    let answer: Option<Answer> = serde_json::from_str(&text).ok();
    let code = match (&answer, way) {
        (Some(answer), _) if answer.ok && response.status < 300 => return Ok(()),
        (Some(answer), _) => answer.error.clone().unwrap_or_default(),
        // A webhook says `ok`, or what is wrong, without JSON.
        (None, Way::Webhook(_)) if (200..300).contains(&status) => return Ok(()),
        (None, _) => text.trim().to_owned(),
    };
    let code = if is_code(&code) { code } else { String::new() };
    let more = answer.map(|answer| answer.metadata.messages.join("; ")).filter(|more| !more.is_empty());
    let more = more.map(|more| format!(" ({})", crate::text::shorten(&more, 300))).unwrap_or_default();
    if matches!(code.as_str(), "ratelimited" | "rate_limited") {
        return Err(too_much(host, response, &code));
    }
    if PASSING.contains(&code.as_str()) || matches!(status, 408 | 425 | 500..) {
        return Err(retry(format!("Slack cannot take the message now: {status} {code}{more}")));
    }
    if status < 300 && code.is_empty() {
        return Err(retry(format!("the answer, {status}, is not one of Slack's; is a proxy between?")));
    }
    let mending = MENDING.iter().find(|(known, _)| *known == code).map(|(_, mending)| format!(": {mending}"));
    let refused = format!("Slack refused the message: {status} {code}").trim_end().to_owned();
    Err(permanent(format!("{refused}{more}{}", mending.unwrap_or_default())))
}

/// What Slack's methods answer.
#[derive(serde::Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    #[serde(default, rename = "response_metadata")]
    metadata: Metadata,
}

#[derive(Default, serde::Deserialize)]
struct Metadata {
    #[serde(default)]
    messages: Vec<String>,
}

/// The failure of a message that Slack did not take because there were too many, and the pause for those after it.
fn too_much(host: &Host, response: &Response, code: &str) -> Failure {
    let said = response.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
    let pause = said.map_or(PAUSE, Duration::from_secs);
    pace::pause(host.now(), pause);
    let reason = format!("Slack asked for a pause of {} s: {} {code}", pause.as_secs(), response.status);
    trialbridge_plugin::retry_after(pause, reason)
}

/// Whether a text is one of the words that Slack uses for errors, and no page of somebody between.
fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
