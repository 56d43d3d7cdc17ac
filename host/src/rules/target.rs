//! Where a rule sends events.

use std::time::Duration;

use super::Input;

/// Where a rule sends events: a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id, which no other target of the rule has; the plugin's name unless the author chose one.
    pub id: String,
    /// The plugin. It need not exist: deliveries wait for it.
    pub plugin: String,
    /// What the plugin gets beside the event; nothing if the target takes the event as it is.
    pub input: Option<Input>,
    /// What happens to a delivery that fails.
    pub retry: RetryPolicy,
}

/// How often and how long a delivery is tried. Whichever of the two limits is reached first makes it a dead letter.
///
/// The defaults are EventBridge's: 185 attempts within 24 hours. With its 1 second and 5 minutes for the back-off they last for 15
/// hours at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts there are, the first included.
    pub maximum_attempts: u32,
    /// How old the event may be when an attempt begins.
    pub maximum_age: Duration,
    /// The longest wait before the second attempt. It doubles from one attempt to the next.
    pub minimum_backoff: Duration,
    /// The wait that is never exceeded, however many attempts there were.
    pub maximum_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            maximum_attempts: 185,
            maximum_age: Duration::from_secs(24 * 60 * 60),
            minimum_backoff: Duration::from_secs(1),
            maximum_backoff: Duration::from_secs(5 * 60),
        }
    }
}
