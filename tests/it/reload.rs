//! Plugins and rules that change while the daemon works.

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::event::Recorded;
use trialbridge::plugin::State;

use crate::support::process::Process;
use crate::support::{World, guest, install, marked, of_type, plugin, resident, sha256};

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[plugins.misbehave]
kv = { counters = "read-write", echo = "read-write" }
emit = ["misbehave"]

[[rules]]
name = "test"
event-pattern = { source = ["test"] }
targets = ["misbehave"]
"#;

/// How often a plugin is replaced under load.
const REPLACEMENTS: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_replaced_again_and_again_loses_nothing_and_does_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(folder.path().join("rules.toml"), RULES).unwrap();
    let component = guest("misbehave");
    install(&plugins, "misbehave", &component);
    let daemon = Process::start(&folder.path().join("rules.toml"), &plugins, &folder.path().join("data"));
    let client = reqwest::Client::new();
    let publish = |sequence: u32| {
        let body = json!({
            "source": "test", "detail-type": "Count", "detail": { "do": "counter", "key": "n", "detail-type": "Counted", "n": sequence }
        });
        client.post(format!("{}/events", daemon.url)).json(&body).send()
    };

    let mut published = 0;
    let mut settled = 0;
    for replacement in 1..=REPLACEMENTS {
        install(&plugins, "misbehave", &marked(&component, replacement));
        daemon.signal("HUP");
        for _ in 0..5 {
            assert_eq!(publish(published).await.unwrap().status(), 202);
            published += 1;
        }
        if replacement == REPLACEMENTS / 2 {
            settled = resident(daemon.id());
        }
    }
    let count = loop {
        let page: Value =
            client.get(format!("{}/deliveries?limit=1", daemon.url)).send().await.unwrap().json().await.unwrap();
        if page["deliveries"] == json!([]) {
            break counted(&daemon.url).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(count, (1..=u64::from(published)).collect::<Vec<_>>(), "each event is counted once");
    let last = resident(daemon.id());
    assert!(last < settled + settled / 2, "the memory levels off: {settled} in the middle, {last} at the end");
}

/// What the guest has counted: it emits every number that it comes to.
async fn counted(url: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let path = format!("{url}/events?source=misbehave&detail-type=Counted&limit=1000&after={after}");
        let page: Value = reqwest::get(path).await.unwrap().json().await.unwrap();
        let events = page["events"].as_array().unwrap();
        numbers.extend(events.iter().map(|entry| entry["event"]["detail"]["number"].as_u64().unwrap()));
        after = page["next"].clone();
    }
    numbers
}

