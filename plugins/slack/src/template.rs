//! Texts with placeholders: `*Lead*: {{detail.leadId}}`.

use serde_json::Value;
use trialbridge_plugin::{Event, Host};

use crate::text::escape;

/// The fields of the envelope that a placeholder can name.
const ENVELOPE: [&str; 7] = ["id", "source", "detail-type", "time", "account", "region", "rule"];

/// A text with placeholders, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Text in Slack's markup, as it stands.
    Text(String),
    /// What is filled in: where it is, and how it is shown.
    Field { path: Vec<String>, shown: Shown },
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// As a text.
    Plain,
    /// Seconds since the epoch as the day and time where the reader is.
    Date,
}

/// What placeholders are filled from.
pub(crate) struct Source {
    /// An object: the envelope's fields, `detail`, and `input` if the rule makes one.
    root: Value,
}

impl Template {
    /// Reads a text. What is filled in must be a field of the envelope, or begin with `detail.` or `input.`.
    ///
    /// # Errors
    ///
    /// Says which placeholder is wrong, and what it could be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = after.split_once("}}") else {
                return Err(format!("`{{{{{after}` has no end; close it with }}}}"));
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(field(inside)?);
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self { pieces })
    }

    /// The text with values in the place of the placeholders. Nothing if there are placeholders and none of them has a value: then the text
    /// has nothing to say.
    pub(crate) fn fill(&self, source: &Source) -> Option<String> {
        let mut filled = String::new();
        let (mut fields, mut found) = (0, 0);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Field { path, shown } => {
                    fields += 1;
                    if let Some(text) = source.get(path).and_then(|value| show(value, *shown)) {
                        found += 1;
                        filled.push_str(&text);
                    }
                }
            }
        }
        let speaks = fields == 0 || found > 0;
        (speaks && !filled.trim().is_empty()).then_some(filled)
    }
}

impl Source {
    /// What an event offers.
    ///
    /// # Errors
    ///
    /// Permanent if the detail or the input is no JSON.
    pub(crate) fn new(event: &Event, host: &Host) -> Result<Self, trialbridge_plugin::Failure> {
        let mut root = serde_json::Map::new();
        let texts = [
            ("id", &event.id),
            ("source", &event.source),
            ("detail-type", &event.detail_type),
            ("time", &event.time),
            ("account", &event.account),
            ("region", &event.region),
            ("rule", &host.delivery().rule),
        ];
        root.extend(texts.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))));
        root.insert("detail".to_owned(), Value::Object(event.detail()?.into_members()));
        if let Some(input) = host.delivery().input::<Value>()? {
            root.insert("input".to_owned(), input);
        }
        Ok(Self { root: Value::Object(root) })
    }

    fn get(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.root, |value, name| match value {
            Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        })
    }
}

fn field(inside: &str) -> Result<Piece, String> {
    let (path, shown) = match inside.split_once('|') {
        None => (inside.trim(), Shown::Plain),
        Some((path, shown)) if shown.trim() == "date" => (path.trim(), Shown::Date),
        Some((_, shown)) => {
            return Err(format!("`{{{{{inside}}}}}` is to be shown as `{}`; there is only `date`", shown.trim()));
        }
    };
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    let known = match names.as_slice() {
        [root] => ENVELOPE.contains(&root.as_str()) || root == "input",
        [root, rest @ ..] => ["detail", "input"].contains(&root.as_str()) && rest.iter().all(|name| !name.is_empty()),
        [] => false,
    };
    if !known {
        let envelope = ENVELOPE.join(", ");
        return Err(format!("`{{{{{inside}}}}}` names no field; write detail.NAME, input.NAME, or one of {envelope}"));
    }
    Ok(Piece::Field { path: names, shown })
}

/// A value as Slack is to show it; nothing for null and for what is empty.
fn show(value: &Value, shown: Shown) -> Option<String> {
    if shown == Shown::Date
        && let Some(date) = date(value)
    {
        return Some(date);
    }
    let text = match value {
        Value::Null => return None,
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    };
    (!text.is_empty()).then_some(text)
}

/// A moment, which Slack shows in the zone of whoever reads it; in UTC where it cannot.
fn date(value: &Value) -> Option<String> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?.floor() as i64,
        Value::String(text) => text.parse::<jiff::Timestamp>().ok()?.as_second(),
        _ => return None,
    };
    let utc = jiff::Timestamp::from_second(seconds).ok()?;
    Some(format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{utc}>"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str) -> Option<String> {
        let root = json!({
            "source": "OnlineTrial",
            "time": "2020-05-13T14:19:39Z",
            "detail": {
                "leadId": "<!channel> & co", "n": 1.5, "yes": true, "none": null, "empty": "",
                "deep": [{ "er": "x" }], "expiresAt": 1_589_379_639.5, "never": "soon",
            },
        });
        Template::parse(text).expect("a template").fill(&Source { root })
    }

    #[test]
    fn placeholders_are_filled_and_escaped() {
        for (text, expected) in [
            ("plain {date} <@U1>", "plain {date} <@U1>"),
            ("*Lead*: {{ detail.leadId }}!", "*Lead*: &lt;!channel&gt; &amp; co!"),
            ("{{detail.n}} {{detail.yes}} {{detail.deep.0.er}}", "1.5 true x"),
            ("{{source}}{{detail.none}}", "OnlineTrial"),
            ("{{detail.expiresAt|date}}", "<!date^1589379639^{date_short_pretty} {time}|2020-05-13T14:20:39Z>"),
            ("{{time | date}}", "<!date^1589379579^{date_short_pretty} {time}|2020-05-13T14:19:39Z>"),
            ("{{detail.never|date}}", "soon"),
            ("{{detail.deep}}", "[{\"er\":\"x\"}]"),
        ] {
            assert_eq!(filled(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_text_without_any_of_its_values_is_left_out() {
        for text in ["*Why*: {{detail.none}}", "{{detail.empty}}", "{{detail.other.thing}}", "", " ", "{{input.x}}"] {
            assert_eq!(filled(text), None, "{text:?}");
        }
    }

    #[test]
    fn wrong_placeholders_are_named() {
        for (text, expected) in [
            ("{{detail.x", "`{{detail.x` has no end; close it with }}"),
            (
                "{{leadId}}",
                "`{{leadId}}` names no field; write detail.NAME, input.NAME, or one of id, source, detail-type, time, account, region, rule",
            ),
            ("{{detail.x|upper}}", "`{{detail.x|upper}}` is to be shown as `upper`; there is only `date`"),
        ] {
            assert_eq!(Template::parse(text), Err(expected.to_owned()));
        }
        assert!(Template::parse("{{detail.}}").is_err());
        assert!(Template::parse("{{}}").is_err());
    }
}
