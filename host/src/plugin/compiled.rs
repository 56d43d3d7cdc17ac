//! From bytes to code, and what can be wrong with them.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::bindings::CorePre;
use super::bindings::trialbridge::plugin::types::Description;
use super::guest::Guest;
use super::instance;
use super::runtime::Runtime;
use super::symbols::Symbols;

/// The code of a plugin: compiled, checked against the world, and asked what it is.
pub struct Compiled {
    /// The SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// The size of the file, in bytes.
    pub size: u64,
    /// What the plugin says of itself.
    pub(super) description: Description,
    /// Ready to be instantiated.
    pub(super) pre: CorePre<Guest>,
    /// Where the code comes from.
    pub(super) symbols: Arc<Symbols>,
}

/// Compiled code of which nothing else is known.
pub(super) struct Code {
    pub(super) hash: String,
    pub(super) size: u64,
    pub(super) component: Component,
    pub(super) symbols: Arc<Symbols>,
}

/// Why a file is no plugin, or not one that may run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is a WebAssembly module, but not a component.
    #[error("it is a core WebAssembly module and not a component; build it with `--target wasm32-wasip2`")]
    NotComponent,
    /// It is not WebAssembly, or broken.
    #[error("it is not a WebAssembly component, or is damaged: {0}")]
    Invalid(String),
    /// It does not fit the world `trialbridge:plugin/plugin`.
    #[error("it is not a plugin of this trialbridge: {0}; build it against wit/ (package trialbridge:plugin@0.1.0)")]
    World(String),
    /// `describe` failed.
    #[error("its `describe` failed: {0}")]
    Describe(String),
    /// It says that its configuration is wrong.
    #[error("its configuration, [plugins.{id}.config], is refused: {reason}")]
    Config {
        /// The plugin.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It needs what is not granted.
    #[error("it needs what rules.toml does not grant; under [plugins.{id}] write: {}", lines.join("; "))]
    Needs {
        /// The plugin.
        id: String,
        /// The lines that grant it.
        lines: Vec<String>,
    },
    /// Its HTTP destinations, or the secrets for them, cannot be handled.
    #[error("its HTTP destinations cannot be set up: {0}")]
    Http(String),
    /// It is not among the files that are believed to be this plugin.
    #[error(
        "the file is not trusted: {found}; sign it with `minisign -S -m {id}.wasm`, or under [plugins.{id}] write: \
         trust = {{ sha256 = [\"{hash}\"] }}"
    )]
    Untrusted {
        /// The plugin.
        id: String,
        /// What speaks against it.
        found: String,
        /// Its SHA-256.
        hash: String,
    },
    /// A granted folder cannot be opened.
    #[error("the folder {} that is granted as `{name}` cannot be opened: {reason}", path.display())]
    Folder {
        /// The name of the grant.
        name: String,
        /// Where it points.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl Compiled {
    /// Compiles a file's bytes. Takes all processors for a while: call it where that hurts nobody.
    ///
    /// # Errors
    ///
    /// [`LoadError::NotComponent`], [`LoadError::Invalid`], [`LoadError::World`], [`LoadError::Describe`].
    pub async fn new(bytes: Vec<u8>, runtime: &Arc<Runtime>) -> Result<Self, LoadError> {
        Self::link(Code::new(bytes, runtime).await?, runtime).await
    }

    /// Checks code against the world, and asks it what it is.
    pub(super) async fn link(code: Code, runtime: &Runtime) -> Result<Self, LoadError> {
        let Code { hash, size, component, symbols } = code;
        let pre = runtime.linker.instantiate_pre(&component).map_err(|error| LoadError::World(one_line(&error)))?;
        let pre = CorePre::new(pre).map_err(|error| LoadError::World(one_line(&error)))?;
        let description = instance::describe(&pre, &symbols, runtime).await.map_err(LoadError::Describe)?;
        Ok(Self { hash, size, description, pre, symbols })
    }

    /// The version that the plugin says it has.
    pub fn version(&self) -> &str {
        &self.description.version
    }

    /// What the plugin says it does.
    pub fn summary(&self) -> &str {
        &self.description.summary
    }
}

impl Code {
    /// Compiles a file's bytes.
    pub(super) async fn new(bytes: Vec<u8>, runtime: &Runtime) -> Result<Self, LoadError> {
        // The version field of the header tells a module (1) from a component (0x1000d).
        if bytes.get(..8) == Some(b"\0asm\x01\0\0\0") {
            return Err(LoadError::NotComponent);
        }
        let hash = hash(&bytes);
        let size = bytes.len() as u64;
        let (engine, cache, content) = (runtime.engine.clone(), runtime.cache.clone(), hash.clone());
        let compile = move || {
            let component = match cache {
                Some(cache) => cache.component(&engine, &content, &bytes)?,
                None => Component::from_binary(&engine, &bytes)?,
            };
            Ok::<_, wasmtime::Error>((component, Symbols::new(&bytes)))
        };
        let (component, symbols) = tokio::task::spawn_blocking(compile)
            .await
            .map_err(|error| LoadError::Invalid(error.to_string()))?
            .map_err(|error| LoadError::Invalid(one_line(&error)))?;
        Ok(Self { hash, size, component, symbols: Arc::new(symbols) })
    }
}

/// The SHA-256 of a file's bytes, in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write;

    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An error with its causes, on one line.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| cause.to_string().trim().replace('\n', " ")).collect();
    causes.join(": ")
}
