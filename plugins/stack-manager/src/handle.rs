//! Sends each event where it belongs.

use trialbridge_plugin::{Detail, Event, Failure, Host, OnlineTrial};

use crate::config::Config;
use crate::pool::{self, Budget};
use crate::provider::Providers;
use crate::said::SELF;
use crate::{deletion, lifecycle, polling, reconcile};

/// The source of the events of trials.
const TRIALS: &str = OnlineTrial::SOURCE;

/// The source of reservations.
const ASSIGN_TRIAL: &str = "assign-trial";

/// The source of what the daemon says of itself.
const DAEMON: &str = "trialbridge";

/// Handles one event.
///
/// # Errors
///
/// Permanent for an event or a configuration that is malformed, retry for a store or a provider that does not answer.
pub(crate) fn handle(host: &Host, providers: &mut impl Providers, event: &Event) -> Result<(), Failure> {
    let detail = event.detail()?;
    let config = Config::read(host)?;
    match event.kind() {
        (SELF, "StackCreateRequested") => lifecycle::create(host, providers, &config, &detail),
        (SELF, "StackDeleteRequested") => deletion::requested(host, providers, &detail),
        (SELF, "StackPollDue") => polling::poll(host, providers, &config, &detail),
        (ASSIGN_TRIAL, "StackReserved") => lifecycle::configure(host, providers, &config, &detail),
        (TRIALS, "TrialAssigned") => replace(host, &config, &detail),
        (TRIALS, "TrialAssignmentFailed") => {
            deletion::delete(host, providers, &detail)?;
            replace(host, &config, &detail)
        }
        (TRIALS, "TrialExpired" | "TrialCancelled") => {
            deletion::delete(host, providers, &detail)?;
            // The stack was replaced when it was taken, unless there was no room for one more.
            let trial_type = detail.text("type")?;
            let is_limited = config.pools.get(trial_type).is_some_and(|pool| pool.maximum.is_some());
            if is_limited { refill(host, &config, trial_type) } else { Ok(()) }
        }
        (SELF, "ReconcileContinued") => reconcile::reconcile(host, providers, &config, detail.text("after")?),
        // Who loads another plugin has no need of a reconciliation here.
        (DAEMON, "PluginLoaded") if detail.text("plugin")? != host.delivery().target => Ok(()),
        (DAEMON, "DaemonStarted" | "RulesReloaded" | "PluginLoaded") => {
            // Somebody did something, perhaps about what has failed.
            pool::forgive(host, &config)?;
            reconcile::reconcile(host, providers, &config, reconcile::BEGINNING)
        }
        (_, "Scheduled Event") => reconcile::reconcile(host, providers, &config, reconcile::BEGINNING),
        (source, detail_type) => {
            let fields = [("source", source), ("detail-type", detail_type)];
            host.warn("ignored an event that is not for this plugin; narrow the rule that sends it", &fields);
            Ok(())
        }
    }
}

/// Orders what is missing after a trial had its outcome: another stack for the one it took, if it took one.
fn replace(host: &Host, config: &Config, detail: &Detail) -> Result<(), Failure> {
    let trial_type = detail.text("type")?;
    match detail.optional_text("stackId")? {
        Some(stack_id) => in_budget(host, |budget| pool::replace(host, config, trial_type, stack_id, budget)),
        None => refill(host, config, trial_type),
    }
}

fn refill(host: &Host, config: &Config, trial_type: &str) -> Result<(), Failure> {
    in_budget(host, |budget| pool::fill(host, config, trial_type, budget))
}

/// Lets the reconciliation go on with what does not fit into a call.
fn in_budget(host: &Host, change: impl FnOnce(&mut Budget) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut budget = Budget::new();
    change(&mut budget)?;
    if budget.is_exceeded() { reconcile::go_on(host, reconcile::POOLS) } else { Ok(()) }
}
