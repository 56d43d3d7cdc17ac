//! What rules.toml says of one plugin.

use std::time::Duration;

use serde_json::{Map, Value};

use super::grants::Grants;
use super::trust::Trust;

/// What rules.toml says of one plugin. The default, for one it does not mention, grants nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSettings {
    /// What it may touch.
    pub grants: Grants,
    /// What it is told: the table `config`.
    pub config: Map<String, Value>,
    /// How much of the machine one of its instances may take.
    pub limits: Limits,
    /// Whether instances are kept.
    pub isolation: Isolation,
    /// Which instances are kept, if they are.
    pub instances: Instances,
    /// How many of its handlers may run at once: 1 to 256. So many instances there are at most.
    pub concurrency: u32,
    /// Which files are believed to be it, if that is said of it.
    pub trust: Option<Trust>,
}

/// How much of the machine an instance may take, but for what is said of the whole plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most memory, in bytes.
    pub memory: u64,
    /// The longest that a call may last.
    pub time: Duration,
    /// The most that a call may log and print, in bytes.
    pub output: u64,
    /// The most HTTP requests that the plugin, not one instance of it, may have under way: 1 to 1024.
    pub http_requests: u32,
    /// The most commands that the plugin may have under way: 1 to 256.
    pub commands: u32,
}

/// Whether instances are kept for later calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// They are: a call costs microseconds, and memory may outlive it.
    #[default]
    Reuse,
    /// They are not: every event has an instance of its own.
    PerEvent,
}

/// Which instances are kept for later calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// How many are made before the first event, and kept however long they wait: 0 to 256.
    pub warm: u32,
    /// How long the others wait for a call before they are dropped.
    pub idle_time: Duration,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            grants: Grants::default(),
            config: Map::new(),
            limits: Limits::default(),
            isolation: Isolation::default(),
            instances: Instances::default(),
            concurrency: 16,
            trust: None,
        }
    }
}

impl Default for Instances {
    /// One, 5 minutes.
    fn default() -> Self {
        Self { warm: 1, idle_time: Duration::from_secs(5 * 60) }
    }
}

impl Default for Limits {
    /// 64 MiB, 10 seconds, 1 MiB, 16 requests, 4 commands.
    fn default() -> Self {
        Self { memory: 64 << 20, time: Duration::from_secs(10), output: 1 << 20, http_requests: 16, commands: 4 }
    }
}
