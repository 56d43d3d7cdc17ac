//! What becomes of answers, and requests of a plugin in a world.

use std::time::Duration;

use serde_json::json;

use super::{Error, Request, Response};
use crate::testing::World;
use crate::{Description, Event, Failure, Host, Need, Plugin, permanent, retry, retry_after};

/// Posts each event to a URL.
struct Post;

impl Plugin for Post {
    fn describe() -> Description {
        Description::new("posts events", "0.0.0").http()
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let request = Request::post("https://example.com/events").json(&event.read::<serde_json::Value>()?);
        host.send(&request.header("Idempotency-Key", &host.delivery().idempotency_key))?.success().map(drop)
    }
}

#[test]
fn answers_are_success_or_say_whether_to_try_again() {
    let check = |status, expected: Result<(), Failure>| {
        let answer = Response::new(status, "text").success();
        assert_eq!(answer.map(|answer| assert_eq!(answer.status, status)), expected);
    };
    check(204, Ok(()));
    for status in [408, 429, 500, 503] {
        check(status, Err(retry(format!("the answer was {status}: text"))));
    }
    for status in [301, 400, 404] {
        check(status, Err(permanent(format!("the answer was {status}: text"))));
    }
    let mut busy = Response::new(503, "");
    busy.headers.push(("retry-after".to_owned(), "7".to_owned()));
    assert_eq!(busy.success(), Err(retry_after(Duration::from_secs(7), "the answer was 503: ")));
}

#[test]
fn every_attempt_sends_with_the_same_key() {
    let mut world = World::<Post>::new();
    world.answer("POST", "https://example.com/events", Err(Error::Failed("nobody is there".to_owned())));
    world.answer("POST", "https://example.com/events", Ok(Response::new(200, "")));
    let event = world.event("test", "Something", json!({ "a": 1 }));
    assert_eq!(world.attempt(&event, 1), Err(retry("nobody is there")));
    assert_eq!((world.attempt(&event, 2), world.attempt(&event, 3)), (Ok(()), Ok(())));
    let sent = world.requests();
    assert_eq!((sent.len(), sent[0].body.as_slice()), (3, br#"{"a":1}"#.as_slice()));
    assert!(sent[0].headers.iter().any(|(name, _)| name == "Idempotency-Key") && sent[0] == sent[1]);

    world.deny(&Need::Http);
    assert!(matches!(world.attempt(&event, 1), Err(Failure::Permanent(reason)) if reason.starts_with("not granted")));
}
