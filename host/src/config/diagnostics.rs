//! Everything that is wrong with a rules.toml, shown the way rustc shows it.

use std::fmt;
use std::io;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level, Snippet};
use serde::Serialize;

use super::Complaint;
use crate::pattern::value::Span;

/// Everything that is wrong with a file, in the order of its text. Never empty.
///
/// [`fmt::Display`] shows each with file, line, column, the line itself, a caret and advice.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The file's name as the operator gave it.
    file_name: String,
    /// The file's text.
    text: String,
    /// What is wrong.
    problems: Vec<Problem>,
}

/// One thing that is wrong, for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// The line, from 1 on; nothing if the file could not be read.
    pub line: Option<usize>,
    /// The column in characters, from 1 on; nothing if the file could not be read.
    pub column: Option<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    message: String,
    /// Where; nothing if it is not in the text.
    span: Option<Span>,
    /// Another place that has to do with it, and how.
    related: Option<(Span, String)>,
    help: Option<String>,
}

impl Diagnostics {
    pub(super) fn unreadable(file_name: &str, error: &io::Error) -> Self {
        let message = format!("cannot read {file_name}: {error}");
        let help = match error.kind() {
            io::ErrorKind::NotFound => Some("name the file with --config".to_owned()),
            _ => None,
        };
        let problem = Problem { message, span: None, related: None, help };
        Self { file_name: file_name.to_owned(), text: String::new(), problems: vec![problem] }
    }

    /// What is wrong, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.problems.iter().map(|problem| {
            let position = problem.span.as_ref().map(|span| position(&self.text, span.start));
            Diagnostic {
                message: problem.message.clone(),
                line: position.map(|(line, _)| line),
                column: position.map(|(_, column)| column),
                help: problem.help.clone(),
            }
        })
    }

    /// The same as [`fmt::Display`] shows, with the colours of a terminal.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let groups: Vec<Group<'_>> = self.problems.iter().map(|problem| self.group(problem)).collect();
        groups.into_iter().map(|group| renderer.render(&[group])).collect::<Vec<_>>().join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&problem.message));
        if let Some(span) = &problem.span {
            let mut snippet = Snippet::source(&self.text)
                .path(&self.file_name)
                .annotation(AnnotationKind::Primary.span(span.clone()));
            if let Some((span, label)) = &problem.related {
                snippet = snippet.annotation(AnnotationKind::Context.span(span.clone()).label(label));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(annotate_snippets::normalize_untrusted_str(help)));
        }
        group
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Diagnostics {}

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Notes what is wrong with the text at `span`.
    pub(super) fn complain(&mut self, span: &Span, complaint: Complaint) {
        self.add(Problem::new(span, complaint.message).help(complaint.help));
    }

    pub(super) fn in_file(mut self, file_name: &str, text: &str) -> Diagnostics {
        self.0.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        for problem in &mut self.0 {
            problem.span = problem.span.take().map(|span| visible(text, span));
        }
        Diagnostics { file_name: file_name.to_owned(), text: text.to_owned(), problems: self.0 }
    }
}

impl Problem {
    pub(super) fn new(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span.clone()), related: None, help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn related(self, span: &Span, label: &str) -> Self {
        Self { related: Some((span.clone(), label.to_owned())), ..self }
    }
}

/// Cuts a span down to what carets can show: one line of the text, and whole characters.
fn visible(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end.min(line_end)
}

/// Line and column of a byte, from 1 on.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
