//! Every check, in the order in which they are quick to fail.

use anyhow::Result;

use crate::command::{cargo, run as command, say};
use crate::{plugins, tidy};

/// Runs every check.
pub(crate) fn run() -> Result<()> {
    command(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    plugins::build()?;
    command(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    command(&mut cargo(&["test", "--locked", "--workspace"]))?;
    command(cargo(&["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    say("every check passed");
    Ok(())
}
