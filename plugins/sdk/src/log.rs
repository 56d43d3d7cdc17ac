//! Lines for the daemon's log.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For somebody looking closely.
    Trace,
    /// For whoever writes the plugin.
    Debug,
    /// What an operator likes to know.
    Info,
    /// Something is wrong, and nothing is lost.
    Warn,
    /// Somebody must act.
    Error,
}
