//! Sends each event where it belongs.

use crate::bindings::exports::trialbridge::plugin::handler::{Delivery, Event, Failure};
use crate::bindings::trialbridge::plugin::log::Level;
use crate::config::Config;
use crate::detail::{ASSIGN_TRIAL, DAEMON, Detail, SELF, TRIALS};
use crate::host::Host;
use crate::pool::{self, Budget};
use crate::provider::Provider;
use crate::{lifecycle, reconcile};

/// Handles one event.
///
/// # Errors
///
/// Permanent for an event or a configuration that is malformed, retry for a store or a folder that does not answer.
pub(crate) fn handle(
    host: &mut impl Host,
    provider: &mut impl Provider,
    event: &Event,
    delivery: &Delivery,
) -> Result<(), Failure> {
    let detail = Detail::read(event)?;
    let config = Config::parse(&host.config()).map_err(Failure::Permanent)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        (SELF, "StackCreateRequested") => lifecycle::create(host, provider, &config, &detail, delivery.attempt),
        (ASSIGN_TRIAL, "StackReserved") => lifecycle::configure(host, provider, &config, &detail, delivery.attempt),
        (TRIALS, "TrialAssigned") => refill(host, &config, detail.text("type")?),
        (TRIALS, "TrialExpired" | "TrialCancelled" | "TrialAssignmentFailed") => {
            let trial_type = detail.text("type")?;
            lifecycle::delete(host, provider, &detail)?;
            refill(host, &config, trial_type)
        }
        (SELF, "ReconcileContinued") => reconcile::reconcile(host, provider, &config, detail.text("after")?),
        // Who loads another plugin has no need of a reconciliation here.
        (DAEMON, "PluginLoaded") if detail.text("plugin")? != delivery.target => Ok(()),
        (DAEMON, "DaemonStarted" | "RulesReloaded" | "PluginLoaded") | (_, "Scheduled Event") => {
            reconcile::reconcile(host, provider, &config, reconcile::BEGINNING)
        }
        (source, detail_type) => {
            let fields = [("source", source), ("detail-type", detail_type)];
            host.log(
                Level::Warn,
                "ignored an event that is not for this plugin; narrow the rule that sends it",
                &fields,
            );
            Ok(())
        }
    }
}

fn refill(host: &mut impl Host, config: &Config, trial_type: &str) -> Result<(), Failure> {
    let mut budget = Budget::new();
    pool::fill(host, config, trial_type, &mut budget)?;
    if budget.is_exceeded() { reconcile::go_on(host, reconcile::POOLS) } else { Ok(()) }
}
