//! What the daemon says of itself: log lines and metrics.
//!
//! The names, units and descriptions of all metrics are in one table, `TABLE`. What plugins count is stored, not held
//! here; [`Metrics::render`] shows both, in the text format of Prometheus.

mod exposition;
mod guest_log;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tracing_subscriber::EnvFilter;

pub use self::guest_log::{GuestLog, Line};

use crate::storage::{self, Storage};

/// What says which log lines are written: `info`, `debug`, `trialbridge::delivery=debug,info`.
pub const LOG_FILTER: &str = "TRIALBRIDGE_LOG";

/// Upper bounds of the buckets for handling deliveries, in seconds: a reused instance takes microseconds, a call
/// to somebody else's API seconds.
const HANDLING_BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// Upper bounds of the buckets for lateness, in seconds: milliseconds as a rule, hours after downtime.
const LATENESS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 3600.0];

/// One line of the table.
struct Description {
    /// The name, with the unit, and with `_total` if it is a counter.
    name: &'static str,
    /// What it is, in words, with its unit.
    help: &'static str,
}

const EVENTS: Description = Description {
    name: "trialbridge_events_total",
    help: "Events that were ever published: the newest sequence of the journal",
};
const ATTEMPTS: Description = Description {
    name: "trialbridge_delivery_attempts_total",
    help: "Attempts to deliver, by plugin and by what came of them",
};
const HANDLING: Description = Description {
    name: "trialbridge_delivery_seconds",
    help: "How long attempts took in seconds, from the call of the handler to the commit",
};
const IN_FLIGHT: Description =
    Description { name: "trialbridge_deliveries_in_flight", help: "Deliveries that are being attempted" };
const PLUGIN_LOADS: Description =
    Description { name: "trialbridge_plugin_loads_total", help: "Files of plugins that were put in force or rejected" };
const RULES_RELOADS: Description = Description {
    name: "trialbridge_rules_reloads_total",
    help: "Changes of rules.toml that were put in force or rejected",
};
const TIMER_LATENESS: Description = Description {
    name: "trialbridge_timer_lateness_seconds",
    help: "How many seconds after their time expiries, retries, delayed events and schedules fired",
};
const STORE_BYTES: Description =
    Description { name: "trialbridge_store_bytes", help: "Bytes that the store takes on disk" };
const BUILD_INFO: Description =
    Description { name: "trialbridge_build_info", help: "Always 1; the version that runs is in the label" };
const RESIDENT_MEMORY: Description =
    Description { name: "process_resident_memory_bytes", help: "Resident memory in bytes" };
const START_TIME: Description = Description {
    name: "process_start_time_seconds",
    help: "When the daemon started, in seconds since the Unix epoch",
};

/// Every metric of the daemon itself.
const TABLE: [&Description; 11] = [
    &EVENTS,
    &ATTEMPTS,
    &HANDLING,
    &IN_FLIGHT,
    &PLUGIN_LOADS,
    &RULES_RELOADS,
    &TIMER_LATENESS,
    &STORE_BYTES,
    &BUILD_INFO,
    &RESIDENT_MEMORY,
    &START_TIME,
];

/// What came of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler succeeded, and its effects are committed.
    Acknowledged,
    /// It failed, and will be tried again.
    Retried,
    /// It failed, and is a dead letter.
    DeadLettered,
    /// Something the handler had read changed meanwhile, and it runs again at once.
    Conflict,
}

