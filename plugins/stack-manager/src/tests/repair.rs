//! What a reconciliation finds, and what it does about it.

use std::time::Duration;

use serde_json::json;
use trialbridge_plugin::Level;

use super::scene::{Scene, names_of};

/// A world with so many warm stacks, two minutes later.
fn warm(count: usize) -> Scene {
    let mut world = Scene::new(count);
    world.reconcile();
    assert_eq!(names_of(&world.settle()), format!("StackCreated*{count} StackWarm*{count}"));
    world.advance(Duration::from_millis(120_000));
    world
}

/// Reconciles until nothing is left to do: what was said, and what is there.
#[track_caller]
fn check(world: &mut Scene, said: &str, there: &str) {
    world.reconcile();
    assert_eq!(names_of(&world.settle()), said);
    assert_eq!(world.count(), there);
    world.reconcile();
    assert_eq!(world.take(), [], "a second run finds nothing");
}

#[test]
fn what_is_in_order_stays_as_it_is() {
    let mut world = warm(2);
    let assigned = world.reserve("t1");
    world.handle("OnlineTrial", "TrialAssigned", &assigned);
    world.settle();
    check(&mut world, "", "1 assigned 2 warm, 2 pooled, 3 folders");
}

#[test]
fn only_the_loading_of_this_plugin_begins_a_run() {
    let mut world = Scene::new(1);
    world.handle("trialbridge", "PluginLoaded", &json!({ "plugin": "metrics" }));
    assert_eq!(world.take(), []);
    for detail_type in ["PluginLoaded", "DaemonStarted", "RulesReloaded"] {
        world.keep(world.pooled().len() + 1);
        world.handle("trialbridge", detail_type, &json!({ "plugin": "stack-manager" }));
        assert_eq!(names_of(&world.take()), "StackCreateRequested*1", "{detail_type}");
    }
}

#[test]
fn a_stack_that_was_never_built_is_asked_for_again() {
    let mut world = Scene::new(1);
    world.reconcile();
    world.take();
    world.advance(Duration::from_millis(60_000));
    world.reconcile();
    assert_eq!(world.take(), []);
    world.advance(Duration::from_millis(1));
    check(&mut world, "StackCreated*1 StackWarm*1", "1 warm, 1 pooled, 1 folders");
}

#[test]
fn a_warm_stack_without_folder_is_replaced() {
    let mut world = warm(2);
    world.folders.all.pop_first();
    world.reconcile();
    let said = world.settle();
    assert_eq!(names_of(&said), "StackCreated*1 StackFailed*1 StackWarm*1");
    assert_eq!(
        (&said[0].1["state"], &said[0].1["reason"]),
        (&json!("WARM"), &json!("it is gone, and nobody here deleted it"))
    );
    check(&mut world, "", "2 warm, 2 pooled, 2 folders");
}

#[test]
fn a_stack_that_goes_while_a_trial_has_it_is_said_once() {
    let mut world = warm(1);
    world.reserve("t1");
    world.folders.all.clear();
    world.keep(0);
    world.reconcile();
    let said = world.settle();
    assert_eq!(names_of(&said), "StackFailed*1");
    assert_eq!((&said[0].1["state"], &said[0].1["trialId"]), (&json!("ASSIGNED"), &json!("t1")));
    check(&mut world, "", "1 assigned, 0 pooled, 0 folders");
}

#[test]
fn the_stack_of_a_trial_that_is_gone_goes_too() {
    let mut world = warm(1);
    world.reserve("t1");
    world.end_all();
    check(&mut world, "StackCreated*1 StackDeleted*1 StackWarm*1", "1 warm, 1 pooled, 1 folders");
    // Not if it is younger than a minute.
    world.reserve("t2");
    world.end_all();
    check(&mut world, "", "1 assigned, 0 pooled, 1 folders");
}

#[test]
fn folders_without_a_record_are_discarded() {
    let mut world = warm(1);
    let whole = world.keys("stacks")[0].to_owned();
    world.folders.all.insert("acs-nobody".to_owned(), None);
    world.folders.all.insert(format!(".{whole}"), None);
    check(&mut world, "", "1 warm, 1 pooled, 1 folders");

    // What is being built is left alone.
    let now = world.now();
    world.set("stacks", "acs-new", json!({ "type": "ACS", "state": "CREATING", "createdAt": now }));
    world.folders.all.insert(".acs-new".to_owned(), None);
    check(&mut world, "", "1 creating 1 warm, 1 pooled, 2 folders");

    for number in 0..120 {
        world.folders.all.insert(format!("acs-{number:03}"), None);
    }
    world.reconcile();
    assert_eq!(world.said(), "ReconcileContinued*1");
    assert_eq!(world.count(), "1 creating 1 warm, 1 pooled, 72 folders");
    world.settle();
    assert_eq!(world.count(), "1 creating 1 warm, 1 pooled, 2 folders");
}

#[test]
fn a_smaller_pool_retires_the_youngest() {
    let mut world = warm(4);
    let oldest = world.pooled()[0].to_owned();
    world.keep(1);
    world.reconcile();
    // The folders stay until the retirement is committed.
    assert_eq!(world.count(), "3 deleting 1 warm, 1 pooled, 4 folders");
    let said = world.settle();
    assert_eq!(names_of(&said), "StackDeleted*3");
    assert!(said.iter().all(|(_, detail)| detail["state"] == "WARM"));
    assert_eq!(world.count(), "1 warm, 1 pooled, 1 folders");
    assert_eq!(world.pooled(), [oldest]);
}

#[test]
fn a_type_that_is_removed_loses_its_pool_but_not_its_trials() {
    let mut world = warm(200);
    world.reserve("t1");
    world.configure(json!({ "pools": {} }));
    check(&mut world, "StackDeleted*199", "1 assigned, 0 pooled, 1 folders");

    // An order that is on its way when its type is removed.
    let mut world = Scene::new(1);
    world.reconcile();
    world.configure(json!({ "pools": {} }));
    assert_eq!(names_of(&world.settle()), "StackDeleted*1");
    assert_eq!(world.count(), ", 0 pooled, 0 folders");
}

#[test]
fn pool_entries_without_a_stack_are_removed() {
    let mut world = warm(1);
    world.set("pool", "ACS/acs-nobody", json!({ "state": "WARM" }));
    check(&mut world, "", "1 warm, 1 pooled, 1 folders");
    assert_eq!(world.logged(Level::Warn), 1);
}

#[test]
fn many_stacks_are_mended_over_several_calls() {
    let mut world = warm(1000);
    let before = world.folders.lists;
    world.reconcile();
    assert_eq!(world.folders.lists, before + 1, "each list takes many requests");
    world.settle();
    for number in 0..1000 {
        world.reserve(&format!("t{number}"));
    }
    world.end_all();
    world.keep(0);
    check(&mut world, "StackDeleted*1000", ", 0 pooled, 0 folders");
}
