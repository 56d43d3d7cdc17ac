//! A world with what the API and stack-manager do in it, as far as an assignment sees that.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Event, Failure};

use crate::{AssignTrial, assign};

pub(super) struct Scene {
    world: World<AssignTrial>,
    /// What stacks answer; nothing for one that cannot be read.
    pub(super) answers: BTreeMap<String, Option<String>>,
    /// What was emitted while executions went on.
    kept: Vec<Event>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self { world: World::new(), answers: BTreeMap::new(), kept: Vec::new() }
    }

    /// Stores a trial of type ACS that lives for a minute. The detail of its TrialRequested.
    pub(super) fn request(&mut self, id: &str) -> Value {
        self.request_for(id, Duration::from_millis(60_500))
    }

    /// Stores a trial of type ACS that lives for so long. The detail of its TrialRequested.
    pub(super) fn request_for(&mut self, id: &str, ttl: Duration) -> Value {
        Value::Object(self.world.request(id, "1234567890", "ACS", ttl).detail())
    }

    /// Ends a trial. The detail of its TrialExpired or TrialCancelled.
    pub(super) fn end(&mut self, id: &str) -> Value {
        Value::Object(self.world.end(id).expect("the trial lives").detail())
    }

    /// Makes a warm stack of type ACS. The detail of its StackWarm.
    pub(super) fn warm(&mut self, id: &str) -> Value {
        let url = format!("/stacks/{id}/");
        self.set("stacks", id, json!({ "type": "ACS", "state": "WARM", "url": url, "createdAt": 1 }));
        self.set("pool", &format!("ACS/{id}"), json!({ "state": "WARM" }));
        json!({ "stackId": id, "type": "ACS", "url": url })
    }

    /// Prepares a stack for a trial. The detail of its StackConfigured.
    pub(super) fn prepare(&mut self, stack: &str, trial: &str) -> Value {
        self.answers.insert(stack.to_owned(), Some(json!({ "trialId": trial }).to_string()));
        json!({ "stackId": stack, "trialId": trial, "url": format!("/stacks/{stack}/") })
    }

    /// Handles an event, for the first time.
    pub(super) fn handle(&mut self, source: &str, detail_type: &str, detail: &Value) -> Result<(), Failure> {
        let event = self.event(source, detail_type, detail);
        self.attempt(&event, 1)
    }

    pub(super) fn attempt(&mut self, event: &Event, attempt: u32) -> Result<(), Failure> {
        let answers = &self.answers;
        let answer = |stack: &str| match answers.get(stack) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.clone())),
            Some(None) => Err(io::Error::other("the disk is on fire")),
        };
        self.world.run(event, attempt, |event, host| assign::handle(host, event, answer))
    }

    /// Takes what was emitted: detail-types with details.
    pub(super) fn take(&mut self) -> Vec<(String, Value)> {
        let mut taken = std::mem::take(&mut self.kept);
        taken.extend(self.take_emitted());
        let taken = taken.into_iter();
        taken.map(|event| (event.detail_type.clone(), detail(&event))).collect()
    }

    /// Takes the one event that was emitted.
    pub(super) fn take_one(&mut self, detail_type: &str) -> Value {
        let mut taken = self.take();
        assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [detail_type]);
        taken.remove(0).1
    }

    /// When executions go on by themselves: in milliseconds since the epoch, the first first.
    pub(super) fn deadlines(&self) -> Vec<u64> {
        let delayed = self.delayed().into_iter().filter(|(_, event)| event.detail_type == assign::CONTINUED);
        delayed.map(|(due, _)| due).collect()
    }

    /// Moves the clock to so many deadlines, one after the other, and handles them. How long each took, in milliseconds.
    pub(super) fn pass_deadlines(&mut self, count: usize) -> Vec<u64> {
        let mut waited = Vec::new();
        for _ in 0..count {
            let wait = self.deadlines()[0] - self.now();
            self.advance(Duration::from_millis(wait));
            for event in self.take_emitted() {
                self.attempt(&event, 1).expect("an execution goes on");
            }
            waited.push(wait);
        }
        waited
    }

    /// Handles what the plugin tells itself, until it says nothing more.
    pub(super) fn go_on(&mut self) {
        let is_own = |event: &Event| event.detail_type == assign::CONTINUED;
        while self.emitted().iter().any(is_own) {
            let (own, rest): (Vec<_>, Vec<_>) = self.take_emitted().into_iter().partition(is_own);
            self.kept.extend(rest);
            for event in own {
                self.attempt(&event, 1).expect("an execution goes on");
            }
        }
    }

    /// What happened in the execution of a trial: events and states.
    pub(super) fn history(&self, id: &str) -> Vec<String> {
        let entries = self.history_entries(id).into_iter();
        entries.map(|entry| format!("{} {}", entry["event"], entry["state"]).replace('"', "")).collect()
    }

    /// The same, whole.
    pub(super) fn history_entries(&self, id: &str) -> Vec<Value> {
        let history = self.get::<Value>("history", &format!("{id}/assign-trial")).unwrap_or_default();
        history["entries"].as_array().cloned().unwrap_or_default()
    }

    /// Whether the trial says that it is at this step.
    pub(super) fn is_at(&self, id: &str, step: &str) -> bool {
        self.trial(id).is_some_and(|trial| trial.attributes["progress"]["step"] == step)
    }
}

impl Deref for Scene {
    type Target = World<AssignTrial>;

    fn deref(&self) -> &World<AssignTrial> {
        &self.world
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut World<AssignTrial> {
        &mut self.world
    }
}

pub(super) fn detail(event: &Event) -> Value {
    event.read().expect("details are JSON")
}
