//! `trialbridge rule`.

use clap::Subcommand;
use serde_json::Value;

use super::Failure;
use super::client::Client;
use super::explain::Test;
use super::output::{Output, text};

/// Look at the rules in force, and try them.
#[derive(Debug, Subcommand)]
pub(super) enum Rule {
    /// List the rules in force.
    #[command(after_help = "Example:\n  trialbridge rule list")]
    List,
    /// Show a rule.
    #[command(after_help = "Example:\n  trialbridge rule show assign-trial")]
    Show {
        /// The rule's name.
        name: String,
    },
    /// Say which rules match an event, and of the others what stands in the way and what would mend it.
    ///
    /// Rules that match come first, then those that one change would make match. With --rule, exit code 1 if it does not match.
    #[command(after_help = "Example:\n  trialbridge rule test --event event.json --config rules.toml")]
    Test(Test),
}

impl Rule {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = client.get(&["rules"], &[]).await?;
                if output.json {
                    return Ok(output.value(&answer)?);
                }
                let rules = answer["rules"].as_array().cloned().unwrap_or_default();
                let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
                output.table(&["RULE", "STATE", "TARGETS", "SCHEDULE", "DESCRIPTION"], &rows)?;
                if let Some(error) = answer["reload"]["error"].as_str() {
                    output.line(&format!("\nthe newest rules.toml is not in force:\n{error}"))?;
                }
                Ok(())
            }
            Self::Test(test) => test.execute(client, output).await,
            Self::Show { name } => Ok(output.value(&client.get(&["rules", &name], &[]).await?)?),
        }
    }
}

fn row(rule: &Value) -> Vec<String> {
    let targets = rule["targets"].as_array().cloned().unwrap_or_default();
    let targets: Vec<String> = targets.iter().map(|target| text(&target["plugin"])).collect();
    let state = if rule["enabled"] == true { "enabled" } else { "disabled" };
    let schedule = match &rule["scheduleTimezone"] {
        Value::String(zone) if zone != "UTC" => format!("{} {zone}", text(&rule["schedule"])),
        _ => text(&rule["schedule"]),
    };
    vec![text(&rule["name"]), state.to_owned(), targets.join(","), schedule, text(&rule["description"])]
}