#[tokio::test]
async fn files_that_are_no_plugins_never_serve() {
    let good = guest("misbehave");
    let world = World::new(RULES, &[("misbehave", &good)]).await;
    let hash = || world.host.plugins().statuses()[0].hash.clone();
    let serving = hash();
    let mut corrupt = good.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 64].fill(0xff);
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("truncated", good[..good.len() / 2].to_vec(), "damaged"),
        ("corrupt", corrupt, "damaged"),
        ("empty", Vec::new(), "damaged"),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), "core WebAssembly module"),
        ("another world", guest("wrong-world"), "not a plugin of this trialbridge"),
    ];
    for (number, (name, bytes, error)) in cases.iter().enumerate() {
        install(&world.plugins(), "misbehave", bytes);
        let what = format!("{name} is rejected");
        let journal = world.wait_for(&what, |journal| of_type(journal, "PluginRejected").len() == number + 1).await;
        let said = of_type(&journal, "PluginRejected")[number]["error"].to_string();
        assert!(said.contains(error), "{name}: {said}");
        assert_eq!(hash(), serving, "{name}: the one before serves");
        world.publish("test", "Echo", json!({ "do": "ok" })).await;
        world.settle().await;
    }
    assert!(world.dead_letters().await.is_empty());
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_held_build_serves_once_its_grant_is_written() {
    let (old, new) = (guest("misbehave"), plugin("metrics"));
    let granted = |lines: &str| format!("[plugins.misbehave]\n{lines}\n");
    let world = World::new(&granted(""), &[("misbehave", &old)]).await;
    let rules = world.folder.path().join("rules.toml");
    let status = || world.host.plugins().statuses()[0].clone();
    install(&world.plugins(), "misbehave", &new);
    let held = world.wait_for_event("PluginRejected").await;
    let needs: Vec<String> = serde_json::from_value(held["needs"].clone()).unwrap();
    assert!(needs.concat().contains("kv = { metrics"), "{held}");
    assert!(
        held["error"].as_str().unwrap().ends_with(&format!("under [plugins.misbehave] write: {}", needs.join("; ")))
    );
    world.wait_until("it is held", || status().needs == needs).await;
    assert_eq!((status().state, status().hash), (State::Active, Some(sha256(&old))), "the one before serves");

    // The lines are put where it says.
    std::fs::write(&rules, granted(&needs.join("\n"))).unwrap();
    world.wait_for("the new build serves", |journal| of_type(journal, "PluginLoaded").len() == 2).await;
    world.wait_until("nothing is held", || status().error.is_none() && status().needs.is_empty()).await;
    assert_eq!(status().hash, Some(sha256(&new)));

    // Where there was none before, the build that is held is all there is to say.
    install(&world.plugins(), "slack", &plugin("slack"));
    std::fs::write(&rules, granted(&format!("{}\n[plugins.slack]", needs.join("\n")))).unwrap();
    let slack = || world.host.plugins().statuses().into_iter().find(|status| status.id == "slack");
    world.wait_until("slack is held", || slack().is_some_and(|slack| slack.state == State::Held)).await;
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_build_serves_once_what_it_was_refused_for_is_mended() {
    let rules = |config: &str| {
        let grants = "kv = { slack = \"read-write\" }\nhttp = [\"https://hooks.slack.com\"]\nfolders = { shared = { path = \"shared\", access = \"read\" } }";
        format!("[plugins.misbehave]\n{grants}\nconfig = {config}\n")
    };
    let world = World::new("[plugins.misbehave]\n", &[("misbehave", &guest("misbehave"))]).await;
    let file = world.folder.path().join("rules.toml");
    let shared = world.folder.path().join("shared");
    let refused = async |count: usize| {
        let journal = world.wait_for("a refusal", |journal| of_type(journal, "PluginRejected").len() == count).await;
        of_type(&journal, "PluginRejected")[count - 1]["error"].to_string()
    };
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(&file, rules("{}")).unwrap();
    world.wait_for_event("RulesReloaded").await;
    install(&world.plugins(), "misbehave", &plugin("slack"));
    assert!(refused(1).await.contains("there is neither a webhook nor a token"));

    // Nothing in rules.toml says that a folder came back.
    std::fs::remove_dir(&shared).unwrap();
    world.host.reload();
    assert!(refused(2).await.contains("cannot be opened"));
    std::fs::create_dir(&shared).unwrap();
    world.host.reload();
    assert!(refused(3).await.contains("there is neither a webhook nor a token"));

    std::fs::write(&file, rules("{ webhook = \"https://hooks.slack.com/services/1\" }")).unwrap();
    world.wait_for("the new build serves", |journal| of_type(journal, "PluginLoaded").len() == 2).await;
    assert_eq!(world.host.plugins().statuses()[0].hash, Some(sha256(&plugin("slack"))));
    world.host.shutdown().await;
}

#[tokio::test]
async fn deliveries_of_an_absent_plugin_wait_for_it() {
    let world = World::new(RULES, &[]).await;
    for _ in 0..10 {
        world.publish("test", "Count", json!({ "do": "counter", "key": "n" })).await;
    }
    world.clock.advance(Duration::from_secs(48 * 60 * 60));
    assert_eq!(world.owed(), 10);
    install(&world.plugins(), "misbehave", &guest("misbehave"));
    world.wait_for_event("PluginLoaded").await;
    world.settle().await;
    assert_eq!(world.kv("counters", "n").as_deref(), Some("10"));

    std::fs::remove_file(world.plugins().join("misbehave.wasm")).unwrap();
    world.wait_for_event("PluginRemoved").await;
    world.publish("test", "Count", json!({ "do": "counter", "key": "n" })).await;
    assert_eq!(world.owed(), 1);
    world.host.shutdown().await;
}

#[tokio::test]
async fn wrong_rules_change_nothing_and_right_ones_take_effect() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let rules = world.folder.path().join("rules.toml");
    let wrong = [
        ("[[rules]]\nname = 1", "name"),
        (&RULES.replace("event-pattern", "event-patern"), "event-patern"),
        // The plugin serves and needs nothing, so taking its grants away is no mistake; naming an unknown access is.
        (&RULES.replace("counters = \"read-write\"", "counters = \"all\""), "all"),
    ];
    for (number, (text, error)) in wrong.into_iter().enumerate() {
        std::fs::write(&rules, text).unwrap();
        let journal = world.wait_for("rejected", |journal| of_type(journal, "RulesRejected").len() == number + 1).await;
        let said = of_type(&journal, "RulesRejected")[number]["error"].to_string();
        assert!(said.contains(error) && said.contains("rules.toml"), "{said}");
        world.publish("test", "Count", json!({ "do": "counter", "key": "n" })).await;
        world.settle().await;
        assert_eq!(world.kv("counters", "n"), Some((number + 1).to_string()), "the rules before are in force");
    }
    std::fs::write(&rules, RULES.replace("source = [\"test\"]", "source = [\"other\"]")).unwrap();
    world.wait_for_event("RulesReloaded").await;
    world.publish("test", "Count", json!({ "do": "counter", "key": "n" })).await;
    world.publish("other", "Count", json!({ "do": "counter", "key": "m" })).await;
    world.settle().await;
    assert_eq!(world.kv("counters", "n").as_deref(), Some("3"));
    assert_eq!(world.kv("counters", "m").as_deref(), Some("1"));
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_plugin_that_rules_do_not_name_is_not_used_and_misses_nothing() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave")), ("slack", &plugin("slack"))]).await;
    let rules = world.folder.path().join("rules.toml");
    let loaded = |journal: &[Recorded], count| of_type(journal, "PluginLoaded").len() == count;
    world.wait_for("misbehave is loaded", |journal| loaded(journal, 1)).await;
    let unused = || {
        let slack = world.host.plugins().statuses().into_iter().find(|status| status.id == "slack");
        slack.is_some_and(|slack| slack.state == State::Unused && slack.needs.concat().contains("kv = { slack ="))
    };
    world.wait_until("slack is not used", unused).await;

    std::fs::write(&rules, format!("{RULES}\n[plugins.slack]\n")).unwrap();
    let rejected = world.wait_for_event("PluginRejected").await;
    assert!(rejected["error"].to_string().contains("kv = { slack ="), "{rejected}");

    let granted = concat!(
        "[plugins.slack]\nkv = { slack = \"read-write\" }\nhttp = [\"https://hooks.slack.com\"]\n",
        "config = { webhook = \"https://hooks.slack.com/services/1\" }\n"
    );
    std::fs::write(&rules, format!("{RULES}\n{granted}")).unwrap();
    world.wait_for("slack is loaded", |journal| loaded(journal, 2)).await;

    // What serves can be switched off as it was switched on.
    std::fs::write(&rules, RULES).unwrap();
    world.wait_until("slack is not used again", unused).await;
    assert_eq!(of_type(&world.journal(), "PluginRejected").len(), 1);
    assert!(of_type(&world.journal(), "RulesRejected").is_empty());
    world.host.shutdown().await;
}
