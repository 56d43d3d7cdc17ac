//! From files to what can be put in force.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Paths, plugin_id};
use crate::clock::{SystemClock, Timestamp};
use crate::config::{Access, Config, Diagnostics, Trust};
use crate::plugin::{Compiled, LoadError, Plugin, Registry, Runtime, Status, trust};
use crate::storage::memory::MemoryStorage;

/// What became of a file.
#[derive(Debug)]
pub(super) enum Change {
    /// rules.toml was replaced by a good one.
    Rules {
        /// How many rules it has.
        rules: usize,
    },
    /// rules.toml was replaced by one that cannot be put in force.
    RulesRejected {
        /// Why.
        error: String,
    },
    /// A plugin's file was added or replaced by a good one.
    Plugin {
        /// The plugin.
        id: String,
        /// Its content hash.
        hash: String,
        /// The version it says it has.
        version: String,
    },
    /// A plugin's file was added or replaced by one that cannot be put in force.
    PluginRejected {
        /// The plugin.
        id: String,
        /// Why.
        error: String,
    },
    /// A plugin's file was added or replaced by a good one that nothing uses.
    PluginUnused(Status),
    /// A plugin's file was removed.
    PluginRemoved {
        /// The plugin.
        id: String,
    },
}

/// Remembers what was built from which file, so that only what changed is built again.
pub(super) struct Builder {
    paths: Paths,
    runtime: Arc<Runtime>,
    /// The configuration in force.
    config: Config,
    /// The text of rules.toml when it was last looked at.
    config_text: Option<String>,
    /// Why what was last looked at could not be put in force, if so.
    rejected: Option<String>,
    /// The hash of each plugin's file and of its signatures when they were last looked at.
    seen: BTreeMap<String, String>,
    /// The plugins that can be put in force.
    plugins: BTreeMap<String, Arc<Plugin>>,
}

/// What `check` finds.
pub struct Checked {
    /// rules.toml, or what is wrong with it.
    pub config: Result<Config, Diagnostics>,
    /// The plugins; those with an error would not be put in force.
    pub plugins: Vec<Status>,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<String>,
}

impl Change {
    /// Whether it is to be put in force.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Rules { .. } | Self::Plugin { .. } | Self::PluginRemoved { .. })
    }
}

