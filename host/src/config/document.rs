//! TOML text ─► a tree of values that know where they stand.

use toml::de::{DeTable, DeValue};

use super::diagnostics::{Problem, Problems};
use crate::pattern::value::{Key, Kind, Span, Value};

/// Reads TOML text. If the syntax is wrong, notes all that is wrong with it.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Value> {
    let before = problems.len();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        problems.add(Problem::new(&span, error.message()).help("see https://toml.io for what TOML looks like"));
    }
    if problems.len() > before {
        return None;
    }
    let span = 0..0;
    Some(Value { kind: members(text, table.get_ref(), problems), span })
}

fn members(text: &str, table: &DeTable<'_>, problems: &mut Problems) -> Kind {
    let mut members: Vec<(Key, Value)> = table
        .iter()
        .map(|(key, value)| {
            let name = Key { span: key.span(), name: key.get_ref().to_string() };
            (name, convert(text, value.get_ref(), value.span(), problems))
        })
        .collect();
    members.sort_by_key(|(key, _)| key.span.start);
    Kind::Object(members)
}

fn convert(text: &str, value: &DeValue<'_>, span: Span, problems: &mut Problems) -> Value {
    let kind = match value {
        DeValue::String(string) => Kind::String(string.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Kind::Number(number.to_string()),
            Err(_) => {
                problems.add(
                    Problem::new(&span, "a whole number of more than 64 bits").help("write a smaller one, or a string"),
                );
                Kind::Number("0".to_owned())
            }
        },
        DeValue::Float(float) => match float.as_str().trim_start_matches('+') {
            number if number.ends_with("inf") || number.ends_with("nan") => {
                problems.add(Problem::new(&span, format!("`{number}` is no number here")).help("write a finite one"));
                Kind::Number("0".to_owned())
            }
            number => Kind::Number(number.to_owned()),
        },
        // JSON has no dates, so that whoever wants one takes its text.
        DeValue::Datetime(_) => Kind::String(text[span.clone()].to_owned()),
        DeValue::Array(items) => {
            Kind::Array(items.iter().map(|item| convert(text, item.get_ref(), item.span(), problems)).collect())
        }
        DeValue::Table(table) => members(text, table, problems),
    };
    Value { span, kind }
}
