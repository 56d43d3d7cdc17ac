//! How soon the daemon is ready, and how much memory it takes, with no trial and with a million.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use trialbridge::clock::{Clock, SystemClock};
use trialbridge::storage::key::TimerKind;
use trialbridge::storage::sled::{Options, SledStorage};
use trialbridge::storage::{Commit, Key, Storage, Write};
use trialbridge::trial::{REQUESTED, Stored, Trial};
use uuid::Uuid;

use crate::support::{Row, misbehave, repository};

/// How many trials are a lot.
const MANY: usize = 1_000_000;

/// How many plugins are a lot.
const PLUGINS: u8 = 20;

/// How many trials are stored in one commit: three keys each.
const BATCH: usize = 80;

/// Measures.
pub(crate) async fn measure() -> Vec<Row> {
    let empty = tempfile::tempdir().unwrap();
    let (rules, plugins) = (repository().join("rules.toml"), repository().join("plugins"));
    let (ready, idle) = start(empty.path(), &rules, &plugins);
    let (ready_again, _) = start(empty.path(), &rules, &plugins);
    let many = tempfile::tempdir().unwrap();
    let (rules_of_many, plugins_of_many) = many_plugins(many.path());
    start(&many.path().join("data"), &rules_of_many, &plugins_of_many);
    let (ready_many, _) = start(&many.path().join("data"), &rules_of_many, &plugins_of_many);
    let full = tempfile::tempdir().unwrap();
    fill(full.path()).await;
    let (ready_full, resident_full) = start(full.path(), &rules, &plugins);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    vec![
        Row::new("ready, with no trial", ready.as_secs_f64() * 1000.0, "ms", "compiling the plugins"),
        Row::new("ready, with compiled plugins", ready_again.as_secs_f64() * 1000.0, "ms", "the process, sled"),
        Row::new(
            "ready, with 20 compiled plugins",
            ready_many.as_secs_f64() * 1000.0,
            "ms",
            "their hashes, their instances",
        ),
        Row::new("ready, with 1 M trials", ready_full.as_secs_f64() * 1000.0, "ms", "sled reads its log"),
        Row::new("resident memory, idle", megabytes(idle), "MB", "the compiled plugins and the WebAssembly compiler"),
        Row::new("resident memory, with 1 M trials", megabytes(resident_full), "MB", "sled's page table"),
    ]
}

/// 20 plugins of 420 kB, none like another, and rules that call each: rules.toml, and the folder.
fn many_plugins(folder: &Path) -> (PathBuf, PathBuf) {
    let plugins = folder.join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let guest = std::fs::read(misbehave()).unwrap();
    let mut rules = String::new();
    for number in 0..PLUGINS {
        // A custom section: its id, its size, the length of its name, its name, its content.
        let mark = [0, 6, 4, b'm', b'a', b'r', b'k', number];
        std::fs::write(plugins.join(format!("p{number}.wasm")), [&guest[..], &mark].concat()).unwrap();
        rules += &format!(
            "[[rules]]\nname = \"r{number}\"\nevent-pattern = {{ source = [\"s{number}\"] }}\ntargets = [\"p{number}\"]\n"
        );
    }
    let path = folder.join("rules.toml");
    std::fs::write(&path, rules).unwrap();
    (path, plugins)
}

/// Starts the daemon, and answers with the time until it is ready and the memory that it takes a while later.
fn start(data: &Path, rules: &Path, plugins: &Path) -> (Duration, u64) {
    let started = Instant::now();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_trialbridge"))
        .args(["run", "--listen", "127.0.0.1:0", "--config"])
        .arg(rules)
        .arg("--plugins")
        .arg(plugins)
        .arg("--data")
        .arg(data)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("\"address\""))).unwrap().unwrap();
    let ready = started.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let resident = resident(&daemon);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    (ready, resident)
}

fn resident(process: &Child) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", process.id())).unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Stores a million trials.
async fn fill(data: &Path) {
    let storage = Arc::new(SledStorage::open(data, Options::default()).unwrap());
    let now = SystemClock::default().now();
    let mut commits = tokio::task::JoinSet::new();
    for batch in 0..MANY / BATCH {
        let mut writes = Vec::with_capacity(BATCH * 3);
        for number in 0..BATCH {
            let trial = Trial {
                trial_id: Uuid::now_v7().to_string(),
                lead_id: format!("{:010}", batch * BATCH + number),
                trial_type: "ACS".to_owned(),
                status: REQUESTED.to_owned(),
                requested_at: now,
                expires_at: now.plus(Duration::from_secs(14 * 24 * 60 * 60) + Duration::from_millis(number as u64)),
                chosen_id: false,
                attributes: serde_json::Map::new(),
            };
            let timer = Key::Timer { kind: TimerKind::Expiry, due: trial.expires_at, id: trial.trial_id.clone() };
            writes.push(Write::Put(trial.index_key(), Bytes::new()));
            writes.push(Write::Put(timer, Bytes::new()));
            writes.push(Write::Put(trial.key(), Stored::Live(trial).encode()));
        }
        let storage = storage.clone();
        commits.spawn(async move { storage.commit(Commit { writes, ..Commit::default() }).await.unwrap() });
        if commits.len() >= 64 {
            commits.join_next().await.unwrap().unwrap();
        }
    }
    while commits.join_next().await.is_some() {}
    storage.close().await;
}
