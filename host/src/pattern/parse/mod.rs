//! From a value to a pattern, or to an error that says what to write instead.
//!
//! * here: fields, `$or`, and what is too much
//! * `operators`: the alternatives of a leaf

mod operators;

use std::collections::{BTreeMap, HashMap};

use super::condition::Condition;
use super::value::{Key, Kind, Notation, Span, Value};
use super::{Error, Leaf, Pattern};
use operators::Operators;

/// The most bytes that the names and values of a pattern can have together.
const MAX_SIZE: usize = 64 * 1024;

/// The most ways to combine the alternatives of `$or`: EventBridge's limit.
const MAX_COMBINATIONS: usize = 1000;

/// Where alternatives are objects of fields instead of values.
const OR: &str = "$or";

/// Reads a pattern.
pub(super) fn pattern(value: &Value, notation: Notation) -> Result<Pattern, Error> {
    let mut parser = Parser { operators: Operators { notation }, notation, ..Parser::default() };
    let sample = notation.member("source", "[\"OnlineTrial\"]");
    let Kind::Object(members) = &value.kind else {
        let message = format!("a pattern is {}, not {}", notation.object(), value.kind.noun(notation));
        return Err(Error::new(&value.span, message).help(format!("write it like {sample}")));
    };
    if members.is_empty() {
        return Err(Error::new(&value.span, "the pattern is empty").help(format!("write it like {sample}")));
    }
    let size = size(value);
    if size > MAX_SIZE {
        let message = format!("the pattern has {size} bytes of names and values, and at most {MAX_SIZE} are allowed");
        return Err(Error::new(&value.span, message).help("make several rules of it"));
    }
    let mut combinations = vec![Combination::new()];
    parser.fields(members, "", Place::Outside, &mut combinations)?;
    Ok(Pattern {
        leaves: parser.leaves,
        combinations: combinations.into_iter().map(|fields| fields.into_values().collect()).collect(),
        notation,
        notes: parser.notes,
    })
}

/// Fields that must all match: the place of each one's leaf, by the number of its path.
type Combination = BTreeMap<usize, usize>;

/// Whether a field stands in an `$or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    InsideOr,
}

#[derive(Default)]
struct Parser {
    operators: Operators,
    /// How the advice in errors is spelt.
    notation: Notation,
    leaves: Vec<Leaf>,
    /// The number of each path.
    paths: HashMap<String, usize>,
    notes: Vec<Error>,
}

