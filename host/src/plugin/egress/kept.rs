//! Connections that are kept for the next request to the same place, so that it needs neither a handshake nor a look-up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::Instant;
use url::Url;

use super::exchange::Link;

/// How long a connection is kept without a request. Many servers close theirs after 5 s, and a request that they do not see is one that failed.
const IDLE: Duration = Duration::from_secs(4);

/// How old a connection becomes: its host may stand for another address by then.
const OLDEST: Duration = Duration::from_secs(60);

/// The most that are kept for a plugin.
const MOST: usize = 16;

/// Where a connection leads, and who is told when something comes over it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The destination that allows it, by its place in the list.
    destination: usize,
    /// The URL's scheme, host and port.
    origin: String,
    /// The runtime in which it was made. That of long calls may be busy, and short ones do not wait for it.
    runtime: Id,
}

impl Place {
    /// A place for requests from here.
    pub(super) fn new(destination: usize, url: &Url) -> Self {
        let origin = url[..url::Position::BeforePath].to_owned();
        Self { destination, origin, runtime: Handle::current().id() }
    }
}

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
            if link.begun.elapsed() < OLDEST && link.is_open() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection, if another request can be sent on it.
    pub(super) fn keep(&self, place: Place, mut link: Link) {
        if !link.is_open() {
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

    fn place(destination: usize) -> Place {
        Place::new(destination, &"http://a.test/path".parse().unwrap())
    }

    /// When the other side hears of the end.
    async fn end(mut theirs: DuplexStream) -> Instant {
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_closed() {
        let kept = Kept::default();
        let (link, theirs) = link().await;
        kept.keep(place(0), link);
        assert!(kept.take(&place(1)).is_none());
        tokio::time::sleep(IDLE / 2).await;
        let used = kept.take(&place(0)).unwrap();
        assert!(kept.take(&place(0)).is_none());
        let started = Instant::now();
        kept.keep(place(0), used);
        assert_eq!(end(theirs).await, started + IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_or_closed_or_too_much_is_not_used() {
        let kept = Kept::default();
        let (old, at_old) = link().await;
        tokio::time::sleep(OLDEST).await;
        let now = Instant::now();
        kept.keep(place(0), old);
        assert!(kept.take(&place(0)).is_none());
        assert_eq!(end(at_old).await, now);

        let (closed, at_closed) = link().await;
        let (closed_later, at_closed_later) = link().await;
        drop(at_closed);
        kept.keep(place(0), closed);
        assert!(lock(&kept.0).idle.is_empty());
        kept.keep(place(0), closed_later);
        drop(at_closed_later);
        assert!(kept.take(&place(0)).is_none());

        let (first, at_first) = link().await;
        kept.keep(place(0), first);
        let mut others = Vec::new();
        for _ in 0..MOST {
            let (link, theirs) = link().await;
            kept.keep(place(0), link);
            others.push(theirs);
        }
        assert_eq!(end(at_first).await, now);
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_comes_back() {
        let (mut link, theirs) = link().await;
        drop(theirs);
        let request = http::Request::new(http_body_util::Full::default());
        let pauses = (Duration::MAX, Duration::MAX);
        assert!(link.exchange(request, 1000, pauses).await.is_err_and(|failure| failure.unsent.is_some()));
    }
}
