//! Each event against a host in memory.

use trialbridge_plugin::Level;
use trialbridge_plugin::testing::{Measure, World};

use crate::Metrics;

mod cloudwatch;
mod pool;

/// What an event changes beside `events_total`, in a line, or how it fails.
fn check(source: &str, detail_type: &str, detail: &str, expected: &str) {
    let mut world = World::<Metrics>::new();
    let detail: serde_json::Value = serde_json::from_str(detail).expect("details are JSON");
    let found = match world.handle(source, detail_type, &detail) {
        Ok(()) => {
            let counted = world.metric("events_total", &[("source", source), ("detail_type", detail_type)]);
            assert_eq!(counted, Some(&Measure::Counter(1)));
            let others = world.metrics().filter(|(name, ..)| *name != "events_total");
            others.map(|(name, labels, measure)| line(name, labels, measure)).collect::<Vec<_>>().join(" ")
        }
        Err(failure) => {
            assert_eq!(world.metrics().count(), 0);
            failure.to_string()
        }
    };
    assert_eq!(found, expected, "{source} {detail_type} {detail}");
}

fn line(name: &str, labels: &[(String, String)], measure: &Measure) -> String {
    let value = match measure {
        Measure::Counter(value) => *value as f64,
        Measure::Gauge(value) => *value,
        Measure::Histogram(values) => values[0],
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
    check("OnlineTrial", "TrialExtended", acs, "");
    check(
        "OnlineTrial",
        "TrialAssignmentFailed",
        r#"{"type":"ACS","reason":"no warm stack of type ACS within 600 s"}"#,
        "assignment_failures_total{reason=no-warm-stack,type=ACS} +1",
    );
    check("OnlineTrial", "TrialAssignmentFailed", acs, "assignment_failures_total{reason=other,type=ACS} +1");
    check(
        "OnlineTrial",
        "TrialAssignmentFailed",
        r#"{"type":"ACS","reason":"the task configureTrial took longer than its TimeoutSeconds"}"#,
        "assignment_failures_total{reason=stack-not-configured,type=ACS} +1",
    );
    check(
        "OnlineTrial",
        "TrialAssigned",
        r#"{"type":"ACS","secondsToAssign":0.25}"#,
        "time_in_state_seconds{next=assigned,state=requested,type=ACS} +0.25 time_to_assignment_seconds{type=ACS} +0.25",
    );
    check("OnlineTrial", "TrialAssigned", acs, "");
    check("stack-manager", "StackWarm", acs, "warm_stacks{type=ACS} +1");
    check("assign-trial", "StackReserved", acs, "warm_stacks{type=ACS} -1");
    check("stack-manager", "StackDeleted", r#"{"type":"ACS","state":"WARM"}"#, "warm_stacks{type=ACS} -1");
    check(
        "stack-manager",
        "StackFailed",
        r#"{"type":"ACS","state":"WARM"}"#,
        "stack_failures_total{state=warm,type=ACS} +1 warm_stacks{type=ACS} -1",
    );
    check("stack-manager", "StackDeleted", r#"{"type":"ACS","state":"ASSIGNED"}"#, "");
}

#[test]
fn states_are_measured_by_what_their_end_says() {
    // It is 14:19:39 in these tests, 1,589,379,579.
    check(
        "OnlineTrial",
        "TrialExpired",
        r#"{"type":"ACS","status":"ASSIGNED","expiresAt":1589379577.5,"progress":{"step":"assigned","since":1589379479.5}}"#,
        "active_trials{type=ACS} -1 expiry_lateness_seconds{type=ACS} +1.5 time_in_state_seconds{next=expired,state=assigned,type=ACS} +99.5",
    );
    check(
        "OnlineTrial",
        "TrialCancelled",
        r#"{"type":"ACS","status":"REQUESTED","requestedAt":1589379569,"progress":{"step":"waiting-for-stack","since":1589379570}}"#,
        "active_trials{type=ACS} -1 time_in_state_seconds{next=cancelled,state=requested,type=ACS} +10",
    );
    check(
        "OnlineTrial",
        "TrialAssignmentFailed",
        r#"{"type":"ACS","reason":"the stack failed: x","requestedAt":1589379569,"progress":{"step":"failed","since":1589379570.5}}"#,
        "assignment_failures_total{reason=stack-failed,type=ACS} +1 time_in_state_seconds{next=failed,state=requested,type=ACS} +1.5",
    );
    // What happened within the second of the due time is not late, and what is not said is not measured.
    check(
        "OnlineTrial",
        "TrialExpired",
        r#"{"type":"ACS","status":"FAILED","expiresAt":1589379579.75}"#,
        "active_trials{type=ACS} -1 expiry_lateness_seconds{type=ACS} +0",
    );
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

#[test]
fn a_series_too_many_loses_no_event() {
    let mut world = World::<Metrics>::new();
    for number in 0..1001 {
        let counted = world.handle(&format!("source-{number}"), "Something", serde_json::json!({}));
        assert_eq!(counted, Ok(()));
    }
    assert_eq!((world.metrics().count(), world.logged(Level::Warn)), (1000, 1));
}
