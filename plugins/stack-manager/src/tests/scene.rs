//! A world with a provider in memory, and what assign-trial does in it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Event, Failure, Host};

use crate::provider::{Error, Extent, Found, Kind, Order, Provider, Providers, Readiness, Recipe, Status, Tenant};
use crate::{StackManager, handle};

/// Everything that the plugin sees.
pub(super) struct Scene {
    world: World<StackManager>,
    pub(super) folders: Folders,
}

/// Folders by name: for whom they are prepared.
#[derive(Default)]
pub(super) struct Folders {
    pub(super) all: BTreeMap<String, Option<Tenant>>,
    /// How often they were listed.
    pub(super) lists: usize,
    /// What every change answers, if it fails.
    pub(super) failure: Option<Error>,
    /// What stacks are while they take their time; nothing if all is done at once.
    pub(super) slow: Option<Status>,
}

impl Scene {
    /// A world with this pool of type ACS.
    pub(super) fn new(warm: usize) -> Self {
        let mut scene = Self { world: World::new(), folders: Folders::default() };
        scene.keep(warm);
        scene
    }

    /// Configures how many warm stacks of type ACS are kept.
    pub(super) fn keep(&mut self, warm: usize) {
        self.policy(json!({ "warm": warm }));
    }

    /// Configures the pool of type ACS.
    pub(super) fn policy(&mut self, mut pool: Value) {
        pool["template"] = json!("acs");
        self.configure(json!({ "pools": { "ACS": pool } }));
    }

    pub(super) fn attempt(
        &mut self,
        source: &str,
        detail_type: &str,
        detail: &Value,
        attempt: u32,
    ) -> Result<(), Failure> {
        let event = self.world.event(source, detail_type, detail);
        let folders = &mut self.folders;
        self.world.run(&event, attempt, |event, host| handle::handle(host, folders, event))
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
                    "StackCreateRequested" | "StackDeleteRequested" | "StackPollDue" | "ReconcileContinued" => {
                        self.handle("stack-manager", &detail_type, &detail)
                    }
                    _ => others.push((detail_type, detail)),
                }
            }
        }
    }

    /// Takes what was emitted: detail-types with details.
    pub(super) fn take(&mut self) -> Vec<(String, Value)> {
        let detail = |event: &Event| event.read().expect("details are JSON");
        self.take_emitted().into_iter().map(|event| (event.detail_type.clone(), detail(&event))).collect()
    }

    /// The first event of this type that was emitted and not taken. It stays, as the others do.
    pub(super) fn first(&self, detail_type: &str) -> (String, Value) {
        let mut emitted = self.emitted().iter();
        let event = emitted.find(|event| event.detail_type == detail_type).expect("it was emitted");
        (event.detail_type.clone(), event.read().expect("details are JSON"))
    }

    /// What was emitted and not taken, as [`names_of`] says it.
    pub(super) fn said(&self) -> String {
        names(self.emitted().iter().map(|event| event.detail_type.as_str()))
    }

    /// Does what assign-trial does to reserve the oldest warm stack. The detail of its StackReserved.
    pub(super) fn reserve(&mut self, trial: &str) -> Value {
        let stack_id = self.pooled()[0].strip_prefix("ACS/").expect("the pool is of type ACS").to_owned();
        self.delete("pool", &format!("ACS/{stack_id}"));
        let taken = json!({ "state": "ASSIGNED", "takenAt": self.now() });
        self.set("pool", &format!("/ACS/{stack_id}"), taken);
        let mut stack: Value = self.get("stacks", &stack_id).expect("the stack has a record");
        stack["state"] = json!("ASSIGNED");
        stack["trialId"] = json!(trial);
        self.set("stacks", &stack_id, &stack);
        self.request(trial, "1234567890", "ACS", Duration::from_secs(3600));
        json!({
            "version": "1.0", "trialId": trial, "leadId": "1234567890", "type": "ACS", "requestedAt": 1_589_379_579,
            "status": "REQUESTED", "expiresAt": 1_589_379_600.5, "stackId": stack_id,
        })
    }

    /// The keys of the stacks that no trial has.
    pub(super) fn pooled(&self) -> Vec<&str> {
        self.keys("pool").into_iter().filter(|key| !key.starts_with('/')).collect()
    }

    /// Ends every trial.
    pub(super) fn end_all(&mut self) {
        let ids: Vec<String> = self.trials().map(|trial| trial.trial_id.clone()).collect();
        for id in ids {
            self.end(&id);
        }
    }

    /// How many stacks have which state, and how many folders there are.
    pub(super) fn count(&self) -> String {
        let mut states = BTreeMap::<String, usize>::new();
        for key in self.keys("stacks") {
            let stack: Value = self.get("stacks", key).expect("the key was listed");
            *states.entry(stack["state"].to_string().trim_matches('"').to_lowercase()).or_default() += 1;
        }
        let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("{}, {} pooled, {} folders", states.join(" "), self.pooled().len(), self.folders.all.len())
    }
}

