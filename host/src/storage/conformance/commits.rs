//! Versions, expectations, limits and metrics.

use super::*;
use crate::storage::commit::MAX_OPERATIONS;
use crate::storage::metric::{Metric, MetricChange};
use crate::storage::{ABSENT, Error};

pub(super) async fn putting_getting_and_deleting(storage: Arc<dyn Storage>) {
    let key = trial("a");
    assert_eq!(get(&*storage, &key), None, "a new store is empty");
    let first = write(&*storage, [put(key.clone(), "one")]).await;
    assert_eq!(get(&*storage, &key), Some((first, text("one"))), "a value has the version of its commit");
    let second = write(&*storage, [put(key.clone(), "")]).await;
    assert_eq!(get(&*storage, &key), Some((second, text(""))), "an empty value is a value");
    write(&*storage, [Write::Delete(key.clone())]).await;
    assert_eq!(get(&*storage, &key), None, "what was deleted is gone");
    write(&*storage, [Write::Delete(key)]).await;
}

pub(super) async fn versions_are_never_used_twice(storage: Arc<dyn Storage>) {
    let key = kv("bucket", "key");
    let mut newest = ABSENT;
    for round in 0..3 {
        for writes in [vec![put(key.clone(), "value")], vec![Write::Delete(key.clone())], Vec::new()] {
            let version = write(&*storage, writes).await;
            assert!(version > newest, "round {round}: version {version} does not follow {newest}");
            newest = version;
        }
    }
}

pub(super) async fn of_several_writes_the_last_counts(storage: Arc<dyn Storage>) {
    let (kept, gone) = (trial("kept"), trial("gone"));
    let writes = [
        put(kept.clone(), "first"),
        put(gone.clone(), "first"),
        Write::Delete(kept.clone()),
        Write::Delete(gone.clone()),
        put(kept.clone(), "last"),
    ];
    let version = write(&*storage, writes).await;
    assert_eq!(get(&*storage, &kept), Some((version, text("last"))));
    assert_eq!(get(&*storage, &gone), None);
}

pub(super) async fn a_conflict_leaves_nothing_behind(storage: Arc<dyn Storage>) {
    let (key, other) = (trial("a"), kv("bucket", "b"));
    let stale = write(&*storage, [put(key.clone(), "one")]).await;
    let current = write(&*storage, [put(key.clone(), "two")]).await;
    for wrong in [ABSENT, stale, current + 1] {
        let expect = Expect::Key(key.clone(), wrong);
        let refused = Commit {
            metrics: vec![(metric("m"), MetricChange::Count(1))],
            events: vec![event("never", &["p"])],
            ..expecting(expect.clone(), [put(key.clone(), "three"), put(other.clone(), "four")])
        };
        match storage.commit(refused).await {
            Err(CommitError::Conflict(reason)) => assert_eq!(reason, expect, "a conflict says what does not hold"),
            answer => panic!("version {wrong} is not that of the key, yet the answer is {answer:?}"),
        }
    }
    assert_eq!(get(&*storage, &key), Some((current, text("two"))));
    for key in [other, metric("m"), Key::Event(1), Key::Delivery { plugin: "p".to_owned(), sequence: 1, ordinal: 0 }] {
        assert_eq!(get(&*storage, &key), None, "{key} comes from a commit that was refused");
    }
    assert_eq!(storage.last_sequence(), 0, "a commit that was refused takes no sequence");
    commit(&*storage, expecting(Expect::Key(key.clone(), current), [Write::Delete(key.clone())])).await;
    commit(&*storage, expecting(Expect::Key(key.clone(), ABSENT), [put(key, "five")])).await;
}

pub(super) async fn one_of_many_waiting_commits_wins(storage: Arc<dyn Storage>) {
    let key = trial("contested");
    let contend = |name: &str| expecting(Expect::Key(key.clone(), ABSENT), [put(key.clone(), name)]);
    let commits = (0..24).map(|number| contend(&number.to_string())).collect();
    let answers = commit_together(&*storage, commits).await;
    let won = answers[0].as_ref().expect("the first one finds what it expects").version;
    for answer in &answers[1..] {
        assert!(matches!(answer, Err(CommitError::Conflict(_))), "a second one won: {answer:?}");
    }
    assert_eq!(get(&*storage, &key), Some((won, text("0"))));
}

