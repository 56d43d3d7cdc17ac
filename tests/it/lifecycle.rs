//! The life of a trial with the shipped rules and plugins, from the request to the deleted stack.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::trials::{Error, Origin, Request};

use crate::support::{World, of_type};

fn request(lead: &str, ttl: u64) -> Request {
    Request {
        lead_id: lead.to_owned(),
        trial_type: "ACS".to_owned(),
        ttl: Some(Duration::from_secs(ttl)),
        ..Request::default()
    }
}

/// The status and body of a page of the daemon.
async fn fetch(world: &World, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", world.host.address())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_trial_is_assigned_served_expired_and_its_stack_deleted() {
    let world = World::shipped().await;
    world.wait_for("three warm stacks", |journal| of_type(journal, "StackWarm").len() == 3).await;
    let requested = world.host.trials().request(request("lead-1", 60)).await.unwrap().trial;

    let assigned = world.wait_for_event("TrialAssigned").await;
    assert_eq!(assigned["trialId"], json!(requested.trial_id));
    assert_eq!(assigned["version"], json!("1.0"));
    assert_eq!(assigned["leadId"], json!("lead-1"));
    assert_eq!(assigned["requestedAt"], json!(1_589_379_579));
    assert_eq!(assigned["expiresAt"], json!(1_589_379_639));
    let url = assigned["url"].as_str().unwrap().to_owned();
    let (status, page) = fetch(&world, &url).await;
    assert_eq!(status, 200);
    assert!(page.contains("lead-1"), "the page is for the lead: {page}");
    let (trial, _) = world.host.trials().get(&requested.trial_id).unwrap();
    assert_eq!((trial.status.as_str(), &trial.attributes["url"]), ("ASSIGNED", &json!(url)));
    world.wait_for("the stack is replaced", |journal| of_type(journal, "StackWarm").len() == 4).await;

    world.clock.advance(Duration::from_secs(60));
    assert!(matches!(world.host.trials().get(&requested.trial_id), Err(Error::NotFound(_))), "invisible at once");
    let expired = world.wait_for_event("TrialExpired").await;
    assert_eq!(expired["url"], json!(url), "with the old record");
    world.wait_for_event("StackDeleted").await;
    assert_eq!(fetch(&world, &url).await.0, 410);
    world.host.shutdown().await;
}

#[tokio::test]
async fn more_trials_than_warm_stacks_wait_and_no_two_share_one() {
    let world = World::shipped().await;
    for lead in 0..20 {
        world.host.trials().request(request(&format!("lead-{lead}"), 600)).await.unwrap();
    }
    let journal = world.wait_for("all are assigned", |journal| of_type(journal, "TrialAssigned").len() == 20).await;
    let stacks: BTreeSet<String> =
        of_type(&journal, "TrialAssigned").iter().map(|e| e["stackId"].to_string()).collect();
    assert_eq!(stacks.len(), 20);
    assert!(of_type(&journal, "TrialAssignmentFailed").is_empty());
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_trial_does_not_expire_and_its_stack_is_deleted() {
    let world = World::shipped().await;
    let id = world.host.trials().request(request("lead-1", 60)).await.unwrap().trial.trial_id;
    world.wait_for_event("TrialAssigned").await;
    world.host.trials().cancel(&id).await.unwrap();
    world.wait_for_event("StackDeleted").await;
    world.clock.advance(Duration::from_secs(120));
    world.settle().await;
    assert!(of_type(&world.journal(), "TrialExpired").is_empty());
    world.host.shutdown().await;
}

#[tokio::test]
async fn asking_twice_makes_one_trial() {
    let world = World::shipped().await;
    let trials = world.host.trials();
    let with_id = |lead: &str| Request { trial_id: Some("mine".to_owned()), ..request(lead, 60) };
    let first = trials.request(with_id("lead-1")).await.unwrap();
    let second = trials.request(with_id("lead-1")).await.unwrap();
    assert_eq!((first.origin, second.origin), (Origin::New, Origin::Earlier));
    assert!(matches!(trials.request(with_id("lead-2")).await, Err(Error::Different { field: "leadId", .. })));

    let with_key = || Request { idempotency_key: Some("key-1".to_owned()), ..request("lead-3", 60) };
    let (one, two) = tokio::join!(trials.request(with_key()), trials.request(with_key()));
    assert_eq!(one.unwrap().trial.trial_id, two.unwrap().trial.trial_id);
    assert_eq!(of_type(&world.journal(), "TrialRequested").len(), 2);

    // The id of a trial that ended stays taken for a day.
    world.clock.advance(Duration::from_secs(60));
    world.wait_for("both expire", |journal| of_type(journal, "TrialExpired").len() == 2).await;
    assert!(matches!(trials.request(with_id("lead-1")).await, Err(Error::Ended { .. })));
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    world.wait_until("the id is free again", || world.host.trials().get("mine").is_err() && id_is_free(&world)).await;
    assert_eq!(trials.request(with_id("lead-1")).await.unwrap().origin, Origin::New);
    world.host.shutdown().await;
}

fn id_is_free(world: &World) -> bool {
    world.storage().get(&trialbridge::storage::Key::Trial("mine".to_owned())).unwrap().is_none()
}

#[tokio::test]
async fn without_a_warm_stack_a_trial_fails_at_its_deadline() {
    let rules = std::fs::read_to_string(crate::support::repository().join("rules.toml")).unwrap();
    let rules = rules.replace("warm = 3 ", "warm = 0 ").replace("path = \"templates\"", "path = \"${data}\"");
    let plugins = ["assign-trial", "stack-manager", "metrics"].map(|name| (name, crate::support::plugin(name)));
    let plugins: Vec<(&str, &[u8])> = plugins.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let world = World::new(&rules, &plugins).await;
    let id = world.host.trials().request(request("lead-1", 3600)).await.unwrap().trial.trial_id;
    world.settle().await;
    world.clock.advance(Duration::from_secs(599));
    world.settle().await;
    assert!(of_type(&world.journal(), "TrialAssignmentFailed").is_empty());
    world.clock.advance(Duration::from_secs(1));
    let failed: Value = world.wait_for_event("TrialAssignmentFailed").await;
    assert_eq!(failed["trialId"], json!(id));
    assert!(failed["reason"].as_str().unwrap().contains("no warm stack"), "{failed}");
    assert_eq!(world.host.trials().get(&id).unwrap().0.status, "FAILED");
    world.host.shutdown().await;
}
