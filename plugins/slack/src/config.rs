//! `[plugins.slack.config]`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use trialbridge_plugin::{Failure, Host};

use crate::message::{Authored, Message};

/// What the configuration says if it says nothing of messages.
const DEFAULT_MESSAGES: &str = include_str!("messages.json");

/// Where Slack's methods are.
const SLACK: &str = "https://slack.com/api";

/// The configuration, read.
#[derive(Debug)]
pub(crate) struct Config {
    /// How messages reach Slack.
    pub(crate) way: Way,
    /// How long it is known what was sent, in milliseconds.
    pub(crate) remember: u64,
    /// What is said, by detail-type.
    pub(crate) messages: BTreeMap<String, Message>,
}

/// How messages reach Slack.
#[derive(Debug)]
pub(crate) enum Way {
    /// An incoming webhook, whose URL decides on the channel.
    Webhook(String),
    /// `chat.postMessage`, with the token of a bot.
    Method { url: String, token: String, channel: String },
}

/// The configuration, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// The URL of an incoming webhook: `"${secret:slack}"`.
    webhook: Option<String>,
    /// The token of a bot, instead of a webhook: `"${secret:slack}"`.
    token: Option<String>,
    /// Where a bot writes: the id of a channel, or its name.
    channel: Option<String>,
    /// Where Slack's methods are, for a proxy or another Slack.
    api: Option<String>,
    /// How many days it is known what was sent.
    #[serde(default = "a_week")]
    remember_days: u64,
    /// What is said, by detail-type. Those that are not here are as shipped.
    #[serde(default)]
    messages: BTreeMap<String, Authored>,
}

impl Config {
    /// Reads it whole, so that a mistake in what is said of one event shows with the first of any.
    ///
    /// # Errors
    ///
    /// Permanent; names the field and says how to mend it.
    pub(crate) fn read(host: &Host) -> Result<Rc<Self>, Failure> {
        host.checked_config(Self::parse)
    }

    /// The same of any configuration, before the plugin serves under it.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub(crate) fn parse(config: &trialbridge_plugin::Config) -> Result<Self, String> {
        let written: Written = config.read()?;
        let way = match (written.webhook, written.token, written.channel) {
            (Some(_), Some(_), _) => return Err("there are a webhook and a token; keep one of them".to_owned()),
            (Some(_), _, Some(_)) => return Err("channel: a webhook has its own channel; remove this".to_owned()),
            (Some(webhook), ..) if written.api.is_none() => Way::Webhook(url("webhook", &webhook)?),
            (Some(_), ..) => return Err("api: is for a token, and there is a webhook; remove this".to_owned()),
            (None, Some(token), Some(channel)) if !token.is_empty() && !channel.is_empty() => {
                let api = url("api", written.api.as_deref().unwrap_or(SLACK))?;
                Way::Method { url: format!("{}/chat.postMessage", api.trim_end_matches('/')), token, channel }
            }
            (None, Some(_), _) => {
                return Err("channel: a token needs to know where to write; add channel = \"C0123456789\"".to_owned());
            }
            (None, None, _) => {
                return Err(
                    "there is neither a webhook nor a token; add webhook = \"${secret:NAME}\", or token and channel"
                        .to_owned(),
                );
            }
        };
        if !(1..=366).contains(&written.remember_days) {
            return Err(format!("remember-days: {} is not between 1 and 366", written.remember_days));
        }
        let mut authored: BTreeMap<String, Authored> =
            serde_json::from_str(DEFAULT_MESSAGES).map_err(|error| error.to_string())?;
        authored.extend(written.messages);
        let messages = authored.iter().map(|(detail_type, authored)| {
            let message = Message::compile(authored);
            Ok((detail_type.clone(), message.map_err(|reason| format!("messages.{detail_type}.{reason}"))?))
        });
        Ok(Self {
            way,
            remember: written.remember_days * 86_400_000,
            messages: messages.collect::<Result<_, String>>()?,
        })
    }
}

fn url(name: &str, text: &str) -> Result<String, String> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(text.to_owned());
    }
    // A placeholder begins so only if the secret does, and is nothing that could be shown otherwise.
    Err(format!("{name}: must be a URL, and so must be the secret that it comes from"))
}

fn a_week() -> u64 {
    7
}
