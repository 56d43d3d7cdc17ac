//! Deliveries that wait for one plugin are handled one after the other, and committed as one.

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
    let alike = |pair: &[u64]| pair[0] == pair[1];
    assert_eq!(commits.windows(2).map(alike).collect::<Vec<_>>(), [true, true, false, false, true]);
    assert_eq!(receipts.iter().map(|receipt| receipt.conflicts).sum::<u32>(), 0, "nobody was in the way");
    for (number, receipt) in receipts.iter().enumerate().filter(|(number, _)| *number != 3) {
        assert!(receipt.acknowledged && receipt.cpu_micros > 0, "{number}: {receipt:?}");
        assert_eq!(receipt.touched.kv_written, ["counters/n"], "{number}");
    }
}

#[tokio::test]
async fn one_that_takes_long_holds_up_nobody() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let mut details = vec![json!({ "do": "slow", "millis": 9_000 })];
    details.extend((0..8).map(|number| json!({ "do": "echo", "number": number })));
    let first = world.publish_together("test", &details).await;
    world.wait_until("the others are done", || world.owed() == 1).await;
    let slow = Key::Delivery { plugin: "misbehave".to_owned(), sequence: first, ordinal: 0 };
    assert!(world.storage().get(&slow).unwrap().is_some(), "what is left is the slow one");
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
    let delayed = world.storage().scan(&KeyRange::timers(TimerKind::Delayed), 10).unwrap();
    assert_eq!(delayed, [], "the event that was cancelled does not come");
    let commits: Vec<u64> = (first..first + 6).map(|event| receipt(&world, event).0).collect();
    assert_ne!(commits[0], commits[1], "the list waits for what was moved");
    assert_ne!(commits[3], commits[4], "the cancellation waits for what it takes back");
}

/// In which commit the receipt of an event's delivery is, and what it says.
fn receipt(world: &World, sequence: u64) -> (u64, Receipt) {
    let stored = world.storage().get(&Key::Receipt { sequence, ordinal: 0 }).unwrap().unwrap();
    (stored.version, Receipt::decode(&stored.value).unwrap())
}
