//! Patterns and events that have a good chance to have to do with each other.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The JSON text of a pattern.
pub(in super::super) fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => fields(2),
        1 => (fields(1), fields(1), fields(1)).prop_map(|(all, one, other)| {
            format!(r#"{},"$or":[{one},{other}]}}"#, &all[..all.len() - 1])
        }),
        1 => (fields(1), fields(1)).prop_map(|(one, other)| format!(r#"{{"a":{{"$or":[{one},{other}]}}}}"#)),
    ]
}

/// The JSON text of an event. Names may be repeated, and have dots in them.
pub(in super::super) fn event() -> impl Strategy<Value = String> {
    object(3)
}

/// The JSON text of an event in which each field is in one place: no name is repeated, and none has dots in it.
pub(in super::super) fn plain_event() -> impl Strategy<Value = String> {
    object(3).prop_filter("a name twice", |event| {
        let parsed: serde_json::Value = serde_json::from_str(event).expect("JSON");
        parsed.to_string().len() == event.len() && !event.contains("a.b")
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    select(&["a", "a", "b", "b", "c", "d", "a.b"][..])
}

fn text() -> impl Strategy<Value = &'static str> {
    select(&["", "a", "b", "ab", "AB", "aab", "abab", "ß", "SS", "ss", "10.0.0.1", "10.9.9.9", "::1", "3"][..])
}

fn number() -> impl Strategy<Value = &'static str> {
    select(&["0", "-0.0", "1", "1.0", "2", "3", "3.5", "9007199254740993", "0.1234567890123456789"][..])
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| format!("{text:?}")),
        number().prop_map(str::to_owned),
        select(&["true", "false", "null"][..]).prop_map(str::to_owned),
    ]
}

fn object(depth: u32) -> BoxedStrategy<String> {
    vec((name(), value(depth)), 0..4)
        .prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
        .boxed()
}

fn value(depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return scalar().boxed();
    }
    let array = vec(prop_oneof![2 => object(depth - 1), 1 => value(depth - 1)], 0..4);
    let array = array.prop_map(|items| format!("[{}]", items.join(",")));
    prop_oneof![3 => scalar(), 2 => array, 2 => object(depth - 1)].boxed()
}

fn fields(depth: u32) -> BoxedStrategy<String> {
    let field = if depth == 0 { leaf().boxed() } else { prop_oneof![2 => leaf(), 1 => fields(depth - 1)].boxed() };
    vec((name(), field), 1..4)
        .prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
        .boxed()
}

fn leaf() -> impl Strategy<Value = String> {
    vec(condition(), 1..3).prop_map(|conditions| format!("[{}]", conditions.join(",")))
}

fn condition() -> impl Strategy<Value = String> {
    let wildcard = select(&["*", "a*", "*b", "*a*", "a*b", "*b*a*", "ab", ""][..]);
    let comparable = select(&["0", "1", "2.0", "3.5"][..]);
    let texts = || vec(text(), 1..3).prop_map(|texts| format!("{texts:?}"));
    prop_oneof![
        4 => scalar(),
        2 => any::<bool>().prop_map(|exists| format!(r#"{{"exists":{exists}}}"#)),
        1 => text().prop_map(|text| format!(r#"{{"exactly":{text:?}}}"#)),
        2 => (select(&["prefix", "suffix"][..]), text()).prop_map(|(name, text)| format!(r#"{{{name:?}:{text:?}}}"#)),
        1 => text().prop_map(|text| format!(r#"{{"equals-ignore-case":{text:?}}}"#)),
        1 => (select(&["prefix", "suffix"][..]), text())
            .prop_map(|(name, text)| format!(r#"{{{name:?}:{{"equals-ignore-case":{text:?}}}}}"#)),
        2 => wildcard.clone().prop_map(|text| format!(r#"{{"wildcard":{text:?}}}"#)),
        1 => (select(&["<", "<=", "=", ">=", ">"][..]), comparable)
            .prop_map(|(sign, number)| format!(r#"{{"numeric":[{sign:?},{number}]}}"#)),
        1 => select(&[r#"[">",0,"<",3]"#, r#"[">=",1,"<=",3.5]"#][..])
            .prop_map(|range| format!(r#"{{"numeric":{range}}}"#)),
        1 => select(&["10.0.0.0/16", "10.0.0.0/8", "::/0", "0.0.0.0/0"][..])
            .prop_map(|network| format!(r#"{{"cidr":{network:?}}}"#)),
        1 => prop_oneof![texts(), Just("[1,3.5]".to_owned()), Just("0".to_owned()), Just(r#""ab""#.to_owned())]
            .prop_map(|unwanted| format!(r#"{{"anything-but":{unwanted}}}"#)),
        1 => (select(&["prefix", "suffix"][..]), select(&["a", "b", "ab"][..]))
            .prop_map(|(name, text)| format!(r#"{{"anything-but":{{{name:?}:{text:?}}}}}"#)),
        1 => texts().prop_map(|texts| format!(r#"{{"anything-but":{{"equals-ignore-case":{texts}}}}}"#)),
        1 => wildcard.prop_map(|text| format!(r#"{{"anything-but":{{"wildcard":{text:?}}}}}"#)),
    ]
}
