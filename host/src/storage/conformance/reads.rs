//! Listing.

use super::*;
use crate::clock::Timestamp;
use crate::storage::KeyRange;
use crate::storage::key::TimerKind;

/// Fills the store with two or more keys of every kind, in no particular order.
async fn fill(storage: &dyn Storage) {
    let mut keys = vec![
        trial("b"),
        trial("a"),
        trial("ab"),
        index("NEW", "ACS", "2"),
        index("NEW", "ACS", "1"),
        index("NEW", "A", "3"),
        index("NEWER", "ACS", "4"),
        kv("b", "x/2"),
        kv("b", "x/10"),
        kv("b", "y"),
        kv("b", "x"),
        kv("bb", "x"),
        kv("a", "x"),
        delivery("p", 256, 0),
        delivery("p", 255, 1),
        delivery("p", 255, 0),
        delivery("pp", 1, 0),
        Key::DeadLetter { sequence: 300, ordinal: 0 },
        Key::DeadLetter { sequence: 2, ordinal: 1 },
        timer(TimerKind::Expiry, 256, "a"),
        timer(TimerKind::Expiry, 255, "b"),
        timer(TimerKind::Retry, 1, "c"),
        metric("p", "n"),
        metric("o", "n"),
        Key::Schedule("s".to_owned()),
        Key::Schedule("r".to_owned()),
    ];
    keys.extend([300, 2, 256].map(Key::Event));
    write(storage, keys.into_iter().map(|key| put(key, "value"))).await;
}

pub(super) async fn ranges_are_ordered_and_bounded(storage: Arc<dyn Storage>) {
    fill(&*storage).await;
    let cases = [
        (KeyRange::trials(None), vec![trial("a"), trial("ab"), trial("b")]),
        (KeyRange::trial_index("NEW", Some("ACS")), vec![index("NEW", "ACS", "1"), index("NEW", "ACS", "2")]),
        (
            KeyRange::trial_index("NEW", None),
            vec![index("NEW", "A", "3"), index("NEW", "ACS", "1"), index("NEW", "ACS", "2")],
        ),
        (
            KeyRange::trial_indexes(),
            vec![
                index("NEW", "A", "3"),
                index("NEW", "ACS", "1"),
                index("NEW", "ACS", "2"),
                index("NEWER", "ACS", "4"),
            ],
        ),
        (KeyRange::kv("b", ""), vec![kv("b", "x"), kv("b", "x/10"), kv("b", "x/2"), kv("b", "y")]),
        (KeyRange::kv("b", "x/"), vec![kv("b", "x/10"), kv("b", "x/2")]),
        (KeyRange::kv("none", ""), vec![]),
        (KeyRange::events(0), vec![Key::Event(2), Key::Event(256), Key::Event(300)]),
        (KeyRange::deliveries("p", 0), vec![delivery("p", 255, 0), delivery("p", 255, 1), delivery("p", 256, 0)]),
        (
            KeyRange::all_deliveries(),
            vec![delivery("p", 255, 0), delivery("p", 255, 1), delivery("p", 256, 0), delivery("pp", 1, 0)],
        ),
        (
            KeyRange::dead_letters(),
            vec![Key::DeadLetter { sequence: 2, ordinal: 1 }, Key::DeadLetter { sequence: 300, ordinal: 0 }],
        ),
        (
            KeyRange::timers(TimerKind::Expiry),
            vec![timer(TimerKind::Expiry, 255, "b"), timer(TimerKind::Expiry, 256, "a")],
        ),
        (
            KeyRange::timers_from(TimerKind::Expiry, Timestamp::from_millis(256)),
            vec![timer(TimerKind::Expiry, 256, "a")],
        ),
        (KeyRange::timers(TimerKind::Retry), vec![timer(TimerKind::Retry, 1, "c")]),
        (KeyRange::timers(TimerKind::Forget), vec![]),
        (KeyRange::metrics(), vec![metric("o", "n"), metric("p", "n")]),
        (KeyRange::schedules(), vec![Key::Schedule("r".to_owned()), Key::Schedule("s".to_owned())]),
    ];
    for (range, expected) in cases {
        assert_eq!(keys(&*storage, &range, usize::MAX), expected, "{range:?}");
    }
}

pub(super) async fn a_range_can_begin_anywhere(storage: Arc<dyn Storage>) {
    fill(&*storage).await;
    let cases = [
        (KeyRange::trials(Some("a")), vec![trial("ab"), trial("b")]),
        (KeyRange::trials(Some("aa")), vec![trial("ab"), trial("b")]),
        (KeyRange::trials(Some("b")), vec![]),
        (KeyRange::events(255), vec![Key::Event(256), Key::Event(300)]),
        (KeyRange::events(300), vec![]),
        (KeyRange::deliveries("p", 256), vec![delivery("p", 256, 0)]),
        (KeyRange::deliveries("p", 257), vec![]),
        (KeyRange::kv("b", "x").after(Some(&kv("b", "x"))), vec![kv("b", "x/10"), kv("b", "x/2")]),
        (KeyRange::kv("b", "x/").after(Some(&kv("b", "a"))), vec![kv("b", "x/10"), kv("b", "x/2")]),
        (KeyRange::kv("b", "x/").after(Some(&kv("b", "y"))), vec![]),
        (KeyRange::kv("b", "x/").after(None), vec![kv("b", "x/10"), kv("b", "x/2")]),
        (KeyRange::trial_indexes_beyond("NEW"), vec![index("NEWER", "ACS", "4")]),
        (KeyRange::deliveries_beyond("p"), vec![delivery("pp", 1, 0)]),
    ];
    for (range, expected) in cases {
        assert_eq!(keys(&*storage, &range, usize::MAX), expected, "{range:?}");
    }
}

pub(super) async fn a_limit_holds(storage: Arc<dyn Storage>) {
    fill(&*storage).await;
    let all = keys(&*storage, &KeyRange::kv("b", ""), usize::MAX);
    for limit in 0..=all.len() + 1 {
        assert_eq!(keys(&*storage, &KeyRange::kv("b", ""), limit), all[..limit.min(all.len())]);
    }
}

fn keys(storage: &dyn Storage, range: &KeyRange, limit: usize) -> Vec<Key> {
    let found = storage.scan(range, limit).expect("the store can be read");
    let listed = |(key, value): (Key, crate::storage::Versioned)| {
        assert_eq!(get(storage, &key), Some((value.version, value.value)), "{key} is listed as it is read");
        key
    };
    found.into_iter().map(listed).collect()
}

fn index(status: &str, trial_type: &str, id: &str) -> Key {
    Key::TrialIndex { status: status.to_owned(), trial_type: trial_type.to_owned(), id: id.to_owned() }
}

fn delivery(plugin: &str, sequence: u64, ordinal: u32) -> Key {
    Key::Delivery { plugin: plugin.to_owned(), sequence, ordinal }
}

fn timer(kind: TimerKind, due: u64, id: &str) -> Key {
    Key::Timer { kind, due: Timestamp::from_millis(due), id: id.to_owned() }
}

fn metric(plugin: &str, name: &str) -> Key {
    Key::Metric { plugin: plugin.to_owned(), name: name.to_owned(), labels: "[]".to_owned() }
}
