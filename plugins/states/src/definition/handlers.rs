//! `Retry` and `Catch`.

use super::fields::{Fields, Report};
use crate::problem::names;
use crate::retry::{Catcher, Jitter, Retrier};
use crate::suggest::did_you_mean;

/// The longest `MaxDelaySeconds`, in seconds: a year.
const LONGEST_DELAY: u64 = 31_622_400;

pub(super) fn retriers(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Vec<Retrier> {
    let items = fields.any_list("Retry", report);
    let last = items.len().saturating_sub(1);
    let items = items.into_iter().enumerate();
    items
        .filter_map(|(i, (value, at))| retrier(Fields::of(value, at, "a retrier", report)?, i == last, report))
        .collect()
}

pub(super) fn catchers(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Vec<Catcher> {
    let items = fields.any_list("Catch", report);
    let last = items.len().saturating_sub(1);
    let items = items.into_iter().enumerate();
    items
        .filter_map(|(i, (value, at))| catcher(Fields::of(value, at, "a catcher", report)?, i == last, report))
        .collect()
}

fn retrier(mut fields: Fields<'_>, is_last: bool, report: &mut Report<'_>) -> Option<Retrier> {
    fields.optional_text("Comment", report);
    let errors = errors(&mut fields, is_last, report);
    let interval = fields.number("IntervalSeconds", 1, report).unwrap_or(1);
    let attempts = fields.number("MaxAttempts", 0, report).unwrap_or(3);
    let rate = match fields.take("BackoffRate") {
        None => Some(2.0),
        Some(value) => {
            let rate = value.as_f64().filter(|rate| *rate >= 1.0 && rate.is_finite());
            fields.expect("BackoffRate", value, rate, "a number of 1.0 or more", report)
        }
    };
    let longest = fields.number("MaxDelaySeconds", 1, report);
    if let Some(longest) = longest
        && !(interval + 1..=LONGEST_DELAY).contains(&longest)
    {
        let message =
            format!("must be greater than IntervalSeconds, {interval}, and at most {LONGEST_DELAY}, and is {longest}");
        report.say(fields.path("MaxDelaySeconds"), message);
    }
    let jitter = match fields.optional_text("JitterStrategy", report) {
        None | Some("NONE") => Jitter::None,
        Some("FULL") => Jitter::Full,
        Some(other) => {
            report.say(fields.path("JitterStrategy"), format!("must be \"NONE\" or \"FULL\", and is {other:?}"));
            Jitter::None
        }
    };
    fields.finish(report);
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Some(Retrier { errors, interval, attempts, rate: rate?, longest, jitter })
}

fn catcher(mut fields: Fields<'_>, is_last: bool, report: &mut Report<'_>) -> Option<Catcher> {
    fields.optional_text("Comment", report);
    let errors = errors(&mut fields, is_last, report);
    let next = fields.text("Next", report).map(str::to_owned);
    let result = fields.result_path(report);
    fields.finish(report);
    Some(Catcher { errors, next: next.unwrap_or_default(), result })
}

/// `ErrorEquals`: States.ALL stands alone, and in the last retrier or catcher, because it leaves nothing to others.
fn errors(fields: &mut Fields<'_>, is_last: bool, report: &mut Report<'_>) -> Vec<String> {
    fields.need("ErrorEquals", report);
    let mut errors = Vec::new();
    for (value, at) in fields.list("ErrorEquals", report) {
        match value.as_str() {
            Some(name) => {
                if let Some(reason) = never_reported(name) {
                    report.say(at, reason);
                }
                errors.push(name.to_owned());
            }
            None => report.say(at, format!("must be the name of an error, and is {value}")),
        }
    }
    if errors.iter().any(|name| name == names::ALL) {
        if errors.len() > 1 {
            report.say(fields.path("ErrorEquals"), "States.ALL must stand alone");
        }
        if !is_last {
            report.say(
                fields.path("ErrorEquals"),
                "States.ALL must be in the last one: those after it would never be used",
            );
        }
    }
    errors
}

/// Why nothing will ever match a name of the language's own. Those with a second dot are tasks': `States.Http.Socket`.
fn never_reported(name: &str) -> Option<String> {
    let own = name.strip_prefix("States.").filter(|rest| !rest.contains('.'))?;
    if names::EVERY.contains(&name) {
        return None;
    }
    if own == "BranchFailed" {
        return Some("a Parallel fails with the error of its branch, not with States.BranchFailed".to_owned());
    }
    let hint = did_you_mean(name, names::EVERY.iter().copied());
    Some(format!("there is no error {name:?} here, and other names must not begin with \"States.\"{hint}"))
}
