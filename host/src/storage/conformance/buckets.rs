//! The versions that vouch for lists.

use super::*;
use crate::storage::{ABSENT, Bucket, KeyRange};

pub(super) async fn appearing_and_going_move_a_bucket(storage: Arc<dyn Storage>) {
    let bucket = Bucket::Kv("b".to_owned());
    assert_eq!(storage.bucket_version(&bucket), ABSENT);
    let inserted = write(&*storage, [put(kv("b", "key"), "value")]).await;
    assert_eq!(storage.bucket_version(&bucket), inserted, "a key that appears moves its bucket");
    let removed = write(&*storage, [Write::Delete(kv("b", "key"))]).await;
    assert_eq!(storage.bucket_version(&bucket), removed, "a key that goes moves its bucket");
    assert_eq!(storage.bucket_version(&Bucket::Kv("other".to_owned())), ABSENT);

    let index = Key::TrialIndex { status: "ASSIGNED".to_owned(), trial_type: "ACS".to_owned(), id: "a".to_owned() };
    let trials = Bucket::Trials { status: "ASSIGNED".to_owned(), trial_type: "ACS".to_owned() };
    let inserted = write(&*storage, [put(index, "")]).await;
    assert_eq!(storage.bucket_version(&trials), inserted, "the index of trials is made of buckets too");
    assert_eq!(storage.bucket_version(&bucket), removed);
}

pub(super) async fn what_changes_nothing_moves_nothing(storage: Arc<dyn Storage>) {
    let bucket = Bucket::Kv("b".to_owned());
    let inserted = write(&*storage, [put(kv("b", "there"), "value")]).await;
    let cases = [
        ("overwriting", vec![put(kv("b", "there"), "another")]),
        ("deleting what is not there", vec![Write::Delete(kv("b", "absent"))]),
        ("appearing and going at once", vec![put(kv("b", "absent"), "value"), Write::Delete(kv("b", "absent"))]),
        ("going and appearing at once", vec![Write::Delete(kv("b", "there")), put(kv("b", "there"), "value")]),
        ("a key without a bucket", vec![put(trial("a"), "value")]),
    ];
    for (what, writes) in cases {
        write(&*storage, writes).await;
        assert_eq!(storage.bucket_version(&bucket), inserted, "{what} moved the bucket");
    }
}

pub(super) async fn a_moved_bucket_is_a_conflict(storage: Arc<dyn Storage>) {
    let bucket = Bucket::Kv("b".to_owned());
    let unmoved = Expect::Bucket(bucket.clone(), ABSENT);
    let commits = vec![
        expecting(unmoved.clone(), [put(trial("elsewhere"), "value")]),
        expecting(unmoved.clone(), [put(kv("b", "first"), "value")]),
        expecting(unmoved.clone(), [put(kv("b", "second"), "value")]),
        writing([put(kv("b", "first"), "overwritten")]),
    ];
    let answers = commit_together(&*storage, commits).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, true, false, true], "of two that expect the same bucket, the second comes too late");
    assert!(matches!(&answers[2], Err(CommitError::Conflict(reason)) if *reason == unmoved));
    let current = Expect::Bucket(bucket.clone(), storage.bucket_version(&bucket));
    commit(&*storage, expecting(current, [Write::Delete(kv("b", "first"))])).await;
}

/// Everyone counts the keys of a bucket and adds one that is named by their number: if ever a version vouched for a
/// list that lacks a key, two would choose the same name, and a key would be lost.
pub(super) async fn a_list_and_its_version_belong_together(storage: Arc<dyn Storage>) {
    const WRITERS: usize = 6;
    const KEYS_EACH: usize = 8;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let storage = Arc::clone(&storage);
        writers.spawn(async move {
            let bucket = Bucket::Kv("list".to_owned());
            let mut added = 0;
            while added < KEYS_EACH {
                let seen = Expect::Bucket(bucket.clone(), storage.bucket_version(&bucket));
                let list = storage.scan(&KeyRange::kv("list", ""), usize::MAX).expect("the store can be read");
                let next = put(kv("list", &format!("{:04}", list.len())), "value");
                match storage.commit(expecting(seen, [next])).await {
                    Ok(_) => added += 1,
                    Err(CommitError::Conflict(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("the store failed: {error}"),
                }
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer ends well");
    }
    let list = storage.scan(&KeyRange::kv("list", ""), usize::MAX).expect("the store can be read");
    assert_eq!(list.len(), WRITERS * KEYS_EACH, "an insert was made on the strength of a list that lacks another");
}
