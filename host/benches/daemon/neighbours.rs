//! What one plugin notices of another that computes without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trialbridge::Host;
use trialbridge::event::{Event, Recorded, raw};
use trialbridge::storage::{Key, KeyRange};

use crate::support::{PLAIN, Row, host, misbehave, percentile};

/// How many events are timed, one after the other.
const EVENTS: usize = 3000;

/// How many handlers compute at one time: as many as a plugin may have unless rules.toml says another number.
const BUSY: usize = 16;

const RULES: &str = r#"
[plugins.busy]
limits = { time = "60s" }

[plugins.neighbour]
emit = ["neighbour"]

[[rules]]
name = "busy"
event-pattern = { source = ["busy"] }
targets = [{ plugin = "busy", maximum-attempts = 1000, minimum-backoff = "1ms", maximum-backoff = "1ms" }]

[[rules]]
name = "neighbour"
event-pattern = { source = ["bench"] }
targets = ["neighbour"]
"#;

/// Measures.
pub(crate) async fn measure() -> Vec<Row> {
    let guest = misbehave();
    let folder = tempfile::tempdir().unwrap();
    let plugins = [("busy", guest.clone()), ("neighbour", guest)];
    let host = host(folder.path(), &format!("{PLAIN}{RULES}"), &plugins, None).await;
    // The first calls are another matter.
    latencies(&host, EVENTS / 10).await;
    let alone = latencies(&host, EVENTS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || while !stop.load(Ordering::Relaxed) {}
    });
    let floor = latencies(&host, EVENTS).await;
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    for _ in 0..BUSY {
        publish(&host, "busy", json!({ "do": "loop" })).await;
    }
    let beside = latencies(&host, EVENTS).await;
    host.shutdown().await;
    let row = |what: &str, times: &[Duration], percent, limit| {
        Row::new(what, percentile(times, percent).as_secs_f64() * 1e3, "ms", limit)
    };
    vec![
        row("an event until what its handler emits is stored, p50", &alone, 50, "two commits"),
        row("the same, p99", &alone, 99, "two commits"),
        row("beside one busy thread of anybody's, p99", &floor, 99, "the operating system's scheduling"),
        row("beside 16 handlers of another plugin that compute without end, p50", &beside, 50, "the same"),
        row("the same, p99", &beside, 99, "the processors: that plugin has half of them, and no more"),
    ]
}

/// How long events take until the answer to each is stored, sorted.
async fn latencies(host: &Host, events: usize) -> Vec<Duration> {
    let mut stored = host.bus().storage().signals().events();
    let mut times = Vec::with_capacity(events);
    for _ in 0..events {
        let started = Instant::now();
        let detail = json!({ "do": "emit", "source": "neighbour", "detail-type": "Answer", "detail": {} });
        let published = publish(host, "bench", detail).await;
        while !answered(host, published) {
            stored.changed().await.unwrap();
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times
}

async fn publish(host: &Host, source: &str, detail: Value) -> u64 {
    host.bus().publish(Event::new(source, "Bench", host.bus().now(), raw(&detail))).await.unwrap()
}

/// Whether the neighbour's event is in the journal.
fn answered(host: &Host, published: u64) -> bool {
    let found = host.bus().storage().scan(&KeyRange::events(published), usize::MAX).unwrap();
    found.into_iter().any(|(key, stored)| match key {
        Key::Event(sequence) => Recorded::decode(sequence, &stored.value).unwrap().event.source == "neighbour",
        _ => false,
    })
}
