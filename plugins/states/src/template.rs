//! Payload templates: JSON in which the members whose names end in `.$` are paths and intrinsic functions.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::intrinsic::Function;
use crate::path::{Context, Path};
use crate::problem::{Problem, names};

/// A template.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// As it is.
    Constant(Value),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
    /// The value of a member whose name ended in `.$`.
    Computed(Expression),
}

/// A path or an intrinsic function.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Path(Path),
    Function(Function),
}

/// What expressions are evaluated with.
pub(crate) struct Scene<'a, 'c> {
    /// What `$` is.
    pub(crate) input: &'a Value,
    /// What `$$` is.
    pub(crate) context: &'a Context<'c>,
    /// Random numbers.
    pub(crate) random: &'a mut dyn FnMut() -> u64,
}

impl Template {
    /// Reads a template that lies `at` a JSON path. Each mistake is reported with its own path.
    pub(crate) fn parse(value: &Value, at: &str, report: &mut dyn FnMut(String, String)) -> Self {
        match value {
            Value::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| member(members, name, value, at, report)).collect();
                Self::Object(members)
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Self::Array(items.map(|(i, item)| Self::parse(item, &format!("{at}[{i}]"), report)).collect())
            }
            other => Self::Constant(other.clone()),
        }
    }

    /// Fills it in.
    ///
    /// # Errors
    ///
    /// States.ParameterPathFailure for a path that finds nothing, States.IntrinsicFailure for a function that cannot be computed.
    pub(crate) fn fill(&self, scene: &mut Scene<'_, '_>) -> Result<Value, Problem> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), value.fill(scene)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, Problem>>()?)
            }
            Self::Array(items) => items.iter().map(|item| item.fill(scene)).collect::<Result<_, _>>()?,
            Self::Computed(expression) => expression.evaluate(scene)?,
        })
    }
}

impl Expression {
    /// Reads `$...`, `$$...` or `States.NAME(...)`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            Path::parse(text).map(Self::Path)
        } else {
            Function::parse(text).map(Self::Function)
        }
    }

    /// Computes it.
    ///
    /// # Errors
    ///
    /// Those of [`Template::fill`].
    pub(crate) fn evaluate(&self, scene: &mut Scene<'_, '_>) -> Result<Value, Problem> {
        match self {
            Self::Path(path) => path
                .read(scene.input, scene.context)
                .map(Cow::into_owned)
                .map_err(|cause| Problem::new(names::PARAMETER_PATH_FAILURE, cause)),
            Self::Function(function) => function.call(scene),
        }
    }
}

fn member(
    members: &Map<String, Value>,
    name: &str,
    value: &Value,
    at: &str,
    report: &mut dyn FnMut(String, String),
) -> (String, Template) {
    let here = crate::definition::below(at, name);
    let Some(plain) = name.strip_suffix(".$") else {
        return (name.to_owned(), Template::parse(value, &here, report));
    };
    if members.contains_key(plain) {
        report(here.clone(), format!("both {plain:?} and {name:?} are given, and both would be {plain:?}"));
    }
    let expression = match value.as_str() {
        Some(text) => Expression::parse(text),
        None => Err(format!("must be a text, a path or an intrinsic function, because the name {name:?} ends in .$")),
    };
    match expression {
        Ok(expression) => (plain.to_owned(), Template::Computed(expression)),
        Err(reason) => {
            report(here, reason);
            (plain.to_owned(), Template::Constant(Value::Null))
        }
    }
}
