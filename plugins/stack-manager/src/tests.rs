//! Stacks against a host and a provider in memory: the way of a stack here, the repair of all in [`repair`].

mod policy;
mod repair;
mod scene;
mod slow;

use serde_json::json;
use trialbridge_plugin::Failure;

use self::scene::{Scene, names_of};
use crate::provider::Error;

fn no_space() -> Option<Error> {
    Some(Error::Failed("no space".to_owned()))
}

#[test]
fn a_pool_is_filled_and_refilled() {
    let mut world = Scene::new(3);
    world.reconcile();
    assert_eq!(world.count(), "3 creating, 3 pooled, 0 folders");
    // Stacks that are being built count.
    world.reconcile();
    assert_eq!(world.said(), "StackCreateRequested*3");

    let said = world.settle();
    assert_eq!(names_of(&said), "StackCreated*3 StackWarm*3");
    let created = &said[0].1;
    assert_eq!((&created["type"], &created["state"]), (&json!("ACS"), &json!("CREATING")));
    let said: Vec<_> = said.into_iter().filter(|(name, _)| name == "StackWarm").collect();
    let stack_id = said[0].1["stackId"].as_str().unwrap();
    let url = format!("/stacks/{stack_id}/");
    assert!(stack_id.starts_with("acs-"));
    assert_eq!(said[0].1, json!({ "stackId": stack_id, "type": "ACS", "state": "WARM", "url": url }));
    assert_eq!(world.count(), "3 warm, 3 pooled, 3 folders");

    // A second request to build one that is warm changes nothing.
    world.handle("stack-manager", "StackCreateRequested", &said[0].1);
    assert_eq!(world.take(), []);

    let assigned = world.reserve("t1");
    // Its place is its outcome's to fill.
    world.reconcile();
    assert_eq!(world.take(), []);
    for _ in 0..2 {
        world.handle("OnlineTrial", "TrialAssigned", &assigned);
        world.settle();
        assert_eq!(world.count(), "1 assigned 3 warm, 3 pooled, 4 folders");
    }
    world.handle("OnlineTrial", "TrialAssigned", &json!({ "type": "OTHER" }));
    assert_eq!(world.take(), []);
}

#[test]
fn a_big_pool_is_filled_over_several_calls() {
    let mut world = Scene::new(150);
    world.handle("OnlineTrial", "TrialAssigned", &json!({ "type": "ACS" }));
    assert_eq!(world.said(), "ReconcileContinued*1 StackCreateRequested*66");
    assert_eq!(names_of(&world.settle()), "StackCreated*150 StackWarm*150");
    assert_eq!(world.count(), "150 warm, 150 pooled, 150 folders");
}

#[test]
fn a_reserved_stack_is_prepared_for_its_trial_only() {
    let mut world = Scene::new(1);
    world.reconcile();
    world.settle();
    let mut reserved = world.reserve("t1");
    reserved["campaign"] = json!("spring");
    for _ in 0..2 {
        world.handle("assign-trial", "StackReserved", &reserved);
        let said = world.take();
        let (detail_type, configured) = &said[0];
        assert_eq!((detail_type.as_str(), &configured["campaign"]), ("StackConfigured", &json!("spring")));
        assert_eq!(configured["url"], format!("/stacks/{}/", reserved["stackId"].as_str().unwrap()));
    }
    let tenant = world.folders.all.values().next().unwrap().clone().unwrap();
    assert_eq!((tenant.trial_id.as_str(), tenant.expires_at), ("t1", 1_589_379_600.5));

    reserved["trialId"] = json!("t2");
    world.handle("assign-trial", "StackReserved", &reserved);
    reserved["stackId"] = json!("acs-none");
    world.handle("assign-trial", "StackReserved", &reserved);
    assert_eq!(world.take(), []);
}

