//! Connections that are kept for the next request to the same place, so that it needs neither a handshake nor a look-up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Link;

/// How long a connection is kept without a request. Many servers close theirs after 5 s, and a request that they do not see is one that failed.
const IDLE: Duration = Duration::from_secs(4);

/// How old a connection becomes: its host may stand for another address by then.
const OLDEST: Duration = Duration::from_secs(60);

/// The most that are kept for a plugin.
const MOST: usize = 16;

/// Where a connection leads: the destination that allows it, by its place in the list, and the URL's scheme, host and port.
pub(super) type Place = (usize, String);

/// The connections of a plugin that nobody uses now.
#[derive(Default)]
pub(super) struct Kept(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The one that was used last comes last.
    idle: Vec<Idle>,
    /// Whether a task closes them when their time has come.
    watched: bool,
}

struct Idle {
    place: Place,
    link: Link,
    since: Instant,
}

impl Kept {
    /// A connection on which a request can be sent.
    pub(super) fn take(&self, place: &Place) -> Option<Link> {
        let mut state = lock(&self.0);
        while let Some(last) = state.idle.iter().rposition(|idle| idle.place == *place) {
            let mut link = state.idle.remove(last).link;
            if link.is_open() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection, if another request can be sent on it.
    pub(super) fn keep(&self, place: Place, mut link: Link) {
        if link.begun.elapsed() >= OLDEST || !link.is_open() {
            return;
        }
        let mut state = lock(&self.0);
        if state.idle.len() == MOST {
            state.idle.remove(0);
        }
        state.idle.push(Idle { place, link, since: Instant::now() });
        if !state.watched {
            state.watched = true;
            tokio::spawn(watch(Arc::downgrade(&self.0)));
        }
    }
}

/// Closes connections that have not been used for long, until there are none.
async fn watch(kept: Weak<Mutex<State>>) {
    while let Some(kept) = kept.upgrade() {
        let first = {
            let mut state = lock(&kept);
            state.idle.retain(|idle| idle.since.elapsed() < IDLE);
            let first = state.idle.first().map(|idle| idle.since);
            state.watched = first.is_some();
            first
        };
        let Some(first) = first else { return };
        drop(kept);
        tokio::time::sleep_until(first + IDLE).await;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;

    async fn link() -> (Link, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        (Link::new(Box::new(ours)).await.ok().unwrap(), theirs)
    }

    /// When the other side hears of the end.
    async fn end(mut theirs: DuplexStream) -> Instant {
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_closed() {
        let (kept, place) = (Kept::default(), (0, "http://a.test".to_owned()));
        let (link, theirs) = link().await;
        kept.keep(place.clone(), link);
        assert!(kept.take(&(1, place.1.clone())).is_none());
        tokio::time::sleep(IDLE / 2).await;
        let used = kept.take(&place).unwrap();
        assert!(kept.take(&place).is_none());
        let started = Instant::now();
        kept.keep(place, used);
        assert_eq!(end(theirs).await, started + IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_or_too_much_or_closed_is_not_kept() {
        let (kept, place) = (Kept::default(), (0, "http://a.test".to_owned()));
        let ((old, at_old), (mut first, at_first)) = (link().await, link().await);
        tokio::time::sleep(OLDEST).await;
        let now = Instant::now();
        kept.keep(place.clone(), old);
        assert_eq!(end(at_old).await, now);
        let (closed, at_closed) = link().await;
        drop(at_closed);
        kept.keep(place.clone(), closed);
        assert!(kept.take(&place).is_none());
        first.begun = now;
        kept.keep(place.clone(), first);
        let mut others = Vec::new();
        for _ in 0..MOST {
            let (link, theirs) = link().await;
            kept.keep(place.clone(), link);
            others.push(theirs);
        }
        assert_eq!(end(at_first).await, now);
    }
}
