//! Rules, and events for them.

pub(crate) mod citylots;
pub(crate) mod trial;

/// What an engine is measured with. All of it is generated, and the same in every run.
pub(crate) struct Workload {
    /// Its name.
    pub(crate) name: String,
    /// The texts of the rules.
    pub(crate) rules: Vec<String>,
    /// The texts of the events.
    pub(crate) events: Vec<Vec<u8>>,
}
