//! `trialbridge delivery`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, Pages};
use super::output::{Output, text, time};

/// Look at what is owed and what was given up, and try again.
#[derive(Debug, Subcommand)]
pub(super) enum Delivery {
    /// List deliveries: those that are owed, unless another state is named.
    #[command(after_help = "Example:\n  trialbridge delivery list --dead --plugin assign-trial")]
    List {
        #[command(flatten)]
        state: State,
        /// Only those of this plugin.
        #[arg(long)]
        plugin: Option<String>,
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
    /// Show a delivery.
    #[command(after_help = "Example:\n  trialbridge delivery show assign-trial/17/0")]
    Show {
        /// The delivery's id: PLUGIN/SEQ/ORDINAL.
        id: String,
    },
    /// Put dead letters back into their queues. They keep their idempotency keys.
    #[command(
        after_help = "Example:\n  trialbridge delivery redrive assign-trial/17/0\n  trialbridge delivery redrive --all"
    )]
    Redrive(Redrive),
}

/// Which state; at most one.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct State {
    /// Those that were given up.
    #[arg(long)]
    dead: bool,
    /// Those that wait for their next attempt.
    #[arg(long)]
    waiting: bool,
    /// Those that can be attempted now.
    #[arg(long)]
    ready: bool,
    /// Those that are over.
    #[arg(long)]
    acknowledged: bool,
}

/// Which dead letters; one of the three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Redrive {
    /// The deliveries' ids.
    ids: Vec<String>,
    /// Those of this plugin.
    #[arg(long)]
    plugin: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Delivery {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::List { state, plugin, limit, after, all } => {
                let pages = Pages::from(all);
                let mut query = vec![("limit", pages.limit(limit))];
                query.extend(state.name().map(|name| ("state", name.to_owned())));
                query.extend(plugin.map(|plugin| ("plugin", plugin)));
                query.extend(after.map(|after| ("after", after)));
                list(&client.list("deliveries", "deliveries", query, pages).await?, output)
            }
            Self::Show { id } => {
                let path: Vec<&str> = std::iter::once("deliveries").chain(id.split('/')).collect();
                Ok(output.value(&client.get(&path, &[]).await?)?)
            }
            Self::Redrive(redrive) => {
                let body = match redrive {
                    Redrive { plugin: Some(plugin), .. } => json!({ "plugin": plugin }),
                    Redrive { all: true, .. } => json!({ "all": true }),
                    Redrive { ids, .. } => json!({ "ids": ids }),
                };
                let answer = client.ask(Method::POST, &["deliveries", "redrive"], &[], Some(&body)).await?;
                if output.json {
                    return Ok(output.value(&answer)?);
                }
                Ok(output.line(&format!("{} back in their queues", text(&answer["redriven"])))?)
            }
        }
    }
}

impl State {
    fn name(&self) -> Option<&'static str> {
        let states = [
            (self.dead, "dead"),
            (self.waiting, "waiting"),
            (self.ready, "ready"),
            (self.acknowledged, "acknowledged"),
        ];
        states.into_iter().find(|(wanted, _)| *wanted).map(|(_, name)| name)
    }
}

fn list(page: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.value(page)?);
    }
    let deliveries = page["deliveries"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = deliveries
        .iter()
        .map(|delivery| {
            let field = |name: &str| text(&delivery[name]);
            let next = match &delivery["nextAttemptAt"] {
                Value::Null => String::new(),
                at => time(at),
            };
            let error = field("error").lines().next().unwrap_or_default().to_owned();
            vec![field("id"), field("state"), field("rule"), field("detailType"), field("attempts"), next, error]
        })
        .collect();
    output.table(&["DELIVERY", "STATE", "RULE", "EVENT", "FAILED", "NEXT", "ERROR"], &rows)?;
    Ok(output.more(page)?)
}
