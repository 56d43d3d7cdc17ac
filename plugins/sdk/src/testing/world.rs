//! The world around a plugin.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::call::Call;
use super::commands::Command;
use super::state::{LogLine, Measure, State};
use crate::commands::Outcome;
use crate::trials::Trial;
use crate::{Config, Delivery, Event, Failure, Host, Level, Need, Plugin};

/// When every world begins, in milliseconds since the epoch: 2020-05-13T14:19:39Z.
pub const START: u64 = 1_589_379_579_000;

/// The world around one plugin: a store, a clock, and what has come of the events it was given.
///
/// Functions that read what must be JSON panic where it is not: they are for tests.
#[derive(Debug)]
pub struct World<P> {
    state: State,
    /// What the rule makes of events.
    input: Option<String>,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Plugin> World<P> {
    /// An empty world at [`START`], in which the plugin is granted what it describes as its needs. It is named as its crate.
    pub fn new() -> Self {
        let type_name = std::any::type_name::<P>();
        let plugin = type_name.split("::").next().unwrap_or(type_name).replace('_', "-");
        let state = State::new(plugin, START, P::describe().needs);
        Self { state, input: None, plugin: PhantomData }
    }

    /// Handles a new event, for the first time.
    ///
    /// # Errors
    ///
    /// Those of the plugin. Nothing but the log has changed then.
    pub fn handle(&mut self, source: &str, detail_type: &str, detail: impl Serialize) -> Result<(), Failure> {
        let event = self.event(source, detail_type, detail);
        self.attempt(&event, 1)
    }

    /// Handles an event, for the `attempt`-th time; 1 is the first.
    ///
    /// # Errors
    ///
    /// Those of the plugin. Nothing but the log has changed then.
    pub fn attempt(&mut self, event: &Event, attempt: u32) -> Result<(), Failure> {
        self.run(event, attempt, P::handle)
    }

    /// Handles every event that was emitted and that `wanted` picks, as well as those emitted then, until none is left. The
    /// rest, in order. This is how events get back to a plugin that listens to itself.
    ///
    /// # Errors
    ///
    /// The first of the plugin's; what was not handled by then is lost.
    pub fn settle(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Vec<Event>, Failure> {
        let mut rest = Vec::new();
        let mut waiting = VecDeque::from(self.take_emitted());
        while let Some(event) = waiting.pop_front() {
            if wanted(&event) {
                self.attempt(&event, 1)?;
                waiting.extend(self.take_emitted());
            } else {
                rest.push(event);
            }
        }
        Ok(rest)
    }

    /// Runs a part of a plugin as [`attempt`](Self::attempt) runs the whole: for logic that takes more than the event and the host.
    ///
    /// # Errors
    ///
    /// Those of `handle`. Nothing but the log has changed then.
    pub fn run<T>(
        &mut self,
        event: &Event,
        attempt: u32,
        handle: impl FnOnce(&Event, &Host) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let delivery = Delivery {
            id: format!("delivery-of-{}", event.id),
            rule: "rule".to_owned(),
            target: self.state.plugin.clone(),
            attempt,
            idempotency_key: format!("key-of-{}", event.id),
            input: self.input.clone(),
        };
        let host = Host::new(delivery, Call::new(std::mem::take(&mut self.state)));
        let outcome = handle(event, &host);
        let (state, effects) = host.backend.finish();
        self.state = state;
        if outcome.is_ok() {
            self.state.commit(effects);
        }
        outcome
    }

    /// A new event, to handle once or more often.
    pub fn event(&mut self, source: &str, detail_type: &str, detail: impl Serialize) -> Event {
        let event = self.state.event(source, detail_type, json(detail), Vec::new());
        self.state.publish(event)
    }

    /// Makes this the plugin's configuration.
    pub fn configure(&mut self, config: impl Serialize) {
        self.state.config = json(config);
    }

    /// Asks the plugin what is wrong with its configuration, as loading it does.
    ///
    /// # Errors
    ///
    /// Those of the plugin.
    pub fn check_config(&self) -> Result<(), String> {
        P::check_config(&Config::new(self.state.config.clone()))
    }

    /// Makes this what the rule hands to the plugin beside the event, from now on.
    pub fn set_input(&mut self, input: impl Serialize) {
        self.input = Some(json(input));
    }

    /// Gives the plugin this name, which messages about grants and the configuration have.
    pub fn rename(&mut self, plugin: &str) {
        plugin.clone_into(&mut self.state.plugin);
    }

    /// Grants something beyond what the plugin needs.
    pub fn grant(&mut self, need: Need) {
        self.state.grants.push(need);
    }

    /// Takes back a grant.
    pub fn deny(&mut self, need: &Need) {
        self.state.grants.retain(|grant| grant != need);
    }

    /// The clock, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.state.now
    }

    /// Moves the clock. Delayed events that are due then are emitted, in order, and found in [`emitted`](Self::emitted).
    pub fn advance(&mut self, time: Duration) {
        let end = self.state.now + time.as_millis() as u64;
        while let Some(entry) = self.state.delayed.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((due, _), event) = entry.remove_entry();
            self.state.now = due.max(self.state.now);
            let event = self.state.publish(event);
            self.state.emitted.push(event);
        }
        self.state.now = end;
    }

