//! The two engines behind one trait.

use quamina::{MatcherBuildMode, Quamina, QuaminaBuilder};
use trialbridge::pattern::{Matcher, Pattern, Scratch};

/// How much memory quamina may use for the automaton of one field, in bytes. Its default, 10 MiB, ends at some thousand rules.
const QUAMINA_BUDGET: usize = 8 << 30;

/// Something that matches events with many rules at once.
pub(crate) trait Engine: Sized {
    /// Makes it of the texts of the rules, or says why it cannot.
    fn build(rules: &[String]) -> Result<Self, String>;

    /// How many rules an event matches.
    fn matches(&mut self, event: &[u8]) -> usize;
}

/// Ours.
pub(crate) struct Ours {
    matcher: Matcher,
    scratch: Scratch,
}

impl Engine for Ours {
    fn build(rules: &[String]) -> Result<Self, String> {
        let patterns: Result<Vec<Pattern>, _> = rules.iter().map(|rule| Pattern::parse_json(rule)).collect();
        let patterns = patterns.map_err(|error| error.to_string())?;
        Ok(Self { matcher: Matcher::new(&patterns), scratch: Scratch::default() })
    }

    fn matches(&mut self, event: &[u8]) -> usize {
        self.matcher.matching(event, &mut self.scratch).unwrap().len()
    }
}

/// quamina, in its faster mode: in none of the workloads is the other one clearly ahead, and with many wildcards it is far behind.
pub(crate) struct Theirs(Quamina<u32>);

impl Engine for Theirs {
    fn build(rules: &[String]) -> Result<Self, String> {
        let builder = QuaminaBuilder::new().with_arena_byte_budget(QUAMINA_BUDGET).with_max_states_per_pattern(1 << 20);
        let mut quamina = builder.build().map_err(|error| error.to_string())?;
        quamina.set_matcher_build_mode(MatcherBuildMode::BuiltForSpeed);
        for (id, rule) in (0..).zip(rules) {
            quamina.add_pattern(id, rule).map_err(|error| error.to_string())?;
        }
        Ok(Self(quamina))
    }

    fn matches(&mut self, event: &[u8]) -> usize {
        self.0.matches_for_event(event).unwrap().len()
    }
}
