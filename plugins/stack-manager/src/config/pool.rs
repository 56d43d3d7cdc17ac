//! `[plugins.stack-manager.config.pools.TYPE]`: how many stacks of a type there are, and who makes them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::cloudformation;
use crate::command::Commands;
use crate::provider::{Kind, Recipe};

/// The most warm stacks of one type.
const MOST_WARM: usize = 1000;

/// The stock of a type.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// How many stacks wait for a trial: 0 to 1000.
    pub(crate) warm: usize,
    /// How many stacks there are at most, those of trials among them. Nothing for as many as there are trials.
    pub(crate) maximum: Option<usize>,
    /// How old a warm stack may be, from its order, before another takes its place.
    pub(crate) maximum_age: Option<Duration>,
    /// How many are built at one time.
    pub(crate) concurrent_creations: usize,
    /// How many creations may fail in a row before there is a pause.
    pub(crate) retry_budget: usize,
    /// How long a stack may take to be ready.
    pub(crate) creation_time: Duration,
    /// How often it is asked how far a stack is.
    pub(crate) poll_interval: Duration,
    /// Who makes them.
    pub(crate) kind: Kind,
    /// What they are made from.
    pub(crate) recipe: Recipe,
}

/// A pool as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    warm: usize,
    maximum: Option<usize>,
    #[serde(default, deserialize_with = "duration")]
    maximum_age: Option<Duration>,
    concurrent_creations: Option<usize>,
    retry_budget: Option<usize>,
    #[serde(default, deserialize_with = "duration")]
    creation_time: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    poll_interval: Option<Duration>,
    template: Option<String>,
    command: Option<Commands>,
    cloudformation: Option<cloudformation::Written>,
}

impl Pool {
    pub(super) fn parse(trial_type: &str, pool: &Value) -> Result<Self, String> {
        if !is_name(trial_type) {
            return Err("the name of a type is 1 to 64 of `A-Z a-z 0-9 _ -`".to_owned());
        }
        let pool = Written::deserialize(pool).map_err(|error| error.to_string())?;
        let warm = pool.warm;
        if warm > MOST_WARM {
            return Err(format!("warm = {warm} is too many; keep at most {MOST_WARM}"));
        }
        if let Some(maximum) = pool.maximum.filter(|maximum| *maximum < warm) {
            return Err(format!("maximum = {maximum} is less than warm = {warm}"));
        }
        if pool.concurrent_creations == Some(0) {
            return Err("concurrent-creations = 0 would build nothing; write at least 1".to_owned());
        }
        if pool.retry_budget == Some(0) {
            return Err("retry-budget = 0 would build nothing; write at least 1".to_owned());
        }
        const CHOICE: &str = "write one of template, command and cloudformation";
        let (kind, recipe) = match (pool.template, pool.command, pool.cloudformation) {
            (Some(template), None, None) if is_name(&template) => (Kind::Directory, Recipe::Folder(template)),
            (Some(template), None, None) => {
                let reason = "must be the name of a folder in templates/, 1 to 64 of `A-Z a-z 0-9 _ -`";
                return Err(format!("template = {template:?} {reason}"));
            }
            (None, Some(commands), None) => (Kind::Command(commands), Recipe::Program),
            (None, None, Some(written)) => {
                let (account, template) = written.check()?;
                (Kind::CloudFormation(account), Recipe::Template(Box::new(template)))
            }
            (None, None, None) => return Err(format!("it is not said what its stacks are; {CHOICE}")),
            _ => return Err(format!("stacks cannot be of two providers; {CHOICE}")),
        };
        Ok(Self {
            warm,
            maximum: pool.maximum,
            maximum_age: pool.maximum_age,
            concurrent_creations: pool.concurrent_creations.unwrap_or(usize::MAX),
            retry_budget: pool.retry_budget.unwrap_or(10),
            creation_time: pool.creation_time.unwrap_or(Duration::from_secs(30 * 60)),
            poll_interval: pool.poll_interval.unwrap_or(Duration::from_secs(10)),
            kind,
            recipe,
        })
    }

    /// Whether it depends on more than the stack that is missing whether another one is ordered.
    pub(crate) fn is_limited(&self) -> bool {
        self.maximum.is_some() || self.maximum_age.is_some() || self.concurrent_creations < usize::MAX
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A duration as rules.toml has them: a text with a unit, or a number of seconds.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let parsed = match &value {
        Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
        Value::String(text) => parse(text),
        _ => None,
    };
    let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let wrong =
        || format!("`{shown}` is not a duration; write it like \"500ms\", \"30s\", \"10m\", \"12h\" or \"14d\"");
    parsed.filter(|time| !time.is_zero()).map(Some).ok_or_else(|| de::Error::custom(wrong()))
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let millis: u64 = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}
