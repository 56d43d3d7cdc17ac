//! Which events of the journal are asked for, and reading them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::query::Query;
use crate::event::Recorded;
use crate::storage::{self, Key, KeyRange, Sequence, Storage};

/// The query parameters that make a filter.
pub(super) const FILTERS: [&str; 4] = ["id", "source", "detail-type", "trialId"];

/// How many events one request may look at, so that none takes arbitrarily long.
pub(super) const MAX_EXAMINED: usize = 100_000;

/// How many bytes of events an answer may hold; the event that goes beyond is the last.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many events are read from the store at a time: each may have a quarter of a megabyte.
pub(super) const CHUNK: usize = 128;

/// Which events are asked for.
#[derive(Debug, Default)]
pub(super) struct Filter {
    id: Option<Wanted>,
    source: Option<Wanted>,
    detail_type: Option<Wanted>,
    trial_id: Option<Wanted>,
}

/// A text that a field must have.
#[derive(Debug)]
struct Wanted {
    text: String,
    /// The same as JSON writes it.
    quoted: String,
}

/// A part of the journal.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    events: Vec<Recorded>,
    /// After which event to go on; nothing when this was the last page.
    next: Option<Sequence>,
}

/// The part of a detail that a filter looks at.
#[derive(Deserialize)]
struct Mentions<'a> {
    #[serde(borrow, rename = "trialId")]
    trial_id: Option<Cow<'a, str>>,
}

impl Filter {
    /// The filter that a query asks for.
    pub(super) fn new(query: &Query) -> Self {
        let wanted = |name| query.text(name).map(|text| Wanted { quoted: serde_json::json!(text).to_string(), text });
        Self {
            id: wanted("id"),
            source: wanted("source"),
            detail_type: wanted("detail-type"),
            trial_id: wanted("trialId"),
        }
    }

    /// The event stored as `value`, if it is asked for and can be read.
    pub(super) fn accept(&self, sequence: Sequence, value: &[u8]) -> Option<Recorded> {
        if !self.may_accept(value) {
            return None;
        }
        let recorded = Recorded::decode(sequence, value)
            .inspect_err(|error| tracing::error!(sequence, %error, "an event of the journal cannot be read"))
            .ok()?;
        let event = &recorded.event;
        let is_accepted = self.id.as_ref().is_none_or(|wanted| wanted.text == event.id)
            && self.source.as_ref().is_none_or(|wanted| wanted.text == event.source)
            && self.detail_type.as_ref().is_none_or(|wanted| wanted.text == event.detail_type)
            && self.trial_id.as_ref().is_none_or(|wanted| {
                let mentions = serde_json::from_str::<Mentions<'_>>(event.detail.get());
                mentions.is_ok_and(|mentions| mentions.trial_id.as_deref() == Some(&wanted.text))
            });
        is_accepted.then_some(recorded)
    }

    /// Whether it is worth reading `value` as JSON. A detail may write its texts with escapes where none are needed, so
    /// it is also worth it where there are any.
    fn may_accept(&self, value: &[u8]) -> bool {
        let Ok(json) = std::str::from_utf8(value) else { return true };
        let mut wanted = [&self.id, &self.source, &self.detail_type, &self.trial_id].into_iter().flatten();
        wanted.all(|wanted| json.contains(&wanted.quoted)) || json.contains('\\')
    }
}

/// The newest event with this id, if the journal still has one.
pub(super) fn find(storage: &dyn Storage, id: &str) -> Result<Option<Recorded>, storage::Error> {
    let filter = Filter {
        id: Some(Wanted { quoted: serde_json::json!(id).to_string(), text: id.to_owned() }),
        ..Filter::default()
    };
    let (mut found, mut after) = (None, Some(0));
    while let Some(start) = after {
        let mut page = read(storage, &filter, start, CHUNK)?;
        found = page.events.pop().or(found);
        after = page.next;
    }
    Ok(found)
}

