//! Where the code of a guest comes from: files and lines, if its debug information says so.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use wasmparser::{Encoding, Parser, Payload};

/// The debug information of a component: nothing for most, because plugins are built without it.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    modules: Vec<Module>,
}

/// The debug information of one of its modules.
#[derive(Debug, Default)]
struct Module {
    /// Where its code is in the file.
    code: Range<u64>,
    /// Its sections with debug information, by name.
    sections: HashMap<String, Vec<u8>>,
}

/// A function at some place in its source; of functions that were inlined into each other, each is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name, as people write it; nothing if that is not known.
    pub(super) function: Option<String>,
    /// `FILE:LINE`.
    pub(super) source: Option<String>,
}

impl Symbols {
    /// What a file says.
    pub(super) fn new(file: &[u8]) -> Self {
        let mut open: Vec<Option<Module>> = Vec::new();
        let mut modules = Vec::new();
        for payload in Parser::new(0).parse_all(file) {
            // What is broken has been found by whoever compiles; here it only means that less is known.
            let Ok(payload) = payload else { break };
            match payload {
                Payload::Version { encoding, .. } => {
                    open.push((encoding == Encoding::Module).then(Module::default));
                }
                Payload::CodeSectionStart { range, .. } => {
                    if let Some(Some(module)) = open.last_mut() {
                        module.code = range.start as u64..range.end as u64;
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    if let Some(Some(module)) = open.last_mut() {
                        module.sections.insert(section.name().to_owned(), section.data().to_vec());
                    }
                }
                Payload::End(_) => modules.extend(open.pop().flatten()),
                _ => {}
            }
        }
        modules.retain(|module| module.sections.contains_key(SectionId::DebugLine.name()));
        Self { modules }
    }

    /// Where an instruction comes from, by its place in the file: the innermost function first. Nothing if it is not known.
    pub(super) fn find(&self, offset: u64) -> Vec<Place> {
        let module = self.modules.iter().find(|module| module.code.contains(&offset));
        module.and_then(|module| module.find(offset - module.code.start)).unwrap_or_default()
    }
}

impl Module {
    fn find(&self, offset: u64) -> Option<Vec<Place>> {
        let section = |id: SectionId| -> Result<_, addr2line::gimli::Error> {
            let data = self.sections.get(id.name()).map_or(&[][..], Vec::as_slice);
            Ok(EndianSlice::new(data, LittleEndian))
        };
        // Built for each frame of a trap in a guest with debug information, which nobody runs for its speed.
        let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
        let unit = context.find_dwarf_and_unit(offset).skip_all_loads();
        let folder = unit.and_then(|unit| unit.comp_dir).map(|folder| folder.to_string_lossy());
        let mut frames = context.find_frames(offset).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref().and_then(|name| name.raw_name().ok());
            let location = frame.location.and_then(|location| Some((location.file?, location.line)));
            let source = location.map(|(file, line)| match line {
                Some(line) => format!("{}:{line}", short(file, folder.as_deref())),
                None => short(file, folder.as_deref()).into_owned(),
            });
            places.push(Place { function: function.map(|name| demangled(&name)), source });
        }
        Some(places)
    }
}

/// The name of a function as people write it.
pub(super) fn demangled(name: &str) -> String {
    addr2line::demangle_auto(Cow::Borrowed(name), None).into_owned()
}

/// The path of a source file without what depends on the machine that compiled it.
fn short<'a>(file: &'a str, folder: Option<&str>) -> Cow<'a, str> {
    if let Some(inside) = folder.and_then(|folder| Path::new(file).strip_prefix(folder).ok()) {
        return inside.to_string_lossy();
    }
    // A crate of a registry: .../registry/src/HOST/NAME-VERSION/src/lib.rs. The standard library: /rustc/HASH/library/...
    for (mark, skipped) in [("/registry/src/", 1), ("/rustc/", 1)] {
        if let Some((_, rest)) = file.split_once(mark) {
            let inside = rest.splitn(skipped + 1, '/').nth(skipped);
            return Cow::Borrowed(inside.unwrap_or(rest));
        }
    }
    Cow::Borrowed(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_depend_on_the_machine() {
        let folder = Some("/home/somebody/plugin");
        for (file, shown) in [
            ("/home/somebody/plugin/src/lib.rs", "src/lib.rs"),
            ("/home/somebody/.cargo/registry/src/index-1949cf8c/serde-1.0.0/src/de.rs", "serde-1.0.0/src/de.rs"),
            ("/rustc/0123abc/library/core/src/option.rs", "library/core/src/option.rs"),
            ("/elsewhere/lib.rs", "/elsewhere/lib.rs"),
        ] {
            assert_eq!(short(file, folder), shown);
        }
    }

    #[test]
    fn names_are_as_people_write_them() {
        assert_eq!(demangled("_ZN12assign_trial6handle17h0123456789abcdefE"), "assign_trial::handle");
        assert_eq!(demangled("_ZN2js3RunEv"), "js::Run()");
        assert_eq!(demangled("memcpy"), "memcpy");
    }

    #[test]
    fn what_is_no_component_has_no_symbols() {
        assert!(Symbols::new(b"nothing").find(0).is_empty());
    }
}
