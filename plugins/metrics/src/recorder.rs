//! Where every measurement goes through: to the daemon, which shows it to Prometheus, and onto a list for others.

use serde::{Deserialize, Serialize};
use trialbridge_plugin::{Error, Failure, Host};

/// A measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Datum {
    /// The metric.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: Vec<(String, String)>,
    /// What was measured.
    pub(crate) value: f64,
}

/// Takes measurements.
pub(crate) struct Recorder<'h> {
    host: &'h Host,
    data: Vec<Datum>,
}

impl<'h> Recorder<'h> {
    /// Nothing is measured yet.
    pub(crate) fn new(host: &'h Host) -> Self {
        Self { host, data: Vec::new() }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// Those of the host, but for a series too many.
    pub(crate) fn count(&mut self, name: &str, labels: &[(&str, &str)]) -> Result<(), Failure> {
        self.keep(name, labels, 1.0);
        self.unless_full(self.host.counter(name, labels, 1))
    }

    /// Adds to a gauge. Only for Prometheus: who is told of changes alone cannot know the whole.
    ///
    /// # Errors
    ///
    /// Those of the host, but for a series too many.
    pub(crate) fn add(&mut self, name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Failure> {
        self.unless_full(self.host.gauge_add(name, labels, add))
    }

    /// Sets a gauge.
    ///
    /// # Errors
    ///
    /// Those of the host, but for a series too many.
    pub(crate) fn set(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
        self.unless_full(self.host.gauge(name, labels, value))
    }

    /// Puts an observation in seconds into a histogram.
    ///
    /// # Errors
    ///
    /// Those of the host, but for a series too many.
    pub(crate) fn observe(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
        self.keep(name, labels, value);
        self.unless_full(self.host.histogram(name, labels, value))
    }

    /// What was counted and observed, in order.
    pub(crate) fn into_data(self) -> Vec<Datum> {
        self.data
    }

    fn keep(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        self.data.push(Datum { name: name.to_owned(), labels, value });
    }

    /// A series that does not fit any more is no reason to lose the others, nor to dead-letter the event.
    fn unless_full(&self, counted: Result<(), Error>) -> Result<(), Failure> {
        match counted {
            Err(Error::Limit(reason)) => {
                self.host.warn("a metric was not counted", &[("reason", &reason)]);
                Ok(())
            }
            counted => Ok(counted?),
        }
    }
}
