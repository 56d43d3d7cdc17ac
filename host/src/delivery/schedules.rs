//! The timers of rules that have a schedule.
//!
//! When a rule is due next lies in the store, so a restart neither forgets nor repeats a time. What was missed while the daemon was
//! down is made up for by one event.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bus::{Audience, Bus, Change, Publication};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::rules::RuleSet;
use crate::storage::key::TimerKind;
use crate::storage::{CommitError, Key, KeyRange, Write};

/// The detail-type of the event that a schedule sends to its rule's targets.
pub const SCHEDULED_EVENT: &str = "Scheduled Event";

/// What is stored of a rule's schedule.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Planned {
    /// The expression that `due` was reckoned from.
    expression: String,
    /// When the rule is due next.
    due: Timestamp,
}

/// Makes the stored timers those of the rules in force: a new or changed schedule starts now, one that is gone stops, and one that
/// stayed keeps its time.
///
/// # Errors
///
/// Those of the store.
pub async fn reconcile(bus: &Bus) -> Result<(), CommitError> {
    let rules = bus.rules();
    let now = bus.now();
    let stored = bus.storage().scan(&KeyRange::schedules(), usize::MAX)?;
    let mut kept = BTreeSet::new();
    for (key, value) in stored {
        let Key::Schedule(name) = key else { continue };
        let planned: Option<Planned> = serde_json::from_slice(&value.value).ok();
        let unchanged = rules.scheduled().any(|(rule, schedule)| {
            rule.name == name && planned.as_ref().is_some_and(|planned| planned.expression == schedule.to_string())
        });
        if unchanged {
            kept.insert(name);
            continue;
        }
        let timer = planned.map(|planned| Write::Delete(timer(&name, planned.due)));
        let writes = std::iter::once(Write::Delete(Key::Schedule(name))).chain(timer).collect();
        bus.commit(Change { writes, ..Change::default() }).await?;
    }
    for (rule, schedule) in rules.scheduled().filter(|(rule, _)| !kept.contains(&rule.name)) {
        let writes = plan(&rule.name, schedule.to_string(), schedule.next_after(now, now));
        bus.commit(Change { writes, ..Change::default() }).await?;
    }
    Ok(())
}

/// What happens when the schedule of `rule` fires: the event for its targets, and the next time.
pub(super) fn fire(rules: &RuleSet, rule: &str, due: Timestamp, now: Timestamp) -> Change {
    let Some((_, schedule)) = rules.scheduled().find(|(found, _)| found.name == rule) else {
        return Change { writes: vec![Write::Delete(Key::Schedule(rule.to_owned()))], ..Change::default() };
    };
    let mut event = Event::of_daemon(SCHEDULED_EVENT, now, &json!({}));
    event.resources = vec![format!("rule/{rule}")];
    let publication = Publication { event, cause: None, audience: Audience::Scheduled(rule.to_owned()) };
    let writes = plan(rule, schedule.to_string(), schedule.next_after(due, now));
    Change { writes, events: vec![publication], ..Change::default() }
}

fn plan(rule: &str, expression: String, due: Timestamp) -> Vec<Write> {
    let planned = serde_json::to_vec(&Planned { expression, due }).expect("a plan can be written");
    vec![Write::Put(Key::Schedule(rule.to_owned()), planned.into()), Write::Put(timer(rule, due), Bytes::new())]
}

fn timer(rule: &str, due: Timestamp) -> Key {
    Key::Timer { kind: TimerKind::Schedule, due, id: rule.to_owned() }
}
