//! Definitions of the operator's own.

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::Need;
use trialbridge_plugin::http::{Error, Response};
use trialbridge_plugin::testing::START;

use super::scene::Scene;

/// A definition of these states, whose first is `A`.
fn configured(states: Value) -> Scene {
    let mut host = Scene::new();
    host.configure(json!({ "definition": { "StartAt": "A", "States": states } }));
    host.check_config().expect("the definition is good");
    host
}

fn request(host: &mut Scene, id: &str) {
    let requested = host.request(id);
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    host.go_on();
}

#[test]
fn a_bad_definition_is_refused_with_its_paths() {
    let mut host = Scene::new();
    assert_eq!(host.check_config(), Ok(()));
    let bad = json!({ "StartAt": "Wiat", "States": {
        "Wait": { "Type": "Wait", "Seconds": 1, "Next": "Gone" }, "Gone?": { "Type": "Task", "Resource": "reserveStak", "End": true },
    } });
    let mistakes = "definition: $.States['Gone?'].Resource: there is no resource \"reserveStak\", but selectStack, reserveStack, \
                    configureTrial, checkReachable, httpRequest, emitEvent, updateTrial; did you mean \"reserveStack\"?; \
                    $.StartAt: there is no state \"Wiat\"; did you mean \"Wait\"?; \
                    $.States.Wait.Next: there is no state \"Gone\"; did you mean \"Gone?\"?";
    for definition in [bad.clone(), json!(bad.to_string())] {
        host.configure(json!({ "definition": definition }));
        let error = host.check_config().unwrap_err();
        for mistake in mistakes.split("; $") {
            assert!(error.contains(mistake), "{error}\n{mistake}");
        }
    }
    host.configure(json!({ "definition": "{" }));
    assert!(host.check_config().unwrap_err().starts_with("definition: $: is not JSON: EOF"));
    let twice = r#"{ "StartAt": "A", "States": { "A": { "Type": "Succeed" }, "A": { "Type": "Fail" } } }"#;
    host.configure(json!({ "definition": twice }));
    let said = "definition: $.States.A: is there twice, and an object has each name once";
    assert_eq!(host.check_config().unwrap_err(), said);
    host.configure(json!({ "defnition": {} }));
    assert!(host.check_config().unwrap_err().contains("unknown field `defnition`"));
}

#[test]
fn the_shipped_definition_leaves_a_history() {
    let mut host = Scene::new();
    host.warm("acs-1");
    request(&mut host, "t1");
    host.take_one("StackReserved");
    let configured = host.prepare("acs-1", "t1");
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    host.take_one("TrialAssigned");
    let history = host.history("t1");
    assert_eq!((history[0].as_str(), history[3].as_str()), ("ExecutionStarted ", "TaskSucceeded SelectStack"));
    assert_eq!(history.last().map(String::as_str), Some("ExecutionSucceeded "));
    let entries = host.history_entries("t1").into_iter();
    let given_on = entries.filter(|entry| entry["event"] == "StateExited" && !entry["output"].is_null());
    let states: Vec<Value> = given_on.map(|entry| entry["state"].clone()).collect();
    assert_eq!(states, ["SelectStack", "ConfigureTrial", "EmitTrialAssigned"], "those that give on something else");
    let expired = host.end("t1");
    host.handle("OnlineTrial", "TrialExpired", &expired).unwrap();
    assert_eq!(host.keys("history"), [""; 0], "it goes with the trial");

    // That of an execution that was stopped is kept for a day, so that somebody can see it.
    request(&mut host, "t2");
    let cancelled = host.end("t2");
    host.handle("OnlineTrial", "TrialCancelled", &cancelled).unwrap();
    assert_eq!(host.history("t2").last().map(String::as_str), Some("ExecutionAborted "));
    host.take_one("TrialAssignmentFailed");
    host.advance(Duration::from_secs(24 * 60 * 60));
    let outdated = host.take_emitted();
    host.attempt(&outdated[0], 1).unwrap();
    assert_eq!(host.keys("history"), [""; 0]);
}

#[test]
fn a_wait_of_days_is_one_delayed_event() {
    let mut host = configured(json!({
        "A": { "Type": "Wait", "Seconds": 259_200, "Next": "B" },
        "B": { "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": "Waited", "detail": { "days": 3 } }, "End": true },
    }));
    let requested = host.request_for("t1", Duration::from_secs(1_000_000));
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    assert_eq!((host.take(), host.deadlines()), (vec![], vec![START + 259_200_000]));
    host.pass_deadlines(1);
    let taken = host.take();
    assert_eq!(taken[0], ("Waited".to_owned(), json!({ "trialId": "t1", "days": 3 })));
    // It has no outcome, so that is one.
    assert_eq!(taken[1].1["reason"], "the definition ended without an outcome");
    assert_eq!((taken.len(), host.keys("assignments").len()), (2, 0));
}

