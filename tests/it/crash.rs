//! A daemon that is killed again and again loses nothing and does nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::process::Process;

/// How many trials are requested.
const TRIALS: usize = 300;

/// How often the daemon is killed while they live.
const KILLS: usize = 32;

/// How long the daemon may take to come to rest: back-off may let a delivery wait, and the pool is reconciled every minute.
const REST: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_loses_nothing_and_does_nothing_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Process::shipped(data.path());
    let url = Arc::new(Mutex::new(daemon.url.clone()));
    let requests = tokio::spawn(request_all(url.clone()));

    // The moments are random, and differ from run to run; what must hold does not.
    let mut random = rand::rngs::StdRng::from_os_rng();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..500))).await;
        daemon.kill();
        daemon = Process::shipped(data.path());
        url.lock().unwrap().clone_from(&daemon.url);
    }
    let accepted = tokio::time::timeout(PATIENCE, requests).await.expect("the requests end").unwrap();
    assert_eq!(accepted.len(), TRIALS);

    let (events, counted) = settled(&daemon.url).await;
    let mut outcomes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut trial_of_stack: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &events {
        let trial = event["detail"]["trialId"].as_str().unwrap_or_default();
        let (decided, expired) = outcomes.entry(trial).or_default();
        match event["detail-type"].as_str().unwrap() {
            "TrialAssigned" => {
                *decided += 1;
                let stack = event["detail"]["stackId"].as_str().unwrap();
                let other = trial_of_stack.insert(stack, trial);
                assert!(other.is_none_or(|other| other == trial), "{stack} had two trials: {trial} and {other:?}");
            }
            "TrialAssignmentFailed" => *decided += 1,
            "TrialExpired" => *expired += 1,
            _ => {}
        }
    }
    for id in &accepted {
        assert_eq!(outcomes.get(id.as_str()), Some(&(1, 1)), "outcomes and expiries of {id}");
    }

    assert_eq!(counted, counts(&events), "what the metrics plugin counted, and the journal");
    let dead: Value = get(&daemon.url, "/deliveries?state=dead").await;
    assert_eq!(dead["deliveries"], json!([]), "nothing was given up");
    let left = only_warm(&data.path().join("stacks")).await;
    assert!(left.iter().all(|stack| !trial_of_stack.contains_key(stack.as_str())));
}

/// The stacks that are left once there are as many as are kept warm. What a killed daemon left half made goes with a reconcile, of which
/// there is one every minute.
async fn only_warm(stacks: &Path) -> BTreeSet<String> {
    let started = Instant::now();
    loop {
        let entries = std::fs::read_dir(stacks).unwrap();
        let left: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        if left.len() == 3 {
            return left;
        }
        assert!(started.elapsed() < REST, "more than the warm stacks are left: {left:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Requests all trials, each again and again until it is answered. Answers with the ids of those that were accepted.
async fn request_all(url: Arc<Mutex<String>>) -> Vec<String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut accepted = Vec::new();
    for number in 0..TRIALS {
        let id = format!("trial-{number}");
        let lead = format!("lead-{number}");
        let body =
            json!({ "trialId": id, "leadId": lead, "type": "ACS", "ttl": format!("{}ms", 1000 + number * 13 % 4000) });
        loop {
            let target = format!("{}/trials", url.lock().unwrap());
            // A request that was cut off may have been accepted, and is repeated under its id.
            let Ok(answer) = client.post(target).json(&body).send().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            match answer.status().as_u16() {
                // 409: it was accepted before the answer got lost, and has ended since.
                200 | 201 | 409 => accepted.push(id),
                503 => continue,
                other => panic!("{other}: {}", answer.text().await.unwrap()),
            }
            break;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    accepted
}

/// The journal and what the metrics plugin has counted, once no trial lives and nothing is owed.
async fn settled(url: &str) -> (Vec<Value>, BTreeMap<(String, String), u64>) {
    let settle = async {
        loop {
            let before = journal(url).await;
            let trials = get(url, "/trials?limit=1").await;
            let owed = get(url, "/deliveries?limit=1").await;
            let counted = counted(url).await;
            let after = journal(url).await;
            // A schedule may have fired meanwhile; then what was read does not belong together.
            if trials["trials"] == json!([]) && owed["deliveries"] == json!([]) && before.len() == after.len() {
                return (after, counted);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(REST, settle).await {
        Ok(settled) => settled,
        Err(_) => {
            let trials = get(url, "/trials?limit=3").await;
            let owed = get(url, "/deliveries?limit=3").await;
            panic!("the daemon does not come to rest; it has the trials {trials} and owes {owed}");
        }
    }
}

async fn journal(url: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let page = get(url, &format!("/events?limit=1000&after={after}")).await;
        events.extend(page["events"].as_array().unwrap().iter().map(|entry| entry["event"].clone()));
        after = page["next"].clone();
    }
    events
}

/// How many events of each source and type the journal has.
fn counts(events: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        *counts.entry((text("source"), text("detail-type"))).or_default() += 1;
    }
    counts
}

/// How many the metrics plugin has counted.
async fn counted(url: &str) -> BTreeMap<(String, String), u64> {
    let text = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    let mut counted = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("events_total{")) {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let (_, value) = line.rsplit_once(' ').unwrap();
        counted.insert((label("source"), label("detail_type")), value.parse::<f64>().unwrap() as u64);
    }
    counted
}

async fn get(url: &str, path: &str) -> Value {
    let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}