#[test]
fn the_stack_of_a_trial_that_is_over_is_deleted_once_and_replaced() {
    let mut world = Scene::new(1);
    world.reconcile();
    world.settle();
    let mut ended = world.reserve("t1");
    let stack_id = ended["stackId"].clone();

    // The end of another trial, or of one without a stack, deletes nothing.
    for other in
        [json!({ "trialId": "t2", "type": "OTHER", "stackId": stack_id }), json!({ "trialId": "t1", "type": "OTHER" })]
    {
        world.handle("OnlineTrial", "TrialExpired", &other);
    }
    assert_eq!(world.count(), "1 assigned, 0 pooled, 1 folders");

    ended["status"] = json!("FAILED");
    world.handle("OnlineTrial", "TrialAssignmentFailed", &ended);
    let said = world.settle();
    let deleted = json!({ "stackId": stack_id, "type": "ACS", "state": "ASSIGNED", "trialId": "t1" });
    assert_eq!(said[0], ("StackDeleted".to_owned(), deleted));
    assert_eq!(names_of(&said), "StackCreated*1 StackDeleted*1 StackWarm*1");
    world.handle("OnlineTrial", "TrialExpired", &ended);
    world.handle("assign-trial", "StackReserved", &ended);
    assert_eq!(world.settle(), []);
    assert_eq!(world.count(), "1 warm, 1 pooled, 1 folders");
}

#[test]
fn a_provider_that_fails_is_tried_again_and_then_given_up() {
    let mut world = Scene::new(1);
    world.reconcile();
    let request = world.take().remove(0).1;
    world.folders.failure = no_space();
    let failure = world.attempt("stack-manager", "StackCreateRequested", &request, 4).unwrap_err();
    assert!(matches!(failure, Failure::Retry(reason) if reason.ends_with("no space")));
    assert_eq!(world.count(), "1 creating, 1 pooled, 0 folders");
    world.attempt("stack-manager", "StackCreateRequested", &request, 5).unwrap();
    let (detail_type, failed) = world.first("StackFailed");
    assert_eq!((detail_type.as_str(), &failed["state"]), ("StackFailed", &json!("CREATING")));
    assert_eq!(world.count(), "1 deleting, 0 pooled, 0 folders");

    world.folders.failure = None;
    let said = world.settle();
    assert_eq!((said[1].0.as_str(), &said[1].1["state"]), ("StackDeleted", &json!("FAILED")));
    world.reconcile();
    world.settle();
    let reserved = world.reserve("t1");
    world.folders.failure = no_space();
    for event in [("assign-trial", "StackReserved"), ("OnlineTrial", "TrialExpired")] {
        let failure = world.attempt(event.0, event.1, &reserved, 1).unwrap_err();
        assert!(matches!(failure, Failure::Retry(reason) if reason.ends_with("no space")));
    }
    world.attempt("assign-trial", "StackReserved", &reserved, 5).unwrap();
    let (detail_type, failed) = world.take().remove(0);
    assert_eq!(
        (detail_type.as_str(), &failed["trialId"], &failed["state"]),
        ("StackFailed", &json!("t1"), &json!("ASSIGNED"))
    );
    // The record stays for TrialAssignmentFailed, which deletes the stack.
    assert_eq!(world.count(), "1 assigned, 0 pooled, 1 folders");
}

#[test]
fn what_is_malformed_is_permanent_and_named() {
    let mut world = Scene::new(1);
    let check = |world: &mut Scene, source, detail_type, detail, expected: &str| match world.attempt(
        source,
        detail_type,
        &detail,
        1,
    ) {
        Err(Failure::Permanent(reason)) => assert_eq!(reason, expected),
        other => panic!("{detail_type} {detail}: {other:?}"),
    };
    let expected = "the detail of StackCreateRequested has no `stackId`";
    check(&mut world, "stack-manager", "StackCreateRequested", json!({ "type": "ACS" }), expected);
    let reserved = json!({ "stackId": "s", "trialId": "t", "leadId": "l", "type": "ACS", "expiresAt": "soon" });
    let expected = "`expiresAt` in the detail of StackReserved is \"soon\", and must be a number of seconds";
    check(&mut world, "assign-trial", "StackReserved", reserved, expected);
    let expected = "`after` of ReconcileContinued is `here`, and must begin with folders/, stacks/ or pools/";
    check(&mut world, "stack-manager", "ReconcileContinued", json!({ "after": "here" }), expected);
    world.configure(json!({}));
    let expected = "[plugins.stack-manager.config]: missing field `pools`; add a table for each type";
    check(&mut world, "trialbridge", "DaemonStarted", json!({}), expected);
}
