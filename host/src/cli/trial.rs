//! `trialbridge trial`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, NOTHING, Pages};
use super::output::{Output, text, time};

/// How many characters of a value are shown on a line of a history.
const WIDEST: usize = 80;

/// Request, look at, extend and cancel trials.
#[derive(Debug, Subcommand)]
pub(super) enum Trial {
    /// Request a trial.
    #[command(after_help = "Example:\n  trialbridge trial request --type ACS --lead 1234567890 --ttl 30s")]
    Request {
        /// The type of trial, one of rules.toml.
        #[arg(long = "type", value_name = "TYPE")]
        trial_type: String,
        /// The lead who asks.
        #[arg(long, value_name = "LEAD")]
        lead: String,
        /// How long it shall live: 30s, 12h, 14d; the type's default if not given.
        #[arg(long, value_name = "TTL")]
        ttl: Option<String>,
        /// The id it shall have. Asking twice makes one trial.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Show a trial.
    #[command(after_help = "Example:\n  trialbridge trial get 40ea41b6-4b85-40c0-a185-1ad825d8dc13 --json")]
    Get {
        /// The trial's id.
        id: String,
    },
    /// Show what was done for a trial, step by step.
    #[command(after_help = "Example:\n  trialbridge trial history 40ea41b6-4b85-40c0-a185-1ad825d8dc13")]
    History {
        /// The trial's id.
        id: String,
    },
    /// List trials.
    #[command(after_help = "Example:\n  trialbridge trial list --status ASSIGNED --all")]
    List {
        /// Only those of this status.
        #[arg(long)]
        status: Option<String>,
        /// Only those of this type.
        #[arg(long = "type", value_name = "TYPE")]
        trial_type: Option<String>,
        /// At most so many in a page.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Continue where the page before said.
        #[arg(long)]
        after: Option<String>,
        /// Every page.
        #[arg(long)]
        all: bool,
    },
    /// Let a trial live for some time from now on.
    #[command(after_help = "Example:\n  trialbridge trial extend 40ea41b6-4b85-40c0-a185-1ad825d8dc13 --ttl 7d")]
    Extend {
        /// The trial's id.
        id: String,
        /// How long it shall live from now on.
        #[arg(long, value_name = "TTL")]
        ttl: String,
    },
    /// End a trial now.
    #[command(after_help = "Example:\n  trialbridge trial cancel 40ea41b6-4b85-40c0-a185-1ad825d8dc13")]
    Cancel {
        /// The trial's id.
        id: String,
    },
}

impl Trial {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::Request { trial_type, lead, ttl, id } => {
                let mut body = json!({ "leadId": lead, "type": trial_type });
                for (name, value) in [("ttl", ttl), ("trialId", id)] {
                    if let Some(value) = value {
                        body[name] = json!(value);
                    }
                }
                show(&client.ask(Method::POST, &["trials"], &[], Some(&body)).await?, output)
            }
            Self::Get { id } => show(&client.get(&["trials", &id], &[]).await?, output),
            Self::History { id } => history(&client.get(&["trials", &id, "history"], &[]).await?, output),
            Self::Extend { id, ttl } => {
                let body = json!({ "ttl": ttl });
                show(&client.ask(Method::PATCH, &["trials", &id], &[], Some(&body)).await?, output)
            }
            Self::Cancel { id } => show(&client.ask(Method::DELETE, &["trials", &id], &[], NOTHING).await?, output),
            Self::List { status, trial_type, limit, after, all } => {
                let pages = Pages::from(all);
                let mut query = vec![("limit", pages.limit(limit))];
                query.extend(status.map(|status| ("status", status)));
                query.extend(trial_type.map(|trial_type| ("type", trial_type)));
                query.extend(after.map(|after| ("after", after)));
                list(&client.list("trials", "trials", query, pages).await?, output)
            }
        }
    }
}

fn show(trial: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.value(trial)?);
    }
    for (name, value) in trial.as_object().into_iter().flatten() {
        let shown = match name.as_str() {
            "requestedAt" | "expiresAt" => time(value),
            _ => text(value),
        };
        output.line(&format!("{name:12} {shown}"))?;
    }
    Ok(())
}

fn list(page: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.value(page)?);
    }
    let trials = page["trials"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = trials
        .iter()
        .map(|trial| {
            let field = |name: &str| text(&trial[name]);
            let ends = time(&trial["expiresAt"]);
            vec![field("trialId"), field("type"), field("status"), field("leadId"), ends, field("url")]
        })
        .collect();
    output.table(&["TRIAL", "TYPE", "STATUS", "LEAD", "ENDS", "URL"], &rows)?;
    Ok(output.more(page)?)
}

fn history(history: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.value(history)?);
    }
    let entries = history["entries"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = entries
        .map(|entry| vec![time(&entry["at"]), text(&entry["state"]), text(&entry["event"]), said(entry)])
        .collect();
    output.table(&["TIME", "STATE", "EVENT", "WHAT"], &rows)?;
    match history["omitted"].as_u64() {
        None | Some(0) => Ok(()),
        Some(omitted) => Ok(output.line(&format!("{omitted} earlier entries were dropped"))?),
    }
}

/// The rest of an entry on one line, with the first characters of what is long.
fn said(entry: &Value) -> String {
    const KNOWN: [&str; 4] = ["at", "state", "event", "plugin"];
    let members = entry.as_object().into_iter().flatten().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    let said = members.map(|(name, value)| {
        let shown = match name.as_str() {
            "until" => time(&json!(value.as_f64().unwrap_or_default() / 1000.0)),
            _ => text(value).replace('\n', " "),
        };
        match shown.char_indices().nth(WIDEST) {
            Some((end, _)) => format!("{name}={}...", &shown[..end]),
            None => format!("{name}={shown}"),
        }
    });
    said.collect::<Vec<_>>().join(" ")
}
