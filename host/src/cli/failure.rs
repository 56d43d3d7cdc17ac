//! How a command ends when it is not done.

use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command is not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The daemon said no, or cannot be reached: exit code 1.
    No(String),
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The configuration is wrong, said in full sentences that need no introduction: exit code 2.
    Configuration(String),
    /// Nobody takes what is printed. Whoever closed the pipe has seen enough: exit code 0 then, and 1 for other reasons.
    Output(io::Error),
}

impl Failure {
    /// Says why, and how the program ends.
    pub(crate) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::No(text) => (format!("error: {text}"), 1),
            Self::Usage(text) => (format!("error: {text}"), 2),
            Self::Configuration(text) => (text, 2),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Output(error) => (format!("error: the output cannot be written: {error}"), 1),
        };
        say(&text);
        ExitCode::from(code)
    }
}

/// Writes a line to standard error.
pub(crate) fn say(text: &str) {
    // There is nowhere left to complain to.
    let _ = writeln!(io::stderr(), "{text}");
}
