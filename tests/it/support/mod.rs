//! What the tests share.
//!
//! * [`World`]: a daemon in this process, with a clock that is moved by hand and a store in memory
//! * [`moto`]: AWS, as far as tests need it
//! * [`process`]: the real binary, as a process of its own
//! * [`promtool`]: what checks rules for Prometheus
//! * [`python`]: programs in Python, and [`tools`]: where all that is fetched lies
//! * [`server`]: somebody that plugins talk to
//! * [`stacks`]: rules for stacks that are made elsewhere

pub(crate) mod moto;
pub(crate) mod process;
pub(crate) mod promtool;
pub(crate) mod python;
pub(crate) mod server;
pub(crate) mod stacks;
pub(crate) mod tools;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use trialbridge::Host;
use trialbridge::bus::Change;
use trialbridge::clock::{ManualClock, Timestamp};
use trialbridge::event::{Event, Recorded};
use trialbridge::host::Builder;
use trialbridge::plugin::Resolver;
use trialbridge::storage::memory::MemoryStorage;
use trialbridge::storage::{KeyRange, Storage};

/// How long to wait for something that must happen, before saying that it does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// When the clock of a [`World`] begins: the moment of the first system's sample event.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_589_379_579_000);

/// A daemon in this process.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

impl World {
    /// A daemon with these rules, and these files in its folder of plugins.
    pub(crate) async fn new(rules: &str, plugins: &[(&str, &[u8])]) -> Self {
        let folder = with_rules(rules);
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        for (name, bytes) in plugins {
            install(&folder.path().join("plugins"), name, bytes);
        }
        let daemon = Self::daemon(folder.path(), &folder).storage(Arc::new(MemoryStorage::new()));
        Self::start(daemon, folder, Arc::new(ManualClock::new(START))).await
    }

    /// The same, with these files beside its rules, and with somebody else than the system to look hosts up.
    pub(crate) async fn with_network(
        rules: &str,
        plugins: &[(&str, &[u8])],
        files: &[(&str, &str)],
        resolver: Arc<dyn Resolver>,
    ) -> Self {
        let folder = with_rules(rules);
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        for (name, bytes) in plugins {
            install(&folder.path().join("plugins"), name, bytes);
        }
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let daemon = Self::daemon(folder.path(), &folder).storage(Arc::new(MemoryStorage::new())).resolver(resolver);
        Self::start(daemon, folder, Arc::new(ManualClock::new(START))).await
    }

