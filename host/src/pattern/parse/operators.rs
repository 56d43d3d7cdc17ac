//! The alternatives of a leaf: values and operators.

use super::super::condition::{Bound, Condition, Range};
use super::super::network::{self, Network};
use super::super::number::Number;
use super::super::value::{Key, Kind, Notation, Value};
use super::super::wildcard::{self, Wildcard};
use super::super::{Error, suggest};

/// An operator that can stand in a leaf: its name, a sample of its operand, and how it is read.
struct Operator {
    name: &'static str,
    sample: &'static str,
    read: fn(&Operators, &Value) -> Result<Condition, Error>,
}

/// The operators.
const OPERATORS: [Operator; 9] = [
    Operator { name: "prefix", sample: "\"Trial\"", read: Operators::prefix },
    Operator { name: "suffix", sample: "\"Failed\"", read: Operators::suffix },
    Operator { name: "equals-ignore-case", sample: "\"acs\"", read: Operators::equals_ignore_case },
    Operator { name: "wildcard", sample: "\"Trial*Failed\"", read: Operators::wildcard },
    Operator { name: "anything-but", sample: "[\"ACS\", \"BCS\"]", read: Operators::anything_but },
    Operator { name: "numeric", sample: "[\">=\", 1, \"<\", 100]", read: Operators::numeric },
    Operator { name: "cidr", sample: "\"10.0.0.0/8\"", read: Operators::cidr },
    Operator { name: "exists", sample: "true", read: Operators::exists },
    Operator { name: "exactly", sample: "\"ACS\"", read: Operators::exactly },
];

/// The operators that `anything-but` takes.
const UNWANTED: [&str; 4] = ["prefix", "suffix", "equals-ignore-case", "wildcard"];

/// Reads alternatives.
#[derive(Default)]
pub(super) struct Operators {
    /// How the advice in errors is spelt.
    pub(super) notation: Notation,
}

impl Operators {
    /// Whether there is an operator of this name.
    pub(super) fn is_operator(name: &str) -> bool {
        OPERATORS.iter().any(|operator| operator.name == name)
    }

