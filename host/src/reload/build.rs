//! From files to what can be put in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Paths;
use super::files::{self, File};
use crate::config::{Access, Config};
use crate::plugin::{Compiled, LoadError, Plugin, Runtime, Status, trust};

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
        /// The lines that would grant what it needs, if it is held for that.
        needs: Vec<String>,
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
    /// The last look at each plugin's file.
    looks: BTreeMap<String, Look>,
    /// The plugins that can be put in force.
    plugins: BTreeMap<String, Arc<Plugin>>,
    /// Who is known to have signed the files that serve, by the files' hashes: the files may be gone when trust is tightened.
    signers: BTreeMap<String, BTreeSet<String>>,
}

/// A look at a plugin's file.
struct Look {
    /// The hashes of the file and of its signatures; nothing if they are to be looked at again, the same or not.
    content: Option<String>,
    /// Whether what was found serves.
    serves: bool,
}

impl Change {
    /// Whether it is to be put in force.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Rules { .. } | Self::Plugin { .. } | Self::PluginRemoved { .. })
    }
}

impl From<(String, LoadError)> for Change {
    fn from((id, error): (String, LoadError)) -> Self {
        let message = error.to_string();
        let needs = if let LoadError::Needs { lines, .. } = error { lines } else { Vec::new() };
        Self::PluginRejected { id, error: message, needs }
    }
}

impl Builder {
    /// A builder that starts with `config` and no plugins.
    pub(super) fn new(paths: Paths, runtime: Arc<Runtime>, config: Config) -> Self {
        let config_text = std::fs::read_to_string(&paths.config).ok();
        Self {
            paths,
            runtime,
            config,
            config_text,
            rejected: None,
            looks: BTreeMap::new(),
            plugins: BTreeMap::new(),
            signers: BTreeMap::new(),
        }
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

    /// Whether there is a file of a plugin, good or not.
    pub(super) fn has_file(&self, id: &str) -> bool {
        self.looks.contains_key(id)
    }

    /// Has the next look at the plugins look at every file that does not serve, also where it is the same: what it was refused for
    /// may be otherwise now.
    pub(super) fn look_again(&mut self) {
        for look in self.looks.values_mut().filter(|look| !look.serves) {
            look.content = None;
        }
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
        for (id, look) in &mut self.looks {
            look.serves &= self.plugins.contains_key(id);
        }
        self.look_again();
        Ok(Some(self.config.rules.rules().len()))
    }

    /// What rules.toml says now, and the plugins that serve under it.
    async fn prepare(&mut self) -> Result<(Config, BTreeMap<String, Arc<Plugin>>), String> {
        let config = Config::load(&self.paths.config, &self.paths.data).map_err(|error| error.to_string())?;
        make_folders(&config).map_err(|error| error.to_string())?;
        let mut plugins = BTreeMap::new();
        for (id, plugin) in self.plugins() {
            let error = match self.still_serving(&id, &plugin, &config).await {
                Ok(rebuilt) => {
                    plugins.insert(id, rebuilt);
                    continue;
                }
                // The next look at its file says that it is not used.
                Err(LoadError::Needs { .. }) if !names(&config, &id) => continue,
                Err(error) => error,
            };
            // Without a file it will be removed by the next look at the files.
            if let Some(successor) = self.successor(&id, &plugin, error, &config).await? {
                plugins.insert(id, successor);
            }
        }
        Ok((config, plugins))
    }

    /// A plugin that serves, under another configuration.
    async fn still_serving(&mut self, id: &str, plugin: &Plugin, config: &Config) -> Result<Arc<Plugin>, LoadError> {
        let rebuilt = self.with_settings(id, plugin.compiled().clone(), config).await?;
        let Some(trust) = config.trust(id) else { return Ok(rebuilt) };
        let hash = &plugin.compiled().hash;
        let known = self.signers.entry(hash.clone()).or_default();
        if trust::check(id, trust, hash, known).is_err()
            && let Ok(Some(File { bytes, signatures })) = files::read_one(&self.paths.plugins, id)
            && crate::plugin::hash(&bytes) == *hash
        {
            known.extend(trust::signers(trust, &bytes, &signatures));
        }
        trust::check(id, trust, hash, known).map(|()| rebuilt)
    }

    /// What takes the place of a plugin that cannot serve under another configuration, because of `error`: the file that lies there
    /// meanwhile may have waited for this very change. `None` if there is no file any more.
    async fn successor(
        &mut self,
        id: &str,
        serving: &Plugin,
        error: LoadError,
        config: &Config,
    ) -> Result<Option<Arc<Plugin>>, String> {
        let refused = |more: String| format!("the plugin {id} serves and could not any more: {error}{more}");
        let file = match files::read_one(&self.paths.plugins, id) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => return Err(refused(format!("; and its file cannot be read: {error}"))),
        };
        let hash = crate::plugin::hash(&file.bytes);
        if hash == serving.compiled().hash {
            return Err(refused(String::new()));
        }
        let built = async {
            self.check_trust(id, config, &hash, &file)?;
            let compiled = Arc::new(Compiled::new(file.bytes, &self.runtime).await?);
            self.with_settings(id, compiled, config).await
        };
        let built = built.await;
        built.map(Some).map_err(|error| refused(format!("; nor can the file that lies there now: {error}")))
    }

