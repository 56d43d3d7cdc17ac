//! What can be said of patterns without an event: which one takes all that another takes, and which can never match.
//!
//! Everything here is on the safe side: what is said is true, and what is not said may be true too.

use super::condition::{Bound, Condition, Scalar};
use super::number::Number;
use super::{Leaf, Pattern, ignore_case};

/// What is known of a field of all events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// Nothing.
    Any,
    /// It has no value, or is an object.
    Missing,
    /// It is a text, and always there.
    Text,
    /// It is a text, and always there, and does not begin like this.
    TextWithout(&'a str),
    /// It is this text.
    Constant(&'a str),
    /// It is none, one or several texts.
    Texts,
}

impl Pattern {
    /// Whether every event that matches `other` matches this pattern too.
    pub fn covers(&self, other: &Self) -> bool {
        other.fields().all(|narrow| self.fields().any(|wide| is_covered(&narrow, &wide)))
    }

    /// The first field, with the objects it is in, that no event can satisfy, if there is no other way for an event to match.
    pub fn impossible<'a>(&self, shape: impl Fn(&str) -> Shape<'a>) -> Option<&str> {
        let impossible = |leaf: &&Leaf| {
            let shape = shape(&leaf.path);
            !leaf.conditions.iter().any(|condition| is_possible(condition, shape))
        };
        let mut ways = self.fields().map(|leaves| leaves.into_iter().find(impossible));
        let first = ways.next()??;
        ways.all(|way| way.is_some()).then_some(&first.path)
    }

    /// Whether an event may match in which these fields, each with the objects it is in, have these texts.
    pub fn admits(&self, fields: &[(&str, &str)]) -> bool {
        self.fields().any(|leaves| {
            fields.iter().all(|(path, text)| {
                let mut asked = leaves.iter().filter(|leaf| leaf.path == *path);
                let value = Scalar::String(text.as_bytes());
                asked.all(|leaf| leaf.conditions.iter().any(|condition| condition.accepts(value)))
            })
        })
    }

    /// Whether an event may match in which one field has this text, whatever text another one has.
    pub fn admits_any(&self, (path, text): (&str, &str), open: &str) -> bool {
        self.fields().any(|leaves| {
            leaves.iter().all(|leaf| {
                let value = Scalar::String(text.as_bytes());
                if leaf.path == path {
                    return leaf.conditions.iter().any(|condition| condition.accepts(value));
                }
                leaf.path != open || leaf.conditions.iter().any(is_open)
            })
        })
    }

    /// The texts that are wanted of a field as they are written.
    pub fn texts(&self, path: &str) -> impl Iterator<Item = &str> {
        let leaves = self.leaves.iter().filter(move |leaf| leaf.path == path);
        leaves.flat_map(|leaf| &leaf.conditions).filter_map(|condition| match condition {
            Condition::String(text) => Some(&**text),
            _ => None,
        })
    }

    /// The leaves of each way to match.
    fn fields(&self) -> impl Iterator<Item = Vec<&Leaf>> {
        self.combinations.iter().map(|leaves| leaves.iter().map(|leaf| &self.leaves[*leaf]).collect())
    }
}

/// Whether whatever satisfies all of `narrow` satisfies all of `wide`.
fn is_covered(narrow: &[&Leaf], wide: &[&Leaf]) -> bool {
    // What is missing depends on the elements of arrays that the other fields are in: then these must be the same.
    let by_absence = wide.iter().any(|leaf| leaf.conditions.contains(&Condition::Absent));
    if by_absence && narrow.len() != wide.len() {
        return false;
    }
    wide.iter().all(|wide| {
        narrow
            .iter()
            .filter(|narrow| narrow.path == wide.path)
            .any(|narrow| narrow.conditions.iter().all(|one| wide.conditions.iter().any(|other| implies(one, other))))
    })
}

/// Whether whatever `narrow` accepts `wide` accepts too.
fn implies(narrow: &Condition, wide: &Condition) -> bool {
    if narrow == wide {
        return true;
    }
    match (narrow, wide) {
        (Condition::Absent, _) | (_, Condition::Absent) => false,
        (_, Condition::Present) => true,
        (Condition::Null, _) => wide.accepts(Scalar::Null),
        (Condition::Bool(value), _) => wide.accepts(Scalar::Bool(*value)),
        (Condition::String(text), _) => wide.accepts(Scalar::String(text.as_bytes())),
        (Condition::Number(Number::Comparable(number)), _) => {
            wide.accepts(Scalar::Number(number.to_string().as_bytes(), *number))
        }
        (Condition::Prefix(long), Condition::Prefix(short)) => long.starts_with(&**short),
        (Condition::Suffix(long), Condition::Suffix(short)) => long.ends_with(&**short),
        (Condition::Prefix(long), Condition::PrefixIgnoreCase(short)) => ignore_case::starts_with(short, long),
        (Condition::Suffix(long), Condition::SuffixIgnoreCase(short)) => ignore_case::ends_with(short, long),
        (Condition::Numeric(narrow), Condition::Numeric(wide)) => {
            within(narrow.low, wide.low, |inner, outer| inner > outer)
                && within(narrow.high, wide.high, |inner, outer| inner < outer)
        }
        (Condition::AnythingBut(more), Condition::AnythingBut(fewer)) => {
            fewer.iter().all(|unwanted| more.iter().any(|also| implies(unwanted, also)))
        }
        (_, Condition::AnythingBut(unwanted)) => unwanted.iter().all(|unwanted| are_disjoint(narrow, unwanted)),
        (_, wide) => {
            is_open(wide)
                && !matches!(
                    narrow,
                    Condition::Numeric(_) | Condition::Number(_) | Condition::Present | Condition::AnythingBut(_)
                )
        }
    }
}

