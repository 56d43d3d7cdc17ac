//! The timers of rules that have a schedule.
//!
//! When a rule is due next lies in the store, so a restart neither forgets nor repeats a time. What was missed while the daemon was
//! down is made up for by one event. Of a schedule that has no more times, such as an `at()` that has fired, the plan stays without a
//! timer, so that it is not taken for a new one.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bus::{Audience, Bus, Change, Publication};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::rules::{Schedule, Zone};
use crate::storage::key::TimerKind;
use crate::storage::{self, ABSENT, CommitError, Expect, Key, KeyRange, Write};

/// The detail-type of the event that a schedule sends to its rule's targets.
pub const SCHEDULED_EVENT: &str = "Scheduled Event";

/// What is stored of a rule's schedule.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Planned {
    /// The expression that `due` was reckoned from, and its time zone if that is not UTC.
    expression: String,
    /// When the rule is due next; nothing if it never is again.
    #[serde(default)]
    due: Option<Timestamp>,
}

/// Makes the stored timers those of the rules in force: a new or changed schedule starts now, one that is gone stops, and one that
/// stayed keeps its time.
///
/// # Errors
///
/// Those of the store.
pub async fn reconcile(bus: &Bus) -> Result<(), CommitError> {
    // A schedule that fires in this moment plans anew. Then everything is looked at again.
    loop {
        match reconcile_once(bus).await {
            Err(CommitError::Conflict(_)) => {}
            outcome => return outcome,
        }
    }
}

async fn reconcile_once(bus: &Bus) -> Result<(), CommitError> {
    let rules = bus.rules();
    let now = bus.now();
    let stored = bus.storage().scan(&KeyRange::schedules(), usize::MAX)?;
    let mut seen = BTreeSet::new();
    for (key, value) in stored {
        let Key::Schedule(name) = &key else { continue };
        seen.insert(name.clone());
        let planned: Option<Planned> = serde_json::from_slice(&value.value).ok();
        let wanted = rules.scheduled().find(|(rule, _)| rule.name == *name).map(|(_, schedule)| schedule);
        let unchanged = |planned: &Planned| wanted.is_some_and(|schedule| planned.expression == expression(schedule));
        if planned.as_ref().is_some_and(unchanged) {
            continue;
        }
        let mut writes = match wanted {
            Some(schedule) => begin(name, schedule, now),
            None => vec![Write::Delete(key.clone())],
        };
        if let Some(due) = planned.and_then(|planned| planned.due) {
            // Before the others: the new plan may be due at the same time.
            writes.insert(0, Write::Delete(timer(name, due)));
        }
        let expects = vec![Expect::Key(key, value.version)];
        bus.commit(Change { expects, writes, ..Change::default() }).await?;
    }
    for (rule, schedule) in rules.scheduled().filter(|(rule, _)| !seen.contains(&rule.name)) {
        let expects = vec![Expect::Key(Key::Schedule(rule.name.clone()), ABSENT)];
        let writes = begin(&rule.name, schedule, now);
        bus.commit(Change { expects, writes, ..Change::default() }).await?;
    }
    Ok(())
}

/// What happens when the schedule of `rule` fires: the event for its targets, and the next time. A timer that is not the one that was planned
/// does nothing, and a schedule that has changed meanwhile begins anew.
///
/// # Errors
///
/// If the plan cannot be read from the store.
pub(super) fn fire(bus: &Bus, rule: &str, due: Timestamp, now: Timestamp) -> Result<Change, storage::Error> {
    let key = Key::Schedule(rule.to_owned());
    let stored = bus.storage().get(&key)?;
    let expects = vec![Expect::Key(key.clone(), stored.as_ref().map_or(ABSENT, |stored| stored.version))];
    let planned = stored.and_then(|stored| serde_json::from_slice::<Planned>(&stored.value).ok());
    let Some(planned) = planned.filter(|planned| planned.due == Some(due)) else {
        return Ok(Change { expects, ..Change::default() });
    };
    let rules = bus.rules();
    let Some((_, schedule)) = rules.scheduled().find(|(found, _)| found.name == rule) else {
        return Ok(Change { expects, writes: vec![Write::Delete(key)], ..Change::default() });
    };
    if planned.expression != expression(schedule) {
        return Ok(Change { expects, writes: begin(rule, schedule, now), ..Change::default() });
    }
    let mut event = Event::of_daemon(SCHEDULED_EVENT, now, &json!({}));
    event.resources = vec![format!("rule/{rule}")];
    let publication = Publication { event, cause: None, audience: Audience::Scheduled(rule.to_owned()) };
    let writes = plan(rule, schedule, schedule.next_after(due, now));
    Ok(Change { expects, writes, events: vec![publication], ..Change::default() })
}

/// The plan of a schedule that is seen for the first time.
fn begin(rule: &str, schedule: &Schedule, now: Timestamp) -> Vec<Write> {
    let due = schedule.next_after(now, now);
    if due.is_none() {
        tracing::warn!(rule, %schedule, "the time of the rule's schedule has passed; it will not fire");
    }
    plan(rule, schedule, due)
}

fn plan(rule: &str, schedule: &Schedule, due: Option<Timestamp>) -> Vec<Write> {
    let planned = Planned { expression: expression(schedule), due };
    let planned = serde_json::to_vec(&planned).expect("a plan can be written");
    let timer = due.map(|due| Write::Put(timer(rule, due), Bytes::new()));
    std::iter::once(Write::Put(Key::Schedule(rule.to_owned()), planned.into())).chain(timer).collect()
}

/// What tells a schedule from a changed one.
fn expression(schedule: &Schedule) -> String {
    match schedule.time_zone().map(Zone::name) {
        None | Some("UTC") => schedule.to_string(),
        Some(zone) => format!("{schedule} {zone}"),
    }
}

fn timer(rule: &str, due: Timestamp) -> Key {
    Key::Timer { kind: TimerKind::Schedule, due, id: rule.to_owned() }
}
