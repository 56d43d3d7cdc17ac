//! The language once more, in the most obvious way: all combinations of all values, one after the other.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::super::value::{Kind, Value};

/// Whether an event matches a pattern; both are well-formed.
pub(super) fn matches(pattern: &Value, event: &Value) -> bool {
    let mut values = Vec::new();
    collect(event, "", &[], &mut 0, &mut values);
    let mut combinations = vec![BTreeMap::new()];
    combine(pattern, "", &mut combinations);
    combinations.iter().any(|fields| choose(&fields.iter().collect::<Vec<_>>(), &values, &[]))
}

/// Which element of which array, from the outermost on.
type Elements = [(usize, usize)];

/// A value without parts: the names that lead to it, the elements it is in, and itself.
type Found<'v> = (String, Vec<(usize, usize)>, &'v Value);

fn collect<'v>(value: &'v Value, path: &str, elements: &Elements, arrays: &mut usize, values: &mut Vec<Found<'v>>) {
    match &value.kind {
        Kind::Object(members) => {
            for (key, value) in members {
                collect(value, &join(path, &key.name), elements, arrays, values);
            }
        }
        Kind::Array(items) => {
            *arrays += 1;
            let array = *arrays;
            for (index, item) in items.iter().enumerate() {
                let inner = [elements, &[(array, index)]].concat();
                let has_parts = matches!(item.kind, Kind::Array(_) | Kind::Object(_));
                collect(item, path, if has_parts { &inner } else { elements }, arrays, values);
            }
        }
        _ => values.push((path.to_owned(), elements.to_vec(), value)),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn combine<'p>(pattern: &'p Value, path: &str, combinations: &mut Vec<BTreeMap<String, &'p [Value]>>) {
    let Kind::Object(members) = &pattern.kind else { panic!("{pattern} is no object") };
    for (key, value) in members {
        match &value.kind {
            Kind::Array(alternatives) if key.name == "$or" => {
                let mut all = Vec::new();
                for alternative in alternatives {
                    let mut branch = combinations.clone();
                    combine(alternative, path, &mut branch);
                    all.append(&mut branch);
                }
                *combinations = all;
            }
            Kind::Array(alternatives) => {
                for fields in &mut *combinations {
                    fields.insert(join(path, &key.name), alternatives);
                }
            }
            _ => combine(value, &join(path, &key.name), combinations),
        }
    }
}

