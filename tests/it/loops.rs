//! Rules that go round in circles stop, and their dead letters say how it came to that.

use serde_json::{Value, json};
use trialbridge::delivery::ledger::Selection;

use crate::support::{World, guest, of_type};

const RULES: &str = r#"
[deliveries]
maximum-depth = 3

[plugins.misbehave]
emit = ["round"]

[[rules]]
name = "round-and-round"
event-pattern = { source = ["round"] }
targets = ["misbehave"]
"#;

/// The depths of the events of a type, as the API shows them with their causes.
async fn depths(world: &World, detail_type: &str) -> Vec<u64> {
    let url = format!("http://{}/events?source=round&detail-type={detail_type}", world.host.address());
    let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|entry| if entry["cause"].is_null() { 0 } else { entry["cause"]["depth"].as_u64().unwrap() })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_stops_at_the_limit_and_a_redrive_takes_it_one_step_further() {
    // At once, and by way of delayed events.
    for (kind, detail) in [("Now", json!({ "do": "again" })), ("Later", json!({ "do": "again", "millis": 0 }))] {
        let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
        let redrive = || world.host.ledger().redrive(Selection::All);
        let first = world.publish("round", kind, detail).await;
        world.wait_for("the loop goes beyond the limit", |journal| of_type(journal, kind).len() == 5).await;
        world.settle().await;
        assert_eq!(depths(&world, kind).await, [0, 1, 2, 3, 4]);
        let letters = world.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        let link =
            |depth: u64| format!("#{} round/{kind}{}", first + depth, if depth > 0 { " by misbehave" } else { "" });
        let chain = |depth: u64| (0..=depth).rev().map(link).collect::<Vec<_>>().join(" <- ");
        assert_eq!(letters[0]["error"], format!("causation limit of 3 reached: {}", chain(4)));
        assert_eq!(letters[0]["exhausted"], "MaximumCausationDepth");
        assert_eq!((&letters[0]["attempts"], &letters[0]["pluginHash"]), (&json!(0), &Value::Null));

        // The operator knows better, and what comes of it is stopped like anything else.
        assert_eq!(redrive().await.unwrap(), 1);
        world.wait_for("it goes on", |journal| of_type(journal, kind).len() == 6).await;
        world.settle().await;
        assert_eq!(depths(&world, kind).await, [0, 1, 2, 3, 4, 5]);
        let letters = world.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(letters[0]["error"], format!("causation limit of 3 reached: {}", chain(5)));

        // Another limit counts from the moment it is in force.
        let rules = world.folder.path().join("rules.toml");
        std::fs::write(&rules, RULES.replace("maximum-depth = 3", "maximum-depth = 7")).unwrap();
        world.wait_for_event("RulesReloaded").await;
        assert_eq!(redrive().await.unwrap(), 1);
        world.wait_for("it goes on", |journal| of_type(journal, kind).len() == 9).await;
        world.settle().await;
        assert_eq!(depths(&world, kind).await, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let letters = world.dead_letters().await;
        let error = letters[0]["error"].as_str().unwrap();
        assert!(letters.len() == 1 && error.starts_with("causation limit of 7 reached: "), "{letters:?}");
        world.host.shutdown().await;
    }
}