#[test]
fn requests_are_sent_once_committed_and_retried_with_one_key() {
    let url = "http://crm.example.com/leads";
    let states = json!({
        "A": {
            "Type": "Task", "Resource": "httpRequest",
            "Parameters": { "url": url, "method": "POST", "body": { "lead.$": "$.trial.leadId" } },
            "ResultSelector": { "score.$": "$.body.score" }, "ResultPath": "$.crm",
            "Retry": [{ "ErrorEquals": ["States.Http.StatusCode.503", "States.Http.Socket"], "IntervalSeconds": 2 }],
            "Catch": [{ "ErrorEquals": ["States.Permissions"], "ResultPath": "$.error", "Next": "Denied" }],
            "Next": "B",
        },
        "B": { "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": "Scored", "detail.$": "$.crm" }, "Next": "C" },
        "C": { "Type": "Fail", "Error": "Enough", "Cause": "it is a test" },
        "Denied": { "Type": "Fail", "Error": "Denied", "CausePath": "$.error.Cause" },
    });
    let mut host = configured(states);
    host.grant(Need::Http);
    host.answer("POST", url, Ok(Response::new(503, "busy")));
    host.answer("POST", url, Err(Error::Failed("it broke off".to_owned())));
    host.answer("POST", url, Ok(Response::new(200, r#"{"score":7}"#)));
    let requested = host.request("t1");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    assert_eq!(host.requests().len(), 0, "that it is to be sent is committed first");
    host.go_on();
    for _ in 0..2 {
        host.pass_deadlines(1);
        host.go_on();
    }
    let taken = host.take();
    assert_eq!(taken[0], ("Scored".to_owned(), json!({ "trialId": "t1", "score": 7 })));
    assert_eq!(taken[1].1["reason"], "Enough: it is a test");
    let key = |request: &trialbridge_plugin::http::Request| {
        request.headers.iter().find(|(name, _)| name == "Idempotency-Key").cloned()
    };
    let keys: Vec<_> = host.requests().iter().map(key).collect();
    assert_eq!(keys, vec![Some(("Idempotency-Key".to_owned(), "t1-1".to_owned())); 3]);
    assert_eq!(host.requests()[0].body, br#"{"lead":"1234567890"}"#);

    host.deny(&Need::Http);
    request(&mut host, "t2");
    let failed = host.take_one("TrialAssignmentFailed");
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.starts_with("Denied: ")), "{failed}");
}

#[test]
fn a_request_that_wants_more_time_than_there_is_says_so() {
    let parameters = json!({ "url": "http://crm.example.com/", "timeoutSeconds": 30 });
    let mut host = configured(json!({
        "A": { "Type": "Task", "Resource": "httpRequest", "Parameters": parameters, "End": true },
    }));
    host.grant(Need::Http);
    request(&mut host, "t1");
    let failed = host.take_one("TrialAssignmentFailed");
    let reason = "States.TaskFailed: the input of httpRequest: timeoutSeconds must be 1 to 8, and is 30";
    assert_eq!((&failed["reason"], host.requests().len()), (&json!(reason), 0));
}

#[test]
fn a_stack_that_was_taken_meanwhile_is_selected_anew() {
    let mut host = configured(json!({
        "A": { "Type": "Task", "Resource": "selectStack", "Parameters": { "type": "ACS" }, "ResultPath": "$.stack", "Next": "Pause" },
        "Pause": { "Type": "Wait", "Seconds": 5, "Next": "B" },
        "B": {
            "Type": "Task", "Resource": "reserveStack", "Parameters": { "stackId.$": "$.stack.stackId" },
            "Catch": [{ "ErrorEquals": ["StackTaken"], "ResultPath": null, "Next": "A" }], "Next": "C",
        },
        "C": { "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": "TrialAssigned" }, "Next": "D" },
        "D": { "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": "TrialAssignmentFailed" }, "End": true },
    }));
    host.warm("acs-1");
    for id in ["t1", "t2"] {
        request(&mut host, id);
    }
    host.pass_deadlines(1);
    let taken = host.take();
    assert_eq!((taken.len(), taken[0].0.as_str()), (1, "TrialAssigned"), "one has the stack, and one outcome");
    assert_eq!(host.trial("t1").unwrap().status, "ASSIGNED", "although the definition does not say so");
    assert_eq!(host.keys("waiting").len(), 1, "the other waits in line");
    let warm = host.warm("acs-2");
    host.handle("stack-manager", "StackWarm", &warm).unwrap();
    host.pass_deadlines(1);
    assert_eq!(host.take_one("TrialAssigned")["stackId"], "acs-2");
}

#[test]
fn what_a_task_cannot_do_is_an_error_of_the_definition() {
    for (resource, parameters, reason) in [
        ("selectStack", json!({}), "States.TaskFailed: the input of selectStack: missing field `type`"),
        ("reserveStack", json!({ "stackId": "none" }), "StackTaken: the stack none is not warm any more"),
        ("configureTrial", json!({ "stackId": "s" }), "States.TaskFailed: the stack s is not reserved for the trial"),
        ("checkReachable", json!({ "stackId": "s" }), "StackUnreachable: the stack does not answer for this trial"),
        ("updateTrial", json!({ "status": "not good" }), "States.TaskFailed: status"),
        ("emitEvent", json!({ "detailType": "A", "source": "somebody" }), "States.Permissions: "),
        (
            "emitEvent",
            json!({ "detailType": "TrialAssigned" }),
            "States.TaskFailed: no stack is reserved for the trial",
        ),
    ] {
        let state = json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
        let mut host = configured(json!({ "A": state }));
        request(&mut host, "t1");
        let failed = host.take_one("TrialAssignmentFailed");
        assert!(failed["reason"].as_str().is_some_and(|found| found.starts_with(reason)), "{resource}: {failed}");
        assert!(host.keys("assignments").is_empty() && host.keys("waiting").is_empty());
    }
}
