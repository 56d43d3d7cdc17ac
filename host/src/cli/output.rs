//! Printing: tables for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;

/// Where a command prints, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Whether programs read it.
    pub(super) json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a line.
    pub(super) fn line(self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Prints a value, indented.
    pub(super) fn value(self, value: &Value) -> io::Result<()> {
        self.line(&format!("{value:#}"))
    }

    /// Says how to go on where a page of a list is not the last one.
    pub(super) fn more(self, page: &Value) -> io::Result<()> {
        match &page["next"] {
            Value::Null => Ok(()),
            next => self.line(&format!("there are more: --after {} or --all", text(next))),
        }
    }

    /// Prints a table with columns as wide as they have to be; the last one is not padded.
    pub(super) fn table(self, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let head = head.iter().map(ToString::to_string).collect();
        self.rows(&[&[head], rows].concat())
    }

    /// Prints a table without a head.
    pub(super) fn rows(self, rows: &[Vec<String>]) -> io::Result<()> {
        let mut widths = Vec::new();
        for row in rows {
            widths.resize(row.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = io::stdout().lock();
        for row in rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        out.flush()
    }
}

/// Prints a line on standard error.
pub(super) fn complain(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
}

/// A field as text: what a text says, JSON of anything else, nothing for null. Control characters are replaced, because what is
/// printed comes from anybody and terminals obey them.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A field that holds seconds since the epoch, as a time.
pub(super) fn time(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default();
    trialbridge::clock::Timestamp::from_millis((seconds * 1000.0) as u64).to_string()
}
