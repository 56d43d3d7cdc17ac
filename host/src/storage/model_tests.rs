//! Both backends against the simplest thing that could be right: commits one after the other on an ordered map.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use proptest::prelude::*;

use super::key::TimerKind;
use super::metric::{Metric, MetricChange};
use super::*;
use crate::clock::Timestamp;

/// What a commit is made of, before it is known which versions its maker saw.
#[derive(Clone, Debug)]
struct Plan {
    /// Keys and whether they are expected as they were seen.
    expect_keys: Vec<(Key, Belief)>,
    /// Buckets and whether they are expected as they were seen.
    expect_buckets: Vec<(Bucket, Belief)>,
    writes: Vec<Write>,
    metrics: Vec<(Key, MetricChange)>,
    events: Vec<NewEvent>,
}

#[derive(Clone, Copy, Debug)]
enum Belief {
    /// What was seen when the group was handed over, before any of its commits was carried out.
    Seen,
    /// That there is nothing, or that nothing moved.
    Absent,
    /// Something old or made up.
    Wrong,
}

/// What a store should hold.
#[derive(Default)]
struct Model {
    values: BTreeMap<Key, (Version, Bytes)>,
    buckets: BTreeMap<Bucket, Version>,
    newest: Version,
    sequence: Sequence,
}

impl Model {
    fn version(&self, key: &Key) -> Version {
        self.values.get(key).map_or(ABSENT, |(version, _)| *version)
    }

    fn bucket_version(&self, bucket: &Bucket) -> Version {
        self.buckets.get(bucket).copied().unwrap_or(ABSENT)
    }

    fn commit_of(&self, plan: &Plan) -> Commit {
        let believed = |belief, seen| match belief {
            Belief::Seen => seen,
            Belief::Absent => ABSENT,
            Belief::Wrong => seen + 1,
        };
        let keys =
            plan.expect_keys.iter().map(|(key, belief)| Expect::Key(key.clone(), believed(*belief, self.version(key))));
        let buckets = plan
            .expect_buckets
            .iter()
            .map(|(bucket, belief)| Expect::Bucket(bucket.clone(), believed(*belief, self.bucket_version(bucket))));
        Commit {
            expects: keys.chain(buckets).collect(),
            writes: plan.writes.clone(),
            metrics: plan.metrics.clone(),
            events: plan.events.clone(),
        }
    }

    /// The first expectation that does not hold.
    fn conflict(&self, commit: &Commit) -> Option<Expect> {
        let broken = |expect: &&Expect| match expect {
            Expect::Key(key, version) => self.version(key) != *version,
            Expect::Bucket(bucket, version) => self.bucket_version(bucket) != *version,
        };
        commit.expects.iter().find(broken).cloned()
    }

    fn apply(&mut self, commit: &Commit, version: Version) {
        let before = self.values.clone();
        for write in &commit.writes {
            match write {
                Write::Put(key, value) => {
                    self.values.insert(key.clone(), (version, value.clone()));
                }
                Write::Delete(key) => {
                    self.values.remove(key);
                }
            }
        }
        for Write::Put(key, _) | Write::Delete(key) in &commit.writes {
            if let Some(bucket) = key.bucket()
                && before.contains_key(key) != self.values.contains_key(key)
            {
                self.buckets.insert(bucket, version);
            }
        }
        for (key, change) in &commit.metrics {
            let old = self.values.get(key).map(|(_, json)| serde_json::from_slice::<Metric>(json).unwrap());
            let json = serde_json::to_vec(&change.apply(old)).unwrap();
            self.values.insert(key.clone(), (version, json.into()));
        }
        for event in &commit.events {
            self.sequence += 1;
            self.values.insert(Key::Event(self.sequence), (version, event.body.clone()));
            for (ordinal, delivery) in (0..).zip(&event.deliveries) {
                let key = Key::Delivery { plugin: delivery.plugin.clone(), sequence: self.sequence, ordinal };
                self.values.insert(key, (version, delivery.body.clone()));
            }
        }
        self.newest = version;
    }
}

/// Few keys, so that commits get in each other's way.
fn any_key() -> impl Strategy<Value = Key> {
    let name = || prop::sample::select(&["a", "b", "c"]).prop_map(str::to_owned);
    prop_oneof![
        (name(), name()).prop_map(|(bucket, key)| Key::Kv { bucket, key }),
        (name(), name()).prop_map(|(status, id)| Key::TrialIndex { status, trial_type: "t".to_owned(), id }),
        name().prop_map(Key::Trial),
        (0u64..4).prop_map(|due| Key::Timer {
            kind: TimerKind::Expiry,
            due: Timestamp::from_millis(due),
            id: "t".to_owned()
        }),
    ]
}

