//! PutMetricData in the Query protocol: forms.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;

use crate::config::CloudWatch;
use crate::recorder::Datum;

/// The version of the API.
const VERSION: &str = "2010-08-01";

/// The most metrics in a request.
const MOST_METRICS: usize = 1000;

/// The most bytes in a request, which is a record of the store until it is sent: that takes 256 KiB, and CloudWatch 1 MB. One metric is never so large.
const LARGEST: usize = 250_000;

/// The largest value, by far, of those that CloudWatch takes.
const LARGEST_VALUE: f64 = 1e100;

/// A metric in a minute: the minute in seconds since the epoch, the name, the labels as CloudWatch takes them.
type Series = (u64, String, Vec<(String, String)>);

/// What one metric was in one minute.
struct Statistics {
    count: u64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

/// The forms for measurements, each with the minute of it in seconds since the epoch: one metric for each name, labels and minute. None if there is nothing to
/// send, one for most that there is, and more if it is too much for one.
pub(super) fn forms(config: &CloudWatch, data: impl Iterator<Item = (u64, Datum)>) -> Vec<String> {
    let mut metrics: BTreeMap<Series, Statistics> = BTreeMap::new();
    for (minute, Datum { name, labels, value }) in data {
        let value = value.clamp(-LARGEST_VALUE, LARGEST_VALUE);
        let new = Statistics { count: 0, sum: 0.0, minimum: value, maximum: value };
        let metric = metrics.entry((minute, name, dimensions(labels))).or_insert(new);
        metric.count += 1;
        metric.sum += value;
        metric.minimum = metric.minimum.min(value);
        metric.maximum = metric.maximum.max(value);
    }
    let mut forms: Vec<String> = Vec::new();
    let mut count = 0;
    for (series, metric) in &metrics {
        let next = member(config, count + 1, series, metric);
        match forms.last_mut() {
            Some(form) if count < MOST_METRICS && form.len() + next.len() < LARGEST => {
                form.push('&');
                form.push_str(&next);
                count += 1;
            }
            _ => {
                let mut form = Serializer::new(String::new());
                form.append_pair("Action", "PutMetricData").append_pair("Version", VERSION);
                form.append_pair("Namespace", &config.namespace);
                forms.push(format!("{}&{}", form.finish(), member(config, 1, series, metric)));
                count = 1;
            }
        }
    }
    forms
}

/// The part of a form that is one metric, the one of this number from 1 on.
fn member(config: &CloudWatch, number: usize, (minute, name, labels): &Series, metric: &Statistics) -> String {
    let mut form = Serializer::new(String::new());
    let member = format!("MetricData.member.{number}");
    let mut put = |field: &str, value: &str| {
        form.append_pair(&format!("{member}.{field}"), value);
    };
    put("MetricName", name);
    put("Timestamp", &jiff::Timestamp::from_second(*minute as i64).unwrap_or_default().to_string());
    if name.ends_with("_total") {
        put("Unit", "Count");
        put("Value", &metric.sum.to_string());
    } else {
        put("Unit", "Seconds");
        put("StatisticValues.SampleCount", &metric.count.to_string());
        put("StatisticValues.Sum", &metric.sum.to_string());
        put("StatisticValues.Minimum", &metric.minimum.to_string());
        put("StatisticValues.Maximum", &metric.maximum.to_string());
    }
    let dimensions = config.dimensions.iter().chain(labels.iter().map(|(name, value)| (name, value)));
    for (number, (name, value)) in dimensions.enumerate() {
        let dimension = format!("Dimensions.member.{}", number + 1);
        put(&format!("{dimension}.Name"), name);
        put(&format!("{dimension}.Value"), value);
    }
    form.finish()
}

/// Labels as dimensions: CloudWatch refuses the whole request for a value that is blank, or not of ASCII's printable characters, and anybody's event may bring
/// one. None is too long: the host takes 256 bytes, and CloudWatch 1024.
fn dimensions(labels: Vec<(String, String)>) -> Vec<(String, String)> {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let labels = labels.into_iter().filter(|(_, value)| !value.trim().is_empty());
    labels.map(|(name, value)| (name, value.chars().map(printable).collect())).collect()
}