impl Parser {
    /// Adds the fields of an object at `path` to all combinations.
    fn fields(
        &mut self,
        members: &[(Key, Value)],
        path: &str,
        place: Place,
        combinations: &mut Vec<Combination>,
    ) -> Result<(), Error> {
        for (key, value) in members {
            if key.name == OR {
                self.or(key, value, path, combinations)?;
            } else {
                let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
                self.field(key, value, path, place, combinations)?;
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        key: &Key,
        value: &Value,
        path: String,
        place: Place,
        combinations: &mut Vec<Combination>,
    ) -> Result<(), Error> {
        if place == Place::InsideOr && Operators::is_operator(&key.name) {
            let message = format!("`{}` is an operator, and no field of that name can stand in `$or`", key.name);
            return Err(Error::new(&key.span, message).help("write operators into the array of their field"));
        }
        match &value.kind {
            Kind::Object(members) if members.is_empty() => {
                let message = format!("`{}` asks for nothing", key.name);
                let any = self.notation.member("exists", true);
                Err(Error::new(&value.span, message).help(format!("for any value write [{any}]")))
            }
            Kind::Object(members) => {
                self.bare_operator(value, members)?;
                self.fields(members, &path, place, combinations)
            }
            Kind::Array(alternatives) if alternatives.is_empty() => {
                let message = format!("`{}` has no alternatives, so that nothing could match", key.name);
                let any = self.notation.member("exists", true);
                Err(Error::new(&value.span, message).help(format!("write the values to match, or [{any}] for any")))
            }
            Kind::Array(alternatives) => {
                let conditions: Vec<Condition> =
                    alternatives.iter().map(|value| self.operators.condition(value)).collect::<Result<_, _>>()?;
                for (value, condition) in alternatives.iter().zip(&conditions) {
                    if let Some(character) = condition.dead_character() {
                        let message = format!("`{character}` matches nothing where case is ignored, not even itself");
                        self.notes.push(
                            Error::new(&value.span, message)
                                .help("write it without ignoring case, as EventBridge does the same"),
                        );
                    }
                }
                self.leaf(key, &value.span, path, conditions, combinations);
                Ok(())
            }
            scalar => {
                let message =
                    format!("`{}` must be an array of alternatives, not {}", key.name, scalar.noun(self.notation));
                Err(Error::new(&value.span, message).help(format!("write [{value}]")))
            }
        }
    }

    /// Puts a leaf into all combinations. As in event-ruler it replaces one of the same path.
    fn leaf(
        &mut self,
        key: &Key,
        span: &Span,
        path: String,
        conditions: Vec<Condition>,
        combinations: &mut [Combination],
    ) {
        let count = self.paths.len();
        let number = *self.paths.entry(path.clone()).or_insert(count);
        let place = self.leaves.len();
        let replaced = combinations.iter_mut().filter_map(|fields| fields.insert(number, place)).count();
        if replaced > 0 {
            let message = format!("this replaces what was asked of `{path}` before");
            let help = "the last one counts: put all alternatives into one array";
            self.notes.push(Error::new(&key.span, message).help(help));
        }
        self.leaves.push(Leaf { path, conditions, span: span.clone() });
    }

    /// Multiplies the combinations with the alternatives of an `$or`.
    fn or(&mut self, key: &Key, value: &Value, path: &str, combinations: &mut Vec<Combination>) -> Result<(), Error> {
        let sample = format!(
            "write it like {}",
            self.notation.member(
                OR,
                format_args!(
                    "[{}, {}]",
                    self.notation.member("type", "[\"ACS\"]"),
                    self.notation.member("leadId", "[\"1234567890\"]")
                )
            )
        );
        let Kind::Array(alternatives) = &value.kind else {
            let message = format!("`$or` takes an array of {}s, not {}", self.noun(), value.kind.noun(self.notation));
            return Err(Error::new(&value.span, message).help(sample));
        };
        if alternatives.len() < 2 {
            return Err(Error::new(&value.span, "`$or` takes two alternatives at least").help(sample));
        }
        let before = std::mem::take(combinations);
        for alternative in alternatives {
            let members = match &alternative.kind {
                Kind::Object(members) if !members.is_empty() => members,
                Kind::Object(_) => {
                    let message = "an alternative of `$or` asks for nothing";
                    return Err(Error::new(&alternative.span, message).help(sample));
                }
                other => {
                    let message = format!(
                        "an alternative of `$or` is {}, not {}",
                        self.notation.object(),
                        other.noun(self.notation)
                    );
                    return Err(Error::new(&alternative.span, message).help(sample));
                }
            };
            let mut branch = before.clone();
            self.fields(members, path, Place::InsideOr, &mut branch)?;
            combinations.append(&mut branch);
            if combinations.len() > MAX_COMBINATIONS {
                let message = format!("more than {MAX_COMBINATIONS} ways to combine the alternatives of `$or`");
                return Err(Error::new(&key.span, message).help("make several rules of it"));
            }
        }
        Ok(())
    }

    /// An operator outside an array would be taken for a field of that name.
    fn bare_operator(&mut self, value: &Value, members: &[(Key, Value)]) -> Result<(), Error> {
        let [(key, operand)] = members else { return Ok(()) };
        if !Operators::is_operator(&key.name) {
            return Ok(());
        }
        let operator = self.notation.member(&key.name, operand.spell(self.notation));
        let help = format!("write [{operator}]");
        match (key.name.as_str(), &operand.kind) {
            ("anything-but" | "numeric", Kind::Array(_)) => {
                let message = format!("`{}` outside an array is a field of that name, not the operator", key.name);
                self.notes.push(Error::new(&value.span, message).help(help));
                Ok(())
            }
            (_, Kind::Array(_) | Kind::Object(_)) => Ok(()),
            _ => {
                let message = format!("the operator `{}` stands outside an array", key.name);
                Err(Error::new(&value.span, message).help(help))
            }
        }
    }

    fn noun(&self) -> &'static str {
        match self.notation {
            Notation::Json => "object",
            Notation::Toml => "table",
        }
    }
}

fn size(value: &Value) -> usize {
    match &value.kind {
        Kind::Null | Kind::Bool(_) => 1,
        Kind::Number(text) | Kind::String(text) => text.len() + 1,
        Kind::Array(items) => items.iter().map(size).sum(),
        Kind::Object(members) => members.iter().map(|(key, value)| key.name.len() + 1 + size(value)).sum(),
    }
}