fn any_metric() -> impl Strategy<Value = (Key, MetricChange)> {
    let change = prop_oneof![
        (0u64..5).prop_map(MetricChange::Count),
        (0u32..5).prop_map(|value| MetricChange::Set(value.into())),
        (0u32..5).prop_map(|value| MetricChange::Add(value.into())),
        (0u32..5).prop_map(|value| MetricChange::Observe(value.into())),
    ];
    let key = |name: &str| Key::Metric { plugin: "p".to_owned(), name: name.to_owned(), labels: "[]".to_owned() };
    (prop::sample::select(&["m", "n"]).prop_map(key), change)
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let belief = || prop_oneof![6 => Just(Belief::Seen), 1 => Just(Belief::Absent), 1 => Just(Belief::Wrong)];
    let bucket = any_key().prop_filter_map("only some keys have a bucket", |key| key.bucket());
    let write = prop_oneof![
        3 => (any_key(), "[a-z]{0,3}").prop_map(|(key, value)| Write::Put(key, value.into())),
        2 => any_key().prop_map(Write::Delete),
    ];
    let delivery = || NewDelivery { plugin: "p".to_owned(), body: "delivery".into() };
    let event =
        (0usize..3).prop_map(move |count| NewEvent { body: "event".into(), deliveries: vec![delivery(); count] });
    (
        prop::collection::vec((any_key(), belief()), 0..2),
        prop::collection::vec((bucket, belief()), 0..2),
        prop::collection::vec(write, 0..5),
        prop::collection::vec(any_metric(), 0..3),
        prop::collection::vec(event, 0..3),
    )
        .prop_map(|(expect_keys, expect_buckets, writes, metrics, events)| Plan {
            expect_keys,
            expect_buckets,
            writes,
            metrics,
            events,
        })
}

/// Groups of commits, each handed over together.
fn any_history() -> impl Strategy<Value = Vec<Vec<Plan>>> {
    prop::collection::vec(prop::collection::vec(any_plan(), 1..12), 1..10)
}

/// Plays `history` on a store and on the model, and compares every decision on the way.
async fn play(storage: &dyn Storage, history: &[Vec<Plan>]) -> Model {
    let mut model = Model::default();
    for group in history {
        let commits: Vec<Commit> = group.iter().map(|plan| model.commit_of(plan)).collect();
        let mut waiting = Vec::new();
        for commit in &commits {
            let mut future = storage.commit(commit.clone());
            tokio::task::yield_now().await;
            let early = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
            waiting.push((future, early));
        }
        for (commit, (future, early)) in commits.iter().zip(waiting) {
            let answer = match early {
                Poll::Ready(answer) => answer,
                Poll::Pending => future.await,
            };
            match (answer, model.conflict(commit)) {
                (Ok(committed), None) => {
                    assert!(committed.version > model.newest, "{committed:?} does not follow {}", model.newest);
                    assert_eq!(committed.first_sequence, model.sequence + 1);
                    model.apply(commit, committed.version);
                }
                (Err(CommitError::Conflict(stored)), Some(expected)) => assert_eq!(stored, expected),
                (answer, expected) => panic!("{commit:?} was answered {answer:?}, the model says {expected:?}"),
            }
        }
        for bucket in group.iter().flat_map(|plan| &plan.expect_buckets).map(|(bucket, _)| bucket) {
            assert_eq!(storage.bucket_version(bucket), model.bucket_version(bucket));
        }
    }
    model
}

fn assert_holds(storage: &dyn Storage, model: &Model) {
    let mut ranges = vec![KeyRange::trials(None), KeyRange::trial_indexes(), KeyRange::events(0)];
    ranges.extend(["a", "b", "c"].map(|bucket| KeyRange::kv(bucket, "")));
    ranges.extend([KeyRange::all_deliveries(), KeyRange::timers(TimerKind::Expiry), KeyRange::metrics()]);
    let mut stored = BTreeMap::new();
    for range in ranges {
        for (key, found) in storage.scan(&range, usize::MAX).unwrap() {
            stored.insert(key, (found.version, found.value));
        }
    }
    assert_eq!(stored, model.values);
    assert_eq!(storage.last_sequence(), model.sequence);
}

/// The files of a store in which nothing is written now, as a crash would leave them.
pub(super) fn crashed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::TempDir::new().unwrap();
    let names = || fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    // While a checkpoint goes on there are two.
    while names().filter(|name| name.to_string_lossy().starts_with("wal-")).count() > 1 {
        std::thread::yield_now();
    }
    for name in names() {
        if folder.join(&name).is_file() {
            fs::copy(folder.join(&name), copy.path().join(&name)).unwrap();
        } else {
            // It is for values larger than these.
            fs::create_dir(copy.path().join(&name)).unwrap();
        }
    }
    copy
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_does_as_the_model(history in any_history()) {
        runtime().block_on(async {
            let storage = MemoryStorage::new();
            let model = play(&storage, &history).await;
            assert_holds(&storage, &model);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sled_does_as_the_model(history in any_history()) {
        let folder = tempfile::TempDir::new().unwrap();
        // The tree is made durable now and then.
        let options = sled::Options { wal_bytes: 4096, ..sled::Options::default() };
        let open = |folder: &Path| SledStorage::open(folder, options).unwrap();
        runtime().block_on(async {
            let storage = open(folder.path());
            let model = play(&storage, &history).await;
            assert_holds(&storage, &model);
            let crashed = crashed(folder.path());
            assert_holds(&open(crashed.path()), &model);
            storage.close().await;
            assert_holds(&open(folder.path()), &model);
        });
    }
}
