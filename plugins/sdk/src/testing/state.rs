//! What is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::commands::Commands;
use super::effects::{Effects, MetricChange};
use super::time::rfc3339;
use crate::trials::Trial;
use crate::{Access, Error, Event, Level, Need};

/// A metric of the plugin.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// The sum of a counter.
    Counter(u64),
    /// The value of a gauge.
    Gauge(f64),
    /// What a histogram has observed, in order.
    Histogram(Vec<f64>),
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
}

/// A metric's name and its labels, sorted.
pub(super) type Series = (String, Vec<(String, String)>);

/// When a delayed event is due, and the rest of its id.
pub(super) type Due = (u64, String);

/// Everything that is stored, and what belongs to the plugin.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The plugin's name.
    pub(super) plugin: String,
    /// Milliseconds since the epoch.
    pub(super) now: u64,
    /// The text of a JSON object.
    pub(super) config: String,
    pub(super) grants: Vec<Need>,
    /// Keys and values by bucket.
    pub(super) kv: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(super) trials: BTreeMap<String, Trial>,
    /// Emitted, and not taken by the test.
    pub(super) emitted: Vec<Event>,
    /// Emitted for later.
    pub(super) delayed: BTreeMap<Due, Event>,
    pub(super) metrics: BTreeMap<Series, Measure>,
    pub(super) logs: Vec<LogLine>,
    pub(super) folders: Folders,
    pub(super) commands: Commands,
    #[cfg(feature = "http")]
    pub(super) http: super::http::Exchange,
    /// The last sequence that was given.
    sequence: u64,
    /// How many ids were given.
    ids: u64,
}

impl State {
    /// An empty store.
    pub(super) fn new(plugin: String, now: u64, grants: Vec<Need>) -> Self {
        Self { plugin, now, config: "{}".to_owned(), grants, ..Self::default() }
    }

    /// Whether a need is granted, by itself or by a wider one.
    pub(super) fn is_granted(&self, need: &Need) -> bool {
        self.grants.iter().any(|grant| match (grant, need) {
            (Need::Kv(name, granted), Need::Kv(wanted, access))
            | (Need::Folder(name, granted), Need::Folder(wanted, access)) => name == wanted && granted >= access,
            (Need::Trials(granted), Need::Trials(access)) => granted >= access,
            _ => grant == need,
        })
    }

    /// Denies what is not granted, as the daemon does.
    pub(super) fn check(&self, need: &Need) -> Result<(), Error> {
        if self.is_granted(need) {
            return Ok(());
        }
        let access = |access: &Access| if *access == Access::Read { "read" } else { "read-write" };
        let line = match need {
            Need::Kv(bucket, wanted) => format!("kv = {{ {bucket} = \"{}\" }}", access(wanted)),
            Need::Trials(wanted) => format!("trials = \"{}\"", access(wanted)),
            Need::Emit(source) => format!("emit = [\"{source}\"]"),
            Need::Folder(name, wanted) => {
                format!("folders = {{ {name} = {{ path = \"...\", access = \"{}\" }} }}", access(wanted))
            }
            Need::Http => "http = [\"https://...\"]".to_owned(),
        };
        let plugin = &self.plugin;
        Err(Error::Denied(format!("not granted; under [plugins.{plugin}] of rules.toml write: {line}")))
    }

    /// An event that enters the journal now.
    pub(super) fn event(&mut self, source: &str, detail_type: &str, detail: String, resources: Vec<String>) -> Event {
        Event {
            sequence: 0,
            id: self.new_id(),
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            time: rfc3339(self.now),
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            resources,
            detail,
        }
    }

    /// Gives an event its place in the journal.
    pub(super) fn publish(&mut self, mut event: Event) -> Event {
        self.sequence += 1;
        event.sequence = self.sequence;
        event.time = rfc3339(self.now);
        event
    }

    /// A UUID, greater than those before and the same in every run.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("00000000-0000-7000-8000-{:012x}", self.ids)
    }

    pub(super) fn commit(&mut self, effects: Effects) {
        for (bucket, changes) in effects.kv {
            let bucket = self.kv.entry(bucket).or_default();
            for (key, value) in changes {
                match value {
                    Some(value) => bucket.insert(key, value),
                    None => bucket.remove(&key),
                };
            }
        }
        self.trials.extend(effects.trials);
        for due in effects.cancelled {
            self.delayed.remove(&due);
        }
        self.delayed.extend(effects.delayed);
        for event in effects.events {
            let event = self.publish(event);
            self.emitted.push(event);
        }
        for (series, change) in effects.metrics {
            self.measure(series, change);
        }
    }

    fn measure(&mut self, series: Series, change: MetricChange) {
        let measure = self.metrics.entry(series).or_insert(Measure::Histogram(Vec::new()));
        *measure = match (change, std::mem::replace(measure, Measure::Counter(0))) {
            (MetricChange::Count(add), Measure::Counter(sum)) => Measure::Counter(sum.saturating_add(add)),
            (MetricChange::Count(add), _) => Measure::Counter(add),
            (MetricChange::Set(value), _) => Measure::Gauge(value),
            (MetricChange::Add(add), Measure::Gauge(value)) => Measure::Gauge(value + add),
            (MetricChange::Add(add), _) => Measure::Gauge(add),
            (MetricChange::Observe(value), Measure::Histogram(mut values)) => {
                values.push(value);
                Measure::Histogram(values)
            }
            (MetricChange::Observe(value), _) => Measure::Histogram(vec![value]),
        };
    }
}

/// The granted folders: real ones, which go with the world.
#[derive(Debug, Default)]
pub(super) struct Folders {
    root: Option<PathBuf>,
}

impl Folders {
    /// The folder of this name, made if it is not there.
    pub(super) fn open(&mut self, name: &str) -> PathBuf {
        let folder = self.root().join("granted").join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made where temporary files go");
        folder
    }

    /// Where a folder that is not granted would be. It is not there.
    pub(super) fn absent(&mut self, name: &str) -> PathBuf {
        self.root().join("denied").join(name)
    }

    fn root(&mut self) -> &Path {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.root.get_or_insert_with(|| {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            std::env::temp_dir().join(format!("trialbridge-plugin-{}-{number}", std::process::id()))
        })
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            // What cannot be removed is left to whoever cleans up temporary files.
            let _ = std::fs::remove_dir_all(root);
        }
    }
}
