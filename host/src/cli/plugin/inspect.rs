//! `trialbridge plugin inspect`: what a file is and wants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use trialbridge::clock::SystemClock;
use trialbridge::config::{Config, Grants};
use trialbridge::plugin::inspect::{self, Inspection, Needed, Verdict};
use trialbridge::storage::MemoryStorage;

use super::{Failure, Output, id_of, read, tools};

/// What `plugin inspect` takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The component.
    file: PathBuf,
    /// The configuration whose grants to look up; without it rules.toml, if there is one here.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The plugin's id in the configuration, if it is not the file's name.
    #[arg(long, value_name = "ID")]
    plugin: Option<String>,
}

impl Inspect {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let bytes = read(&self.file, "FILE")?;
        let id = id_of(&self.file, self.plugin.as_deref())?;
        let (config, grants) = self.grants(&id)?;
        let runtime = tools::runtime(Arc::new(MemoryStorage::new()), Arc::new(SystemClock::default()))?;
        let found = inspect::inspect(bytes, &grants, &runtime).await;
        let found = found.map_err(|error| Failure::Usage(format!("{}: {error}", self.file.display())))?;
        let needs = found.plugin.as_ref().map(|plugin| plugin.needs(&grants)).unwrap_or_default();
        if output.json {
            output.value(&value(&id, &found, &needs))?;
        } else {
            print(&id, &found, &needs, config.as_deref(), output)?;
        }
        match &found.plugin {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::Usage(format!("{}: {error}", self.file.display()))),
        }
    }

    /// The grants of a plugin, and the file that they are from.
    fn grants(&self, id: &str) -> Result<(Option<PathBuf>, Grants), Failure> {
        let here = || Some(PathBuf::from("rules.toml")).filter(|file| file.is_file());
        let Some(file) = self.config.clone().or_else(here) else { return Ok((None, Grants::default())) };
        let config = Config::load_without_secrets(&file, Path::new("data"))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        Ok((Some(file), config.plugins.get(id).map(|settings| settings.grants.clone()).unwrap_or_default()))
    }
}

fn value(id: &str, found: &Inspection, needs: &[Needed]) -> Value {
    let imports = found.imports.iter().map(|import| {
        let (word, detail) = words(&import.verdict);
        json!({ "name": import.name, "verdict": word, "grant": detail })
    });
    let needs = needs.iter().map(|needed| json!({ "line": needed.line, "granted": needed.granted }));
    let plugin = found.plugin.as_ref();
    json!({
        "id": id,
        "version": plugin.map(|plugin| plugin.version()).ok(),
        "summary": plugin.map(|plugin| plugin.summary()).ok(),
        "error": plugin.err().map(ToString::to_string),
        "world": found.world,
        "hash": found.hash,
        "size": found.size,
        "imports": imports.collect::<Vec<_>>(),
        "exports": found.exports,
        "needs": needs.collect::<Vec<_>>(),
    })
}

fn print(id: &str, found: &Inspection, needs: &[Needed], config: Option<&Path>, output: Output) -> Result<(), Failure> {
    let mut head = vec![vec!["plugin".to_owned(), id.to_owned()]];
    let mut about = |name: &str, text: &str| head.push(vec![name.to_owned(), text.to_owned()]);
    if let Ok(plugin) = &found.plugin {
        about("version", plugin.version());
        about("summary", plugin.summary());
    }
    about("world", &found.world.as_ref().map_or_else(String::new, |version| format!("trialbridge:plugin@{version}")));
    about("hash", &found.hash);
    about("size", &format!("{} bytes", found.size));
    about("grants", &config.map_or_else(|| "none, without rules.toml".to_owned(), |file| file.display().to_string()));
    output.rows(&head)?;
    output.line("")?;
    let imports = found.imports.iter().map(|import| {
        let (word, detail) = words(&import.verdict);
        vec![import.name.clone(), word.to_owned(), detail]
    });
    output.table(&["IMPORT", "GRANT", ""], &imports.collect::<Vec<_>>())?;
    output.line("")?;
    output.table(&["EXPORT"], &found.exports.iter().map(|name| vec![name.clone()]).collect::<Vec<_>>())?;
    if needs.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let rows = needs.iter().map(|needed| {
        let word = if needed.granted { "granted" } else { "missing" };
        vec![needed.line.clone(), word.to_owned()]
    });
    output.table(&["NEEDS", ""], &rows.collect::<Vec<_>>())?;
    if let (Ok(plugin), true) = (&found.plugin, needs.iter().any(|needed| !needed.granted)) {
        let lines = plugin.needed_grants("...", "https://...").join("\n  ");
        output
            .line(&format!("\nit would not be put in force; write into rules.toml:\n\n  [plugins.{id}]\n  {lines}"))?;
    }
    Ok(())
}

/// A verdict in a word, and what there is to add.
fn words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Always => ("always", String::new()),
        Verdict::Granted(what) => ("granted", what.clone()),
        Verdict::Denied(line) => ("denied", line.clone()),
        Verdict::Never => ("denied", "nothing grants it".to_owned()),
        Verdict::Unknown => ("unknown", "this daemon does not have it".to_owned()),
    }
}
