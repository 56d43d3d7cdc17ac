//! The rules of Choice states.

use serde_json::Value;

use super::Kind;
use super::fields::{Fields, Report};
use crate::choice::{self, Condition, Domain, Operand, Relation, Test};
use crate::path::Path;
use crate::suggest::did_you_mean;

/// What a comparison's name means.
#[derive(Clone, Copy)]
enum Operator {
    Present,
    Is(choice::Kind),
    Matches,
    Order(Domain, Relation),
    OrderPath(Domain, Relation),
}

/// Each domain has these relations, but booleans, which are equal or not.
const RELATIONS: [(&str, Relation); 5] = [
    ("Equals", Relation::Equals),
    ("LessThan", Relation::LessThan),
    ("GreaterThan", Relation::GreaterThan),
    ("LessThanEquals", Relation::LessThanEquals),
    ("GreaterThanEquals", Relation::GreaterThanEquals),
];

const DOMAINS: [(&str, Domain, &str); 4] = [
    ("String", Domain::String, "a text"),
    ("Numeric", Domain::Numeric, "a number"),
    ("Boolean", Domain::Boolean, "true or false"),
    ("Timestamp", Domain::Timestamp, "a time as 2020-05-13T14:19:39Z"),
];

const KINDS: [(&str, Operator); 7] = [
    ("IsPresent", Operator::Present),
    ("IsNull", Operator::Is(choice::Kind::Null)),
    ("IsNumeric", Operator::Is(choice::Kind::Numeric)),
    ("IsString", Operator::Is(choice::Kind::String)),
    ("IsBoolean", Operator::Is(choice::Kind::Boolean)),
    ("IsTimestamp", Operator::Is(choice::Kind::Timestamp)),
    ("StringMatches", Operator::Matches),
];

/// Fields of a rule that are no comparison.
const OTHERS: [&str; 6] = ["And", "Or", "Not", "Variable", "Next", "Comment"];

pub(super) fn choice(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Kind {
    fields.need("Choices", report);
    let rules = fields.list("Choices", report);
    let rules = rules.into_iter().filter_map(|(value, at)| {
        let mut fields = Fields::of(value, at, "a choice", report)?;
        let next = fields.text("Next", report).unwrap_or_default().to_owned();
        Some((condition(value, fields, report)?, next))
    });
    let rules = rules.collect();
    Kind::Choice { rules, default: fields.optional_text("Default", report).map(str::to_owned) }
}

fn condition(value: &Value, mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<Condition> {
    fields.optional_text("Comment", report);
    let members = value.as_object()?;
    let operators: Vec<&str> =
        members.keys().map(String::as_str).filter(|name| !matches!(*name, "Variable" | "Next" | "Comment")).collect();
    let name = match operators.as_slice() {
        [name] => *name,
        [] => {
            report.say(fields.at(), "has no comparison, as StringEquals, and none of And, Or, Not");
            return None;
        }
        [first, second, ..] => {
            let message = format!("cannot be beside {first}: a choice has one comparison; join several with And");
            report.say(fields.path(second), message);
            return None;
        }
    };
    let condition = match name {
        "And" => Condition::All(several("And", &mut fields, report)),
        "Or" => Condition::Any(several("Or", &mut fields, report)),
        "Not" => {
            let value = fields.take("Not")?;
            Condition::Not(Box::new(nested(value, fields.path("Not"), report)?))
        }
        name => comparison(name, &members[name], &mut fields, report)?,
    };
    if matches!(name, "And" | "Or" | "Not") {
        fields.finish(report);
    }
    Some(condition)
}

fn several(name: &'static str, fields: &mut Fields<'_>, report: &mut Report<'_>) -> Vec<Condition> {
    let items = fields.list(name, report);
    items.into_iter().filter_map(|(value, at)| nested(value, at, report)).collect()
}

/// A condition within another, which leads nowhere by itself.
fn nested(value: &Value, at: String, report: &mut Report<'_>) -> Option<Condition> {
    let fields = Fields::of(value, at, "a condition", report)?;
    if fields.has("Next") {
        report.say(fields.path("Next"), "only the outermost condition of a choice has Next");
    }
    condition(value, fields, report)
}

fn comparison(name: &str, value: &Value, fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Condition> {
    let Some(operator) = operator(name) else {
        let names = names();
        let hint = did_you_mean(name, names.iter().map(String::as_str).chain(OTHERS));
        report.say(fields.path(name), format!("there is no comparison {name:?}{hint}"));
        return None;
    };
    fields.need("Variable", report);
    let variable = fields.definite_path("Variable", report);
    let yes_or_no = |report: &mut Report<'_>| fields.expect(name, value, value.as_bool(), "true or false", report);
    let path = |reason: String, report: &mut Report<'_>| report.say(fields.path(name), reason);
    let test = match operator {
        Operator::Present => {
            let wanted = yes_or_no(report)?;
            return Some(Condition::IsPresent(variable?, wanted));
        }
        Operator::Is(kind) => Test::Is(kind, yes_or_no(report)?),
        Operator::Matches => {
            let text = fields.expect(name, value, value.as_str(), "a text, in which * is anything", report)?;
            Test::Matches(choice::pattern(text).map_err(|reason| path(reason, report)).ok()?)
        }
        Operator::Order(domain, relation) => {
            let expected =
                DOMAINS.iter().find(|(_, other, _)| *other == domain).map_or("", |(_, _, expected)| expected);
            fields.expect(name, value, domain.takes(value).then_some(()), expected, report)?;
            Test::Order(domain, relation, Operand::Value(value.clone()))
        }
        Operator::OrderPath(domain, relation) => {
            let text = fields.expect(name, value, value.as_str(), "a path", report)?;
            let other = Path::parse(text).map_err(|reason| path(reason, report)).ok()?;
            Test::Order(domain, relation, Operand::Path(fields.definite(name, other, report)?))
        }
    };
    Some(Condition::Compare(variable?, test))
}

fn operator(name: &str) -> Option<Operator> {
    if let Some((_, operator)) = KINDS.iter().find(|(kind, _)| *kind == name) {
        return Some(*operator);
    }
    let (domain, rest) = DOMAINS.iter().find_map(|(prefix, domain, _)| Some((*domain, name.strip_prefix(prefix)?)))?;
    let (rest, by_path) = match rest.strip_suffix("Path") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (_, relation) = RELATIONS.iter().find(|(relation, _)| *relation == rest)?;
    if domain == Domain::Boolean && *relation != Relation::Equals {
        return None;
    }
    Some(if by_path { Operator::OrderPath(domain, *relation) } else { Operator::Order(domain, *relation) })
}

/// Every comparison.
fn names() -> Vec<String> {
    let mut names: Vec<String> = KINDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (domain, _, _) in DOMAINS {
        for (relation, _) in RELATIONS {
            names.extend(["", "Path"].map(|suffix| format!("{domain}{relation}{suffix}")));
        }
    }
    names.retain(|name| operator(name).is_some());
    names
}
