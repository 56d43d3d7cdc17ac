//! Rules: which event goes where. Pure: values in, values out.
//!
//! * [`Rule`]: an event pattern or a schedule, and the targets
//! * [`RuleSet`]: all rules in force, compiled once and immutable
//! * [`Schedule`]: when a rule fires by itself
//! * [`Target`]: a plugin, and how often and how long a delivery to it is tried
//! * [`Explanation`]: which rules match an event, and why the others do not
//! * [`Warning`]: what is allowed in rules, and probably not meant
//! * [`input`]: what a target makes of an event for its plugin

mod explain;
pub mod input;
mod lint;
mod rule_set;
mod schedule;
mod target;

pub use self::explain::{Explanation, ShownMiss, Verdict};
pub use self::input::Input;
pub use self::lint::Warning;
pub use self::rule_set::RuleSet;
pub use self::schedule::{At, Cron, Part as SchedulePart, Schedule, ScheduleError, Zone};
pub use self::target::{RetryPolicy, Target};

use crate::pattern::Pattern;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which no other rule has.
    pub name: String,
    /// What it is for, in its author's words.
    pub description: Option<String>,
    /// Whether it works. One that is disabled never matches and never fires.
    pub enabled: bool,
    /// The events it wants.
    pub pattern: Option<Pattern>,
    /// The same as JSON text, to be shown.
    pub pattern_text: Option<String>,
    /// When it fires by itself.
    pub schedule: Option<Schedule>,
    /// Who gets the events; in the order of the file.
    pub targets: Vec<Target>,
}
