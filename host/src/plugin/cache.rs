//! Compiled code on disk, because compiling takes a thousand times as long as reading.
//!
//! An entry is a file: the SHA-256 of what it is for and of the code, then the code. What it is for is the plugin's own hash and the
//! engine's version and settings; so an entry that was cut off, damaged, renamed or made by another engine is never used, but
//! compiled anew. Whoever can write to the daemon's data folder is trusted with it, here as with the store.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiled::hash;

/// Entries that were not used for so long are removed when another is written.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often an entry's time of use is written at most.
const TOUCH: Duration = Duration::from_secs(24 * 60 * 60);

/// How the names of entries end.
const EXTENSION: &str = "cwasm";

/// The length of a SHA-256, in bytes.
const DIGEST: usize = 32;

/// A folder of compiled code. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: Arc<Path>,
}

impl Cache {
    /// The cache in a folder, which is made when it is needed.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder: folder.into() }
    }

    /// The code of the component `bytes`, whose hash is `content`: from the cache if it is there, compiled and kept otherwise. A cache
    /// that cannot be read or written is a warning.
    pub(super) fn component(&self, engine: &Engine, content: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let purpose = purpose(engine, content);
        let path = self.folder.join(format!("{}.{EXTENSION}", hash(purpose.as_bytes())));
        match fs::read(&path) {
            Ok(entry) => match open(engine, &purpose, &entry) {
                Some(component) => {
                    touch(&path);
                    return Ok(component);
                }
                None => tracing::warn!(path = %path.display(), "compiled code is damaged, and is compiled anew"),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), "compiled code cannot be read: {error}"),
        }
        let component = Component::from_binary(engine, bytes)?;
        if let Err(error) = self.keep(&path, &purpose, &component.serialize()?) {
            tracing::warn!(path = %path.display(), "compiled code cannot be kept: {error}");
        }
        Ok(component)
    }

    /// Writes an entry, whole or not at all, and removes those that nobody uses any more.
    fn keep(&self, path: &Path, purpose: &str, code: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&unfinished, [&digest(purpose, code)[..], code].concat())?;
        fs::rename(&unfinished, path)?;
        let old = |entry: &fs::DirEntry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > KEEP))
        };
        for entry in fs::read_dir(&self.folder)?.flatten().filter(old) {
            fs::remove_file(entry.path())?;
        }
        Ok(())
    }
}

/// What compiled code is good for, in a text of its own.
fn purpose(engine: &Engine, content: &str) -> String {
    // Another build of the daemon may hash otherwise, and then compiles anew.
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{content} {:016x}", hasher.finish())
}

/// The code of an entry, if it is whole and for this purpose.
fn open(engine: &Engine, purpose: &str, entry: &[u8]) -> Option<Component> {
    let (found, code) = entry.split_at_checked(DIGEST)?;
    if found != digest(purpose, code) {
        return None;
    }
    deserialize(engine, code)
}

#[expect(unsafe_code, reason = "code that wasmtime compiled can be run only by trusting the bytes it is kept in")]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: these very bytes came from `Component::serialize` of an engine of this version and these settings: their digest, which was
    // checked just now, says so, and only who may change the daemon's own data could have forged it.
    unsafe { Component::deserialize(engine, code) }.ok()
}

fn digest(purpose: &str, code: &[u8]) -> [u8; DIGEST] {
    Sha256::new().chain_update(purpose).chain_update(code).finalize().into()
}

/// Notes that an entry is in use.
fn touch(path: &Path) {
    let touched = fs::File::options().write(true).open(path).and_then(|file| {
        let changed = file.metadata()?.modified()?;
        if changed.elapsed().is_ok_and(|age| age > TOUCH) { file.set_modified(SystemTime::now()) } else { Ok(()) }
    });
    if let Err(error) = touched {
        tracing::debug!(path = %path.display(), "the use of compiled code cannot be noted: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A component without anything in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn entries(cache: &Cache) -> Vec<PathBuf> {
        fs::read_dir(&cache.folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
    }

    #[test]
    fn code_is_kept_and_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let (engine, cache) = (Engine::default(), Cache::new(folder.path().join("compiled")));
        cache.component(&engine, "a", EMPTY).expect("a component");
        let [entry] = &entries(&cache)[..] else { panic!("there is not one entry") };
        // What is found is not compiled: these bytes could not be.
        assert!(cache.component(&engine, "a", b"").is_ok());
        assert!(cache.component(&engine, "b", b"").is_err());
        let mut settings = wasmtime::Config::new();
        settings.epoch_interruption(true);
        let other = Engine::new(&settings).expect("an engine");
        assert!(cache.component(&other, "a", b"").is_err(), "it was compiled for another engine");
        assert!(fs::metadata(entry).is_ok());
    }

    #[test]
    fn what_is_damaged_is_compiled_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (engine, cache) = (Engine::default(), Cache::new(folder.path().join("compiled")));
        cache.component(&engine, "a", EMPTY).expect("a component");
        let entry = entries(&cache).pop().expect("an entry");
        let whole = fs::read(&entry).expect("code");
        let flipped = |place: usize| {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            bytes
        };
        for damaged in [vec![], whole[..20].to_vec(), whole[..whole.len() - 1].to_vec(), flipped(0), flipped(40)] {
            fs::write(&entry, &damaged).expect("written");
            assert!(cache.component(&engine, "a", b"").is_err());
            cache.component(&engine, "a", EMPTY).expect("a component");
            assert_eq!(fs::read(&entry).expect("code"), whole);
        }
    }

    #[test]
    fn an_entry_of_another_plugin_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let (engine, cache) = (Engine::default(), Cache::new(folder.path().join("compiled")));
        cache.component(&engine, "a", EMPTY).expect("a component");
        let first = entries(&cache).pop().expect("an entry");
        cache.component(&engine, "b", EMPTY).expect("a component");
        let second = entries(&cache).into_iter().find(|entry| *entry != first).expect("another entry");
        fs::copy(&first, &second).expect("copied");
        assert!(cache.component(&engine, "b", b"").is_err());
    }
}
