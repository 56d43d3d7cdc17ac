//! What is owed and what was given up: to look at, and to redrive.

use std::sync::Arc;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::receipt::Receipt;
use super::record::{DeadLetter, Delivery, DeliveryId, Exhausted};
use crate::bus::{Bus, Change};
use crate::clock::Timestamp;
use crate::event::{Event, Recorded};
use crate::storage::key::{TimerKind, valid_text};
use crate::storage::{self, ABSENT, CommitError, Expect, Key, KeyRange, Sequence, Version, Write};

/// The most deliveries in one page.
pub const MAX_PAGE: usize = 1000;

/// How many entries of the store one page may look at, so that no request takes arbitrarily long.
const MAX_EXAMINED: usize = 100_000;

/// How many entries are read from the store at a time.
const CHUNK: usize = 256;

/// How many dead letters are brought back side by side. They share the store's flushes.
const REDRIVEN_TOGETHER: usize = 64;

/// The deliveries of a store.
pub struct Ledger {
    /// The way to the store.
    bus: Arc<Bus>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListState {
    /// It is in its plugin's queue, or being handled.
    Ready,
    /// It failed, and waits for its next attempt.
    Waiting,
    /// It was given up.
    Dead,
    /// It is over: the plugin has handled it. Only the receipt is kept.
    Acknowledged,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that stand there; those that are owed, ready and waiting, if not given.
    pub state: Option<ListState>,
    /// Only those to this plugin.
    pub plugin: Option<String>,
    /// Continue where the earlier page's `next` says.
    pub after: Option<String>,
    /// At most so many, 1 to [`MAX_PAGE`].
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// The deliveries: the ready ones by plugin and event, then the waiting ones by time, or the dead ones by event.
    pub deliveries: Vec<Listed>,
    /// Where the next page begins; nothing when this was the last.
    pub next: Option<String>,
}

/// A delivery as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Its id: `plugin/sequence/ordinal`.
    pub id: String,
    /// Where it stands.
    pub state: ListState,
    /// The rule that matched.
    pub rule: String,
    /// The id of the rule's target.
    pub target: String,
    /// The plugin it goes to.
    pub plugin: String,
    /// The event.
    pub sequence: Sequence,
    /// What happened; nothing if the event is not in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_type: Option<String>,
    /// When the event was published, or the delivery redriven; of one that is over, when that was.
    pub created: Timestamp,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When it is tried again, if it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Why the latest attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which limit ended it, if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<Exhausted>,
    /// When it was given up, if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<Timestamp>,
    /// The content hash of the plugin that failed last, if it is dead and one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_hash: Option<String>,
    /// The event, if it is dead: the journal may have forgotten it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// What the latest attempt touched and took, if there was one. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Which dead letters to redrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These. All of them have to be dead letters.
    Ids(Vec<DeliveryId>),
    /// Those to this plugin.
    Plugin(String),
    /// All.
    All,
}

