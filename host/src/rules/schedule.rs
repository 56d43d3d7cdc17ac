//! When a rule fires by itself: again and again, by the calendar, or once.

mod at;
mod cron;
mod days;
mod field;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use self::at::At;
pub use self::cron::Cron;
pub use self::zone::Zone;

use crate::clock::Timestamp;
use crate::pattern::suggest;

/// The longest interval: ten years. Longer ones are mistakes.
const MAX_INTERVAL: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// The units of `rate()` and their seconds. EventBridge has all but the first.
const UNITS: [(&str, u64); 4] = [("second", 1), ("minute", 60), ("hour", 60 * 60), ("day", 24 * 60 * 60)];

/// When a rule fires by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Again and again: `rate(5 minutes)`.
    Rate {
        /// How many units lie between two times.
        count: u64,
        /// The unit, in the singular: `minute`.
        unit: &'static str,
        /// The same as a duration; at least a second.
        every: Duration,
    },
    /// By the calendar: `cron(0 12 ? * MON-FRI *)`.
    Cron(Box<Cron>),
    /// Once: `at(2030-12-24T18:00:00)`.
    At(At),
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The expression.
    Expression,
    /// The time zone.
    TimeZone,
}

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ScheduleError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Which of the two texts is wrong.
    pub part: Part,
}

impl Schedule {
    /// Reads `rate(N unit)`, `cron(minutes hours day-of-month month day-of-week year)` or `at(yyyy-mm-ddThh:mm:ss)`. The latter two are
    /// by the clocks of the time zone, an IANA name, or of UTC; for a rate there is none.
    ///
    /// # Errors
    ///
    /// Says which of the two is wrong, what is wrong with it and what to write instead.
    pub fn parse(text: &str, time_zone: Option<&str>) -> Result<Self, ScheduleError> {
        let zone = || time_zone.map_or_else(|| Ok(Zone::utc()), Zone::parse);
        let call = text.trim().split_once('(').and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
        match call {
            Some(("rate", _)) if time_zone.is_some() => Err(ScheduleError {
                message: "a rate() has no time zone".to_owned(),
                help: "leave it out, or write a cron()".to_owned(),
                part: Part::TimeZone,
            }),
            Some(("rate", argument)) => rate(argument.trim()),
            Some(("cron", argument)) => Ok(Self::Cron(Box::new(Cron::parse(argument.trim(), zone()?)?))),
            Some(("at", argument)) => Ok(Self::At(At::parse(argument.trim(), zone()?)?)),
            _ => Err(ScheduleError::in_expression(
                format!("`{text}` is not a schedule"),
                "write rate(12 hours), cron(0 12 * * ? *) or at(2030-12-24T18:00:00)",
            )),
        }
    }

    /// The time zone of a `cron()` or an `at()`.
    pub fn time_zone(&self) -> Option<&Zone> {
        match self {
            Self::Rate { .. } => None,
            Self::Cron(cron) => Some(cron.zone()),
            Self::At(at) => Some(at.zone()),
        }
    }

    /// The first time after both `last_due` and `now`; nothing if there is none, because an `at()` or the years of a `cron()` have passed.
    ///
    /// `last_due` is the time before: when the schedule was due last, or when the rule was first seen. The times of a rate
    /// keep their distance from it, so that late firing does not shift them. Those that `now` has already passed are skipped: whoever
    /// finds that `last_due` has passed fires once, for it and all that were missed, and goes on with the time returned here.
    pub fn next_after(&self, last_due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let latest = last_due.max(now);
        match self {
            Self::Rate { every, .. } => {
                let every = every.as_millis().max(1) as u64;
                let passed = now.as_millis().saturating_sub(last_due.as_millis());
                let steps = (passed / every).saturating_add(1);
                Some(Timestamp::from_millis(last_due.as_millis().saturating_add(steps.saturating_mul(every))))
            }
            Self::Cron(cron) => cron.after(latest),
            Self::At(at) => Some(at.time()).filter(|time| *time > latest),
        }
    }
}

/// As it is written in rules.toml, without the time zone.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { count, unit, .. } => write!(f, "rate({count} {})", spell(unit, *count)),
            Self::Cron(cron) => cron.fmt(f),
            Self::At(at) => at.fmt(f),
        }
    }
}

/// Reads a schedule of UTC.
impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text, None)
    }
}

impl ScheduleError {
    /// Something is wrong with the expression.
    fn in_expression(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), part: Part::Expression }
    }
}

fn rate(argument: &str) -> Result<Schedule, ScheduleError> {
    let error = |message: String, help: String| ScheduleError::in_expression(message, help);
    let Some((number, word)) = argument.split_once(char::is_whitespace) else {
        let help = "write a number, a space and a unit, like rate(5 minutes)".to_owned();
        return Err(error(format!("`{argument}` is not a rate"), help));
    };
    let count = number.parse::<u64>().ok().filter(|count| *count > 0).ok_or_else(|| {
        error(format!("`{number}` is not a number of times a unit"), "write a whole number from 1 on".to_owned())
    })?;
    let word = word.trim();
    let Some((unit, seconds)) = UNITS.into_iter().find(|(unit, _)| word.strip_suffix('s').unwrap_or(word) == *unit)
    else {
        let names = UNITS.map(|(unit, _)| spell(unit, count));
        let names = names.each_ref().map(String::as_str);
        return Err(error(format!("`{word}` is not a unit"), suggest::advice(word, &names)));
    };
    let right = spell(unit, count);
    if word != right {
        let number = if count == 1 { "one is singular" } else { "more than one are plural" };
        return Err(error(format!("`{count} {word}`: {number}"), format!("write rate({count} {right})")));
    }
    match count.checked_mul(seconds).map(Duration::from_secs).filter(|every| *every <= MAX_INTERVAL) {
        Some(every) => Ok(Schedule::Rate { count, unit, every }),
        None => Err(error(format!("`{argument}` is too long"), "at most 3653 days are allowed".to_owned())),
    }
}

fn spell(unit: &str, count: u64) -> String {
    if count == 1 { unit.to_owned() } else { format!("{unit}s") }
}
