//! Handlers that run at one time do what they would have done one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use trialbridge::delivery::receipt::Receipt;
use trialbridge::storage::Key;
use trialbridge::trials::Request;

use crate::support::{World, guest, of_type};

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[plugins.misbehave]
concurrency = 16
kv = { shared = "read-write" }
trials = "read-write"
emit = ["misbehave"]

[[rules]]
name = "transact"
event-pattern = { source = ["test"] }
targets = ["misbehave"]
"#;

/// The trials, the keys and the statuses that all want.
const TRIALS: [&str; 3] = ["t1", "t2", "t3"];
const KEYS: [&str; 4] = ["a1", "a2", "b1", "b2"];
const STATUSES: [&str; 2] = ["REQUESTED", "MOVED"];

/// How many interleavings are tried, and of how many handlers each.
const INTERLEAVINGS: u32 = 12;
const HANDLERS: usize = 48;

/// What the store must hold if handlers go one after the other.
#[derive(Clone, Default)]
struct Model {
    kv: BTreeMap<String, String>,
    /// Status and attributes.
    trials: BTreeMap<String, (String, Value)>,
}

impl Model {
    /// What a step must have seen; where it is open what it sees, `told` if that is right. Lists of trials see what was there `before` the handler.
    fn take(&mut self, before: &Self, id: &str, step: &[&str], told: &Value) -> Value {
        match *step {
            ["get", key] => json!(self.kv.get(key)),
            ["set", key] => {
                self.kv.insert(key.to_owned(), id.to_owned());
                Value::Null
            }
            ["delete", key] => {
                self.kv.remove(key);
                Value::Null
            }
            ["list", prefix] => self.kv.iter().filter(|(key, _)| key.starts_with(prefix)).map(owned).collect(),
            ["keys", prefix] => self.kv.keys().filter(|key| key.starts_with(prefix)).cloned().collect(),
            ["any", prefix] => {
                let mut all = self.kv.iter().filter(|(key, _)| key.starts_with(prefix)).map(|entry| json!(entry));
                let first = all.next().unwrap_or_default();
                if all.any(|entry| entry == *told) { told.clone() } else { first }
            }
            ["trial", trial] => {
                let (status, attributes) = &self.trials[trial];
                json!([status, attributes.to_string()])
            }
            ["move", trial, status] => {
                self.trials.insert(trial.to_owned(), (status.to_owned(), json!({ "by": id })));
                Value::Null
            }
            ["trials", status] => {
                before.trials.iter().filter(|(_, trial)| trial.0 == status).map(|(id, _)| id.clone()).collect()
            }
            ref unknown => panic!("there is no step {unknown:?}"),
        }
    }
}

fn owned((key, value): (&String, &String)) -> (String, Value) {
    (key.clone(), value.clone().into())
}

fn step() -> impl Strategy<Value = Value> {
    let (keys, trials, statuses) =
        (prop::sample::select(&KEYS[..]), prop::sample::select(&TRIALS[..]), prop::sample::select(&STATUSES[..]));
    let prefixes = prop::sample::select(&["", "a", "b"][..]);
    prop_oneof![
        3 => keys.clone().prop_map(|key| json!(["get", key])),
        3 => keys.clone().prop_map(|key| json!(["set", key])),
        1 => keys.prop_map(|key| json!(["delete", key])),
        1 => prefixes.clone().prop_map(|prefix| json!(["list", prefix])),
        1 => prefixes.clone().prop_map(|prefix| json!(["keys", prefix])),
        2 => prefixes.prop_map(|prefix| json!(["any", prefix])),
        2 => trials.clone().prop_map(|trial| json!(["trial", trial])),
        2 => (trials, statuses.clone()).prop_map(|(trial, status)| json!(["move", trial, status])),
        1 => statuses.prop_map(|status| json!(["trials", status])),
    ]
}

fn handlers() -> impl Strategy<Value = Vec<(Vec<Value>, u64)>> {
    prop::collection::vec((prop::collection::vec(step(), 1..6), 0..2_u64), HANDLERS)
}

#[test]
fn whatever_the_interleaving_it_equals_the_order_of_the_commits() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let config = Config { cases: INTERLEAVINGS, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (conflicts, joined) = (AtomicU32::new(0), AtomicU32::new(0));
    TestRunner::new_with_rng(config, rng)
        .run(&handlers(), |handlers| runtime.block_on(equals_the_order_of_the_commits(handlers, &conflicts, &joined)))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(conflicts.into_inner() > 0, "handlers got into each other's way, or nothing was tried");
    assert!(joined.into_inner() > 0, "some were committed together, or nothing was tried");
}

async fn equals_the_order_of_the_commits(
    handlers: Vec<(Vec<Value>, u64)>,
    conflicts: &AtomicU32,
    joined: &AtomicU32,
) -> Result<(), TestCaseError> {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let mut model = Model::default();
    for trial in TRIALS {
        let request = Request {
            trial_id: Some(trial.to_owned()),
            lead_id: trial.to_owned(),
            trial_type: "ACS".to_owned(),
            ..Request::default()
        };
        world.host.trials().request(request).await.unwrap();
        model.trials.insert(trial.to_owned(), (STATUSES[0].to_owned(), json!({})));
    }
    let mut published = Vec::new();
    for (number, (steps, millis)) in handlers.iter().enumerate() {
        let detail = json!({ "do": "transact", "id": format!("h{number}"), "steps": steps, "millis": millis });
        published.push(world.publish("test", "Transact", detail).await);
    }
    world.settle().await;
    let mut commits = BTreeSet::new();
    for sequence in &published {
        let receipt = world.storage().get(&Key::Receipt { sequence: *sequence, ordinal: 0 }).unwrap().unwrap();
        commits.insert(receipt.version);
        conflicts.fetch_add(Receipt::decode(&receipt.value).unwrap().conflicts, Ordering::Relaxed);
    }

    joined.fetch_add((published.len() - commits.len()) as u32, Ordering::Relaxed);

    // Events have their places in the journal by commit, so theirs is the order in which the handlers have gone.
    let transacted = of_type(&world.journal(), "Transacted");
    prop_assert_eq!(transacted.len(), HANDLERS, "{:?}", world.dead_letters().await);
    for handler in &transacted {
        let (id, before) = (handler["id"].as_str().unwrap(), model.clone());
        for told in handler["told"].as_array().unwrap() {
            let step: Vec<&str> = told[0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            prop_assert_eq!(&told[1], &model.take(&before, id, &step, &told[1]), "{} {:?}", id, step);
        }
    }
    for key in KEYS {
        prop_assert_eq!(world.kv("shared", key), model.kv.get(key).cloned(), "{}", key);
    }
    for (id, (status, attributes)) in &model.trials {
        let stored = world.host.trials().get(id).unwrap().0;
        prop_assert_eq!(&stored.status, status);
        prop_assert_eq!(&json!(stored.attributes), attributes);
    }
    world.host.shutdown().await;
    Ok(())
}