/// Why deliveries cannot be listed or redriven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not the `next` of an earlier page with the same filter.
    #[error("`{0}` is not a cursor; give the `next` of the page before, with the same filters")]
    Cursor(String),
    /// There is none of this id.
    #[error("there is no delivery `{0}`; it may have been acknowledged")]
    NotFound(DeliveryId),
    /// It is not a dead letter.
    #[error("`{0}` is not a dead letter; list those there are with `trialbridge delivery list --dead`")]
    NotDead(DeliveryId),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Ledger {
    /// The deliveries of the bus's store.
    pub fn new(bus: Arc<Bus>) -> Self {
        Self { bus }
    }

    /// Lists deliveries. A page may hold fewer than were asked for and still have a `next`, when few of those that
    /// were looked at go to the plugin.
    ///
    /// # Errors
    ///
    /// [`Error::Cursor`], [`Error::Storage`].
    pub fn list(&self, filter: &Filter) -> Result<Page, Error> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        if filter.plugin.as_deref().is_some_and(|plugin| !valid_text(plugin)) {
            return Ok(Page::default());
        }
        let states = filter.state.map_or_else(|| vec![ListState::Ready, ListState::Waiting], |state| vec![state]);
        let cursor = filter.after.as_deref().map(|text| parse_cursor(text, &states)).transpose()?;
        let mut page = Page::default();
        let mut last_listed = None;
        let mut examined = 0;
        for state in states {
            let after = match &cursor {
                Some((begin, _)) if state == ListState::Ready && *begin != ListState::Ready => continue,
                Some((begin, key)) if state == *begin => Some(key),
                _ => None,
            };
            let mut range = range(state, filter.plugin.as_deref()).after(after);
            loop {
                let found = self.bus.storage().scan(&range, CHUNK)?;
                let is_last = found.len() < CHUNK;
                for (key, stored) in found {
                    examined += 1;
                    let listed = self.listed(&key, &stored.value)?;
                    if let Some(listed) = listed.filter(|l| filter.plugin.as_ref().is_none_or(|p| *p == l.plugin)) {
                        if page.deliveries.len() == limit {
                            page.next = last_listed.as_ref().and_then(cursor_at);
                            return Ok(page);
                        }
                        page.deliveries.push(listed);
                        last_listed = Some(key.clone());
                    }
                    if examined == MAX_EXAMINED {
                        page.next = cursor_at(&key);
                        return Ok(page);
                    }
                    range = range.after(Some(&key));
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(page)
    }

    /// The delivery of an id.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn get(&self, id: &DeliveryId) -> Result<Listed, Error> {
        // One that is handled in this moment goes from ready to another place, and a timer brings it back; so the first
        // place is looked at twice.
        let found = match self.ready(id)? {
            Some(ready) => Some(ready),
            None => match self.waiting(id)? {
                Some(waiting) => Some(waiting),
                None => match self.letter(id)? {
                    Some((letter, _)) => Some(Listed::dead(letter)),
                    None => self.ready(id)?,
                },
            },
        };
        let receipt = self.receipt(id)?;
        let found = found.or_else(|| Listed::acknowledged(receipt.as_ref()?));
        found.map(|found| Listed { receipt, ..found }).ok_or_else(|| Error::NotFound(id.clone()))
    }

    /// Puts dead letters back into their queues, with all attempts before them again, and the same idempotency key. The limit on
    /// causation does not hold for them any more. Answers with how many. Each is one commit: those that were put back stay so if the store fails on the way.
    ///
    /// # Errors
    ///
    /// [`Error::NotDead`] if one of the ids is not a dead letter, and nothing is put back then; [`Error::Storage`],
    /// [`Error::Commit`].
    pub async fn redrive(&self, selection: Selection) -> Result<u64, Error> {
        let plugin = match selection {
            Selection::Ids(ids) => {
                let found = ids.into_iter().map(|id| self.letter(&id)?.ok_or(Error::NotDead(id)));
                return self.bring_all_back(found.collect::<Result<_, _>>()?).await;
            }
            Selection::Plugin(plugin) => Some(plugin),
            Selection::All => None,
        };
        let newest = self.bus.storage().last_sequence();
        let mut range = KeyRange::dead_letters();
        let mut redriven = 0;
        loop {
            let found = self.bus.storage().scan(&range, CHUNK)?;
            // What dies from now on is not to be brought back over and over.
            let beyond = |key: &Key| matches!(key, Key::DeadLetter { sequence, .. } if *sequence > newest);
            let is_last = found.len() < CHUNK || found.last().is_some_and(|(key, _)| beyond(key));
            range = range.after(found.last().map(|(key, _)| key));
            let letters = found.iter().filter(|(key, _)| !beyond(key)).filter_map(|(key, stored)| {
                let letter = readable(key, DeadLetter::decode(&stored.value))?;
                plugin.as_ref().is_none_or(|plugin| *plugin == letter.id.plugin).then_some((letter, stored.version))
            });
            redriven += self.bring_all_back(letters.collect()).await?;
            if is_last {
                return Ok(redriven);
            }
        }
    }

    async fn bring_all_back(&self, mut letters: Vec<(DeadLetter, Version)>) -> Result<u64, Error> {
        let mut redriven = 0;
        while !letters.is_empty() {
            let some = letters.split_off(letters.len().saturating_sub(REDRIVEN_TOGETHER));
            let outcomes = some.into_iter().map(|(letter, version)| self.bring_back(letter, version));
            redriven += try_join_all(outcomes).await?.into_iter().sum::<u64>();
        }
        Ok(redriven)
    }

    /// Answers with 1, or with 0 if somebody else did it meanwhile.
    async fn bring_back(&self, mut letter: DeadLetter, mut version: Version) -> Result<u64, Error> {
        loop {
            let event_key = Key::Event(letter.id.sequence);
            let event = self.bus.storage().get(&event_key)?;
            let event_version = event.as_ref().map_or(ABSENT, |event| event.version);
            // The engine reads the event from the journal. It is put there even if it is there already: its version
            // then tells whoever is about to remove it that something has happened.
            let body = event.map_or_else(
                || Recorded::encode(&letter.event.to_json(), letter.delivery.created, letter.cause.as_ref()),
                |event| event.value,
            );
            let created = self.bus.now();
            let delivery = Delivery { created, failed: 0, error: None, redriven: true, ..letter.delivery.clone() };
            let change = Change {
                expects: vec![Expect::Key(letter.key(), version), Expect::Key(event_key.clone(), event_version)],
                writes: vec![
                    Write::Delete(letter.key()),
                    Write::Put(event_key, body),
                    Write::Put(letter.id.key(), delivery.encode()),
                ],
                ..Change::default()
            };
            match self.bus.commit(change).await {
                Ok(_) => return Ok(1),
                Err(CommitError::Conflict(_)) => match self.letter(&letter.id)? {
                    Some(newer) => (letter, version) = newer,
                    None => return Ok(0),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The receipt of a delivery, which has to be of the same plugin too: the key does not say.
    fn receipt(&self, id: &DeliveryId) -> Result<Option<Receipt>, Error> {
        let key = Receipt::key(id);
        let stored = self.bus.storage().get(&key)?;
        let receipt = stored.and_then(|stored| readable(&key, Receipt::decode(&stored.value)));
        Ok(receipt.filter(|receipt| receipt.id == id.to_string()))
    }

    fn ready(&self, id: &DeliveryId) -> Result<Option<Listed>, Error> {
        if !valid_text(&id.plugin) {
            return Ok(None);
        }
        let key = id.key();
        match self.bus.storage().get(&key)? {
            Some(stored) => self.listed(&key, &stored.value),
            None => Ok(None),
        }
    }

    /// The timers are in the order of their times, so all have to be looked at.
    fn waiting(&self, id: &DeliveryId) -> Result<Option<Listed>, Error> {
        let wanted = id.to_string();
        let mut range = KeyRange::timers(TimerKind::Retry);
        loop {
            let found = self.bus.storage().scan(&range, CHUNK)?;
            if let Some((key, stored)) =
                found.iter().find(|(key, _)| matches!(key, Key::Timer { id, .. } if *id == wanted))
            {
                return self.listed(key, &stored.value);
            }
            if found.len() < CHUNK {
                return Ok(None);
            }
            range = range.after(found.last().map(|(key, _)| key));
        }
    }

    fn letter(&self, id: &DeliveryId) -> Result<Option<(DeadLetter, Version)>, Error> {
        let key = Key::DeadLetter { sequence: id.sequence, ordinal: id.ordinal };
        let Some(stored) = self.bus.storage().get(&key)? else { return Ok(None) };
        let letter = readable(&key, DeadLetter::decode(&stored.value)).filter(|letter| letter.id == *id);
        Ok(letter.map(|letter| (letter, stored.version)))
    }

    /// What is stored under a key, as it is shown; nothing if it cannot be read.
    fn listed(&self, key: &Key, value: &[u8]) -> Result<Option<Listed>, Error> {
        let (id, due) = match key {
            Key::Delivery { plugin, sequence, ordinal } => {
                (DeliveryId { plugin: plugin.clone(), sequence: *sequence, ordinal: *ordinal }, None)
            }
            Key::Timer { kind: TimerKind::Retry, due, id } => match id.parse() {
                Ok(id) => (id, Some(*due)),
                Err(_) => return Ok(None),
            },
            Key::Receipt { .. } => {
                return Ok(readable(key, Receipt::decode(value)).and_then(|receipt| Listed::acknowledged(&receipt)));
            }
            _ => return Ok(readable(key, DeadLetter::decode(value)).map(Listed::dead)),
        };
        let Some(delivery) = readable(key, Delivery::decode(id, value)) else { return Ok(None) };
        let event = self.bus.storage().get(&Key::Event(delivery.id.sequence))?;
        let event = event.and_then(|stored| Recorded::decode(delivery.id.sequence, &stored.value).ok());
        let state = if due.is_some() { ListState::Waiting } else { ListState::Ready };
        let detail_type = event.map(|recorded| recorded.event.detail_type);
        Ok(Some(Listed { next_attempt_at: due, detail_type, ..Listed::of(delivery, state) }))
    }
}

impl Listed {
    fn of(delivery: Delivery, state: ListState) -> Self {
        Self {
            id: delivery.id.to_string(),
            state,
            rule: delivery.rule,
            target: delivery.target,
            plugin: delivery.id.plugin,
            sequence: delivery.id.sequence,
            detail_type: None,
            created: delivery.created,
            attempts: delivery.failed,
            next_attempt_at: None,
            error: delivery.error,
            exhausted: None,
            given_up_at: None,
            plugin_hash: None,
            event: None,
            receipt: None,
        }
    }

    /// What a receipt tells of a delivery that is over.
    fn acknowledged(receipt: &Receipt) -> Option<Self> {
        let id = receipt.id.parse().ok().filter(|_| receipt.acknowledged)?;
        let delivery = Delivery {
            id,
            rule: receipt.rule.clone(),
            target: receipt.target.clone(),
            created: receipt.at,
            failed: receipt.attempt - 1,
            error: None,
            redriven: false,
        };
        Some(Self::of(delivery, ListState::Acknowledged))
    }

    fn dead(letter: DeadLetter) -> Self {
        Self {
            detail_type: Some(letter.event.detail_type.clone()),
            exhausted: Some(letter.exhausted),
            given_up_at: Some(letter.at),
            plugin_hash: letter.plugin_hash,
            event: Some(letter.event),
            ..Self::of(letter.delivery, ListState::Dead)
        }
    }
}

fn range(state: ListState, plugin: Option<&str>) -> KeyRange {
    match (state, plugin) {
        (ListState::Ready, Some(plugin)) => KeyRange::deliveries(plugin, 0),
        (ListState::Ready, None) => KeyRange::all_deliveries(),
        (ListState::Waiting, _) => KeyRange::timers(TimerKind::Retry),
        (ListState::Dead, _) => KeyRange::dead_letters(),
        (ListState::Acknowledged, _) => KeyRange::receipts(),
    }
}

/// Cursors name the entry after which to go on: `ready/PLUGIN/SEQUENCE/ORDINAL`, `waiting/DUE/DELIVERY`,
/// `dead/SEQUENCE/ORDINAL`, `acknowledged/SEQUENCE/ORDINAL`.
fn cursor_at(key: &Key) -> Option<String> {
    match key {
        Key::Delivery { plugin, sequence, ordinal } => Some(format!("ready/{plugin}/{sequence}/{ordinal}")),
        Key::Timer { due, id, .. } => Some(format!("waiting/{}/{id}", due.as_millis())),
        Key::DeadLetter { sequence, ordinal } => Some(format!("dead/{sequence}/{ordinal}")),
        Key::Receipt { sequence, ordinal } => Some(format!("acknowledged/{sequence}/{ordinal}")),
        _ => None,
    }
}

fn parse_cursor(text: &str, states: &[ListState]) -> Result<(ListState, Key), Error> {
    let parse = || {
        let (state, rest) = text.split_once('/')?;
        Some(match state {
            "ready" => (ListState::Ready, rest.parse::<DeliveryId>().ok().filter(|id| valid_text(&id.plugin))?.key()),
            "waiting" => {
                let (due, id) = rest.split_once('/')?;
                let due = Timestamp::from_millis(due.parse().ok()?);
                (ListState::Waiting, Key::Timer { kind: TimerKind::Retry, due, id: id.to_owned() })
            }
            "dead" => {
                let (sequence, ordinal) = rest.split_once('/')?;
                let (sequence, ordinal) = (sequence.parse().ok()?, ordinal.parse().ok()?);
                (ListState::Dead, Key::DeadLetter { sequence, ordinal })
            }
            "acknowledged" => {
                let (sequence, ordinal) = rest.split_once('/')?;
                let (sequence, ordinal) = (sequence.parse().ok()?, ordinal.parse().ok()?);
                (ListState::Acknowledged, Key::Receipt { sequence, ordinal })
            }
            _ => return None,
        })
    };
    parse().filter(|(state, _)| states.contains(state)).ok_or_else(|| Error::Cursor(text.to_owned()))
}

/// An entry that cannot be read must not hide all others; it is left out, and the log says so.
fn readable<T>(key: &Key, decoded: Result<T, serde_json::Error>) -> Option<T> {
    decoded.inspect_err(|error| tracing::error!(%key, %error, "a delivery cannot be read and is left alone")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::event::raw;
    use crate::storage::MemoryStorage;

    const START: Timestamp = Timestamp::from_millis(1_589_379_579_000);

    struct World {
        ledger: Ledger,
        bus: Arc<Bus>,
        clock: Arc<ManualClock>,
    }

    impl World {
        /// Ready: a/1/0, b/2/0. Waiting: a/3/0. Dead: b/4/0, a/5/0. Event 5 has left the journal.
        async fn new() -> Self {
            let clock = Arc::new(ManualClock::new(START));
            let bus = Arc::new(Bus::new(Arc::new(MemoryStorage::new()), clock.clone()));
            let event = |number: u32| Event::new("test", &format!("E{number}"), START, raw(&serde_json::json!({})));
            for number in 1..=5 {
                bus.publish(event(number)).await.expect("the store takes it");
            }
            let mut writes = vec![Write::Delete(Key::Event(5))];
            for (plugin, sequence) in [("a", 1), ("b", 2)] {
                writes.push(Write::Put(id(plugin, sequence).key(), delivery(plugin, sequence).encode()));
            }
            let timer = Key::Timer { kind: TimerKind::Retry, due: START, id: id("a", 3).to_string() };
            writes.push(Write::Put(timer, delivery("a", 3).encode()));
            for (plugin, sequence) in [("b", 4), ("a", 5)] {
                let letter = DeadLetter {
                    id: id(plugin, sequence),
                    delivery: delivery(plugin, sequence),
                    event: event(sequence as u32),
                    cause: None,
                    plugin_hash: None,
                    at: START,
                    exhausted: Exhausted::PermanentFailure,
                };
                writes.push(Write::Put(letter.key(), letter.encode()));
            }
            bus.commit(Change { writes, ..Change::default() }).await.expect("the store takes it");
            Self { ledger: Ledger::new(bus.clone()), bus, clock }
        }

        /// The ids of all pages of a size, and how many pages there were.
        fn pages(&self, state: Option<ListState>, plugin: Option<&str>, limit: usize) -> (Vec<String>, usize) {
            let mut filter = Filter { state, plugin: plugin.map(str::to_owned), after: None, limit };
            let mut ids = Vec::new();
            for pages in 1.. {
                let page = self.ledger.list(&filter).expect("the store answers");
                ids.extend(page.deliveries.into_iter().map(|listed| listed.id));
                filter.after = page.next;
                if filter.after.is_none() {
                    return (ids, pages);
                }
            }
            unreachable!("there is no end to 1..")
        }
    }

    fn id(plugin: &str, sequence: Sequence) -> DeliveryId {
        DeliveryId { plugin: plugin.to_owned(), sequence, ordinal: 0 }
    }

    fn delivery(plugin: &str, sequence: Sequence) -> Delivery {
        let (rule, target) = ("rule".to_owned(), plugin.to_owned());
        let error = (sequence > 2).then(|| "it failed".to_owned());
        Delivery { id: id(plugin, sequence), rule, target, created: START, failed: 3, error, redriven: false }
    }

    #[tokio::test]
    async fn every_state_and_plugin_is_listed_in_pages() {
        let world = World::new().await;
        for (state, plugin, expected) in [
            (None, None, &["a/1/0", "b/2/0", "a/3/0"][..]),
            (None, Some("a"), &["a/1/0", "a/3/0"]),
            (None, Some("b"), &["b/2/0"]),
            (Some(ListState::Ready), None, &["a/1/0", "b/2/0"]),
            (Some(ListState::Waiting), None, &["a/3/0"]),
            (Some(ListState::Dead), None, &["b/4/0", "a/5/0"]),
            (Some(ListState::Dead), Some("a"), &["a/5/0"]),
            (Some(ListState::Dead), Some("c"), &[]),
        ] {
            assert_eq!(world.pages(state, plugin, 1000), (expected.iter().map(ToString::to_string).collect(), 1));
            let (one_by_one, pages) = world.pages(state, plugin, 1);
            assert_eq!(
                (one_by_one.as_slice(), pages),
                (world.pages(state, plugin, 1000).0.as_slice(), expected.len().max(1))
            );
        }
        for cursor in ["", "ready", "dead/1/0", "waiting/x/a/1/0", "ready/1/0"] {
            let filter = Filter { after: Some(cursor.to_owned()), limit: 1, ..Filter::default() };
            assert!(matches!(world.ledger.list(&filter), Err(Error::Cursor(_))), "{cursor}");
        }
    }

    #[tokio::test]
    async fn a_delivery_is_found_wherever_it_stands() {
        let world = World::new().await;
        for (plugin, sequence, state, detail_type) in
            [("a", 1, ListState::Ready, "E1"), ("a", 3, ListState::Waiting, "E3"), ("a", 5, ListState::Dead, "E5")]
        {
            let listed = world.ledger.get(&id(plugin, sequence)).expect("there is one");
            assert_eq!((listed.state, listed.detail_type.as_deref()), (state, Some(detail_type)));
            assert_eq!(listed.next_attempt_at.is_some(), state == ListState::Waiting);
            assert_eq!(listed.event.is_some(), state == ListState::Dead);
        }
        assert!(matches!(world.ledger.get(&id("b", 5)), Err(Error::NotFound(_))));
        assert!(matches!(world.ledger.get(&id("b\0", 5)), Err(Error::NotFound(_))));
    }

    #[tokio::test]
    async fn redriving_begins_anew_and_brings_the_event_back() {
        let world = World::new().await;
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.ledger.redrive(Selection::Plugin("a".to_owned())).await.expect("the store takes it"), 1);
        let listed = world.ledger.get(&id("a", 5)).expect("there is one");
        assert_eq!((listed.state, listed.attempts, listed.error), (ListState::Ready, 0, None));
        assert_eq!((listed.created, listed.detail_type.as_deref()), (world.clock.now(), Some("E5")));
        assert_eq!(world.bus.storage().last_sequence(), 5);

        let both = Selection::Ids(vec![id("b", 4), id("a", 5)]);
        assert!(matches!(world.ledger.redrive(both).await, Err(Error::NotDead(wrong)) if wrong == id("a", 5)));
        assert_eq!(world.pages(Some(ListState::Dead), None, 10).0, ["b/4/0"], "nothing was put back");
        assert_eq!(world.ledger.redrive(Selection::All).await.expect("the store takes it"), 1);
        assert_eq!(world.ledger.redrive(Selection::All).await.expect("the store takes it"), 0);
    }

    #[tokio::test]
    async fn of_two_who_redrive_one_does() {
        let world = World::new().await;
        let (first, second) = tokio::join!(world.ledger.redrive(Selection::All), world.ledger.redrive(Selection::All));
        assert_eq!(first.expect("the store takes it") + second.expect("the store takes it"), 2);
    }
}
