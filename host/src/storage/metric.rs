//! Values that are merged, not overwritten: plugin metrics. Merging needs no precondition, so counting never conflicts.

use serde::{Deserialize, Serialize};

/// Upper bounds of a histogram's buckets: they suit seconds, from 1 ms to 1 h. One more bucket holds what is above.
pub const BUCKET_BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 900.0, 3600.0];

/// A stored metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// A sum that only grows.
    Counter(u64),
    /// A value that goes up and down.
    Gauge(f64),
    /// Observations by bucket.
    Histogram {
        /// How many fell into each bucket of [`BUCKET_BOUNDS`], not cumulated; the last is for those above.
        buckets: Vec<u64>,
        /// The sum of all observations.
        sum: f64,
    },
}

/// A change to a stored metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricChange {
    /// Adds to a counter.
    Count(u64),
    /// Sets a gauge.
    Set(f64),
    /// Adds to a gauge.
    Add(f64),
    /// Puts an observation into a histogram.
    Observe(f64),
}

impl MetricChange {
    /// What `old` becomes. A metric of another kind, which only a change of plugin can bring about, begins anew. A
    /// value that is not a finite number changes nothing, because JSON could not hold what comes of it.
    pub fn apply(self, old: Option<Metric>) -> Metric {
        match (self, old) {
            (Self::Count(add), Some(Metric::Counter(sum))) => Metric::Counter(sum.saturating_add(add)),
            (Self::Count(add), _) => Metric::Counter(add),
            (Self::Set(value), _) if value.is_finite() => Metric::Gauge(value),
            (Self::Set(_), Some(Metric::Gauge(value))) => Metric::Gauge(value),
            (Self::Set(_), _) => Metric::Gauge(0.0),
            (Self::Add(add), Some(Metric::Gauge(value))) => Metric::Gauge(finite_sum(value, add)),
            (Self::Add(add), _) => Metric::Gauge(finite_sum(0.0, add)),
            (Self::Observe(value), Some(Metric::Histogram { buckets, sum })) => observe(buckets, sum, value),
            (Self::Observe(value), _) => observe(Vec::new(), 0.0, value),
        }
    }
}

fn observe(mut buckets: Vec<u64>, sum: f64, value: f64) -> Metric {
    buckets.resize(BUCKET_BOUNDS.len() + 1, 0);
    if value.is_finite() {
        buckets[bucket_of(value)] += 1;
    }
    Metric::Histogram { buckets, sum: finite_sum(sum, value) }
}

/// The sum, kept within what a number can hold; what is not finite adds nothing.
fn finite_sum(sum: f64, add: f64) -> f64 {
    if add.is_finite() { (sum + add).clamp(f64::MIN, f64::MAX) } else { sum }
}

fn bucket_of(value: f64) -> usize {
    BUCKET_BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BUCKET_BOUNDS.len())
}