impl Builder {
    /// A builder that starts with `config` and no plugins.
    pub(super) fn new(paths: Paths, runtime: Arc<Runtime>, config: Config) -> Self {
        let config_text = std::fs::read_to_string(&paths.config).ok();
        Self { paths, runtime, config, config_text, rejected: None, seen: BTreeMap::new(), plugins: BTreeMap::new() }
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn plugins(&self) -> BTreeMap<String, Arc<Plugin>> {
        self.plugins.clone()
    }

    /// Reads rules.toml, if it or the secrets it names changed since the last look, and rebuilds the plugins whose settings it
    /// changes. Answers with the number of rules.
    pub(super) async fn look_at_config(&mut self) -> Result<Option<usize>, String> {
        let text = std::fs::read_to_string(&self.paths.config).ok();
        let same_text = text == self.config_text;
        // A secret may have changed elsewhere, and what was missing may be there now.
        if same_text && self.rejected.is_none() && !self.config.names_secrets() {
            return Ok(None);
        }
        self.config_text = text;
        let prepared = self.prepare().await;
        let same_outcome = match &prepared {
            Ok((config, _)) => self.rejected.is_none() && config.plugins == self.config.plugins,
            Err(error) => self.rejected.as_ref() == Some(error),
        };
        if same_text && same_outcome {
            return Ok(None);
        }
        self.rejected = prepared.as_ref().err().cloned();
        (self.config, self.plugins) = prepared?;
        // Files that were refused for a grant may be good now.
        self.seen.retain(|id, _| self.plugins.contains_key(id));
        Ok(Some(self.config.rules.rules().len()))
    }

    /// What rules.toml says now, and the plugins that serve under it.
    async fn prepare(&self) -> Result<(Config, BTreeMap<String, Arc<Plugin>>), String> {
        let config = Config::load(&self.paths.config, &self.paths.data).map_err(|error| error.to_string())?;
        make_folders(&config).map_err(|error| error.to_string())?;
        let mut plugins = BTreeMap::new();
        for (id, plugin) in &self.plugins {
            if let Some(trust) = config.trust(id)
                && config.trust(id) != self.config.trust(id)
            {
                self.still_trusted(id, trust, &plugin.compiled().hash)?;
            }
            match self.with_settings(id, plugin.compiled().clone(), &config).await {
                Ok(rebuilt) => {
                    plugins.insert(id.clone(), rebuilt);
                }
                // The next look at its file says that it is not used.
                Err(LoadError::Needs { .. }) if !names(&config, id) => {}
                Err(error) => return Err(format!("the plugin {id} serves and could not any more: {error}")),
            }
        }
        Ok((config, plugins))
    }

    /// Whether a plugin that serves may go on under other rules of trust. A file that was replaced meanwhile is looked at afterwards.
    fn still_trusted(&self, id: &str, trust: &Trust, serving: &str) -> Result<(), String> {
        let files = files(&self.paths.plugins).map_err(|error| error.to_string())?;
        let file = files.into_iter().find(|(found, _)| found == id);
        let Some((_, Ok(File { bytes, signatures }))) = file else { return Ok(()) };
        if crate::plugin::hash(&bytes) != serving {
            return Ok(());
        }
        trust::check(id, trust, &bytes, &signatures)
            .map_err(|error| format!("the plugin {id} serves and could not any more: {error}"))
    }

    /// Makes the folders that the configuration speaks of.
    pub(super) fn make_folders(&self) -> Result<(), LoadError> {
        make_folders(&self.config)
    }

    /// Reads the plugins' files, and builds those that changed since the last look.
    pub(super) async fn look_at_plugins(&mut self) -> Vec<Change> {
        let files = match files(&self.paths.plugins) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, folder = %self.paths.plugins.display(), "the plugins cannot be listed");
                return Vec::new();
            }
        };
        let mut changes = Vec::new();
        let gone: Vec<String> = self.seen.keys().filter(|id| !files.contains_key(*id)).cloned().collect();
        for id in gone {
            self.seen.remove(&id);
            self.plugins.remove(&id);
            changes.push(Change::PluginRemoved { id });
        }
        let mut builds = Vec::new();
        for (id, file) in files {
            let File { bytes, signatures } = match file {
                Ok(file) => file,
                Err(error) => {
                    changes.push(Change::PluginRejected { id, error: error.to_string() });
                    continue;
                }
            };
            let hash = crate::plugin::hash(&bytes);
            let look = format!("{hash} {}", crate::plugin::hash(signatures.concat().as_bytes()));
            if self.seen.get(&id) != Some(&look) {
                self.seen.insert(id.clone(), look);
                if let Some(trust) = self.config.trust(&id)
                    && let Err(error) = trust::check(&id, trust, &bytes, &signatures)
                {
                    changes.push(Change::PluginRejected { id, error: error.to_string() });
                    continue;
                }
                let runtime = self.runtime.clone();
                let known = self.plugins.get(&id).map(|plugin| plugin.compiled().clone());
                builds.push(async move {
                    let compiled = match known.filter(|known| known.hash == hash) {
                        Some(known) => Ok(known),
                        None => Compiled::new(bytes, &runtime).await.map(Arc::new),
                    };
                    (id, compiled)
                });
            }
        }
        for (id, compiled) in futures_util::future::join_all(builds).await {
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(error) => {
                    changes.push(Change::PluginRejected { id, error: error.to_string() });
                    continue;
                }
            };
            changes.push(match self.with_settings(&id, compiled.clone(), &self.config).await {
                Ok(plugin) => {
                    let (hash, version) = (compiled.hash.clone(), compiled.version().to_owned());
                    self.plugins.insert(id.clone(), plugin);
                    Change::Plugin { id, hash, version }
                }
                Err(LoadError::Needs { lines: needs, .. })
                    if !names(&self.config, &id) && !self.plugins.contains_key(&id) =>
                {
                    Change::PluginUnused(Status::unused(&id, &compiled, needs))
                }
                Err(error) => Change::PluginRejected { id, error: error.to_string() },
            });
        }
        changes
    }

    /// The plugin of some code under a configuration: the one that serves now if nothing differs.
    async fn with_settings(
        &self,
        id: &str,
        compiled: Arc<Compiled>,
        config: &Config,
    ) -> Result<Arc<Plugin>, LoadError> {
        let settings = config.plugins.get(id).cloned().unwrap_or_default();
        if let Some(current) = self.plugins.get(id)
            && Arc::ptr_eq(current.compiled(), &compiled)
            && **current.settings() == settings
        {
            return Ok(current.clone());
        }
        let plugin = Plugin::new(id, compiled, Arc::new(settings), self.runtime.clone())?;
        plugin.check_config().await?;
        Ok(Arc::new(plugin))
    }
}

