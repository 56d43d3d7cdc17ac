#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::storage::metric::{Metric, MetricChange};
use crate::storage::model_tests::crashed;
use crate::storage::{ABSENT, Expect, NewDelivery, NewEvent, Write, conformance};

#[tokio::test]
async fn passes_what_every_backend_must_pass() {
    let folders = RefCell::new(Vec::new());
    conformance::run(|| {
        let folder = TempDir::new().unwrap();
        let storage = open(&folder);
        folders.borrow_mut().push(folder);
        Arc::new(storage)
    })
    .await;
}

#[tokio::test]
async fn reopening_keeps_everything_and_continues_the_counters() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let first = storage.commit(everything()).await.unwrap();
    let second = storage.commit(everything()).await.unwrap();
    // An empty journal must not make the sequences begin anew, nor a pure check the versions.
    let writes = [1, 2].map(|sequence| Write::Delete(Key::Event(sequence))).into();
    storage.commit(Commit { writes, ..Commit::default() }).await.unwrap();
    let newest = storage.commit(Commit::default()).await.unwrap();
    storage.close().await;

    let storage = open(&folder);
    assert_eq!((first.first_sequence, second.first_sequence, storage.last_sequence()), (1, 2, 2));
    assert_eq!(*storage.signals().events().borrow(), 2);
    assert_eq!(storage.scan(&KeyRange::events(0), 10).unwrap(), []);
    let kept = storage.get(&key()).unwrap().unwrap();
    assert_eq!((kept.version, kept.value.as_ref()), (second.version, b"value".as_slice()));
    assert_eq!(storage.scan(&KeyRange::deliveries("p", 0), 10).unwrap().len(), 2);
    assert_eq!(storage.bucket_version(&key().bucket().unwrap()), ABSENT);
    let expects = vec![Expect::Key(key(), second.version)];
    let third = storage.commit(Commit { expects, ..everything() }).await.unwrap();
    assert!(third.version > newest.version, "{third:?} does not follow {newest:?}");
    assert_eq!(third.first_sequence, 3);
    let counted = storage.get(&metric()).unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Metric>(&counted.value).unwrap(), Metric::Counter(3));
}

#[tokio::test]
async fn a_crash_keeps_whole_commits_in_their_order() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let log = |folder: &Path| wal::files(folder).unwrap().pop().unwrap().1;
    // The tree has at least what was made durable before, and at most what the log has.
    let before = crashed(folder.path());
    let mut written = vec![fs::read(log(folder.path())).unwrap()];
    for _ in 0..3 {
        storage.commit(everything()).await.unwrap();
        written.push(fs::read(log(folder.path())).unwrap());
    }
    let ends: Vec<usize> = written.iter().map(Vec::len).collect();
    for cut in ends.iter().flat_map(|end| [end - 1, *end, end + 1]).filter(|cut| *cut <= ends[3]) {
        let crashed = crashed(before.path());
        fs::write(log(crashed.path()), &written[3][..cut]).unwrap();
        let kept = ends[1..].iter().filter(|end| **end <= cut).count();
        let storage = open(&crashed);
        assert_eq!(storage.last_sequence(), kept as u64, "after {cut} of {ends:?} bytes");
        assert_eq!(storage.scan(&KeyRange::deliveries("p", 0), 10).unwrap().len(), kept);
        // What comes after it is kept, too.
        storage.commit(everything()).await.unwrap();
        storage.close().await;
        assert_eq!(open(&crashed).last_sequence(), kept as u64 + 1);
    }
}

#[tokio::test]
async fn a_snapshot_that_was_not_finished_does_no_harm() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    storage.commit(everything()).await.unwrap();
    storage.close().await;
    for name in ["snap.0000000000000001.generating", "snap.FFFFFFFFFFFFFFFF.generating"] {
        fs::write(folder.path().join(name), "cut off").unwrap();
    }
    assert_eq!(open(&folder).last_sequence(), 1);
}

#[tokio::test]
async fn the_log_begins_anew_when_it_is_full_and_goes_with_the_end() {
    let folder = TempDir::new().unwrap();
    let options = Options { wal_bytes: 1000, ..Options::default() };
    let storage = SledStorage::open(folder.path(), options).unwrap();
    let large = || Commit { writes: vec![Write::Put(key(), vec![b'x'; 200_000].into())], ..everything() };
    for _ in 0..20 {
        storage.commit(large()).await.unwrap();
        assert!(wal::files(folder.path()).unwrap().len() <= 2);
    }
    let newest = wal::files(folder.path()).unwrap().pop().unwrap().0;
    assert!(newest > 18, "the newest log is {newest}");
    storage.close().await;
    assert_eq!(wal::files(folder.path()).unwrap(), []);
    let storage = open(&folder);
    assert_eq!(storage.get(&key()).unwrap().unwrap().value.len(), 200_000);
    assert_eq!(storage.last_sequence(), 20);
}

