//! Every check, in the order in which they are quick to fail.

use anyhow::Result;

use crate::command::{cargo, run as command, say};
use crate::{fuzz, plugins, tidy};

/// How long to fuzz: long enough for whatever a change breaks outright.
const FUZZ_SECONDS: u32 = 5;

/// Runs every check.
pub(crate) fn run() -> Result<()> {
    command(&mut cargo(&["fmt", "--all", "--check"]))?;
    command(&mut cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    command(&mut cargo(&["fmt", "--all", "--manifest-path", "host/benches/extism/Cargo.toml", "--check"]))?;
    tidy::run()?;
    plugins::build()?;
    plugins::test_examples()?;
    plugins::examples()?;
    command(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    command(&mut cargo(&["test", "--locked", "--workspace"]))?;
    fuzz::patterns(FUZZ_SECONDS)?;
    command(cargo(&["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    say("every check passed");
    Ok(())
}
