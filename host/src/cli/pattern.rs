//! `trialbridge pattern`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use clap::Subcommand;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trialbridge::pattern;

use super::Failure;

/// Try event patterns.
#[derive(Debug, Subcommand)]
pub(super) enum Pattern {
    /// Match patterns with events: one case a line in, one verdict a line out.
    ///
    /// A case is {"id": ..., "pattern": ..., "event": ...}, pattern and event as JSON or as strings that hold it. A verdict is
    /// {"id": ..., "result": "match" | "no-match" | "invalid", "reason": ...}.
    #[command(after_help = "Example:\n  \
        echo '{\"id\": 1, \"pattern\": {\"a\": [1]}, \"event\": {\"a\": 1}}' | trialbridge pattern test --jsonl -")]
    Test {
        /// The cases: a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        jsonl: PathBuf,
    },
}

#[derive(Deserialize)]
struct Case<'l> {
    #[serde(borrow, default)]
    id: Option<&'l RawValue>,
    #[serde(borrow)]
    pattern: &'l RawValue,
    #[serde(borrow)]
    event: &'l RawValue,
}

#[derive(Serialize)]
struct Verdict<'l> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'l RawValue>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Pattern {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let Self::Test { jsonl } = self;
        let cases: Box<dyn BufRead> = if jsonl.as_os_str() == "-" {
            Box::new(BufReader::new(io::stdin().lock()))
        } else {
            let file = File::open(&jsonl);
            let unreadable = |error| Failure::Usage(format!("--jsonl: cannot read {}: {error}", jsonl.display()));
            Box::new(BufReader::new(file.map_err(unreadable)?))
        };
        test(cases, BufWriter::new(io::stdout().lock()))
    }
}

fn test(mut cases: impl BufRead, mut verdicts: impl Write) -> Result<(), Failure> {
    let mut line = String::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        if cases.read_line(&mut line).map_err(|error| Failure::Usage(format!("line {number}: {error}")))? == 0 {
            return Ok(verdicts.flush()?);
        }
        if line.trim().is_empty() {
            continue;
        }
        let case: Case<'_> = match serde_json::from_str(&line) {
            Ok(case) => case,
            Err(error) => {
                verdicts.flush()?;
                let message = format!(
                    "line {number} is not a case: {error}; write {{\"id\": 1, \"pattern\": {{...}}, \"event\": {{...}}}}"
                );
                return Err(Failure::Usage(message));
            }
        };
        let (result, reason) = match verdict(&case) {
            Ok(true) => ("match", None),
            Ok(false) => ("no-match", None),
            Err(reason) => ("invalid", Some(reason)),
        };
        serde_json::to_writer(&mut verdicts, &Verdict { id: case.id, result, reason }).map_err(io::Error::from)?;
        verdicts.write_all(b"\n")?;
    }
}

fn verdict(case: &Case<'_>) -> Result<bool, String> {
    let text = unquoted(case.pattern);
    let pattern = pattern::Pattern::parse_json(&text).map_err(|error| {
        let help = error.help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("pattern, byte {}: {}{help}", error.span.start, error.message)
    })?;
    let event = unquoted(case.event);
    // The matcher skips what nobody asks about.
    serde_json::from_str::<IgnoredAny>(&event).map_err(|error| format!("event: {error}"))?;
    pattern.matches(event.as_bytes()).map_err(|error| format!("event: {error}"))
}

/// What a string holds; the text of anything else.
fn unquoted(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(value.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::test;

    #[test]
    fn each_case_gets_a_verdict() {
        let cases = r#"{"id":"a","pattern":{"a":[1]},"event":{"a":1.0}}
{"id":2,"pattern":"{\"a\":[1]}","event":"{\"a\":2}"}

{"pattern":{"a":1},"event":{}}
{"id":null,"pattern":{"a":[1]},"event":[]}
"#;
        let mut verdicts = Vec::new();
        test(cases.as_bytes(), &mut verdicts).expect("verdicts");
        let expected = r#"{"id":"a","result":"match"}
{"id":2,"result":"no-match"}
{"result":"invalid","reason":"pattern, byte 5: `a` must be an array of alternatives, not a number; write [1]"}
{"result":"invalid","reason":"event: the event is not the JSON text of an object"}
"#;
        assert_eq!(String::from_utf8(verdicts).expect("text"), expected);
    }
}
