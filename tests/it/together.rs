//! Deliveries that wait for one plugin are handled one after the other, and committed as one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trialbridge::delivery::receipt::Receipt;
use trialbridge::storage::key::TimerKind;
use trialbridge::storage::{Key, KeyRange};
use trialbridge::trials::Request;

use crate::support::{World, guest, of_type};

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[plugins.misbehave]
kv = { shared = "read-write", counters = "read-write", echo = "read-write" }
trials = "read-write"
emit = ["misbehave"]

[[rules]]
name = "together"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", maximum-attempts = 1 }]
"#;

#[tokio::test]
async fn each_sees_what_those_before_it_did_and_one_that_fails_takes_none_along() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let count = json!({ "do": "counter", "key": "n" });
    let fail = json!({ "do": "permanent" });
    let first =
        world.publish_together("test", &[&count, &count, &count, &fail, &count, &count].map(Clone::clone)).await;
    world.settle().await;

    assert_eq!(world.kv("counters", "n").as_deref(), Some("5"));
    let letters = world.dead_letters().await;
    let errors: Vec<&Value> = letters.iter().map(|letter| &letter["error"]).collect();
    assert_eq!((errors.as_slice(), letters[0]["sequence"].as_u64()), ([&json!("as told")].as_slice(), Some(first + 3)));
    let (commits, receipts): (Vec<u64>, Vec<Receipt>) = (first..first + 6).map(|event| receipt(&world, event)).unzip();
    assert_eq!(commits.iter().filter(|commit| **commit == commits[3]).count(), 1, "it is alone");
    assert_eq!(receipts.iter().map(|receipt| receipt.conflicts).sum::<u32>(), 0, "nobody was in the way");
    for (number, receipt) in receipts.iter().enumerate().filter(|(number, _)| *number != 3) {
        assert!(receipt.acknowledged && receipt.cpu_micros > 0, "{number}: {receipt:?}");
        assert_eq!(receipt.touched.kv_written, ["counters/n"], "{number}");
    }
}

#[tokio::test]
async fn those_that_wait_are_committed_as_one() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    // How many fit into one depends on how busy the machine is.
    for _ in 0..100 {
        let first = world.publish_together("test", &vec![json!({ "do": "counter", "key": "n" }); 4]).await;
        world.settle().await;
        let commits: BTreeSet<u64> = (first..first + 4).map(|event| receipt(&world, event).0).collect();
        if commits.len() == 1 {
            return;
        }
    }
    panic!("there were always several commits");
}

#[tokio::test]
async fn one_that_takes_long_holds_up_nobody() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    for place in [0, 3, 8] {
        let mut details: Vec<Value> = (0..8).map(|number| json!({ "do": "echo", "number": number })).collect();
        details.insert(place, json!({ "do": "slow", "millis": 9_000 }));
        let first = world.publish_together("test", &details).await;
        let owed = |place: usize| {
            let sequence = first + place as u64;
            let delivery = Key::Delivery { plugin: "misbehave".to_owned(), sequence, ordinal: 0 };
            world.storage().get(&delivery).unwrap().is_some()
        };
        world.wait_until("the others are done", || (0..9).filter(|place| owed(*place)).count() == 1).await;
        assert!(owed(place), "what is left is the slow one, which was at {place}");
    }
}

#[tokio::test]
async fn what_does_not_fit_into_one_commit_is_two() {
    let count = json!({ "do": "counter", "key": "n" });
    let sets: Vec<Value> = (0..230).map(|key| json!(["set", format!("k{key}")])).collect();
    let much = json!({ "do": "transact", "steps": sets });
    let mut details = vec![count; 18];
    details.insert(12, much);
    for _ in 0..100 {
        let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
        let first = world.publish_together("test", &details).await;
        world.settle().await;
        assert_eq!(world.kv("counters", "n").as_deref(), Some("18"));
        let (commits, receipts): (Vec<u64>, Vec<Receipt>) =
            (first..first + 19).map(|event| receipt(&world, event)).unzip();
        assert!(receipts.iter().all(|receipt| receipt.acknowledged), "{receipts:?}");
        // On a machine that is busy those before it may be several, and it may fit to the last of them; or some were given up, and got into each other's way.
        let nobody_was_in_the_way = receipts.iter().all(|receipt| receipt.conflicts == 0);
        if nobody_was_in_the_way && commits[..12].iter().all(|commit| *commit == commits[0]) {
            assert_eq!(commits.iter().filter(|commit| **commit == commits[12]).count(), 1, "it is alone");
            return;
        }
    }
    panic!("those before it were never committed as one, with nobody in the way");
}

