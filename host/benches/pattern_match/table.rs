//! The rows, for people and for machines.

use std::io::Write;

use serde_json::json;

use crate::measure::{Figures, Row};

/// Prints a line of JSON. What an engine cannot do is null.
pub(crate) fn json(rows: &[Row]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "workload": row.workload,
                "rules": row.rules,
                "matches": row.matches,
                "ours_ns": row.ours.as_ref().ok().map(|ours| ours.match_ns),
                "quamina_ns": row.theirs.as_ref().ok().map(|theirs| theirs.match_ns),
                "ours_mb": row.ours.as_ref().ok().map(|ours| ours.mb),
                "quamina_mb": row.theirs.as_ref().ok().map(|theirs| theirs.mb),
                "compile_us_per_rule": row.ours.as_ref().ok().map(|ours| ours.compile_us_per_rule),
                "quamina_compile_us_per_rule": row.theirs.as_ref().ok().map(|theirs| theirs.compile_us_per_rule),
                "note": note(row),
            })
        })
        .collect();
    writeln!(std::io::stdout().lock(), "{}", json!({ "rows": rows })).unwrap();
}

/// Prints a table in Markdown.
pub(crate) fn markdown(rows: &[Row]) {
    let mut out = std::io::stdout().lock();
    let columns = ["workload", "rules", "matches", "ns", "quamina ns", "MB", "quamina MB", "compile µs/rule", "note"];
    writeln!(out, "| {} |", columns.join(" | ")).unwrap();
    writeln!(out, "|---|{}---|", "---:|".repeat(columns.len() - 2)).unwrap();
    for row in rows {
        let show = |engine: &Result<Figures, String>, figure: fn(&Figures) -> f64| {
            engine.as_ref().map_or_else(|_| "n/a".to_owned(), |figures| readable(figure(figures)))
        };
        let cells = [
            row.workload.clone(),
            row.rules.to_string(),
            row.matches.map_or_else(|| "n/a".to_owned(), readable),
            show(&row.ours, |figures| figures.match_ns),
            show(&row.theirs, |figures| figures.match_ns),
            show(&row.ours, |figures| figures.mb),
            show(&row.theirs, |figures| figures.mb),
            show(&row.ours, |figures| figures.compile_us_per_rule),
            note(row),
        ];
        writeln!(out, "| {} |", cells.join(" | ")).unwrap();
    }
}

/// Why an engine has no figures.
fn note(row: &Row) -> String {
    let ours = row.ours.as_ref().err().map(|error| format!("ours: {error}"));
    let theirs = row.theirs.as_ref().err().map(|error| format!("quamina: {error}"));
    [ours, theirs].into_iter().flatten().collect::<Vec<_>>().join("; ").replace('|', "\\|")
}

/// A number with as many digits as mean something.
fn readable(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 1.0 => format!("{middle:.1}"),
        small => format!("{small:.3}"),
    }
}