    /// A daemon with the shipped rules and plugins.
    pub(crate) async fn shipped() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Self::daemon(&repository(), &folder).storage(Arc::new(MemoryStorage::new()));
        Self::start(daemon, folder, Arc::new(ManualClock::new(START))).await
    }

    /// A daemon with these rules, no plugins, and a store on disk, so that it can be started again.
    pub(crate) async fn on_disk(rules: &str) -> Self {
        let folder = with_rules(rules);
        Self::start(Self::daemon(folder.path(), &folder), folder, Arc::new(ManualClock::new(START))).await
    }

    /// Stops a daemon that is on disk, lets time pass, and starts it again.
    pub(crate) async fn restart_after(self, passing: Duration) -> Self {
        self.host.shutdown().await;
        self.clock.advance(passing);
        Self::start(Self::daemon(self.folder.path(), &self.folder), self.folder, self.clock).await
    }

    /// A daemon on what a process has left, when the clock shows this.
    pub(crate) async fn on_what_was_left(folder: TempDir, now: Timestamp) -> Self {
        Self::start(Self::daemon(folder.path(), &folder), folder, Arc::new(ManualClock::new(now))).await
    }

    fn daemon(files: &Path, folder: &TempDir) -> Builder {
        Host::builder()
            .config(files.join("rules.toml"))
            .plugins(files.join("plugins"))
            .data(folder.path().join("data"))
            .compiled(repository().join("target").join("compiled"))
            .listen("127.0.0.1:0".parse().unwrap())
    }

    async fn start(daemon: Builder, folder: TempDir, clock: Arc<ManualClock>) -> Self {
        let host = daemon.clock(clock.clone()).start().await.unwrap();
        Self { host, clock, folder }
    }

    /// The folder of the plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// The store.
    pub(crate) fn storage(&self) -> &dyn Storage {
        self.host.bus().storage().as_ref()
    }

    /// The whole journal.
    pub(crate) fn journal(&self) -> Vec<Recorded> {
        let found = self.storage().scan(&KeyRange::events(0), usize::MAX).unwrap();
        found
            .into_iter()
            .map(|(key, stored)| match key {
                trialbridge::storage::Key::Event(sequence) => Recorded::decode(sequence, &stored.value).unwrap(),
                other => panic!("{other} is not an event"),
            })
            .collect()
    }

    /// Publishes an event, and answers with its sequence.
    pub(crate) async fn publish(&self, source: &str, detail_type: &str, detail: Value) -> u64 {
        let event = Event::new(source, detail_type, self.host.bus().now(), trialbridge::event::raw(&detail));
        self.host.bus().publish(event).await.unwrap()
    }

    /// Publishes events in one commit, and answers with the sequence of the first.
    pub(crate) async fn publish_together(&self, source: &str, details: &[Value]) -> u64 {
        let bus = self.host.bus();
        let event = |detail| Event::new(source, "Test", bus.now(), trialbridge::event::raw(detail)).into();
        let change = Change { events: details.iter().map(event).collect(), ..Change::default() };
        bus.commit(change).await.unwrap().first_sequence
    }

    /// Waits until the journal fulfils a condition, and answers with it.
    pub(crate) async fn wait_for(&self, what: &str, condition: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let mut newest = self.storage().signals().events();
        let wait = async {
            loop {
                newest.borrow_and_update();
                let journal = self.journal();
                if condition(&journal) {
                    return journal;
                }
                newest.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| {
            let seen: Vec<String> = self.journal().iter().map(brief).collect();
            panic!("it does not come to this: {what}; the journal is:\n{}", seen.join("\n"))
        })
    }

    /// Waits until an event of this type is in the journal, and answers with its detail.
    pub(crate) async fn wait_for_event(&self, detail_type: &str) -> Value {
        let journal = self.wait_for(detail_type, |journal| !of_type(journal, detail_type).is_empty()).await;
        of_type(&journal, detail_type)[0].clone()
    }

    /// Waits until nothing is owed, neither now nor later. Deliveries come and go with commits, so each commit is a reason to
    /// look again.
    pub(crate) async fn settle(&self) {
        self.wait_until("nothing is owed", || self.owed() == 0).await;
    }

    /// Waits until a condition on the store holds. Looks again after every few turns of the scheduler, because not every commit
    /// is announced.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("it does not come to this: {what}"));
    }

    /// How many deliveries are ready or wait for a retry.
    pub(crate) fn owed(&self) -> usize {
        let ready = self.storage().scan(&KeyRange::all_deliveries(), usize::MAX).unwrap().len();
        let retries = KeyRange::timers(trialbridge::storage::key::TimerKind::Retry);
        ready + self.storage().scan(&retries, usize::MAX).unwrap().len()
    }

    /// The text of a key in a bucket.
    pub(crate) fn kv(&self, bucket: &str, key: &str) -> Option<String> {
        let key = trialbridge::storage::Key::Kv { bucket: bucket.to_owned(), key: key.to_owned() };
        let stored = self.storage().get(&key).unwrap()?;
        Some(String::from_utf8(stored.value.to_vec()).unwrap())
    }

    /// The dead letters, as the API shows them.
    pub(crate) async fn dead_letters(&self) -> Vec<Value> {
        let url = format!("http://{}/deliveries?state=dead&limit=1000", self.host.address());
        let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        page["deliveries"].as_array().unwrap().clone()
    }
}

/// The details of the events of a type.
pub(crate) fn of_type(journal: &[Recorded], detail_type: &str) -> Vec<Value> {
    let events = journal.iter().filter(|recorded| recorded.event.detail_type == detail_type);
    events.map(|recorded| serde_json::from_str(recorded.event.detail.get()).unwrap()).collect()
}

fn brief(recorded: &Recorded) -> String {
    let event = &recorded.event;
    format!("{} {} {} {}", recorded.sequence, event.source, event.detail_type, event.detail)
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The bytes of a guest of tests/guests, or of an example in another language.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    read_component(&target().join("guests").join(format!("{name}.wasm")))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The bytes of a shipped plugin.
pub(crate) fn plugin(name: &str) -> Vec<u8> {
    read_component(&repository().join("plugins").join(format!("{name}.wasm")))
}

/// The bytes of a component.
pub(crate) fn read_component(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| {
        panic!("{} cannot be read ({error}); build it with `cargo xtask plugins`", path.display())
    })
}

/// Puts a file into a folder of plugins in one step, as a careful operator does.
pub(crate) fn install(folder: &Path, name: &str, bytes: &[u8]) {
    let half = folder.join(format!(".{name}.tmp"));
    std::fs::write(&half, bytes).unwrap();
    std::fs::rename(half, folder.join(format!("{name}.wasm"))).unwrap();
}

/// A component that does the same as `bytes` and has another hash: with a custom section that holds `mark`.
pub(crate) fn marked(bytes: &[u8], mark: u32) -> Vec<u8> {
    let mut marked = bytes.to_vec();
    // A custom section: its id, its size, the length of its name, its name, its content.
    marked.extend_from_slice(&[0, 9, 4]);
    marked.extend_from_slice(b"mark");
    marked.extend_from_slice(&mark.to_be_bytes());
    marked
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn with_rules(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    folder
}

/// The SHA-256 of a file's bytes, as rules.toml has it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
