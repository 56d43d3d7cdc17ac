//! Callers that go away, and the end.

use super::*;
use crate::storage::{Error, KeyRange};

pub(super) async fn a_dropped_caller_cancels_nothing(storage: Arc<dyn Storage>) {
    let mut events = storage.signals().events();
    for number in 0..8 {
        let mut future = storage.commit(emitting([event(&number.to_string(), &[])]));
        hand_over(&mut future).await;
    }
    events.wait_for(|last| *last == 8).await.expect("the store is open");
    let journal = storage.scan(&KeyRange::events(0), usize::MAX).expect("the store can be read");
    let bodies: Vec<Bytes> = journal.into_iter().map(|(_, event)| event.value).collect();
    assert_eq!(bodies, (0..8).map(|number| text(&number.to_string())).collect::<Vec<_>>());
}

pub(super) async fn a_closed_store_refuses(storage: Arc<dyn Storage>) {
    write(&*storage, [put(trial("a"), "value")]).await;
    storage.close().await;
    storage.close().await;
    let answer = storage.commit(writing([put(trial("b"), "value")])).await;
    assert!(matches!(answer, Err(CommitError::Storage(Error::Closed))), "a closed store answered {answer:?}");
    assert!(matches!(storage.get(&trial("a")), Err(Error::Closed)));
    assert!(matches!(storage.scan(&KeyRange::trials(None), 1), Err(Error::Closed)));
}

pub(super) async fn closing_finishes_what_was_handed_over(storage: Arc<dyn Storage>) {
    let mut waiting = Vec::new();
    for number in 0..16 {
        let mut future = storage.commit(writing([put(trial(&number.to_string()), "value")]));
        let early = hand_over(&mut future).await;
        waiting.push((future, early));
    }
    storage.close().await;
    for (future, early) in waiting {
        let answer = match early {
            Some(answer) => answer,
            None => future.await,
        };
        answer.expect("what was handed over before the end is carried out");
    }
}
