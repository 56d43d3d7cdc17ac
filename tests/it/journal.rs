//! What is kept, and for how long.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;
use trialbridge::delivery::receipt::Receipt;
use trialbridge::delivery::retention::Retention;
use trialbridge::plugin::Touched;
use trialbridge::storage::Key;

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

#[tokio::test]
async fn a_receipt_tells_what_a_delivery_touched_and_goes_with_the_journal() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let kept = world.publish("owed", "Owed", json!({ "do": "counter", "key": "n" })).await;
    world.settle().await;
    let failed = world.publish("owed", "Owed", json!({ "do": "permanent" })).await;
    world.settle().await;
    let receipt = |sequence| {
        let stored = world.storage().get(&Key::Receipt { sequence, ordinal: 0 }).unwrap();
        stored.map(|stored| Receipt::decode(&stored.value).unwrap())
    };
    let told = receipt(kept).unwrap();
    assert_eq!((told.id, told.acknowledged, told.attempt), (format!("misbehave/{kept}/0"), true, 1));
    assert_eq!(
        (told.touched.kv_read, told.touched.kv_written),
        (vec!["counters/n".to_owned()], vec!["counters/n".to_owned()])
    );
    assert!(told.memory > 0);
    let told = receipt(failed).unwrap();
    assert!(!told.acknowledged && told.touched == Touched::default());

    world.clock.advance(Duration::from_secs(3600));
    let keep = Arc::new(ArcSwap::from_pointee(Duration::from_secs(1800)));
    Retention::new(world.host.bus().clone(), keep).trim().await.unwrap();
    assert_eq!((receipt(kept), receipt(failed)), (None, None));
    world.host.shutdown().await;
}
