//! `trialbridge plugin`: `list` and `show` ask a daemon, the others work on files.

mod build;
mod effects;
mod inspect;
mod language;
mod new;
mod stage;
mod test;
mod tools;

use std::path::Path;

use clap::Subcommand;
use serde_json::Value;

use super::client::Client;
use super::output::{Output, text};
use super::{Failure, Server};

/// Look at the plugins, and write new ones.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Plugin {
    /// List the plugins, and why the newest file of one does not serve.
    #[command(after_help = "Example:\n  trialbridge plugin list")]
    List,
    /// Show a plugin.
    #[command(after_help = "Example:\n  trialbridge plugin show assign-trial")]
    Show {
        /// The plugin's id: the name of its file without .wasm.
        id: String,
    },
    /// Write a new plugin: a project that builds at once, with a test, a README, and the rule and grants to paste.
    #[command(after_help = "Example:\n  trialbridge plugin new lead-greeter --lang javascript")]
    New(new::New),
    /// Build a plugin's project into a component, with its language's tool: cargo, componentize-js or componentize-py.
    #[command(after_help = "Example:\n  trialbridge plugin build lead-greeter --output plugins/lead-greeter.wasm\n\n\
        The tools for JavaScript and Python are installed once, with npm and pip, into trialbridge/tools in the cache of the user.")]
    Build(build::Build),
    /// Say what a .wasm file is, what it wants, and what of it rules.toml grants.
    #[command(after_help = "Example:\n  trialbridge plugin inspect plugins/assign-trial.wasm --config rules.toml\n\n\
        Exit code 2 if it is no plugin.")]
    Inspect(inspect::Inspect),
    /// Run a .wasm file on one event, outside the daemon, and print what it would commit, its log, time and memory.
    #[command(after_help = "Example:\n  trialbridge plugin test plugins/metrics.wasm --event event.json --json\n\n\
        Nothing is committed and no request leaves the machine. Exit code 1 if the handler fails.")]
    Test(Box<test::Test>),
}

impl Plugin {
    pub(super) async fn execute(self, server: &Server, output: Output) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = Client::new(server)?.get(&["plugins"], &[]).await?;
                if output.json {
                    return Ok(output.value(&answer)?);
                }
                let plugins = answer["plugins"].as_array().cloned().unwrap_or_default();
                let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
                Ok(output.table(&["PLUGIN", "STATE", "VERSION", "HASH", "SUMMARY"], &rows)?)
            }
            Self::Show { id } => Ok(output.value(&Client::new(server)?.get(&["plugins", &id], &[]).await?)?),
            Self::New(new) => new.execute(output),
            Self::Build(build) => build.execute(output),
            Self::Inspect(inspect) => inspect.execute(output).await,
            Self::Test(test) => test.execute(output).await,
        }
    }
}

fn row(plugin: &Value) -> Vec<String> {
    let field = |name: &str| text(&plugin[name]);
    let hash = field("hash").chars().take(12).collect();
    let needs: Vec<String> = plugin["needs"].as_array().into_iter().flatten().map(text).collect();
    let remark = match &plugin["error"] {
        Value::Null if needs.is_empty() => field("summary"),
        Value::Null => not_used(&needs),
        error => format!("error: {}", text(error)),
    };
    vec![field("id"), state(plugin), field("version"), hash, remark]
}

/// Whether a plugin serves, and what became of a newer build if it is not that.
fn state(plugin: &Value) -> String {
    let state = text(&plugin["state"]);
    match (state.as_str(), &plugin["error"]) {
        ("ACTIVE", Value::String(_)) if plugin["needs"].is_array() => "ACTIVE, new build HELD".to_owned(),
        ("ACTIVE", Value::String(_)) => "ACTIVE, new build REJECTED".to_owned(),
        _ => state,
    }
}

/// What to say of a plugin that rules.toml does not name.
pub(super) fn not_used(needs: &[String]) -> String {
    format!("not used: rules.toml does not name it, and it needs {}", needs.join("; "))
}

/// The id that a plugin has in rules.toml: the one that is said, or the name of its file.
fn id_of(file: &Path, said: Option<&str>) -> Result<String, Failure> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo writes `_` where the name of the package has `-`, and no plugin's id has `_`.
    let id = said.map_or_else(|| stem.replace('_', "-"), ToOwned::to_owned);
    if !trialbridge::config::is_plugin_id(&id) {
        let message = format!("`{id}` cannot be the id of a plugin; say one with --plugin, of a-z, 0-9 and -");
        return Err(Failure::Usage(message));
    }
    Ok(id)
}

/// The bytes of a file that an argument names.
fn read(file: &Path, argument: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::Usage(format!("{argument}: cannot read {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::state;

    #[test]
    fn a_newer_build_that_does_not_serve_shows_beside_the_one_that_does() {
        for (plugin, shown) in [
            (json!({ "state": "ACTIVE", "error": null }), "ACTIVE"),
            (json!({ "state": "ACTIVE", "error": "damaged" }), "ACTIVE, new build REJECTED"),
            (json!({ "state": "ACTIVE", "error": "it needs", "needs": ["kv = {}"] }), "ACTIVE, new build HELD"),
            (json!({ "state": "HELD", "error": "it needs", "needs": ["kv = {}"] }), "HELD"),
            (json!({ "state": "UNUSED", "error": null, "needs": ["kv = {}"] }), "UNUSED"),
        ] {
            assert_eq!(state(&plugin), shown, "{plugin}");
        }
    }
}
