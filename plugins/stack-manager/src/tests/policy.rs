//! How many stacks there are, how old they get, how many are built at once, and when building stops.

use std::time::Duration;

use serde_json::json;

use super::no_space;
use super::scene::{Scene, names_of};

#[test]
fn no_more_are_built_at_once_than_allowed() {
    let mut world = Scene::new(0);
    world.policy(json!({ "warm": 5, "concurrent-creations": 2 }));
    world.reconcile();
    assert_eq!(world.said(), "StackCreateRequested*2");
    world.reconcile();
    assert_eq!(world.count(), "2 creating, 2 pooled, 0 folders");
    // Each that is warm makes room for the next.
    assert_eq!(names_of(&world.settle()), "StackCreated*5 StackWarm*5");
}

#[test]
fn there_are_never_more_than_the_maximum() {
    let mut world = Scene::new(0);
    world.policy(json!({ "warm": 2, "maximum": 3 }));
    world.reconcile();
    world.settle();
    let ended = world.reserve("t1");
    let other = world.reserve("t2");
    world.handle("OnlineTrial", "TrialAssigned", &ended);
    world.handle("OnlineTrial", "TrialAssigned", &other);
    world.settle();
    assert_eq!(world.count(), "2 assigned 1 warm, 1 pooled, 3 folders");
    world.handle("OnlineTrial", "TrialExpired", &ended);
    world.settle();
    assert_eq!(world.count(), "1 assigned 2 warm, 2 pooled, 3 folders");
}

#[test]
fn warm_stacks_that_are_too_old_are_replaced_when_others_are_warm() {
    let mut world = Scene::new(0);
    world.policy(json!({ "warm": 2, "maximum-age": "1h" }));
    world.reconcile();
    world.settle();
    let old = world.pooled().join(" ");
    world.advance(Duration::from_secs(3601));
    world.reconcile();
    // Until the new ones are warm, the old ones are better than nothing.
    assert_eq!(world.count(), "2 creating 2 warm, 4 pooled, 2 folders");
    world.settle();
    world.reconcile();
    assert_eq!(names_of(&world.settle()), "StackDeleted*2");
    assert_eq!(world.count(), "2 warm, 2 pooled, 2 folders");
    assert!(world.pooled().iter().all(|key| !old.contains(key)));
}

#[test]
fn a_maximum_that_leaves_no_room_lets_old_stacks_go_one_after_the_other() {
    let mut world = Scene::new(0);
    world.policy(json!({ "warm": 2, "maximum": 2, "maximum-age": "1h" }));
    world.reconcile();
    world.settle();
    world.advance(Duration::from_secs(3601));
    for left in ["1 warm, 1 pooled, 1 folders", "1 warm, 1 pooled, 1 folders"] {
        world.reconcile();
        assert_eq!(names_of(&world.settle()), "StackDeleted*1");
        assert_eq!(world.count(), left);
        world.reconcile();
        assert_eq!(names_of(&world.settle()), "StackCreated*1 StackWarm*1");
    }
    world.reconcile();
    assert_eq!(world.take(), []);
}

#[test]
fn a_retry_budget_that_is_used_up_makes_a_pause() {
    let mut world = Scene::new(0);
    world.policy(json!({ "warm": 1, "retry-budget": 2 }));
    let fail = |world: &mut Scene| {
        world.reconcile();
        let request = world.first("StackCreateRequested").1;
        world.folders.failure = no_space();
        world.attempt("stack-manager", "StackCreateRequested", &request, 5).unwrap();
        world.folders.failure = None;
        let said: Vec<_> = world.settle().into_iter().filter(|(name, _)| name.starts_with("StackF")).collect();
        assert_eq!(names_of(&said), "StackFailed*1");
    };
    fail(&mut world);
    fail(&mut world);
    world.reconcile();
    assert_eq!(world.take(), []);
    // An hour is over, or somebody does something about it.
    world.advance(Duration::from_secs(3600));
    world.reconcile();
    assert_eq!(world.said(), "StackCreateRequested*1");
    world.settle();
    assert_eq!(world.keys("pools"), [""; 0], "a success forgives");
    world.policy(json!({ "warm": 2, "retry-budget": 1 }));
    fail(&mut world);
    world.reconcile();
    assert_eq!(world.take(), []);
    world.handle("trialbridge", "RulesReloaded", &json!({}));
    assert_eq!(world.said(), "StackCreateRequested*1");
}
