//! How an event came about: the events whose handling led to it, as the journal knows them.

use crate::event::Recorded;
use crate::storage::{self, Key, Storage};

/// How many of the newest events of a long chain are shown: a loop of a few plugins comes by twice.
const NEWEST: usize = 8;

/// How many of the oldest events of a long chain are shown: what set it off.
const OLDEST: usize = 4;

/// The chain that led to `event`, the newest first: `#57 OnlineTrial/TrialAssigned by assign-trial <- #55 crm/LeadScored`. Each
/// event has its sequence, its source, its type, and the plugin that published it, if one did.
///
/// The chain ends where the journal does not have the next event any more. The middle of a long one is left out.
///
/// # Errors
///
/// Those of [`Storage::get`].
pub(super) fn chain(storage: &dyn Storage, event: &Recorded) -> Result<String, storage::Error> {
    let mut links = vec![link(event)];
    let mut cause = event.cause.clone();
    while let Some(earlier) = cause.take()
        && links.len() <= event.depth() as usize
    {
        let Some(stored) = storage.get(&Key::Event(earlier.sequence))? else { break };
        // One that cannot be read leads nowhere either.
        let Ok(recorded) = Recorded::decode(earlier.sequence, &stored.value) else { break };
        links.push(link(&recorded));
        cause = recorded.cause;
    }
    let between = links.len().saturating_sub(NEWEST + OLDEST);
    // Of a single event, the text would be no shorter.
    if between > 1 {
        links.splice(NEWEST..NEWEST + between, [format!("({between} more)")]);
    }
    Ok(links.join(" <- "))
}

fn link(recorded: &Recorded) -> String {
    let event = &recorded.event;
    let link = format!("#{} {}/{}", recorded.sequence, event.source, event.detail_type);
    match &recorded.cause {
        Some(cause) => format!("{link} by {}", cause.plugin),
        None => link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::{Event, raw};
    use crate::storage::{Commit, MemoryStorage, NewEvent, Write};

    /// A journal in which each event comes of the one before, and its last event.
    async fn journal(events: u64) -> (MemoryStorage, Recorded) {
        let storage = MemoryStorage::new();
        let mut cause = None;
        for sequence in 1..=events {
            let event = Event::new("s", &format!("E{sequence}"), Timestamp::default(), raw(&serde_json::json!({})));
            let body = Recorded::encode(&event.to_json(), event.time, cause.as_ref());
            let recorded = Recorded::decode(sequence, &body).expect("it was just written");
            let events = vec![NewEvent { body, deliveries: Vec::new() }];
            storage.commit(Commit { events, ..Commit::default() }).await.expect("the store takes it");
            cause = Some(recorded.handled_by("p"));
        }
        let stored = storage.get(&Key::Event(events)).expect("the store answers").expect("it is there");
        let newest = Recorded::decode(events, &stored.value).expect("it was just written");
        (storage, newest)
    }

    #[tokio::test]
    async fn the_middle_of_a_long_chain_is_left_out() {
        let (storage, newest) = journal(3).await;
        let short = chain(&storage, &newest).expect("the store answers");
        assert_eq!(short, "#3 s/E3 by p <- #2 s/E2 by p <- #1 s/E1");

        for (events, between) in [(12, None), (13, None), (14, Some("(2 more)")), (1002, Some("(990 more)"))] {
            let (storage, newest) = journal(events).await;
            let long = chain(&storage, &newest).expect("the store answers");
            let links: Vec<&str> = long.split(" <- ").collect();
            assert_eq!(links.iter().find(|link| link.starts_with('(')).copied(), between, "{long}");
            assert_eq!(links.len(), if between.is_some() { 13 } else { events as usize }, "{long}");
            assert!(long.ends_with("#4 s/E4 by p <- #3 s/E3 by p <- #2 s/E2 by p <- #1 s/E1"), "{long}");
        }
    }

    #[tokio::test]
    async fn a_chain_ends_where_the_journal_does() {
        let (storage, newest) = journal(5).await;
        let writes = (1..=3).map(|sequence| Write::Delete(Key::Event(sequence))).collect();
        storage.commit(Commit { writes, ..Commit::default() }).await.expect("the store takes it");
        assert_eq!(chain(&storage, &newest).expect("the store answers"), "#5 s/E5 by p <- #4 s/E4 by p");
    }
}
