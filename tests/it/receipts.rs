//! What `delivery show` tells of a delivery: what it touched and took.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::plugin::SystemResolver;
use trialbridge::storage::KeyRange;
use trialbridge::storage::key::TimerKind;
use trialbridge::trials::Request;

use crate::support::process::{command, outcome};
use crate::support::server::Server;
use crate::support::{World, guest};

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[secrets.token]
file = "token"

[secrets.key-id]
file = "key-id"

[secrets.key]
file = "key"

[plugins.misbehave]
concurrency = 2
kv = { echo = "read-write", shared = "read-write" }
trials = "read-write"
emit = ["misbehave"]
limits = { time = "TIME" }
http = [
    { url = "http://127.0.0.1:PORT/", secrets = ["token"] },
    { url = "http://127.0.0.1:PORT/size", secrets = ["token"], sign = { aws = { service = "s3", region = "eu-central-1", access-key-id = "key-id", secret-access-key = "key" } } },
]
config = { header = "Bearer ${secret:token}" }

[[rules]]
name = "test"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", maximum-attempts = 2 }]
"#;

/// A daemon whose handlers may take so long, and the server that its plugin talks to.
async fn world(time: &str) -> (World, Server) {
    let server = Server::http().await;
    let rules = RULES.replace("PORT", &server.port.to_string()).replace("TIME", time);
    let files = [("token", "hunter2"), ("key-id", "AKIDHUNTER"), ("key", "hunter3")];
    let plugins = [("misbehave", &*guest("misbehave"))];
    (World::with_network(&rules, &plugins, &files, Arc::new(SystemResolver)).await, server)
}

/// The receipt of the delivery of an event, from the command line, which shows what the API says.
async fn receipt(world: &World, sequence: u64) -> Value {
    let id = format!("misbehave/{sequence}/0");
    let server = format!("http://{}", world.host.address());
    let shown = reqwest::get(format!("{server}/deliveries/{id}")).await.unwrap().json::<Value>().await.unwrap();
    let show = move || command().args(["delivery", "show", &id]).env("TRIALBRIDGE_SERVER", server).output().unwrap();
    let (stdout, stderr, code) = outcome(&tokio::task::spawn_blocking(show).await.unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), shown);
    for secret in ["hunter2", "AKIDHUNTER", "hunter3"] {
        assert!(!stdout.contains(secret), "{stdout}");
    }
    shown["receipt"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_names_all_that_a_delivery_touched_and_took() {
    let (world, server) = world("30s").await;
    for id in ["t1", "t2"] {
        let request = Request {
            trial_id: Some(id.to_owned()),
            lead_id: id.to_owned(),
            trial_type: "ACS".to_owned(),
            ..Request::default()
        };
        world.host.trials().request(request).await.unwrap();
    }
    let base = format!("http://127.0.0.1:{}", server.port);
    let steps = json!([
        ["get", "a1"],
        ["list", "b"],
        ["trial", "t1"],
        ["trials", "REQUESTED"],
        ["ask", format!("{base}/held")],
        ["set", "a1"],
        ["delete", "a2"],
        ["move", "t2", "MOVED"],
        ["ask", format!("{base}/size?3")],
    ]);
    let order = json!({
        "do": "transact", "id": "first", "steps": steps, "method": "POST", "body": "hello", "headers": { "authorization": "${config:header}" }
    });
    let told = world.publish("test", "Do", order).await;
    // While it waits for its answer, somebody else changes what it has read.
    world.wait_until("it is held", || server.most_held() == 1).await;
    let other = json!({ "do": "transact", "id": "other", "steps": [["set", "a1"]] });
    world.publish("test", "Do", other).await;
    world.wait_until("the other is done", || world.kv("shared", "a1").as_deref() == Some("other")).await;
    server.release();
    server.release();
    world.settle().await;

    let receipt = receipt(&world, told).await;
    let plugin = world.host.plugins().get("misbehave").unwrap();
    let expected = json!({
        "id": format!("misbehave/{told}/0"), "rule": "test", "pluginHash": plugin.compiled().hash,
        "acknowledged": true, "attempt": 1, "conflicts": 1, "at": world.host.bus().now(),
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&receipt[name], value, "{name}: {receipt:#}");
    }
    let touched = json!({
        "kvRead": ["shared/a1"], "kvWritten": ["shared/a1", "shared/a2"], "listed": ["trials REQUESTED ACS", "shared"],
        "trialsRead": ["t1", "t2"], "trialsWritten": ["t2"], "emitted": ["misbehave Transacted"],
    });
    assert_eq!(receipt["touched"], touched);
    assert!(receipt["cpuMicros"].as_u64() > Some(0) && receipt["memory"].as_u64() > Some(1 << 16), "{receipt:#}");
    let sent = |response_bytes: usize, secrets: &[&str]| {
        json!({
            "method": "POST", "destination": base, "outcome": { "Ok": 200 }, "requestBytes": 5,
            "responseBytes": response_bytes, "secrets": secrets,
        })
    };
    // Those of the call that was in vain, and those of the next one.
    let both = [sent(2, &["token"]), sent(3, &["key", "key-id", "token"])];
    assert_eq!(receipt["requests"], json!([both.clone(), both].concat()));
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_cut_off_before_its_handler_and_named_with_that() {
    let (world, server) = world("2s").await;
    let base = format!("http://127.0.0.1:{}", server.port);
    let order = json!({
        "do": "http", "url": format!("{base}/silence"), "headers": { "authorization": "${config:header}" }, "key": "told"
    });
    let sequence = world.publish("test", "Do", order).await;
    world.settle().await;
    assert_eq!(world.kv("echo", "told").unwrap(), r#"{"error":"ErrorCode::HttpResponseTimeout"}"#);
    let receipt = receipt(&world, sequence).await;
    assert_eq!((&receipt["acknowledged"], &receipt["attempt"]), (&json!(true), &json!(1)));
    let cut_off = json!([{
        "method": "GET", "destination": base, "outcome": { "Err": "HTTP response timeout" }, "requestBytes": 0, "responseBytes": 0,
        "secrets": ["token"],
    }]);
    assert_eq!(receipt["requests"], cut_off);
    assert_eq!(server.seen().len(), 1, "it was received all the same");
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_receipt_is_of_the_latest_attempt() {
    let (world, _server) = world("30s").await;
    let sequence = world.publish("test", "Do", json!({ "do": "retry" })).await;
    for attempt in 1..=2 {
        match attempt {
            1 => waits_again(&world).await,
            _ => world.settle().await,
        }
        let receipt = receipt(&world, sequence).await;
        assert_eq!((&receipt["acknowledged"], &receipt["attempt"]), (&json!(false), &json!(attempt)));
        world.clock.advance(Duration::from_secs(60 * 60));
    }
    assert_eq!(world.dead_letters().await.len(), 1);
    world.host.shutdown().await;
}

/// Waits until a delivery waits for its next attempt.
async fn waits_again(world: &World) {
    let timers = KeyRange::timers(TimerKind::Retry);
    world.wait_until("a delivery waits", || world.storage().scan(&timers, 1).unwrap().len() == 1).await;
}
