#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    // Short ones, out of few characters: prefixes of each other are what could go wrong.
    prop_oneof!["[\u{1}ab/ÿ\u{10ffff}]{1,4}", "[^\0]{1,20}"]
}

fn any_key() -> impl Strategy<Value = Key> {
    let number = prop_oneof![0u64..300, any::<u64>()];
    let timer = (prop::sample::select(&TimerKind::ALL), number.clone(), text());
    prop_oneof![
        prop::sample::select(&["schema", "counters"]).prop_map(Key::Meta),
        text().prop_map(Key::Trial),
        (text(), text(), text()).prop_map(|(status, trial_type, id)| Key::TrialIndex { status, trial_type, id }),
        (text(), text()).prop_map(|(bucket, key)| Key::Kv { bucket, key }),
        number.clone().prop_map(Key::Event),
        (text(), number.clone(), any::<u32>()).prop_map(|(plugin, sequence, ordinal)| Key::Delivery {
            plugin,
            sequence,
            ordinal
        }),
        (number.clone(), any::<u32>()).prop_map(|(sequence, ordinal)| Key::DeadLetter { sequence, ordinal }),
        (number, any::<u32>()).prop_map(|(sequence, ordinal)| Key::Receipt { sequence, ordinal }),
        timer.prop_map(|(kind, due, id)| Key::Timer { kind, due: Timestamp::from_millis(due), id }),
        (text(), text(), text()).prop_map(|(plugin, name, labels)| Key::Metric { plugin, name, labels }),
        text().prop_map(Key::Schedule),
    ]
}

proptest! {
    #[test]
    fn a_key_survives_encoding(key in any_key()) {
        prop_assert_eq!(Key::decode(&key.encode()), Some(key));
    }

    #[test]
    fn the_order_of_the_bytes_is_the_order_of_the_keys(one in any_key(), other in any_key()) {
        let kinds = [&one, &other].map(std::mem::discriminant);
        if kinds[0] == kinds[1] {
            prop_assert_eq!(one.cmp(&other), one.encode().cmp(&other.encode()));
        } else {
            prop_assert_ne!(one.encode()[0], other.encode()[0]);
        }
    }

    #[test]
    fn foreign_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(key) = Key::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes);
        }
    }
}

/// The key space is frozen. Whoever has to change a line here needs a new schema version and a migration.
#[test]
fn the_encoding_is_frozen() {
    let text = str::to_owned;
    let timer = |kind| Key::Timer { kind, due: Timestamp::from_millis(258), id: text("t") };
    let frozen: [(Key, &[u8]); 16] = [
        (Key::Meta("schema"), b"Mschema"),
        (Key::Meta("counters"), b"Mcounters"),
        (Key::Trial(text("t")), b"Tt"),
        (Key::TrialIndex { status: text("NEW"), trial_type: text("ACS"), id: text("t") }, b"INEW\0ACS\0t"),
        (Key::Kv { bucket: text("pool"), key: text("a/b") }, b"Kpool\0a/b"),
        (Key::Event(258), b"E\0\0\0\0\0\0\x01\x02"),
        (Key::Delivery { plugin: text("p"), sequence: 258, ordinal: 3 }, b"Dp\0\0\0\0\0\0\0\x01\x02\0\0\0\x03"),
        (Key::DeadLetter { sequence: 258, ordinal: 3 }, b"X\0\0\0\0\0\0\x01\x02\0\0\0\x03"),
        (Key::Receipt { sequence: 258, ordinal: 3 }, b"R\0\0\0\0\0\0\x01\x02\0\0\0\x03"),
        (timer(TimerKind::Expiry), b"W\x01\0\0\0\0\0\0\x01\x02t"),
        (timer(TimerKind::Delayed), b"W\x02\0\0\0\0\0\0\x01\x02t"),
        (timer(TimerKind::Retry), b"W\x03\0\0\0\0\0\0\x01\x02t"),
        (timer(TimerKind::Schedule), b"W\x04\0\0\0\0\0\0\x01\x02t"),
        (timer(TimerKind::Forget), b"W\x05\0\0\0\0\0\0\x01\x02t"),
        (Key::Metric { plugin: text("p"), name: text("n"), labels: text("[]") }, b"Cp\0n\0[]"),
        (Key::Schedule(text("rule")), b"Srule"),
    ];
    for (key, bytes) in frozen {
        assert_eq!(key.encode(), bytes, "{key}");
        assert_eq!(Key::decode(bytes).unwrap(), key);
    }
}
