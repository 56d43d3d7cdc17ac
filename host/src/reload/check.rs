//! What a start would make of the files, without one.

use std::path::Path;
use std::sync::Arc;

use super::Paths;
use super::build::{Builder, Change};
use crate::clock::{SystemClock, Timestamp};
use crate::config::{Config, Diagnostics};
use crate::plugin::{Registry, Runtime, Status};
use crate::storage::memory::MemoryStorage;

/// What `check` finds.
pub struct Checked {
    /// rules.toml, or what is wrong with it.
    pub config: Result<Config, Diagnostics>,
    /// The plugins; those with an error would not be put in force.
    pub plugins: Vec<Status>,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<String>,
}

/// Reads rules.toml and every plugin as a start would, and says what is wrong. Starts and changes nothing, but makes the folders
/// that plugins are granted for writing.
pub async fn check(config: &Path, plugins: &Path, data: &Path) -> anyhow::Result<Checked> {
    let loaded = match Config::load(config, data) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            let warnings = vec!["the plugins were not looked at, because their grants cannot be read".to_owned()];
            return Ok(Checked { config: Err(diagnostics), plugins: Vec::new(), warnings });
        }
    };
    let runtime = Runtime::new(Arc::new(MemoryStorage::new()), Arc::new(SystemClock::default()))?;
    let paths = Paths { config: config.to_owned(), plugins: plugins.to_owned(), data: data.to_owned() };
    let mut builder = Builder::new(paths, runtime, loaded);
    builder.make_folders()?;
    let changes = builder.look_at_plugins().await;
    let registry = Registry::default();
    registry.replace(builder.plugins(), Timestamp::default());
    for change in changes {
        match change {
            Change::PluginRejected { id, error, needs } => registry.refuse(&id, &error, &needs),
            Change::PluginUnused(status) => registry.note_unused(status),
            _ => {}
        }
    }
    let emits = |plugin: &str| -> Vec<&str> {
        let settings = builder.config().plugins.get(plugin);
        settings.into_iter().flat_map(|settings| &settings.grants.emit).map(String::as_str).collect()
    };
    let mut warnings = absent_plugins(&builder, plugins);
    warnings.extend(builder.config().rules.lint(emits).into_iter().map(|warning| {
        let rule = warning.rule.map(|name| format!("rule `{name}`: ")).unwrap_or_default();
        format!("{rule}{}; {}", warning.message, warning.help)
    }));
    Ok(Checked { config: Ok(builder.config().clone()), plugins: registry.statuses(), warnings })
}

/// What rules.toml says of plugins that have no file.
fn absent_plugins(builder: &Builder, folder: &Path) -> Vec<String> {
    let absent = |id: &str| !builder.has_file(id);
    let mut warnings = Vec::new();
    for rule in builder.config().rules.rules().iter().filter(|rule| rule.enabled) {
        for target in rule.targets.iter().filter(|target| absent(&target.plugin)) {
            let file = folder.join(format!("{}.wasm", target.plugin));
            warnings.push(format!(
                "rule `{}` names the plugin `{}`, but there is no {}; its deliveries will wait",
                rule.name,
                target.plugin,
                file.display()
            ));
        }
    }
    for id in builder.config().plugins.keys().filter(|id| absent(id)) {
        warnings.push(format!("[plugins.{id}] has grants, but there is no {id}.wasm in {}", folder.display()));
    }
    warnings
}
