//! Keeps warm stacks in stock, prepares those that are reserved, and deletes those whose trial is over.
//!
//! ```text
//! fill ─► CREATING ─► StackCreateRequested ─► WARM ─► StackWarm
//! (assign-trial takes one) StackReserved ─► ASSIGNED ─► StackConfigured
//! TrialExpired, TrialCancelled, TrialAssignmentFailed ─► StackDeleted ─► fill
//! every minute and at start ─► reconcile: whatever was left half done
//! ```
//!
//! * `handle` sends each event where it belongs
//! * `lifecycle` is the way of one stack, `pool` the stock of a type, `reconcile` the repair of all
//! * `provider` is what stacks are made of, `directory` makes them of folders, and `page` fills in their pages
//! * `config`, `record`, `said`: what the operator, the store and this plugin's events say
//!
//! Folders are not part of a commit. A folder is made after its record was committed and deleted when no commit
//! can need it any more; both can be repeated.

mod config;
mod directory;
mod handle;
mod lifecycle;
mod page;
mod pool;
mod provider;
mod reconcile;
mod record;
mod said;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use trialbridge_plugin::Access::{Read, ReadWrite};
use trialbridge_plugin::{Description, Event, Failure, Host, Plugin};

use self::directory::Directory;
use self::record::{POOL, STACKS};

/// The plugin.
pub struct StackManager;

trialbridge_plugin::export!(StackManager);

impl Plugin for StackManager {
    fn describe() -> Description {
        Description::new("keeps warm stacks in stock, prepares and deletes them", env!("CARGO_PKG_VERSION"))
            .kv(POOL, ReadWrite)
            .kv(STACKS, ReadWrite)
            .trials(Read)
            .emit(said::SELF)
            .folder("stacks", ReadWrite)
            .folder("templates", Read)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let mut provider = Directory::new(host.folder("stacks"), host.folder("templates"));
        handle::handle(host, &mut provider, event)
    }
}
