//! `trialbridge plugin`.

use clap::Subcommand;
use serde_json::Value;

use super::Failure;
use super::client::Client;
use super::output::{Output, text};

/// Look at the plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// List the plugins, and why the newest file of one does not serve.
    #[command(after_help = "Example:\n  trialbridge plugin list")]
    List,
    /// Show a plugin.
    #[command(after_help = "Example:\n  trialbridge plugin show assign-trial")]
    Show {
        /// The plugin's id: the name of its file without .wasm.
        id: String,
    },
}

impl Plugin {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = client.get(&["plugins"], &[]).await?;
                if output.json {
                    return Ok(output.value(&answer)?);
                }
                let plugins = answer["plugins"].as_array().cloned().unwrap_or_default();
                let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
                Ok(output.table(&["PLUGIN", "STATE", "VERSION", "HASH", "SUMMARY"], &rows)?)
            }
            Self::Show { id } => Ok(output.value(&client.get(&["plugins", &id], &[]).await?)?),
        }
    }
}

fn row(plugin: &Value) -> Vec<String> {
    let field = |name: &str| text(&plugin[name]);
    let hash = field("hash").chars().take(12).collect();
    let remark = if plugin["error"].is_null() { field("summary") } else { format!("error: {}", field("error")) };
    vec![field("id"), field("state"), field("version"), hash, remark]
}
