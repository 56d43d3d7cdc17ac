//! Assignments against a host in memory: single steps here, random orders in [`orders`].

mod definitions;
mod orders;
mod scene;

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::http::{Error, Response};
use trialbridge_plugin::testing::{START, World};
use trialbridge_plugin::{Failure, Level, Need};

use self::scene::Scene;

#[test]
fn a_warm_stack_is_reserved_configured_and_assigned() {
    let mut host = Scene::new();
    host.warm("acs-1");
    host.warm("acs-2");
    let mut requested = host.request("t1");
    requested["campaign"] = json!("spring");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();

    let reserved = host.take_one("StackReserved");
    assert_eq!((&reserved["stackId"], &reserved["leadId"]), (&json!("acs-1"), &json!("1234567890")));
    assert_eq!(host.keys("pool"), ["/ACS/acs-1", "ACS/acs-2"], "one place is to be filled again");
    let stack = host.get::<Value>("stacks", "acs-1").unwrap();
    assert_eq!(
        (&stack["state"], &stack["trialId"], &stack["createdAt"]),
        (&json!("ASSIGNED"), &json!("t1"), &json!(1))
    );
    assert!(host.is_at("t1", "reserved"));

    let configured = host.prepare("acs-1", "t1");
    host.advance(Duration::from_millis(1_250));
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    let assigned = host.take_one("TrialAssigned");
    let progress = json!({ "step": "assigned", "since": (START + 1_250) as f64 / 1000.0 });
    let expected = json!({
        "version": "1.0", "trialId": "t1", "leadId": "1234567890", "type": "ACS", "requestedAt": START / 1000,
        "status": "ASSIGNED", "expiresAt": (START + 60_500) as f64 / 1000.0, "campaign": "spring",
        "stackId": "acs-1", "progress": progress, "url": "/stacks/acs-1/", "secondsToAssign": 1.25,
    });
    assert_eq!(assigned, expected);
    assert_eq!(host.trial("t1").unwrap().status, "ASSIGNED");
    assert_eq!(host.keys("assignments"), [""; 0]);

    // Whatever comes late changes nothing any more.
    let expired = host.end("t1");
    for (source, detail_type, detail) in [
        ("stack-manager", "StackConfigured", &configured),
        ("stack-manager", "StackFailed", &configured),
        ("OnlineTrial", "TrialExpired", &expired),
    ] {
        host.handle(source, detail_type, detail).unwrap();
    }
    assert_eq!(host.take(), []);
}

#[test]
fn who_waits_longest_is_served_first() {
    let mut host = Scene::new();
    for id in ["t1", "t2", "t3"] {
        let requested = host.request(id);
        host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    }
    assert!(host.is_at("t1", "waiting-for-stack"));
    assert_eq!((host.take().len(), host.deadlines().len(), host.keys("waiting").len()), (0, 3, 3));

    let cancelled = host.end("t1");
    let warm = host.warm("acs-1");
    host.handle("stack-manager", "StackWarm", &warm).unwrap();
    let taken = host.take();
    assert_eq!((taken[0].0.as_str(), &taken[0].1["trialId"]), ("TrialAssignmentFailed", &json!("t1")));
    assert_eq!((taken[1].0.as_str(), &taken[1].1["trialId"]), ("StackReserved", &json!("t2")));
    assert_eq!(
        (host.deadlines().len(), host.keys("waiting").len()),
        (2, 1),
        "the preparation of t2 has a deadline too"
    );
    host.handle("OnlineTrial", "TrialCancelled", &cancelled).unwrap();
    assert_eq!(host.take(), []);

    // Nobody overtakes t3, although a stack is warm already and its event is still on the way.
    host.warm("acs-2");
    let requested = host.request("t4");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    assert_eq!(host.take_one("StackReserved")["trialId"], "t3");
    assert_eq!(host.get::<Value>("assignments", "t4").unwrap()["pending"][0]["task"], "selectStack");
}

#[test]
fn waiting_ends_when_it_is_overdue() {
    let mut host = Scene::new();
    host.configure(json!({ "wait-seconds": 5 }));
    let requested = host.request("t1");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    let (due, overdue) = host.take_delayed().unwrap();
    assert_eq!(due, START + 5_000);
    host.attempt(&overdue, 1).unwrap();
    let failed = host.take_one("TrialAssignmentFailed");
    assert_eq!(failed["reason"], "no warm stack of type ACS within 5 s");
    assert_eq!((&failed["status"], failed.get("stackId")), (&json!("FAILED"), None));
    assert_eq!(host.trial("t1").unwrap().status, "FAILED");
    assert!(host.keys("waiting").is_empty() && host.keys("assignments").is_empty());

    let warm = host.warm("acs-1");
    host.handle("stack-manager", "StackWarm", &warm).unwrap();
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    host.attempt(&overdue, 1).unwrap();
    assert_eq!(host.take(), []);

    // A deadline that passes just before its trial gets a stack fails nothing.
    host.delete("pool", "ACS/acs-1");
    let requested = host.request("t2");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    let (_, overdue) = host.take_delayed().unwrap();
    let warm = host.warm("acs-2");
    host.handle("stack-manager", "StackWarm", &warm).unwrap();
    host.take_one("StackReserved");
    host.attempt(&overdue, 1).unwrap();
    assert_eq!(host.take(), []);
}

