//! What is kept, and for how long.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;
use trialbridge::delivery::retention::Retention;

use crate::support::{World, guest, install};

const RULES: &str = r#"
[plugins.misbehave]
kv = { counters = "read-write" }
emit = ["misbehave"]

[[rules]]
name = "owed"
event-pattern = { source = ["owed"] }
targets = ["misbehave"]
"#;

#[tokio::test]
async fn an_event_leaves_the_journal_when_it_is_old_and_nothing_of_it_is_owed() {
    let world = World::new(RULES, &[]).await;
    let forgotten = world.publish("nobody", "Forgotten", json!({})).await;
    let owed = world.publish("owed", "Owed", json!({ "do": "counter", "key": "n" })).await;
    world.clock.advance(Duration::from_secs(3600));
    let young = world.publish("nobody", "Young", json!({})).await;

    let keep = Arc::new(ArcSwap::from_pointee(Duration::from_secs(1800)));
    let retention = Retention::new(world.host.bus().clone(), keep);
    retention.trim().await.unwrap();
    let left = || world.journal().iter().map(|recorded| recorded.sequence).collect::<Vec<_>>();
    assert!(!left().contains(&forgotten) && left().contains(&owed) && left().contains(&young), "{:?}", left());

    // Once the plugin is there and has handled it, it goes as well.
    install(&world.plugins(), "misbehave", &guest("misbehave"));
    world.wait_for_event("PluginLoaded").await;
    world.settle().await;
    assert_eq!(world.kv("counters", "n").as_deref(), Some("1"));
    retention.trim().await.unwrap();
    assert!(!left().contains(&owed) && left().contains(&young), "{:?}", left());
    world.host.shutdown().await;
}
