//! The binary `trialbridge`: the daemon, and the command line that talks to it.

mod cli;

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// What a handling allocates is freed soon, and much of it by another thread. The system's allocator takes long for the one, and mimalloc, which goes round its pages, seldom
/// has what was freed last and is still in the processor's cache: a fifth of the lives of trials that the benchmark counts.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    cli::main()
}
