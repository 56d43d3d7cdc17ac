//! From a value to a pattern, or to an error that says what to write instead.

use super::condition::{Condition, Scalar};
use super::number::Number;
use super::value::{Key, Kind, Notation, Value};
use super::{Error, Field, Fields, Pattern, suggest};

/// An operator that can stand in a leaf: its name, a sample of its operand, and how it is read.
struct Operator {
    name: &'static str,
    sample: &'static str,
    read: fn(&Parser, &Value) -> Result<Condition, Error>,
}

/// The operators.
const OPERATORS: [Operator; 3] = [
    Operator { name: "prefix", sample: "\"Trial\"", read: Parser::prefix },
    Operator { name: "anything-but", sample: "[\"ACS\", \"BCS\"]", read: Parser::anything_but },
    Operator { name: "exists", sample: "true", read: Parser::exists },
];

/// What EventBridge has beyond that.
const NOT_SUPPORTED: [&str; 7] = ["suffix", "equals-ignore-case", "wildcard", "numeric", "cidr", "exactly", "$or"];

/// Reads patterns.
pub(super) struct Parser {
    /// How the advice in errors is spelt.
    notation: Notation,
}

impl Parser {
    pub(super) fn new(notation: Notation) -> Self {
        Self { notation }
    }

    /// A whole pattern.
    pub(super) fn pattern(&self, value: &Value) -> Result<Pattern, Error> {
        let Kind::Object(members) = &value.kind else {
            let message = format!("a pattern is {}, not {}", self.notation.object(), value.kind.noun(self.notation));
            return Err(Error::new(&value.span, message).help(self.notation_sample()));
        };
        if members.is_empty() {
            return Err(Error::new(&value.span, "the pattern is empty").help(self.notation_sample()));
        }
        Ok(Pattern { fields: self.fields(members)? })
    }

    fn fields(&self, members: &[(Key, Value)]) -> Result<Fields, Error> {
        let mut fields: Fields = Vec::new();
        for (key, value) in members {
            if fields.iter().any(|(name, _)| *name == key.name) {
                let message = format!("the field `{}` stands here twice", key.name);
                return Err(Error::new(&key.span, message).help("put all alternatives into one array"));
            }
            if key.name == "$or" {
                return Err(not_supported(key));
            }
            fields.push((key.name.clone(), self.field(key, value)?));
        }
        Ok(fields)
    }

    fn field(&self, key: &Key, value: &Value) -> Result<Field, Error> {
        match &value.kind {
            Kind::Object(members) if members.is_empty() => {
                let message = format!("`{}` asks for nothing", key.name);
                let any = self.notation.member("exists", true);
                Err(Error::new(&value.span, message).help(format!("for any value write [{any}]")))
            }
            Kind::Object(members) => {
                self.refuse_bare_operator(value, members)?;
                Ok(Field::Object(self.fields(members)?))
            }
            Kind::Array(alternatives) if alternatives.is_empty() => {
                let message = format!("`{}` has no alternatives, so that nothing could match", key.name);
                let any = self.notation.member("exists", true);
                Err(Error::new(&value.span, message).help(format!("write the values to match, or [{any}] for any")))
            }
            Kind::Array(alternatives) => {
                Ok(Field::Leaf(alternatives.iter().map(|value| self.condition(value)).collect::<Result<_, _>>()?))
            }
            scalar => {
                let message =
                    format!("`{}` must be an array of alternatives, not {}", key.name, scalar.noun(self.notation));
                Err(Error::new(&value.span, message).help(format!("write [{value}]")))
            }
        }
    }

    /// An operator outside an array would be taken for a field of that name.
    fn refuse_bare_operator(&self, value: &Value, members: &[(Key, Value)]) -> Result<(), Error> {
        let [(key, operand)] = members else { return Ok(()) };
        let leaf_follows = matches!(operand.kind, Kind::Object(_));
        let known = OPERATORS.iter().any(|operator| operator.name == key.name);
        let array_operand = matches!(operand.kind, Kind::Array(_)) && key.name != "anything-but";
        if !known || leaf_follows && key.name != "anything-but" || array_operand {
            return Ok(());
        }
        let message = format!("the operator `{}` stands outside an array", key.name);
        let operator = self.notation.member(&key.name, self.spell(operand));
        Err(Error::new(&value.span, message).help(format!("write [{operator}]")))
    }

    fn condition(&self, value: &Value) -> Result<Condition, Error> {
        match &value.kind {
            Kind::Array(_) => {
                let help = "an event's array matches if any of its elements does: write the elements without the inner brackets";
                Err(Error::new(&value.span, "an array among the alternatives").help(help))
            }
            Kind::Object(members) => self.operator(value, members),
            Kind::Null => Ok(Condition::Equals(Scalar::Null)),
            Kind::Bool(wanted) => Ok(Condition::Equals(Scalar::Bool(*wanted))),
            Kind::Number(text) => Ok(Condition::Equals(Scalar::Number(Number::new(text)))),
            Kind::String(text) => Ok(Condition::Equals(Scalar::String(text.clone()))),
        }
    }

