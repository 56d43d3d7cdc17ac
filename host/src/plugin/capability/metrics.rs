//! `metrics`: counted with the commit.

use crate::plugin::bindings::trialbridge::plugin::metrics::{Host, Label};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::guest::Guest;
use crate::storage::metric::MetricChange;
use crate::storage::{Key, KeyRange};

/// What the daemon's own metrics begin with.
const RESERVED: &str = "trialbridge_";

/// The most series of one plugin.
const MAX_SERIES: usize = 1000;

/// The most labels of one series.
const MAX_LABELS: usize = 16;

/// The longest value of a label, in bytes.
const MAX_LABEL: usize = 256;

impl Host for Guest {
    fn counter(&mut self, name: String, labels: Vec<Label>, add: u64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.measure(name, labels, MetricChange::Count(add)))
    }

    fn gauge(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.measure(name, labels, MetricChange::Set(value)))
    }

    fn gauge_add(&mut self, name: String, labels: Vec<Label>, add: f64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.measure(name, labels, MetricChange::Add(add)))
    }

    fn histogram(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.measure(name, labels, MetricChange::Observe(value)))
    }
}

impl Guest {
    fn measure(&mut self, name: String, mut labels: Vec<Label>, change: MetricChange) -> Result<(), Error> {
        if !is_name(&name) || name.starts_with(RESERVED) {
            let message = format!("name: {name:?} is not [a-z][a-z0-9_]* without the prefix {RESERVED}");
            return Err(Error::Invalid(message));
        }
        if let MetricChange::Set(value) | MetricChange::Add(value) | MetricChange::Observe(value) = change
            && !value.is_finite()
        {
            return Err(Error::Invalid(format!("value: {value} is not a finite number")));
        }
        labels.sort();
        for (label, value) in &labels {
            if !is_name(label) || matches!(label.as_str(), "plugin" | "le") || value.len() > MAX_LABEL {
                let message =
                    format!("labels: {label:?} is not a label, or its value is longer than {MAX_LABEL} bytes");
                return Err(Error::Invalid(message));
            }
        }
        if labels.len() > MAX_LABELS || labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::Invalid(format!("labels: more than {MAX_LABELS}, or one twice")));
        }
        let labels = serde_json::to_string(&labels).map_err(|error| Error::Invalid(error.to_string()))?;
        let key = Key::Metric { plugin: self.plugin.clone(), name, labels };
        self.current()?;
        self.admit_series(&key)?;
        self.current()?.effects.measure(key, change)
    }

    /// Refuses a new series where there are as many as there may be.
    fn admit_series(&mut self, key: &Key) -> Result<(), Error> {
        if self.series.contains(key) {
            return Ok(());
        }
        if self.storage.get(key)?.is_none() {
            let known = self.storage.scan(&KeyRange::metrics_of(&self.plugin), MAX_SERIES)?.len();
            if known >= MAX_SERIES {
                return Err(Error::Limit(format!("a plugin may have at most {MAX_SERIES} series of metrics")));
            }
        }
        self.series.insert(key.clone());
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
