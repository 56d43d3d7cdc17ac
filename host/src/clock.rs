//! Time. Only what holds a [`Clock`] can tell it; everything else takes `now` as an argument.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

/// A point in time: milliseconds since the Unix epoch.
///
/// In JSON it is a number of seconds, whole where it can be: `1589379579`, `1589379579.25`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch; the fraction is dropped.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This much later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_millis() as u64))
    }

    /// This much earlier, but not before the epoch.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_millis() as u64))
    }
}

/// RFC 3339, UTC, to the second: `2020-05-13T14:19:39Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.as_seconds()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "@{seconds}"),
        }
    }
}

/// Reads RFC 3339 with any offset and fraction.
impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = text.parse::<jiff::Timestamp>()?.as_millisecond();
        Ok(Self(u64::try_from(millis).unwrap_or(0)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self((seconds * 1000.0).round() as u64))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. Never before the answer to an earlier call.
    fn now(&self) -> Timestamp;

    /// How long to really wait until `time` comes; `None` if waiting does not bring it, because
    /// somebody moves this clock by hand.
    fn wait_until(&self, time: Timestamp) -> Option<Duration>;

    /// Changes when somebody moved this clock by hand; `None` for one that moves by itself.
    fn moves(&self) -> Option<watch::Receiver<()>> {
        None
    }
}

/// The machine's clock. When it is set back, time stands still here until it has caught up.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        Timestamp(self.latest.fetch_max(millis, Ordering::AcqRel).max(millis))
    }

    fn wait_until(&self, time: Timestamp) -> Option<Duration> {
        Some(time.since(self.now()))
    }
}

/// A clock that moves only when told: for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    moved: watch::Sender<()>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { now: AtomicU64::new(start.0), moved: watch::Sender::new(()) }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(by.as_millis() as u64, Ordering::AcqRel);
        self.moved.send_replace(());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Acquire))
    }

    fn wait_until(&self, _time: Timestamp) -> Option<Duration> {
        None
    }

    fn moves(&self) -> Option<watch::Receiver<()>> {
        Some(self.moved.subscribe())
    }
}
