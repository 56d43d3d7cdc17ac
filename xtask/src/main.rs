//! What is done with this repository: `cargo xtask run`, `test`, `demo`, `plugins`, `bench`, `fuzz`, `tidy`.

mod bench;
mod command;
mod daemon;
mod demo;
mod fuzz;
mod plugins;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run [ARGS]   build the plugins and the daemon, and start it on rules.toml; ARGS go to `trialbridge run`
  test         every check: format, lints, plugins, unit and integration tests, some fuzzing, documentation
  demo         start a daemon of its own, request three short trials, and tell their whole story
  plugins      build the plugins into plugins/, and the guests of the tests into target/guests/ (with node and python3)
  bench [ARGS] print what the daemon can do on this machine; --json for machines; `bench rules` for the matcher of rules
  fuzz         look for patterns and events that the matcher gets wrong, for a minute; --seconds N for another time
  tidy         check what no compiler checks: who may name which crate, texts, links
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_str() {
        "run" => daemon::run(&rest),
        "test" => test::run(),
        "demo" => demo::run(),
        "plugins" => plugins::build().and_then(|_| plugins::examples()),
        "bench" => bench::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "tidy" => tidy::run(),
        _ => {
            command::say(USAGE.trim_end());
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
