//! A guest in its sandbox, kept for later calls.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use wasmtime::Store;

use super::bindings::exports::trialbridge::plugin::handler::Failure;
use super::bindings::trialbridge::plugin::types::{Delivery, Description, Event};
use super::bindings::{Core, CorePre};
use super::capability::recorded::Recorded;
use super::compiled::Compiled;
use super::effects::Effects;
use super::egress::{Egress, Requests};
use super::guest::{Current, Guest};
use super::runtime::Runtime;
use super::symbols::Symbols;
use super::usage::Touched;
use super::{Call, CallError, backtrace};
use crate::config::PluginSettings;

/// How long `describe` may take, and `check-config`.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(5);

/// The interface that a plugin may export to look at its configuration, and its function.
const CHECKS: (&str, &str) = ("trialbridge:plugin/checks@0.1.0", "check-config");

/// An instance of a plugin.
pub(super) struct Instance {
    store: Store<Guest>,
    exports: Core,
    /// Where its code comes from.
    symbols: Arc<Symbols>,
    /// How many calls it has taken.
    uses: u32,
    /// What the last one read, and wanted changed, if it failed.
    touched: Touched,
}

impl Instance {
    /// A new instance.
    pub(super) async fn new(
        plugin: &str,
        compiled: &Compiled,
        settings: &Arc<PluginSettings>,
        egress: &Arc<Egress>,
        runtime: &Runtime,
    ) -> Result<Self, CallError> {
        Self::instantiate(plugin, &compiled.pre, &compiled.symbols, settings, egress, runtime)
            .await
            .map_err(CallError::Instantiate)
    }

    /// How many calls it has taken.
    pub(super) fn uses(&self) -> u32 {
        self.uses
    }

    /// The most memory that it had, in bytes: what it has, because memories do not shrink.
    pub(super) fn memory(&self) -> Arc<AtomicU64> {
        self.store.data().limiter.used().clone()
    }

    /// What the last call read, and wanted changed, if it failed. Otherwise its effects tell.
    pub(super) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Lets its requests go nowhere, and answers them with what was recorded.
    pub(super) fn answer_with(&mut self, recorded: Recorded) {
        self.store.data_mut().recorded = Some(recorded);
    }

    /// Takes a call, for which it is as if what is `earlier` were committed. After [`CallError::Trap`], and after the future was dropped, the instance is
    /// of no use any more.
    pub(super) async fn handle(
        &mut self,
        call: Call,
        earlier: Vec<Arc<Effects>>,
        requests: Requests,
        runtime: &Runtime,
    ) -> Result<Effects, CallError> {
        let _running = runtime.running();
        self.uses += 1;
        let event = wit_event(&call);
        let delivery = wit_delivery(&call, &self.store.data().plugin);
        self.store.data().output.begin_call();
        let current = Current { call, effects: Effects::default(), earlier, must_wait: false, requests };
        self.store.data_mut().begin_call(current);
        self.store.set_epoch_deadline(1);
        let answer = self.exports.trialbridge_plugin_handler().call_handle(&mut self.store, &event, &delivery).await;
        self.store.data().output.end_call();
        let current = self.store.data_mut().current.take();
        let (effects, must_wait) = current.map(|current| (current.effects, current.must_wait)).unwrap_or_default();
        let shown = |reason: String| self.store.data().egress.redactor.text(&reason).into_owned();
        self.touched = if matches!(answer, Ok(Ok(()))) { Touched::default() } else { effects.touched() };
        match answer {
            Ok(_) if must_wait => Err(CallError::Retry("something earlier is not committed".to_owned())),
            Ok(Ok(())) => Ok(effects),
            Ok(Err(Failure::Retry(reason))) => Err(CallError::Retry(shown(reason))),
            Ok(Err(Failure::RetryAfter((millis, reason)))) => {
                Err(CallError::RetryAfter(Duration::from_millis(millis), shown(reason)))
            }
            Ok(Err(Failure::Permanent(reason))) => Err(CallError::Permanent(shown(reason))),
            Err(error) => Err(CallError::Trap(backtrace::explain(&error, &self.symbols))),
        }
    }

