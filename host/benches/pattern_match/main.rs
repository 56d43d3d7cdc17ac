//! What matching an event costs, beside the crate `quamina`: `cargo xtask bench rules` prints the table, with `--json` for machines.
//!
//! Only the matching is timed, on one core and with warm buffers, while some thousand different events take turns, so that neither caches nor
//! branch predictors learn them by heart. The engines take turns as well, and the median of their turns counts. Machines differ and
//! are noisy; compare rows of one run.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should say so at once")]

mod engine;
mod measure;
mod memory;
mod random;
mod table;
mod workloads;

use measure::Effort;
use workloads::{citylots, trial};

/// Counts what both engines hold.
#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    let wanted = |name: &str| {
        let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
        names.is_empty() || names.iter().any(|wanted| *wanted == name)
    };
    let effort = if flag("--quick") { Effort::QUICK } else { Effort::FULL };
    let mut rows = Vec::new();
    if wanted("trial") {
        rows.extend(
            [10, 1_000, 10_000, 100_000].map(|rules| measure::row(&trial::exact(rules, effort.events), effort)),
        );
    }
    if wanted("trial-mix") {
        rows.extend([10, 1_000, 10_000, 100_000].map(|rules| measure::row(&trial::mix(rules, effort.events), effort)));
    }
    if wanted("infix") {
        rows.extend([10, 100, 1_000].map(|rules| measure::row(&trial::infix(rules, effort.events), effort)));
    }
    if wanted("citylots") {
        rows.extend(citylots::all(effort.events).iter().map(|workload| measure::row(workload, effort)));
    }
    if flag("--json") {
        table::json(&rows);
    } else {
        table::markdown(&rows);
    }
}