#[tokio::test]
async fn what_was_removed_does_not_pile_up() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let each = |write: fn(Key) -> Write| {
        let keys = (0..20_000).map(|number| Key::Kv { bucket: "b".to_owned(), key: format!("{number:05}") });
        let writes: Vec<Write> = keys.map(write).collect();
        let commits = writes.chunks(200).map(|writes| Commit { writes: writes.to_vec(), ..Commit::default() });
        commits.collect::<Vec<_>>()
    };
    for commit in each(|key| Write::Put(key, "value".into())) {
        storage.commit(commit).await.unwrap();
    }
    storage.close().await;
    let storage = open(&folder);
    for (number, commit) in each(Write::Delete).into_iter().enumerate() {
        storage.commit(commit).await.unwrap();
        if number == 40 {
            let rest = storage.scan(&KeyRange::kv("b", ""), 1000).unwrap();
            let names: Vec<String> = rest.into_iter().map(|(key, _)| key.to_string()).collect();
            assert!(names.len() == 1000 && names.is_sorted() && names[0].contains("08200"), "{names:?}");
        }
    }
    assert_eq!(storage.scan(&KeyRange::kv("b", ""), 10).unwrap(), []);
    assert!(storage.read(|open| Ok(open.recent().removed())).unwrap() < 20_000);
}

/// A process is killed while it commits and its logs become full; another goes on where it stopped.
#[tokio::test]
async fn a_crash_loses_nothing_that_was_answered() {
    let folder = TempDir::new().unwrap();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storage::sled::tests::commits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let answered = said.by_ref().lines().map_while(Result::ok);
        let answered = answered.filter_map(|line| line.strip_prefix("answered ")?.parse::<u64>().ok());
        let answered = answered.take(random.random_range(1..400)).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let storage = open(&folder);
        let last = storage.last_sequence();
        assert!(last >= answered, "{answered} commits were answered, and {last} are there");
        let found = storage.scan(&KeyRange::kv("b", ""), 1000).unwrap().into_iter();
        let found: Vec<_> = found.map(|(key, stored)| (key, stored.value)).collect();
        let expected = (last.saturating_sub(100) + 1..=last).map(|number| (numbered(number), value(number)));
        assert_eq!(found, expected.collect::<Vec<_>>(), "after {last} commits");
        storage.close().await;
    }
}

#[tokio::test]
#[ignore = "it is the process that another test kills"]
#[expect(clippy::print_stdout, reason = "its parent reads it")]
async fn commits_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let storage = SledStorage::open(Path::new(&folder), Options { wal_bytes: 20_000, ..Options::default() }).unwrap();
    for number in storage.last_sequence() + 1.. {
        let mut writes = vec![Write::Put(numbered(number), value(number))];
        // Of the last hundred only, so that what is removed is partly in the tree.
        writes.extend((number > 100).then(|| Write::Delete(numbered(number - 100))));
        let event = NewEvent { body: "event".into(), deliveries: Vec::new() };
        storage.commit(Commit { writes, events: vec![event], ..Commit::default() }).await.unwrap();
        println!("answered {number}");
    }
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    for _ in 0..2 {
        match SledStorage::open(folder.path(), Options::default()).err() {
            Some(Error::InUse { path }) => assert_eq!(path, folder.path().display().to_string()),
            other => panic!("a folder in use was opened: {other:?}"),
        }
    }
    storage.commit(everything()).await.unwrap();
    storage.close().await;
    for _ in 0..20 {
        open(&folder).close().await;
    }
}

#[tokio::test]
async fn a_store_of_another_schema_is_refused() {
    let cases: [(&[u8], &[u8], &str); 2] =
        [(b"Mschema", b"\0\0\0\0\0\0\0\x0199", "99"), (b"Tsomething", b"\0\0\0\0\0\0\0\x01value", "none")];
    for (key, value, expected) in cases {
        let folder = TempDir::new().unwrap();
        let db = ::sled::Config::new().path(folder.path()).flush_every_ms(None).open().unwrap();
        db.insert(key, value).unwrap();
        db.flush().unwrap();
        drop(db);
        match SledStorage::open(folder.path(), Options::default()).err() {
            Some(Error::Schema { found, supported: 2 }) => assert_eq!(found, expected),
            other => panic!("a store of another schema was opened: {other:?}"),
        }
    }
}

fn open(folder: &TempDir) -> SledStorage {
    SledStorage::open(folder.path(), Options::default()).unwrap()
}

/// A write, a metric and an event with a delivery.
fn everything() -> Commit {
    let delivery = NewDelivery { plugin: "p".to_owned(), body: "delivery".into() };
    Commit {
        expects: Vec::new(),
        writes: vec![Write::Put(key(), "value".into())],
        metrics: vec![(metric(), MetricChange::Count(1))],
        events: vec![NewEvent { body: "event".into(), deliveries: vec![delivery] }],
    }
}

/// In which folder [`commits_until_it_is_killed`] commits.
const FOLDER: &str = "TRIALBRIDGE_TEST_FOLDER";

fn numbered(number: u64) -> Key {
    Key::Kv { bucket: "b".to_owned(), key: format!("{number:06}") }
}

/// So long that a log is full after some fifty.
fn value(number: u64) -> Bytes {
    format!("{number:0300}").into()
}

fn key() -> Key {
    Key::Kv { bucket: "b".to_owned(), key: "k".to_owned() }
}

fn metric() -> Key {
    Key::Metric { plugin: "p".to_owned(), name: "n".to_owned(), labels: "[]".to_owned() }
}
