//! The plugin slack against a server that knows Slack's limits and is busy at times: each event is told once, and nobody sees the secret.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::clock::{Clock, ManualClock, Timestamp};
use trialbridge::plugin::Resolver;
use trialbridge::storage::key::TimerKind;
use trialbridge::storage::{Key, KeyRange};

use crate::support::process::Process;
use crate::support::server::{Seen, Server};
use crate::support::{PATIENCE, World, install, plugin};

/// The part of the webhook's URL that nobody may know.
const SECRET: &str = "B0SECRET/7f3kQ9";

/// The bot's token.
const TOKEN: &str = "xoxb-1234-very-secret";

const RULES: &str = r#"
[trials.ACS]
default-ttl = "1h"
minimum-ttl = "1s"
maximum-ttl = "90d"

[secrets.hook]
file = "hook"

[secrets.token]
file = "token"

[plugins.slack]
concurrency = 1
kv = { slack = "read-write" }
http = [{ url = "https://slack.test:TLS", addresses = ["127.0.0.1"], certificate-authority = "ca.pem", secrets = ["hook", "token"] }]

[plugins.slack.config]
CONFIG

[plugins.slack.config.messages.Long]
text = "{{detail.text}}"
header = "{{detail.text}}"
sections = ["{{detail.text}}", "{{detail.text}}"]
fields = ["{{detail.text}}"]

[[rules]]
name = "tell-slack"
event-pattern = { source = ["OnlineTrial", "test"] }
schedule = "rate(1 hour)"
targets = [{ plugin = "slack", maximum-attempts = 50, minimum-backoff = "1s", maximum-backoff = "2s" }]

[[rules]]
name = "tell-slack-again"
event-pattern = { source = ["OnlineTrial"] }
targets = ["slack"]
"#;

/// Finds nobody but this machine.
pub(crate) struct Here;

impl Resolver for Here {
    fn resolve<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
    }
}

/// The pause that Slack asks for, in seconds: longer than the longest back-off of the rules, so that nobody keeps to it by chance.
const PAUSE: u64 = 7;

/// What came of the requests: the messages that were taken, how often Slack was busy, and how many requests came in a pause.
#[derive(Default)]
struct Slack {
    clock: OnceLock<Arc<ManualClock>>,
    /// Until when nobody is to come.
    pause: Mutex<Option<Timestamp>>,
    early: AtomicUsize,
    taken: Mutex<Vec<Value>>,
    busy: AtomicUsize,
    asked: AtomicUsize,
}

