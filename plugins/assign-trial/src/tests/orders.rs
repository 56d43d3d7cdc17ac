//! Events in random orders. Whatever the order, every request has one outcome, and no stack has two trials.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{Scene, detail};

/// How many orders are tried.
const ORDERS: u64 = 2_000;

#[test]
fn every_request_has_one_outcome_in_any_order() {
    for seed in 1..=ORDERS {
        World::new(seed).run();
    }
}

/// The world around the plugin: events on their way, and a stack-manager that sometimes fails.
struct World {
    host: Scene,
    random: Random,
    seed: u64,
    /// Events that were published and not delivered.
    pending: Vec<(&'static str, String, Value)>,
    /// How many outcomes each trial has had.
    outcomes: BTreeMap<String, u32>,
    /// The trial that each stack was reserved for.
    reserved: BTreeMap<String, String>,
    stacks: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let (pending, outcomes, reserved) = Default::default();
        Self {
            host: Scene::new(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            seed,
            pending,
            outcomes,
            reserved,
            stacks: 0,
        }
    }

    fn run(&mut self) {
        let trials = 1 + self.random.below(6);
        for number in 0..trials {
            let id = format!("t{number}");
            let requested = self.host.request(&id);
            self.outcomes.insert(id, 0);
            self.publish("OnlineTrial", "TrialRequested", requested);
        }
        for _ in 0..self.random.below(5) {
            self.make_warm();
        }
        // Every trial ends some time, so that nothing is left when nothing is left to happen.
        while !self.pending.is_empty() || self.host.trials().next().is_some() {
            match self.random.below(12) {
                0 => self.end_some_trial(),
                1 => self.pass_some_deadline(),
                2 if self.stacks < 8 => self.make_warm(),
                _ => self.deliver_some_event(),
            }
        }
        let seed = self.seed;
        assert!(self.outcomes.values().all(|count| *count == 1), "seed {seed}: {:?}", self.outcomes);
        assert_eq!(self.host.keys("assignments"), [""; 0], "seed {seed}");
        assert_eq!(self.host.keys("waiting"), [""; 0], "seed {seed}");
        assert!(self.host.deadlines().is_empty(), "seed {seed}");
    }

    fn deliver_some_event(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let which = self.random.below(self.pending.len() as u64) as usize;
        let (source, detail_type, detail) = self.pending.swap_remove(which);
        if detail_type == "StackReserved" {
            return self.prepare(&detail);
        }
        if matches!(detail_type.as_str(), "TrialAssigned" | "TrialAssignmentFailed") {
            return;
        }
        let attempt = 1 + self.random.below(5) as u32;
        let event = self.host.event(source, &detail_type, &detail);
        self.host.attempt(&event, attempt).expect("nothing fails here");
        for (detail_type, detail) in self.host.take() {
            let text = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
            match detail_type.as_str() {
                "StackReserved" => {
                    let before = self.reserved.insert(text("stackId"), text("trialId"));
                    assert_eq!(before, None, "seed {}: {} has two trials", self.seed, text("stackId"));
                    self.publish("assign-trial", &detail_type, detail);
                }
                "TrialAssigned" => {
                    assert_eq!(self.reserved.get(&text("stackId")), Some(&text("trialId")), "seed {}", self.seed);
                    *self.outcomes.entry(text("trialId")).or_default() += 1;
                }
                "TrialAssignmentFailed" => *self.outcomes.entry(text("trialId")).or_default() += 1,
                other => panic!("seed {}: unexpected {other}", self.seed),
            }
        }
    }

    /// What stack-manager does about a reservation: it prepares the stack, fails, or does both halves.
    fn prepare(&mut self, reserved: &Value) {
        let (stack, trial) = (reserved["stackId"].as_str(), reserved["trialId"].as_str());
        let (stack, trial) = stack.zip(trial).map(|(s, t)| (s.to_owned(), t.to_owned())).expect("both are texts");
        let fate = self.random.below(8);
        if fate != 0 {
            let configured = self.host.prepare(&stack, &trial);
            self.publish("stack-manager", "StackConfigured", configured);
        }
        if fate <= 1 {
            let failed = json!({ "stackId": stack, "trialId": trial, "type": "ACS", "reason": "no space" });
            self.publish("stack-manager", "StackFailed", failed);
        }
        if fate == 2 {
            self.host.answers.clear();
        }
    }

    fn make_warm(&mut self) {
        self.stacks += 1;
        let warm = self.host.warm(&format!("acs-{}", self.stacks));
        self.publish("stack-manager", "StackWarm", warm);
    }

    fn end_some_trial(&mut self) {
        let ids: Vec<String> = self.host.trials().map(|trial| trial.trial_id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let ended = self.host.end(&ids[self.random.below(ids.len() as u64) as usize]);
        let how = if self.random.below(2) == 0 { "TrialExpired" } else { "TrialCancelled" };
        self.publish("OnlineTrial", how, ended);
    }

    fn pass_some_deadline(&mut self) {
        if let Some((_, event)) = self.host.take_delayed() {
            self.publish("assign-trial", &event.detail_type, detail(&event));
        }
    }

    fn publish(&mut self, source: &'static str, detail_type: &str, detail: Value) {
        self.pending.push((source, detail_type.to_owned(), detail));
    }
}

/// xorshift64*: enough to shuffle with, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
