//! What a plugin says it needs, against what is granted.

use super::bindings::trialbridge::plugin::types::{Access as Wanted, Need};
use crate::config::{Access, Grants};

/// The lines of rules.toml that would grant what is needed and missing.
pub(super) fn missing(needs: &[Need], grants: &Grants) -> Vec<String> {
    needs.iter().filter_map(|need| line(need, grants)).collect()
}

/// The line that would grant `need`; `None` if it is granted.
fn line(need: &Need, grants: &Grants) -> Option<String> {
    let (granted, line) = match need {
        Need::Kv((bucket, wanted)) => {
            (reaches(grants.kv.get(bucket).copied(), *wanted), format!("kv = {{ {bucket} = \"{}\" }}", word(*wanted)))
        }
        Need::Trials(wanted) => (reaches(grants.trials, *wanted), format!("trials = \"{}\"", word(*wanted))),
        Need::Emit(source) => (grants.emit.contains(source), format!("emit = [\"{source}\"]")),
        Need::Folder((name, wanted)) => {
            let access = grants.folders.get(name).map(|folder| folder.access);
            let line = format!("folders = {{ {name} = {{ path = \"...\", access = \"{}\" }} }}", word(*wanted));
            (reaches(access, *wanted), line)
        }
        Need::Http => (!grants.http.is_empty(), "http = [\"https://...\"]".to_owned()),
    };
    (!granted).then_some(line)
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
