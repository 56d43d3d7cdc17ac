//! Which states lead to which.

use std::collections::BTreeSet;

use super::fields::Report;
use super::{Kind, Scope, State, below};

/// The states that a state leads to, with the paths, within the state, of the fields that say so.
pub(super) fn targets(state: &State) -> Vec<(String, &str)> {
    let mut targets = Vec::new();
    if let Kind::Choice { rules, default } = &state.kind {
        targets.extend(rules.iter().enumerate().map(|(i, (_, next))| (format!(".Choices[{i}].Next"), next.as_str())));
        targets.extend(default.iter().map(|next| (".Default".to_owned(), next.as_str())));
    }
    targets.extend(state.next.iter().map(|next| (".Next".to_owned(), next.as_str())));
    let catchers = state.catch.iter().enumerate();
    targets.extend(catchers.map(|(i, catcher)| (format!(".Catch[{i}].Next"), catcher.next.as_str())));
    // What names no state has been found wanting already, where it stands.
    targets.retain(|(_, next)| !next.is_empty());
    targets
}

/// Says which states cannot be reached, and whether no end can. `at` is the path of the scope, `states` that of its states.
pub(super) fn check(scope: &Scope, at: &str, states: &str, report: &mut Report<'_>) {
    let mut reached = BTreeSet::new();
    let mut next = vec![scope.start_at.as_str()];
    let mut ends = false;
    while let Some(name) = next.pop() {
        // A name that does not exist is somebody else's mistake, and may have been meant to be the end.
        let Some(state) = scope.states.get(name) else {
            ends = true;
            continue;
        };
        if reached.insert(name) {
            let targets = targets(state);
            ends |= matches!(state.kind, Kind::Succeed | Kind::Fail { .. });
            ends |= state.next.is_none() && !matches!(state.kind, Kind::Choice { .. });
            next.extend(targets.into_iter().map(|(_, target)| target));
        }
    }
    for name in scope.states.keys().filter(|name| !reached.contains(name.as_str())) {
        let start = &scope.start_at;
        report.say(below(states, name), format!("cannot be reached from StartAt, {start:?}: no state leads here"));
    }
    if !ends {
        let start = &scope.start_at;
        let message = format!("no way from {start:?} leads to an end: to \"End\": true, a Succeed or a Fail");
        report.say(below(at, "StartAt"), message);
    }
}
