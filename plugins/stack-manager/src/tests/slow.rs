//! Stacks that take their time, and providers that do not answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Scene, names_of};
use crate::provider::{Error, Status};

/// Lets the polls come that are due, and handles all that follows. What was said.
fn pass(world: &mut Scene, time: Duration) -> Vec<(String, Value)> {
    world.advance(time);
    world.settle()
}

#[test]
fn a_stack_is_warm_when_a_poll_finds_it_ready() {
    let mut world = Scene::new(1);
    world.folders.slow = Some(Status::Building);
    world.reconcile();
    assert_eq!(names_of(&world.settle()), "StackCreated*1");
    assert_eq!(names_of(&pass(&mut world, Duration::from_secs(10))), "");
    // A reconciliation does not ask again for what is being looked at.
    world.reconcile();
    assert_eq!(world.take(), []);
    assert_eq!(world.delayed().len(), 1);
    world.folders.slow = None;
    assert_eq!(names_of(&pass(&mut world, Duration::from_secs(10))), "StackWarm*1");
    assert_eq!(world.delayed().len(), 0);
    assert_eq!(world.count(), "1 warm, 1 pooled, 1 folders");
}

#[test]
fn a_poll_that_got_lost_is_made_up_for() {
    let mut world = Scene::new(1);
    world.folders.slow = Some(Status::Building);
    world.reconcile();
    world.settle();
    world.take_delayed().unwrap();
    world.folders.slow = None;
    world.advance(Duration::from_secs(71));
    world.reconcile();
    assert_eq!(names_of(&world.settle()), "StackWarm*1");
}

#[test]
fn a_rollback_and_a_stack_that_takes_too_long_fail_and_are_deleted() {
    let mut world = Scene::new(1);
    world.folders.slow = Some(Status::Building);
    world.reconcile();
    world.settle();
    world.folders.slow = Some(Status::Failed("ROLLBACK_COMPLETE".to_owned()));
    world.advance(Duration::from_secs(10));
    world.folders.slow = Some(Status::Deleting);
    let poll = world.take().remove(0).1;
    world.folders.slow = Some(Status::Failed("ROLLBACK_COMPLETE".to_owned()));
    world.handle("stack-manager", "StackPollDue", &poll);
    world.folders.slow = Some(Status::Deleting);
    let said = world.settle();
    assert_eq!((names_of(&said).as_str(), &said[0].1["reason"]), ("StackFailed*1", &json!("ROLLBACK_COMPLETE")));
    assert_eq!(world.count(), "1 deleting, 0 pooled, 1 folders");
    world.folders.slow = None;
    let said = pass(&mut world, Duration::from_secs(10));
    assert_eq!((names_of(&said).as_str(), &said[0].1["state"]), ("StackDeleted*1", &json!("FAILED")));
    assert_eq!(world.count(), ", 0 pooled, 0 folders");

    world.folders.slow = Some(Status::Building);
    world.reconcile();
    world.settle();
    let mut said = Vec::new();
    for _ in 0..200 {
        // Now and then it is the reconciliation that goes on.
        said.extend(pass(&mut world, Duration::from_secs(10)));
        world.reconcile();
        said.extend(world.settle());
    }
    let said: Vec<_> = said.into_iter().filter(|(name, _)| name == "StackFailed").collect();
    assert!(said[0].1["reason"].as_str().unwrap().ends_with("was not ready within 1800 s"));
}

#[test]
fn a_provider_that_is_busy_is_asked_less_and_less_often() {
    let mut world = Scene::new(1);
    world.reconcile();
    world.folders.failure = Some(Error::Busy("Throttling".to_owned()));
    assert_eq!(names_of(&world.settle()), "");
    let mut waits = Vec::new();
    for _ in 0..6 {
        let (due, _) = world.delayed()[0];
        let wait = due - world.now();
        waits.push(wait);
        assert_eq!(names_of(&pass(&mut world, Duration::from_millis(wait))), "");
    }
    assert!(waits.windows(2).all(|pair| pair[1] == pair[0] * 2), "{waits:?}");
    world.folders.failure = None;
    let (due, _) = world.delayed()[0];
    let wait = Duration::from_millis(due - world.now());
    assert_eq!(names_of(&pass(&mut world, wait)), "StackCreated*1 StackWarm*1");
}

#[test]
fn a_deletion_that_fails_is_said_tried_again_and_left_to_the_operator() {
    let mut world = Scene::new(1);
    world.reconcile();
    world.settle();
    world.keep(0);
    world.folders.slow = Some(Status::DeletionFailed("DELETE_FAILED".to_owned()));
    world.reconcile();
    let mut said = world.settle();
    for _ in 0..20 {
        said.extend(pass(&mut world, Duration::from_secs(1800)));
    }
    assert_eq!(names_of(&said), "StackFailed*8");
    assert!(said.iter().all(|(_, detail)| detail["state"] == "DELETING" && detail["reason"] == "DELETE_FAILED"));
    assert_eq!(world.count(), "1 failed, 0 pooled, 1 folders");
    // A day later it is tried once more.
    world.advance(Duration::from_secs(24 * 3600));
    world.reconcile();
    assert_eq!(names_of(&world.settle()), "StackFailed*1");
    // Somebody deletes it.
    world.advance(Duration::from_secs(1));
    world.folders.all.clear();
    let said = pass(&mut world, Duration::from_secs(1800));
    assert_eq!((names_of(&said).as_str(), &said[0].1["state"]), ("StackDeleted*1", &json!("WARM")));
}

#[test]
fn unknown_stacks_can_be_left_alone() {
    let mut world = Scene::new(0);
    world.configure(json!({ "pools": {}, "unknown-stacks": "report" }));
    world.folders.all.insert("acs-nobody".to_owned(), None);
    world.reconcile();
    assert_eq!(world.count(), ", 0 pooled, 1 folders");
    assert!(world.metric("unknown_stacks_total", &[]).is_some());
}
