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
//! * `config`, `record`, `detail`: what the operator, the store and the events say
//! * `host` is the way to the store, the trials and the events
//!
//! Folders are not part of a commit. A folder is made after its record was committed and deleted when no commit
//! can need it any more; both can be repeated.

mod bindings;
mod config;
mod detail;
mod directory;
mod handle;
mod host;
mod lifecycle;
mod page;
mod pool;
mod provider;
mod reconcile;
mod record;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use self::bindings::exports::trialbridge::plugin::handler::{Delivery, Description, Event, Failure, Guest};
use self::bindings::trialbridge::plugin::types::{Access, Need};
use self::directory::Directory;
use self::host::Imports;

/// The plugin.
pub struct StackManager;

impl Guest for StackManager {
    fn describe() -> Description {
        let folder = |name: &str, access| Need::Folder((name.to_owned(), access));
        Description {
            summary: "keeps warm stacks in stock, prepares and deletes them".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            needs: vec![
                Need::Kv((record::POOL.to_owned(), Access::ReadWrite)),
                Need::Kv((record::STACKS.to_owned(), Access::ReadWrite)),
                Need::Trials(Access::Read),
                Need::Emit(detail::SELF.to_owned()),
                folder("stacks", Access::ReadWrite),
                folder("templates", Access::Read),
            ],
        }
    }

    fn handle(event: Event, delivery: Delivery) -> Result<(), Failure> {
        let mut provider = Directory::new("/stacks", "/templates");
        handle::handle(&mut Imports, &mut provider, &event, &delivery)
    }
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the generated exports speak the ABI of components")]
mod exports {
    use super::{StackManager, bindings};

    bindings::export!(StackManager with_types_in bindings);
}
