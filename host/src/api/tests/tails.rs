//! Events as they happen.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{World, request};

/// Somebody who reads server-sent events.
struct Reader {
    body: Body,
    read: String,
}

impl Reader {
    async fn new(world: &World, path: &str, headers: &[(&str, &str)]) -> Self {
        let response =
            world.router.clone().oneshot(request("GET", path, headers, "")).await.expect("a router always answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The lines of the next event; nothing at the end.
    async fn next(&mut self) -> Option<Vec<String>> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let lines = event.lines().map(str::to_owned).collect();
                self.read = rest.to_owned();
                return Some(lines);
            }
            let frame = self.body.frame().await?.expect("the body is whole");
            self.read.push_str(std::str::from_utf8(frame.data_ref().expect("it is data")).expect("it is text"));
        }
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let lines = self.next().await.expect("it goes on");
            ids.extend(lines.iter().find_map(|line| line.strip_prefix("id: ").map(str::to_owned)));
        }
        ids
    }
}

async fn publish(world: &World, source: &str, detail: &str) {
    let body = format!("{{\"source\":\"{source}\",\"detail-type\":\"Line\\nbreak\",\"detail\":{detail}}}");
    assert_eq!(world.put("POST", "/events", &body).await.status, 202);
}

#[tokio::test]
async fn only_what_happens_from_now_on_is_sent() {
    let world = World::new();
    publish(&world, "a", "{}").await;
    let mut reader = Reader::new(&world, "/events/tail", &[]).await;
    publish(&world, "a", "{\r\n\"trialId\": \"t1\"}").await;
    let lines = reader.next().await.expect("it goes on");
    assert_eq!(lines[..2], ["id: 2", "event: Line break"]);
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").expect("it has data")).expect("it is JSON");
    assert_eq!((&data["seq"], &data["event"]["detail"]["trialId"]), (&2.into(), &"t1".into()));
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn whoever_comes_back_gets_what_was_missed() {
    let world = World::new();
    for _ in 0..300 {
        publish(&world, "a", "{}").await;
    }
    for (path, headers, first) in [
        ("/events/tail?after=10", &[][..], 11),
        ("/events/tail?after=10", &[("last-event-id", "298")], 299),
        ("/events?after=299", &[("accept", "text/event-stream")], 300),
    ] {
        let mut reader = Reader::new(&world, path, headers).await;
        let expected: Vec<String> = (first..=300).map(|sequence: u64| sequence.to_string()).collect();
        assert_eq!(reader.ids(expected.len()).await, expected, "{path}");
    }
}

#[tokio::test]
async fn filters_hold_for_what_was_and_what_comes() {
    let world = World::new();
    for source in ["a", "b", "a"] {
        publish(&world, source, "{\"trialId\":\"t1\"}").await;
    }
    let mut reader = Reader::new(&world, "/events/tail?source=b&trialId=t1&after=0", &[]).await;
    for (source, trial) in [("b", "t2"), ("a", "t1"), ("b", "t1")] {
        publish(&world, source, &format!("{{\"trialId\":\"{trial}\"}}")).await;
    }
    assert_eq!(reader.ids(2).await, ["2", "6"]);
}

#[tokio::test]
async fn stopping_ends_it() {
    let world = World::new();
    let mut reader = Reader::new(&world, "/events/tail", &[]).await;
    world.context.stopping.cancel();
    assert_eq!(reader.next().await, None);
}
