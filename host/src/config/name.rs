//! What things may be called.

use super::Complaint;

/// A kind of name: who may be called like that, which characters it has, how long it is.
pub(super) struct Grammar {
    /// What is named.
    what: &'static str,
    /// What the name may begin with.
    first: fn(char) -> bool,
    /// What the name may go on with.
    rest: fn(char) -> bool,
    /// The most characters.
    longest: usize,
    /// All of that in words.
    help: &'static str,
}

/// Plugins, and with them the ids of targets.
pub(super) const PLUGIN: Grammar = lower_case("the name of a plugin");

/// Buckets of the key-value store.
pub(super) const BUCKET: Grammar = lower_case("the name of a bucket");

/// Folders as plugins see them.
pub(super) const FOLDER: Grammar = lower_case("the name of a folder");

/// Targets of a rule.
pub(super) const TARGET: Grammar = lower_case("the id of a target");

/// Commands.
pub(super) const COMMAND: Grammar = lower_case("the name of a command");

/// Parameters of commands: what a member of a JSON object may be called.
pub(super) const PARAMETER: Grammar = Grammar {
    what: "the name of a parameter",
    first: |character| character.is_ascii_alphabetic(),
    rest: |character| character.is_ascii_alphanumeric() || "_-".contains(character),
    longest: 63,
    help: "use 1 to 63 letters, digits, `_` and `-`, beginning with a letter",
};

/// Secrets.
pub(super) const SECRET: Grammar = lower_case("the name of a secret");

/// Rules: EventBridge's grammar.
pub(super) const RULE: Grammar = Grammar {
    what: "the name of a rule",
    first: |character| character.is_ascii_alphanumeric() || ".-_".contains(character),
    rest: |character| character.is_ascii_alphanumeric() || ".-_".contains(character),
    longest: 64,
    help: "use 1 to 64 letters, digits, `.`, `-` and `_`",
};

/// Placeholders of an input's template: EventBridge's grammar.
pub(super) const PLACEHOLDER: Grammar = Grammar {
    what: "the name of a placeholder",
    first: |character| character.is_ascii_alphanumeric() || "-_".contains(character),
    rest: |character| character.is_ascii_alphanumeric() || "-_".contains(character),
    longest: 256,
    help: "use 1 to 256 letters, digits, `-` and `_`",
};

/// Types of trials.
pub(super) const TRIAL_TYPE: Grammar = Grammar {
    what: "a type of trial",
    first: |character| character.is_ascii_alphanumeric(),
    rest: |character| character.is_ascii_alphanumeric() || "_.-".contains(character),
    longest: 63,
    help: "use 1 to 63 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
};

const fn lower_case(what: &'static str) -> Grammar {
    Grammar {
        what,
        first: |character| character.is_ascii_lowercase() || character.is_ascii_digit(),
        rest: |character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-',
        longest: 63,
        help: "use 1 to 63 lower-case letters, digits and `-`, beginning with a letter or digit",
    }
}

impl Grammar {
    /// Whether `name` is one.
    pub(super) fn check(&self, name: &str) -> Result<(), Complaint> {
        let mut characters = name.chars();
        let fits = characters.next().is_some_and(self.first) && characters.all(self.rest) && name.len() <= self.longest;
        if fits { Ok(()) } else { Err(Complaint::new(format!("`{name}` cannot be {}", self.what), self.help)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{PLUGIN, RULE, TRIAL_TYPE};

    #[test]
    fn names_have_their_grammar() {
        for (grammar, good, bad) in [
            (PLUGIN, ["assign-trial", "0", "a-"], ["", "-a", "Assign", "a_b", "é"]),
            (RULE, ["Assign.trial_1-", "-", "."], ["", "a b", "a/b", "é", "a\0"]),
            (TRIAL_TYPE, ["ACS", "9", "a_b.c-d"], ["", ".a", "_a", "a b", "ä"]),
        ] {
            for name in good {
                assert!(grammar.check(name).is_ok(), "{name}");
            }
            for name in bad {
                assert!(grammar.check(name).is_err(), "{name}");
            }
            let longest = "a".repeat(grammar.longest);
            assert!(grammar.check(&longest).is_ok() && grammar.check(&format!("{longest}a")).is_err());
        }
    }
}
