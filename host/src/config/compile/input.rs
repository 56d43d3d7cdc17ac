//! What a target makes of an event for its plugin.

use super::{Compiler, Problem, name};
use crate::config::authored::{self, InputTransformer, Spanned};
use crate::pattern::value::{Kind, Span, Value};
use crate::rules::Input;
use crate::rules::input::{MAX_PATHS, Path, SyntaxError, Transformer};

/// What names of placeholders must not begin with.
const RESERVED: &str = "AWS";

impl Compiler<'_> {
    /// The one of the three fields that is written.
    pub(super) fn input(&mut self, target: &authored::Target) -> Option<Input> {
        let mut written: Vec<(&Span, &str)> = [
            target.input.as_ref().map(|value| (&value.span, "input")),
            target.input_path.as_ref().map(|path| (&path.span, "input-path")),
            target.input_transformer.as_ref().map(|transformer| (&transformer.span, "input-transformer")),
        ]
        .into_iter()
        .flatten()
        .collect();
        written.sort_by_key(|(span, _)| span.start);
        if let [(first, one), rest @ ..] = written.as_slice() {
            for (span, another) in rest {
                let problem = Problem::new(span, format!("a target cannot have both `{one}` and `{another}`"));
                let help = "keep one of them, or make two targets of it, with an id each";
                self.problems.add(problem.related(first, "the first").help(help));
            }
        }
        let constant = target.input.as_ref().map(|value| self.constant(value));
        let path = target.input_path.as_ref().map(|path| self.path_into_event(path).map(Input::Path));
        let transformer = target.input_transformer.as_ref().map(|transformer| self.transformer(&transformer.value));
        constant.or(path).or(transformer).flatten()
    }

    fn constant(&mut self, authored: &Value) -> Option<Input> {
        let decoded = match &authored.kind {
            Kind::String(text) => text,
            // What is wrong with a table is wrong with all of it.
            _ => "",
        };
        let outcome = Input::constant(authored);
        self.shaped(outcome, &authored.span, decoded)
    }

    fn path_into_event(&mut self, authored: &Spanned<String>) -> Option<Path> {
        self.shaped(Path::parse(&authored.value), &authored.span, &authored.value)
    }

    fn transformer(&mut self, authored: &InputTransformer) -> Option<Input> {
        if let Some((name, _)) = authored.input_paths.get(MAX_PATHS) {
            let message = format!("there are {} input-paths", authored.input_paths.len());
            self.complain(&name.span, message, format!("at most {MAX_PATHS} are allowed: this is the first beyond"));
        }
        let mut paths = Vec::new();
        let mut complete = true;
        for (name, path) in &authored.input_paths {
            self.name(&name::PLACEHOLDER, name);
            if name.value.starts_with(RESERVED) {
                let message = format!("`{}` is reserved: it begins with `{RESERVED}`", name.value);
                self.complain(&name.span, message, "choose another name");
            }
            match self.path_into_event(path) {
                Some(path) => paths.push((name.value.clone(), path)),
                None => complete = false,
            }
        }
        if !complete {
            // The template would be blamed for names whose paths are wrong.
            return None;
        }
        let template = &authored.template;
        let outcome = Transformer::new(paths, &template.value).map(Input::Transformer);
        self.shaped(outcome, &template.span, &template.value)
    }

    /// Notes what is wrong with `decoded`, a string that is written at `span`.
    fn shaped<T>(&mut self, outcome: Result<T, SyntaxError>, span: &Span, decoded: &str) -> Option<T> {
        outcome
            .map_err(|error| {
                let place =
                    if decoded.is_empty() { span.clone() } else { self.within_string(span, decoded, &error.span) };
                self.complain(&place, error.message, error.help);
            })
            .ok()
    }
}
