//! The plugin against a host in memory.

use serde_json::json;
use trialbridge_plugin::testing::World;

use crate::{Greeter, NAME};

#[test]
fn a_lead_who_comes_back_is_greeted() {
    let mut world = World::<Greeter>::new();
    world.handle("OnlineTrial", "TrialRequested", json!({ "leadId": "1" })).expect("the first is counted");
    assert!(world.emitted().is_empty());
    world.handle("OnlineTrial", "TrialRequested", json!({ "leadId": "1" })).expect("so is the second");
    assert_eq!(world.emitted()[0].detail_type, "LeadReturned");
    assert_eq!(world.get::<u64>(NAME, "1"), Some(2));
}

#[test]
fn what_names_no_lead_is_refused() {
    let mut world = World::<Greeter>::new();
    let failure = world.handle("OnlineTrial", "TrialRequested", json!({})).expect_err("there is no lead");
    assert_eq!(failure.reason(), "the detail of TrialRequested has no `leadId`");
}
