//! `[plugins.data-lake.config]`.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use trialbridge_plugin::{Failure, Host};

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// What files are made of.
    pub(crate) format: Format,
    /// A batch of so many events is full: 1 to 10,000.
    pub(crate) max_events: u64,
    /// A batch of so many bytes, before it is encoded, is full: 1 KiB to 4 MiB.
    pub(crate) max_bytes: u64,
    /// A batch whose first event came so long ago is sealed by the schedule.
    pub(crate) max_age_seconds: u64,
    /// Where files go instead of the folder `lake`.
    pub(crate) s3: Option<S3>,
}

/// What a file is made of.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Apache Parquet, compressed with Snappy.
    #[default]
    Parquet,
    /// One JSON object in each line.
    JsonLines,
}

/// A bucket of S3, or of what speaks its language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct S3 {
    /// The name of the bucket.
    pub(crate) bucket: String,
    /// Where it is. Names the endpoint if there is none.
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// `https://s3.eu-west-1.amazonaws.com` is what it would be for that region.
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
    /// Whether the bucket is the first part of the path, and not of the host.
    #[serde(default)]
    pub(crate) path_style: bool,
    /// What keys begin with; a slash is put after it.
    #[serde(default)]
    pub(crate) prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Parquet, max_events: 5000, max_bytes: 2 << 20, max_age_seconds: 300, s3: None }
    }
}

impl Config {
    /// Reads what the operator says.
    ///
    /// # Errors
    ///
    /// Permanent; says what is wrong, and in which table of rules.toml.
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
        if !(1..=10_000).contains(&self.max_events) {
            return Err(format!("max-events = {} must be 1 to 10000", self.max_events));
        }
        if !(1024..=4 << 20).contains(&self.max_bytes) {
            return Err(format!("max-bytes = {} must be 1024 to 4194304", self.max_bytes));
        }
        self.s3.as_ref().map_or(Ok(()), S3::check)
    }
}

impl S3 {
    fn check(&self) -> Result<(), String> {
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(name) {
            return Err(format!("s3.bucket = {:?} must be 3 to 63 of `a-z 0-9 . -`", self.bucket));
        }
        match (&self.endpoint, &self.region) {
            (None, None) => Err("s3 needs a `region`, or an `endpoint` like \"https://s3.example.com\"".to_owned()),
            (Some(endpoint), _) if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") => {
                Err(format!("s3.endpoint = {endpoint:?} must begin with https:// or http://"))
            }
            _ => Ok(()),
        }
    }
}

impl Format {
    /// What the names of files end in, after the dot.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::JsonLines => "jsonl",
        }
    }
}
