//! Events from their publication to the acknowledgement of their handler.

use std::time::Instant;

use serde_json::json;
use trialbridge::event::{Event, raw};

use crate::support::{PLAIN, Row, drained, host, misbehave};

/// How many events are published.
const EVENTS: usize = 100_000;

/// How many publish at one time.
const PUBLISHERS: usize = 256;

/// Measures.
pub(crate) async fn measure() -> Vec<Row> {
    vec![
        Row::new(
            "events from publish to acknowledged handler, reused instances",
            rate("reuse", EVENTS).await,
            "/s",
            "the processors: routing, sled and the guest share them",
        ),
        Row::new(
            "events from publish to acknowledged handler, an instance per event",
            rate("per-event", EVENTS / 4).await,
            "/s",
            "making an instance: WASI set-up and instantiation",
        ),
    ]
}

/// How many events a second, with how many published in all.
pub(crate) async fn rate(isolation: &str, events: usize) -> f64 {
    let rules = format!(
        "{PLAIN}\n[plugins.misbehave]\nisolation = \"{isolation}\"\nconcurrency = 64\n\n[[rules]]\nname = \"all\"\n\
         event-pattern = {{ source = [\"bench\"] }}\ntargets = [\"misbehave\"]\n"
    );
    let guest = misbehave();
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), &rules, &[("misbehave", guest)], None).await;
    let started = Instant::now();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            let bus = host.bus().clone();
            tokio::spawn(async move {
                for number in 0..events / PUBLISHERS {
                    let detail = raw(&json!({ "do": "ok", "leadId": "1234567890", "number": number }));
                    bus.publish(Event::new("bench", "Bench", bus.now(), detail)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    drained(host.bus().storage().as_ref()).await;
    let rate = (events / PUBLISHERS * PUBLISHERS) as f64 / started.elapsed().as_secs_f64();
    host.shutdown().await;
    rate
}