    /// An alternative of a leaf.
    pub(super) fn condition(&self, value: &Value) -> Result<Condition, Error> {
        match &value.kind {
            Kind::Array(_) => {
                let help = "an event's array matches if any of its elements does: write the elements without the inner brackets";
                Err(Error::new(&value.span, "an array among the alternatives").help(help))
            }
            Kind::Object(members) => self.operator(value, members),
            Kind::Null => Ok(Condition::Null),
            Kind::Bool(wanted) => Ok(Condition::Bool(*wanted)),
            Kind::Number(text) => Ok(Condition::Number(Number::new(text))),
            Kind::String(text) => Ok(Condition::String(text.as_str().into())),
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
        match OPERATORS.iter().find(|operator| operator.name == key.name) {
            Some(operator) => (operator.read)(self, operand),
            None if key.name == "$or" => {
                let message = "`$or` stands beside the fields it chooses from, not in the array of one";
                Err(Error::new(&key.span, message).help("the alternatives of one field are the elements of its array"))
            }
            None => {
                let names = OPERATORS.map(|operator| operator.name);
                let message = format!("there is no operator `{}`", key.name);
                Err(Error::new(&key.span, message).help(suggest::advice(&key.name, &names)))
            }
        }
    }

    fn exactly(&self, operand: &Value) -> Result<Condition, Error> {
        self.text("exactly", operand).map(Condition::String)
    }

    fn prefix(&self, operand: &Value) -> Result<Condition, Error> {
        self.affix("prefix", operand, Condition::Prefix, Condition::PrefixIgnoreCase)
    }

    fn suffix(&self, operand: &Value) -> Result<Condition, Error> {
        self.affix("suffix", operand, Condition::Suffix, Condition::SuffixIgnoreCase)
    }

    fn affix(
        &self,
        name: &str,
        operand: &Value,
        plain: fn(Box<str>) -> Condition,
        ignoring_case: fn(Box<str>) -> Condition,
    ) -> Result<Condition, Error> {
        let Kind::Object(members) = &operand.kind else { return self.text(name, operand).map(plain) };
        match members.as_slice() {
            [(key, inner)] if key.name == "equals-ignore-case" => self.text(&key.name, inner).map(ignoring_case),
            [(key, _)] => {
                let message = format!("`{name}` does not take `{}`", key.name);
                Err(Error::new(&key.span, message).help("it takes a string, or `equals-ignore-case`"))
            }
            _ => Err(self.wrong_operand(name, "one operator", operand)),
        }
    }

    fn equals_ignore_case(&self, operand: &Value) -> Result<Condition, Error> {
        self.text("equals-ignore-case", operand).map(Condition::EqualsIgnoreCase)
    }

    fn wildcard(&self, operand: &Value) -> Result<Condition, Error> {
        let text = self.text("wildcard", operand)?;
        let malformed = match Wildcard::new(&text) {
            Ok(wildcard) => return Ok(Condition::Wildcard(wildcard)),
            Err(malformed) => malformed,
        };
        let (message, help) = match malformed {
            wildcard::Malformed::TwoStars => {
                ("two stars in a row, which one could replace".to_owned(), "write one star")
            }
            wildcard::Malformed::Escape => {
                let message = "a backslash that stands before neither a star nor a backslash".to_owned();
                (
                    message,
                    "for a star write \\* and for a backslash \\\\, with twice as many backslashes in double quotes",
                )
            }
            wildcard::Malformed::TooManyStars => {
                (format!("more than {} stars", Wildcard::MAX_STARS), "ask for less in one wildcard")
            }
        };
        Err(Error::new(&operand.span, message).help(help))
    }

    fn cidr(&self, operand: &Value) -> Result<Condition, Error> {
        let text = self.text("cidr", operand)?;
        let malformed = match Network::new(&text) {
            Ok(network) => return Ok(Condition::Cidr(network)),
            Err(malformed) => malformed,
        };
        let (message, help) = match malformed {
            network::Malformed::Length => {
                (format!("`{text}` has no length"), format!("write it like \"{text}/24\", or without `cidr`"))
            }
            network::Malformed::Address => {
                let help = "write it like \"10.0.0.0/8\" or \"2001:db8::/32\"; names are not looked up";
                (format!("`{text}` does not begin with an IP address"), help.to_owned())
            }
            network::Malformed::Range(most) => {
                let help = format!("write a length from 0 to {most}; one address alone is written without `cidr`");
                (format!("the length of `{text}` is out of range"), help)
            }
        };
        Err(Error::new(&operand.span, message).help(help))
    }

    fn exists(&self, operand: &Value) -> Result<Condition, Error> {
        match operand.kind {
            Kind::Bool(true) => Ok(Condition::Present),
            Kind::Bool(false) => Ok(Condition::Absent),
            _ => Err(self.wrong_operand("exists", "true or false", operand)),
        }
    }

    fn numeric(&self, operand: &Value) -> Result<Condition, Error> {
        let Kind::Array(items) = &operand.kind else { return Err(self.wrong_operand("numeric", "an array", operand)) };
        let range = match items.as_slice() {
            [sign, bound] => self.comparison(sign, bound)?,
            [first, low, second, high] => {
                let range = Range { high: self.comparison(second, high)?.high, ..self.comparison(first, low)? };
                let (Some(low), Some(high), true) =
                    (range.low, range.high, is_one_of(first, [">", ">="]) && is_one_of(second, ["<", "<="]))
                else {
                    let message = "two comparisons that are not a lower and then an upper bound";
                    return Err(Error::new(&operand.span, message).help("write it like [\">=\", 1, \"<\", 100]"));
                };
                if low.number >= high.number {
                    let message = "a lower bound that is not below the upper one, so that no number fits";
                    return Err(Error::new(&operand.span, message).help("for one number write [\"=\", 5]"));
                }
                range
            }
            _ => {
                let message = format!("`numeric` of {} values", items.len());
                let help = "write a sign and a number, or both twice: [\"<\", 100], [\">=\", 1, \"<\", 100]";
                return Err(Error::new(&operand.span, message).help(help));
            }
        };
        Ok(Condition::Numeric(range))
    }

    /// A sign and a number, as a range.
    fn comparison(&self, sign: &Value, bound: &Value) -> Result<Range, Error> {
        let number = match &bound.kind {
            Kind::Number(text) => match Number::new(text) {
                Number::Comparable(number) => number,
                Number::Verbatim(_) => return Err(inexact(bound)),
            },
            _ => return Err(self.wrong_operand("numeric", "a number after the sign", bound)),
        };
        let (open, closed) = (Bound { number, inclusive: false }, Bound { number, inclusive: true });
        let sign_text = match &sign.kind {
            Kind::String(text) => text.as_str(),
            _ => "",
        };
        match sign_text {
            "=" => Ok(Range { low: Some(closed), high: Some(closed) }),
            ">" => Ok(Range { low: Some(open), high: None }),
            ">=" => Ok(Range { low: Some(closed), high: None }),
            "<" => Ok(Range { low: None, high: Some(open) }),
            "<=" => Ok(Range { low: None, high: Some(closed) }),
            _ => {
                let message = format!("`{}` is not a sign", sign.to_string().trim_matches('"'));
                Err(Error::new(&sign.span, message).help("write \"=\", \"<\", \"<=\", \">\" or \">=\""))
            }
        }
    }

    fn anything_but(&self, operand: &Value) -> Result<Condition, Error> {
        let unwanted = match &operand.kind {
            Kind::Array(items) if items.is_empty() => return Err(self.nothing_unwanted("anything-but", operand)),
            Kind::Array(items) => self.unwanted_list(items)?,
            Kind::Object(members) => self.unwanted_operator(operand, members)?,
            _ => vec![self.unwanted(operand)?],
        };
        Ok(Condition::AnythingBut(unwanted.into()))
    }

    fn unwanted_list(&self, items: &[Value]) -> Result<Vec<Condition>, Error> {
        let values = items.iter().map(|item| self.unwanted(item)).collect::<Result<Vec<_>, _>>()?;
        let other = values.iter().position(|value| std::mem::discriminant(value) != std::mem::discriminant(&values[0]));
        if let Some(position) = other {
            let message = "strings and numbers in one `anything-but`";
            return Err(Error::new(&items[position].span, message).help("all of its values must be of one type"));
        }
        Ok(values)
    }

    /// One value of `anything-but`. A number that would be rounded is refused, because nobody could say what it excludes.
    fn unwanted(&self, value: &Value) -> Result<Condition, Error> {
        match &value.kind {
            Kind::String(_) => self.condition(value),
            Kind::Number(text) => match Number::new(text) {
                Number::Verbatim(_) => Err(inexact(value)),
                comparable => Ok(Condition::Number(comparable)),
            },
            _ => Err(self.wrong_operand("anything-but", "strings or numbers", value)),
        }
    }

    fn unwanted_operator(&self, operand: &Value, members: &[(Key, Value)]) -> Result<Vec<Condition>, Error> {
        let [(key, inner)] = members else {
            return Err(self.wrong_operand("anything-but", "one operator", operand));
        };
        if !UNWANTED.contains(&key.name.as_str()) {
            let message = format!("`anything-but` does not take `{}`", key.name);
            let help = format!("it takes values, an array of them, or one of {}", UNWANTED.join(", "));
            return Err(Error::new(&key.span, message).help(help));
        }
        let items = match &inner.kind {
            Kind::Array(items) if items.is_empty() => return Err(self.nothing_unwanted(&key.name, inner)),
            Kind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(inner),
        };
        items.iter().map(|item| self.unwanted_text(&key.name, item)).collect()
    }

    fn unwanted_text(&self, name: &str, item: &Value) -> Result<Condition, Error> {
        let text = self.text(name, item)?;
        if text.is_empty() && matches!(name, "prefix" | "suffix") {
            let message = format!("every string has the empty {name}, so that this excludes them all");
            return Err(Error::new(&item.span, message).help("write the text to exclude"));
        }
        match name {
            "prefix" => Ok(Condition::Prefix(text)),
            "suffix" => Ok(Condition::Suffix(text)),
            "equals-ignore-case" => Ok(Condition::EqualsIgnoreCase(text)),
            _ => self.wildcard(item),
        }
    }

    fn nothing_unwanted(&self, name: &str, operand: &Value) -> Error {
        let any = self.notation.member("exists", true);
        Error::new(&operand.span, format!("`{name}` of no value")).help(format!("for any value write {any}"))
    }

    fn text(&self, operator: &str, operand: &Value) -> Result<Box<str>, Error> {
        match &operand.kind {
            Kind::String(text) => Ok(text.as_str().into()),
            _ => Err(self.wrong_operand(operator, "a string", operand)),
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
}

fn inexact(value: &Value) -> Error {
    let message = "a number that a double cannot hold as it is written";
    Error::new(&value.span, message).help("write it with at most 15 digits")
}

fn is_one_of(value: &Value, words: [&str; 2]) -> bool {
    matches!(&value.kind, Kind::String(text) if words.contains(&text.as_str()))
}