impl Slack {
    /// Every third message is one too many, and every seventh is too much for the server.
    fn answer(&self, seen: &Seen) -> Option<(u16, String, String)> {
        let said = |status: u16, body: &str| Some((status, String::new(), body.to_owned()));
        let now = self.clock.get().unwrap().now();
        if self.pause.lock().unwrap().is_some_and(|end| now < end) {
            self.early.fetch_add(1, Ordering::SeqCst);
        }
        let message: Value = match serde_json::from_str(&seen.body) {
            Ok(message) => message,
            Err(_) => return said(400, "invalid_payload"),
        };
        if let Some(fault) = fault(&message) {
            return said(400, &format!("invalid_blocks: {fault}"));
        }
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if asked.is_multiple_of(3) {
            self.busy.fetch_add(1, Ordering::SeqCst);
            *self.pause.lock().unwrap() = Some(now.plus(Duration::from_secs(PAUSE)));
            return Some((429, format!("Retry-After: {PAUSE}\r\n"), "rate_limited".to_owned()));
        }
        if asked.is_multiple_of(7) {
            return said(503, "<html>later</html>");
        }
        match seen.target() {
            target if target == format!("/services/{SECRET}") => {
                self.taken.lock().unwrap().push(message);
                said(200, "ok")
            }
            "/api/chat.postMessage" if message["channel"] == "C-gone" => {
                said(200, r#"{"ok":false,"error":"channel_not_found"}"#)
            }
            "/api/chat.postMessage" if seen.header("authorization") == Some(&format!("Bearer {TOKEN}")) => {
                self.taken.lock().unwrap().push(message);
                said(200, r#"{"ok":true}"#)
            }
            _ => said(404, "no_service"),
        }
    }

    /// How often each event was told, by the small print of its message.
    fn told(&self) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for message in self.taken.lock().unwrap().iter() {
            let blocks = message["blocks"].as_array().unwrap();
            let small_print = &blocks.last().unwrap()["elements"][0]["text"];
            *told.entry(small_print.as_str().unwrap_or("long").to_owned()).or_default() += 1;
        }
        told
    }
}

/// What Slack would not take in a message, by its documentation.
fn fault(message: &Value) -> Option<String> {
    let long =
        |text: &Value, most: usize| text.as_str().is_none_or(|text| text.is_empty() || text.chars().count() > most);
    if long(&message["text"], 40_000) {
        return Some("text".to_owned());
    }
    let blocks = message["blocks"].as_array()?;
    if blocks.len() > 50 {
        return Some("more than 50 blocks".to_owned());
    }
    for block in blocks {
        let fields: Vec<&Value> = block["fields"].as_array().into_iter().flatten().collect();
        let elements: Vec<&Value> = block["elements"].as_array().into_iter().flatten().collect();
        let wrong = match block["type"].as_str()? {
            "header" => block["text"]["type"] != "plain_text" || long(&block["text"]["text"], 150),
            "section" if fields.is_empty() => long(&block["text"]["text"], 3000),
            "section" => fields.len() > 10 || fields.iter().any(|field| long(&field["text"], 2000)),
            "context" => elements.len() > 10 || elements.iter().any(|element| long(&element["text"], 3000)),
            _ => true,
        };
        if wrong {
            return Some(block.to_string());
        }
    }
    None
}

async fn start(config: &str) -> (World, Arc<Slack>) {
    let slack = Arc::new(Slack::default());
    let shared = slack.clone();
    let (server, authority) = Server::https_answering(&["slack.test"], Box::new(move |seen| shared.answer(seen))).await;
    let port = format!(":{}", server.port);
    let rules = RULES.replace("CONFIG", config).replace(":TLS", &port);
    let hook = format!("https://slack.test{port}/services/{SECRET}\n");
    let files = [("hook", hook.as_str()), ("token", TOKEN), ("ca.pem", &authority)];
    let world = World::with_network(&rules, &[("slack", &plugin("slack"))], &files, Arc::new(Here)).await;
    slack.clock.set(world.clock.clone()).unwrap();
    (world, slack)
}

/// Lets time pass, from retry to retry, until nothing is owed.
pub(crate) async fn settle(world: &World) {
    let ready = || world.storage().scan(&KeyRange::all_deliveries(), usize::MAX).unwrap().len();
    let next = || {
        let retries = world.storage().scan(&KeyRange::timers(TimerKind::Retry), 1).unwrap();
        retries.first().map(|(key, _)| match key {
            Key::Timer { due, .. } => *due,
            other => panic!("{other} is no timer"),
        })
    };
    loop {
        world.wait_until("nothing is ready", || ready() == 0).await;
        match next() {
            Some(due) => world.clock.advance(due.since(world.host.bus().now())),
            // What was on its way from the queue into a retry while both were looked for is found by a second look.
            None if world.owed() == 0 => return,
            None => {}
        }
        let fired = || next().is_none_or(|due| due > world.host.bus().now());
        world.wait_until("what is due has fired", fired).await;
    }
}

/// All that the store has, as it has it.
fn stored(world: &World) -> String {
    let mut all = String::new();
    for range in [KeyRange::events(0), KeyRange::kv("slack", "")] {
        for (key, stored) in world.storage().scan(&range, usize::MAX).unwrap() {
            writeln!(all, "{key} {}", String::from_utf8_lossy(&stored.value)).unwrap();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_told_once_by_a_webhook() {
    let (world, slack) = start(r#"webhook = "${secret:hook}""#).await;
    for lead in 0..12 {
        let detail = json!({ "trialId": format!("t{lead}"), "leadId": format!("<!channel> {lead}"), "type": "ACS",
            "requestedAt": 1_589_379_579, "status": "ASSIGNED", "reason": "x&<y>".repeat(2000) });
        let kind = if lead % 2 == 0 { "TrialAssigned" } else { "TrialAssignmentFailed" };
        world.publish("OnlineTrial", kind, detail).await;
    }
    world.publish("test", "Long", json!({ "text": "&<é🎉>\n".repeat(20_000) })).await;
    settle(&world).await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    let told = slack.told();
    assert_eq!((told.len(), told.values().max()), (13, Some(&1)), "{told:?}");
    assert!(slack.busy.load(Ordering::SeqCst) > 3);
    assert_eq!(slack.early.load(Ordering::SeqCst), 0, "requests came before the pause was over");
    let stored = stored(&world);
    assert!(!stored.contains("SECRET") && !stored.contains("7f3kQ9"), "{stored}");

    // What was told long ago is forgotten.
    assert!(stored.contains("sent/slack/"));
    world.clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    world.wait_for_event("Scheduled Event").await;
    settle(&world).await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    let kept = world.storage().scan(&KeyRange::kv("slack", ""), usize::MAX).unwrap();
    assert_eq!(kept.len(), 0);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_says_what_slack_has_against_it() {
    let api = "token = \"${secret:token}\"\nchannel = \"C1\"\napi = \"https://slack.test:TLS/api\"";
    let (world, slack) = start(api).await;
    let detail = || json!({ "trialId": "t", "leadId": "l", "type": "ACS" });
    world.publish("OnlineTrial", "TrialAssigned", detail()).await;
    settle(&world).await;
    assert_eq!(slack.told().len(), 1);
    world.host.shutdown().await;

    let (world, slack) = start(&api.replace("C1", "C-gone")).await;
    world.publish("test", "TrialAssigned", detail()).await;
    settle(&world).await;
    assert_eq!(slack.told().len(), 0);
    let dead = world.dead_letters().await;
    let reason = dead[0].to_string();
    assert!(reason.contains("channel_not_found: there is no such channel") && !reason.contains("xoxb"), "{reason}");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_in_no_log_and_on_no_disk() {
    let server = Server::http().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("plugins")).unwrap();
    install(&path("plugins"), "slack", &plugin("slack"));
    let origin = format!("http://127.0.0.1:{}", server.port);
    let rules = format!(
        r#"
        secrets.hook.env = "TRIALBRIDGE_TEST_HOOK"

        [plugins.slack]
        kv = {{ slack = "read-write" }}
        http = [{{ url = "{origin}/services/", secrets = ["hook"] }}]
        config = {{ webhook = "${{secret:hook}}" }}

        [[rules]]
        name = "tell-slack"
        event-pattern = {{ source = ["test"] }}
        targets = ["slack"]
        "#
    );
    std::fs::write(path("rules.toml"), rules).unwrap();
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let hook = format!("{origin}/services/{SECRET}");
    let environment = [("TRIALBRIDGE_TEST_HOOK", hook.as_str()), ("TRIALBRIDGE_LOG", "trialbridge=trace,debug")];
    let mut daemon = Process::logging(folder.path(), &log, &environment);
    let event = json!({ "source": "test", "detail-type": "TrialAssigned", "detail": { "leadId": "1" } });
    let url = format!("{}/events", daemon.url);
    reqwest::Client::new().post(url).json(&event).send().await.unwrap();
    eventually("Slack is told", || (!server.seen().is_empty()).then_some(())).await;
    assert_eq!(server.seen()[0].target(), format!("/services/{SECRET}"));
    let dead: Value =
        reqwest::get(format!("{}/deliveries?state=dead", daemon.url)).await.unwrap().json().await.unwrap();
    assert_eq!(dead["deliveries"], json!([]));
    daemon.kill();
    let mut kept = vec![std::fs::read(log).unwrap()];
    let mut folders = vec![path("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => kept.push(std::fs::read(entry.path()).unwrap()),
            }
        }
    }
    for piece in SECRET.split('/').map(str::as_bytes) {
        assert!(!kept.iter().any(|kept| kept.windows(piece.len()).any(|window| window == piece)));
    }
}

/// Waits for another process.
pub(crate) async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("it does not come to this: {what}"))
}
