//! A program of the operator that a plugin may have run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// A program of the operator that a plugin may have run, and under which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program: an absolute path.
    pub program: PathBuf,
    /// Its arguments, word for word.
    pub arguments: Vec<String>,
    /// The parameters that the plugin may give it on its standard input.
    pub parameters: BTreeSet<String>,
    /// Its environment, and nothing else.
    pub environment: Vec<Variable>,
    /// Where it runs: an absolute path. The root of the file system unless said.
    pub folder: PathBuf,
    /// The longest that it may run.
    pub time: Duration,
    /// The most bytes that it may write to standard output, and as many to standard error.
    pub output: u64,
}

/// A variable of a command's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; nothing for that of the daemon's environment, if that has one.
    pub value: Option<String>,
}
