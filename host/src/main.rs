//! The binary `trialbridge`: the daemon, and the command line that talks to it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
