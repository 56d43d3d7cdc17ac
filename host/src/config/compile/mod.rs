//! Authored ─► compiled, or what is wrong with the meaning.

mod command;
mod egress;
mod input;
mod plugin;
mod rule;
mod trial;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::authored::{self, Bytes, Spanned};
use super::diagnostics::{Problem, Problems};
use super::name::Grammar;
use super::{Complaint, Config, Deliveries, Journal, Outside, Stacks, duration, name, size};
use crate::pattern::value::Span;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Ten years, the longest that anything is kept.
const TEN_YEARS: Duration = Duration::from_secs(3653 * DAY.as_secs());

/// Compiles, and notes what is wrong.
pub(super) struct Compiler<'a> {
    /// The text of the file.
    pub(super) text: &'a str,
    /// Where relative paths start.
    pub(super) base: &'a Path,
    /// The daemon's data folder.
    pub(super) data: &'a Path,
    /// What becomes of secrets and certificates.
    pub(super) outside: Outside,
    /// What is wrong.
    pub(super) problems: &'a mut Problems,
}

impl Compiler<'_> {
    /// Compiles everything. Of no use if there are problems.
    pub(super) fn config(&mut self, authored: authored::Config) -> Config {
        let mut config = Config {
            stacks: authored.stacks.map(|stacks| Stacks { folder: self.path(&stacks.folder) }),
            journal: authored.journal.map_or_else(Journal::default, |journal| self.journal(&journal)),
            deliveries: authored.deliveries.map_or_else(Deliveries::default, |all| self.deliveries(&all)),
            trust: authored.trust.map(|trust| self.trust(trust)),
            ..Config::default()
        };
        for (name, trial) in authored.trials {
            self.name(&name::TRIAL_TYPE, &name);
            config.trials.insert(name.value, self.trial_type(&trial));
        }
        let secrets = self.secrets(authored.secrets);
        for (name, plugin) in authored.plugins {
            self.name(&name::PLUGIN, &name);
            config.plugins.insert(name.value, self.plugin(plugin, &secrets));
        }
        config.rules = Arc::new(self.rules(authored.rules));
        config
    }

    fn journal(&mut self, authored: &authored::Journal) -> Journal {
        let default = Journal::default();
        let limits = (Duration::from_secs(60), TEN_YEARS);
        Journal { retention: self.within("retention", &authored.retention, default.retention, limits) }
    }

    fn deliveries(&mut self, authored: &authored::Deliveries) -> Deliveries {
        let default = Deliveries::default().maximum_depth;
        Deliveries { maximum_depth: self.within("maximum-depth", &authored.maximum_depth, default, (1, 1000)) }
    }

    /// The value, or else the default; notes if it is not within the limits.
    fn within<T: Quantity>(
        &mut self,
        name: &str,
        authored: &Option<Spanned<T>>,
        default: T,
        (least, most): (T, T),
    ) -> T {
        let Some(Spanned { span, value }) = authored else { return default };
        if *value < least || *value > most {
            let message = format!("{name} cannot be {}", value.spell());
            let help = format!("write something between {} and {}", least.spell(), most.spell());
            self.problems.add(Problem::new(span, message).help(help));
        }
        *value
    }

    fn name(&mut self, grammar: &Grammar, name: &Spanned<String>) {
        if let Err(complaint) = grammar.check(&name.value) {
            self.problems.complain(&name.span, complaint);
        }
    }

    /// A path from the folder of rules.toml, or from the data folder if it begins with `${data}`.
    fn path(&mut self, authored: &Spanned<String>) -> PathBuf {
        let text = authored.value.as_str();
        let (folder, rest) = match text.strip_prefix("${data}") {
            Some("") => return self.data.to_path_buf(),
            Some(rest) if rest.starts_with('/') => (self.data, rest.trim_start_matches('/')),
            _ => (self.base, text),
        };
        if rest.contains("${") {
            let help = "only ${data} can be used, and only as the first part: \"${data}/stacks\"";
            self.complain(&authored.span, format!("`{text}` has a variable that is not known there"), help);
        }
        if text.is_empty() || text.contains('\0') {
            self.complain(
                &authored.span,
                "this is no path",
                "write a folder, like \"${data}/stacks\" or \"templates\"",
            );
        }
        folder.join(rest)
    }

    fn complain(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.complain(span, Complaint::new(message, help));
    }
}

/// What has limits, and how they are spelt.
trait Quantity: Copy + PartialOrd {
    fn spell(self) -> String;
}

impl Quantity for Duration {
    fn spell(self) -> String {
        duration::format(self)
    }
}

impl Quantity for Bytes {
    fn spell(self) -> String {
        size::format(self.0)
    }
}

impl Quantity for u32 {
    fn spell(self) -> String {
        self.to_string()
    }
}
