//! What a file is and wants, without letting it serve.

use std::sync::Arc;

use wasmtime::component::Component;

use super::compiled::{Code, Compiled, LoadError};
use super::needs;
use super::runtime::Runtime;
use crate::config::{Access, Grants};

/// What begins the names of trialbridge's own interfaces.
const OWN: &str = "trialbridge:plugin/";

/// What there is to say of a component.
pub struct Inspection {
    /// The SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The version of trialbridge's package that it was built against; nothing if it does not export the handler.
    pub world: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<Import>,
    /// The interfaces and functions that it exports.
    pub exports: Vec<String>,
    /// The plugin, or why it is none.
    pub plugin: Result<Arc<Compiled>, LoadError>,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name with its version: `trialbridge:plugin/kv@0.1.0`.
    pub name: String,
    /// What comes of using it.
    pub verdict: Verdict,
}

/// What comes of using an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everybody may use it.
    Always,
    /// rules.toml grants it: what it grants.
    Granted(String),
    /// It is there, and refuses: the grant that would open it.
    Denied(String),
    /// It is there, and refuses whatever rules.toml says.
    Never,
    /// This daemon does not have it.
    Unknown,
}

/// A thing that a plugin needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The line of rules.toml that grants it.
    pub line: String,
    /// Whether it is granted.
    pub granted: bool,
}

/// Looks at a file, for a plugin that has these grants.
///
/// # Errors
///
/// [`LoadError::NotComponent`] and [`LoadError::Invalid`], for a file of which nothing can be said.
pub async fn inspect(bytes: Vec<u8>, grants: &Grants, runtime: &Arc<Runtime>) -> Result<Inspection, LoadError> {
    let code = Code::new(bytes, runtime).await?;
    let (imports, exports) = names(&code.component, runtime);
    let world = exports.iter().find_map(|name| name.strip_prefix(OWN)?.strip_prefix("handler@")).map(ToOwned::to_owned);
    let imports = imports.into_iter().map(|name| Import { verdict: verdict(&name, grants), name }).collect();
    let (hash, size) = (code.hash.clone(), code.size);
    let plugin = Compiled::link(code, runtime).await.map(Arc::new);
    Ok(Inspection { hash, size, world, imports, exports, plugin })
}

impl Compiled {
    /// What the plugin says it needs, and whether `grants` have it.
    pub fn needs(&self, grants: &Grants) -> Vec<Needed> {
        needs::all(&self.description.needs, grants)
    }

    /// The lines of rules.toml, to be put under `[plugins.NAME]`, that grant everything the plugin says it needs. Folders are
    /// those of the same names in `folders`, and HTTP is granted to `http`.
    pub fn needed_grants(&self, folders: &str, http: &str) -> Vec<String> {
        needs::lines(&self.description.needs, folders, http)
    }
}

fn names(component: &Component, runtime: &Runtime) -> (Vec<String>, Vec<String>) {
    let kind = component.component_type();
    let imports = kind.imports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    let exports = kind.exports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    (imports, exports)
}

/// What comes of using an interface under some grants.
fn verdict(name: &str, grants: &Grants) -> Verdict {
    let interface = name.split('@').next().unwrap_or(name);
    let granted = |what: Vec<String>, line: &str| match what.is_empty() {
        true => Verdict::Denied(line.to_owned()),
        false => Verdict::Granted(what.join(", ")),
    };
    if let Some(own) = interface.strip_prefix(OWN) {
        return match own {
            "types" | "log" | "config" | "metrics" => Verdict::Always,
            "kv" => {
                let buckets = grants.kv.iter().map(|(bucket, access)| format!("{bucket} {}", word(*access)));
                granted(buckets.collect(), "kv = { BUCKET = \"read-write\" }")
            }
            "trials" => granted(grants.trials.map(word).into_iter().map(str::to_owned).collect(), "trials = \"read\""),
            "commands" => {
                let line = "[plugins.NAME.commands.COMMAND] program = \"/...\"";
                granted(grants.commands.keys().cloned().collect(), line)
            }
            "events" => granted(grants.emit.iter().cloned().collect(), "emit = [\"SOURCE\"]"),
            _ => Verdict::Unknown,
        };
    }
    let package = interface.split('/').next().unwrap_or(interface);
    match (package, interface) {
        (_, "wasi:http/types") | ("wasi:clocks" | "wasi:random" | "wasi:io" | "wasi:cli", _) => Verdict::Always,
        (_, "wasi:http/outgoing-handler") => match grants.http.len() {
            0 => Verdict::Denied("http = [\"https://HOST\"]".to_owned()),
            1 => Verdict::Granted("1 destination".to_owned()),
            several => Verdict::Granted(format!("{several} destinations")),
        },
        ("wasi:filesystem", _) => {
            let folders = grants.folders.iter().map(|(name, folder)| format!("/{name} {}", word(folder.access)));
            granted(folders.collect(), "folders = { NAME = { path = \"...\", access = \"read\" } }")
        }
        ("wasi:sockets", _) => Verdict::Never,
        _ => Verdict::Unknown,
    }
}

fn word(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::ReadWrite => "read-write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_has_its_verdict() {
        let mut grants = Grants::default();
        grants.kv.insert("leads".to_owned(), Access::ReadWrite);
        let denied = |line: &str| Verdict::Denied(line.to_owned());
        for (name, expected) in [
            ("trialbridge:plugin/log@0.1.0", Verdict::Always),
            ("trialbridge:plugin/kv@0.1.0", Verdict::Granted("leads read-write".to_owned())),
            ("trialbridge:plugin/trials@0.1.0", denied("trials = \"read\"")),
            ("trialbridge:plugin/commands@0.1.0", denied("[plugins.NAME.commands.COMMAND] program = \"/...\"")),
            ("wasi:clocks/wall-clock@0.2.12", Verdict::Always),
            ("wasi:http/outgoing-handler@0.2.12", denied("http = [\"https://HOST\"]")),
            ("wasi:sockets/tcp@0.2.12", Verdict::Never),
            ("acme:database/query@1.0.0", Verdict::Unknown),
        ] {
            assert_eq!(verdict(name, &grants), expected, "{name}");
        }
    }
}
