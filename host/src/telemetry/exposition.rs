//! The text format of Prometheus, version 0.0.4: for the plugins' metrics, which are stored.
//!
//! The client library speaks OpenMetrics, whose readers refuse the whole page for one counter that is not called
//! `_total`. What plugins call their metrics must not spoil the page, so it is written in the older, tolerant format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use crate::storage::metric::{BUCKET_BOUNDS, Metric};
use crate::storage::{self, Key, KeyRange, Storage};

/// How many series are read from the store at a time.
const CHUNK: usize = 1000;

/// What plugins report under one name.
struct Family {
    /// The kind of the first series; another plugin may use the name for something else.
    kind: &'static str,
    /// Who reports it.
    plugins: BTreeSet<String>,
    /// The lines of its series.
    lines: String,
}

/// OpenMetrics turned into the older format. There the name of a counter has its `_total` everywhere; `counters` are
/// those names without it.
pub(super) fn from_open_metrics(text: &str, counters: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# EOF") && !line.starts_with("# UNIT")) {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                out.extend(["# ", what, " ", name, "_total ", rest, "\n"]);
            }
            _ => out.extend([line, "\n"]),
        }
    }
    out
}

/// Appends what plugins report. Names in `reserved` have been described already.
///
/// # Errors
///
/// When the store fails.
pub(super) fn plugins(out: &mut String, storage: &dyn Storage, reserved: &[&str]) -> Result<(), storage::Error> {
    for (name, family) in families(storage)? {
        if !reserved.contains(&name.as_str()) {
            let plugins = family.plugins.into_iter().collect::<Vec<_>>().join(", ");
            out.extend(["# HELP ", &name, " Reported by plugin ", &escaped(&plugins), ".\n"]);
            out.extend(["# TYPE ", &name, " ", family.kind, "\n"]);
        }
        out.push_str(&family.lines);
    }
    Ok(())
}

fn families(storage: &dyn Storage) -> Result<BTreeMap<String, Family>, storage::Error> {
    let mut families = BTreeMap::new();
    let mut range = KeyRange::metrics();
    loop {
        let found = storage.scan(&range, CHUNK)?;
        for (key, stored) in &found {
            let Key::Metric { plugin, name, labels } = key else { continue };
            let metric = serde_json::from_slice(&stored.value);
            let labels = serde_json::from_str::<Vec<(String, String)>>(labels);
            let (Ok(metric), Ok(labels)) = (metric, labels) else {
                tracing::warn!(%key, "a stored metric is unreadable and is left out");
                continue;
            };
            let family = families.entry(name.clone()).or_insert_with(|| Family {
                kind: kind(&metric),
                plugins: BTreeSet::new(),
                lines: String::new(),
            });
            family.plugins.insert(plugin.clone());
            series(&mut family.lines, name, &shown_labels(plugin, &labels), &metric)
                .expect("a string takes everything");
        }
        if found.len() < CHUNK {
            return Ok(families);
        }
        range = range.after(found.last().map(|(key, _)| key));
    }
}

fn series(out: &mut String, name: &str, labels: &str, metric: &Metric) -> fmt::Result {
    match metric {
        Metric::Counter(sum) => writeln!(out, "{name}{{{labels}}} {sum}"),
        Metric::Gauge(value) => writeln!(out, "{name}{{{labels}}} {value}"),
        Metric::Histogram { buckets, sum } => {
            let mut below = 0;
            for (bound, count) in BUCKET_BOUNDS.iter().zip(buckets) {
                below += count;
                writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}")?;
            }
            let count: u64 = buckets.iter().sum();
            writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(out, "{name}_sum{{{labels}}} {sum}")?;
            writeln!(out, "{name}_count{{{labels}}} {count}")
        }
    }
}

fn kind(metric: &Metric) -> &'static str {
    match metric {
        Metric::Counter(_) => "counter",
        Metric::Gauge(_) => "gauge",
        Metric::Histogram { .. } => "histogram",
    }
}

fn shown_labels(plugin: &str, labels: &[(String, String)]) -> String {
    let mut shown = format!("plugin=\"{}\"", escaped(plugin));
    for (name, value) in labels {
        shown.extend([",", name, "=\"", &escaped(value), "\""]);
    }
    shown
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::storage::metric::MetricChange;
    use crate::storage::{Commit, MemoryStorage};

    #[tokio::test]
    async fn what_plugins_report_is_shown() {
        let storage = MemoryStorage::new();
        let key = |plugin: &str, name: &str, labels: &str| Key::Metric {
            plugin: plugin.to_owned(),
            name: name.to_owned(),
            labels: labels.to_owned(),
        };
        let kinds = key("metrics", "events_total", r#"[["source","a \"b\" \\ \n"],["type","c"]]"#);
        let metrics = vec![
            (kinds.clone(), MetricChange::Count(2)),
            (kinds, MetricChange::Count(3)),
            (key("metrics", "odd", "[]"), MetricChange::Set(-0.5)),
            (key("other", "events_total", "[]"), MetricChange::Count(7)),
            (key("other", "process_start_time_seconds", "[]"), MetricChange::Set(1e21)),
            (key("other", "waits_seconds", "[]"), MetricChange::Observe(0.03)),
            (key("other", "waits_seconds", "[]"), MetricChange::Observe(2.0)),
            (key("other", "waits_seconds", "[]"), MetricChange::Observe(5000.0)),
        ];
        storage.commit(Commit { metrics, ..Commit::default() }).await.expect("the store takes it");
        let mut out = String::new();
        plugins(&mut out, &storage, &["process_start_time_seconds"]).expect("the store answers");
        expect![[r#"
            # HELP events_total Reported by plugin metrics, other.
            # TYPE events_total counter
            events_total{plugin="metrics",source="a \"b\" \\ \n",type="c"} 5
            events_total{plugin="other"} 7
            # HELP odd Reported by plugin metrics.
            # TYPE odd gauge
            odd{plugin="metrics"} -0.5
            process_start_time_seconds{plugin="other"} 1000000000000000000000
            # HELP waits_seconds Reported by plugin other.
            # TYPE waits_seconds histogram
            waits_seconds_bucket{plugin="other",le="0.001"} 0
            waits_seconds_bucket{plugin="other",le="0.0025"} 0
            waits_seconds_bucket{plugin="other",le="0.005"} 0
            waits_seconds_bucket{plugin="other",le="0.01"} 0
            waits_seconds_bucket{plugin="other",le="0.025"} 0
            waits_seconds_bucket{plugin="other",le="0.05"} 1
            waits_seconds_bucket{plugin="other",le="0.1"} 1
            waits_seconds_bucket{plugin="other",le="0.25"} 1
            waits_seconds_bucket{plugin="other",le="0.5"} 1
            waits_seconds_bucket{plugin="other",le="1"} 1
            waits_seconds_bucket{plugin="other",le="2.5"} 2
            waits_seconds_bucket{plugin="other",le="10"} 2
            waits_seconds_bucket{plugin="other",le="60"} 2
            waits_seconds_bucket{plugin="other",le="300"} 2
            waits_seconds_bucket{plugin="other",le="900"} 2
            waits_seconds_bucket{plugin="other",le="3600"} 2
            waits_seconds_bucket{plugin="other",le="+Inf"} 3
            waits_seconds_sum{plugin="other"} 5002.03
            waits_seconds_count{plugin="other"} 3
        "#]]
        .assert_eq(&out);
    }
}
