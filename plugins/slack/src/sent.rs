//! What was sent, so that nothing is sent twice.

use std::cell::RefCell;
use std::collections::VecDeque;

use trialbridge_plugin::{Error, Event, Host};

/// The bucket.
pub(crate) const BUCKET: &str = "slack";

/// How many records are removed at once. More than are made in the minute between two schedules, because Slack takes one message a second.
const AT_ONCE: u32 = 100;

/// How many events an instance remembers.
const REMEMBERED: usize = 1000;

thread_local! {
    /// The events whose messages this instance has sent, the newest last. Their notes may not be committed yet, or the commit may have failed;
    /// the handler runs again then, and must not send again.
    static RECENT: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// Whether the message about an event is noted as sent. Nobody but another delivery of this event writes what is read here, so that the commit
/// does not fail, and the message is not sent again, because of others.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn is_noted(event: &Event, host: &Host) -> Result<bool, Error> {
    Ok(host.kv(BUCKET).get_bytes(&key(event, host))?.is_some())
}

/// Whether this instance knows that it has sent the message about an event, noted or not.
pub(crate) fn is_remembered(event: &Event) -> bool {
    RECENT.with_borrow(|recent| recent.contains(&event.id))
}

/// Remembers that the message about an event was sent, while this instance lives.
pub(crate) fn remember(event: &Event) {
    RECENT.with_borrow_mut(|recent| {
        if recent.len() >= REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(event.id.clone());
    });
}

/// Notes that the message about an event was sent.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn note(event: &Event, host: &Host) -> Result<(), Error> {
    let key = key(event, host);
    host.kv(BUCKET).set(&key, &host.now())?;
    let by_time = format!("{}{:015}", times(host), host.now());
    host.kv(BUCKET).set(&format!("{by_time}/{}", event.sequence), &key)
}

/// Removes the oldest notes, of messages that were sent more than `remember` milliseconds ago.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn forget(host: &Host, remember: u64) -> Result<(), Error> {
    let times = times(host);
    let end = format!("{times}{:015}", host.now().saturating_sub(remember));
    for (by_time, key) in host.kv(BUCKET).page::<String>(&times, None, AT_ONCE)? {
        if by_time >= end {
            break;
        }
        host.kv(BUCKET).delete(&key)?;
        host.kv(BUCKET).delete(&by_time)?;
    }
    Ok(())
}

/// Is another instance from now on.
#[cfg(test)]
pub(crate) fn restart() {
    RECENT.take();
}

/// The same plugin may run under several names, for several channels.
fn key(event: &Event, host: &Host) -> String {
    format!("sent/{}/{}", host.delivery().target, event.id)
}

fn times(host: &Host) -> String {
    format!("time/{}/", host.delivery().target)
}
