//! Programs of the operator.

use std::time::Duration;

use super::{Bytes, Compiler, name};
use crate::config::authored::{self, Spanned};
use crate::config::command::{Command, Variable};

/// The longest that a command may run.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The most bytes of output. They are in memory as a whole.
const MOST_OUTPUT: u64 = 16 << 20;

impl Compiler<'_> {
    /// A command; `handler` is how long a handler that waits for it may last.
    pub(super) fn command(
        &mut self,
        name: &Spanned<String>,
        authored: &authored::Command,
        handler: Duration,
    ) -> Command {
        self.name(&name::COMMAND, name);
        for parameter in &authored.parameters {
            self.name(&name::PARAMETER, parameter);
        }
        let default = Duration::from_secs(60).min(handler);
        let time = self.within("time", &authored.time, default, (Duration::from_millis(1), LONGEST));
        if let Some(authored) = authored.time.as_ref().filter(|authored| authored.value > handler) {
            let help = "let handlers last longer than their commands: limits = { time = \"...\" }, or shorten this";
            let handler = crate::config::duration::format(handler);
            self.complain(
                &authored.span,
                format!("a handler is stopped after {handler}, and its command with it"),
                help,
            );
        }
        let sizes = (Bytes(1), Bytes(MOST_OUTPUT));
        for argument in &authored.arguments {
            if argument.value.contains('\0') {
                self.complain(&argument.span, "an argument cannot have a NUL in it", "leave it out");
            }
        }
        let program = &authored.program;
        if !program.value.contains('/') {
            let help = "write the whole path, like \"/usr/local/bin/stack\": nothing is searched in PATH";
            self.complain(&program.span, format!("`{}` does not say where the program is", program.value), help);
        }
        let absolute = |path: std::path::PathBuf| std::path::absolute(&path).unwrap_or(path);
        Command {
            program: absolute(self.path(program)),
            arguments: authored.arguments.iter().map(|argument| argument.value.clone()).collect(),
            parameters: authored.parameters.iter().map(|parameter| parameter.value.clone()).collect(),
            environment: authored.environment.iter().filter_map(|variable| self.variable(variable)).collect(),
            folder: authored.folder.as_ref().map_or_else(|| "/".into(), |folder| absolute(self.path(folder))),
            time,
            output: self.within("output", &authored.output, Bytes(64 << 10), sizes).0,
        }
    }

    /// `NAME` or `NAME=value`.
    fn variable(&mut self, authored: &Spanned<String>) -> Option<Variable> {
        let (name, value) = match authored.value.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (authored.value.as_str(), None),
        };
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !letters || name.as_bytes()[0].is_ascii_digit() || authored.value.contains('\0') {
            let help = "write \"PATH\" for that of the daemon, or \"PATH=/usr/bin:/bin\"";
            self.complain(&authored.span, format!("`{}` is no variable of an environment", authored.value), help);
            return None;
        }
        Some(Variable { name: name.to_owned(), value })
    }
}
