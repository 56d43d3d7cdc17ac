//! The data lake as DuckDB reads it: each event once, whatever happened while it was written.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use trialbridge::clock::{Clock, SystemClock};
use trialbridge::storage::KeyRange;

use crate::support::moto::Moto;
use crate::support::process::Process;
use crate::support::{World, install, plugin, python, repository};

/// How many trials there are, and how often the daemon is killed meanwhile.
const TRIALS: usize = 200;
const KILLS: usize = 12;

/// The version of DuckDB that the tests were written for.
const DUCKDB: &str = "2.0.0";

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1ms"
maximum-ttl = "90d"

[plugins.data-lake]
kv = { lake-open = "read-write", lake-sealed = "read-write", lake-chunks = "read-write" }
emit = ["data-lake"]
concurrency = 1
SINK

[[rules]]
name = "keep-everything"
event-pattern = { source = ["OnlineTrial"] }
targets = [{ plugin = "data-lake", minimum-backoff = "10ms" }]

[[rules]]
name = "write-data-lake"
schedule = "rate(1 minute)"
event-pattern = { source = ["data-lake"], detail-type = ["BatchSealed"] }
targets = ["data-lake"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_lake_has_each_event_once_however_often_the_daemon_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let sink = "folders = { lake = { path = \"${data}/lake\", access = \"read-write\" } }\nconfig = { max-events = 7 }";
    let (rules, plugins) = (folder.path().join("rules.toml"), folder.path().join("plugins"));
    std::fs::write(&rules, RULES.replace("SINK", sink)).unwrap();
    std::fs::create_dir(&plugins).unwrap();
    install(&plugins, "data-lake", &plugin("data-lake"));

    // The moments are random, and differ from run to run; what must hold does not.
    let mut random = rand::rngs::StdRng::from_os_rng();
    let client = reqwest::Client::new();
    let mut daemon = Process::start(&rules, &plugins, &folder.path().join("data"));
    for number in 0..TRIALS {
        if number % (TRIALS / KILLS) == 0 {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
            daemon.kill();
            daemon = Process::start(&rules, &plugins, &folder.path().join("data"));
        }
        let trial = json!({ "trialId": format!("t{number}"), "leadId": "1", "type": "ACS", "ttl": "50ms" });
        let answer = client.post(format!("{}/trials", daemon.url)).json(&trial).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
    daemon.kill();

    let world = World::on_what_was_left(folder, SystemClock::default().now().plus(Duration::from_secs(60))).await;
    flushed(&world).await;
    let found = read(&world.folder.path().join("data").join("lake"), "parquet");
    check(&world, &found, "VARCHAR");
    assert_eq!(found["detail_types"], json!({ "TrialRequested": TRIALS, "TrialExpired": TRIALS }));

    let plan = found["plan"].as_str().unwrap();
    let (_, scanned) = plan.split_once("Scanning Files: ").unwrap_or_else(|| panic!("{plan}"));
    let (some, rest) = scanned.split_once('/').unwrap();
    let all: String = rest.chars().take_while(char::is_ascii_digit).collect();
    assert!(some.parse::<usize>().unwrap() < all.parse().unwrap(), "{some} of {all} files are read");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_s3_it_is_the_same() {
    let moto = Moto::start().await;
    let s3 = format!("http://127.0.0.1:{}", moto.port);
    let client = reqwest::Client::new();
    let scope = "AWS4-HMAC-SHA256 Credential=x/20200513/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
    let ask = |method, path: &str| client.request(method, format!("{s3}/{path}")).header("Authorization", scope);
    assert!(ask(reqwest::Method::PUT, "lake").send().await.unwrap().status().is_success());

    let sink = format!(
        r#"
http = [{{ url = "{s3}", methods = ["PUT"], request-size = "8MiB", sign = {{ aws = {{ service = "s3", region = "us-east-1", access-key-id = "aws-id", secret-access-key = "aws-key" }} }} }}]
config = {{ max-events = 50, s3 = {{ bucket = "lake", endpoint = "{s3}", path-style = true, prefix = "a b/.c" }} }}

[secrets]
aws-id = {{ env = "CARGO_PKG_LICENSE" }}
aws-key = {{ env = "CARGO_PKG_LICENSE" }}
"#
    );
    let world = World::new(&RULES.replace("SINK", &sink), &[("data-lake", &plugin("data-lake"))]).await;
    requests(&world, TRIALS).await;
    flushed(&world).await;

    let lake = tempfile::tempdir().unwrap();
    let listed = ask(reqwest::Method::GET, "lake?list-type=2").send().await.unwrap().text().await.unwrap();
    for object in listed.split("<Key>").skip(1) {
        let key = object.split_once("</Key>").unwrap().0;
        let bytes = ask(reqwest::Method::GET, &format!("lake/{key}")).send().await.unwrap().bytes().await.unwrap();
        let file = lake.path().join(key.strip_prefix("a b/.c/").unwrap_or_else(|| panic!("{key}")));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    check(&world, &read(lake.path(), "parquet"), "VARCHAR");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_lines_it_says_the_same() {
    let sink = "folders = { lake = { path = \"${data}/lake\", access = \"read-write\" } }\nconfig = { format = \"json-lines\", max-events = 7 }";
    let world = World::new(&RULES.replace("SINK", sink), &[("data-lake", &plugin("data-lake"))]).await;
    requests(&world, 20).await;
    flushed(&world).await;
    let found = read(&world.folder.path().join("data").join("lake"), "jsonl");
    // What DuckDB takes the texts of ids for by itself.
    check(&world, &found, "UUID");
    world.host.shutdown().await;
}

/// Requests trials.
async fn requests(world: &World, count: usize) {
    for number in 0..count {
        let request = trialbridge::trials::Request {
            lead_id: number.to_string(),
            trial_type: "ACS".to_owned(),
            ..Default::default()
        };
        world.host.trials().request(request).await.unwrap();
    }
}

/// Waits until nothing is left to be written: what is open is old ten minutes later, and sealed by the schedule.
async fn flushed(world: &World) {
    world.settle().await;
    world.clock.advance(Duration::from_secs(600));
    let is_empty = |bucket: &str| world.storage().scan(&KeyRange::kv(bucket, ""), 1).unwrap().is_empty();
    world.wait_until("the lake is written", || is_empty("lake-open") && is_empty("lake-sealed")).await;
    world.settle().await;
    assert!(is_empty("lake-chunks") && is_empty("lake-open"));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

/// What DuckDB finds in the files of a folder with this extension.
fn read(lake: &Path, extension: &str) -> Value {
    let duckdb = python::environment("duckdb", "duckdb", DUCKDB);
    let script = repository().join("tests").join("it").join("lake.py");
    let found = python::run(Command::new(duckdb.join("bin").join("python")).arg(script).arg(lake).arg(extension));
    serde_json::from_str(&found).unwrap()
}

/// Whether the lake has each event of the journal, once, and what it says of them is of the right types: ids of this one.
fn check(world: &World, found: &Value, id: &str) {
    let rows: Vec<&str> = found["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let distinct: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(rows.len(), distinct.len(), "no event is there twice");
    let journal = world.journal();
    let events = journal.iter().filter(|recorded| recorded.event.source == "OnlineTrial");
    let expected: BTreeSet<&str> = events.map(|recorded| recorded.event.id.as_str()).collect();
    let other: Vec<_> = distinct.symmetric_difference(&expected).take(5).collect();
    assert!(other.is_empty(), "only in the lake, or only in the journal: {other:?}");
    for (column, kind) in [
        ("sequence", "BIGINT"),
        ("id", id),
        ("time", "TIMESTAMP WITH TIME ZONE"),
        ("trial_id", id),
        ("expires_at", "TIMESTAMP WITH TIME ZONE"),
        ("detail", "VARCHAR"),
        ("date", "DATE"),
    ] {
        assert_eq!(found["types"][column], kind, "{column}: {}", found["types"]);
    }
    assert_eq!(found["wrong"], 0, "rows that contradict their path or their detail");
}
