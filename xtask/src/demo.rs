//! The whole story of three short trials, told by a daemon of its own. Fails if any step of it is missing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::command::say;
use crate::daemon::{self, Daemon};

/// How long each trial lives, in seconds: one after the other ends while the others are looked at.
const TTLS: [u64; 3] = [4, 5, 6];

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells the story.
pub(crate) fn run() -> Result<()> {
    let program = daemon::build()?;
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(&program, folder.path())?;
    let api = Api { url: daemon.url.clone() };
    say(&format!("\nA daemon of its own listens at {}.\n", daemon.url));

    say("1. Three leads ask for a trial:");
    let mut trials = BTreeMap::new();
    for (number, ttl) in TTLS.into_iter().enumerate() {
        let lead = format!("lead-{}", number + 1);
        let trial = api.post("/trials", &json!({ "leadId": lead, "type": "ACS", "ttl": ttl }))?;
        let id = trial["trialId"].as_str().context("a trial has an id")?.to_owned();
        say(&format!("   {lead} gets trial {id}, for {ttl} s"));
        trials.insert(id, lead);
    }

    say("2. Each gets a stack, whose URL answers with a page for the lead:");
    let mut urls = Vec::new();
    for (id, lead) in &trials {
        let trial = wait(&format!("trial {id} is assigned"), || {
            let trial = api.get(&format!("/trials/{id}"))?;
            Ok((trial["status"] == "ASSIGNED").then_some(trial))
        })?;
        let url = trial["url"].as_str().context("an assigned trial has a url")?.to_owned();
        let (status, page) = api.fetch(&url)?;
        ensure!(
            status == 200 && page.contains(lead.as_str()),
            "{url} answers {status}, and not with the page of {lead}"
        );
        say(&format!("   {lead}: {url} answers {status}, with {} bytes that name the lead", page.len()));
        urls.push(url);
    }
    let distinct: std::collections::BTreeSet<&String> = urls.iter().collect();
    ensure!(distinct.len() == urls.len(), "two trials share a stack");

    say("3. Their time ends. The stacks are gone:");
    for (id, url) in trials.keys().zip(&urls) {
        wait(&format!("{url} is gone"), || Ok((api.fetch(url)?.0 == 410).then_some(())))?;
        let (status, _) = api.fetch(&format!("/trials/{id}"))?;
        ensure!(status == 404, "trial {id} has expired and can still be seen: {status}");
        say(&format!("   {url} answers 410 Gone, and the trial 404"));
    }

    say("4. Everything that happened, in order:");
    let events = wait("every step is in the journal", || {
        let events = api.events()?;
        let complete = trials.keys().all(|id| {
            ["TrialRequested", "TrialAssigned", "TrialExpired", "StackDeleted"]
                .iter()
                .all(|step| count(&events, step, id) > 0)
        });
        Ok(complete.then_some(events))
    })?;
    for entry in &events {
        let event = &entry["event"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let trial = trials.get(&text(&event["detail"]["trialId"])).cloned().unwrap_or_default();
        let stack = text(&event["detail"]["stackId"]);
        let (source, kind) = (text(&event["source"]), text(&event["detail-type"]));
        say(&format!(
            "   {:>4}  {}  {source:<14} {kind:<22} {trial:<7} {stack}",
            entry["seq"].to_string(),
            text(&event["time"])
        ));
    }
    for id in trials.keys() {
        for step in ["TrialRequested", "TrialAssigned", "TrialExpired", "StackDeleted"] {
            ensure!(count(&events, step, id) == 1, "{step} of trial {id} is there {} times", count(&events, step, id));
        }
    }

    say("5. The metrics plugin has counted:");
    let (_, metrics) = api.fetch("/metrics")?;
    let counted: Vec<&str> = metrics.lines().filter(|line| line.starts_with("events_total")).collect();
    for line in &counted {
        say(&format!("   {line}"));
    }
    ensure!(
        counted.iter().any(|line| line.contains("TrialExpired") && line.ends_with(" 3")),
        "the expiries are not counted"
    );

    daemon.stop()?;
    say("\nThe daemon has drained and stopped. That was the whole story.");
    Ok(())
}

/// The API of the daemon.
struct Api {
    url: String,
}

impl Api {
    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body)?;
        Ok(answer.body_mut().read_json()?)
    }

    fn get(&self, path: &str) -> Result<Value> {
        let (status, text) = self.fetch(path)?;
        ensure!(status == 200, "{path} answers {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// The status and text of a page.
    fn fetch(&self, path: &str) -> Result<(u16, String)> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("{}{path}", self.url)).call()?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    }

    /// The whole journal.
    fn events(&self) -> Result<Vec<Value>> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = self.get(&format!("/events?limit=1000&after={after}"))?;
            events.extend(page["events"].as_array().cloned().unwrap_or_default());
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => return Ok(events),
            }
        }
    }
}

/// How often a step of a trial is among the events.
fn count(events: &[Value], step: &str, trial: &str) -> usize {
    let of_step = events.iter().map(|entry| &entry["event"]).filter(|event| event["detail-type"] == step);
    of_step.filter(|event| event["detail"]["trialId"] == trial).count()
}

/// Asks until there is an answer.
fn wait<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("after {} s it is not so that {what}", PATIENCE.as_secs())
}
