//! `trialbridge completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trialbridge completions bash > /etc/bash_completion.d/trialbridge")]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self) -> Result<(), Failure> {
        clap_complete::generate(self.shell, &mut Cli::command(), "trialbridge", &mut std::io::stdout().lock());
        Ok(())
    }
}
