//! Intrinsic functions: `States.Format('{} of {}', $.stack, States.ArrayLength($.stacks))`.

mod arrays;
mod functions;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use crate::path::Path;
use crate::problem::{Problem, names};
use crate::template::Scene;

/// A call of an intrinsic function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// How it is computed.
    known: &'static Known,
    arguments: Vec<Argument>,
}

/// What a function is given.
#[derive(Clone, Debug)]
enum Argument {
    Constant(Value),
    Path(Path),
    Function(Function),
}

/// A function that exists.
#[derive(Debug)]
struct Known {
    /// `States.` and its name.
    name: &'static str,
    /// How many arguments it takes at least.
    least: usize,
    /// How many it takes at most.
    most: usize,
    compute: Compute,
}

/// What computes a function: its arguments and random numbers in, its value or what is wrong with them out.
type Compute = fn(&[Value], &mut dyn FnMut() -> u64) -> Result<Value, String>;

impl Function {
    /// Reads a call, with those inside it.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// Computes it, the arguments first.
    ///
    /// # Errors
    ///
    /// States.IntrinsicFailure; States.ParameterPathFailure for a path that finds nothing.
    pub(crate) fn call(&self, scene: &mut Scene<'_, '_>) -> Result<Value, Problem> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Constant(value) => value.clone(),
                Argument::Path(path) => path
                    .read(scene.input, scene.context)
                    .map(Cow::into_owned)
                    .map_err(|cause| Problem::new(names::PARAMETER_PATH_FAILURE, cause))?,
                Argument::Function(function) => function.call(scene)?,
            });
        }
        (self.known.compute)(&values, scene.random)
            .map_err(|cause| Problem::new(names::INTRINSIC_FAILURE, format!("{}: {cause}", self.known.name)))
    }
}