    fn operator(&self, value: &Value, members: &[(Key, Value)]) -> Result<Condition, Error> {
        let [(key, operand)] = members else {
            let message = match members.len() {
                0 => "an operator is missing here".to_owned(),
                count => format!("{count} operators in one alternative"),
            };
            let one = self.notation.member("prefix", "\"Trial\"");
            return Err(Error::new(&value.span, message).help(format!("an alternative has one operator, like {one}")));
        };
        if let Some(operator) = OPERATORS.iter().find(|operator| operator.name == key.name) {
            return (operator.read)(self, operand);
        }
        if known_elsewhere(key) {
            return Err(not_supported(key));
        }
        let names = OPERATORS.map(|operator| operator.name);
        let message = format!("there is no operator `{}`", key.name);
        Err(Error::new(&key.span, message).help(suggest::advice(&key.name, &names)))
    }

    fn prefix(&self, operand: &Value) -> Result<Condition, Error> {
        match &operand.kind {
            Kind::String(prefix) => Ok(Condition::Prefix(prefix.clone())),
            Kind::Object(members)
                if let [(key, _)] = members.as_slice()
                    && known_elsewhere(key) =>
            {
                Err(not_supported(key))
            }
            _ => Err(self.wrong_operand("prefix", "a string", operand)),
        }
    }

    fn exists(&self, operand: &Value) -> Result<Condition, Error> {
        match operand.kind {
            Kind::Bool(true) => Ok(Condition::Present),
            Kind::Bool(false) => Ok(Condition::Absent),
            _ => Err(self.wrong_operand("exists", "true or false", operand)),
        }
    }

    fn anything_but(&self, operand: &Value) -> Result<Condition, Error> {
        match &operand.kind {
            Kind::Array(items) if items.is_empty() => {
                let any = self.notation.member("exists", true);
                Err(Error::new(&operand.span, "`anything-but` of no value").help(format!("for any value write {any}")))
            }
            Kind::Array(items) => self.anything_but_list(items),
            Kind::Object(members) => self.anything_but_operator(operand, members),
            _ => Ok(Condition::AnythingBut(vec![self.unwanted(operand)?])),
        }
    }

    fn anything_but_list(&self, items: &[Value]) -> Result<Condition, Error> {
        let values = items.iter().map(|item| self.unwanted(item)).collect::<Result<Vec<_>, _>>()?;
        let other = values.iter().position(|value| std::mem::discriminant(value) != std::mem::discriminant(&values[0]));
        if let Some(position) = other {
            let message = "strings and numbers in one `anything-but`";
            return Err(Error::new(&items[position].span, message).help("all of its values must be of one type"));
        }
        Ok(Condition::AnythingBut(values))
    }

    /// One value of `anything-but`. A number that would be rounded is refused, because nobody could say what it excludes.
    fn unwanted(&self, value: &Value) -> Result<Scalar, Error> {
        match &value.kind {
            Kind::String(text) => Ok(Scalar::String(text.clone())),
            Kind::Number(text) => match Number::new(text) {
                Number::Verbatim(_) => {
                    let message = "a number that a double cannot hold as it is written";
                    Err(Error::new(&value.span, message).help("write it with at most 15 digits"))
                }
                comparable => Ok(Scalar::Number(comparable)),
            },
            _ => Err(self.wrong_operand("anything-but", "strings or numbers", value)),
        }
    }

    fn anything_but_operator(&self, operand: &Value, members: &[(Key, Value)]) -> Result<Condition, Error> {
        let [(key, inner)] = members else {
            return Err(self.wrong_operand("anything-but", "one operator", operand));
        };
        if known_elsewhere(key) {
            return Err(not_supported(key));
        }
        if key.name != "prefix" {
            let message = format!("`anything-but` does not take `{}`", key.name);
            return Err(Error::new(&key.span, message).help("it takes values, an array of them, or `prefix`"));
        }
        match &inner.kind {
            Kind::Array(_) => {
                let message = "an array in the `prefix` of `anything-but` is not supported";
                Err(Error::new(&inner.span, message).help("write one string"))
            }
            Kind::String(prefix) if prefix.is_empty() => {
                let message = "every string begins with the empty prefix, so that this excludes them all";
                Err(Error::new(&inner.span, message).help("write the beginning to exclude"))
            }
            Kind::String(prefix) => Ok(Condition::AnythingButPrefix(prefix.clone())),
            _ => Err(self.wrong_operand("prefix", "a string", inner)),
        }
    }

    fn wrong_operand(&self, operator: &str, wanted: &str, found: &Value) -> Error {
        let message = format!("`{operator}` takes {wanted}, not {}", found.kind.noun(self.notation));
        let error = Error::new(&found.span, message);
        match OPERATORS.iter().find(|known| known.name == operator) {
            Some(known) => error.help(format!("write it like {}", self.notation.member(operator, known.sample))),
            None => error,
        }
    }

    fn notation_sample(&self) -> String {
        format!("write it like {}", self.notation.member("source", "[\"OnlineTrial\"]"))
    }

    /// The text of an operand, which may hold one operator more.
    fn spell(&self, value: &Value) -> String {
        match &value.kind {
            Kind::Object(members) if members.len() == 1 => {
                self.notation.member(&members[0].0.name, self.spell(&members[0].1))
            }
            _ => value.to_string(),
        }
    }
}

fn known_elsewhere(key: &Key) -> bool {
    NOT_SUPPORTED.contains(&key.name.as_str())
}

fn not_supported(key: &Key) -> Error {
    let names = OPERATORS.map(|operator| operator.name).join(", ");
    let message = format!("the operator `{}` is not supported", key.name);
    Error::new(&key.span, message).help(format!("supported are: {names}"))
}
