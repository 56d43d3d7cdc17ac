//! The beginning of a URL's path, in whole segments.

use std::fmt;

use percent_encoding::percent_decode_str;

/// The beginning of a path, in whole segments: `/services` allows `/services` and `/services/x`, but not `/servicesx`.
///
/// The default allows every path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPrefix {
    /// Without the slash at the end; empty for every path.
    text: String,
}

impl PathPrefix {
    /// Reads a path that begins with a slash, as a URL has it. `None` if it has dots, or encoded slashes, that would lead elsewhere.
    pub(super) fn new(path: &str) -> Option<Self> {
        let text = path.strip_suffix('/').unwrap_or(path);
        (!path.split('/').any(misleads)).then(|| Self { text: text.to_owned() })
    }

    /// Whether it allows a path that a URL has: one without dots that lead elsewhere.
    ///
    /// What is left in such a path and may still lead elsewhere, because some servers decode it once more, is not allowed: encoded
    /// dots, encoded slashes, `..;`. A prefix that allows every path allows these too.
    pub fn allows(&self, path: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let rest = path.strip_prefix(self.text.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !path.split('/').any(misleads)
    }

    /// How many bytes it has: of two that allow a path, the longer says more closely where.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether some server could take a segment for something else than one step down: for several, or a step up.
fn misleads(segment: &str) -> bool {
    let mut text = segment.to_owned();
    loop {
        let name = text.split(';').next().unwrap_or_default();
        if matches!(name, "." | "..") || text.contains(['/', '\\', '\0']) {
            return true;
        }
        // Each round makes it shorter, or is the last.
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
}
