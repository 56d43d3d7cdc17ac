//! A host and a provider in memory, with the events that are on their way.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Value, json};

use crate::bindings::exports::trialbridge::plugin::handler::{Delivery, Event, Failure};
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::log::Level;
use crate::bindings::trialbridge::plugin::types::Error;
use crate::handle;
use crate::host::Host;
use crate::provider::{Extent, Found, Provider, Tenant};

/// When every test begins, in milliseconds.
const START: u64 = 1_589_379_579_000;

/// Everything that the plugin sees.
#[derive(Default)]
pub(super) struct World {
    pub(super) host: Fake,
    pub(super) folders: Folders,
}

#[derive(Default)]
pub(super) struct Fake {
    pub(super) now: u64,
    pub(super) config: String,
    pub(super) kv: BTreeMap<(String, String), Vec<u8>>,
    pub(super) trials: BTreeSet<String>,
    /// Emitted and not yet taken by the test.
    pub(super) emitted: Vec<(String, Value)>,
    /// How many changes the last call has made.
    pub(super) changes: usize,
    pub(super) warnings: RefCell<Vec<String>>,
    ids: u64,
}

/// Folders by name: for whom they are prepared.
#[derive(Default)]
pub(super) struct Folders {
    pub(super) all: BTreeMap<String, Option<Tenant>>,
    /// What every change answers, if it fails.
    pub(super) failure: Option<&'static str>,
}

impl World {
    /// A world with this pool of type ACS.
    pub(super) fn new(warm: usize) -> Self {
        let mut world = Self::default();
        world.host.now = START;
        world.configure(warm);
        world
    }

    pub(super) fn configure(&mut self, warm: usize) {
        self.host.config = json!({ "pools": { "ACS": { "warm": warm, "template": "acs" } } }).to_string();
    }

    pub(super) fn attempt(
        &mut self,
        source: &str,
        detail_type: &str,
        detail: &Value,
        attempt: u32,
    ) -> Result<(), Failure> {
        let event = Event {
            sequence: 1,
            id: "event".to_owned(),
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            time: "2020-05-13T14:19:39Z".to_owned(),
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            resources: Vec::new(),
            detail: detail.to_string(),
        };
        let delivery = Delivery {
            id: "delivery".to_owned(),
            rule: "rule".to_owned(),
            target: "stack-manager".to_owned(),
            attempt,
            idempotency_key: "key".to_owned(),
            input: None,
        };
        self.host.changes = 0;
        let outcome = handle::handle(&mut self.host, &mut self.folders, &event, &delivery);
        assert!(self.host.changes <= 240, "{} changes in {detail_type}", self.host.changes);
        outcome
    }

    pub(super) fn handle(&mut self, source: &str, detail_type: &str, detail: &Value) {
        self.attempt(source, detail_type, detail, 1).expect("nothing fails here");
    }

    pub(super) fn reconcile(&mut self) {
        self.handle("trialbridge", "Scheduled Event", &json!({}));
    }

