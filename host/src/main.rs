//! The binary `trialbridge`: the daemon, and the command line that talks to it.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// sled copies a page for each change, in one thread, and frees it in another, which the system's allocator takes long for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
