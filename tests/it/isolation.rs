//! Nothing a guest does hurts the daemon or another guest: each misbehaviour ends in an error that says what it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{World, guest, install, of_type, resident};

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[plugins.misbehave]
concurrency = 4
kv = { counters = "read-write", echo = "read-write" }
emit = ["misbehave"]
limits = { memory = "16MiB", time = "300ms", output = "64KiB" }
folders = { granted = { path = "${data}/granted", access = "read-write" } }

[plugins.bystander]
kv = { counters = "read-write" }
emit = ["misbehave"]

[[rules]]
name = "misbehave"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", maximum-attempts = 1 }]

[[rules]]
name = "bystander"
event-pattern = { source = ["count"] }
targets = ["bystander"]
"#;

/// What the guest does, and what is said of it.
const CASES: [(&str, &str); 18] = [
    ("loop", "the handler was stopped after 300ms, its time limit"),
    ("eat", "the memory limit of 16777216 bytes is reached"),
    ("trap", "the guest trapped: wasm trap: wasm `unreachable` instruction executed"),
    ("panic", "the guest trapped: wasm trap: wasm `unreachable` instruction executed"),
    ("recurse", "the guest trapped: wasm trap: out of bounds memory access"),
    ("flood-log", "the output limit of 65536 bytes is exceeded"),
    ("flood-stdout", "the output limit of 65536 bytes is exceeded"),
    ("flood-kv", "one call may make at most 240 changes"),
    ("flood-events", "one call may make at most 240 changes"),
    ("open-socket", "ermission denied"),
    ("open-file", "/etc/passwd: No such file or directory"),
    ("kv-denied", "under [plugins.misbehave] of rules.toml write: kv = { forbidden = \"read\" }"),
    ("trials-denied", "under [plugins.misbehave] of rules.toml write: trials = \"read\""),
    ("emit-denied", "under [plugins.misbehave] of rules.toml write: emit = [\"OnlineTrial\"]"),
    ("http", "http: ErrorCode::HttpRequestDenied"),
    ("env", "variables: []; arguments: []"),
    ("permanent", "as told"),
    ("retry", "as told"),
];

