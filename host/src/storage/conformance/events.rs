//! The journal, the queues, and the signals about both.

use super::*;
use crate::clock::Timestamp;
use crate::storage::key::TimerKind;
use crate::storage::signals::FirstTimers;
use crate::storage::{KeyRange, Sequence};

pub(super) async fn sequences_have_no_gaps(storage: Arc<dyn Storage>) {
    const COMMITTERS: u64 = 8;
    const COMMITS_EACH: u64 = 12;
    let mut committers = tokio::task::JoinSet::new();
    for committer in 0..COMMITTERS {
        let storage = Arc::clone(&storage);
        committers.spawn(async move {
            let mut given = Vec::new();
            for round in 0..COMMITS_EACH {
                // None, one or two events, and sometimes a commit that is refused.
                let count = (committer + round) % 3;
                let events = (0..count).map(|_| event(&format!("of {committer}"), &[]));
                if round % 4 == 0 {
                    let refused = expecting(Expect::Key(trial("absent"), 1), []);
                    let refused = storage.commit(Commit { events: vec![event("refused", &[])], ..refused }).await;
                    assert!(matches!(refused, Err(CommitError::Conflict(_))));
                }
                given.push((commit(&*storage, emitting(events)).await, count));
            }
            given
        });
    }
    let mut given = Vec::new();
    while let Some(ended) = committers.join_next().await {
        given.extend(ended.expect("a committer ends well"));
    }
    given.sort_by_key(|(committed, _)| committed.version);
    let mut next: Sequence = 1;
    for (committed, count) in given {
        assert_eq!(committed.first_sequence, next, "sequences follow the order of commits without gaps");
        next += count;
    }
    let journal = storage.scan(&KeyRange::events(0), usize::MAX).expect("the store can be read");
    let stored: Vec<Key> = journal.into_iter().map(|(key, _)| key).collect();
    assert_eq!(stored, (1..next).map(Key::Event).collect::<Vec<_>>());
    assert_eq!(storage.last_sequence(), next - 1);
}

pub(super) async fn deliveries_have_their_ordinals(storage: Arc<dyn Storage>) {
    let events = [event("one", &["p", "q", "p"]), event("two", &[]), event("three", &["q"])];
    let committed = commit(&*storage, emitting(events)).await;
    assert_eq!(committed.first_sequence, 1);
    let expected = [
        (Key::Event(1), "one"),
        (delivery("p", 1, 0), "one to p"),
        (delivery("q", 1, 1), "one to q"),
        (delivery("p", 1, 2), "one to p"),
        (Key::Event(2), "two"),
        (Key::Event(3), "three"),
        (delivery("q", 3, 0), "three to q"),
    ];
    for (key, body) in expected {
        assert_eq!(get(&*storage, &key), Some((committed.version, text(body))), "{key}");
    }
    let queued = storage.scan(&KeyRange::all_deliveries(), usize::MAX).expect("the store can be read");
    assert_eq!(queued.len(), 4);
}

pub(super) async fn signals_tell_where_to_look(storage: Arc<dyn Storage>) {
    let (mut events, mut timers) = (storage.signals().events(), storage.signals().timers());
    commit(&*storage, emitting([event("one", &["p"]), event("two", &["q", "p"])])).await;
    assert_eq!(*events.borrow_and_update(), 2, "the newest event is announced before the answer");
    let queues = storage.signals().queues().await;
    assert_eq!(queues.into_iter().collect::<Vec<_>>(), [("p".to_owned(), 1), ("q".to_owned(), 2)]);
    assert!(!timers.has_changed().expect("the store is open"));

    let timer = |due| Key::Timer { kind: TimerKind::Retry, due: Timestamp::from_millis(due), id: "p/1/0".to_owned() };
    for (due, announced) in [(7, true), (8, false), (6, true)] {
        write(&*storage, [put(timer(due), "")]).await;
        assert_eq!(timers.has_changed().expect("the store is open"), announced, "a timer that is due first at {due}");
        timers.mark_unchanged();
    }
    let first = |due| FirstTimers::from([(TimerKind::Retry, Timestamp::from_millis(due))]);
    assert_eq!(storage.signals().timers_looked_at(), first(6));
    storage.signals().timers_awaited(first(6));
    let timer = timer(5);
    write(&*storage, [put(timer.clone(), ""), Write::Delete(delivery("p", 1, 0))]).await;
    assert!(timers.has_changed().expect("the store is open"), "a timer before the one that is awaited is");
    assert_eq!(storage.signals().timers_looked_at(), first(5));
    timers.mark_unchanged();
    write(&*storage, [put(delivery("p", 1, 0), "again"), Write::Delete(timer)]).await;
    let queues = storage.signals().queues().await;
    assert_eq!(queues.into_iter().collect::<Vec<_>>(), [("p".to_owned(), 1)], "a delivery that is put is announced");
    assert!(!timers.has_changed().expect("the store is open"), "a timer that is deleted is none to wait for");
    assert!(!events.has_changed().expect("the store is open"));

    // Whoever follows the signal finds what it speaks of.
    let mut future = storage.commit(emitting([event("three", &[])]));
    let answer = hand_over(&mut future).await;
    events.changed().await.expect("the store is open");
    let announced = *events.borrow_and_update();
    assert_eq!(get(&*storage, &Key::Event(announced)).map(|(_, body)| body), Some(text("three")));
    if answer.is_none() {
        future.await.expect("nothing could be refused");
    }
}

pub(super) async fn a_foreign_sequence_is_not_given_out_again(storage: Arc<dyn Storage>) {
    write(&*storage, [put(Key::Event(7), "imported"), put(delivery("p", 9, 0), "imported")]).await;
    let committed = commit(&*storage, emitting([event("own", &["p"])])).await;
    assert_eq!(committed.first_sequence, 10);
    assert_eq!(get(&*storage, &Key::Event(7)).map(|(_, body)| body), Some(text("imported")));
    assert_eq!(*storage.signals().events().borrow(), 10);
}

fn delivery(plugin: &str, sequence: Sequence, ordinal: u32) -> Key {
    Key::Delivery { plugin: plugin.to_owned(), sequence, ordinal }
}
