//! What a plugin may touch. Absent means no.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::command::Command;
use super::destination::Destination;

/// What a plugin may touch. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Buckets of the key-value store.
    pub kv: BTreeMap<String, Access>,
    /// The trials.
    pub trials: Option<Access>,
    /// The sources it may emit events as. Never the daemon's own nor AWS's.
    pub emit: BTreeSet<String>,
    /// Where its HTTP requests may go.
    pub http: Vec<Destination>,
    /// The programs it may have run, by the names it calls them.
    pub commands: BTreeMap<String, Command>,
    /// The folders it sees, by the name it sees them under.
    pub folders: BTreeMap<String, Folder>,
}

/// A folder of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What may be done in it.
    pub access: Access,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looking: `"read"`.
    Read,
    /// Looking and changing: `"read-write"`.
    ReadWrite,
}
