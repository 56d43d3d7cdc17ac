//! A host in memory, for tests that need neither WebAssembly nor a daemon.
//!
//! A [`World`] keeps what the daemon would keep, and handles events as the daemon does: what a plugin [describes](crate::Plugin::describe)
//! as its needs is granted and nothing else; a handling sees its own writes; its effects are kept all together when it
//! returns `Ok`, and dropped when it fails, except the log; the limits on keys, values, changes and names are those of the
//! daemon. Time stands still until the test moves it.
//!
//! What it does not do: nobody else commits in between, so no handling runs twice; and nothing limits time or memory.

mod call;
mod commands;
mod effects;
#[cfg(feature = "http")]
mod http;
mod limits;
mod state;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
mod time;
mod world;

pub(crate) use self::call::Call;
pub use self::commands::Command;
pub use self::state::{LogLine, Measure};
pub use self::world::{START, World};
