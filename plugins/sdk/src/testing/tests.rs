//! The host in memory against what `wit/` says of the host.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Measure, START, World};
use crate::{
    Access, Change, Description, Error, Event, Failure, Host, Level, Need, NewEvent, Plugin, permanent, retry,
};

/// Needs everything and does nothing: the tests run closures in its place.
struct Idle;

impl Plugin for Idle {
    fn describe() -> Description {
        Description::new("nothing", "0.0.0")
            .kv("own", Access::ReadWrite)
            .kv("seen", Access::Read)
            .trials(Access::ReadWrite)
            .emit("idle")
            .folder("files", Access::ReadWrite)
    }

    fn handle(_event: &Event, _host: &Host) -> Result<(), Failure> {
        Ok(())
    }
}

/// Handles some event with a closure.
fn run<T>(world: &mut World<Idle>, handle: impl FnOnce(&Host) -> Result<T, Failure>) -> Result<T, Failure> {
    let event = world.event("test", "Something", json!({}));
    world.run(&event, 1, |_, host| handle(host))
}

fn note(detail_type: &str) -> NewEvent {
    NewEvent::new("idle", detail_type, json!({}))
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.detail_type.as_str()).collect()
}

#[test]
fn a_failed_handling_leaves_its_log_and_nothing_else() {
    let mut world = World::<Idle>::new();
    world.request("t1", "lead", "ACS", Duration::from_secs(60));
    world.set("own", "key", 1);
    let all = |host: &Host| {
        host.kv("own").set("key", &2)?;
        host.trials().update("t1", &Change::new().status("TRIED"))?;
        host.emit(note("Now"))?;
        host.emit_after(note("Later"), Duration::from_secs(1))?;
        host.counter("tries_total", &[], 1)?;
        host.info("tried", &[]);
        Ok(())
    };
    let failed = run(&mut world, |host| all(host).and(Err::<(), _>(retry("not yet"))));
    assert_eq!(failed, Err(retry("not yet")));
    assert_eq!((world.get("own", "key"), world.emitted().len(), world.delayed().len()), (Some(1), 0, 0));
    assert_eq!((world.trial("t1").unwrap().status.as_str(), world.metrics().count()), ("REQUESTED", 0));
    assert_eq!(world.logged(Level::Info), 1);

    run(&mut world, all).unwrap();
    assert_eq!((world.get("own", "key"), names(world.emitted()), world.delayed().len()), (Some(2), vec!["Now"], 1));
    assert_eq!(world.trial("t1").unwrap().status, "TRIED");
    assert_eq!(world.metric("tries_total", &[]), Some(&Measure::Counter(1)));
}

