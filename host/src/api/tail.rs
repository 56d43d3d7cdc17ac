//! GET /events/tail: events as they happen, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::journal::{self, CHUNK, FILTERS, Filter};
use super::problem::Problem;
use super::query::Query;
use crate::event::Recorded;
use crate::storage::{self, Key, KeyRange, Sequence, Storage};

/// The header by which a client says what it has seen when it comes back.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Somebody who follows the journal.
struct Tail {
    storage: Arc<dyn Storage>,
    filter: Filter,
    /// The last event that was looked at.
    after: Sequence,
    /// The newest event that is durable. What is not could be another one after a crash.
    newest: watch::Receiver<Sequence>,
    /// Read, and not sent yet.
    ready: VecDeque<Recorded>,
    stopping: CancellationToken,
}

/// Sends the events after `Last-Event-ID` or `after`, or without either those from now on, until one side ends it.
pub(super) async fn tail(
    State(context): State<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<impl IntoResponse, Problem> {
    let query = Query::read(&uri, &[&FILTERS[..], &["after"]].concat())?;
    let newest = context.bus.storage().signals().events();
    let after = match (headers.get(LAST_EVENT_ID), query.text("after")) {
        (Some(id), _) => journal::sequence(LAST_EVENT_ID, &String::from_utf8_lossy(id.as_bytes()))?,
        (None, Some(after)) => journal::sequence("after", &after)?,
        (None, None) => *newest.borrow(),
    };
    let tail = Tail {
        storage: context.bus.storage().clone(),
        filter: Filter::new(&query),
        after,
        newest,
        ready: VecDeque::new(),
        stopping: context.stopping,
    };
    let events = stream::unfold(tail, |mut tail| async {
        let recorded = tail.next().await?;
        Some((Ok::<_, Infallible>(sent(&recorded)), tail))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Tail {
    /// The next event; nothing when the daemon stops or its store has failed.
    async fn next(&mut self) -> Option<Recorded> {
        loop {
            if let Some(recorded) = self.ready.pop_front() {
                return Some(recorded);
            }
            let newest = *self.newest.borrow_and_update();
            if self.after < newest {
                if let Err(error) = self.read_until(newest) {
                    tracing::warn!(%error, "a tail ends");
                    return None;
                }
                // A long way to the next event that is asked for must not keep others waiting.
                tokio::task::yield_now().await;
                if self.stopping.is_cancelled() {
                    return None;
                }
                continue;
            }
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                changed = self.newest.changed() => changed.ok()?,
            }
        }
    }

    fn read_until(&mut self, newest: Sequence) -> Result<(), storage::Error> {
        let found = self.storage.scan(&KeyRange::events(self.after), CHUNK)?;
        if found.len() < CHUNK {
            // The last ones may have left the journal; there is nothing more to find among them.
            self.after = newest;
        }
        for (key, stored) in found {
            let Key::Event(sequence) = key else { continue };
            if sequence > newest {
                break;
            }
            self.after = sequence.max(self.after);
            self.ready.extend(self.filter.accept(sequence, &stored.value));
        }
        Ok(())
    }
}

/// An event on the wire. JSON knows line breaks only between its tokens, where a space does as well.
fn sent(recorded: &Recorded) -> Event {
    let data = json!({ "seq": recorded.sequence, "event": recorded.event }).to_string();
    let kind = recorded.event.detail_type.replace(|character: char| character.is_control(), " ");
    Event::default().id(recorded.sequence.to_string()).event(kind).data(data.replace(['\n', '\r'], " "))
}
