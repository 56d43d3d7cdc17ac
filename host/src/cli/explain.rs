//! `trialbridge rule test`: which rules match an event, and why the others do not.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use reqwest::Method;
use serde_json::{Value, json};
use trialbridge::config::Config;

use super::Failure;
use super::client::Client;
use super::output::{Output, text};

/// What `rule test` takes.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The event: a file with its JSON, or - for standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "event_id")]
    event: Option<PathBuf>,
    /// An event of the journal, by its id; then the daemon's rules are asked.
    #[arg(long, value_name = "ID", conflicts_with_all = ["event", "config"])]
    event_id: Option<String>,
    /// This rule alone.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// The configuration.
    #[arg(long, default_value = "rules.toml", value_name = "FILE")]
    config: PathBuf,
}

impl Test {
    pub(super) async fn execute(self, client: &Client, output: Output) -> Result<(), Failure> {
        let answer = match &self.event_id {
            Some(id) => {
                let question = json!({ "eventId": id, "rule": self.rule });
                client.ask(Method::POST, &["rules", "explain"], &[], Some(&question)).await?
            }
            None => self.explain()?,
        };
        let rules = answer["rules"].as_array().cloned().unwrap_or_default();
        if output.json {
            output.value(&answer)?;
        } else {
            let paint = Paint { on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
            for rule in &rules {
                output.line(&paint.rule(rule))?;
            }
        }
        match rules.iter().any(|rule| rule["verdict"] == "match") {
            false if self.rule.is_some() => Err(Failure::Refused("the rule does not match".to_owned())),
            _ => Ok(()),
        }
    }

    /// Without a daemon.
    fn explain(&self) -> Result<Value, Failure> {
        let mut event = Vec::new();
        let path = self.event.clone().unwrap_or_default();
        let read = if path.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut event).map(drop)
        } else {
            std::fs::read(&path).map(|bytes| event = bytes)
        };
        read.map_err(|error| Failure::Usage(format!("--event: cannot read {}: {error}", path.display())))?;
        let config = Config::load_without_secrets(&self.config, Path::new("data"));
        let rules = config.map_err(|problems| Failure::Usage(problems.to_string()))?.rules;
        if let Some(name) = &self.rule
            && rules.rule(name).is_none()
        {
            let message = format!("--rule: there is no rule `{name}` in {}", self.config.display());
            return Err(Failure::Usage(message));
        }
        let explained = rules.explain(&event, self.rule.as_deref());
        let rules = explained.map_err(|error| Failure::Usage(format!("--event: {}: {error}", path.display())))?;
        Ok(json!({ "rules": rules }))
    }
}

/// Colours, or none.
struct Paint {
    on: bool,
}

impl Paint {
    fn rule(&self, rule: &Value) -> String {
        let misses = rule["misses"].as_array().cloned().unwrap_or_default();
        let (verdict, colour) = match (rule["verdict"].as_str(), misses.len()) {
            (Some("match"), _) => ("matches", AnsiColor::Green),
            (Some("no-match"), 1) => ("near miss", AnsiColor::Yellow),
            (Some("disabled"), _) => ("disabled", AnsiColor::BrightBlack),
            (Some("no-pattern"), _) => ("schedule only", AnsiColor::BrightBlack),
            _ => ("no match", AnsiColor::Red),
        };
        let mut lines = vec![format!("{}  {}", self.colour(&format!("{verdict:13}"), colour), text(&rule["rule"]))];
        for miss in misses {
            let seen: Vec<String> = miss["seen"].as_array().into_iter().flatten().map(printed).collect();
            let seen = if seen.is_empty() { "missing".to_owned() } else { seen.join(", ") };
            let field = self.colour(&text(&miss["field"]), AnsiColor::Cyan);
            lines.push(format!("    {field} is {seen}; the rule wants {}", text(&miss["condition"])));
            if let Some(hint) = miss["hint"].as_str() {
                lines.push(format!("        {hint}"));
            }
            lines.push(format!("        to match, add {} there", self.colour(&text(&miss["add"]), AnsiColor::Green)));
        }
        lines.join("\n")
    }

    fn colour(&self, text: &str, colour: AnsiColor) -> String {
        if !self.on {
            return text.to_owned();
        }
        let style = Style::new().fg_color(Some(colour.into()));
        format!("{style}{text}{style:#}")
    }
}

/// A value as JSON, safe for a terminal.
fn printed(value: &Value) -> String {
    text(&Value::String(value.to_string()))
}