/// Whether an end of a range is within the same end of another; `tighter` compares their numbers.
fn within(inner: Option<Bound>, outer: Option<Bound>, tighter: fn(f64, f64) -> bool) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => {
            tighter(inner.number, outer.number) || inner.number == outer.number && (outer.inclusive || !inner.inclusive)
        }
    }
}

/// Whether no value is accepted by both.
fn are_disjoint(left: &Condition, right: &Condition) -> bool {
    match (left, right) {
        (Condition::Prefix(one), Condition::Prefix(other)) => !one.starts_with(&**other) && !other.starts_with(&**one),
        (Condition::Suffix(one), Condition::Suffix(other)) => !one.ends_with(&**other) && !other.ends_with(&**one),
        (_, Condition::String(text)) => !left.accepts(Scalar::String(text.as_bytes())),
        _ => false,
    }
}

/// Whether it accepts every text, or all but some.
fn is_open(condition: &Condition) -> bool {
    match condition {
        Condition::Present | Condition::AnythingBut(_) => true,
        Condition::Prefix(text) | Condition::Suffix(text) => text.is_empty(),
        Condition::PrefixIgnoreCase(text) | Condition::SuffixIgnoreCase(text) => text.is_empty(),
        Condition::Wildcard(wildcard) => wildcard.pieces().len() > 1 && wildcard.pieces().all(str::is_empty),
        _ => false,
    }
}

/// Whether it can accept a value of this shape, or its absence.
fn is_possible(condition: &Condition, shape: Shape<'_>) -> bool {
    let not_a_text = matches!(
        condition,
        Condition::Null | Condition::Bool(_) | Condition::Number(_) | Condition::Numeric(_) | Condition::Absent
    );
    match shape {
        Shape::Any => true,
        Shape::Missing => *condition == Condition::Absent,
        Shape::Text => !not_a_text,
        Shape::TextWithout(beginning) => {
            let excluded = matches!(condition,
                Condition::String(text) | Condition::Prefix(text) if text.starts_with(beginning));
            !not_a_text && !excluded
        }
        Shape::Constant(text) => condition.accepts(Scalar::String(text.as_bytes())),
        Shape::Texts => !not_a_text || *condition == Condition::Absent,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Pattern;
    use super::super::tests::generate;
    use super::Shape;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse_json(text).expect(text)
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        for (wide, narrow, covers) in [
            (r#"{"a": ["x", "y"]}"#, r#"{"a": ["x"]}"#, true),
            (r#"{"a": ["x"]}"#, r#"{"a": ["x"], "b": [1]}"#, true),
            (r#"{"a": ["x"], "b": [1]}"#, r#"{"a": ["x"]}"#, false),
            (r#"{"a": [{"prefix": "x"}]}"#, r#"{"a": ["xy", {"prefix": "xz"}]}"#, true),
            (r#"{"a": [{"exists": true}]}"#, r#"{"a": [{"numeric": [">", 1]}]}"#, true),
            (r#"{"a": [{"numeric": [">=", 1]}]}"#, r#"{"a": [{"numeric": [">", 1, "<", 3]}, 1.0]}"#, true),
            (r#"{"a": [{"numeric": [">", 1]}]}"#, r#"{"a": [{"numeric": [">=", 1]}]}"#, false),
            (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": [{"anything-but": ["x", "y"]}, {"prefix": "y"}]}"#, true),
            (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": [{"prefix": ""}]}"#, false),
            (r#"{"$or": [{"a": [1]}, {"b": [2]}]}"#, r#"{"b": [2], "c": [3]}"#, true),
            (r#"{"a": [1], "b": [{"exists": false}]}"#, r#"{"a": [1], "b": [{"exists": false}]}"#, true),
            (r#"{"c": {"b": [{"exists": false}]}}"#, r#"{"c": {"a": [1], "b": [{"exists": false}]}}"#, false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} and {narrow}");
        }
    }

    #[test]
    fn impossible_fields_are_found() {
        let shape = |path: &str| match path {
            "source" => Shape::TextWithout("aws."),
            "version" => Shape::Constant("0"),
            "resources" => Shape::Texts,
            path if path.starts_with("detail.") => Shape::Any,
            _ => Shape::Missing,
        };
        for (text, field) in [
            (r#"{"source": ["x"], "version": ["0"], "detail": {"a": [null]}}"#, None),
            (r#"{"source": ["aws.ec2"]}"#, Some("source")),
            (r#"{"source": ["aws.ec2", "x"]}"#, None),
            (r#"{"source": [1]}"#, Some("source")),
            (r#"{"version": ["1"]}"#, Some("version")),
            (r#"{"version": [{"anything-but": "0"}]}"#, Some("version")),
            (r#"{"resources": [{"exists": false}]}"#, None),
            (r#"{"detail": ["x"]}"#, Some("detail")),
            (r#"{"$or": [{"details": ["x"]}, {"source": ["x"]}]}"#, None),
        ] {
            assert_eq!(pattern(text).impossible(shape), field, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_matches(
            wide in generate::pattern(), narrow in generate::pattern(), event in generate::event()
        ) {
            let (wide, narrow) = (pattern(&wide), pattern(&narrow));
            if wide.covers(&narrow) && narrow.matches(event.as_bytes()).expect("an event") {
                prop_assert!(wide.matches(event.as_bytes()).expect("an event"));
            }
        }
    }
}