    async fn instantiate(
        plugin: &str,
        pre: &CorePre<Guest>,
        symbols: &Arc<Symbols>,
        settings: &Arc<PluginSettings>,
        egress: &Arc<Egress>,
        runtime: &Runtime,
    ) -> Result<Self, String> {
        let _running = runtime.running();
        let mut store = new_store(plugin, settings, egress, runtime)?;
        let exports = pre.instantiate_async(&mut store).await.map_err(|error| backtrace::explain(&error, symbols))?;
        Ok(Self { store, exports, symbols: symbols.clone(), uses: 0, touched: Touched::default() })
    }
}

/// Asks new code what it is, in a sandbox without grants.
pub(super) async fn describe(
    pre: &CorePre<Guest>,
    symbols: &Arc<Symbols>,
    runtime: &Runtime,
) -> Result<Description, String> {
    let _running = runtime.running();
    let settings = Arc::new(PluginSettings::default());
    let ask = async {
        let egress = Arc::new(Egress::new("describe", &settings, runtime)?);
        let mut instance = Instance::instantiate("describe", pre, symbols, &settings, &egress, runtime).await?;
        let handler = instance.exports.trialbridge_plugin_handler();
        handler.call_describe(&mut instance.store).await.map_err(|error| backtrace::explain(&error, symbols))
    };
    tokio::time::timeout(DESCRIBE_LIMIT, ask)
        .await
        .unwrap_or_else(|_| Err(format!("it took more than {} s", DESCRIBE_LIMIT.as_secs())))
}

/// Asks code whether it can serve under its configuration, in a sandbox of its own. Code that does not say can.
pub(super) async fn check_config(
    plugin: &str,
    compiled: &Compiled,
    settings: &Arc<PluginSettings>,
    egress: &Arc<Egress>,
    runtime: &Runtime,
) -> Result<(), String> {
    let pre = compiled.pre.instance_pre();
    let (interface, function) = CHECKS;
    let Some(interface) = pre.component().get_export_index(None, interface) else { return Ok(()) };
    let Some(function) = pre.component().get_export_index(Some(&interface), function) else { return Ok(()) };
    let _running = runtime.running();
    let mut settings = PluginSettings::clone(settings);
    settings.grants.folders.clear();
    let settings = &Arc::new(settings);
    let ask = async {
        let mut store = new_store(plugin, settings, egress, runtime)?;
        let explained = |error: wasmtime::Error| backtrace::explain(&error, &compiled.symbols);
        let instance = pre.instantiate_async(&mut store).await.map_err(explained)?;
        let check = instance.get_typed_func::<(), (Result<(), String>,)>(&mut store, function).map_err(explained)?;
        let (answer,) = check.call_async(&mut store, ()).await.map_err(explained)?;
        answer.map_err(|reason| egress.redactor.text(&reason).into_owned())
    };
    tokio::time::timeout(DESCRIBE_LIMIT, ask)
        .await
        .unwrap_or_else(|_| Err(format!("looking at it took more than {} s", DESCRIBE_LIMIT.as_secs())))
}

/// A new sandbox.
fn new_store(
    plugin: &str,
    settings: &Arc<PluginSettings>,
    egress: &Arc<Egress>,
    runtime: &Runtime,
) -> Result<Store<Guest>, String> {
    let guest = Guest::new(plugin, settings, egress, runtime).map_err(|error| error.to_string())?;
    let mut store = Store::new(&runtime.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    // A guest that has used up its slice lets others run, and goes on. Its time limit is kept by whoever waits for it.
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    Ok(store)
}

fn wit_event(call: &Call) -> Event {
    let event = &call.event.event;
    Event {
        sequence: call.event.sequence,
        id: event.id.clone(),
        source: event.source.clone(),
        detail_type: event.detail_type.clone(),
        time: event.time.to_string(),
        account: event.account.clone(),
        region: event.region.clone(),
        resources: event.resources.clone(),
        detail: event.detail.get().to_owned(),
    }
}

fn wit_delivery(call: &Call, plugin: &str) -> Delivery {
    Delivery {
        id: call.delivery.clone(),
        rule: call.rule.clone(),
        target: plugin.to_owned(),
        attempt: call.attempt,
        idempotency_key: call.idempotency_key.clone(),
        input: call.input.clone(),
    }
}
