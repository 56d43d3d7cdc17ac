//! `[plugins.metrics.config]`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use trialbridge_plugin::{Failure, Host};

/// The labels that metrics have, three at most of them at a time.
const LABELS: [&str; 6] = ["detail_type", "next", "reason", "source", "state", "type"];

/// The most dimensions beside the labels: CloudWatch takes 30 of both together.
const MOST_DIMENSIONS: usize = 27;

/// The longest name and the longest value of a dimension, in bytes. CloudWatch's limits.
const LONGEST_NAME: usize = 255;
const LONGEST_VALUE: usize = 1024;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where else measurements go; only to Prometheus if it is not there.
    pub(crate) cloudwatch: Option<CloudWatch>,
}

/// Where measurements go, and under which name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloudWatch {
    /// The service: `https://monitoring.eu-central-1.amazonaws.com`.
    pub(crate) endpoint: String,
    /// What the metrics are filed under.
    #[serde(default = "trialbridge")]
    pub(crate) namespace: String,
    /// What every metric has beside its labels: `{ Stage = "production" }`.
    #[serde(default)]
    pub(crate) dimensions: BTreeMap<String, String>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Permanent; names the field.
    pub(crate) fn read(host: &Host) -> Result<Rc<Self>, Failure> {
        host.checked_config(Self::parse)
    }

    /// The same of any configuration, before the plugin serves under it.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub(crate) fn parse(config: &trialbridge_plugin::Config) -> Result<Self, String> {
        let config: Self = config.read()?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), String> {
        let Some(cloudwatch) = &self.cloudwatch else { return Ok(()) };
        let endpoint = &cloudwatch.endpoint;
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            let reason =
                format!("cloudwatch.endpoint: `{endpoint}` is no URL; write https://monitoring.REGION.amazonaws.com");
            return Err(reason);
        }
        let name = &cloudwatch.namespace;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-/#: ".contains(c);
        if name.is_empty() || name.len() > 255 || name.starts_with("AWS/") || !name.chars().all(fits) {
            let reason = format!(
                "cloudwatch.namespace: `{name}` is not 1 to 255 of A-Z a-z 0-9 . _ - / # : and blank, not beginning with AWS/"
            );
            return Err(reason);
        }
        cloudwatch.validate_dimensions()
    }
}

impl CloudWatch {
    /// One that CloudWatch does not take would cost every request.
    fn validate_dimensions(&self) -> Result<(), String> {
        let count = self.dimensions.len();
        if count > MOST_DIMENSIONS {
            return Err(format!("cloudwatch.dimensions: there are {count}, and at most {MOST_DIMENSIONS} are allowed"));
        }
        let fits = |text: &str, longest| {
            !text.trim().is_empty() && text.len() <= longest && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        for (name, value) in &self.dimensions {
            if !fits(name, LONGEST_NAME) || name.starts_with(':') {
                return Err(format!(
                    "cloudwatch.dimensions: the name {name:?} is not 1 to {LONGEST_NAME} printable characters of ASCII, not all blank and not beginning with `:`"
                ));
            }
            if LABELS.contains(&name.as_str()) {
                return Err(format!("cloudwatch.dimensions: `{name}` is a label of the metrics; write another name"));
            }
            if !fits(value, LONGEST_VALUE) {
                return Err(format!(
                    "cloudwatch.dimensions.{name}: {value:?} is not 1 to {LONGEST_VALUE} printable characters of ASCII, not all blank"
                ));
            }
        }
        Ok(())
    }
}

fn trialbridge() -> String {
    "trialbridge".to_owned()
}