impl Deref for Scene {
    type Target = World<StackManager>;

    fn deref(&self) -> &World<StackManager> {
        &self.world
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut World<StackManager> {
        &mut self.world
    }
}

/// How often each detail-type was said, `NAME*COUNT`.
fn names<'a>(said: impl IntoIterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for detail_type in said {
        *counts.entry(detail_type).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{name}*{count}")).collect::<Vec<_>>().join(" ")
}

/// How often each detail-type is among events that were taken, `NAME*COUNT`.
pub(super) fn names_of(events: &[(String, Value)]) -> String {
    names(events.iter().map(|(detail_type, _)| detail_type.as_str()))
}

impl Folders {
    fn check(&self) -> Result<(), Error> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn state_of(&self, stack_id: &str) -> Status {
        match self.all.get(stack_id) {
            Some(_) => self.slow.clone().unwrap_or(Status::Ready(None)),
            None => Status::Absent,
        }
    }
}

impl Providers for Folders {
    fn provider<'a>(&'a mut self, _host: &'a Host, _kind: &'a Kind) -> Box<dyn Provider + 'a> {
        Box::new(self)
    }
}

impl Provider for &mut Folders {
    fn create(&mut self, order: &Order<'_>) -> Result<Status, Error> {
        self.check()?;
        assert_eq!(order.recipe, &Recipe::Folder("acs".to_owned()));
        self.all.entry(order.stack_id.to_owned()).or_default();
        Ok(self.state_of(order.stack_id))
    }

    fn status(&mut self, stack_id: &str) -> Result<Status, Error> {
        self.check()?;
        Ok(self.state_of(stack_id))
    }

    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> Result<Readiness, Error> {
        self.check()?;
        let folder = self.all.get_mut(stack_id).ok_or_else(|| Error::Failed("not found".to_owned()))?;
        *folder = Some(tenant.clone());
        Ok(Readiness::Answers)
    }

    fn delete(&mut self, stack_id: &str) -> Result<Status, Error> {
        self.check()?;
        if let Some(slow) = &self.slow {
            return Ok(slow.clone());
        }
        self.all.remove(stack_id);
        Ok(Status::Absent)
    }

    fn list(&mut self) -> Result<Option<Vec<Found>>, Error> {
        self.lists += 1;
        let found = self.all.keys().map(|name| match name.strip_prefix('.') {
            Some(stack_id) => Found { name: name.clone(), stack_id: stack_id.to_owned(), extent: Extent::Part },
            None => Found { name: name.clone(), stack_id: name.clone(), extent: Extent::Whole },
        });
        Ok(Some(found.collect()))
    }

    fn discard(&mut self, found: &Found) -> Result<(), Error> {
        self.check()?;
        self.all.remove(&found.name);
        Ok(())
    }
}
