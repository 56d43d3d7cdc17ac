//! A host in memory, and the little of stack-manager that an assignment sees.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::{Event, Failure};
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::log::Level;
use crate::bindings::trialbridge::plugin::trials::{Change, Trial};
use crate::bindings::trialbridge::plugin::types::Error;
use crate::host::Host;
use crate::{assign, detail};

/// When every test begins, in milliseconds.
pub(super) const START: u64 = 1_589_379_579_000;

#[derive(Default)]
pub(super) struct Fake {
    pub(super) now: u64,
    pub(super) config: String,
    pub(super) kv: BTreeMap<(String, String), Vec<u8>>,
    pub(super) trials: BTreeMap<String, Trial>,
    /// Emitted and not yet taken by the test.
    pub(super) emitted: Vec<NewEvent>,
    pub(super) delayed: BTreeMap<String, (u64, NewEvent)>,
    /// Folder and file, and the text or nothing for one that cannot be read.
    pub(super) files: BTreeMap<(String, String), Option<String>>,
    /// How often the store was changed.
    pub(super) changes: usize,
    pub(super) warnings: RefCell<Vec<String>>,
    sequence: u64,
    ids: u64,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self { now: START, config: "{}".to_owned(), ..Self::default() }
    }

    /// Handles an event, for the first time.
    pub(super) fn handle(&mut self, source: &str, detail_type: &str, detail: &Value) -> Result<(), Failure> {
        self.attempt(source, detail_type, detail, 1)
    }

    pub(super) fn attempt(
        &mut self,
        source: &str,
        detail_type: &str,
        detail: &Value,
        attempt: u32,
    ) -> Result<(), Failure> {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            id: format!("event-{}", self.sequence),
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            time: "2020-05-13T14:19:39Z".to_owned(),
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            resources: Vec::new(),
            detail: detail.to_string(),
        };
        assign::handle(self, &event, attempt)
    }

    /// Stores a trial of type ACS, as the API would. The detail of its TrialRequested.
    pub(super) fn request(&mut self, id: &str) -> Value {
        let trial = Trial {
            trial_id: id.to_owned(),
            lead_id: "1234567890".to_owned(),
            trial_type: "ACS".to_owned(),
            status: "REQUESTED".to_owned(),
            requested_at: self.now,
            expires_at: self.now + 60_500,
            attributes: "{}".to_owned(),
        };
        self.trials.insert(id.to_owned(), trial.clone());
        Value::Object(fields(&trial))
    }

    /// Ends a trial. The detail of its TrialExpired or TrialCancelled.
    pub(super) fn end(&mut self, id: &str) -> Value {
        Value::Object(fields(&self.trials.remove(id).expect("the trial lives")))
    }

    /// Makes a warm stack of type ACS. The detail of its StackWarm.
    pub(super) fn warm(&mut self, id: &str) -> Value {
        let stack = json!({ "type": "ACS", "state": "WARM", "url": format!("/stacks/{id}/"), "createdAt": 1 });
        self.put("stacks", id, &stack);
        self.put("pool", &format!("ACS/{id}"), &json!({ "state": "WARM" }));
        json!({ "stackId": id, "type": "ACS", "url": format!("/stacks/{id}/") })
    }

    /// Prepares a stack for a trial. The detail of its StackConfigured.
    pub(super) fn configure(&mut self, stack: &str, trial: &str) -> Value {
        let file = json!({ "trialId": trial }).to_string();
        self.files.insert((stack.to_owned(), "trial.json".to_owned()), Some(file));
        json!({ "stackId": stack, "trialId": trial, "url": format!("/stacks/{stack}/") })
    }

    pub(super) fn put(&mut self, bucket: &str, key: &str, value: &Value) {
        self.kv.insert((bucket.to_owned(), key.to_owned()), value.to_string().into_bytes());
    }

    pub(super) fn record(&self, bucket: &str, key: &str) -> Option<Value> {
        let value = self.kv.get(&(bucket.to_owned(), key.to_owned()))?;
        Some(serde_json::from_slice(value).expect("records are JSON"))
    }

    pub(super) fn keys(&self, bucket: &str) -> Vec<&str> {
        self.kv.keys().filter(|(name, _)| name == bucket).map(|(_, key)| key.as_str()).collect()
    }

    /// Takes what was emitted: detail-types with details.
    pub(super) fn take(&mut self) -> Vec<(String, Value)> {
        let emitted = std::mem::take(&mut self.emitted);
        emitted.into_iter().map(|event| (event.detail_type, parse(&event.detail))).collect()
    }

    /// Takes the one event that was emitted.
    pub(super) fn take_one(&mut self, detail_type: &str) -> Value {
        let mut taken = self.take();
        assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [detail_type]);
        taken.remove(0).1
    }
}

pub(super) fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("details are JSON")
}

fn fields(trial: &Trial) -> Map<String, Value> {
    detail::fields(&Map::new(), trial).expect("the attributes are JSON")
}

impl Host for Fake {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn log(&self, level: Level, message: &str, _fields: &[(&str, &str)]) {
        if level == Level::Warn {
            self.warnings.borrow_mut().push(message.to_owned());
        }
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.kv.get(&(bucket.to_owned(), key.to_owned())).cloned())
    }

    fn set(&mut self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        self.changes += 1;
        self.kv.insert((bucket.to_owned(), key.to_owned()), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, bucket: &str, key: &str) -> Result<(), Error> {
        self.changes += 1;
        self.kv.remove(&(bucket.to_owned(), key.to_owned()));
        Ok(())
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let entries = self.kv.iter().filter(|((name, key), _)| {
            name == bucket && key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        });
        Ok(entries.take(limit as usize).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn trial(&self, id: &str) -> Result<Option<Trial>, Error> {
        Ok(self.trials.get(id).cloned())
    }

    fn update(&mut self, id: &str, change: &Change) -> Result<Trial, Error> {
        self.changes += 3;
        let trial = self.trials.get_mut(id).ok_or_else(|| Error::NotFound(format!("no trial `{id}`")))?;
        if let Some(status) = &change.status {
            trial.status.clone_from(status);
        }
        if let Some(changes) = &change.attributes {
            let mut attributes = parse(&trial.attributes);
            for (name, value) in parse(changes).as_object().expect("attributes are an object") {
                attributes[name] = value.clone();
            }
            trial.attributes = attributes.to_string();
        }
        Ok(trial.clone())
    }

    fn emit(&mut self, event: &NewEvent) -> Result<(), Error> {
        self.changes += 1;
        self.emitted.push(event.clone());
        Ok(())
    }

    fn emit_after(&mut self, event: &NewEvent, delay: u64) -> Result<String, Error> {
        self.changes += 1;
        self.ids += 1;
        let id = format!("delayed-{}", self.ids);
        self.delayed.insert(id.clone(), (self.now + delay, event.clone()));
        Ok(id)
    }

    fn cancel(&mut self, id: &str) -> Result<bool, Error> {
        self.changes += 1;
        Ok(self.delayed.remove(id).is_some())
    }

    fn read_stack_file(&self, stack: &str, file: &str) -> io::Result<Option<String>> {
        match self.files.get(&(stack.to_owned(), file.to_owned())) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.clone())),
            Some(None) => Err(io::Error::other("the disk is on fire")),
        }
    }
}