/// How often the misbehaving guest is called in the long run.
const CALLS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn each_misbehaviour_ends_in_an_error_that_says_what_it_was() {
    let component = guest("misbehave");
    let world = World::new(RULES, &[("misbehave", &component), ("bystander", &component)]).await;
    for (number, (what, said)) in CASES.iter().enumerate() {
        let mut detail = json!({ "do": what, "url": "http://127.0.0.1:1/", "port": 1 });
        match *what {
            "flood-kv" => detail["bucket"] = json!("echo"),
            "emit-denied" => detail["source"] = json!("OnlineTrial"),
            _ => {}
        }
        world.publish("test", "Misbehave", detail).await;
        // Another plugin goes on meanwhile.
        world.publish("count", "Count", json!({ "do": "counter", "key": "n" })).await;
        world.settle().await;
        let letters = world.dead_letters().await;
        assert_eq!(letters.len(), number + 1, "{what}: {letters:?}");
        let letter = letters.iter().max_by_key(|letter| letter["sequence"].as_u64()).unwrap();
        let error = letter["error"].as_str().unwrap();
        assert!(error.contains(said), "{what}: {error}");
        assert_eq!(world.kv("counters", "n"), Some((number + 1).to_string()), "{what}: the other plugin goes on");
    }
    assert!(of_type(&world.journal(), "Flood").is_empty(), "nothing of a call that failed is kept");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_blocks_holds_a_handler_no_longer_than_its_time() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    let pipe = world.folder.path().join("data/granted/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody writes to it.
    world.publish("test", "Misbehave", json!({ "do": "open-file", "paths": ["/granted/pipe"] })).await;
    world.settle().await;
    let letters = world.dead_letters().await;
    let error = letters[0]["error"].as_str().unwrap();
    assert!(error.contains("the handler was stopped after 300ms, its time limit"), "{error}");
    world.publish("test", "Misbehave", json!({ "do": "counter", "key": "n" })).await;
    world.settle().await;
    assert_eq!(world.kv("counters", "n").as_deref(), Some("1"), "its other handlers go on");
    // The thread that waits is let go, where it waits in the kernel.
    drop(std::fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_says_which_function_it_was_in() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    for what in ["panic", "eat", "recurse"] {
        world.publish("test", "Misbehave", json!({ "do": what })).await;
        world.settle().await;
    }
    let mut letters = world.dead_letters().await;
    letters.sort_by_key(|letter| letter["sequence"].as_u64());
    let errors: Vec<&str> = letters.iter().map(|letter| letter["error"].as_str().unwrap()).collect();
    for (error, function) in errors.iter().zip([
        "misbehave::Misbehave::handle",
        "misbehave::exhaust::memory",
        "the stack overflowed: `misbehave::exhaust::deeper` calls itself\n  0: misbehave::exhaust::deeper, 128 times",
    ]) {
        assert!(error.contains(function), "{error}");
        assert!(!error.contains("wasm function"), "{error}");
    }
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_warm_before_the_first_event_and_those_that_idle_go() {
    let warm = "[plugins.bystander]\ninstances = { warm = 2, idle-time = \"1m\" }";
    let rules = RULES.replace("[plugins.bystander]", warm);
    let world = World::new(&rules, &[("bystander", &guest("misbehave"))]).await;
    let bystander = world.host.plugins().get("bystander").unwrap();
    assert_eq!(bystander.idle(), 2);
    for number in 0..16 {
        world.publish("count", "Count", json!({ "do": "counter", "key": format!("{number}") })).await;
    }
    world.settle().await;
    assert!((2..=16).contains(&bystander.idle()), "{}", bystander.idle());
    bystander.drop_idle(Instant::now() + Duration::from_secs(61));
    assert_eq!(bystander.idle(), 2, "the warm ones stay");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_want_the_same_key_all_have_their_way() {
    let world = World::new(RULES, &[("bystander", &guest("misbehave"))]).await;
    for _ in 0..500 {
        world.publish("count", "Count", json!({ "do": "counter", "key": "n" })).await;
    }
    world.settle().await;
    assert_eq!(world.kv("counters", "n").as_deref(), Some("500"));
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_come_back_at_once_are_attempted_again() {
    // The clock stands still, so a back-off of less than a millisecond is none.
    let at_once = "maximum-attempts = 20, minimum-backoff = \"1ms\", maximum-backoff = \"1ms\"";
    let rules = RULES.replace("maximum-attempts = 1", at_once);
    let world = World::new(&rules, &[("misbehave", &guest("misbehave"))]).await;
    for _ in 0..200 {
        world.publish("test", "Misbehave", json!({ "do": "retry" })).await;
    }
    world.settle().await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 200);
    assert!(letters.iter().all(|letter| letter["attempts"] == 20), "{letters:?}");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_is_flat_after_many_misbehaviours() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    install(&plugins, "misbehave", &guest("misbehave"));
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, RULES.replace("300ms", "20ms")).unwrap();
    let daemon = Process::start(&rules, &plugins, &folder.path().join("data"));
    let client = reqwest::Client::new();
    let mut early = 0;
    for call in 0..CALLS {
        // Those that end only with their time are a few, or this would take minutes.
        let what = match call % 100 {
            0 => "loop",
            1 => "eat",
            2 => "flood-log",
            other => ["trap", "panic", "kv-denied", "open-file", "open-socket", "permanent"][other % 6],
        };
        let body = json!({ "source": "test", "detail-type": "Misbehave", "detail": { "do": what, "port": 1 } });
        let answer = client.post(format!("{}/events", daemon.url)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        if call == CALLS * 3 / 10 {
            drained(&daemon.url).await;
            early = resident(daemon.id());
        }
    }
    drained(&daemon.url).await;
    let late = resident(daemon.id());
    // Dead letters are stored, and what the store keeps in memory of them is bounded by its cache.
    assert!(late < early + early / 2, "the memory is flat: {early} after 3,000 calls, {late} after 10,000");
}

async fn drained(url: &str) {
    loop {
        let page: Value = reqwest::get(format!("{url}/deliveries?limit=1")).await.unwrap().json().await.unwrap();
        if page["deliveries"] == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