#[test]
fn the_end_of_a_trial_settles_it_at_every_step() {
    // Before its request is handled.
    let mut host = Scene::new();
    host.warm("acs-1");
    let requested = host.request("t1");
    let expired = host.end("t1");
    host.handle("OnlineTrial", "TrialExpired", &expired).unwrap();
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    assert_eq!(host.take_one("TrialAssignmentFailed")["reason"], "the trial ended before a stack was assigned");
    assert_eq!(host.keys("pool"), ["ACS/acs-1"]);

    // While its stack is prepared.
    let requested = host.request("t2");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    host.take_one("StackReserved");
    let cancelled = host.end("t2");
    host.handle("OnlineTrial", "TrialCancelled", &cancelled).unwrap();
    let failed = host.take_one("TrialAssignmentFailed");
    assert_eq!((&failed["stackId"], &failed["status"]), (&json!("acs-1"), &json!("FAILED")));
    assert_eq!(failed["reason"], "the trial was cancelled before a stack was assigned");
    let configured = host.prepare("acs-1", "t2");
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    assert_eq!(host.take(), []);

    // While it waits.
    let requested = host.request("t3");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    let expired = host.end("t3");
    host.handle("OnlineTrial", "TrialExpired", &expired).unwrap();
    host.take_one("TrialAssignmentFailed");
    assert!(host.deadlines().is_empty() && host.keys("waiting").is_empty() && host.keys("assignments").is_empty());
}

