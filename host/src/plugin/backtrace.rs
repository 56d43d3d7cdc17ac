//! Where a guest was when it was ended, for whoever writes it.

use std::borrow::Cow;
use std::fmt::Write;
use std::num::NonZeroUsize;

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use super::symbols::{Place, Symbols, demangled};

/// How many frames are looked at: enough to tell a recursion from a deep call.
pub(super) const FRAMES: NonZeroUsize = NonZeroUsize::new(128).expect("it is not zero");

/// How many lines are written.
const LINES: usize = 30;

/// The longest name, in characters. Names of generic functions can be longer than anybody reads.
const NAME: usize = 120;

/// What is not the plugin's own: names that begin so are of the runtime of its language, or made by a generator.
const RUNTIME: [&str; 19] = [
    "std::",
    "core::",
    "alloc::",
    "<alloc::",
    "<core::",
    "<std::",
    "dlmalloc",
    "malloc",
    "calloc",
    "sbrk",
    "wit_bindgen",
    "__rust",
    "__wasm",
    "__wasi",
    "rust_",
    "_rust",
    "cabi_",
    "abort",
    "_start",
];

/// Why a guest was ended: the cause on the first line, then where it was, the innermost function first.
pub(super) fn explain(error: &wasmtime::Error, symbols: &Symbols) -> String {
    let mut text = cause(error);
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return text };
    let places: Vec<Place> = backtrace.frames().iter().flat_map(|frame| places(frame, symbols)).collect();
    if let Some(name) = recursion(&places) {
        let _ = write!(text, "; the stack overflowed: `{name}` calls itself");
    }
    for line in lines(&places) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

fn cause(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => format!("the guest trapped: {trap}"),
        None => error.chain().last().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The functions of a frame.
fn places(frame: &FrameInfo, symbols: &Symbols) -> Vec<Place> {
    let name = || frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
    let mut places = frame.module_offset().map(|offset| symbols.find(offset as u64)).unwrap_or_default();
    if places.is_empty() {
        places.push(Place { function: None, source: None });
    }
    for place in &mut places {
        let name = place.function.take().unwrap_or_else(name);
        place.function = Some(name);
    }
    places
}

/// The function that calls itself for so long that nothing else is in sight; the one nearest to the end of the stack, if
/// several call each other.
fn recursion(places: &[Place]) -> Option<&str> {
    if places.len() < FRAMES.get() {
        return None;
    }
    let own = places.iter().find(|place| !is_runtime(place))?;
    let times = places.iter().filter(|place| place.function == own.function).count();
    // Up to seven others may be between two calls.
    (times >= FRAMES.get() / 8).then_some(own.function.as_deref()).flatten()
}

/// The lines, numbered by frame. Those of one function that calls itself are one line, and so are those of the runtime.
fn lines(places: &[Place]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut index = 0;
    while index < places.len() {
        let place = &places[index];
        let runtime = is_runtime(place);
        let alike = |other: &&Place| if runtime { is_runtime(other) } else { *other == place };
        let count = places[index..].iter().take_while(alike).count();
        if lines.len() == LINES {
            lines.push(format!("    and {} more", places.len() - index));
            break;
        }
        lines.push(match (runtime, count) {
            (true, 2..) => format!("{index:>3}: {}, and {} more of the runtime", shown(place), count - 1),
            (false, 2..) => format!("{index:>3}: {}, {count} times", shown(place)),
            _ => format!("{index:>3}: {}", shown(place)),
        });
        index += count;
    }
    lines
}

fn is_runtime(place: &Place) -> bool {
    let name = place.function.as_deref().unwrap_or_default();
    RUNTIME.iter().any(|start| name.starts_with(start)) || is_export(name)
}

/// Whether it is the shim behind an export: `trialbridge:plugin/handler@0.1.0#handle`, or what the generator makes of it.
fn is_export(name: &str) -> bool {
    name.contains("trialbridge:plugin/") || name.contains("::_export_") || name.contains("::export_")
}

fn shown(place: &Place) -> String {
    let name = place.function.as_deref().unwrap_or_default();
    let name = method(name);
    let mut text: String = name.chars().filter(|character| !character.is_control()).take(NAME).collect();
    if name.chars().count() > NAME {
        text.push('…');
    }
    if let Some(source) = &place.source {
        let _ = write!(text, " at {source}");
    }
    text
}

/// `<TYPE as TRAIT>::NAME` without the trait, which for what is generated is long and says nothing.
fn method(name: &str) -> Cow<'_, str> {
    let parts = name.strip_prefix('<').and_then(|rest| rest.split_once(" as "));
    match parts.and_then(|(of, rest)| Some((of, rest.rsplit_once(">::")?.1))) {
        Some((of, function)) if !of.contains('<') => Cow::Owned(format!("{of}::{function}")),
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str) -> Place {
        Place { function: Some(function.to_owned()), source: None }
    }

    #[test]
    fn the_runtime_is_kept_short() {
        let at = Place { source: Some("src/lib.rs:12".to_owned()), ..place("<a::Plugin as b::Guest>::handle") };
        let places = [place("abort"), place("std::panicking::panic"), place("core::panicking::panic"), at];
        assert_eq!(
            lines(&places),
            ["  0: abort, and 2 more of the runtime", "  3: a::Plugin::handle at src/lib.rs:12"]
        );
    }

    #[test]
    fn a_recursion_is_told_from_a_deep_call() {
        let several: Vec<Place> = (0..128).map(|number| place(["a::even", "a::odd"][number % 2])).collect();
        assert_eq!(recursion(&several), Some("a::even"));
        assert_eq!(lines(&several).len(), LINES + 1);
        assert_eq!(recursion(&several[..127]), None);
        let deep: Vec<Place> = (0..128).map(|number| place(&format!("a::step{number}"))).collect();
        assert_eq!(recursion(&deep), None);
    }
}
