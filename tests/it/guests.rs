//! What every plugin can rely on, whatever language it is written in: one story, told by a guest in Rust and by the examples in JavaScript
//! and Python.

use serde_json::{Value, json};

use crate::support::{World, guest, of_type, read_component, repository};

/// A plugin, and the events with which it tells the story.
struct Guest {
    id: &'static str,
    /// What to paste into rules.toml.
    rules: String,
    /// An event that adds one to something it keeps.
    counted: (&'static str, Value),
    /// Where it keeps that, and what stands there after so many: bucket, key, text.
    kept: (&'static str, &'static str, fn(usize) -> String),
    /// An event upon which it emits this detail-type, with this in its detail.
    told: (&'static str, Value, &'static str, Value),
    /// An event that it can never handle, and what it says.
    refused: (&'static str, Value, &'static str),
    /// An event that it cannot handle yet, and what it says.
    postponed: (&'static str, Value, &'static str),
}

/// How many handlers want the same key.
const TIMES: usize = 20;

async fn check(bytes: &[u8], guest: Guest) {
    let Guest { id, rules, counted, kept, told, refused, postponed } = guest;
    let rules = format!(
        "{rules}\n[[rules]]\nname = \"story\"\nevent-pattern = {{ source = [\"test\"] }}\ntargets = [\"{id}\"]\n"
    );
    let world = World::new(&rules, &[(id, bytes)]).await;
    let statuses = world.host.plugins().statuses();
    assert_eq!(statuses[0].error, None, "it is put in force with what its example grants");
    assert!(statuses[0].version.is_some() && statuses[0].summary.is_some());

    for _ in 0..TIMES {
        world.publish("test", counted.0, counted.1.clone()).await;
    }
    world.settle().await;
    let (bucket, key, after) = kept;
    assert_eq!(world.kv(bucket, key), Some(after(TIMES)), "nobody undoes what another has done");

    world.publish("test", told.0, told.1).await;
    world.settle().await;
    let emitted = of_type(&world.journal(), told.2);
    assert_eq!(emitted.len(), 1, "{}", told.2);
    for (name, value) in told.3.as_object().unwrap() {
        assert_eq!(&emitted[0][name], value, "{name} in {}", emitted[0]);
    }

    world.publish("test", refused.0, refused.1).await;
    world.settle().await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["attempts"], 1, "what is refused for good is not tried again");
    assert!(letters[0]["error"].as_str().unwrap().contains(refused.2), "{}", letters[0]);

    world.publish("test", postponed.0, postponed.1).await;
    let waiting = waiting(&world).await;
    assert!(waiting["error"].as_str().unwrap().contains(postponed.2), "{waiting}");
    assert_eq!(world.dead_letters().await.len(), 1);
    assert_eq!(of_type(&world.journal(), told.2).len(), 1, "nothing of a call that failed is kept");
    world.host.shutdown().await;
}

/// The delivery that waits for its next attempt.
async fn waiting(world: &World) -> Value {
    let timers = trialbridge::storage::KeyRange::timers(trialbridge::storage::key::TimerKind::Retry);
    world.wait_until("a delivery waits", || world.storage().scan(&timers, 1).unwrap().len() == 1).await;
    let url = format!("http://{}/deliveries?state=waiting", world.host.address());
    let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    page["deliveries"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_rust() {
    check(&guest("misbehave"), misbehave()).await;
}

/// A file that was built once and is never built again: whoever has a plugin for 0.1.0 keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn built_for_0_1_0() {
    check(&read_component(&repository().join("tests/fixtures/guest-0.1.0.wasm")), misbehave()).await;
}

fn misbehave() -> Guest {
    Guest {
        id: "misbehave",
        rules: "[plugins.misbehave]\nkv = { counters = \"read-write\" }\nemit = [\"misbehave\"]\n".to_owned(),
        counted: ("Count", json!({ "do": "counter", "key": "n" })),
        kept: ("counters", "n", |times| times.to_string()),
        told: (
            "Count",
            json!({ "do": "counter", "key": "m", "detail-type": "Counted" }),
            "Counted",
            json!({ "number": 1 }),
        ),
        refused: ("Count", json!({ "do": "permanent" }), "as told"),
        postponed: ("Count", json!({ "do": "retry" }), "as told"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_javascript() {
    let pasted = include_str!("../../plugins/examples/lead-notifier/rules.toml");
    // Its webhook is switched on, and no HTTP is granted, so that it cannot be reached.
    let rules = pasted.replace("# config = ", "config = ");
    assert_ne!(rules, pasted);
    let lead_notifier = Guest {
        id: "lead-notifier",
        rules,
        counted: ("TrialAssigned", json!({ "leadId": "1" })),
        kept: ("leads", "1", |times| format!(r#"{{"assigned":{times},"latest":"2020-05-13T14:19:39Z"}}"#)),
        told: ("TrialExpired", json!({ "leadId": "2" }), "LeadWorthCalling", json!({ "leadId": "2" })),
        refused: ("TrialRequested", json!({ "type": "ACS" }), "the detail has no text `leadId`"),
        postponed: ("TrialExpired", json!({ "leadId": "1" }), "https://crm.example/hooks/trial cannot be reached"),
    };
    check(&guest("lead-notifier"), lead_notifier).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_python() {
    let trial_export = Guest {
        id: "trial-export",
        rules: include_str!("../../plugins/examples/trial-export/rules.toml").to_owned(),
        counted: ("TrialRequested", json!({ "trialId": "t" })),
        kept: ("trial-export", "2020-05-13", |times| format!(r#"{{"parts": 1, "rows": {times}}}"#)),
        told: ("ExportRequested", json!({ "day": "2020-05-12" }), "ExportReady", json!({ "rows": 0, "keys": [] })),
        refused: ("TrialRequested", json!({ "leadId": "1" }), "the detail has no text `trialId`"),
        postponed: ("ExportRequested", json!({ "day": "2020-05-13" }), "2020-05-13 is not over"),
    };
    check(&guest("trial-export"), trial_export).await;
}
