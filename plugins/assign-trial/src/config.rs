//! `[plugins.assign-trial.config]`, and the definition in it.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;
use trialbridge_plugin::{Failure, Host};
use trialbridge_states::{Machine, Mistake};

use crate::tasks::RESOURCES;

/// The definition that is executed unless the configuration has another.
const SHIPPED: &str = include_str!("../assign-trial.asl.json");

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Authored {
    /// How long a trial waits for a warm stack before it fails, in seconds. 600 if not given.
    #[serde(default = "ten_minutes")]
    wait_seconds: u64,
    /// Another definition: a table, or its text in JSON.
    definition: Option<Value>,
}

/// The configuration, found good.
pub(crate) struct Config {
    /// How long a trial waits for a warm stack, in seconds.
    pub(crate) wait_seconds: u64,
    /// What is executed.
    pub(crate) machine: Cow<'static, Machine>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Permanent if it is wrong.
    pub(crate) fn read(host: &Host) -> Result<Rc<Self>, Failure> {
        host.checked_config(Self::parse)
    }

    /// The same of any configuration, before the plugin serves under it.
    ///
    /// # Errors
    ///
    /// All mistakes of the definition with their JSON paths.
    pub(crate) fn parse(config: &trialbridge_plugin::Config) -> Result<Self, String> {
        let Authored { wait_seconds, definition } = config.read()?;
        if wait_seconds == 0 {
            return Err("wait-seconds must be at least 1".to_owned());
        }
        let machine = match definition {
            None => Cow::Borrowed(shipped()?),
            Some(Value::String(text)) => Cow::Owned(parse(&text)?),
            Some(definition) => Cow::Owned(Machine::parse(&definition, &RESOURCES).map_err(said)?),
        };
        Ok(Self { wait_seconds, machine })
    }
}

/// The shipped definition. It never changes, so that it is read once.
fn shipped() -> Result<&'static Machine, String> {
    static MACHINE: OnceLock<Result<Machine, String>> = OnceLock::new();
    MACHINE.get_or_init(|| parse(SHIPPED)).as_ref().map_err(Clone::clone)
}

fn parse(text: &str) -> Result<Machine, String> {
    Machine::from_json(text, &RESOURCES).map_err(said)
}

fn said(mistakes: Vec<Mistake>) -> String {
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    format!("definition: {}", mistakes.join("; "))
}

fn ten_minutes() -> u64 {
    600
}
