//! What happens by itself.

use std::time::Duration;

use serde_json::json;
use trialbridge::delivery::schedules::SCHEDULED_EVENT;
use trialbridge::event::Recorded;

use crate::support::{World, of_type};

const RULES: &str = r#"
[plugins.misbehave]

[[rules]]
name = "every-minute"
schedule = "rate(1 minute)"
targets = ["misbehave"]
"#;

/// The world begins at 14:19:39 UTC.
const CALENDAR: &str = r#"
[[rules]]
name = "once"
schedule = "at(2020-05-13T16:21:00)"
schedule-timezone = "Europe/Berlin"
targets = ["misbehave"]

[[rules]]
name = "passed"
schedule = "at(2020-05-13T14:19:00)"
targets = ["misbehave"]

[[rules]]
name = "daily"
schedule = "cron(30 14 * * ? *)"
targets = ["misbehave"]
"#;

#[tokio::test]
async fn a_schedule_fires_when_it_is_due_and_once_for_what_was_missed() {
    let world = World::new(RULES, &[]).await;
    let fired = |world: &World| of_type(&world.journal(), SCHEDULED_EVENT).len();
    world.clock.advance(Duration::from_millis(59_999));
    world.publish("nobody", "Marker", json!({})).await;
    assert_eq!(fired(&world), 0);
    world.clock.advance(Duration::from_millis(1));
    world.wait_for("it fires", |journal| of_type(journal, SCHEDULED_EVENT).len() == 1).await;
    assert_eq!(world.owed(), 1, "it goes to its own target");
    world.clock.advance(Duration::from_secs(600));
    world.wait_for("it fires again", |journal| of_type(journal, SCHEDULED_EVENT).len() == 2).await;

    // Another expression counts from now on; the same one does not begin anew.
    let rules = world.folder.path().join("rules.toml");
    std::fs::write(&rules, RULES.replace("rate(1 minute)", "rate(1 hour)")).unwrap();
    world.wait_for_event("RulesReloaded").await;
    world.clock.advance(Duration::from_secs(1800));
    std::fs::write(&rules, format!("{}\n# the same rules\n", RULES.replace("rate(1 minute)", "rate(1 hour)"))).unwrap();
    world.wait_for("reloaded again", |journal| of_type(journal, "RulesReloaded").len() == 2).await;
    assert_eq!(fired(&world), 2);
    world.clock.advance(Duration::from_secs(1800));
    world.wait_for("it fires after an hour", |journal| of_type(journal, SCHEDULED_EVENT).len() == 3).await;
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_schedule_by_the_calendar_fires_once_for_what_was_missed_and_a_restart_does_not_repeat_it() {
    let world = World::on_disk(&format!("{RULES}{CALENDAR}")).await;
    world.clock.advance(Duration::from_millis(80_999));
    world.wait_for("a minute passes", |journal| fired(journal, "every-minute") == 1).await;
    assert_eq!(fired(&world.journal(), "once"), 0);
    world.clock.advance(Duration::from_millis(1));
    world.wait_for("it is time", |journal| fired(journal, "once") == 1).await;

    let world = world.restart_after(Duration::from_secs(2 * 24 * 60 * 60)).await;
    world.wait_for("what was missed", |journal| fired(journal, "daily") == 1).await;
    world.clock.advance(Duration::from_secs(60));
    let journal = world.wait_for("a minute passes", |journal| fired(journal, "every-minute") == 3).await;
    assert_eq!(["once", "passed", "daily"].map(|rule| fired(&journal, rule)), [1, 0, 1]);
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    world.wait_for("the next day", |journal| fired(journal, "daily") == 2).await;
    world.host.shutdown().await;
}

/// How often the schedule of a rule has fired.
fn fired(journal: &[Recorded], rule: &str) -> usize {
    let resource = format!("rule/{rule}");
    journal.iter().filter(|recorded| recorded.event.resources.contains(&resource)).count()
}
