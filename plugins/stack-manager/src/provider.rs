//! What makes stacks. One implementation makes folders; another could call a cloud.

use std::io;

/// Makes, prepares and deletes stacks. Every function can be repeated, and does nothing where it was done before.
pub(crate) trait Provider {
    /// Makes a stack from a template. Until it is whole, it does not exist.
    fn create(&mut self, stack_id: &str, template: &str) -> io::Result<()>;

    /// Makes a stack the one of a trial.
    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> io::Result<()>;

    /// Deletes a stack.
    fn delete(&mut self, stack_id: &str) -> io::Result<()>;

    /// Whether a stack exists.
    fn exists(&self, stack_id: &str) -> io::Result<bool>;

    /// Everything that was made, whole or not, sorted by name.
    fn list(&self) -> io::Result<Vec<Found>>;

    /// Deletes something found.
    fn discard(&mut self, found: &Found) -> io::Result<()>;
}

/// For whom a stack is prepared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tenant {
    /// The trial.
    pub(crate) trial_id: String,
    /// The lead who asked for it.
    pub(crate) lead_id: String,
    /// The type of the trial.
    pub(crate) trial_type: String,
    /// When the trial ends, in seconds since the epoch.
    pub(crate) expires_at: f64,
}

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Its name, unique among what is found.
    pub(crate) name: String,
    /// The stack it is, or a part of.
    pub(crate) stack_id: String,
    /// Whether it is the stack.
    pub(crate) extent: Extent,
}

/// How much of a stack something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// The stack.
    Whole,
    /// What is on its way to being one, or was left over by an attempt to create or delete it.
    Part,
}
