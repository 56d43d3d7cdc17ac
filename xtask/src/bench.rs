//! What the daemon can do on this machine.

use anyhow::Result;

use crate::command::{cargo, run as command};
use crate::plugins::{self, install_target, target_folder};

/// What guests of extism are compiled to: modules, not components.
const PEER_TARGET: &str = "wasm32-unknown-unknown";

/// Builds everything for speed, and prints the table: of the daemon, or of the rules if that is the first word.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [first, rest @ ..] if first == "rules" => bench("pattern_match", rest),
        _ => {
            plugins::build()?;
            let mut names = args.iter().filter(|arg| !arg.starts_with("--")).peekable();
            if names.peek().is_none() || names.any(|name| name == "calls") {
                peer()?;
            }
            bench("daemon", args)
        }
    }
}

/// Builds the program that calls the same handler under extism, and its guest.
fn peer() -> Result<()> {
    install_target(PEER_TARGET)?;
    let target = target_folder().join("extism");
    let build = |package, profile| {
        let mut build = cargo(&["build", "--locked", "--manifest-path", "host/benches/extism/Cargo.toml"]);
        build.args(["--package", package, "--profile", profile, "--target-dir"]).arg(&target);
        build
    };
    command(build("trialbridge-extism-guest", "guest").args(["--target", PEER_TARGET]))?;
    // Its wasmtime asks for a newer compiler than it needs.
    command(build("trialbridge-extism", "release").arg("--ignore-rust-version"))
}

fn bench(name: &str, args: &[String]) -> Result<()> {
    command(cargo(&["bench", "--locked", "--workspace", "--bench", name, "--"]).args(args))
}
