//! What is kept and for how long, and what happens by itself.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;
use trialbridge::delivery::retention::Retention;
use trialbridge::delivery::schedules::SCHEDULED_EVENT;

use crate::support::{World, guest, install, of_type};

const RULES: &str = r#"
[plugins.misbehave]
kv = { counters = "read-write" }
emit = ["misbehave"]

[[rules]]
name = "owed"
event-pattern = { source = ["owed"] }
targets = ["misbehave"]

[[rules]]
name = "every-minute"
schedule = "rate(1 minute)"
targets = ["misbehave"]
"#;

#[tokio::test]
async fn an_event_leaves_the_journal_when_it_is_old_and_nothing_of_it_is_owed() {
    let world = World::new(&RULES.replace("every-minute\"", "every-minute\"\nenabled = false"), &[]).await;
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
async fn a_schedule_fires_when_it_is_due_and_once_for_what_was_missed() {
    let world = World::new(RULES, &[]).await;
    let fired = |world: &World| of_type(&world.journal(), SCHEDULED_EVENT).len();
    world.clock.advance(Duration::from_millis(59_999));
    world.publish("nobody", "Marker", json!({})).await;
    assert_eq!(fired(&world), 0);
    world.clock.advance(Duration::from_millis(1));
    world.wait_for("it fires", |journal| of_type(journal, SCHEDULED_EVENT).len() == 1).await;
    assert_eq!(world.owed(), 1, "it goes to its own target");
    world.clock.advance(Duration::from_secs(600));
    world.wait_for("it fires again", |journal| of_type(journal, SCHEDULED_EVENT).len() == 2).await;

    // Another expression counts from now on; the same one does not begin anew.
    let rules = world.folder.path().join("rules.toml");
    std::fs::write(&rules, RULES.replace("rate(1 minute)", "rate(1 hour)")).unwrap();
    world.wait_for_event("RulesReloaded").await;
    world.clock.advance(Duration::from_secs(1800));
    std::fs::write(&rules, format!("{}\n# the same rules\n", RULES.replace("rate(1 minute)", "rate(1 hour)"))).unwrap();
    world.wait_for("reloaded again", |journal| of_type(journal, "RulesReloaded").len() == 2).await;
    assert_eq!(fired(&world), 2);
    world.clock.advance(Duration::from_secs(1800));
    world.wait_for("it fires after an hour", |journal| of_type(journal, SCHEDULED_EVENT).len() == 3).await;
    world.host.shutdown().await;
}
