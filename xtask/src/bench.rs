//! What the daemon can do on this machine.

use anyhow::Result;

use crate::command::{cargo, run as command};
use crate::plugins;

/// Builds everything for speed, and prints the table.
pub(crate) fn run(args: &[String]) -> Result<()> {
    plugins::build()?;
    command(cargo(&["bench", "--locked", "--package", "trialbridge", "--bench", "daemon", "--"]).args(args))
}