#[test]
fn lists_see_own_writes_in_pages_of_any_size() {
    for limit in 1..6 {
        let mut world = World::<Idle>::new();
        for key in ["a/1", "b/1", "b/2", "b/3", "b/5", "c/1"] {
            world.set("own", key, key);
        }
        run(&mut world, |host| {
            let own = host.kv("own");
            own.delete("b/2")?;
            own.set("b/4", "b/4")?;
            own.set("b/6", "b/6")?;
            let keys: Result<Vec<_>, Error> =
                own.entries::<String>("b/").in_pages_of(limit).map(|entry| Ok(entry?.1)).collect();
            assert_eq!(keys?, ["b/1", "b/3", "b/4", "b/5", "b/6"], "{limit}");
            assert_eq!(own.page::<String>("b/", Some("a/1"), 1)?[0].0, "b/1");
            assert_eq!((own.count("b/")?, own.count("c")?, own.count("d")?), (5, 1, 0));
            assert_eq!((own.any::<String>("c/")?.unwrap().1, own.any::<String>("d/")?), ("c/1".to_owned(), None));
            assert_eq!((own.get::<String>("b/2")?, own.get::<String>("b/4")?), (None, Some("b/4".to_owned())));
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn records_that_are_damaged_end_a_list_and_are_named() {
    let mut world = World::<Idle>::new();
    world.set("own", "a", 1);
    world.set_bytes("own", "b", "x");
    world.set("own", "c", 3);
    let read = run(&mut world, |host| {
        let entries: Vec<_> = host.kv("own").entries::<u32>("").collect();
        assert_eq!((entries.len(), &entries[0]), (2, &Ok(("a".to_owned(), 1))));
        Ok(host.kv("own").get::<u32>("b")?)
    });
    let expected = "the record `b` of bucket `own` is damaged: expected value at line 1 column 1";
    assert_eq!(read, Err(permanent(expected)));
}

#[test]
fn trials_are_read_as_they_are_stored_and_until_they_expire() {
    let mut world = World::<Idle>::new();
    for id in ["t1", "t2", "t3"] {
        world.request(id, "lead", "ACS", Duration::from_secs(if id == "t3" { 1 } else { 60 }));
    }
    world.advance(Duration::from_secs(1));
    run(&mut world, |host| {
        let trials = host.trials();
        let change = Change::new().status("ASSIGNED").attribute("url", "/t1").attribute("none", Value::Null);
        assert_eq!(trials.update("t1", &change)?.attributes, *json!({ "url": "/t1" }).as_object().unwrap());
        assert_eq!(trials.get("t1")?.unwrap().status, "ASSIGNED");
        // Lists do not see updates of the same handling.
        let ids: Vec<_> = trials.all("REQUESTED", "ACS")?.into_iter().map(|trial| trial.trial_id).collect();
        assert_eq!(ids, ["t1", "t2"]);
        let page = trials.page("REQUESTED", "ACS", Some("t1"), 1)?;
        assert_eq!((page.trials[0].trial_id.as_str(), page.next.as_deref()), ("t2", Some("t2")));
        assert_eq!(trials.get("t3")?, None);
        assert!(matches!(trials.update("t3", &change), Err(Error::NotFound(_))));
        assert!(matches!(trials.update("t2", &Change::new().status("odd")), Err(Error::Invalid(_))));
        assert!(matches!(trials.update("t2", &Change::new().attribute("leadId", 1)), Err(Error::Invalid(_))));
        Ok(())
    })
    .unwrap();
    let detail = Value::Object(world.trial("t1").unwrap().detail());
    let expected = json!({
        "version": "1.0", "trialId": "t1", "leadId": "lead", "type": "ACS", "requestedAt": START / 1000,
        "status": "ASSIGNED", "expiresAt": START / 1000 + 60, "url": "/t1",
    });
    assert_eq!(detail, expected);
}

#[test]
fn delayed_events_are_emitted_when_they_are_due_unless_they_are_cancelled() {
    let mut world = World::<Idle>::new();
    let ids = run(&mut world, |host| {
        let ids: Result<Vec<_>, Error> = [3, 1, 2, 4]
            .map(|second| host.emit_after(note(&second.to_string()), Duration::from_secs(second)))
            .into_iter()
            .collect();
        let ids = ids?;
        assert_eq!((host.cancel(&ids[3])?, host.cancel(&ids[3])?), (true, false));
        Ok(ids)
    })
    .unwrap();
    world.advance(Duration::from_millis(1999));
    assert_eq!(names(world.emitted()), ["1"]);
    assert_eq!(world.emitted()[0].time, "2020-05-13T14:19:40Z");
    run(&mut world, |host| {
        assert_eq!((host.cancel(&ids[0])?, host.cancel(&ids[0])?, host.cancel(&ids[1])?), (true, false, false));
        assert!(matches!(host.cancel("something"), Err(Error::Invalid(_))));
        Ok(())
    })
    .unwrap();
    world.advance(Duration::from_secs(60));
    assert_eq!(names(&world.take_emitted()), ["1", "2"]);
}

#[test]
fn what_is_not_granted_is_denied_with_the_line_to_write() {
    let mut world = World::<Idle>::new();
    let check = |world: &mut World<Idle>, expected: &str, act: fn(&Host) -> Result<(), Error>| {
        let denied = run(world, |host| Ok(act(host)?)).unwrap_err();
        let expected = format!("not granted; under [plugins.trialbridge-plugin] of rules.toml write: {expected}");
        assert_eq!(denied, permanent(expected));
    };
    check(&mut world, "kv = { other = \"read\" }", |host| host.kv("other").get::<Value>("key").map(drop));
    check(&mut world, "kv = { seen = \"read-write\" }", |host| host.kv("seen").delete("key"));
    check(&mut world, "emit = [\"OnlineTrial\"]", |host| {
        host.emit(NewEvent::new("OnlineTrial", "TrialExpired", json!({})))
    });
    world.deny(&Need::Trials(Access::ReadWrite));
    world.grant(Need::Trials(Access::Read));
    check(&mut world, "trials = \"read-write\"", |host| host.trials().update("t1", &Change::new()).map(drop));
    assert_eq!(run(&mut world, |host| Ok(host.trials().get("t1")?)), Ok(None));

    let file = world.folder("files").join("file");
    std::fs::write(&file, "text").unwrap();
    let read = run(&mut world, |host| {
        assert!(std::fs::read(host.folder("other").join("file")).is_err());
        std::fs::read_to_string(host.folder("files").join("file")).map_err(retry)
    });
    assert_eq!(read, Ok("text".to_owned()));
    drop(world);
    assert!(!file.exists());
}

#[test]
fn limits_are_those_of_the_daemon() {
    let mut world = World::<Idle>::new();
    let many = |host: &Host, count: usize| {
        for number in 0..count {
            host.kv("own").set(&number.to_string(), &number)?;
        }
        Ok(())
    };
    assert_eq!(run(&mut world, |host| many(host, 240).and(many(host, 240))), Ok(()));
    assert!(
        matches!(run(&mut world, |host| many(host, 241)), Err(Failure::Permanent(reason)) if reason.contains("240"))
    );
    let check = |world: &mut World<Idle>, act: fn(&Host) -> Result<(), Error>| {
        assert!(matches!(run(world, |host| Ok(act(host))), Ok(Err(Error::Invalid(_) | Error::Limit(_)))));
    };
    check(&mut world, |host| host.kv("own").set("", &1));
    check(&mut world, |host| host.kv("own").set_bytes("key", &vec![0; 256 * 1024 + 1]));
    check(&mut world, |host| host.kv("own").page_bytes("", None, 1001).map(drop));
    check(&mut world, |host| host.emit(NewEvent::new("idle", "Something", 7)));
    check(&mut world, |host| host.emit(NewEvent::new("idle", "", json!({}))));
    check(&mut world, |host| host.emit_after(note("Later"), Duration::from_secs(367 * 86_400)).map(drop));
    check(&mut world, |host| host.counter("trialbridge_mine", &[], 1));
    check(&mut world, |host| host.gauge("gauge", &[("le", "1")], 1.0));
    check(&mut world, |host| host.histogram("seconds", &[], f64::NAN));
}

#[test]
fn configurations_and_inputs_name_the_field_that_is_odd() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        pools: std::collections::BTreeMap<String, u32>,
    }
    let mut world = World::<Idle>::new();
    world.rename("idle");
    let check = |world: &mut World<Idle>, config: Value, expected: &str| {
        world.configure(&config);
        let failure = run(world, |host| host.config::<Config>()).unwrap_err();
        assert_eq!(failure, permanent(format!("[plugins.idle.config]: {expected}")));
    };
    check(&mut world, json!({}), "missing field `pools`");
    check(&mut world, json!({ "pool": 1 }), "pool: unknown field `pool`, expected `pools`");
    let expected = "pools.ACS: invalid type: string \"many\", expected u32";
    check(&mut world, json!({ "pools": { "ACS": "many" } }), expected);

    // It is read once, and again when it is another one.
    let reads = std::cell::Cell::new(0);
    let read = |config: &crate::Config| {
        reads.set(reads.get() + 1);
        config.read::<Config>()
    };
    for (most, expected) in [(1, 1), (1, 1), (2, 2)] {
        world.configure(json!({ "pools": { "ACS": most } }));
        let config = run(&mut world, |host| host.checked_config(read)).unwrap();
        assert_eq!((config.pools["ACS"], reads.get()), (most, expected));
    }

    assert_eq!(run(&mut world, |host| host.delivery().input::<u32>()), Ok(None));
    world.set_input(json!({ "pools": {} }));
    let failure = run(&mut world, |host| host.delivery().input::<u32>()).unwrap_err();
    assert_eq!(failure.reason(), "the input that rule `rule` makes: invalid type: map, expected u32");
}

#[test]
fn events_settle_where_they_are_wanted() {
    struct Count;
    impl Plugin for Count {
        fn describe() -> Description {
            Description::new("counts down", "0.0.0").emit("count")
        }

        fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
            let left: u64 = event.detail()?.get("left").and_then(Value::as_u64).unwrap_or_default();
            let next = if left == 0 { "Done" } else { "Count" };
            Ok(host.emit(NewEvent::new("count", next, json!({ "left": left.saturating_sub(1) })))?)
        }
    }
    let mut world = World::<Count>::new();
    world.handle("count", "Count", json!({ "left": 3 })).unwrap();
    let rest = world.settle(|event| event.detail_type == "Count").unwrap();
    assert_eq!(names(&rest), ["Done"]);
    // The first event, three more, and the last.
    assert_eq!(rest[0].sequence, 5);
}