/// What became of a file that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is in force.
    InForce,
    /// It cannot be used, and what was in force before still is.
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    plugin: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabel {
    plugin: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The metrics of a daemon. Counting takes no lock that is held for long.
pub struct Metrics {
    /// Everything below, to be shown.
    registry: Registry,
    events: Counter,
    attempts: Family<AttemptLabels, Counter>,
    handling: Family<PluginLabel, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    plugin_loads: Family<OutcomeLabel, Counter>,
    rules_reloads: Family<OutcomeLabel, Counter>,
    timer_lateness: Histogram,
    store_bytes: Gauge,
    resident_memory: Gauge,
}

/// Writes log lines to standard error from now on: readable on a terminal, JSON otherwise. [`LOG_FILTER`] chooses which;
/// `info` and above by default. For programs: whoever embeds the daemon has a subscriber of their own.
pub fn init_tracing() {
    let filter = std::env::var(LOG_FILTER).ok().filter(|filter| !filter.is_empty());
    let parsed = filter.as_deref().map(str::parse::<EnvFilter>).transpose();
    let problem = parsed.as_ref().err().map(ToString::to_string);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed.ok().flatten().unwrap_or_else(|| EnvFilter::new("info")))
        .with_writer(std::io::stderr);
    // A subscriber that is there already is somebody's choice.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().with_span_list(false).try_init()
    };
    if let Some(problem) = problem {
        tracing::warn!(
            "{LOG_FILTER} is not a filter ({problem}); write it like info or trialbridge::delivery=debug,info"
        );
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let build_info = Family::<[(&str, &str); 1], Gauge>::default();
        build_info.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        register(&mut registry, &BUILD_INFO, &build_info);
        let start_time = Gauge::<f64, AtomicU64>::default();
        start_time.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        register(&mut registry, &START_TIME, &start_time);
        let handling: fn() -> Histogram = || Histogram::new(HANDLING_BUCKETS);
        let metrics = Self {
            registry,
            events: Counter::default(),
            attempts: Family::default(),
            handling: Family::new_with_constructor(handling),
            in_flight: Gauge::default(),
            plugin_loads: Family::default(),
            rules_reloads: Family::default(),
            timer_lateness: Histogram::new(LATENESS_BUCKETS),
            store_bytes: Gauge::default(),
            resident_memory: Gauge::default(),
        };
        // From the start: a series that begins at 1 has not increased, and nobody would be told of the first rejection.
        for outcome in [Reload::InForce, Reload::Rejected].map(|reload| OutcomeLabel { outcome: reload.label() }) {
            drop(metrics.plugin_loads.get_or_create(&outcome));
            drop(metrics.rules_reloads.get_or_create(&outcome));
        }
        metrics.registered()
    }

    /// Counts an attempt that took so long.
    pub fn attempt(&self, plugin: &str, outcome: Outcome, took: Duration) {
        let labels = AttemptLabels { plugin: plugin.to_owned(), outcome: outcome.label() };
        self.attempts.get_or_create(&labels).inc();
        self.handling.get_or_create(&PluginLabel { plugin: labels.plugin }).observe(took.as_secs_f64());
    }

    /// Counts deliveries whose attempt begins, or with a negative number those whose attempt is over.
    pub fn in_flight(&self, change: i64) {
        self.in_flight.inc_by(change);
    }

    /// Counts a plugin's file that changed.
    pub fn plugin_load(&self, reload: Reload) {
        self.plugin_loads.get_or_create(&OutcomeLabel { outcome: reload.label() }).inc();
    }

    /// Counts a change of rules.toml.
    pub fn rules_reload(&self, reload: Reload) {
        self.rules_reloads.get_or_create(&OutcomeLabel { outcome: reload.label() }).inc();
    }

    /// Counts a timer that fired so long after its time.
    pub fn timer_lateness(&self, late: Duration) {
        self.timer_lateness.observe(late.as_secs_f64());
    }

    /// All metrics, the daemon's and the plugins', in the text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn render(&self, storage: &dyn Storage) -> Result<String, storage::Error> {
        self.events.inner().store(storage.last_sequence(), Ordering::Relaxed);
        self.store_bytes.set(i64::try_from(storage.size_on_disk()).unwrap_or(i64::MAX));
        self.resident_memory.set(resident_memory().unwrap_or_default());
        let mut own = String::new();
        text::encode(&mut own, &self.registry).expect("a string takes everything");
        let counters =
            TABLE.iter().filter_map(|description| description.name.strip_suffix("_total")).collect::<Vec<_>>();
        let mut out = exposition::from_open_metrics(&own, &counters);
        let reserved = TABLE.iter().map(|description| description.name).collect::<Vec<_>>();
        exposition::plugins(&mut out, storage, &reserved)?;
        Ok(out)
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        register(registry, &EVENTS, &self.events);
        register(registry, &ATTEMPTS, &self.attempts);
        register(registry, &HANDLING, &self.handling);
        register(registry, &IN_FLIGHT, &self.in_flight);
        register(registry, &PLUGIN_LOADS, &self.plugin_loads);
        register(registry, &RULES_RELOADS, &self.rules_reloads);
        register(registry, &TIMER_LATENESS, &self.timer_lateness);
        register(registry, &STORE_BYTES, &self.store_bytes);
        register(registry, &RESIDENT_MEMORY, &self.resident_memory);
        self
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Retried => "retried",
            Self::DeadLettered => "dead_lettered",
            Self::Conflict => "conflict",
        }
    }
}

impl Reload {
    fn label(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Rejected => "rejected",
        }
    }
}

/// The client library puts `_total` behind the names of counters, and a full stop behind descriptions, by itself.
fn register(registry: &mut Registry, description: &Description, metric: &(impl Metric + Clone)) {
    let name = description.name.strip_suffix("_total").unwrap_or(description.name);
    registry.register(name, description.help, metric.clone());
}

/// Bytes of resident memory, where the operating system tells.
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kilobytes.trim().strip_suffix("kB")?.trim().parse::<i64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn everything_in_the_table_is_shown_under_its_name() {
        let metrics = Metrics::new();
        metrics.attempt("assign-trial", Outcome::Acknowledged, Duration::from_micros(300));
        metrics.attempt("assign-trial", Outcome::DeadLettered, Duration::from_secs(100));
        metrics.plugin_load(Reload::InForce);
        metrics.rules_reload(Reload::Rejected);
        metrics.timer_lateness(Duration::from_millis(3));
        metrics.in_flight(3);
        metrics.in_flight(-1);
        let text = metrics.render(&MemoryStorage::new()).expect("the store answers");
        for description in TABLE {
            assert!(
                text.contains(&format!("# TYPE {} ", description.name)),
                "{} is missing in\n{text}",
                description.name
            );
            assert!(
                text.contains(&format!("# HELP {} {}", description.name, description.help)),
                "{}",
                description.name
            );
        }
        for line in [
            "trialbridge_events_total 0",
            "trialbridge_delivery_attempts_total{plugin=\"assign-trial\",outcome=\"acknowledged\"} 1",
            "trialbridge_delivery_attempts_total{plugin=\"assign-trial\",outcome=\"dead_lettered\"} 1",
            "trialbridge_delivery_seconds_bucket{le=\"0.0005\",plugin=\"assign-trial\"} 1",
            "trialbridge_delivery_seconds_count{plugin=\"assign-trial\"} 2",
            "trialbridge_plugin_loads_total{outcome=\"in_force\"} 1",
            "trialbridge_plugin_loads_total{outcome=\"rejected\"} 0",
            "trialbridge_rules_reloads_total{outcome=\"in_force\"} 0",
            "trialbridge_rules_reloads_total{outcome=\"rejected\"} 1",
            "trialbridge_timer_lateness_seconds_bucket{le=\"0.005\"} 1",
            "trialbridge_deliveries_in_flight 2",
            "trialbridge_store_bytes 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "that is not the format of Prometheus:\n{text}");
    }
}