    /// Delivers what the plugin says to itself until it says no more. Everything else that it said.
    pub(super) fn settle(&mut self) -> Vec<(String, Value)> {
        let mut others = Vec::new();
        loop {
            let emitted = self.take();
            if emitted.is_empty() {
                return others;
            }
            for (detail_type, detail) in emitted {
                match detail_type.as_str() {
                    "StackCreateRequested" | "ReconcileContinued" => {
                        self.handle("stack-manager", &detail_type, &detail)
                    }
                    _ => others.push((detail_type, detail)),
                }
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.host.emitted)
    }

    /// Does what assign-trial does to reserve the oldest warm stack. The detail of its StackReserved.
    pub(super) fn reserve(&mut self, trial: &str) -> Value {
        let stack_id = self.keys("pool")[0].strip_prefix("ACS/").expect("the pool is of type ACS").to_owned();
        self.host.kv.remove(&("pool".to_owned(), format!("ACS/{stack_id}")));
        let mut stack = self.record("stacks", &stack_id).expect("the stack has a record");
        stack["state"] = json!("ASSIGNED");
        stack["trialId"] = json!(trial);
        self.put("stacks", &stack_id, &stack);
        self.host.trials.insert(trial.to_owned());
        json!({
            "version": "1.0", "trialId": trial, "leadId": "1234567890", "type": "ACS", "requestedAt": 1_589_379_579,
            "status": "REQUESTED", "expiresAt": 1_589_379_600.5, "stackId": stack_id,
        })
    }

    pub(super) fn put(&mut self, bucket: &str, key: &str, value: &Value) {
        self.host.kv.insert((bucket.to_owned(), key.to_owned()), value.to_string().into_bytes());
    }

    pub(super) fn record(&self, bucket: &str, key: &str) -> Option<Value> {
        let value = self.host.kv.get(&(bucket.to_owned(), key.to_owned()))?;
        Some(serde_json::from_slice(value).expect("records are JSON"))
    }

    pub(super) fn keys(&self, bucket: &str) -> Vec<String> {
        self.host.kv.keys().filter(|(name, _)| name == bucket).map(|(_, key)| key.clone()).collect()
    }

    /// How many stacks have which state, and how many folders there are.
    pub(super) fn count(&self) -> String {
        let mut states = BTreeMap::<String, usize>::new();
        for key in self.keys("stacks") {
            let state = self.record("stacks", &key).expect("the key was listed")["state"].to_string();
            *states.entry(state.trim_matches('"').to_lowercase()).or_default() += 1;
        }
        let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("{}, {} pooled, {} folders", states.join(" "), self.keys("pool").len(), self.folders.all.len())
    }
}

/// How often each detail-type was said, `NAME*COUNT`.
pub(super) fn names(events: &[(String, Value)]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (detail_type, _) in events {
        *counts.entry(detail_type).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{name}*{count}")).collect::<Vec<_>>().join(" ")
}

impl Host for Fake {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn unique(&mut self) -> String {
        self.ids += 1;
        format!("00000000-0000-7000-8000-{:012}", self.ids)
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

    fn trial_lives(&self, id: &str) -> Result<bool, Error> {
        Ok(self.trials.contains(id))
    }

    fn emit(&mut self, event: &NewEvent) -> Result<(), Error> {
        assert_eq!(event.source, "stack-manager");
        self.changes += 1;
        self.emitted.push((event.detail_type.clone(), serde_json::from_str(&event.detail).expect("details are JSON")));
        Ok(())
    }
}

impl Folders {
    fn check(&self) -> io::Result<()> {
        self.failure.map_or(Ok(()), |message| Err(io::Error::other(message)))
    }
}

impl Provider for Folders {
    fn create(&mut self, stack_id: &str, template: &str) -> io::Result<()> {
        self.check()?;
        assert_eq!(template, "acs");
        self.all.entry(stack_id.to_owned()).or_default();
        Ok(())
    }

    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> io::Result<()> {
        self.check()?;
        let folder = self.all.get_mut(stack_id).ok_or(io::ErrorKind::NotFound)?;
        *folder = Some(tenant.clone());
        Ok(())
    }

    fn delete(&mut self, stack_id: &str) -> io::Result<()> {
        self.check()?;
        self.all.remove(stack_id);
        Ok(())
    }

    fn exists(&self, stack_id: &str) -> io::Result<bool> {
        Ok(self.all.contains_key(stack_id))
    }

    fn list(&self) -> io::Result<Vec<Found>> {
        let found = self.all.keys().map(|name| match name.strip_prefix('.') {
            Some(stack_id) => Found { name: name.clone(), stack_id: stack_id.to_owned(), extent: Extent::Part },
            None => Found { name: name.clone(), stack_id: name.clone(), extent: Extent::Whole },
        });
        Ok(found.collect())
    }

    fn discard(&mut self, found: &Found) -> io::Result<()> {
        self.check()?;
        self.all.remove(&found.name);
        Ok(())
    }
}
