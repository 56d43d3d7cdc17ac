//! `trialbridge event`.

use std::io::Read;

use clap::Subcommand;
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, Pages};
use super::output::{Output, text};

/// Follow, list and publish events.
#[derive(Debug, Subcommand)]
pub(super) enum Event {
    /// Follow what happens, as it happens: one line an event.
    #[command(after_help = "Example:\n  trialbridge event tail --source OnlineTrial --json")]
    Tail {
        #[command(flatten)]
        filter: Filter,
        /// Begin after this event instead of now.
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
    },
    /// List the journal, from the oldest event on.
    #[command(after_help = "Example:\n  trialbridge event list --trial 40ea41b6-4b85-40c0-a185-1ad825d8dc13")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// Begin after this event.
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// At most so many in a page.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Every page.
        #[arg(long)]
        all: bool,
    },
    /// Publish an event.
    #[command(
        after_help = "Example:\n  trialbridge event put --source crm --detail-type LeadScored --detail '{\"leadId\":\"1\"}'"
    )]
    Put {
        /// Who says so.
        #[arg(long)]
        source: String,
        /// What happened.
        #[arg(long, value_name = "TYPE")]
        detail_type: String,
        /// A JSON object, @FILE that holds one, or - for standard input.
        #[arg(long, default_value = "{}", value_name = "JSON")]
        detail: String,
    },
}

/// Which events.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only those of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only those of this type.
    #[arg(long, value_name = "TYPE")]
    detail_type: Option<String>,
    /// Only those of this trial.
    #[arg(long, value_name = "ID")]
    trial: Option<String>,
}

impl Event {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::Tail { filter, after } => {
                let query = filter.query(after);
                tokio::select! {
                    outcome = tail(client, &query, output) => outcome,
                    _ = tokio::signal::ctrl_c() => Ok(()),
                }
            }
            Self::List { filter, after, limit, all } => {
                let pages = Pages::from(all);
                let mut query = filter.query(after);
                query.push(("limit", pages.limit(limit)));
                let page = client.list("events", "events", query, pages).await?;
                if output.json {
                    return Ok(output.value(&page)?);
                }
                for entry in page["events"].as_array().into_iter().flatten() {
                    output.line(&brief(entry))?;
                }
                Ok(output.more(&page)?)
            }
            Self::Put { source, detail_type, detail } => {
                let body = Body { source, detail_type, detail: read(&detail)? };
                let answer = client.ask(Method::POST, &["events"], &[], Some(&body)).await?;
                if output.json {
                    return Ok(output.value(&answer)?);
                }
                Ok(output.line(&format!("{} {}", text(&answer["seq"]), text(&answer["id"])))?)
            }
        }
    }
}

impl Filter {
    fn query(self, after: Option<u64>) -> Vec<(&'static str, String)> {
        let named = [("source", self.source), ("detail-type", self.detail_type), ("trialId", self.trial)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        named.chain(after.map(|after| ("after", after.to_string()))).collect()
    }
}

async fn tail(client: &Client, query: &[(&str, String)], output: Output) -> Result<(), Failure> {
    let gone = || Failure::Refused("the daemon went away".to_owned());
    let mut answer = client.follow(&["events"], query).await?;
    let mut unread = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| gone())? {
        unread.extend_from_slice(&chunk);
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.strip_prefix("data:") else { continue };
            if output.json {
                output.line(data.trim())?;
            } else if let Ok(entry) = serde_json::from_str(data) {
                output.line(&brief(&entry))?;
            }
        }
    }
    Err(gone())
}

/// An event on one line: time, place, source, type, and what it is about.
fn brief(entry: &Value) -> String {
    let event = &entry["event"];
    let detail = &event["detail"];
    let about: Vec<String> = ["trialId", "stackId", "plugin", "reason", "error"]
        .iter()
        .filter(|name| !detail[**name].is_null())
        .map(|name| format!("{name}={}", text(&detail[*name]).lines().next().unwrap_or_default()))
        .collect();
    let (time, sequence) = (text(&event["time"]), text(&entry["seq"]));
    let (source, detail_type) = (text(&event["source"]), text(&event["detail-type"]));
    format!("{time} {sequence:>7}  {source:<14} {detail_type:<22} {}", about.join(" ")).trim_end().to_owned()
}

/// What is published. The detail is sent as it was written, numbers and all.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    source: String,
    detail_type: String,
    detail: Box<RawValue>,
}

/// The JSON that an argument gives, or names.
fn read(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("--detail: {file} cannot be read: {error}")))?,
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        None => argument.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| Failure::Usage(format!("--detail: not JSON: {error}")))
}
