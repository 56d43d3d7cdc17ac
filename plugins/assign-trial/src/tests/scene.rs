//! A world with what the API and stack-manager do in it, as far as an assignment sees that.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::Event;
use trialbridge_plugin::testing::World;

use crate::AssignTrial;

pub(super) struct Scene(World<AssignTrial>);

impl Scene {
    pub(super) fn new() -> Self {
        Self(World::new())
    }

    /// Stores a trial of type ACS that lives for a minute. The detail of its TrialRequested.
    pub(super) fn request(&mut self, id: &str) -> Value {
        Value::Object(self.0.request(id, "1234567890", "ACS", Duration::from_millis(60_500)).detail())
    }

    /// Ends a trial. The detail of its TrialExpired or TrialCancelled.
    pub(super) fn end(&mut self, id: &str) -> Value {
        Value::Object(self.0.end(id).expect("the trial lives").detail())
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
        let folder = self.folder("stacks").join(stack);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join("trial.json"), json!({ "trialId": trial }).to_string()).expect("the file can be written");
        json!({ "stackId": stack, "trialId": trial, "url": format!("/stacks/{stack}/") })
    }

    /// Loses what all stacks were prepared for.
    pub(super) fn forget(&mut self) {
        fs::remove_dir_all(self.folder("stacks")).expect("the folder can be removed");
    }

    /// Makes what a stack was prepared for unreadable: a folder is in its place.
    pub(super) fn spoil(&mut self, stack: &str) {
        let file = self.folder("stacks").join(stack).join("trial.json");
        fs::remove_file(&file).expect("the stack was prepared");
        fs::create_dir(&file).expect("the folder can be made");
    }

    /// Takes what was emitted: detail-types with details.
    pub(super) fn take(&mut self) -> Vec<(String, Value)> {
        let taken = self.take_emitted().into_iter();
        taken.map(|event| (event.detail_type.clone(), detail(&event))).collect()
    }

    /// Takes the one event that was emitted.
    pub(super) fn take_one(&mut self, detail_type: &str) -> Value {
        let mut taken = self.take();
        assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [detail_type]);
        taken.remove(0).1
    }

    /// Whether the trial says that it is at this step.
    pub(super) fn is_at(&self, id: &str, step: &str) -> bool {
        self.trial(id).is_some_and(|trial| trial.attributes["progress"]["step"] == step)
    }
}

impl Deref for Scene {
    type Target = World<AssignTrial>;

    fn deref(&self) -> &World<AssignTrial> {
        &self.0
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut World<AssignTrial> {
        &mut self.0
    }
}

pub(super) fn detail(event: &Event) -> Value {
    event.read().expect("details are JSON")
}
