//! The files of the plugins, and what lies beside them.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// A plugin's file, and what lies beside it.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    /// The texts of its signatures.
    pub(super) signatures: Vec<String>,
}

/// The plugins' files, by id, in a folder.
pub(super) fn read_all(folder: &Path) -> std::io::Result<BTreeMap<String, std::io::Result<File>>> {
    let paths = list(folder)?;
    let mut files = BTreeMap::new();
    for path in &paths {
        if let Some(id) = plugin_id(path)
            && path.is_file()
        {
            files.insert(id.clone(), read(path, &id, &paths));
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            tracing::warn!(file = %path.display(), "not a plugin: its name is not of a-z, 0-9 and -");
        }
    }
    Ok(files)
}

/// The file of a plugin in a folder; `None` if it is not there.
pub(super) fn read_one(folder: &Path, id: &str) -> std::io::Result<Option<File>> {
    match read(&folder.join(format!("{id}.wasm")), id, &list(folder)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The id of the plugin that a path is the file of: the stem of `*.wasm`, if it can be an id.
pub(super) fn plugin_id(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let is_wasm = path.extension().is_some_and(|extension| extension == "wasm");
    (is_wasm && crate::config::is_plugin_id(stem)).then(|| stem.to_owned())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn read(path: &Path, id: &str, beside: &[PathBuf]) -> std::io::Result<File> {
    let signatures = beside.iter().filter(|other| is_signature(other, id));
    let signatures = signatures.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    Ok(File { bytes: std::fs::read(path)?, signatures })
}

/// Whether a file is called `ID.wasm.minisig` or `ID.wasm.ANYTHING.minisig`.
fn is_signature(path: &Path, id: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix(id)?.strip_prefix(".wasm.")?.strip_suffix("minisig"));
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
