//! What was sent, so that nothing is sent twice.

use trialbridge_plugin::{Error, Event, Host};

/// The bucket.
pub(crate) const BUCKET: &str = "slack";

/// How many records are removed at once. More than are made in the minute between two schedules, because Slack takes one message a second.
const AT_ONCE: u32 = 100;

/// Whether the message about an event was sent. Nobody but another delivery of this event writes what is read here, so that the commit
/// does not fail, and the message is not sent again, because of others.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn was_sent(event: &Event, host: &Host) -> Result<bool, Error> {
    Ok(host.kv(BUCKET).get_bytes(&key(event, host))?.is_some())
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

/// The same plugin may run under several names, for several channels.
fn key(event: &Event, host: &Host) -> String {
    format!("sent/{}/{}", host.delivery().target, event.id)
}

fn times(host: &Host) -> String {
    format!("time/{}/", host.delivery().target)
}