/// At most `limit` events after `after` that `filter` accepts, the oldest first; fewer where too many have to be looked
/// at, or where they are too large together.
pub(super) fn read(
    storage: &dyn Storage,
    filter: &Filter,
    after: Sequence,
    limit: usize,
) -> Result<Page, storage::Error> {
    let mut page = Page { events: Vec::new(), next: None };
    let mut after = after;
    let mut bytes = 0;
    for _ in 0..MAX_EXAMINED / CHUNK {
        let found = storage.scan(&KeyRange::events(after), CHUNK)?;
        let is_last = found.len() < CHUNK;
        for (key, stored) in found {
            let Key::Event(sequence) = key else { continue };
            after = sequence;
            if let Some(recorded) = filter.accept(sequence, &stored.value) {
                bytes += stored.value.len();
                page.events.push(recorded);
            }
            if page.events.len() == limit || bytes > MAX_BYTES {
                page.next = (sequence < storage.last_sequence()).then_some(sequence);
                return Ok(page);
            }
        }
        if is_last {
            return Ok(page);
        }
    }
    page.next = Some(after);
    Ok(page)
}

/// The sequence that a query parameter or header names.
pub(super) fn sequence(field: &str, text: &str) -> Result<Sequence, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid(field, format!("`{text}` is not a sequence; give the `seq` of an event, or 0")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::Event;
    use crate::storage::{Commit, MemoryStorage, NewEvent};

    /// A journal in which every tenth event is a `rare` one.
    async fn journal(events: u64) -> MemoryStorage {
        let storage = MemoryStorage::new();
        let one = |number: u64| {
            let kind = if number.is_multiple_of(10) { "rare" } else { "usual" };
            let detail = serde_json::value::RawValue::from_string(format!(r#"{{"trialId":"t{number}"}}"#));
            let event = Event::new("s", kind, Timestamp::default(), detail.expect("it is JSON"));
            NewEvent { body: Recorded::encode(&event.to_json(), event.time, None), deliveries: Vec::new() }
        };
        for first in (1..=events).step_by(200) {
            let events = (first..first + 200).filter(|number| *number <= events).map(one).collect();
            storage.commit(Commit { events, ..Commit::default() }).await.expect("the store takes it");
        }
        storage
    }

    fn wanting(field: &str, text: &str) -> Filter {
        let uri = format!("/?{field}={text}").parse().expect("a path");
        Filter::new(&Query::read(&uri, &FILTERS).expect("a query"))
    }

    #[tokio::test]
    async fn pages_go_on_where_the_one_before_ended() {
        let storage = journal(1000).await;
        let filter = wanting("detail-type", "rare");
        let (mut after, mut sizes) = (0, Vec::new());
        loop {
            let page = read(&storage, &filter, after, 40).expect("the store answers");
            sizes.push(page.events.len());
            let Some(next) = page.next else { break };
            after = next;
        }
        // The last event is a rare one, so that the third page knows that it is the last.
        assert_eq!(sizes, [40, 40, 20]);
        let page = read(&storage, &Filter::default(), 990, 10).expect("the store answers");
        assert_eq!((page.events.len(), page.next), (10, None));
    }

    #[tokio::test]
    async fn a_page_looks_at_so_many_events_and_no_more() {
        let events = MAX_EXAMINED as u64 + 10;
        let storage = journal(events).await;
        let filter = wanting("trialId", &format!("t{events}"));
        let page = read(&storage, &filter, 0, 10).expect("the store answers");
        let next = page.next.expect("there is more");
        assert!(page.events.is_empty() && next <= MAX_EXAMINED as u64);
        let page = read(&storage, &filter, next, 10).expect("the store answers");
        assert_eq!((page.events.len(), page.next), (1, None));
    }

    #[test]
    fn escapes_do_not_hide_a_text() {
        let stored = |detail: &str| {
            let detail = serde_json::value::RawValue::from_string(detail.to_owned()).expect("it is JSON");
            let event = Event::new("a\"b", "k", Timestamp::default(), detail);
            Recorded::encode(&event.to_json(), Timestamp::default(), None)
        };
        for (field, text, detail, accepted) in [
            ("trialId", "t1", r#"{"trialId": "t1"}"#, true),
            ("trialId", "t1", r#"{"trialId":"\u00741"}"#, true),
            ("trialId", "t1", r#"{"trialId":"t12"}"#, false),
            ("trialId", "t1", r#"{"other":"t1"}"#, false),
            ("trialId", "1", r#"{"trialId":1}"#, false),
            ("trialId", "t1", r#"{"trialId":null,"x":"t1"}"#, false),
            ("source", "a%22b", "{}", true),
            ("source", "t1", r#"{"source":"t1"}"#, false),
            ("detail-type", "k", "{}", true),
        ] {
            let found = wanting(field, text).accept(1, &stored(detail));
            assert_eq!(found.is_some(), accepted, "{field}={text} in {detail}");
        }
    }
}
