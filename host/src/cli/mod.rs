//! The command line: a file for each noun.
//!
//! `run`, `check`, `rule test`, `pattern test` and most of `plugin` work on files; everything else asks a daemon over HTTP. `output` prints, `client` asks.

mod check;
mod client;
mod completions;
mod delivery;
mod event;
mod explain;
mod output;
mod pattern;
mod plugin;
mod rule;
mod run;
mod trial;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::client::Client;
use self::output::Output;

/// Event-driven provisioning of online product trials, in one daemon.
///
/// Exit codes: 0, 1 (the daemon said no, or cannot be reached), 2 (usage or configuration).
#[derive(Debug, Parser)]
#[command(name = "trialbridge", version, after_help = "Example:\n  trialbridge run --config rules.toml")]
pub(crate) struct Cli {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

/// Which daemon to talk to, and how.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The daemon to ask.
    #[arg(
        long,
        global = true,
        env = "TRIALBRIDGE_SERVER",
        default_value = "http://127.0.0.1:7878",
        value_name = "URL"
    )]
    server: String,
    /// A file that holds the token; without it the environment variable TRIALBRIDGE_TOKEN is used, if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    #[command(subcommand)]
    Trial(trial::Trial),
    #[command(subcommand)]
    Event(event::Event),
    #[command(subcommand)]
    Rule(rule::Rule),
    #[command(subcommand)]
    Pattern(pattern::Pattern),
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    #[command(subcommand)]
    Delivery(delivery::Delivery),
    Completions(completions::Completions),
}

/// Why a command does not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The daemon said no, or is not there. Exit code 1.
    Refused(String),
    /// What was asked for, or configured, cannot be. Exit code 2.
    Usage(String),
    /// Whoever read the output has gone away. Exit code 0.
    OutputClosed,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// Reads the arguments, does what they say, and answers with the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::Refused(format!("threads cannot be started: {error}"))),
    };
    match runtime.block_on(cli.execute()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

impl Cli {
    async fn execute(self) -> Result<(), Failure> {
        let output = Output::new(self.server.json);
        match self.command {
            Command::Run(run) => run.execute(self.server.token_file.as_deref()).await,
            Command::Check(check) => check.execute(output).await,
            Command::Completions(completions) => completions.execute(),
            Command::Trial(trial) => trial.execute(&Client::new(&self.server)?, output).await,
            Command::Event(event) => event.execute(&Client::new(&self.server)?, output).await,
            Command::Rule(rule) => rule.execute(&Client::new(&self.server)?, output).await,
            Command::Pattern(pattern) => pattern.execute(),
            Command::Plugin(plugin) => plugin.execute(&self.server, output).await,
            Command::Delivery(delivery) => delivery.execute(&Client::new(&self.server)?, output).await,
        }
    }
}

fn fail(failure: &Failure) -> ExitCode {
    let (message, code) = match failure {
        Failure::Refused(message) => (message, 1),
        Failure::Usage(message) => (message, 2),
        Failure::OutputClosed => return ExitCode::SUCCESS,
    };
    // Diagnostics of rules.toml begin with the word by themselves.
    let prefix = if message.starts_with("error") { "" } else { "error: " };
    output::complain(&format!("{prefix}{message}"));
    ExitCode::from(code)
}