#[tokio::test]
async fn those_that_find_no_instance_fail_each_for_itself() {
    let rules =
        RULES.replace("emit =", "folders = { gone = { path = \"${data}/gone\", access = \"read-write\" } }\nemit =");
    let rules = rules.replace("emit =", "instances = { warm = 0 }\nemit =");
    let world = World::new(&rules, &[("misbehave", &guest("misbehave"))]).await;
    std::fs::remove_dir(world.folder.path().join("data/gone")).unwrap();
    world.publish_together("test", &vec![json!({ "do": "ok" }); 3]).await;
    world.settle().await;
    let letters = world.dead_letters().await;
    let told = |letter: &Value| letter["error"].as_str().unwrap().contains("no instance could be made");
    assert!(letters.len() == 3 && letters.iter().all(told), "{letters:?}");
}

#[tokio::test]
async fn the_hosts_choice_is_not_always_what_was_chosen_before() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let transact = |steps: Value| json!({ "do": "transact", "id": "it", "steps": steps });
    world.publish_together("test", &[transact(json!([["set", "a1"], ["set", "a2"]]))]).await;
    world.settle().await;
    for _ in 0..100 {
        let steps = [json!([["get", "a1"]]), json!([["any", "a"], ["any", "a"]])];
        let event = world.publish_together("test", &steps.map(transact)).await;
        world.settle().await;
        let transacted = of_type(&world.journal(), "Transacted");
        let asked = transacted.iter().rfind(|told| told["told"][0][0][0] == "any").unwrap();
        let [first, second] = [0, 1].map(|step| asked["told"][step][1][0].as_str().unwrap());
        assert_ne!(first, second);
        // On a machine that is busy they may not fit into one, and then the first may be either.
        if receipt(&world, event).0 == receipt(&world, event + 1).0 {
            assert_eq!((first, second), ("a1", "a2"), "the commit depends on the first anyway");
            return;
        }
    }
    panic!("they were never committed as one");
}

#[tokio::test]
async fn what_cannot_be_told_before_it_is_committed_waits_for_that() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let request = Request {
        trial_id: Some("t1".to_owned()),
        lead_id: "l1".to_owned(),
        trial_type: "ACS".to_owned(),
        ..Request::default()
    };
    world.host.trials().request(request).await.unwrap();
    let steps = [
        json!(["move", "t1", "MOVED"]),
        json!(["trials", "MOVED"]),
        json!(["trials", "REQUESTED"]),
        json!(["later", "id"]),
        json!(["cancel", "id"]),
        json!(["cancel", "id"]),
        json!(["later", "other"]),
        json!(["insist", "other"]),
    ];
    let details: Vec<Value> = steps.iter().map(|step| json!({ "do": "transact", "steps": [step] })).collect();
    let first = world.publish_together("test", &details).await;
    world.settle().await;

    let transacted = of_type(&world.journal(), "Transacted");
    for (step, seen) in [(&steps[1], json!(["t1"])), (&steps[2], json!([]))] {
        let told = transacted.iter().find_map(|told| (told["told"][0][0] == *step).then_some(&told["told"][0][1]));
        assert_eq!(told, Some(&seen), "{step}");
    }
    let cancelled: Vec<&Value> =
        transacted.iter().filter(|told| told["told"][0][0] == steps[4]).map(|told| &told["told"][0][1]).collect();
    assert_eq!(cancelled, [true, false]);
    let insisted = transacted.iter().find(|told| told["told"][0][0] == steps[7]);
    assert_eq!(
        insisted.map(|told| &told["told"][0][1]),
        Some(&json!(true)),
        "a guest that panics is called again, too"
    );
    let delayed = world.storage().scan(&KeyRange::timers(TimerKind::Delayed), 10).unwrap();
    assert_eq!(delayed, [], "the event that was cancelled does not come");
    let commits: Vec<u64> = (first..first + 8).map(|event| receipt(&world, event).0).collect();
    assert_ne!(commits[0], commits[1], "the list waits for what was moved");
    assert_ne!(commits[3], commits[4], "the cancellation waits for what it takes back");
    assert_ne!(commits[6], commits[7], "so does one that does not take a refusal");
}

/// In which commit the receipt of an event's delivery is, and what it says.
fn receipt(world: &World, sequence: u64) -> (u64, Receipt) {
    let stored = world.storage().get(&Key::Receipt { sequence, ordinal: 0 }).unwrap().unwrap();
    (stored.version, Receipt::decode(&stored.value).unwrap())
}