/// Whether there is a value for each field, none in another element of an array than another one.
fn choose(fields: &[(&String, &&[Value])], values: &[Found<'_>], chosen: &[&Elements]) -> bool {
    let consistent = |elements: &Elements| {
        chosen.iter().all(|other| {
            other.iter().all(|(array, index)| elements.iter().all(|(same, element)| same != array || element == index))
        })
    };
    // Values first: what may be missing is known when all others are chosen.
    let Some((path, alternatives)) = fields.iter().find(|(_, alternatives)| !alternatives.iter().any(is_absent)) else {
        return undecided(fields, values, chosen);
    };
    let rest: Vec<_> = fields.iter().filter(|(other, _)| other != path).copied().collect();
    let mut here = values.iter().filter(|(other, elements, _)| other == *path && consistent(elements));
    here.any(|(_, elements, value)| {
        alternatives.iter().any(|alternative| accepts(alternative, value))
            && choose(&rest, values, &[chosen, &[elements.as_slice()]].concat())
    })
}

/// Fields that may be missing: each is taken as missing and as there, in all combinations.
fn undecided(fields: &[(&String, &&[Value])], values: &[Found<'_>], chosen: &[&Elements]) -> bool {
    (0..1_u32 << fields.len()).any(|there| {
        let (present, missing): (Vec<_>, Vec<_>) =
            fields.iter().enumerate().partition(|(place, _)| there >> place & 1 == 1);
        let present: Vec<_> = present.into_iter().map(|(_, field)| *field).collect();
        let missing: Vec<_> = missing.into_iter().map(|(_, field)| field.0.as_str()).collect();
        pick(&present, &missing, values, chosen)
    })
}

fn pick(present: &[(&String, &&[Value])], missing: &[&str], values: &[Found<'_>], chosen: &[&Elements]) -> bool {
    let consistent = |elements: &Elements| {
        chosen.iter().all(|other| {
            other.iter().all(|(array, index)| elements.iter().all(|(same, element)| same != array || element == index))
        })
    };
    let Some(((path, alternatives), rest)) = present.split_first() else {
        return !values.iter().any(|(path, elements, _)| missing.contains(&path.as_str()) && consistent(elements));
    };
    let mut here = values.iter().filter(|(other, elements, _)| other == *path && consistent(elements));
    here.any(|(_, elements, value)| {
        alternatives.iter().any(|alternative| accepts(alternative, value))
            && pick(rest, missing, values, &[chosen, &[elements.as_slice()]].concat())
    })
}

fn is_absent(alternative: &Value) -> bool {
    matches!(operator(alternative), Some(("exists", Value { kind: Kind::Bool(false), .. })))
}

fn operator(alternative: &Value) -> Option<(&str, &Value)> {
    match &alternative.kind {
        Kind::Object(members) => members.first().map(|(key, operand)| (key.name.as_str(), operand)),
        _ => None,
    }
}

fn accepts(alternative: &Value, value: &Value) -> bool {
    let Some((name, operand)) = operator(alternative) else { return equal(alternative, value) };
    if let Some((inner, text)) = operator(operand)
        && matches!(name, "prefix" | "suffix")
    {
        assert_eq!(inner, "equals-ignore-case");
        let Kind::String(found) = &value.kind else { return false };
        // All ways to cut the value in two.
        let mut cuts = (0..=found.len()).filter(|cut| found.is_char_boundary(*cut)).map(|cut| found.split_at(cut));
        return cuts.any(|(start, end)| same_letters(string(text), if name == "prefix" { start } else { end }));
    }
    match (name, &value.kind) {
        ("exists", _) => operand.kind == Kind::Bool(true),
        ("anything-but", _) => !unwanted(operand).iter().any(|unwanted| accepts(unwanted, value)),
        ("exactly", _) => equal(operand, value),
        ("prefix", Kind::String(found)) => found.starts_with(string(operand)),
        ("suffix", Kind::String(found)) => found.ends_with(string(operand)),
        ("equals-ignore-case", Kind::String(found)) => same_letters(string(operand), found),
        ("wildcard", Kind::String(found)) => glob(string(operand), found),
        ("cidr", Kind::String(found)) => in_network(string(operand), found),
        ("numeric", Kind::Number(found)) => match &operand.kind {
            Kind::Array(items) => items.chunks(2).all(|pair| compare(string(&pair[0]), &pair[1], found)),
            _ => false,
        },
        _ => false,
    }
}

/// What `anything-but` excludes, as alternatives of their own.
fn unwanted(operand: &Value) -> Vec<Value> {
    match operator(operand) {
        None => items(operand),
        Some((name, inner)) => {
            let wrap = |item: Value| {
                let key = super::super::value::Key { span: 0..0, name: name.to_owned() };
                Value { span: 0..0, kind: Kind::Object(vec![(key, item)]) }
            };
            items(inner).into_iter().map(wrap).collect()
        }
    }
}

fn items(value: &Value) -> Vec<Value> {
    match &value.kind {
        Kind::Array(items) => items.clone(),
        _ => vec![value.clone()],
    }
}

fn string(value: &Value) -> &str {
    match &value.kind {
        Kind::String(text) => text,
        _ => panic!("{value} is no string"),
    }
}

fn equal(wanted: &Value, found: &Value) -> bool {
    match (&wanted.kind, &found.kind) {
        (Kind::Number(wanted), Kind::Number(found)) => {
            wanted == found || comparable(wanted).is_some_and(|number| comparable(found) == Some(number))
        }
        (wanted, found) => wanted == found,
    }
}

/// The number, if its shortest spelling has the same digits.
fn comparable(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    // Without exponents, as the generated numbers are small.
    let digits = |text: &str| {
        let text = text.trim_start_matches('-');
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
    };
    let plain = if text.contains('e') { format!("{}", text.parse::<f64>().ok()?) } else { text.to_owned() };
    (number.is_finite() && digits(&plain) == digits(&number.to_string())).then_some(number)
}

fn compare(sign: &str, bound: &Value, found: &str) -> bool {
    let (Kind::Number(bound), Some(found)) = (&bound.kind, comparable(found)) else { return false };
    let bound: f64 = bound.parse().expect("a number");
    match sign {
        "=" => found == bound,
        "<" => found < bound,
        "<=" => found <= bound,
        ">" => found > bound,
        ">=" => found >= bound,
        other => panic!("{other} is no sign"),
    }
}

fn same_letters(pattern: &str, found: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return found.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let cases = [first.to_string(), first.to_lowercase().to_string(), first.to_uppercase().to_string()];
    cases.iter().any(|case| found.strip_prefix(case.as_str()).is_some_and(|found| same_letters(rest, found)))
}

fn glob(pattern: &str, found: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => found.is_empty(),
        Some('*') => (0..=found.len())
            .filter(|cut| found.is_char_boundary(*cut))
            .any(|cut| glob(characters.as_str(), &found[cut..])),
        Some('\\') => {
            let escaped = characters.next().expect("an escaped character");
            found.strip_prefix(escaped).is_some_and(|found| glob(characters.as_str(), found))
        }
        Some(plain) => found.strip_prefix(plain).is_some_and(|found| glob(characters.as_str(), found)),
    }
}

fn in_network(network: &str, found: &str) -> bool {
    let (base, length) = network.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    match (base.parse().expect("an address"), found.parse().map(|found: IpAddr| found.to_canonical())) {
        (IpAddr::V4(base), Ok(IpAddr::V4(found))) => {
            length == 0 || u32::from(base) >> (32 - length) == u32::from(found) >> (32 - length)
        }
        (IpAddr::V6(base), Ok(IpAddr::V6(found))) => {
            length == 0 || u128::from(base) >> (128 - length) == u128::from(found) >> (128 - length)
        }
        _ => false,
    }
}