    /// Whether a file is believed. Remembers who has signed it.
    fn check_trust(&mut self, id: &str, config: &Config, hash: &str, file: &File) -> Result<(), LoadError> {
        let Some(trust) = config.trust(id) else { return Ok(()) };
        let signers = trust::signers(trust, &file.bytes, &file.signatures);
        let checked = trust::check(id, trust, hash, &signers);
        self.signers.entry(hash.to_owned()).or_default().extend(signers);
        checked
    }

    /// Makes the folders that the configuration speaks of.
    pub(super) fn make_folders(&self) -> Result<(), LoadError> {
        make_folders(&self.config)
    }

    /// Reads the plugins' files, and builds those that changed since the last look.
    pub(super) async fn look_at_plugins(&mut self) -> Vec<Change> {
        let files = match files::read_all(&self.paths.plugins) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, folder = %self.paths.plugins.display(), "the plugins cannot be listed");
                return Vec::new();
            }
        };
        let mut changes = Vec::new();
        let gone: Vec<String> = self.looks.keys().filter(|id| !files.contains_key(*id)).cloned().collect();
        for id in gone {
            self.looks.remove(&id);
            self.plugins.remove(&id);
            changes.push(Change::PluginRemoved { id });
        }
        let mut builds = Vec::new();
        for (id, file) in files {
            let look = self.looks.entry(id.clone()).or_insert(Look { content: None, serves: false });
            let file = match file {
                Ok(file) => file,
                Err(error) => {
                    *look = Look { content: None, serves: false };
                    changes.push(Change::PluginRejected { id, error: error.to_string(), needs: Vec::new() });
                    continue;
                }
            };
            let hash = crate::plugin::hash(&file.bytes);
            let content = Some(format!("{hash} {}", crate::plugin::hash(file.signatures.concat().as_bytes())));
            if look.content != content {
                *look = Look { content, serves: false };
                if let Err(error) = self.check_trust(&id, &self.config.clone(), &hash, &file) {
                    changes.push((id, error).into());
                    continue;
                }
                let runtime = self.runtime.clone();
                let known = self.plugins.get(&id).map(|plugin| plugin.compiled().clone());
                builds.push(async move {
                    let compiled = match known.filter(|known| known.hash == hash) {
                        Some(known) => Ok(known),
                        None => Compiled::new(file.bytes, &runtime).await.map(Arc::new),
                    };
                    (id, compiled)
                });
            }
        }
        for (id, compiled) in futures_util::future::join_all(builds).await {
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(error) => {
                    changes.push((id, error).into());
                    continue;
                }
            };
            changes.push(match self.with_settings(&id, compiled.clone(), &self.config).await {
                Ok(plugin) => {
                    let (hash, version) = (compiled.hash.clone(), compiled.version().to_owned());
                    self.plugins.insert(id.clone(), plugin);
                    if let Some(look) = self.looks.get_mut(&id) {
                        look.serves = true;
                    }
                    Change::Plugin { id, hash, version }
                }
                Err(LoadError::Needs { lines: needs, .. })
                    if !names(&self.config, &id) && !self.plugins.contains_key(&id) =>
                {
                    Change::PluginUnused(Status::unused(&id, &compiled, needs))
                }
                Err(error) => (id, error).into(),
            });
        }
        let serving = |hash: &String| self.plugins.values().any(|plugin| plugin.compiled().hash == *hash);
        self.signers.retain(|hash, _| serving(hash));
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
