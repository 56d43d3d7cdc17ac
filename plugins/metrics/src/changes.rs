//! Which metrics an event changes.

use serde_json::{Map, Value};

/// A change of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// One more of a counter.
    Count {
        /// The name of the metric.
        name: &'static str,
        /// Names and values of its labels.
        labels: Vec<(&'static str, String)>,
    },
    /// A gauge goes up or down.
    Add {
        /// The name of the metric.
        name: &'static str,
        /// Names and values of its labels.
        labels: Vec<(&'static str, String)>,
        /// By how much.
        add: f64,
    },
    /// A histogram sees a value.
    Observe {
        /// The name of the metric.
        name: &'static str,
        /// Names and values of its labels.
        labels: Vec<(&'static str, String)>,
        /// The value, in the unit that the name ends in.
        value: f64,
    },
}

/// The changes that an event of this source and detail-type makes.
///
/// # Errors
///
/// Says which member of the detail is missing or odd.
pub(crate) fn changes(source: &str, detail_type: &str, detail: &str) -> Result<Vec<Change>, String> {
    let labels = vec![("source", source.to_owned()), ("detail_type", detail_type.to_owned())];
    let mut changes = vec![Change::Count { name: "events_total", labels }];
    let detail = || Detail::read(detail_type, detail);
    match (source, detail_type) {
        ("OnlineTrial", "TrialRequested") => changes.push(detail()?.add("active_trials", 1.0)?),
        ("OnlineTrial", "TrialExpired" | "TrialCancelled") => changes.push(detail()?.add("active_trials", -1.0)?),
        ("OnlineTrial", "TrialAssigned") => changes.extend(detail()?.time_to_assignment()?),
        ("OnlineTrial", "TrialAssignmentFailed") => {
            let labels = detail()?.type_label()?;
            changes.push(Change::Count { name: "assignment_failures_total", labels });
        }
        ("stack-manager", "StackWarm") => changes.push(detail()?.add("warm_stacks", 1.0)?),
        ("assign-trial", "StackReserved") => changes.push(detail()?.add("warm_stacks", -1.0)?),
        ("stack-manager", "StackDeleted" | "StackFailed") => {
            let detail = detail()?;
            // Only what was warm was counted as such.
            if detail.text("state")? == "WARM" {
                changes.push(detail.add("warm_stacks", -1.0)?);
            }
        }
        _ => {}
    }
    Ok(changes)
}

/// The detail of an event, with the event's name for messages.
struct Detail<'a> {
    detail_type: &'a str,
    members: Map<String, Value>,
}

impl<'a> Detail<'a> {
    fn read(detail_type: &'a str, detail: &str) -> Result<Self, String> {
        let members = serde_json::from_str(detail)
            .map_err(|error| format!("the detail of {detail_type} is not a JSON object: {error}"))?;
        Ok(Self { detail_type, members })
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        let text = self.members.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("the detail of {} has no text `{name}`", self.detail_type))
    }

    fn type_label(&self) -> Result<Vec<(&'static str, String)>, String> {
        Ok(vec![("type", self.text("type")?.to_owned())])
    }

    fn add(&self, name: &'static str, add: f64) -> Result<Change, String> {
        Ok(Change::Add { name, labels: self.type_label()?, add })
    }

    /// Whoever assigns by other means than assign-trial may not have measured the time, and nothing is observed then.
    fn time_to_assignment(&self) -> Result<Option<Change>, String> {
        let Some(seconds) = self.members.get("secondsToAssign") else { return Ok(None) };
        let value = seconds.as_f64().filter(|seconds| *seconds >= 0.0).ok_or_else(|| {
            format!("`secondsToAssign` of {} is {seconds}, not a number of seconds", self.detail_type)
        })?;
        Ok(Some(Change::Observe { name: "time_to_assignment_seconds", labels: self.type_label()?, value }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an event changes beside `events_total`, in a line.
    fn check(source: &str, detail_type: &str, detail: &str, expected: &str) {
        let found = match changes(source, detail_type, detail) {
            Ok(changes) => {
                let labels = vec![("source", source.to_owned()), ("detail_type", detail_type.to_owned())];
                assert_eq!(changes[0], Change::Count { name: "events_total", labels });
                changes[1..].iter().map(line).collect::<Vec<_>>().join(" ")
            }
            Err(message) => message,
        };
        assert_eq!(found, expected, "{source} {detail_type} {detail}");
    }

    fn line(change: &Change) -> String {
        let (name, labels, value) = match change {
            Change::Count { name, labels } => (name, labels, 1.0),
            Change::Add { name, labels, add } => (name, labels, *add),
            Change::Observe { name, labels, value } => (name, labels, *value),
        };
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        format!("{name}{{{}}} {value:+}", labels.join(","))
    }

    #[test]
    fn each_event_moves_its_metrics() {
        let acs = r#"{"type":"ACS"}"#;
        check("OnlineTrial", "TrialRequested", acs, "active_trials{type=ACS} +1");
        check("OnlineTrial", "TrialExpired", acs, "active_trials{type=ACS} -1");
        check("OnlineTrial", "TrialCancelled", acs, "active_trials{type=ACS} -1");
        check("OnlineTrial", "TrialAssignmentFailed", acs, "assignment_failures_total{type=ACS} +1");
        check(
            "OnlineTrial",
            "TrialAssigned",
            r#"{"type":"ACS","secondsToAssign":0.25}"#,
            "time_to_assignment_seconds{type=ACS} +0.25",
        );
        check("OnlineTrial", "TrialAssigned", acs, "");
        check("stack-manager", "StackWarm", acs, "warm_stacks{type=ACS} +1");
        check("assign-trial", "StackReserved", acs, "warm_stacks{type=ACS} -1");
        check("stack-manager", "StackDeleted", r#"{"type":"ACS","state":"WARM"}"#, "warm_stacks{type=ACS} -1");
        check("stack-manager", "StackFailed", r#"{"type":"ACS","state":"WARM"}"#, "warm_stacks{type=ACS} -1");
        check("stack-manager", "StackDeleted", r#"{"type":"ACS","state":"ASSIGNED"}"#, "");
    }

    #[test]
    fn events_of_other_sources_are_only_counted() {
        check("somebody", "TrialRequested", "{}", "");
        check("assign-trial", "StackWarm", r#"{"type":"ACS"}"#, "");
        check("trialbridge", "Scheduled Event", "{}", "");
    }

    #[test]
    fn odd_details_are_named() {
        check("OnlineTrial", "TrialRequested", "{}", "the detail of TrialRequested has no text `type`");
        check(
            "OnlineTrial",
            "TrialAssigned",
            r#"{"type":"ACS","secondsToAssign":"soon"}"#,
            "`secondsToAssign` of TrialAssigned is \"soon\", not a number of seconds",
        );
        check("stack-manager", "StackDeleted", r#"{"type":"ACS"}"#, "the detail of StackDeleted has no text `state`");
    }
}
