//! Keeps warm stacks in stock, prepares those that are reserved, and deletes those whose trial is over.
//!
//! ```text
//! fill ─► CREATING ─► StackCreateRequested ─► StackCreated ─(StackPollDue)─► WARM ─► StackWarm
//! (assign-trial takes one) StackReserved ─► ASSIGNED ─► StackConfigured
//! TrialExpired, TrialCancelled, TrialAssignmentFailed ─► DELETING ─(StackPollDue)─► StackDeleted ─► fill
//! too many, too old, failed ─► DELETING ─► StackDeleteRequested ─► StackDeleted
//! every minute and at start ─► reconcile: whatever was left half done, whatever came or went by other hands
//! ```
//!
//! * `handle` sends each event where it belongs
//! * `lifecycle` is the way of one stack, `polling` asks how far it is, `deletion` is its end
//! * `pool` is the stock of a type, `reconcile` the repair of all, and `existing` what it finds with the providers
//! * `provider` is what makes stacks: `directory` folders, copies of a `template`, whose `page` is filled in, `command` what programs make, `cloudformation` what
//!   AWS makes
//! * `config`, `record`, `said`: what the operator, the store and this plugin's events say
//!
//! What is outside is not part of a commit. A stack is made after its record was committed and deleted when no commit
//! can need it any more; both can be repeated.

mod cloudformation;
mod command;
mod config;
mod deletion;
mod directory;
mod existing;
mod handle;
mod lifecycle;
mod page;
mod polling;
mod pool;
mod provider;
mod reconcile;
mod record;
mod said;
mod template;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use trialbridge_plugin::Access::{Read, ReadWrite};
use trialbridge_plugin::{Description, Event, Failure, Host, Plugin};

use self::cloudformation::CloudFormation;
use self::command::Command;
use self::directory::Directory;
use self::provider::{Kind, Provider, Providers};
use self::record::{POOL, POOLS, STACKS};

/// The plugin.
pub struct StackManager;

trialbridge_plugin::export!(StackManager);

impl Plugin for StackManager {
    fn describe() -> Description {
        Description::new("keeps warm stacks in stock, prepares and deletes them", env!("CARGO_PKG_VERSION"))
            .kv(POOL, ReadWrite)
            .kv(STACKS, ReadWrite)
            .kv(POOLS, ReadWrite)
            .trials(Read)
            .emit(said::SELF)
            .folder("stacks", ReadWrite)
            .folder("templates", Read)
    }

    fn check_config(config: &trialbridge_plugin::Config) -> Result<(), String> {
        config::Config::check(config)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        handle::handle(host, &mut Real, event)
    }
}

/// The providers that there are.
struct Real;

impl Providers for Real {
    fn provider<'a>(&'a mut self, host: &'a Host, kind: &'a Kind) -> Box<dyn Provider + 'a> {
        match kind {
            Kind::Directory => Box::new(Directory::new(host.folder("stacks"), host.folder("templates"), host.now())),
            Kind::Command(commands) => Box::new(Command::new(host, commands)),
            Kind::CloudFormation(account) => Box::new(CloudFormation::new(host, account)),
        }
    }
}
