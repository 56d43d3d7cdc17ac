//! The folders that stacks are copies of.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// For how long a template is taken for what it was, in milliseconds: who edits one does not notice, and reading it takes more time than writing the copy.
const FRESH: u64 = 1000;

/// The longest file that is kept, and how much of a template is, in bytes. What is beyond that is copied from file to file.
const LONGEST_KEPT: u64 = 64 << 10;
const MOST_KEPT: u64 = 1 << 20;

thread_local! {
    /// What was read last.
    static LAST: RefCell<Option<Rc<Template>>> = const { RefCell::new(None) };
}

/// A folder with all that is in it.
pub(crate) struct Template {
    path: PathBuf,
    /// When it was read, in milliseconds since the epoch.
    read_at: u64,
    /// Paths below it, each folder before what is in it.
    parts: Vec<(PathBuf, Part)>,
}

enum Part {
    Folder,
    /// A file, with what is in it.
    Kept(Vec<u8>),
    /// A file that is read when it is copied.
    Large,
}

impl Template {
    /// The template in a folder, as it was at most [`FRESH`] milliseconds before `now`. Links are refused: they might lead out of the template.
    pub(crate) fn read(path: &Path, now: u64) -> io::Result<Rc<Self>> {
        let is_fresh = |last: &&Rc<Self>| last.path == path && (last.read_at..last.read_at + FRESH).contains(&now);
        if let Some(last) = LAST.with_borrow(|last| last.as_ref().filter(is_fresh).cloned()) {
            return Ok(last);
        }
        if !fs::symlink_metadata(path).map_err(|error| at(path, &error))?.is_dir() {
            return Err(Error::new(ErrorKind::NotADirectory, format!("{}: is not a folder", path.display())));
        }
        let (mut parts, mut left) = (Vec::new(), MOST_KEPT);
        look_into(path, Path::new(""), &mut left, &mut parts)?;
        let template = Rc::new(Self { path: path.to_owned(), read_at: now, parts });
        LAST.set(Some(template.clone()));
        Ok(template)
    }

    /// Makes a folder that is a copy of it.
    pub(crate) fn copy_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder).map_err(|error| at(folder, &error))?;
        for (path, part) in &self.parts {
            let target = folder.join(path);
            match part {
                Part::Folder => fs::create_dir(&target).map_err(|error| at(&target, &error))?,
                Part::Kept(content) => fs::write(&target, content).map_err(|error| at(&target, &error))?,
                Part::Large => {
                    let source = self.path.join(path);
                    fs::copy(&source, &target).map_err(|error| at(&source, &error))?;
                }
            }
        }
        Ok(())
    }
}

/// Adds what is in the folder `below` of `root`, and keeps files as long as some are `left` to be kept, in bytes.
fn look_into(root: &Path, below: &Path, left: &mut u64, parts: &mut Vec<(PathBuf, Part)>) -> io::Result<()> {
    let folder = root.join(below);
    for entry in fs::read_dir(&folder).map_err(|error| at(&folder, &error))? {
        let entry = entry?;
        let (path, source) = (below.join(entry.file_name()), entry.path());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            parts.push((path.clone(), Part::Folder));
            look_into(root, &path, left, parts)?;
        } else if kind.is_file() {
            let length = entry.metadata().map_err(|error| at(&source, &error))?.len();
            let part = if length <= LONGEST_KEPT.min(*left) {
                *left -= length;
                Part::Kept(fs::read(&source).map_err(|error| at(&source, &error))?)
            } else {
                Part::Large
            };
            parts.push((path, part));
        } else {
            let message = format!("{}: is neither a file nor a folder; put a copy in its place", source.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// An error that says of which file it is.
pub(crate) fn at(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}