/// Whether rules.toml says anything of a plugin. One that is there and that it says nothing of is not missing any grants: it is not used.
fn names(config: &Config, id: &str) -> bool {
    let mut targets = config.rules.rules().iter().flat_map(|rule| &rule.targets);
    config.plugins.contains_key(id) || targets.any(|target| target.plugin == id)
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
            Change::PluginRejected { id, error } => registry.note(&id, Some(error)),
            Change::PluginUnused(status) => registry.note_unused(status),
            _ => {}
        }
    }
    let emits = |plugin: &str| -> Vec<&str> {
        let settings = builder.config.plugins.get(plugin);
        settings.into_iter().flat_map(|settings| &settings.grants.emit).map(String::as_str).collect()
    };
    let mut warnings = absent_plugins(&builder, plugins);
    warnings.extend(builder.config.rules.lint(emits).into_iter().map(|warning| {
        let rule = warning.rule.map(|name| format!("rule `{name}`: ")).unwrap_or_default();
        format!("{rule}{}; {}", warning.message, warning.help)
    }));
    Ok(Checked { config: Ok(builder.config), plugins: registry.statuses(), warnings })
}

/// What rules.toml says of plugins that have no file.
fn absent_plugins(builder: &Builder, folder: &Path) -> Vec<String> {
    let absent = |id: &str| !builder.seen.contains_key(id);
    let mut warnings = Vec::new();
    for rule in builder.config.rules.rules().iter().filter(|rule| rule.enabled) {
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
    for id in builder.config.plugins.keys().filter(|id| absent(id)) {
        warnings.push(format!("[plugins.{id}] has grants, but there is no {id}.wasm in {}", folder.display()));
    }
    warnings
}

/// Makes the folders that plugins may write to and the one of the stacks, before any plugin that only reads them is loaded.
fn make_folders(config: &Config) -> Result<(), LoadError> {
    let writable = config.plugins.values().flat_map(|plugin| &plugin.grants.folders);
    let writable = writable.filter(|(_, folder)| folder.access == Access::ReadWrite);
    let writable = writable.map(|(name, folder)| (name.as_str(), &folder.path));
    let stacks = config.stacks.iter().map(|stacks| ("stacks.folder", &stacks.folder));
    for (name, path) in writable.chain(stacks) {
        std::fs::create_dir_all(path).map_err(|error| LoadError::Folder {
            name: name.to_owned(),
            path: path.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

/// A plugin's file, and what lies beside it.
struct File {
    bytes: Vec<u8>,
    /// The texts of its signatures.
    signatures: Vec<String>,
}

type Files = BTreeMap<String, std::io::Result<File>>;

/// The plugins' files, by id.
fn files(folder: &Path) -> std::io::Result<Files> {
    let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut files = Files::new();
    for path in &paths {
        if let Some(id) = plugin_id(path)
            && path.is_file()
        {
            let signatures = paths.iter().filter(|other| is_signature(other, &id));
            let signatures = signatures.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
            files.insert(id, std::fs::read(path).map(|bytes| File { bytes, signatures }));
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            tracing::warn!(file = %path.display(), "not a plugin: its name is not of a-z, 0-9 and -");
        }
    }
    Ok(files)
}

/// Whether a file is called `ID.wasm.minisig` or `ID.wasm.ANYTHING.minisig`.
fn is_signature(path: &Path, id: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix(id)?.strip_prefix(".wasm.")?.strip_suffix("minisig"));
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
