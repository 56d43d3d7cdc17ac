//! What a plugin says it needs, against what is granted.

use std::collections::{BTreeMap, BTreeSet};

use super::bindings::trialbridge::plugin::types::{Access as Wanted, Need};
use super::inspect::Needed;
use crate::config::{Access, Grants};

/// The lines of rules.toml that would grant what is needed and missing.
pub(super) fn missing(needs: &[Need], grants: &Grants) -> Vec<String> {
    all(needs, grants).into_iter().filter(|needed| !needed.granted).map(|needed| needed.line).collect()
}

/// Each need, with the line of rules.toml that grants it.
pub(super) fn all(needs: &[Need], grants: &Grants) -> Vec<Needed> {
    needs.iter().map(|need| needed(need, grants)).collect()
}

/// The lines of rules.toml that grant all of it: one for each kind of grant, because TOML knows a key only once.
pub(super) fn lines(needs: &[Need], folders: &str, http: &str) -> Vec<String> {
    let (mut kv, mut paths) = (BTreeMap::new(), BTreeMap::new());
    let (mut trials, mut emit, mut requests) = (None, BTreeSet::new(), false);
    for need in needs {
        match need {
            Need::Kv((bucket, wanted)) => widen(kv.entry(bucket).or_insert(*wanted), *wanted),
            Need::Trials(wanted) => widen(trials.get_or_insert(*wanted), *wanted),
            Need::Emit(source) => drop(emit.insert(source)),
            Need::Folder((name, wanted)) => widen(paths.entry(name).or_insert(*wanted), *wanted),
            Need::Http => requests = true,
        }
    }
    let mut lines = Vec::new();
    if !kv.is_empty() {
        let buckets: Vec<_> = kv.iter().map(|(bucket, wanted)| format!("{bucket} = \"{}\"", word(*wanted))).collect();
        lines.push(format!("kv = {{ {} }}", buckets.join(", ")));
    }
    lines.extend(trials.map(|wanted| format!("trials = \"{}\"", word(wanted))));
    if !emit.is_empty() {
        lines.push(format!("emit = {emit:?}").replace(['{'], "[").replace('}', "]"));
    }
    if requests {
        lines.push(format!("http = [{http:?}]"));
    }
    if !paths.is_empty() {
        let paths: Vec<_> = paths.iter().map(|(name, wanted)| folder(name, *wanted, folders)).collect();
        lines.push(format!("folders = {{ {} }}", paths.join(", ")));
    }
    lines
}

/// A need, with the line that grants it.
fn needed(need: &Need, grants: &Grants) -> Needed {
    let granted = match need {
        Need::Kv((bucket, wanted)) => reaches(grants.kv.get(bucket).copied(), *wanted),
        Need::Trials(wanted) => reaches(grants.trials, *wanted),
        Need::Emit(source) => grants.emit.contains(source),
        Need::Folder((name, wanted)) => reaches(grants.folders.get(name).map(|folder| folder.access), *wanted),
        Need::Http => !grants.http.is_empty(),
    };
    let line = lines(std::slice::from_ref(need), "...", "https://...").join("");
    Needed { line, granted }
}

/// A folder of that name in `folders`; `...` for one that the operator has to choose.
fn folder(name: &str, wanted: Wanted, folders: &str) -> String {
    let path = if folders == "..." { folders.to_owned() } else { format!("{folders}/{name}") };
    format!("{name} = {{ path = {path:?}, access = \"{}\" }}", word(wanted))
}

fn widen(known: &mut Wanted, wanted: Wanted) {
    if let Wanted::ReadWrite = wanted {
        *known = Wanted::ReadWrite;
    }
}

fn reaches(granted: Option<Access>, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Read => granted.is_some(),
        Wanted::ReadWrite => granted == Some(Access::ReadWrite),
    }
}

fn word(access: Wanted) -> &'static str {
    match access {
        Wanted::Read => "read",
        Wanted::ReadWrite => "read-write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_for_several_needs_have_each_key_once() {
        let needs = [
            Need::Kv(("b".to_owned(), Wanted::Read)),
            Need::Kv(("a".to_owned(), Wanted::ReadWrite)),
            Need::Kv(("b".to_owned(), Wanted::ReadWrite)),
            Need::Emit("one".to_owned()),
            Need::Emit("two".to_owned()),
            Need::Folder(("out".to_owned(), Wanted::ReadWrite)),
            Need::Http,
        ];
        let expected = [
            r#"kv = { a = "read-write", b = "read-write" }"#,
            r#"emit = ["one", "two"]"#,
            r#"http = ["https://example.com"]"#,
            r#"folders = { out = { path = "/tmp/x/out", access = "read-write" } }"#,
        ];
        assert_eq!(lines(&needs, "/tmp/x", "https://example.com"), expected);
        assert_eq!(missing(&needs[3..4], &Grants::default()), [r#"emit = ["one"]"#]);
    }
}