    /// The record of a key; nothing if it has none.
    pub fn get<T: DeserializeOwned>(&self, bucket: &str, key: &str) -> Option<T> {
        let value = self.get_bytes(bucket, key)?;
        Some(serde_json::from_slice(value).expect("the record is what the test takes it for"))
    }

    /// The value of a key that is not JSON.
    pub fn get_bytes(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        Some(self.state.kv.get(bucket)?.get(key)?)
    }

    /// Sets a key.
    pub fn set(&mut self, bucket: &str, key: &str, record: impl Serialize) {
        self.set_bytes(bucket, key, json(record));
    }

    /// Sets a key to what is not JSON.
    pub fn set_bytes(&mut self, bucket: &str, key: &str, value: impl Into<Vec<u8>>) {
        self.state.kv.entry(bucket.to_owned()).or_default().insert(key.to_owned(), value.into());
    }

    /// Removes a key.
    pub fn delete(&mut self, bucket: &str, key: &str) {
        self.state.kv.entry(bucket.to_owned()).or_default().remove(key);
    }

    /// The keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<&str> {
        self.state.kv.get(bucket).into_iter().flat_map(|keys| keys.keys().map(String::as_str)).collect()
    }

    /// Stores a trial that is requested now and lives for `ttl`, as the API would. The detail of its TrialRequested is
    /// its [`detail`](Trial::detail).
    pub fn request(&mut self, trial_id: &str, lead_id: &str, trial_type: &str, ttl: Duration) -> Trial {
        let trial = Trial {
            trial_id: trial_id.to_owned(),
            lead_id: lead_id.to_owned(),
            trial_type: trial_type.to_owned(),
            status: "REQUESTED".to_owned(),
            requested_at: self.now(),
            expires_at: self.now() + ttl.as_millis() as u64,
            attributes: Map::new(),
        };
        self.state.trials.insert(trial_id.to_owned(), trial.clone());
        trial
    }

    /// A stored trial, expired or not.
    pub fn trial(&self, trial_id: &str) -> Option<&Trial> {
        self.state.trials.get(trial_id)
    }

    /// Every stored trial, by id.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.state.trials.values()
    }

    /// Stores a trial as it is.
    pub fn set_trial(&mut self, trial: Trial) {
        self.state.trials.insert(trial.trial_id.clone(), trial);
    }

    /// Ends a trial, as its expiry and its cancellation do. What it was last.
    pub fn end(&mut self, trial_id: &str) -> Option<Trial> {
        self.state.trials.remove(trial_id)
    }

    /// The events that were emitted and not [taken](Self::take_emitted), in order.
    pub fn emitted(&self) -> &[Event] {
        &self.state.emitted
    }

    /// Takes the events that were emitted.
    pub fn take_emitted(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.state.emitted)
    }

    /// The events that are emitted later: when, in milliseconds since the epoch, and what. Those due first are first.
    pub fn delayed(&self) -> Vec<(u64, &Event)> {
        self.state.delayed.iter().map(|((due, _), event)| (*due, event)).collect()
    }

    /// Takes the delayed event that is due first, without moving the clock.
    pub fn take_delayed(&mut self) -> Option<(u64, Event)> {
        let ((due, _), event) = self.state.delayed.pop_first()?;
        Some((due, self.state.publish(event)))
    }

    /// A metric; the order of the labels does not matter.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Measure> {
        let mut labels: Vec<_> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        self.state.metrics.get(&(name.to_owned(), labels))
    }

    /// Every metric: its name, its labels, sorted, and what it is at.
    pub fn metrics(&self) -> impl Iterator<Item = (&str, &[(String, String)], &Measure)> {
        self.state.metrics.iter().map(|((name, labels), measure)| (name.as_str(), labels.as_slice(), measure))
    }

    /// Every line that was logged.
    pub fn logs(&self) -> &[LogLine] {
        &self.state.logs
    }

    /// How many lines of this level were logged.
    pub fn logged(&self, level: Level) -> usize {
        self.state.logs.iter().filter(|line| line.level == level).count()
    }

    /// A folder that the plugin may be granted, in which the test can put files. It goes with the world.
    pub fn folder(&mut self, name: &str) -> PathBuf {
        self.state.folders.open(name)
    }

    /// Grants a command, and lets it come to this when it is run. Several outcomes come in order, the last one again and again.
    pub fn answer_command(&mut self, name: &str, outcome: Outcome) {
        self.state.commands.record(name, outcome);
    }

    /// The commands that were run, whatever became of the handling.
    pub fn commands(&self) -> &[Command] {
        self.state.commands.run()
    }

    /// Answers requests of this method to this URL. Several answers are given in order, the last one again and again; without
    /// any, the request fails.
    #[cfg(feature = "http")]
    pub fn answer(&mut self, method: &str, url: &str, answer: Result<crate::http::Response, crate::http::Error>) {
        self.state.http.record(method, url, answer);
    }

    /// The requests that were sent, whatever became of the handling.
    #[cfg(feature = "http")]
    pub fn requests(&self) -> &[crate::http::Request] {
        self.state.http.requests()
    }
}

impl<P: Plugin> Default for World<P> {
    fn default() -> Self {
        Self::new()
    }
}

fn json(value: impl Serialize) -> String {
    let value: Value = serde_json::to_value(value).expect("the test's value can be written as JSON");
    value.to_string()
}
