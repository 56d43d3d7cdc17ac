//! When a rule fires by itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
}

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ScheduleError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Schedule {
    /// The first time after both `last_due` and `now`.
    ///
    /// `last_due` is the time before: when the schedule was due last, or when the rule was first seen. The times keep
    /// their distance from it, so that late firing does not shift them. Those that `now` has already passed are skipped: whoever
    /// finds that `last_due` has passed fires once, for it and all that were missed, and goes on with the time returned here.
    pub fn next_after(&self, last_due: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Self::Rate { every, .. } => {
                let every = every.as_millis().max(1) as u64;
                let passed = now.as_millis().saturating_sub(last_due.as_millis());
                let steps = (passed / every).saturating_add(1);
                Timestamp::from_millis(last_due.as_millis().saturating_add(steps.saturating_mul(every)))
            }
        }
    }
}

/// As it is written in rules.toml.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { count, unit, .. } => write!(f, "rate({count} {})", spell(unit, *count)),
        }
    }
}

/// Reads `rate(N unit)`.
impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let call = text.trim().split_once('(').and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
        match call {
            Some(("rate", argument)) => rate(argument.trim()),
            Some((name @ ("cron" | "at"), _)) => Err(ScheduleError {
                message: format!("{name}() is not supported"),
                help: "write rate(N unit), like rate(5 minutes)".to_owned(),
            }),
            _ => Err(ScheduleError {
                message: format!("`{text}` is not a schedule"),
                help: "write rate(N unit), like rate(1 minute) or rate(12 hours)".to_owned(),
            }),
        }
    }
}

fn rate(argument: &str) -> Result<Schedule, ScheduleError> {
    let error = |message: String, help: String| ScheduleError { message, help };
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

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::clock::Timestamp;

    #[test]
    fn rates_are_read_and_written() {
        for (text, expected) in [
            ("rate(1 minute)", "rate(1 minute)"),
            (" rate( 5  minutes ) ", "rate(5 minutes)"),
            ("rate(1 second)", "rate(1 second)"),
            ("rate(12 hours)", "rate(12 hours)"),
            ("rate(3653 days)", "rate(3653 days)"),
            ("rate(1 minutes)", "`1 minutes`: one is singular; write rate(1 minute)"),
            ("rate(5 minute)", "`5 minute`: more than one are plural; write rate(5 minutes)"),
            ("rate(5 minits)", "`minits` is not a unit; did you mean `minutes`?"),
            ("rate(5 weeks)", "`weeks` is not a unit; known here: seconds, minutes, hours, days"),
            ("rate(0 minutes)", "`0` is not a number of times a unit; write a whole number from 1 on"),
            ("rate(-1 day)", "`-1` is not a number of times a unit; write a whole number from 1 on"),
            ("rate(3654 days)", "`3654 days` is too long; at most 3653 days are allowed"),
            ("rate(99999999999999999 days)", "`99999999999999999 days` is too long; at most 3653 days are allowed"),
            ("rate(5minutes)", "`5minutes` is not a rate; write a number, a space and a unit, like rate(5 minutes)"),
            ("cron(0 12 * * ? *)", "cron() is not supported; write rate(N unit), like rate(5 minutes)"),
            ("at(2026-01-01T00:00:00)", "at() is not supported; write rate(N unit), like rate(5 minutes)"),
            ("hourly", "`hourly` is not a schedule; write rate(N unit), like rate(1 minute) or rate(12 hours)"),
        ] {
            let outcome = text.parse::<Schedule>();
            assert_eq!(outcome.map_or_else(|error| error.to_string(), |schedule| schedule.to_string()), expected);
        }
    }

    #[test]
    fn missed_times_are_skipped() {
        let schedule: Schedule = "rate(10 seconds)".parse().expect("a rate");
        for (last_due, now, next) in
            [(0, 0, 10), (100, 100, 110), (100, 109, 110), (100, 110, 120), (100, 163, 170), (100, 40, 110)]
        {
            let [last_due, now, next] =
                [last_due, now, next].map(|seconds: u64| Timestamp::from_millis(seconds * 1000));
            assert_eq!(schedule.next_after(last_due, now), next);
        }
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(schedule.next_after(end, end), end);
    }
}
