//! `trialbridge check`: rules.toml and every plugin, without starting.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use trialbridge::plugin::State;
use trialbridge::reload;

use super::Failure;
use super::output::{self, Output};
use super::plugin::not_used;

/// Read rules.toml and every plugin as a start would, and say what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trialbridge check --config rules.toml --plugins plugins\n\n\
    Exit code 2 if anything would not be put in force; warnings alone are 0.")]
pub(super) struct Check {
    /// The configuration.
    #[arg(long, default_value = "rules.toml", value_name = "FILE")]
    config: PathBuf,
    /// The folder of the plugins.
    #[arg(long, default_value = "plugins", value_name = "DIR")]
    plugins: PathBuf,
    /// The folder that `${data}` stands for.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
}

impl Check {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let checked = reload::check(&self.config, &self.plugins, &self.data)
            .await
            .map_err(|error| Failure::Usage(format!("{error:#}")))?;
        let wrong = checked.config.is_err() || checked.plugins.iter().any(|plugin| plugin.error.is_some());
        if output.json {
            let errors: Vec<_> = checked.config.as_ref().err().map(|found| found.iter().collect()).unwrap_or_default();
            let value = json!({
                "ok": !wrong,
                "errors": errors,
                "plugins": checked.plugins,
                "warnings": checked.warnings,
            });
            output.value(&value)?;
            return if wrong { Err(Failure::Usage("see the output".to_owned())) } else { Ok(()) };
        }
        match &checked.config {
            Ok(config) => output.line(&format!("{}: {} rules", self.config.display(), config.rules.rules().len()))?,
            Err(diagnostics) => output::complain(&diagnostics.to_string()),
        }
        for plugin in &checked.plugins {
            match (&plugin.error, plugin.state) {
                (None, State::Active) => {
                    let version = plugin.version.as_deref().unwrap_or_default();
                    let summary = plugin.summary.as_deref().unwrap_or_default();
                    output.line(&format!("plugin {} {version}: {summary}", plugin.id))?;
                }
                (None, State::Unused) => output.line(&format!("plugin {}: {}", plugin.id, not_used(&plugin.needs)))?,
                (error, _) => output::complain(&format!(
                    "error: plugin {}: {}",
                    plugin.id,
                    error.as_deref().unwrap_or("cannot be used")
                )),
            }
        }
        for warning in &checked.warnings {
            output::complain(&format!("warning: {warning}"));
        }
        if wrong {
            return Err(Failure::Usage("a daemon would not put all of this in force".to_owned()));
        }
        Ok(())
    }
}
