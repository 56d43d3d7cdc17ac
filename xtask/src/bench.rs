//! What the daemon can do on this machine.

use anyhow::Result;

use crate::command::{cargo, run as command};
use crate::plugins;

/// Builds everything for speed, and prints the table: of the daemon, or of the rules if that is the first word.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [first, rest @ ..] if first == "rules" => bench("pattern_match", rest),
        _ => {
            plugins::build()?;
            bench("daemon", args)
        }
    }
}

fn bench(name: &str, args: &[String]) -> Result<()> {
    command(cargo(&["bench", "--locked", "--workspace", "--bench", name, "--"]).args(args))
}