pub(super) async fn a_waiting_commit_sees_those_before_it(storage: Arc<dyn Storage>) {
    let (key, busy) = (trial("a"), trial("busy"));
    let expect_absent = |writes| expecting(Expect::Key(key.clone(), ABSENT), writes);
    let commits = vec![
        writing([put(busy, "keeps the writer busy, so that the others wait together")]),
        expect_absent(vec![put(key.clone(), "one")]),
        expect_absent(vec![put(key.clone(), "refused")]),
        writing([Write::Delete(key.clone())]),
        expect_absent(vec![put(key.clone(), "two")]),
    ];
    let answers = commit_together(&*storage, commits).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, true, false, true, true]);
    let versions: Vec<Version> = answers.into_iter().flatten().map(|committed| committed.version).collect();
    assert!(versions.is_sorted_by(|earlier, later| earlier < later), "{versions:?} are not in the order of arrival");
    assert_eq!(get(&*storage, &key), Some((versions[3], text("two"))));
}

pub(super) async fn too_many_operations_are_refused(storage: Arc<dyn Storage>) {
    let of_size = |size: usize| Commit {
        metrics: vec![(metric("m"), MetricChange::Count(1))],
        events: vec![event("one of the operations", &["p", "q"])],
        ..writing((2..size).map(|number| put(trial(&number.to_string()), "value")))
    };
    match storage.commit(of_size(MAX_OPERATIONS + 1)).await {
        Err(CommitError::TooLarge(size)) => assert_eq!(size, MAX_OPERATIONS + 1),
        answer => panic!("one operation too many, yet the answer is {answer:?}"),
    }
    assert_eq!(storage.last_sequence(), 0);
    assert_eq!(get(&*storage, &trial("2")), None);
    let version = commit(&*storage, of_size(MAX_OPERATIONS)).await.version;
    for key in [trial("2"), trial(&(MAX_OPERATIONS - 1).to_string()), metric("m"), Key::Event(1)] {
        assert_eq!(get(&*storage, &key).map(|(version, _)| version), Some(version), "{key} belongs to the commit");
    }
}

pub(super) async fn what_belongs_to_the_store_is_refused(storage: Arc<dyn Storage>) {
    let writes = writing([put(Key::Meta("schema"), "999")]);
    let no_metric = Commit { metrics: vec![(trial("a"), MetricChange::Count(1))], ..Commit::default() };
    for mistake in [writes, no_metric] {
        let answer = storage.commit(mistake).await;
        assert!(matches!(answer, Err(CommitError::Storage(Error::Backend(_)))), "a mistake was answered {answer:?}");
    }
    write(&*storage, [put(trial("a"), "the store goes on")]).await;
}

pub(super) async fn metrics_are_merged(storage: Arc<dyn Storage>) {
    let merging = |name: &str, change| Commit { metrics: vec![(metric(name), change)], ..Commit::default() };
    let count = merging("counter", MetricChange::Count(2));
    for answer in commit_together(&*storage, vec![count; 20]).await {
        answer.expect("counting needs no precondition");
    }
    let many =
        [MetricChange::Set(1.5), MetricChange::Add(2.0), MetricChange::Add(f64::NAN), MetricChange::Set(f64::NAN)];
    let gauge = Commit { metrics: many.map(|change| (metric("gauge"), change)).into(), ..Commit::default() };
    let version = commit(&*storage, gauge).await.version;
    // Powers of two, so that the sum is exact.
    for seconds in [0.0009765625, 5000.0, 0.001953125] {
        commit(&*storage, merging("histogram", MetricChange::Observe(seconds))).await;
    }
    assert_eq!(read_metric(&*storage, "counter"), Some(Metric::Counter(40)));
    assert_eq!(read_metric(&*storage, "gauge"), Some(Metric::Gauge(3.5)));
    assert_eq!(get(&*storage, &metric("gauge")).map(|(version, _)| version), Some(version));
    let Some(Metric::Histogram { buckets, sum }) = read_metric(&*storage, "histogram") else {
        panic!("an observation makes a histogram");
    };
    assert_eq!((buckets[0], buckets[1], buckets.last().copied(), sum), (1, 1, Some(1), 5000.0029296875));

    write(&*storage, [Write::Delete(metric("counter"))]).await;
    commit(&*storage, merging("counter", MetricChange::Count(3))).await;
    assert_eq!(read_metric(&*storage, "counter"), Some(Metric::Counter(3)), "a deleted metric begins anew");
    write(&*storage, [put(metric("counter"), r#"{"counter":10}"#)]).await;
    commit(&*storage, merging("counter", MetricChange::Count(1))).await;
    assert_eq!(read_metric(&*storage, "counter"), Some(Metric::Counter(11)), "a metric that was put is counted on");
}

fn metric(name: &str) -> Key {
    Key::Metric { plugin: "p".to_owned(), name: name.to_owned(), labels: "[]".to_owned() }
}

fn read_metric(storage: &dyn Storage, name: &str) -> Option<Metric> {
    let (_, json) = get(storage, &metric(name))?;
    Some(serde_json::from_slice(&json).expect("a metric is stored as JSON"))
}
