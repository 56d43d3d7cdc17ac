//! Requests for trials, and how long until they are assigned.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trialbridge::Host;
use trialbridge::event::Recorded;
use trialbridge::storage::{Key, KeyRange};
use trialbridge::trials::Request;

use crate::support::{PLAIN, Row, host, percentile, repository, shipped};

/// Measures.
pub(crate) async fn measure() -> Vec<Row> {
    let mut rows = Vec::new();
    for (clients, requests) in [(1, 2_000), (64, 100_000)] {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path(), PLAIN, &[], None).await;
        let rate = over_http(&host, clients, requests).await;
        let limit =
            if clients == 1 { "one flush to disk for each" } else { "HTTP: client and server share the processors" };
        rows.push(Row::new(format!("durable trial requests over HTTP, {clients} at a time"), rate, "/s", limit));
        host.shutdown().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), PLAIN, &[], None).await;
    let rate = embedded(&host, 256, 500_000).await;
    rows.push(Row::new(
        "durable trial requests, embedded, 256 tasks",
        rate,
        "/s",
        "the processors: the writer, the checkpoints, sled",
    ));
    host.shutdown().await;
    rows.extend(request_to_assigned().await);
    rows
}

async fn over_http(host: &Host, clients: usize, requests: usize) -> f64 {
    let url = format!("http://{}/trials", host.address());
    let started = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                for _ in 0..requests / clients {
                    let body = json!({ "leadId": "1234567890", "type": "ACS" });
                    let answer = client.post(&url).json(&body).send().await.unwrap();
                    assert_eq!(answer.status(), 201);
                    answer.bytes().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (requests / clients * clients) as f64 / started.elapsed().as_secs_f64()
}

async fn embedded(host: &Host, tasks: usize, requests: usize) -> f64 {
    let started = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let trials = host.trials().clone();
            tokio::spawn(async move {
                for _ in 0..requests / tasks {
                    let request = Request {
                        lead_id: "1234567890".to_owned(),
                        trial_type: "ACS".to_owned(),
                        ..Request::default()
                    };
                    trials.request(request).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    requests as f64 / started.elapsed().as_secs_f64()
}

/// With the shipped rules and plugins, one trial after the other, each with a warm stack.
async fn request_to_assigned() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let host = shipped(repository().join("rules.toml"), folder.path().join("data")).await;
    let mut seen = 0;
    for _ in 0..3 {
        seen = wait_for(&host, seen, |event| event.event.detail_type == "StackWarm").await;
    }
    let mut latencies = Vec::new();
    for number in 0..500 {
        let started = Instant::now();
        let request = Request { lead_id: format!("lead-{number}"), trial_type: "ACS".to_owned(), ..Request::default() };
        let id = host.trials().request(request).await.unwrap().trial.trial_id;
        let assigned = |event: &Recorded| event.event.detail_type == "TrialAssigned" && of_trial(event, &id);
        seen = wait_for(&host, seen, assigned).await;
        latencies.push(started.elapsed());
        // The next one shall find a warm stack, too.
        seen = wait_for(&host, seen, |event| event.event.detail_type == "StackWarm").await;
    }
    host.shutdown().await;
    latencies.sort();
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    vec![
        Row::new(
            "request to assigned, p50",
            millis(percentile(&latencies, 50)),
            "ms",
            "three handlers, four flushes, two files",
        ),
        Row::new("request to assigned, p99", millis(percentile(&latencies, 99)), "ms", "the disk's slowest flushes"),
    ]
}

fn of_trial(recorded: &Recorded, id: &str) -> bool {
    let detail: Value = serde_json::from_str(recorded.event.detail.get()).unwrap();
    detail["trialId"] == id
}

/// Waits for an event after the one of sequence `seen`, and answers with its sequence.
async fn wait_for(host: &Host, mut seen: u64, wanted: impl Fn(&Recorded) -> bool) -> u64 {
    let storage = host.bus().storage();
    let mut newest = storage.signals().events();
    loop {
        newest.borrow_and_update();
        for (key, stored) in storage.scan(&KeyRange::events(seen), 1000).unwrap() {
            let Key::Event(sequence) = key else { continue };
            seen = sequence;
            if wanted(&Recorded::decode(sequence, &stored.value).unwrap()) {
                return seen;
            }
        }
        newest.changed().await.unwrap();
    }
}
