//! The types of trials.

use std::time::Duration;

use super::{Compiler, DAY, TEN_YEARS};
use crate::config::authored::{self, Spanned};
use crate::config::diagnostics::Problem;
use crate::config::{TrialType, duration};

/// What a ttl can be at all.
const LIMITS: (Duration, Duration) = (Duration::from_millis(1), TEN_YEARS);

impl Compiler<'_> {
    pub(super) fn trial_type(&mut self, authored: &authored::TrialType) -> TrialType {
        let compiled = TrialType {
            default_ttl: authored.default_ttl.value,
            minimum_ttl: self.within("minimum-ttl", &authored.minimum_ttl, Duration::from_secs(1), LIMITS),
            maximum_ttl: self.within("maximum-ttl", &authored.maximum_ttl, 90 * DAY, LIMITS),
        };
        if let Some(problem) = disorder(authored, &compiled) {
            self.problems.add(problem);
        }
        compiled
    }
}

/// What is wrong if not minimum <= default <= maximum.
fn disorder(authored: &authored::TrialType, compiled: &TrialType) -> Option<Problem> {
    let default = &authored.default_ttl;
    let (shortest, longest) = (duration::format(compiled.minimum_ttl), duration::format(compiled.maximum_ttl));
    if compiled.minimum_ttl > compiled.maximum_ttl {
        let place = authored.minimum_ttl.as_ref().or(authored.maximum_ttl.as_ref()).unwrap_or(default);
        let message = format!("the minimum-ttl of {shortest} is longer than the maximum-ttl of {longest}");
        return Some(Problem::new(&place.span, message).help("no trial could be requested: change one of them"));
    }
    let (limit, message) = if default.value < compiled.minimum_ttl {
        (&authored.minimum_ttl, format!("shorter than the minimum-ttl of {shortest}"))
    } else if default.value > compiled.maximum_ttl {
        (&authored.maximum_ttl, format!("longer than the maximum-ttl of {longest}"))
    } else {
        return None;
    };
    let message = format!("the default-ttl of {} is {message}", duration::format(default.value));
    let help = format!("write a duration between {shortest} and {longest}, or change the limit");
    let problem = Problem::new(&default.span, message).help(help);
    Some(match limit {
        Some(Spanned { span, .. }) => problem.related(span, "the limit"),
        None => problem,
    })
}