#[test]
fn a_stack_must_answer_for_its_trial() {
    let reserved = || {
        let mut host = Scene::new();
        host.warm("acs-1");
        let requested = host.request("t1");
        host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
        host.take_one("StackReserved");
        let configured = host.prepare("acs-1", "t1");
        (host, configured)
    };

    let (mut host, configured) = reserved();
    host.prepare("acs-1", "somebody else");
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    assert_eq!(host.take_one("TrialAssignmentFailed")["reason"], "the stack does not answer for this trial");

    let (mut host, configured) = reserved();
    host.answers.clear();
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    assert_eq!(host.take_one("TrialAssignmentFailed")["stackId"], "acs-1");

    // What cannot be read is tried again, four times.
    let (mut host, configured) = reserved();
    let answers = host.answers.clone();
    host.answers.values_mut().for_each(|answer| *answer = None);
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    assert_eq!(host.pass_deadlines(3), [1_000, 2_000, 4_000]);
    assert_eq!(host.take(), []);
    assert_eq!(host.pass_deadlines(1), [8_000]);
    let reason = host.take_one("TrialAssignmentFailed")["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("cannot read /stacks/acs-1/trial.json")), "{reason}");

    let (mut host, configured) = reserved();
    host.answers.values_mut().for_each(|answer| *answer = None);
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    host.answers = answers;
    host.pass_deadlines(1);
    host.take_one("TrialAssigned");

    let (mut host, _) = reserved();
    let other = json!({ "stackId": "acs-2", "trialId": "t1", "reason": "no space" });
    host.handle("stack-manager", "StackFailed", &other).unwrap();
    assert_eq!(host.take(), []);
    host.handle("stack-manager", "StackFailed", &json!({ "stackId": "acs-1", "reason": "no space" })).unwrap();
    assert_eq!(host.take_one("TrialAssignmentFailed")["reason"], "the stack failed: no space");
}

#[test]
fn a_stack_elsewhere_answers_at_its_url_where_that_may_be_asked() {
    let configured = |url: &str, answers: &[Result<Response, Error>]| {
        let mut host = Scene::new();
        host.warm("lab-1");
        let requested = host.request("t1");
        host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
        host.take_one("StackReserved");
        if !answers.is_empty() {
            host.grant(Need::Http);
        }
        for answer in answers {
            host.answer("GET", url, answer.clone());
        }
        // stack-manager vouches for it.
        let configured = json!({ "stackId": "lab-1", "trialId": "t1", "url": url, "ready": true });
        host.handle("stack-manager", "StackConfigured", &configured).unwrap();
        assert_eq!(host.requests().len(), 0, "that it is to be asked is committed first");
        host.go_on();
        host
    };
    let url = "https://lab-1.example.com/start";
    let answer = |status| Ok(Response::new(status, ""));
    for answers in [vec![answer(200)], vec![answer(302)], vec![]] {
        let mut host = configured(url, &answers);
        let assigned = host.take_one("TrialAssigned");
        assert_eq!((&assigned["url"], host.requests().len()), (&json!(url), answers.len()));
    }
    assert_eq!(configured("/stacks/lab-1/", &[]).take_one("TrialAssigned")["stackId"], "lab-1");

    let silent = Err(Error::Failed("GET https://lab-1.example.com: it is refused".to_owned()));
    let mut host = configured(url, &[answer(503), silent, answer(200)]);
    for wait in [1_000, 2_000] {
        assert_eq!((host.take(), host.pass_deadlines(1)), (vec![], vec![wait]));
        host.go_on();
    }
    host.take_one("TrialAssigned");

    let mut host = configured(url, &[answer(404)]);
    for _ in 0..4 {
        host.pass_deadlines(1);
        host.go_on();
    }
    let reason = "the stack does not answer for this trial: its URL answers 404";
    assert_eq!(host.take_one("TrialAssignmentFailed")["reason"], reason);
}

#[test]
fn a_preparation_of_which_nobody_hears_ends_the_assignment() {
    let mut host = Scene::new();
    host.warm("acs-1");
    let requested = host.request_for("t1", Duration::from_secs(14 * 24 * 60 * 60));
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    host.take_one("StackReserved");
    assert_eq!(host.pass_deadlines(1), [900_000]);
    let failed = host.take_one("TrialAssignmentFailed");
    assert_eq!(failed["reason"], "the task configureTrial took longer than its TimeoutSeconds");
    assert_eq!(failed["stackId"], "acs-1");
    let configured = host.prepare("acs-1", "t1");
    host.handle("stack-manager", "StackConfigured", &configured).unwrap();
    assert!(host.take().is_empty() && host.keys("assignments").is_empty());
}

#[test]
fn a_stack_answers_with_a_file_in_its_folder() {
    let mut host = Scene::new();
    host.warm("acs-1");
    let requested = host.request("t1");
    host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    host.take_one("StackReserved");
    let configured = host.prepare("acs-1", "t1");
    let configured = host.event("stack-manager", "StackConfigured", configured);

    let folder = host.folder("stacks").join("acs-1");
    std::fs::create_dir_all(folder.join("trial.json")).unwrap();
    World::attempt(&mut host, &configured, 1).unwrap();
    let (_, again) = host.take_delayed().expect("what cannot be read is tried again");
    std::fs::remove_dir(folder.join("trial.json")).unwrap();
    std::fs::write(folder.join("trial.json"), r#"{"trialId":"t1"}"#).unwrap();
    World::attempt(&mut host, &again, 1).unwrap();
    host.take_one("TrialAssigned");
}

#[test]
fn one_call_stays_within_the_limits_of_a_commit() {
    let mut host = Scene::new();
    for number in 0..60 {
        let requested = host.request(&format!("t{number}"));
        host.handle("OnlineTrial", "TrialRequested", &requested).unwrap();
    }
    for number in 0..60 {
        host.warm(&format!("acs-{number:02}"));
    }
    let mut reserved = 0;
    let mut more = Some(json!({ "type": "ACS" }));
    while let Some(detail) = more.take() {
        host.handle("assign-trial", "StackWarm", &detail).expect("the changes fit a commit");
        for (detail_type, detail) in host.take() {
            match detail_type.as_str() {
                "StackReserved" => reserved += 1,
                _ => more = Some(detail),
            }
        }
    }
    let warm = host.keys("pool").into_iter().filter(|key| key.starts_with("ACS/")).count();
    assert_eq!((reserved, warm, host.keys("waiting").len()), (60, 0, 0));
}

#[test]
fn what_is_malformed_is_permanent_and_named() {
    let check =
        |host: &mut Scene, source, detail_type, detail, expected: &str| match host.handle(source, detail_type, &detail)
        {
            Err(Failure::Permanent(reason)) => assert_eq!(reason, expected),
            other => panic!("{detail_type} {detail}: {other:?}"),
        };
    let mut host = Scene::new();
    check(&mut host, "OnlineTrial", "TrialRequested", json!({}), "the detail of TrialRequested has no `trialId`");
    let expected = "`type` in the detail of StackWarm is 7, and must be a text that is not empty";
    check(&mut host, "stack-manager", "StackWarm", json!({ "type": 7 }), expected);
    let requested = host.request("t1");
    host.configure(json!({ "wait-seconds": 0 }));
    let expected = "[plugins.assign-trial.config]: wait-seconds must be at least 1";
    check(&mut host, "OnlineTrial", "TrialRequested", requested, expected);

    host.handle("somebody", "TrialRequested", &json!({})).unwrap();
    assert_eq!(host.logged(Level::Warn), 1);
}
