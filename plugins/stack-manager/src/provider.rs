//! What makes stacks: the trait that all that do so implement, and what they say of a stack.
//!
//! `directory` copies folders, `command` runs programs of the operator, `cloudformation` asks AWS. Some are done at once, others
//! take minutes and are asked again and again how far they are.

use std::io;

use serde::{Deserialize, Serialize};
use trialbridge_plugin::Host;

use crate::cloudformation::{Account, Template};
use crate::command::Commands;

/// Makes, prepares and deletes stacks. Every function can be repeated, and does nothing where it was done before: what is made has a
/// name that follows from the stack's id.
pub(crate) trait Provider {
    /// Begins to make a stack, unless that was begun before. How far it is.
    fn create(&mut self, order: &Order<'_>) -> Result<Status, Error>;

    /// How far a stack is.
    fn status(&mut self, stack_id: &str) -> Result<Status, Error>;

    /// Makes a stack the one of a trial.
    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> Result<Readiness, Error>;

    /// Begins to delete a stack, unless that was begun before. How far it is: [`Status::Absent`] is the end.
    fn delete(&mut self, stack_id: &str) -> Result<Status, Error>;

    /// Everything that was made, whole or not, sorted by name, but for what is being deleted. Nothing if that cannot be known.
    fn list(&mut self) -> Result<Option<Vec<Found>>, Error>;

    /// Deletes something found, or begins to.
    fn discard(&mut self, found: &Found) -> Result<(), Error>;
}

/// Finds the provider for a stack.
pub(crate) trait Providers {
    /// The provider of this kind.
    fn provider<'a>(&'a mut self, host: &'a Host, kind: &'a Kind) -> Box<dyn Provider + 'a>;
}

/// Which provider a stack has, and what must be known to ask about it and to delete it. Kept with the stack, so that a stack can be
/// deleted whose type is no longer configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Folders.
    #[default]
    Directory,
    /// Programs of the operator.
    Command(Commands),
    /// AWS.
    #[serde(rename = "cloudformation")]
    CloudFormation(Account),
}

/// What stacks of a type are made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recipe {
    /// A folder in `templates`.
    Folder(String),
    /// What the operator's program knows.
    Program,
    /// A template of CloudFormation.
    Template(Box<Template>),
}

/// A stack to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// The stack's id.
    pub(crate) stack_id: &'a str,
    /// The type of trial it is for.
    pub(crate) trial_type: &'a str,
    /// What it is made from.
    pub(crate) recipe: &'a Recipe,
}

/// How far a stack is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is being made.
    Building,
    /// It is there. With its URL, unless that follows from its id.
    Ready(Option<String>),
    /// It could not be made, and what there is of it has to be deleted. With the reason.
    Failed(String),
    /// It is being deleted.
    Deleting,
    /// It could not be deleted. With the reason.
    DeletionFailed(String),
    /// There is none.
    Absent,
}

/// Who says that a stack is ready for its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The stack itself answers for its trial, with its `trial.json`.
    Answers,
    /// The provider vouches for it.
    Vouched,
}

/// Why a provider did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It does not want to be asked so often, or cannot be reached. Nothing is wrong with the stack.
    Busy(String),
    /// It tried and failed.
    Failed(String),
    /// It is not allowed to, or what it was asked is wrong. Asking again is of no use.
    Refused(String),
}

impl Error {
    /// Why, for people.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Busy(reason) | Self::Failed(reason) | Self::Refused(reason) => reason,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<trialbridge_plugin::Error> for Error {
    fn from(error: trialbridge_plugin::Error) -> Self {
        match error {
            trialbridge_plugin::Error::Unavailable(reason) => Self::Busy(reason),
            other => Self::Refused(other.reason().to_owned()),
        }
    }
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
    /// The stack, or what will be one.
    Whole,
    /// What is on its way to being one, or was left over by an attempt to create or delete it.
    Part,
}
