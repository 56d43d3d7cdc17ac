//! Rules for stacks that are made elsewhere than in the shipped ones, and the time that they take.

use std::time::{Duration, Instant};

use super::{PATIENCE, World};

const RULES: &str = r#"
[deliveries]
maximum-depth = 1000

[plugins.assign-trial]
trials = "read-write"
emit = ["OnlineTrial", "assign-trial"]
kv = { pool = "read-write", stacks = "read-write", assignments = "read-write", waiting = "read-write", history = "read-write" }
folders = { stacks = { path = "${data}/stacks", access = "read" } }
config = { wait-seconds = 3600 }

[plugins.stack-manager]
trials = "read"
emit = ["stack-manager"]
kv = { pool = "read-write", stacks = "read-write", pools = "read-write" }
folders = { stacks = { path = "${data}/stacks", access = "read-write" }, templates = { path = "${data}/stacks", access = "read" } }
limits = { time = "60s" }
MORE

[[rules]]
name = "assign-trial"
event-pattern = { source = ["OnlineTrial"], detail-type = ["TrialRequested", "TrialExpired", "TrialCancelled"] }
targets = ["assign-trial"]

[[rules]]
name = "continue-assignment"
event-pattern = { source = ["stack-manager", "assign-trial"], detail-type = ["StackWarm", "StackConfigured", "StackFailed", "ExecutionContinued", "HistoryOutdated"] }
targets = ["assign-trial"]

[[rules]]
name = "manage-stacks"
event-pattern = { source = ["OnlineTrial"], detail-type = ["TrialAssigned", "TrialAssignmentFailed", "TrialExpired", "TrialCancelled"] }
targets = ["stack-manager"]

[[rules]]
name = "build-stacks"
event-pattern = { source = ["stack-manager", "assign-trial"], detail-type = ["StackCreateRequested", "StackDeleteRequested", "StackPollDue", "StackReserved", "ReconcileContinued"] }
targets = ["stack-manager"]

[[rules]]
name = "reconcile-stacks"
schedule = "rate(1 minute)"
event-pattern = { source = ["trialbridge"], detail-type = ["DaemonStarted"] }
targets = ["stack-manager"]
"#;

/// Rules for trials of these types; `more` is what follows in the table of stack-manager, and its pools.
pub(crate) fn rules(types: &[&str], more: &str) -> String {
    let types = types
        .iter()
        .map(|name| format!("[trials.{name}]\ndefault-ttl = \"1h\"\nminimum-ttl = \"1s\"\nmaximum-ttl = \"90d\"\n"));
    types.chain([RULES.replace("MORE", more)]).collect()
}

/// Lets a second pass again and again, so that polls come, until a condition holds.
pub(crate) async fn until(world: &World, what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE * 2, "it does not come to this: {what}");
        world.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
