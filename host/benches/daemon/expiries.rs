//! Expiries: how many a second, and how late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trialbridge::Host;
use trialbridge::clock::{Clock, ManualClock, SystemClock, Timestamp};
use trialbridge::event::Recorded;
use trialbridge::storage::{Key, KeyRange};
use trialbridge::trial::Trial;
use trialbridge::trials::Request;

use crate::support::{PLAIN, Row, host, percentile};

/// How many trials expire one after the other.
const TRIALS: usize = 10_000;

/// How many do at once.
const BACKLOG: usize = 100_000;

/// Measures.
pub(crate) async fn measure() -> Vec<Row> {
    let mut rows = vec![Row::new(
        "expiries, all due at once",
        backlog().await,
        "/s",
        "the processors: the writer, the checkpoints, sled",
    )];
    let mut late = lateness().await;
    late.sort();
    let within = late.iter().filter(|late| **late <= Duration::from_millis(100)).count();
    let millis = |percent| percentile(&late, percent).as_secs_f64() * 1000.0;
    rows.push(Row::new("expiries within 100 ms of their time", 100.0 * within as f64 / late.len() as f64, "%", ""));
    rows.push(Row::new("lateness of expiries, p50", millis(50), "ms", "the flush of the group"));
    rows.push(Row::new("lateness of expiries, p99", millis(99), "ms", "the flush of the group"));
    rows
}

/// As after downtime.
async fn backlog() -> f64 {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_589_379_579_000)));
    let folder = tempfile::tempdir().unwrap();
    let before = host(folder.path(), PLAIN, &[], Some(clock.clone())).await;
    request(&before, BACKLOG, |_| Duration::from_secs(60)).await;
    // So that the trials are in the tree.
    before.shutdown().await;
    let host = host(folder.path(), PLAIN, &[], Some(clock.clone())).await;
    let started = Instant::now();
    clock.advance(Duration::from_secs(60));
    expired(&host, BACKLOG).await;
    let rate = BACKLOG as f64 / started.elapsed().as_secs_f64();
    host.shutdown().await;
    rate
}

/// Trials that end one after the other, 1,000 a second.
async fn lateness() -> Vec<Duration> {
    let clock = Arc::new(SystemClock::default());
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), PLAIN, &[], Some(clock.clone())).await;
    let first = clock.now().plus(Duration::from_secs(5));
    request(&host, TRIALS, |number| first.plus(Duration::from_millis(number as u64)).since(clock.now())).await;
    let storage = host.bus().storage();
    let mut newest = storage.signals().events();
    let mut seen = newest.borrow_and_update().to_owned();
    let mut late = Vec::new();
    while late.len() < TRIALS {
        newest.changed().await.unwrap();
        newest.borrow_and_update();
        let now = clock.now();
        for (key, stored) in storage.scan(&KeyRange::events(seen), TRIALS).unwrap() {
            let Key::Event(sequence) = key else { continue };
            seen = sequence;
            let recorded = Recorded::decode(sequence, &stored.value).unwrap();
            if recorded.event.detail_type == "TrialExpired" {
                let detail: serde_json::Value = serde_json::from_str(recorded.event.detail.get()).unwrap();
                let due = Timestamp::from_millis((detail["expiresAt"].as_f64().unwrap() * 1000.0).round() as u64);
                assert!(now >= due, "an expiry is early");
                late.push(now.since(due));
            }
        }
    }
    host.shutdown().await;
    late
}

async fn request(host: &Host, count: usize, ttl: impl Fn(usize) -> Duration) {
    let requests = (0..count).map(|number| {
        let request = Request {
            lead_id: "1234567890".to_owned(),
            trial_type: "ACS".to_owned(),
            ttl: Some(ttl(number)),
            ..Request::default()
        };
        let trials = host.trials().clone();
        tokio::spawn(async move { trials.request(request).await.unwrap().trial })
    });
    let requests: Vec<tokio::task::JoinHandle<Trial>> = requests.collect();
    for request in requests {
        request.await.unwrap();
    }
}

async fn expired(host: &Host, count: usize) {
    let storage = host.bus().storage();
    let mut newest = storage.signals().events();
    while *newest.borrow_and_update() < 2 * count as u64 {
        newest.changed().await.unwrap();
    }
}
