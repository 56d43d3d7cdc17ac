//! Whose turn it is after Slack has asked for a pause.
//!
//! Slack counts messages for a webhook or a channel, one a second in the long run. When it asks for a pause, whoever comes meanwhile is not sent at
//! all but gets a turn of its own after it, a second after the one before: otherwise all would come back together, and be refused again.
//!
//! This is only remembered while the instance lives. Without it messages are refused once more often, and none is lost.

use std::cell::Cell;
use std::time::Duration;

/// How far the turns are apart, in milliseconds.
const APART: u64 = 1000;

thread_local! {
    /// Until when nothing is sent, and the last turn that was given; in milliseconds since the epoch.
    static PAUSE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Begins a pause, at whose end the message that was refused comes first.
pub(crate) fn pause(now: u64, pause: Duration) {
    let end = now.saturating_add(millis(pause));
    let (_, last) = PAUSE.get();
    PAUSE.set((end, last.max(end)));
}

/// How long to wait for one's turn; nothing if it is now.
pub(crate) fn turn(now: u64) -> Option<Duration> {
    let (end, last) = PAUSE.get();
    if now >= end {
        return None;
    }
    let turn = last + APART;
    PAUSE.set((end, turn));
    Some(Duration::from_millis(turn - now))
}

/// Is another instance from now on.
#[cfg(test)]
pub(crate) fn restart() {
    PAUSE.set((0, 0));
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_in_a_pause_gets_a_turn_of_its_own() {
        restart();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(turn(0), None);
        pause(0, Duration::from_secs(30));
        assert_eq!((turn(0), turn(10_000), turn(10_000)), (seconds(31), seconds(22), seconds(23)));
        assert_eq!(turn(30_000), None, "the one that was refused comes back");
        pause(30_000, Duration::from_secs(1));
        assert_eq!(turn(30_500), Some(Duration::from_millis(3500)), "behind those that wait already");
        assert_eq!(turn(31_000), None);
    }
}
