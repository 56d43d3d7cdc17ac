//! The API without a network: requests go straight to the router.

mod right_requests;
mod stacks;
mod tails;
mod wrong_requests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Context, Token, router};
use crate::bus::{Bus, Change};
use crate::clock::{ManualClock, Timestamp};
use crate::config::Config;
use crate::delivery::ledger::Ledger;
use crate::delivery::record::{DeadLetter, Delivery, DeliveryId, Exhausted};
use crate::event::{Event, raw};
use crate::plugin::Registry;
use crate::reload;
use crate::storage::{MemoryStorage, Storage, Write};
use crate::telemetry::Metrics;
use crate::trials::Trials;

/// When the clock stands still.
const START: Timestamp = Timestamp::from_millis(1_589_379_579_000);

const TOKEN: &str = "0123456789abcdef";

const RULES: &str = r#"
[trials.ACS]
default-ttl = "14d"
minimum-ttl = "1s"
maximum-ttl = "90d"

[[rules]]
name = "assign-trial"
description = "A trial gets a stack"
event-pattern = { source = ["OnlineTrial"], detail-type = ["TrialRequested"] }
targets = ["assign-trial"]

[[rules]]
name = "reconcile"
schedule = "rate(1 minute)"
targets = [
  { plugin = "stack-manager", input = { pools = ["ACS"] } },
  { plugin = "stack-manager", id = "path", input-path = "$.time" },
  { plugin = "stack-manager", id = "template", input-transformer = { input-paths = { at = "$.time" }, template = '"at <at>"' } },
]
"#;

/// An API and what is behind it.
struct World {
    context: Context,
    router: Router,
}

/// What was answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self::with(None, None)
    }

    fn with(token: Option<&str>, stacks: Option<&Path>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let bus = Arc::new(Bus::new(Arc::new(MemoryStorage::new()), clock));
        let config = Config::parse(RULES, "rules.toml", Path::new("."), Path::new("data")).expect("the rules are good");
        bus.replace_rules(config.rules);
        let trials = Arc::new(Trials::new(bus.clone()));
        trials.replace_types(config.trials);
        let plugins = Registry::default();
        plugins.refuse("broken", "it is no component", &[]);
        let status = reload::Status { file: "rules.toml".into(), reloaded_at: START, error: None };
        let context = Context {
            trials,
            ledger: Arc::new(Ledger::new(bus.clone())),
            plugins: Arc::new(plugins),
            reload: reload::Handle::new(status),
            metrics: Arc::new(Metrics::new()),
            stacks: Arc::new(ArcSwapOption::from_pointee(stacks.map(Path::to_owned))),
            token: token.map(|token| Token::new(token).expect("it is long enough")),
            stopping: CancellationToken::new(),
            bus,
        };
        Self { router: router(context.clone()), context }
    }

    fn storage(&self) -> &dyn Storage {
        self.context.bus.storage().as_ref()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router always answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[], "")).await
    }

    async fn put(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(request(method, path, &[("content-type", "application/json")], body)).await
    }

    /// Gives a delivery of event 1 up.
    async fn bury(&self, plugin: &str, ordinal: u32) {
        let id = DeliveryId { plugin: plugin.to_owned(), sequence: 1, ordinal };
        let (rule, target) = ("rule".to_owned(), plugin.to_owned());
        let error = Some("it failed".to_owned());
        let letter = DeadLetter {
            delivery: Delivery { id: id.clone(), rule, target, created: START, failed: 3, error, redriven: false },
            id,
            event: Event::new("test", "Tested", START, raw(&serde_json::json!({}))),
            cause: None,
            plugin_hash: None,
            at: START,
            exhausted: Exhausted::PermanentFailure,
        };
        let writes = vec![Write::Put(letter.key(), letter.encode())];
        self.context.bus.commit(Change { writes, ..Change::default() }).await.expect("the store takes it");
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is ASCII"))
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).expect("it is a request")
}

#[tokio::test]
async fn a_daemon_with_a_token_demands_it() {
    let world = World::with(Some(TOKEN), None);
    for (path, authorization, expected) in [
        ("/trials", "", 401),
        ("/trials", "Bearer 0123456789abcdeX", 401),
        ("/trials", "Bearer 0123456789abcdef0", 401),
        ("/trials", "Bearer", 401),
        ("/trials", "Basic 0123456789abcdef", 401),
        ("/metrics", "", 401),
        ("/", "", 401),
        ("/nowhere", "", 401),
        ("/trials", "Bearer 0123456789abcdef", 200),
        ("/trials", "bearer 0123456789abcdef", 200),
        ("/healthz", "", 200),
        ("/readyz", "", 200),
        ("/stacks/x/", "", 404),
    ] {
        let headers = [("host", "trials.example.com"), ("authorization", authorization)];
        let headers = if authorization.is_empty() { &headers[..1] } else { &headers[..] };
        let answer = world.send(request("GET", path, headers, "")).await;
        assert_eq!(answer.status, expected, "{path} {authorization}");
        assert_eq!(answer.header("www-authenticate"), if expected == 401 { "Bearer" } else { "" });
    }
}

#[tokio::test]
async fn without_a_token_other_names_than_localhost_are_refused() {
    let world = World::new();
    for (host, expected) in [
        ("localhost:7878", 200),
        ("127.0.0.1", 200),
        ("[::1]:7878", 200),
        ("evil.example.com", 421),
        ("localhost.evil.example.com:7878", 421),
    ] {
        assert_eq!(world.send(request("GET", "/trials", &[("host", host)], "")).await.status, expected, "{host}");
    }
}

#[tokio::test]
async fn health_tells_whether_the_daemon_can_work() {
    let world = World::new();
    assert_eq!(world.get("/healthz").await.json()["status"], "alive");
    assert_eq!(world.get("/readyz").await.json()["status"], "ready");
    world.storage().close().await;
    let answer = world.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["detail"]), (503, &"the store is closed".into()));
    assert_eq!(world.get("/trials").await.status, 503);
    let world = World::new();
    world.context.stopping.cancel();
    assert_eq!(world.get("/readyz").await.status, 503);
    assert_eq!(world.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_panic_and_a_request_without_end_are_answered() {
    let router = Router::new()
        .route("/panic", axum::routing::get(async || -> &'static str { panic!("on purpose") }))
        .route("/endless", axum::routing::get(std::future::pending::<&'static str>))
        .layer(axum::middleware::from_fn(super::manners::of_every_request));
    let ask = |path: &str| router.clone().oneshot(request("GET", path, &[], ""));
    assert_eq!(ask("/panic").await.expect("a router always answers").status(), 500);
    tokio::time::pause();
    assert_eq!(ask("/endless").await.expect("a router always answers").status(), 503);
}

#[tokio::test]
async fn stopping_ends_what_is_under_way() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it has an address");
    let serving = tokio::spawn(super::serve(listener, world.context.clone()));
    let url = format!("http://{address}/events/tail");
    let mut tail = reqwest::get(url).await.expect("it answers");
    world.context.stopping.cancel();
    assert_eq!(tail.chunk().await.expect("it ends in order"), None);
    let ended = tokio::time::timeout(Duration::from_secs(30), serving).await.expect("it ends");
    ended.expect("it does not panic").expect("it does not fail");
}
